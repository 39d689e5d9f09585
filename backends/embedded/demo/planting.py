"""The demo's content as a plan, put into repositories and stores.

Owns: `Plan` (which cluster has which applications), the repositories on disk, and what each hub holds at the start.
Called by `fleet` and by tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backends import definitions
from backends.embedded.demo import applications, crowd, history
from backends.embedded.demo.applications import NAMESPACE, Role
from backends.embedded.demo.repository import DemoRepository
from backends.embedded.errors import ApiError
from backends.embedded.store import ObjectStore
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
    roles = [role for role in applications.cast(history.LAST_GOOD) if role.cluster in names]
    for extra in names[len(applications.CLUSTERS) :]:
        roles += applications.extra_cast(extra)
    if apps is not None:
        roles = roles[:apps]
    rest = 0 if apps is None else apps - len(roles)
    return Plan(names, tuple(roles), tuple(crowd.crowd(names, rest, seed=seed)), seed)


def repositories(folder: Path, plan: Plan, *, now: float) -> dict[str, DemoRepository]:
    """Makes the repositories below `folder` and returns them by name; one that has commits already stays as it is.

    Raises:
        GitError: git is not installed, or refused.
    """
    found: dict[str, DemoRepository] = {}
    for name in history.REPOSITORIES:
        found[name] = DemoRepository(folder / f"{name}.git")
        if not found[name].head:
            found[name].write(history.commits(name, now))
    if plan.services:
        found[crowd.REPOSITORY] = repository = DemoRepository(folder / f"{crowd.REPOSITORY}.git")
        if not repository.head:
            repository.write(crowd.history(plan.services, now, seed=plan.seed))
    return found


def revisions(plan: Plan, repos: Mapping[str, DemoRepository]) -> dict[tuple[str, str], str]:
    """Repository and commit subject -> SHA, for the first syncs that somebody asked for."""
    wanted = {(role.repository, role.first) for role in plan.roles if role.first}
    return {(name, subject): repos[name].find(subject) for name, subject in wanted}


def plant(store: ObjectStore, cluster: str, *, plan: Plan, objects: Mapping[str, list[Obj]]) -> None:
    """Puts a hub's objects into its store; what is there already stays. Belongs to the store's loop."""
    for obj in [*_ground(plan, cluster), *objects[cluster]]:
        try:
            store.create(obj, manager=MANAGER)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


def hubs(plan: Plan, repos: Mapping[str, DemoRepository]) -> dict[str, list[Obj]]:
    """Cluster -> its projects, repository secrets and Applications. Asks git for the revisions."""
    shas = revisions(plan, repos)
    found: dict[str, list[Obj]] = {}
    for cluster in plan.clusters:
        roles = [role for role in plan.roles if role.cluster == cluster]
        services = [service for service in plan.services if service.cluster == cluster]
        used = {role.repository for role in roles} | ({crowd.REPOSITORY} if services else set())
        found[cluster] = [
            *applications.projects(),
            *(applications.repository_secret(name, repos[name].url) for name in sorted(used)),
            *(
                applications.application(
                    role, url=repos[role.repository].url, revision=shas.get((role.repository, role.first), "")
                )
                for role in roles
            ),
            *(crowd.application(service, repos[crowd.REPOSITORY].url) for service in services),
        ]
    return found


def _ground(plan: Plan, cluster: str) -> Iterator[Obj]:
    yield from definitions.load()
    names = [NAMESPACE, *crowd.namespaces(plan.services, cluster)]
    # Roles make their namespaces themselves, as the article's Application does (CreateNamespace=true).
    for name in names:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}}
