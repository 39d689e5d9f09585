"""What comes out of the generation of an ApplicationSet, and the clusters that go into it.

Owns: `RegisteredCluster`, `GeneratedApplication`, `Problem` and `Generated`. Pure data, made by
`fleetui.engine.appset.generate`; read by the reconciler, the command line and whoever looks for where a cell of the
matrix comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from fleetui.engine.appset.params import shown
from fleetui.engine.appset.questions import Question
from fleetui.hubports import Registration
from fleetui.model.objects import Obj
from fleetui.model.text import one_line

PARAMETERS = "ApplicationGenerationFromParamsError"
RENDERING = "RenderTemplateParamsError"
VALIDATION = "ApplicationValidationError"
"""Why there is no Application, in the words of the condition `ErrorOccurred` (argo-cd v3.6.1,
pkg/apis/application/v1alpha1/applicationset_types.go, `ApplicationSetReasonType`)."""
_ELEMENTS_TOLD = 3


class RegisteredCluster(msgspec.Struct, frozen=True):
    """A cluster that the hub has registered, as a cluster generator sees it: what the Secret says."""

    name: str
    server: str
    project: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @classmethod
    def of(cls, registration: Registration) -> RegisteredCluster:
        """The cluster of a registration."""
        return cls(
            name=registration.name,
            server=registration.server,
            project=registration.project,
            labels=registration.labels,
            annotations=registration.annotations,
        )


class GeneratedApplication(msgspec.Struct, frozen=True):
    """An Application, and where it comes from.

    `generator`: the index in `spec.generators`, `kind`: that generator's kind, such as ``matrix``; `element`: the index
    of the parameters among those that it made, `params`: they themselves.
    """

    app: Obj
    generator: int
    kind: str
    element: int
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its `metadata.name`; empty where it has none."""
        return str(self.app["metadata"].get("name") or "")

    def __str__(self) -> str:
        return f"{place(self.generator, self.kind)}, {told_element(self.element, self.params)}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no Application: one of the three reasons above, the generator (index and kind), which of its
    parameters (none where the generator itself is wrong), the field, and what is wrong with it and what to do."""

    reason: str
    generator: int
    kind: str
    message: str
    hint: str = ""
    field: str = ""
    """From the ApplicationSet's root for a generator, such as ``spec.generators[0].list.elements[2].version``; from the
    Application's for one that is made."""
    elements: tuple[int, ...] = ()
    params: Mapping[str, Any] = {}
    """Those of the first of the elements."""
    applications: tuple[str, ...] = ()
    """The names of the Applications that are held back for it; where there are none, all are."""

    def __str__(self) -> str:
        """One sentence with generator, element, field, what is wrong and what to do."""
        if self.reason == PARAMETERS:
            where = self.field or place(self.generator, self.kind)
        else:
            where = ", ".join(filter(None, (place(self.generator, self.kind), self._elements(), self.field)))
        return one_line(f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else ""))

    def _elements(self) -> str:
        if not self.elements:
            return ""
        if len(self.elements) == 1:
            return told_element(self.elements[0], self.params)
        first = ", ".join(str(each) for each in self.elements[:_ELEMENTS_TOLD])
        more = len(self.elements) - _ELEMENTS_TOLD
        return f"elements {first}" + (f" and {more} more" if more > 0 else "")


class Generated(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What an ApplicationSet makes.

    Only where it is `complete` do `applications` say what there is to be: a question is open, or a generator or a
    template wrong, else, and then there are none here and nothing may be changed in the hub. An Application that is
    wrong by itself is not among them and is not to be touched: its name is in `held`.
    """

    applications: tuple[GeneratedApplication, ...] = ()
    problems: tuple[Problem, ...] = ()
    questions: tuple[Question, ...] = ()
    """Those without an answer, in the order in which they were asked."""
    ask_again: float | None = None
    """After so many seconds what generators ask has to be asked again; None where nothing is to be."""

    @property
    def complete(self) -> bool:
        """Whether this is everything that the ApplicationSet makes."""
        return not self.questions and self.stopper is None

    @property
    def stopper(self) -> Problem | None:
        """The first problem that is not one of single Applications, and for which nothing may be changed."""
        return next((problem for problem in self.problems if not problem.applications), None)

    @cached_property
    def held(self) -> frozenset[str]:
        """The names of Applications that are made, but wrong: they stay as they are."""
        return frozenset(name for problem in self.problems for name in problem.applications)


def place(generator: int, kind: str) -> str:
    """A generator, as sentences name it."""
    return f"spec.generators[{generator}] ({kind})" if kind else f"spec.generators[{generator}]"


def told_element(element: int, params: Mapping[str, Any]) -> str:
    """One of the parameter sets, as sentences name it."""
    said = shown(params)
    return f"element {element} ({said})" if said else f"element {element}"
