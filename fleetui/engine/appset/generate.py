"""From an ApplicationSet to its Applications.

Owns: `generate`. Called by the reconciler, the command line and the preview, and by whoever else: it holds still. Pure:
what generators want to know is given as answers, and what is not known yet comes back as open questions. Follows Argo
CD v3.6.1 (applicationset/controllers/template/template.go; applicationset_controller.go,
`validateGeneratedApplications`), but for what would be silent there: an entry without a generator that we know is an
error, and changes nothing; so are Applications that all have the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from fleetui.engine.application import mapping
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
from fleetui.engine.appset.template_budget import within_time
from fleetui.engine.appset.template_check import check
from fleetui.engine.appset.template_patch import merged_template
from fleetui.engine.appset.world import Unanswered, World
from fleetui.model.errors import FleetError, TemplateError
from fleetui.model.objects import Obj
from fleetui.model.text import one_line

_NAME = "metadata.name"
_NAMES_TOLD = 12
T = TypeVar("T")


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
        with within_time():
            return _Generation(appset, clusters, answers or {}).run()
    except Flaw as flaw:
        return Generated(problems=(_parameters(0, "", flaw),))
    except RecursionError:
        return Generated(problems=(_parameters(0, "", Flaw("spec", "is nested too deeply")),))


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
        spec = reading.mapping(appset, "spec", "")
        _check_presence(spec)
        self._entries = reading.maps(spec, "generators", "spec")
        self._template = reading.mapping(spec, "template", "spec")
        _check_types(spec)
        self._templating = Templating.of(appset)
        project = reading.text(mapping(self._template.get("spec")), "project", "spec.template.spec")
        self._world = World(
            reading.text(reading.mapping(appset, "metadata", ""), "name", "metadata"),
            "" if "{{" in project else project,
            clusters,
            answers,
            go=self._templating.go,
            options=self._templating.options,
        )
        self._problems: list[Problem] = []

    def run(self) -> Generated:
        made = [found for index, entry in enumerate(self._entries) for found in self._sets(index, entry)]
        apps: list[GeneratedApplication] = []
        if not self._world.open and not self._problems:
            apps = [app for each in made for app in self._apps(each)]
        if not self._world.open and not self._problems:
            self._validate(apps)
        again = ask_again(self._entries)
        found = Generated(problems=tuple(self._problems), questions=tuple(self._world.open), ask_again=again)
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
        self._problems.append(_parameters(index, kind, flaw))

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

    def _validate(self, apps: Sequence[GeneratedApplication]) -> None:
        alike = {key for key, those in _grouped(apps, _generator).items() if self._all_named_alike(those)}
        wrong: dict[tuple[Any, ...], list[GeneratedApplication]] = defaultdict(list)
        for app in apps:
            for field, message in check(app.app):
                if field != _NAME or _generator(app) not in alike:
                    wrong[_generator(app), field, message].append(app)
        for (_, field, message), those in wrong.items():
            self._invalid(those, field, message)
        for name, those in _grouped(apps, lambda app: app.name).items():
            if len(those) > 1 and name and not alike.issuperset(map(_generator, those)):
                others = f" and {len(those) - 2} more" if len(those) > 2 else ""
                self._invalid(those, _NAME, f"the name {one_line(name)!r} is also that of {those[1]}{others}")

    def _all_named_alike(self, those: Sequence[GeneratedApplication]) -> bool:
        """Whether the name that a generator's Applications have says nothing of its parameters; tells so."""
        if len(those) < 2 or any(app.name != those[0].name for app in those):
            return False
        flaws = [message for field, message in check(those[0].app) if field == _NAME]
        same = f"; it {flaws[0]}" if flaws else f", {one_line(those[0].name)!r}"
        known = sorted({key for app in those for key in app.params})
        example = "{{.name}}" if self._templating.go else "{{name}}"
        self._invalid(
            those,
            _NAME,
            f"{'both' if len(those) == 2 else f'all {len(those)}'} Applications get the same name{same}",
            f"write parameters into spec.template.metadata.name, such as {example};"
            f" there are {', '.join(known[:_NAMES_TOLD])}",
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


def _parameters(generator: int, kind: str, flaw: Flaw) -> Problem:
    """That a generator makes no parameters."""
    return Problem(
        reason=PARAMETERS, generator=generator, kind=kind, field=flaw.field, message=flaw.message, hint=flaw.hint
    )


def _check_presence(spec: Mapping[str, Any]) -> None:
    """Of what the definition of ApplicationSets requires: without generators there would be no Application at all.

    Raises:
        Flaw: a field is missing.
    """
    for key in ("generators", "template"):
        if spec.get(key) is None:
            raise Flaw(f"spec.{key}", "is missing")


def _check_types(spec: Mapping[str, Any]) -> None:
    """Of what the templating takes as it finds it.

    Raises:
        Flaw: a field has another type.
    """
    reading.flag(spec, "goTemplate", "spec")
    reading.text_list(spec, "goTemplateOptions", "spec")
    reading.text(spec, "templatePatch", "spec")
    policy = reading.mapping(spec, "syncPolicy", "spec")
    reading.flag(policy, "preserveResourcesOnDeletion", "spec.syncPolicy")


def _generator(app: GeneratedApplication) -> tuple[int, str]:
    return app.generator, app.kind


def _grouped(
    apps: Iterable[GeneratedApplication], key: Callable[[GeneratedApplication], T]
) -> dict[T, list[GeneratedApplication]]:
    found: dict[T, list[GeneratedApplication]] = defaultdict(list)
    for app in apps:
        found[key(app)].append(app)
    return found


def _keyed(error: FleetError) -> tuple[str, str, str]:
    if isinstance(error, TemplateError):
        return error.field, error.reason, error.hint
    return "", error.message, error.hint
