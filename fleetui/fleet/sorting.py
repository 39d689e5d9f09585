"""Which of what hubs register is the same cluster.

Owns: `Sorting`. Called by `fleetui.fleet.clusters` whenever a registration changed. It connects to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from fleetui.engine.application import IN_CLUSTER
from fleetui.fleet.registered import Claim, Registered, origin
from fleetui.model.objects import ClusterName
from fleetui.model.servers import ServerIdentity

T = TypeVar("T")
Way = tuple[str, str, str]
Make = Callable[[ClusterName, Claim], Registered]
"""Makes the place of a cluster that is new, given its name."""


class Sorting:
    """Every registration at its place: a chosen cluster, or one place for each server beyond them.

    Args:
        claims: what hubs register, the first hub's first.
        chosen: the identities of the chosen clusters.
        known: the places that there were: a server keeps its own.
        make: for those that are new.
    """

    def __init__(
        self,
        claims: Iterable[Claim],
        chosen: Mapping[ClusterName, ServerIdentity],
        known: Sequence[Registered],
        make: Make,
    ) -> None:
        self.claims = tuple(claims)
        self.places: dict[str, ClusterName | Registered] = {}
        self.of_place: dict[Registered, list[Claim]] = {}
        self.of_chosen: dict[ClusterName, list[Claim]] = {}
        self._chosen = _by_way(chosen.items())
        self._known = _by_way((place, place.identity) for place in known)
        kept = {_same(self._known, each.identity) for _, each in self.claims}
        # What nobody registers any more leaves its name, to the same Secret with another server above all.
        self._names: set[str] = {*chosen, *(place.name for place in kept if place is not None)}
        self._make = make
        for claim in self.claims:
            self._sort(claim)

    @property
    def meaning(self) -> tuple[object, ...]:
        """What decides which cluster a destination finds, the way to it left out."""
        return tuple(
            (hub, each.source, each.name, each.server, each.namespaces, each.cluster_resources)
            for hub, each in self.claims
        )

    def aliases(self, chosen: ClusterName) -> tuple[str, ...]:
        """The other names under which a chosen cluster is registered."""
        names = dict.fromkeys(each.name for _, each in self.of_chosen.get(chosen, ()))
        return tuple(name for name in names if name not in {"", chosen})

    def origins(self, chosen: ClusterName) -> tuple[str, ...]:
        """Who else registers a chosen cluster, as ``hub prod-eu-1``."""
        others = (origin(claim) for claim in self.of_chosen.get(chosen, ()) if claim[0] != chosen)
        return tuple(dict.fromkeys(others))

    def _sort(self, claim: Claim) -> None:
        hub, each = claim
        chosen = hub if each.server == IN_CLUSTER else _same(self._chosen, each.identity, first=hub)
        if chosen is not None:
            self.of_chosen.setdefault(chosen, []).append(claim)
            self.places[key_of(claim)] = chosen
            return
        place = _same(self._known, each.identity)
        if place is None:
            place = self._make(self._name_for(claim), claim)
            self._names.add(place.name)
            self._known.setdefault(each.identity.way, []).append((place, each.identity))
        self.of_place.setdefault(place, []).append(claim)
        self.places[key_of(claim)] = place

    def _name_for(self, claim: Claim) -> ClusterName:
        """The name that the hub gives it, with the hub's where another cluster has it."""
        hub, each = claim
        plain = each.name or each.server.partition("://")[2] or each.source
        names = (plain, f"{hub}/{plain}", f"{hub}/{plain} ({each.source})")
        return ClusterName(next((name for name in names if name not in self._names), names[-1]))


def key_of(claim: Claim) -> str:
    """What tells one registration from all others."""
    hub, each = claim
    return f"{each.by} {hub}\n{each.source}"


def _by_way(given: Iterable[tuple[T, ServerIdentity]]) -> dict[Way, list[tuple[T, ServerIdentity]]]:
    found: dict[Way, list[tuple[T, ServerIdentity]]] = {}
    for what, identity in given:
        found.setdefault(identity.way, []).append((what, identity))
    return found


def _same(
    known: Mapping[Way, list[tuple[T, ServerIdentity]]], wanted: ServerIdentity, first: T | None = None
) -> T | None:
    fitting = [what for what, identity in known.get(wanted.way, ()) if identity.same(wanted)]
    return first if first in fitting else next(iter(fitting), None)
