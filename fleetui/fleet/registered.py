"""One cluster that a hub registers: known from the start, connected to when somebody needs it.

Owns: `Registered`. Called by `fleetui.fleet.clusters`, which finds it and says what it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from fleetui.engine.clock import Clock, Timer
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Connector, Registration
from fleetui.model.objects import ClusterName
from fleetui.model.servers import ServerIdentity
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Subscription

UNUSED = 60.0
"""Seconds after which the connection to a cluster is closed that nobody looks at: what is not watched is not live."""

Claim = tuple[ClusterName, Registration]
"""A hub, and what it registers."""


class Registered:
    """A cluster under one name, with all that hubs say of it.

    Args:
        name: by which the fleet knows it.
        identity: of its server.
        connector: who connects to it.
        told: called when `status` became another.
        closing: given what still has to be closed.
    """

    def __init__(
        self,
        name: ClusterName,
        identity: ServerIdentity,
        connector: Connector,
        clock: Clock,
        *,
        told: Callable[[Registered], None],
        closing: Callable[[LiveStore], None],
    ) -> None:
        self.name = name
        self.identity = identity
        self.claims: Sequence[Claim] = ()
        self._connector = connector
        self._clock = clock
        self._told = told
        self._closing = closing
        self._access: tuple[object, str] = (None, "")
        self._store: LiveStore | None = None
        self._subscription: Subscription | None = None
        self._timer: Timer | None = None
        self._used_at = 0.0
        self._since = clock.now()
        self._version = ""
        self._idle: ClusterStatus | None = None

    def claim(self, claims: Sequence[Claim]) -> bool:
        """Takes over what hubs say of it now; returns whether it has to be reached in another way than before.

        Of several that say how, the first one that can be used is taken.
        """
        self.claims = claims
        best = self._best
        access = (best.access, best.problem)
        changed = access != self._access
        if changed:
            self._access = access
            self._drop()
            self._idle = self._connector.connect(best, self.name).status
            if best.problem:
                self.open()
        return changed

    @property
    def _best(self) -> Registration:
        return next((each for _, each in self.claims if not each.problem), self.claims[0][1])

    @property
    def whole(self) -> bool:
        """Whether more may be asked of it than what is in some namespaces."""
        return all(each.cluster_resources for _, each in self.claims)

    @property
    def live(self) -> LiveStore | None:
        """The cluster, where it is connected to."""
        store = self._store
        return store if store is not None and store.api.status.state is ClusterState.LIVE else None

    def open(self) -> LiveStore:
        """The cluster, which is connected to at its first request."""
        self._used_at = self._clock.now()
        if self._store is None:
            self._store = store = LiveStore(self._connector.connect(self._best, self.name))
            self._subscription = store.api.on_status(lambda _: self._told(self))
            self._timer = self._clock.call_later(UNUSED, self._close_unused)
        return self._store

    @property
    def status(self) -> ClusterStatus:
        """How it is; without what only the fleet knows of it."""
        status = self._store.api.status if self._store is not None else None
        if status is None or (status.state is ClusterState.CONNECTING and not status.message and not self._is_used):
            assert self._idle is not None, "claimed before it is shown"
            status = msgspec.structs.replace(
                self._idle, state=ClusterState.REGISTERED, since=self._since, version=self._version
            )
        origins = dict.fromkeys(origin(claim) for claim in self.claims)
        others = dict.fromkeys(each.name for _, each in self.claims if each.name not in {"", self.name})
        return msgspec.structs.replace(
            status, origin=", ".join(origins), aliases=tuple(others), labels=labels_of(self.claims)
        )

    def close(self) -> None:
        """Ends the connection for good."""
        self._drop()

    @property
    def _is_used(self) -> bool:
        return self._store is not None and self._store.in_use

    def _drop(self) -> None:
        store, self._store = self._store, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if store is not None:
            self._version = store.api.status.version
            self._since = self._clock.now()
            self._closing(store)

    def _close_unused(self) -> None:
        self._timer = None
        if self._best.problem:
            return
        if self._is_used or self._clock.now() - self._used_at < UNUSED:
            self._timer = self._clock.call_later(UNUSED, self._close_unused)
            return
        self._drop()
        self._told(self)


def origin(claim: Claim) -> str:
    """From where a cluster is known, as ``hub prod-eu-1``."""
    hub, registration = claim
    return f"{registration.by} {hub}"


def labels_of(claims: Iterable[Claim]) -> dict[str, str]:
    """What hubs label a cluster with; where two give one label another value, the first one's counts."""
    labels: dict[str, str] = {}
    for _, registration in claims:
        labels = {**registration.labels, **labels}
    return labels


async def close_store(store: LiveStore) -> None:
    """Ends all that goes on with a cluster."""
    store.close()
    await store.api.close()
