"""From an ApplicationSet to its Applications.

Owns: `generate`. Called by the reconciler, the command line and the preview, and by whoever else: it holds still. Pure:
what generators want to know is given as answers, and what is not known yet comes back as open questions. Follows Argo
CD v3.6.1 (applicationset/controllers/template/template.go; applicationset_controller.go,
`validateGeneratedApplications`), but for what would be silent there: an entry without a generator that we know is an
error, and changes nothing; so are Applications that all have the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fleetui.engine.appset import reading
from fleetui.engine.appset.generated import (
    PARAMETERS,
    RENDERING,
    VALIDATION,
    Generated,
    GeneratedApplication,
    Problem,
    RegisteredCluster,
)
from fleetui.engine.appset.generators import KINDS, ask_again, kinds_of, transformed
from fleetui.engine.appset.params import Params
from fleetui.engine.appset.questions import Answer, Question
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.template import Templating
from fleetui.engine.appset.template_check import check
from fleetui.engine.appset.template_patch import merged_template
from fleetui.engine.appset.world import Unanswered, World
from fleetui.model.errors import FleetError, TemplateError
from fleetui.model.objects import Obj
from fleetui.model.text import one_line

_NAME = "metadata.name"
_NAMES_TOLD = 12


def generate(
    appset: Obj,
    clusters: Sequence[RegisteredCluster] = (),
    answers: Mapping[Question, Answer] | None = None,
) -> Generated:
    """The Applications that an ApplicationSet makes, in the order of its generators and of what each makes.

    Args:
        appset: the object, as it is in the cluster or in a file.
        clusters: what its hub has registered, without the hub itself where that has no Secret.
        answers: what is known of the questions of an earlier call.

    Raises no error: what is wrong is in `Generated.problems`, each with generator, element and field.
    """
    try:
        return _Generation(appset, clusters, answers or {}).run()
    except Flaw as flaw:
        problem = Problem(
            reason=PARAMETERS, generator=0, kind="", field=flaw.field, message=flaw.message, hint=flaw.hint
        )
        return Generated(problems=(problem,))


class _Made(NamedTuple):
    """The parameter sets of one generator."""

    number: int
    kind: str
    sets: list[Params]
    template: Obj
    """That of the generator; empty where it has none."""


class _Generation:
    """One run."""

    def __init__(self, appset: Obj, clusters: Sequence[RegisteredCluster], answers: Mapping[Question, Answer]) -> None:
        metadata = reading.mapping(appset, "metadata", "")
        spec = reading.mapping(appset, "spec", "")
        self._spec = spec
        self._template = reading.mapping(spec, "template", "spec")
        self._go = reading.flag(spec, "goTemplate", "spec")
        self._templating = Templating.of(appset)
        project = reading.text(
            reading.mapping(self._template, "spec", "spec.template"), "project", "spec.template.spec"
        )
        self._world = World(
            reading.text(metadata, "name", "metadata"),
            "" if "{{" in project else project,
            clusters,
            answers,
            go=self._go,
            options=reading.text_list(spec, "goTemplateOptions", "spec"),
        )
        self._problems: list[Problem] = []

    def run(self) -> Generated:
        entries = reading.maps(self._spec, "generators", "spec")
        made = [found for index, entry in enumerate(entries) for found in self._sets(index, entry)]
        apps: list[GeneratedApplication] = []
        if not self._world.open and not self._problems:
            apps = [app for each in made for app in self._apps(each)]
        if not self._world.open and not self._problems:
            self._validate(apps, made)
        found = Generated(
            problems=tuple(self._problems), questions=tuple(self._world.open), ask_again=ask_again(entries)
        )
        if not found.complete:
            return found
        valid = tuple(app for app in apps if app.name not in found.held)
        return msgspec.structs.replace(found, applications=valid)

    # --- parameters -------------------------------------------------------------------------------------------

    def _sets(self, index: int, entry: Mapping[str, Any]) -> Iterable[_Made]:
        at = f"spec.generators[{index}]"
        kinds = kinds_of(entry)
        if not kinds:
            self._wrong(index, "", Flaw(at, "is no generator", f"one of {', '.join(KINDS)}"))
        for kind in kinds:
            try:
                template = reading.mapping(reading.mapping(entry, kind, at), "template", f"{at}.{kind}")
                yield _Made(index, kind, transformed(entry, kind, self._world, at), template)
            except Unanswered:
                continue
            except Flaw as flaw:
                self._wrong(index, kind, flaw)
            except FleetError as error:  # the extra for Go templates is missing
                self._wrong(index, kind, Flaw(at, error.message, error.hint))

    def _wrong(self, index: int, kind: str, flaw: Flaw) -> None:
        self._problems.append(
            Problem(
                reason=PARAMETERS, generator=index, kind=kind, field=flaw.field, message=flaw.message, hint=flaw.hint
            )
        )

    # --- rendering --------------------------------------------------------------------------------------------

    def _apps(self, made: _Made) -> list[GeneratedApplication]:
        failed: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        apps = []
        try:
            template = merged_template(made.template, self._template) if made.template else self._template
            render = self._templating.maker(template)
        except FleetError as error:
            self._unrendered(made, _keyed(error), [])
            return []
        for element, params in enumerate(made.sets):
            try:
                apps.append(GeneratedApplication(render(params), made.number, made.kind, element, params))
            except FleetError as error:
                failed[_keyed(error)].append(element)
        for key, elements in failed.items():
            self._unrendered(made, key, elements)
        return apps

    def _unrendered(self, made: _Made, key: tuple[str, str, str], elements: list[int]) -> None:
        field, message, hint = key
        self._problems.append(
            Problem(
                reason=RENDERING,
                generator=made.number,
                kind=made.kind,
                field=field,
                message=message,
                hint=hint,
                elements=tuple(elements),
                params=made.sets[elements[0]] if elements else {},
            )
        )

    # --- validation -------------------------------------------------------------------------------------------

    def _validate(self, apps: Sequence[GeneratedApplication], made: Sequence[_Made]) -> None:
        alike = {each.number for each in made if self._all_named_alike(each, apps)}
        wrong: dict[tuple[int, str, str, str], list[GeneratedApplication]] = defaultdict(list)
        by_name: dict[str, list[GeneratedApplication]] = defaultdict(list)
        for app in apps:
            for field, message in check(app.app):
                if not (field == _NAME and app.generator in alike):
                    wrong[app.generator, app.kind, field, message].append(app)
            by_name[app.name].append(app)
        for (_, _, field, message), those in wrong.items():
            self._invalid(those, field, message)
        for name, those in by_name.items():
            if len(those) > 1 and name and not all(app.generator in alike for app in those):
                others = f" and {len(those) - 2} more" if len(those) > 2 else ""
                self._invalid(those, _NAME, f"the name {one_line(name)!r} is also that of {those[1]}{others}")

    def _all_named_alike(self, made: _Made, apps: Sequence[GeneratedApplication]) -> bool:
        """Whether the name that a generator's Applications have says nothing of its parameters; tells so."""
        those = [app for app in apps if (app.generator, app.kind) == (made.number, made.kind)]
        if len(those) < 2 or len({app.name for app in those}) > 1:
            return False
        name = those[0].name
        flaws = [message for field, message in check(those[0].app) if field == _NAME]
        same = f"; it {flaws[0]}" if flaws else f", {one_line(name)!r}"
        known = sorted({key for app in those for key in app.params})
        told = ", ".join(known[:_NAMES_TOLD])
        example = "{{.name}}" if self._go else "{{name}}"
        self._invalid(
            those,
            _NAME,
            f"all {len(those)} Applications get the same name{same}",
            f"write parameters into spec.template.metadata.name, such as {example}; there are {told}",
            holds_all=True,
        )
        return True

    def _invalid(
        self,
        those: Sequence[GeneratedApplication],
        field: str,
        message: str,
        hint: str = "",
        *,
        holds_all: bool = False,
    ) -> None:
        first = those[0]
        self._problems.append(
            Problem(
                reason=VALIDATION,
                generator=first.generator,
                kind=first.kind,
                field=field,
                message=message,
                hint=hint,
                elements=tuple(app.element for app in those if app.generator == first.generator),
                params=first.params,
                applications=() if holds_all else tuple(sorted({app.name for app in those if app.name})),
            )
        )


def _keyed(error: FleetError) -> tuple[str, str, str]:
    if isinstance(error, TemplateError):
        return error.field, error.reason, error.hint
    return "", error.message, error.hint
