"""The demo's content as a plan, put into repositories and stores.

Owns: `Plan` (which cluster has which applications), the repositories on disk, and what each hub holds at the start.
Called by `fleet` and by tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends import definitions
from backends.embedded.demo import applications, crowd, handover, history
from backends.embedded.demo.applications import NAMESPACE, Role
from backends.embedded.demo.repository import DemoRepository
from backends.embedded.demo.rights import rights
from backends.embedded.errors import ApiError
from backends.embedded.store import ObjectStore
from backends.embedded.writing import Request
from fleetui.model.objects import Obj

MANAGER = "kubectl-client-side-apply"
"""Whoever set the hubs up did so with plain ``kubectl apply``."""


@dataclass(frozen=True)
class Plan:
    """Who runs where; made by `plan`."""

    clusters: tuple[str, ...]
    roles: tuple[Role, ...]
    services: tuple[crowd.Service, ...]
    seed: int

    @property
    def beyond(self) -> tuple[str, ...]:
        """Clusters that are no context of anybody's: the hubs alone know them."""
        used = {role.into for role in self.roles}
        return tuple(sorted(used - {"", *self.clusters}))


@dataclass(frozen=True)
class Hub:
    """What one cluster holds at the start.

    `objects` are created as they are; `applied` are live objects of Applications that were synced before, and
    `handed_over` are those Applications with their status.
    """

    objects: list[Obj] = field(default_factory=list)
    applied: list[Obj] = field(default_factory=list)
    handed_over: list[tuple[Obj, Obj]] = field(default_factory=list)


def cluster_names(count: int) -> tuple[str, ...]:
    """The clusters of a fleet of that size: the four of the story, then more of their kinds."""
    names = list(applications.CLUSTERS)
    sites = (("prod-us", 1), ("prod-ap", 1), ("stage", 2), ("edge", 8))
    for turn in range(max(0, count - len(names))):
        lap, place = divmod(turn, len(sites))
        site, first = sites[place]
        names.append(f"{site}-{first + lap:02d}" if site == "edge" else f"{site}-{first + lap}")
    return tuple(names[:count])


def plan(*, clusters: int, apps: int | None, seed: int) -> Plan:
    """The fleet of that many clusters and applications.

    Args:
        apps: over all clusters; None for the cast of the story alone. Fewer than the cast: its most telling ones.
    """
    names = cluster_names(clusters)
    there = {*names, applications.DEPOT}
    roles = [
        role for role in applications.cast(history.LAST_GOOD) if {role.cluster, role.into or role.cluster} <= there
    ]
    for extra in names[len(applications.CLUSTERS) :]:
        roles += applications.extra_cast(extra)
    if apps is not None:
        # What an ApplicationSet makes would come on top of the number that was asked for.
        roles = [role for role in roles if role.name != applications.ADDONS][:apps]
    rest = 0 if apps is None else apps - len(roles)
    return Plan(names, tuple(roles), tuple(crowd.crowd(names, rest, seed=seed)), seed)


def repositories(folder: Path, plan: Plan, *, now: float) -> dict[str, DemoRepository]:
    """Makes the repositories below `folder` and returns them by name; one that has commits already stays as it is.

    Raises:
        GitError: git is not installed, or refused.
    """
    found: dict[str, DemoRepository] = {}
    for name in sorted({role.repository for role in plan.roles}):
        found[name] = DemoRepository(folder / f"{name}.git")
        if not found[name].head:
            found[name].write(history.commits(name, now, url=found[name].url))
    if plan.services:
        found[crowd.REPOSITORY] = repository = DemoRepository(folder / f"{crowd.REPOSITORY}.git")
        if not repository.head:
            repository.write(crowd.history(plan.services, now, seed=plan.seed))
    return found


def revisions(plan: Plan, repos: Mapping[str, DemoRepository]) -> dict[tuple[str, str], str]:
    """Repository and commit subject -> SHA, for the first syncs that somebody asked for."""
    wanted = {(role.repository, role.first) for role in plan.roles if role.first}
    return {(name, subject): repos[name].find(subject) for name, subject in wanted}


def plant(store: ObjectStore, hub: Hub) -> None:
    """Puts a hub's objects into its store; what is there already stays. Belongs to the store's loop."""
    for obj in hub.objects:
        _create(store, obj)
    for obj in hub.applied:
        _apply(store, obj)
    for app, status in hub.handed_over:
        made = _create(store, app)
        if made is not None:
            store.update({**made, "status": status}, manager=handover.CONTROLLER)


def register(store: ObjectStore, name: str, url: str, token: str) -> None:
    """Makes a cluster known to a hub. Belongs to the store's loop."""
    _create(store, applications.cluster_secret(name, url, token))


def _create(store: ObjectStore, obj: Obj) -> Obj | None:
    try:
        return store.create(obj, manager=MANAGER)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return None


def _apply(store: ObjectStore, obj: Obj) -> None:
    meta = obj["metadata"]
    resource = store.resources.of(obj)
    if resource is not None and store.find(resource, meta["namespace"], meta["name"]) is None:
        request = Request(manager=handover.APPLIER, force=True)
        store.apply(resource, meta["namespace"], meta["name"], obj, request=request)


def hubs(plan: Plan, repos: Mapping[str, DemoRepository]) -> dict[str, Hub]:
    """What each cluster holds at the start. Asks git for the revisions."""
    shas = revisions(plan, repos)
    crowded = _crowds(plan, repos[crowd.REPOSITORY]) if plan.services else {}
    found: dict[str, Hub] = {}
    for cluster in plan.clusters:
        roles = [role for role in plan.roles if role.cluster == cluster]
        hub = crowded.get(cluster) or Hub()
        used = {role.repository for role in roles} | ({crowd.REPOSITORY} if cluster in crowded else set())
        first = [
            *_ground(plan, cluster),
            *applications.projects(
                {"default", *(role.project for role in roles), *(["services"] if cluster in crowded else [])}
            ),
            *(applications.repository_secret(name, repos[name].url) for name in sorted(used)),
        ]
        cast = [
            applications.application(
                role, url=repos[role.repository].url, revision=shas.get((role.repository, role.first), "")
            )
            for role in roles
        ]
        found[cluster] = Hub([*first, *cast, *hub.objects], hub.applied, hub.handed_over)
    return found


def _crowds(plan: Plan, repository: DemoRepository) -> dict[str, Hub]:
    """The services of each cluster: those in trouble are left to the engine, all others were synced long ago."""
    past = {commit.subject: handover.Past(commit.sha, commit.when) for commit in repository.log()}
    revised, head = set(crowd.revised(plan.services)), repository.head
    found: dict[str, Hub] = {}
    for service in plan.services:
        hub = found.setdefault(service.cluster, Hub())
        app = crowd.application(service, repository.url)
        if service.trouble:
            hub.objects.append(app)
            continue
        live = handover.objects(service, level=crowd.LEVEL if service in revised else crowd.FIRST_LEVEL)
        synced = [past[crowd.added(service)], *([past[crowd.quieted(service)]] if service in revised else [])]
        hub.applied.extend(live)
        hub.handed_over.append((app, handover.status(app, live, head=head, past=synced)))
    return found


def _ground(plan: Plan, cluster: str) -> Iterator[Obj]:
    yield from definitions.load()
    yield from rights()
    names = [NAMESPACE, *crowd.namespaces(plan.services, cluster)]
    # Roles make their namespaces themselves, as the article's Application does (CreateNamespace=true).
    for name in names:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}}
