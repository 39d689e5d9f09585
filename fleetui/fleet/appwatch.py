"""The applications of one cluster in one dialect: watched as soon as the cluster serves them.

Owns: `AppWatch`. Called by `fleetui.fleet.fleet`, one for each cluster and dialect. It says whether the cluster is
still loading and what keeps it from showing applications; the objects themselves come through the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from fleetui.engine.clock import Clock, Timer
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError, NotFoundError, UnauthorizedError, UnreachableError
from fleetui.model.objects import ApiResource
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Dialect, Subscription

FIRST_LOOK, LAST_LOOK = 1.0, 10.0
"""Seconds between two looks for a definition that is not served: first, and at most. A look is two small requests."""


class AppWatch:
    """Keeps the applications of one cluster watched.

    Args:
        store: the cluster.
        dialect: whose objects.
        namespaces: where to look; an empty string stands for all of them.
        clock: for the looks after a definition.
        changed: called when `loading` or `problem` became another.
    """

    def __init__(
        self,
        store: LiveStore,
        dialect: Dialect,
        *,
        namespaces: Sequence[str],
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.store = store
        self.dialect = dialect
        self.loading = True
        self.problem = ""
        self._namespaces = namespaces
        self._clock = clock
        self._changed = changed
        self._resource = dialect.app_resource
        self._waiting = set(namespaces)
        self._listed = False
        self._errors: dict[str, str] = {}
        self._wants: list[Subscription] = []
        self._subscriptions = [store.on_watch(self._watch_told), store.api.on_status(self._status_told)]
        self._look: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._pause = FIRST_LOOK

    @property
    def resource(self) -> ApiResource | None:
        """The resource of the applications; None while it is not known."""
        return self._resource

    @property
    def listed(self) -> bool:
        """Whether applications were listed: the cluster is a hub."""
        return self._listed

    def start(self) -> None:
        if self._resource is not None:
            self._want(self._resource)
        else:
            self._begin_look()

    async def close(self) -> None:
        for subscription in (*self._subscriptions, *self._wants):
            subscription.close()
        self._stop_timer()
        look, self._look = self._look, None
        if look is not None:
            look.cancel()
            await asyncio.gather(look, return_exceptions=True)

    # --- what the watch says ----------------------------------------------------------------------------------------

    def _want(self, resource: ApiResource) -> None:
        self._resource = resource
        self._waiting = set(self._namespaces)
        self._errors.clear()
        self._wants = [self.store.want(resource, namespace) for namespace in self._namespaces]

    def _watch_told(self, resource: ApiResource, namespace: str, error: Exception | None) -> None:
        if resource.group_kind != self.dialect.app_kind or namespace not in self._namespaces or not self._wants:
            return
        self._waiting.discard(namespace)
        # A server that starts again may answer 404 for a moment: what was listed once stays, and the watch goes on.
        if isinstance(error, NotFoundError) and not self._listed:
            self._not_served(resource)
            return
        if error is None and not self._listed:
            self._listed = True
            self._learn()
        self._errors.pop(namespace, None)
        # That the whole server does not answer, or not us, is said by the cluster's state.
        if error is not None and not isinstance(error, UnreachableError | UnauthorizedError):
            self._errors[namespace] = str(error)
        self._tell(loading=self.loading and bool(self._waiting), problem=next(iter(self._errors.values()), ""))

    def _learn(self) -> None:
        """Asks what the server serves, behind the first rows: trees need it, and the version is shown."""
        if self._look is None or self._look.done():
            name = f"discover {self.store.api.name}"
            self._look = asyncio.get_running_loop().create_task(self._learn_once(), name=name)

    async def _learn_once(self) -> None:
        with suppress(ClusterError):  # whoever needs it asks again, and is told
            await self.store.api.discover()

    def _not_served(self, resource: ApiResource) -> None:
        for want in self._wants:
            want.close()
        self._wants = []
        self._tell(
            loading=False,
            problem=f"no {resource.full_name} definition here; fleetui bootstrap puts it there",
        )
        self._look_later()

    def _status_told(self, status: ClusterStatus) -> None:
        if status.state is ClusterState.LIVE and self._timer is not None:
            self._begin_look()
        elif status.state not in {ClusterState.LIVE, ClusterState.CONNECTING} and self.loading:
            self._tell(loading=False, problem=self.problem)

    # --- looking for the definition ---------------------------------------------------------------------------------

    def _look_later(self) -> None:
        self._stop_timer()
        self._timer = self._clock.call_later(self._pause, self._begin_look)
        self._pause = min(self._pause * 1.5, LAST_LOOK)

    def _begin_look(self) -> None:
        self._stop_timer()
        if self._look is None or self._look.done():
            name = f"look for {self.dialect.name} applications on {self.store.api.name}"
            self._look = asyncio.get_running_loop().create_task(self._look_once(), name=name)

    async def _look_once(self) -> None:
        group, kind = self.dialect.app_kind
        try:
            found = (await self.store.api.discover(refresh=True)).by_kind(group, kind)
        except ClusterError as error:
            away = isinstance(error, UnreachableError | UnauthorizedError)
            self._tell(loading=False, problem="" if away else str(error))
            self._look_later()
            return
        if found is None:
            self._not_found(group, kind)
            return
        self._pause = FIRST_LOOK
        self._want(found)

    def _not_found(self, group: str, kind: str) -> None:
        if not self.problem:
            self._tell(loading=False, problem=f"no definition of {kind} ({group}) here")
        self._look_later()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, *, loading: bool, problem: str) -> None:
        if (loading, problem) != (self.loading, self.problem):
            self.loading, self.problem = loading, problem
            self._changed()
