"""The applications of one cluster in one dialect: watched as soon as the cluster serves them.

Owns: `AppWatch`. Called by `fleetui.fleet.fleet`, one for each cluster and dialect. It says whether the cluster is
still loading and what keeps it from showing applications; the objects themselves come through the store. Where the
user may see some namespaces alone, these are watched (`fleetui.fleet.reach`), and looked at again now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from fleetui.dialectports import Dialect
from fleetui.engine.clock import Clock, Timer
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Narrowed
from fleetui.model.errors import ClusterError, ForbiddenError, NotFoundError, UnauthorizedError, UnreachableError
from fleetui.model.objects import ApiResource, ObjectRef
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Subscription

if TYPE_CHECKING:
    from fleetui.fleet.reach import Reach, Reached

FIRST_LOOK, LAST_LOOK = 1.0, 10.0
"""Seconds between two looks for a definition that is not served: first, and at most. A look is two small requests."""
RECHECK = 60.0
"""Seconds until it is asked again what may be seen where not all of it may: permissions can't be watched."""
OPTIONAL_LOOK = 300.0
"""Seconds between two looks for the definition of an engine that a cluster may well do without."""
_EACH = 6.0
"""Seconds more for each namespace that is asked about, beyond ten of them."""
_TELLING = {ClusterState.LIVE, ClusterState.CONNECTING, ClusterState.FORBIDDEN}
"""The states in which the watch itself says how it fares."""


class AppWatch:
    """Keeps the applications of one cluster watched.

    Args:
        store: the cluster.
        dialect: whose objects.
        namespaces: where to look; an empty string stands for all of them.
        reach: makes what finds out where a user may look who may not look there.
        optional: a cluster without such applications is fine: that is no problem, and seldom looked at again.
        clock: for the looks after a definition, and at permissions.
        changed: called when `loading`, `problem` or `narrowed` became another.
    """

    def __init__(
        self,
        store: LiveStore,
        dialect: Dialect,
        *,
        namespaces: Sequence[str],
        reach: Callable[[], Reach],
        optional: bool = False,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.store = store
        self.optional = optional
        self.dialect = dialect
        self.loading = True
        self.problem = ""
        self.narrowed: Narrowed | None = None
        self._namespaces = tuple(namespaces)
        self._make_reach = reach
        self._reach: Reach | None = None
        self._clock = clock
        self._changed = changed
        self._resource = dialect.app_resource
        self._waiting = set(namespaces)
        self._listed = False
        self._errors: dict[str, str] = {}
        self._wants: dict[str, Subscription] = {}
        self._subscriptions = [store.on_watch(self._watch_told), store.api.on_status(self._status_told)]
        self._look: asyncio.Task[None] | None = None
        self._review: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._recheck: Timer | None = None
        self._pause = FIRST_LOOK
        self._is_served = not optional
        self._began = False
        self._denials: dict[str, str] = {}

    @property
    def resource(self) -> ApiResource | None:
        """The resource of the applications; None while it is not known."""
        return self._resource

    @property
    def listed(self) -> bool:
        """Whether applications were listed: the cluster is a hub."""
        return self._listed

    @property
    def has_news(self) -> bool:
        """Whether what it says of its cluster is worth telling: of an optional one only what may be seen."""
        return not self.optional or self._listed or bool(self.narrowed is not None and self.narrowed.namespaces)

    def start(self) -> None:
        """Begins; harmless when it has begun."""
        if self._began:
            return
        self._began = True
        if self._resource is not None:
            self._want(self._resource)
        else:
            self._begin_look()
        # Of a cluster that is away already no change would tell.
        self._status_told(self.store.api.status)

    def retry(self) -> None:
        """Looks again now at what could not be had: a person asks for it, or there is a new login."""
        if self._reach is not None and self.narrowed is not None:
            self._reach.forget()
            self._begin_review()
        elif self._timer is not None:
            self._begin_look()

    async def close(self) -> None:
        for subscription in (*self._subscriptions, *self._wants.values()):
            subscription.close()
        self._stop_timer()
        if self._recheck is not None:
            self._recheck.cancel()
        tasks = [task for task in (self._look, self._review) if task is not None]
        self._look = self._review = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what the watch says ----------------------------------------------------------------------------------------

    def _want(self, resource: ApiResource) -> None:
        self._resource = resource
        self._errors.clear()
        self._watch(self._namespaces if self.narrowed is None else self.narrowed.namespaces)

    def _watch(self, namespaces: Sequence[str]) -> None:
        """Watches these namespaces and no others; what one watch leaves another takes over."""
        resource = self._resource
        assert resource is not None
        new = [namespace for namespace in namespaces if namespace not in self._wants]
        old = [namespace for namespace in self._wants if namespace not in namespaces]
        self._wants.update((namespace, self.store.want(resource, namespace)) for namespace in new)
        # Of a watch that others have had before nothing is told anew.
        unlisted = (each for each in new if not self.store.knows(ObjectRef(*resource.group_kind, each, "")))
        self._waiting = self._waiting.intersection(namespaces).union(unlisted)
        for namespace in old:
            self._wants.pop(namespace).close()
            self._errors.pop(namespace, None)

    def _watch_told(self, resource: ApiResource, namespace: str, error: Exception | None) -> None:
        if resource.group_kind != self.dialect.app_kind or namespace not in self._wants:
            return
        if isinstance(error, ForbiddenError | NotFoundError) and not self._is_served:
            # Who may not list a kind gets a 403 whether it is served or not.
            self._leave()
            self._begin_look()
            return
        if isinstance(error, ForbiddenError):
            self._errors[namespace] = self._denials[namespace] = error.message
            self._forbidden()
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
        self._tell(loading=self.loading and bool(self._waiting), problem=self._first_error())

    def _first_error(self) -> str:
        return next(iter(self._errors.values()), "")

    def _learn(self) -> None:
        """Asks what the server serves, behind the first rows: trees need it, and the version is shown."""
        if self._look is None or self._look.done():
            name = f"discover {self.store.api.name}"
            self._look = asyncio.get_running_loop().create_task(self._learn_once(), name=name)

    async def _learn_once(self) -> None:
        with suppress(ClusterError):  # whoever needs it asks again, and is told
            await self.store.api.discover()

    def _leave(self) -> None:
        for want in self._wants.values():
            want.close()
        self._wants = {}

    def _not_served(self, resource: ApiResource) -> None:
        self._leave()
        self._tell(
            loading=False,
            problem=f"no {resource.full_name} definition here; fleetui bootstrap puts it there",
        )
        self._look_later()

    def _status_told(self, status: ClusterStatus) -> None:
        if status.state is ClusterState.LIVE and self._timer is not None:
            self._begin_look()
        elif status.state not in _TELLING and self.loading:
            self._tell(loading=False, problem=self.problem)

    # --- what may be seen -------------------------------------------------------------------------------------------

    def _forbidden(self) -> None:
        """A list or watch was answered with 403, whatever was known of the permissions until now."""
        if self._reach is None:
            self._reach = self._make_reach()
        self._reach.forget_answers()
        self._begin_review()

    def _begin_review(self) -> None:
        if self._review is None or self._review.done():
            name = f"review what may be seen of {self.store.api.name}"
            self._review = asyncio.get_running_loop().create_task(self._review_once(), name=name)

    async def _review_once(self) -> None:
        if self._recheck is not None:
            self._recheck.cancel()
        reach, resource = self._reach, self._resource
        if reach is None or resource is None:
            return
        found = await reach.find(resource)
        if self._resource is resource and (self._wants or self.narrowed is not None):
            self._take(found)

    def _take(self, found: Reached) -> None:
        pause = max(RECHECK, _EACH * found.asked)
        self._recheck = self._clock.call_later(pause, self._begin_review) if found.denied else None
        self._watch(found.namespaces)
        # One that is tried in spite of a 403 is told as it is; its watch goes on trying.
        self._waiting -= self._errors.keys()
        narrowed = None
        if found.denied:
            from fleetui.fleet.refusal import missing

            told, advice = missing(found.denied)
            # The server's own words name the user.
            told = self._denials.get(found.denied[0].namespace, told)
            narrowed = Narrowed(found.namespaces, f"{told} ({advice})")
        problem = narrowed.refusal if narrowed is not None and not narrowed.namespaces else self._first_error()
        loading = self.loading and bool(self._waiting)
        changed = narrowed != self.narrowed
        self.narrowed = narrowed
        self._tell(loading=loading, problem=problem, changed=changed)

    # --- looking for the definition ---------------------------------------------------------------------------------

    def _look_later(self) -> None:
        self._stop_timer()
        self._timer = self._clock.call_later(OPTIONAL_LOOK if self.optional else self._pause, self._begin_look)
        self._pause = min(self._pause * 1.5, LAST_LOOK)

    def _begin_look(self) -> None:
        self._stop_timer()
        if self._look is None or self._look.done():
            name = f"look for {self.dialect.name} applications on {self.store.api.name}"
            self._look = asyncio.get_running_loop().create_task(self._look_once(), name=name)

    async def _look_once(self) -> None:
        group, kind = self.dialect.app_kind
        try:
            # The first look for an optional kind is that of everybody behind the first rows.
            again = not self.optional or self._pause > FIRST_LOOK
            found = (await self.store.api.discover(refresh=again)).by_kind(group, kind)
        except ClusterError as error:
            away = self.optional or isinstance(error, UnreachableError | UnauthorizedError)
            self._tell(loading=False, problem="" if away else str(error))
            self._look_later()
            return
        if found is None:
            self._not_found(group, kind)
            return
        self._pause = FIRST_LOOK
        self._is_served = True
        self._want(found)

    def _not_found(self, group: str, kind: str) -> None:
        if self.optional:
            self._tell(loading=False, problem="")
        elif not self.problem:
            self._tell(loading=False, problem=f"no definition of {kind} ({group}) here")
        self._look_later()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, *, loading: bool, problem: str, changed: bool = False) -> None:
        if changed or (loading, problem) != (self.loading, self.problem):
            self.loading, self.problem = loading, problem
            self._changed()
