"""Puts the rollouts of a fleet together: the planner, where the truths stand, what is seen, and who answers outside.

Owns: `rollouts_in`, called by `fleetui.fleet.fleet` when somebody first asks for rollouts, for what it imports is much.
Never here: a rule of rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fleetui.engine.clock import Clock
from fleetui.fleet.appsets import registered_in
from fleetui.fleet.cells import CellRules
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.overrides import HubOverrides
from fleetui.fleet.rolloutchanges import Changes, Served
from fleetui.fleet.rolloutflux import FluxSources
from fleetui.fleet.rolloutorigins import Origins
from fleetui.fleet.rolloutplan import RolloutPlanner
from fleetui.fleet.rolloutrefusals import Refusals
from fleetui.fleet.rollouts import LiveRollouts, NobodyOutside
from fleetui.fleet.rolloutsights import FleetSights, Picture
from fleetui.fleet.rollouttruth import GitTruths
from fleetui.fleet.rolloutversions import versions_in_git
from fleetui.fleet.subjects import Subjects
from fleetui.fleet.tools import Tools
from fleetui.gitports import GitHosts, Repositories
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError
from fleetui.model.objects import ClusterName

if TYPE_CHECKING:
    from fleetui.engine.appset.ports import Answers
    from fleetui.engine.rollout.ports import Outside


def rollouts_in(
    fleet: Picture,
    *,
    directory: Clusters,
    hubs: Callable[[], Collection[ClusterName]],
    subjects: Subjects,
    overrides: HubOverrides,
    tools: Tools,
    repositories: Repositories,
    answers: Answers | None,
    hosts: GitHosts | None,
    outside: Outside | None,
    protects: Callable[[ClusterName], bool],
    clock: Clock,
    rules: CellRules,
) -> LiveRollouts:
    """The rollouts of `fleet`.

    Args:
        hubs: the clusters that serve applications.
        protects: which clusters want their name typed before an action.
        rules: which applications are addons.
        directory, subjects, overrides, tools: the fleet's own.
        repositories, answers, hosts, outside, clock: as for `fleetui.fleet.fleet.LiveFleet`.
    """
    stores = directory.chosen
    flux = FluxSources(lambda hub: stores[hub].api.urgent, clock)
    origins = Origins(repositories, lambda: fleet.apps, partial(registered_in, directory), answers, flux)

    def namespaces() -> dict[ClusterName, frozenset[str]]:
        """The clusters that have applications, each with the namespaces that they are in."""
        found: dict[ClusterName, set[str]] = {hub: set() for hub in hubs()}
        for key in fleet.apps:
            found.setdefault(key.hub, set()).add(key.namespace)
        return {hub: frozenset(each) for hub, each in found.items()}

    async def served(app: App) -> Served:
        place = await subjects.place(app)
        if isinstance(place, str):
            raise FleetError(place)
        own = await overrides.of(stores[app.key.hub].api)
        return Served(await place.api.discover(), own.kustomize_options)

    async def versions(apps: Sequence[AppKey]) -> frozenset[str]:
        shown = [fleet.apps[key] for key in apps if key in fleet.apps]
        return await versions_in_git(
            shown, lambda app: origins.opened(app.source.repo_url, hub=app.key.hub, project=app.project)
        )

    rollouts = LiveRollouts(
        stores,
        namespaces,
        planner=lambda request: planner.plan(request),
        versions=versions,
        truths=GitTruths(origins, lambda: fleet.apps, hosts),
        sights=FleetSights(fleet, repositories, flux),
        outside=outside or NobodyOutside(),
        audit=tools.audit,
        clock=clock,
        read_only=tools.read_only,
    )
    planner = RolloutPlanner(
        lambda: fleet.apps,
        lambda: fleet.clusters,
        origins=origins,
        changes=Changes(tools.differ.desires, served),
        refusals=Refusals(
            lambda hub: stores[hub].api,
            subjects.app_resource,
            tools.permissions,
            clock,
            read_only=tools.read_only,
        ),
        others=rollouts.all,
        obj=subjects.obj,
        hosts=hosts,
        protects=protects,
        operator=tools.audit.operator,
        clock=clock,
        rules=rules,
    )
    return rollouts
