"""Whether what an ApplicationSet made is an Application, and one that this hub can have.

Owns: `check` (the object alone), `unmet` and `nowhere` (what it needs of the hub). Called by
`fleetui.engine.appset.generate` and by the reconciler. Pure. The names follow Kubernetes (`fleetui.model.names`), the
rest Argo CD v3.6.1 (applicationset_controller.go, `validateGeneratedApplications`; util/argo/argo.go,
`GetDestinationServer`, `validateSourcePermissions`); the types of the fields are `template_shape`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from fleetui.engine.application import IN_CLUSTER, mapping, mappings, strings, text
from fleetui.engine.appset.applicationset import name_of
from fleetui.engine.lookup import by_server, no_such_name, no_such_server, server_of
from fleetui.engine.sourceset import SourceSet
from fleetui.hubports import Registration
from fleetui.model.errors import FleetError
from fleetui.model.names import LONGEST_NAME, is_label_value, is_qualified_name, is_subdomain
from fleetui.model.objects import Obj
from fleetui.model.text import one_line

_MOST_ANNOTATIONS = 256 * 1024
_UNFILLED = re.compile(r"\{\{[^\n]*?\}\}")
_SHOWN = 80

Problem = tuple[str, str]
"""A field of the Application, and a sentence about it."""


def check(app: Obj) -> list[Problem]:
    """Everything because of which it is no valid Application; empty where it is one."""
    metadata, spec = mapping(app.get("metadata")), mapping(app.get("spec"))
    return [*_metadata(metadata), *_destination(mapping(spec.get("destination"))), *_spec(spec)]


def unmet(apps: Iterable[Obj], *, projects: Container[str], registered: Sequence[Registration]) -> dict[str, str]:
    """Which Applications this hub can't have, by name, and why, in Argo CD's words.

    Args:
        projects: the names of the AppProjects of the control plane's namespace.
        registered: the clusters registered with the hub; the local one need not be among them.
    """
    why_nowhere = nowhere(registered)
    found = {}
    for app in apps:
        spec = mapping(app.get("spec"))
        project = text(spec.get("project"))
        if project not in projects:
            found[name_of(app)] = f"application references project {project} which does not exist"
        elif problem := why_nowhere(mapping(spec.get("destination"))):
            found[name_of(app)] = f"application destination spec is invalid: {problem}"
    return found


def nowhere(registered: Sequence[Registration]) -> Callable[[Mapping[str, Any]], str]:
    """What says why the hub has no cluster for a destination, in Argo CD's words; empty where it has one. Many
    Applications have the same destination: each is looked up once."""

    @cache
    def why(asked: str, name: str) -> str:
        try:
            server = server_of(asked, name, registered)
        except FleetError as error:
            return str(error)
        if not server:
            return str(no_such_name(name))
        return "" if server == IN_CLUSTER or by_server(server, registered) else str(no_such_server(asked))

    return lambda destination: why(text(destination.get("server")), text(destination.get("name")))


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name = text(metadata.get("name"))
    if not name:
        yield "metadata.name", "is empty, and an Application needs a name"
    elif len(name) > LONGEST_NAME:
        yield "metadata.name", f"is longer than {LONGEST_NAME} characters: {_shown(name)}"
    elif not is_subdomain(name):
        yield "metadata.name", f"is {_shown(name)}, and may hold only a-z, 0-9, '-' and '.'{_why(name)}"
    for kind in ("labels", "annotations"):
        for key, value in mapping(metadata.get(kind)).items():
            field = f"metadata.{kind}.{one_line(key)}"
            if not is_qualified_name(key if kind == "labels" else key.lower()):
                yield field, f"is no key that Kubernetes accepts{_why(key)}"
            if kind == "labels" and not (isinstance(value, str) and is_label_value(value)):
                yield field, f"is {_shown(value)}, which is no value of a label{_why(value)}"
    notes = mapping(metadata.get("annotations"))
    if sum(len(key.encode()) + len(text(value).encode()) for key, value in notes.items()) > _MOST_ANNOTATIONS:
        yield "metadata.annotations", f"hold more than {_MOST_ANNOTATIONS // 1024} KiB"
    for place, each in enumerate(strings(metadata.get("finalizers"))):
        if not is_qualified_name(each):
            yield f"metadata.finalizers[{place}]", f"is {_shown(each)}, which is no name of a finalizer{_why(each)}"


def _destination(destination: Mapping[str, Any]) -> Iterator[Problem]:
    server, name = text(destination.get("server")), text(destination.get("name"))
    if server and name:
        yield "spec.destination", f"has both a server and a name: {_shown(server)} and {_shown(name)}"
    elif not server and not name:
        yield "spec.destination", "has neither a server nor a name"
    elif _UNFILLED.search(server or name):
        yield f"spec.destination.{'server' if server else 'name'}", f"is {_shown(server or name)}{_why(server or name)}"


def _spec(spec: Mapping[str, Any]) -> Iterator[Problem]:
    project = text(spec.get("project"))
    if not project:
        yield "spec.project", "is empty, and an Application needs a project"
    elif _UNFILLED.search(project):
        yield "spec.project", f"is {_shown(project)}{_why(project)}"
    if mapping(spec.get("sourceHydrator")):
        return
    several = SourceSet.of(spec)
    try:
        several.refs()
        problem = several.problem()
    except FleetError as error:
        problem = str(error)
    if problem:
        yield "spec.sources" if several.multiple else "spec.source", problem
    listed = mappings(spec.get("sources"))
    sources = [(f"spec.sources[{i}]", each) for i, each in enumerate(listed)] or [
        ("spec.source", mapping(spec.get("source")))
    ]
    for where, source in sources:
        for key in ("repoURL", "path", "chart", "targetRevision"):
            if _UNFILLED.search(value := text(source.get(key))):
                yield f"{where}.{key}", f"is {_shown(value)}{_why(value)}"


def _shown(value: Any) -> str:
    shown = one_line(str(value))
    return repr(shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…")


def _why(value: str) -> str:
    """What is most likely wrong: Argo CD leaves what it has no parameter for as it is written, and says nothing."""
    found = _UNFILLED.search(value)
    return f": the generator has no text parameter {one_line(found[0][2:-2])!r}" if found else ""
