"""The projects of the fleet's hubs, as a person looks at them.

Owns: `projects_in` (all of them) and `project_of_app` (an application's). Called by `fleetui.fleet.fleet` and before an
action is carried out. What a project permits is in `fleetui.engine.projects`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from fleetui.engine.application import GROUP
from fleetui.engine.projects import DEFAULT, PROJECT_KIND, Project, project_of
from fleetui.fleet.store import LiveStore
from fleetui.model.app import App
from fleetui.model.errors import ClusterError, NotFoundError
from fleetui.model.objects import ClusterName, ObjectRef, ref_of
from fleetui.model.text import sanitize_all
from fleetui.ports import Cluster

CONTROL_PLANE = "argocd"


class ProjectView(msgspec.Struct, frozen=True):
    """A project and where it is written down."""

    hub: ClusterName
    namespace: str
    project: Project


class Projects(msgspec.Struct, frozen=True):
    """The projects, by hub and name; `problems` are sentences on the clusters that could not be asked."""

    rows: tuple[ProjectView, ...]
    problems: tuple[str, ...] = ()


async def projects_in(stores: Iterable[LiveStore]) -> Projects:
    """All projects of these clusters, listed once; one that serves none has none."""
    answers = await asyncio.gather(*(_listed(store.api.urgent) for store in stores))
    rows = [row for found, _ in answers for row in found]
    rows.sort(key=lambda row: (row.hub, row.namespace, row.project.name))
    return Projects(tuple(rows), tuple(problem for _, problem in answers if problem))


async def _listed(api: Cluster) -> tuple[list[ProjectView], str]:
    try:
        resource = (await api.discover()).by_kind(GROUP, PROJECT_KIND)
        found = await api.list(resource, "") if resource is not None else []
    except ClusterError as error:
        return [], f"{api.name}: {error}"
    objects = map(sanitize_all, found)
    return [ProjectView(api.name, ref_of(obj).namespace, project_of(obj)) for obj in objects], ""


def places_of_project(app: App) -> tuple[ObjectRef, ...]:
    """Where the project of an application may be written down: where its controller runs, which is not told of one in
    another namespace."""
    namespaces = dict.fromkeys((app.key.namespace, CONTROL_PLANE))
    return tuple(ObjectRef(GROUP, PROJECT_KIND, namespace, app.project or DEFAULT) for namespace in namespaces)


async def project_of_app(api: Cluster, app: App) -> Project | None:
    """The project of an Argo CD application; None where there is none or it can't be read: what it forbids is then for
    the controller to say."""
    if app.key.dialect != "argo":
        return None
    try:
        resource = (await api.discover()).by_kind(GROUP, PROJECT_KIND)
        if resource is None:
            return None
        for ref in places_of_project(app):
            with suppress(NotFoundError):
                return project_of(sanitize_all(await api.get(resource, ref.name, ref.namespace)))
    except ClusterError:
        return None
    return None
