"""Trees kept alive: what grows below an application is watched while somebody looks at it.

Owns: `TreeWatch`. Called by `fleetui.fleet.fleet`, one for each application that is looked at. The tree itself is
made by `fleetui.fleet.tree`. What the user may not see is not asked for: which kinds that are is asked first, with one
request a namespace, and again each minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Set
from contextlib import suppress
from functools import partial
from typing import Any

from fleetui.engine.clock import Clock, Timer
from fleetui.fleet.edges import APPLICATION, GroupKind
from fleetui.fleet.facts import facts_of
from fleetui.fleet.items import Grown
from fleetui.fleet.permissions import KEPT, Permissions
from fleetui.fleet.refusal import WATCHED, missing, sentence
from fleetui.fleet.rules import Attributes, attributes
from fleetui.fleet.store import LiveStore
from fleetui.fleet.tree import ResourceTree, build
from fleetui.fleet.views import Tree
from fleetui.fleet.wants import MOST, Want, is_of, scope_of, too_much, unwatchable, wanted
from fleetui.health import Judge
from fleetui.model.app import App
from fleetui.model.errors import ClusterError, FleetError, ForbiddenError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, ObjectRef, StoredObject
from fleetui.model.status import AWAY, ClusterState, ClusterStatus
from fleetui.ports import Subscription

PATIENCE = 10.0
"""Seconds to wait, for one look, for what a tree shows; after that it is shown without."""

ROUNDS = 5
"""How often, for one look, what was listed may turn out to lead to kinds that are not watched yet."""

REDISCOVER_AFTER = 10.0
"""Seconds before a server is asked again for a kind that it did not know."""


class TreeWatch:
    """The objects below one application, watched in the cluster where it runs.

    Args:
        store: that cluster.
        touched: called when the tree became another, the cluster's state did, or it is time to look again at what may
            be seen.
        permissions: what the user may do there.
        judge: gives the health of live objects, as the application's hub says it at this moment; whoever gives it
            sees to it that the tree is asked for anew when it becomes another.
        clock: the time.
        grown: what an Application among the objects manages, and where; None where that is not known.
        remote: the cluster behind the kubeconfig in a Secret (namespace, name) that a Flux object syncs into.
    """

    def __init__(
        self,
        store: LiveStore,
        touched: Callable[[], None],
        *,
        permissions: Permissions,
        judge: Callable[[], Judge],
        clock: Clock,
        grown: Callable[[StoredObject], Grown | None],
        remote: Callable[[str, str], ClusterName],
    ) -> None:
        self.store = store
        self._touched = touched
        self._permissions = permissions
        self._judge = judge
        self._clock = clock
        self._grown = grown
        self._remote = remote
        self._denied: dict[Want, tuple[Attributes, ...]] = {}
        self._refused_at: dict[Want, float] = {}
        self._recheck: Timer | None = None
        self._wants: dict[Want, Subscription] = {}
        self._failures: dict[Want, str] = {}
        self._left_out: tuple[Want, ...] = ()
        self._objects = _Covered(store)
        self._tree: ResourceTree | None = None
        self._judged: Judge | None = None
        self._seen: object = None
        self._rediscovered_at = float("-inf")
        self._is_closed = False
        self._subscriptions = [
            store.subscribe(self._object_changed),
            store.on_watch(self._watch_told),
            store.api.on_status(self._status_told),
        ]

    def close(self) -> None:
        self._is_closed = True
        for subscription in (*self._subscriptions, *self._wants.values()):
            subscription.close()
        self._wants.clear()
        self._stop_recheck()

    async def tree(self, app: App, *, tracking: str) -> Tree:
        """The application's tree as of now; the first time it waits for what it needs to be listed.

        A cluster that does not answer, or a kind that may not be listed, ends in `Tree.problem`, never in an error.
        `tracking` is the application's name within tracking ids.
        """
        tree = self._taken(app, tracking)
        time = asyncio.get_running_loop().time
        deadline = time() + PATIENCE
        try:
            discovery = await asyncio.wait_for(self._discover(tree), PATIENCE)
        except ClusterError as error:
            return self._shown(tree, unseen=EVERYTHING, problem=self._say(str(error)))
        except TimeoutError:
            problem = self._say(f"no answer within {PATIENCE:.0f} s")
            return self._shown(tree, unseen=EVERYTHING, problem=problem)
        asked: set[Want] | None = None
        for _ in range(ROUNDS):
            every = wanted(tree.kinds(), discovery, everywhere=self.store.watches)
            needed, self._left_out = set(every[:MOST]), every[MOST:]
            if needed == asked:
                break
            asked = needed
            if self.store.api.status.state not in AWAY:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ask(needed), deadline - time())
            if self._is_closed:  # while it was asked: nobody would end what began now
                return self._shown(tree, unseen=EVERYTHING, problem=self._say("nobody looks at this tree any more"))
            self._watch(needed - self._denied.keys())
            await self._listed(deadline - time())
        self._look_again_later()
        unseen = {resource.group_kind for resource, _ in (*self._failures, *self._left_out)}
        unseen |= unwatchable(tree.kinds(), discovery)
        return self._shown(tree, unseen=unseen, problem=self._problem())

    async def _discover(self, tree: ResourceTree) -> Discovery:
        """What the cluster serves, asked again now and then while the application has objects of unknown kinds."""
        discovery = await self.store.api.discover()
        if all(discovery.by_kind(*kind) for kind, _ in tree.kinds()):
            return discovery
        now = asyncio.get_running_loop().time()
        if now - self._rediscovered_at < REDISCOVER_AFTER:
            return discovery
        self._rediscovered_at = now
        return await self.store.api.discover(refresh=True)

    def _taken(self, app: App, tracking: str) -> ResourceTree:
        judge = self._judge()
        if self._tree is None:
            self._judged = judge
            self._tree = ResourceTree(
                app,
                cluster=self.store.api.name,
                objects=self._objects,
                tracking=tracking,
                facts=partial(facts_of, judge=judge),
                grown=self._grown,
                remote=self._remote,
            )
        elif judge != self._judged:
            self._judged = judge
            self._tree.judge(partial(facts_of, judge=judge))
        self._tree.take(app)
        return self._tree

    def _shown(self, tree: ResourceTree, *, unseen: Container[GroupKind], problem: str) -> Tree:
        seen = (unseen, frozenset(self._denied))
        if seen != self._seen:
            self._seen = seen
            tree.see(unseen, self._blind)
        return tree.shown(problem)

    # --- watching ---------------------------------------------------------------------------------------------------

    def _watch(self, needed: Set[Want]) -> None:
        for want in needed - self._wants.keys():
            self._wants[want] = self.store.want(*want)
            self._cover(want)
        for want in self._wants.keys() - needed:
            self._wants.pop(want).close()
            self._failures.pop(want, None)
            self._uncover(want)

    def _cover(self, want: Want) -> None:
        """The objects of a want are the tree's from now on; some may be there already, for somebody else."""
        self._objects.covered.add(scope_of(want))
        for obj in self.store.of_kind(*want[0].group_kind):
            self._object_changed(obj, deleted=False)

    def _uncover(self, want: Want) -> None:
        """They are not any more; the store forgets them without a word."""
        # The server may describe the resource otherwise by now, and then it is still wanted.
        if all(scope_of(other) != scope_of(want) for other in self._wants):
            self._objects.covered.discard(scope_of(want))
        if self._tree is not None:
            for ref in self._tree.of_kind(*want[0].group_kind):
                self._tree.touch(ref)

    async def _listed(self, patience: float) -> None:
        """Returns when everything wanted is listed or has failed, the cluster is away, or `patience` (seconds) ends."""
        waiting = {asyncio.create_task(self._list(want), name=f"list {want[0].full_name}") for want in self._wants}
        away: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(status: ClusterStatus) -> None:
            if status.state in AWAY and not away.done():
                away.set_result(None)

        subscription = self.store.api.on_status(told)
        told(self.store.api.status)
        try:
            ends: list[asyncio.Future[Any]] = [asyncio.gather(*waiting), away]
            await asyncio.wait(ends, timeout=max(0.0, patience), return_when=asyncio.FIRST_COMPLETED)
        finally:
            subscription.close()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _list(self, want: Want) -> None:
        self._failures[want] = f"{want[0].full_name} are not listed yet"
        try:
            await self.store.listed(*want)
        except ForbiddenError:
            self._refused(want)
        except FleetError as error:
            self._failures[want] = str(error)
        else:
            self._failures.pop(want, None)

    def _problem(self) -> str:
        status = self.store.api.status
        if status.state is not ClusterState.LIVE and status.message:
            return self._say(status.message)
        if self._failures:
            return self._say(next(iter(self._failures.values())))
        if self._left_out:
            return self._say(too_much(self._left_out))
        denied = [each for several in self._denied.values() for each in several]
        return self._say(sentence(sorted(denied, key=_in_order))) if denied else ""

    def _say(self, problem: str) -> str:
        return f"{self.store.api.name}: {problem}"

    # --- what may be seen -------------------------------------------------------------------------------------------

    async def _ask(self, needed: Set[Want]) -> None:
        """Finds out what of it may not be watched; where that can't be said it is tried, and not again for a minute."""
        now = self._clock.now()
        self._refused_at = {
            want: at for want, at in self._refused_at.items() if want in needed and 0 <= now - at < KEPT
        }
        open_ = {want for want in needed - self._wants.keys() if not self.store.watches(*want)}
        asked = {want: [attributes(verb, *want) for verb in WATCHED] for want in open_}
        answers = await self._permissions.may_each(
            self.store.api.urgent, [each for both in asked.values() for each in both]
        )
        self._denied = {}
        for want, both in asked.items():
            denied = tuple(each for each in both if answers[each].allowed is False)
            if denied or want in self._refused_at:
                self._denied[want] = denied or tuple(both)

    def _refused(self, want: Want) -> None:
        """The server itself refused to list or watch it, whatever it said of the permissions before."""
        subscription = self._wants.pop(want, None)
        self._failures.pop(want, None)
        if subscription is None:
            return
        self._permissions.forget(self.store.api.name)
        self._refused_at[want] = self._clock.now()
        self._denied[want] = tuple(attributes(verb, *want) for verb in WATCHED)
        subscription.close()
        self._uncover(want)

    def _blind(self, kind: GroupKind, namespace: str) -> str:
        for want, denied in self._denied.items():
            if is_of(want, kind, namespace) or is_of(want, kind, ""):
                return missing(denied)[0]
        return ""

    def _look_again_later(self) -> None:
        self._stop_recheck()
        if self._denied and not self._is_closed:
            self._recheck = self._clock.call_later(KEPT, self._touched)

    def _stop_recheck(self) -> None:
        recheck, self._recheck = self._recheck, None
        if recheck is not None:
            recheck.cancel()

    # --- what belongs to it -----------------------------------------------------------------------------------------

    def _object_changed(self, obj: StoredObject, *, deleted: bool) -> None:
        if self._tree is not None and self._objects.covers(obj.ref) and self._tree.touch(obj.ref):
            self._touched()

    def _watch_told(self, resource: ApiResource, namespace: str, error: Exception | None) -> None:
        for want in [want for want in self._wants if is_of(want, resource.group_kind, namespace)]:
            if isinstance(error, ForbiddenError):
                self._refused(want)
                self._touched()
            elif (error is None) == (want in self._failures):
                self._touched()

    def _status_told(self, status: ClusterStatus) -> None:
        self._touched()


class _Covered:
    """Of a cluster's objects those that are watched for one tree, and all Applications, which always are.

    What somebody else has watched may be forgotten without a word.
    """

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self.covered: set[tuple[GroupKind, str]] = set()

    def covers(self, ref: ObjectRef) -> bool:
        kind = ref.group_kind
        return (kind, ref.namespace) in self.covered or (kind, "") in self.covered or kind == APPLICATION

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return self._store.get(ref) if self.covers(ref) else None

    def owned(self, uid: str) -> Iterable[StoredObject]:
        return self._mine(self._store.owned(uid))

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        return self._mine(self._store.named(ref))

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        return self._mine(self._store.tracked(tracking_app))

    def _mine(self, objects: Iterable[StoredObject]) -> list[StoredObject]:
        return [obj for obj in objects if self.covers(obj.ref)]


class _Nothing:
    """A cluster of which nothing is known."""

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return None

    def owned(self, uid: str) -> Iterable[StoredObject]:
        return ()

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        return ()

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        return ()


class _Everything:
    """A set that everything is in."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING = _Everything()


def without_cluster(app: App, problem: str) -> Tree:
    """The tree of an application whose cluster is not at hand: what its engine says it manages, as far as that goes."""
    cluster = ClusterName(app.destination.name or app.destination.server)
    return build(app, cluster=cluster, objects=_Nothing(), unseen=EVERYTHING, problem=problem)


def _in_order(denied: Attributes) -> tuple[str, str, str]:
    return denied.namespace, denied.full_name, denied.verb
