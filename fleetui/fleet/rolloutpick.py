"""Which cells, versions and rollouts a person means.

Owns: `Cells`, `chosen`, `known_versions`, `newest_first`, `find_rollout`. Called by the commands and screens of
rollouts. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from fleetui.fleet.cells import DEFAULT, CellRules, cell_of, version_of
from fleetui.fleet.naming import ClusterNames
from fleetui.model import selectors
from fleetui.model.app import App, AppKey
from fleetui.model.errors import MissingError, UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey, Rollout
from fleetui.model.status import ClusterStatus
from fleetui.versions import Version, VersionError

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet


class Cells(Protocol):
    """Applications and clusters: a fleet, or the console's picture of it."""

    @property
    def apps(self) -> Mapping[AppKey, App]: ...

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]: ...


def cells_by_addon(fleet: Cells, rules: CellRules = DEFAULT) -> dict[str, dict[AppKey, CellKey]]:
    """Every cell of the fleet's matrix, by addon."""
    names = ClusterNames(fleet.clusters.values())
    found: dict[str, dict[AppKey, CellKey]] = {}
    for app in fleet.apps.values():
        cell = cell_of(app, names, rules)
        if cell is not None:
            found.setdefault(cell.addon, {})[app.key] = cell
    return found


def chosen(
    fleet: Fleet, addons: Collection[str], *, clusters: Sequence[str] = (), selector: str = ""
) -> tuple[AppKey, ...]:
    """The applications of the cells of `addons` on the clusters of these names that `selector` selects; none, where all
    are meant, which neither names nor a selector narrow.

    Raises:
        UsageError: `selector` is none.
        MissingError: there is no such addon or cluster, or no cell that is meant.
    """
    known = cells_by_addon(fleet, fleet.cell_rules)
    for addon in addons:
        if addon not in known:
            raise MissingError(f"no cluster has an addon {addon}", _like(addon, known))
    if not clusters and not selector:
        return ()
    try:
        labelled = selectors.parse(selector)
    except ValueError as error:
        raise UsageError(f"-l {selector}: {error}", "write it like stage=prod,region!=eu") from error
    names = ClusterNames(fleet.clusters.values())
    called = {each: name for name in fleet.clusters for each in names.called(name)}
    for cluster in clusters:
        if cluster not in called:
            raise MissingError(f"there is no cluster {cluster}", _like(cluster, called))
    wanted = {called[each] for each in clusters} or set(fleet.clusters)
    wanted = {name for name in wanted if labelled(fleet.clusters[name].labels)}
    found = tuple(app for addon in addons for app, cell in known[addon].items() if cell.cluster in wanted)
    if not found:
        raise MissingError(f"none of the chosen clusters has {', '.join(addons)}")
    return found


def known_versions(apps: Iterable[App]) -> list[str]:
    """The versions that these applications have, the newest first; what is no version comes last."""
    return newest_first({version_of(app) for app in apps} - {""})


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions in their order; what is no version comes last."""
    return sorted(versions, key=_by_version, reverse=True)


def _by_version(text: str) -> tuple[bool, Version, str]:
    try:
        return True, Version.loose(text), text
    except VersionError:
        return False, Version(0), text


def find_rollout(rollouts: Sequence[Rollout], name: str = "") -> Rollout:
    """The rollout that is meant by ``NAME``, ``NAMESPACE/NAME`` or ``CONTEXT/NAMESPACE/NAME``; by nothing the only one
    that has not ended.

    Raises:
        MissingError: there is none.
        UsageError: there are several.
    """
    if name:
        found = [each for each in rollouts if f"/{each.plan.key}".endswith(f"/{name}")]
    else:
        found = [each for each in rollouts if not each.state.phase.ended]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(each.plan.key) for each in found)
        raise UsageError(f"several rollouts are {name or 'under way'}: {listed}", "name one of them")
    if not name:
        raise MissingError("no rollout is under way", "fleetui rollout list shows those that have ended")
    raise MissingError(f"there is no rollout {name}", _like(name, [each.plan.key.name for each in rollouts]))


def _like(name: str, known: Iterable[str]) -> str:
    """What a person may have meant."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else "there are none"
