"""What forbids a rollout, asked before anything begins.

Owns: `Refusals`: permissions, projects and their windows, other rollouts, clusters that are away. Called by
`fleetui.fleet.rolloutplan`. Each refusal is a sentence that names its cell, cluster or wave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fleetui.engine.application import mapping, text
from fleetui.engine.clock import Clock
from fleetui.engine.projects import Project
from fleetui.engine.rollout.store import CONFIG_MAPS
from fleetui.engine.sourceset import SourceSet
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.projects import project_of_app
from fleetui.fleet.rules import attributes
from fleetui.fleet.windows import block_of
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ApiResource, ClusterName, Obj
from fleetui.model.rollout import CellKey, Rollout, RolloutKey
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.model.text import one_line
from fleetui.ports import Cluster
from fleetui.versions.version import Version, VersionError

_NAMED = 3
"""Cells that a sentence about many names."""


class Chosen(NamedTuple):
    """A cell that is to move."""

    key: CellKey
    app: App
    from_version: str
    to_version: str


class Refusals:
    """Asks.

    Args:
        api: a hub.
        app_resource: the resource of an application's object.
        permissions: what the operator may do.
        clock: the time, for windows.
        read_only: refuse everything.
    """

    def __init__(
        self,
        api: Callable[[ClusterName], Cluster],
        app_resource: Callable[[AppKey], Awaitable[ApiResource]],
        permissions: Permissions,
        clock: Clock,
        *,
        read_only: bool,
    ) -> None:
        self._api = api
        self._app_resource = app_resource
        self._permissions = permissions
        self._clock = clock
        self._read_only = read_only

    async def projects(self, apps: Iterable[App]) -> dict[tuple[ClusterName, str, str], Project | None]:
        """The projects of these applications, by hub, namespace and name, each read once."""
        first = {project_key(app): app for app in apps}
        found = await asyncio.gather(*(project_of_app(self._api(app.key.hub).urgent, app) for app in first.values()))
        return dict(zip(first, found, strict=True))

    async def rights(self, key: RolloutKey, cells: Sequence[Chosen]) -> list[str]:
        """What the operator may not do: on the applications, and where the rollout itself is stored."""
        if self._read_only:
            return ["this console is read-only (--read-only)"]
        api = self._api(key.hub).urgent
        kept = [attributes(verb, CONFIG_MAPS, key.namespace) for verb in ("create", "patch")]
        answers = await self._permissions.may_each(api, kept)
        sentences = [
            f"{key.hub}: you may not {each.verb} configmaps in {key.namespace}, where the rollout is kept (RBAC)"
            for each in kept
            if answers[each].allowed is False
        ]
        for (_, namespace), mine in _by_namespace(cells).items():
            resource = await self._app_resource(mine[0].app.key)
            refused = await self._refused(api, resource, namespace, mine)
            if refused:
                sentences.append(
                    f"{some(refused)}: you may not patch {resource.full_name} in {key.hub}/{namespace} (RBAC)"
                )
        return sentences

    async def _refused(
        self, api: Cluster, resource: ApiResource, namespace: str, cells: Sequence[Chosen]
    ) -> list[CellKey]:
        # All at once first: thousands of names would be as many questions where the rules can't be listed.
        whole = await self._permissions.may(api, "patch", resource=resource, namespace=namespace)
        if whole.allowed is not False:
            return []
        asked = {attributes("patch", resource, namespace, name=cell.app.key.name): cell.key for cell in cells}
        answers = await self._permissions.may_each(api, asked)
        return [asked[each] for each, answer in answers.items() if answer.allowed is False]

    def windows(
        self, cells: Iterable[Chosen], projects: Mapping[tuple[ClusterName, str, str], Project | None]
    ) -> list[str]:
        """The sync windows that are closed now, each with its cells."""
        blocked: dict[str, list[CellKey]] = {}
        now = self._clock.now()
        for cell in cells:
            project = projects.get(project_key(cell.app))
            block = block_of(project, cell.app, now, by_hand=True) if project is not None else ""
            if block:
                blocked.setdefault(block, []).append(cell.key)
        return [f"{some(keys)}: a sync is blocked {block}" for block, keys in blocked.items()]


def _by_namespace(cells: Iterable[Chosen]) -> dict[tuple[str, str], list[Chosen]]:
    found: dict[tuple[str, str], list[Chosen]] = {}
    for cell in cells:
        found.setdefault((cell.app.key.dialect, cell.app.key.namespace), []).append(cell)
    return found


def project_key(app: App) -> tuple[ClusterName, str, str]:
    """What tells the project of an application from others."""
    return app.key.hub, app.key.namespace, app.project


def unpermitted(after: Obj, project: Project | None) -> str:
    """Which source of an Application its project does not permit; empty where it permits all."""
    if project is None:
        return ""
    urls = (text(source.get("repoURL")) for source in SourceSet.of(mapping(after.get("spec"))).sources)
    refused = next((url for url in urls if not project.permits_source(url)), "")
    return one_line(f"project {project.name} does not permit the source {refused}") if refused else ""


def overlapping(cells: Sequence[Chosen], others: Iterable[Rollout]) -> list[str]:
    """The rollouts that have not ended and have one of the cells."""
    keys = {cell.app.key for cell in cells}
    found = []
    for other in others:
        shared = [cell.key for cell in other.plan.cells if cell.app in keys]
        if shared and not other.state.phase.ended:
            found.append(f"{some(shared)}: the rollout {other.plan.key.name} has {_it(shared)}, and has not ended")
    return found


def away(cells: Iterable[Chosen], clusters: Mapping[ClusterName, ClusterStatus]) -> list[str]:
    """Notes on clusters that do not answer now."""
    fine = {ClusterState.LIVE, ClusterState.CONNECTING}
    names = dict.fromkeys(cell.key.cluster for cell in cells)
    statuses = ((name, clusters.get(name)) for name in names)
    return [
        one_line(f"{name} does not answer now, and its cells wait for it: {status.message or status.state}")
        for name, status in statuses
        if status is not None and status.state not in fine
    ]


def backwards(cells: Iterable[Chosen]) -> list[str]:
    """Notes on cells that go to an older version than they have."""
    found: dict[tuple[str, str, str], list[CellKey]] = {}
    for cell in cells:
        if _is_older(cell.to_version, cell.from_version):
            found.setdefault((cell.key.addon, cell.from_version, cell.to_version), []).append(cell.key)
    return [f"{some(keys)}: back from {before} to {after}" for (_, before, after), keys in found.items()]


def _is_older(one: str, other: str) -> bool:
    try:
        return Version.loose(one) < Version.loose(other)
    except VersionError:
        return False


def some(cells: Sequence[CellKey]) -> str:
    """Cells in a sentence: the first few, and how many more."""
    more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return ", ".join(map(str, cells[:_NAMED])) + more


def _it(cells: Sequence[CellKey]) -> str:
    return "it" if len(cells) == 1 else "them"
