"""The watched objects of one cluster, indexed.

Owns: `LiveStore`, the `fleetui.ports.LiveCluster` that the engine and the fleet read from. Called on the engine's
loop alone. Never here: what an object means (dialects, health, trees), and requests other than watches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from fleetui.engine.application import TRACKING_ID
from fleetui.fleet.subscription import Once, enlist
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.ports import Cluster, LiveListener, Subscription

_log = logging.getLogger(__name__)

_FeedKey = tuple[str, str, str]
"""Group, kind and namespace; the version is left out, so that takers of two versions share one watch."""


class WatchListener(Protocol):
    def __call__(self, resource: ApiResource, namespace: str, error: Exception | None) -> None: ...


class LiveStore:
    """One cluster and those of its objects that somebody wants watched.

    Takers of the same kind and namespace share a watch; it ends, and its objects are forgotten, when the last taker
    closes. Listeners are not told of objects that are merely forgotten: they may well still exist.
    """

    def __init__(self, api: Cluster) -> None:
        self._api = api
        self._feeds: dict[_FeedKey, _Feed] = {}
        self._kinds: dict[tuple[str, str], dict[ObjectRef, StoredObject]] = {}
        self._tracked: dict[str, set[ObjectRef]] = {}
        self._owned: dict[str, set[ObjectRef]] = {}
        self._listeners: list[LiveListener] = []
        self._watch_listeners: list[WatchListener] = []

    @property
    def api(self) -> Cluster:
        return self._api

    def want(self, resource: ApiResource, namespace: str = "") -> Subscription:
        """Keeps the resource watched (all namespaces where `namespace` is empty) until every taker has closed."""
        key = (resource.group, resource.kind, namespace if resource.namespaced else "")
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = _Feed(self, resource, key[2])
            feed.start()
        feed.takers += 1
        return Once(lambda: self._release(key, feed))

    async def listed(self, resource: ApiResource, namespace: str = "") -> None:
        """Returns when a wanted resource has been listed once.

        Raises:
            ClusterError: it can't be listed (forbidden, not served, unreachable), or nobody wants it.
        """
        feed = self._covering(resource, namespace)
        if feed is None:
            raise ClusterError(f"{self._api.name}: {resource.full_name} is not watched", cluster=self._api.name)
        await feed.first_listing()

    def watches(self, resource: ApiResource, namespace: str = "") -> bool:
        """Whether somebody wants the resource of just this namespace (of all, where it is empty) watched."""
        return (resource.group, resource.kind, namespace if resource.namespaced else "") in self._feeds

    @property
    def in_use(self) -> bool:
        """Whether anybody wants anything of this cluster watched, or listens to it."""
        return bool(self._feeds or self._listeners)

    def knows(self, ref: ObjectRef) -> bool:
        """Whether what `get` says of `ref` is the whole truth: a watch that covers it has been listed."""
        return any(feed.listed_once for feed in self._sisters(ref))

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return self._kinds.get(ref.group_kind, {}).get(ref)

    def of_kind(self, group: str, kind: str) -> Iterable[StoredObject]:
        return tuple(self._kinds.get((group, kind), {}).values())

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        return self._resolve(self._tracked.get(tracking_app, ()))

    def owned(self, uid: str) -> Iterable[StoredObject]:
        return self._resolve(self._owned.get(uid, ()))

    def subscribe(self, listener: LiveListener) -> Subscription:
        """Calls `listener` once for each object that changed or went, after the store has it."""
        return enlist(self._listeners, listener)

    def on_watch(self, listener: WatchListener) -> Subscription:
        """Calls `listener` whenever a watch has listed (``error`` is None) or could not be had."""
        return enlist(self._watch_listeners, listener)

    def close(self) -> None:
        """Ends every watch and forgets every object; takers may still close."""
        for key, feed in list(self._feeds.items()):
            self._end(key, feed)

    # --- what feeds call ------------------------------------------------------------------------------------------

    def put(self, obj: StoredObject) -> None:
        """Takes an object in, unless it is known already or older than what a sister watch has brought."""
        known = self.get(obj.ref)
        if known is not None and (_same(known, obj) or (self._shared(obj.ref) and _older(obj, known))):
            return
        if known is not None:
            self._unindex(known)
        self._kinds.setdefault(obj.ref.group_kind, {})[obj.ref] = obj
        self._index(obj)
        self._tell(obj, deleted=False)

    def drop(self, ref: ObjectRef, last: StoredObject | None = None) -> None:
        """Takes an object out, as deleted; `last` is its last state where the server said it."""
        known = self.get(ref)
        if known is None or (last is not None and last.uid and known.uid and last.uid != known.uid):
            return
        self._forget(known)
        self._tell(last or known, deleted=True)

    def held_elsewhere(self, ref: ObjectRef, feed: _Feed) -> bool:
        """Whether another watch than `feed` still has the object."""
        return any(other is not feed and ref in other.holds for other in self._sisters(ref))

    def report(self, feed: _Feed, error: Exception | None) -> None:
        for listener in tuple(self._watch_listeners):
            _guarded(listener, feed.resource, feed.namespace, error)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _covering(self, resource: ApiResource, namespace: str) -> _Feed | None:
        exact = self._feeds.get((resource.group, resource.kind, namespace if resource.namespaced else ""))
        return exact or self._feeds.get((resource.group, resource.kind, ""))

    def _sisters(self, ref: ObjectRef) -> list[_Feed]:
        keys = {(ref.group, ref.kind, ""), (ref.group, ref.kind, ref.namespace)}
        return [self._feeds[key] for key in keys if key in self._feeds]

    def _shared(self, ref: ObjectRef) -> bool:
        return len(self._sisters(ref)) > 1

    def _release(self, key: _FeedKey, feed: _Feed) -> None:
        feed.takers -= 1
        if feed.takers == 0 and self._feeds.get(key) is feed:
            self._end(key, feed)

    def _end(self, key: _FeedKey, feed: _Feed) -> None:
        del self._feeds[key]
        feed.stop()
        for ref in feed.holds:
            known = self.get(ref)
            if known is not None and not self._adopted(ref):
                self._forget(known)

    def _adopted(self, ref: ObjectRef) -> bool:
        # A watch that still lists takes the object over, and sweeps it out if it doesn't come.
        adopters = [feed for feed in self._sisters(ref) if ref in feed.holds or not feed.listed_once]
        for feed in adopters:
            feed.holds.add(ref)
        return bool(adopters)

    def _forget(self, known: StoredObject) -> None:
        kind = self._kinds[known.ref.group_kind]
        del kind[known.ref]
        if not kind:
            del self._kinds[known.ref.group_kind]
        self._unindex(known)

    def _index(self, obj: StoredObject) -> None:
        for index, key in self._index_keys(obj):
            index.setdefault(key, set()).add(obj.ref)

    def _unindex(self, obj: StoredObject) -> None:
        for index, key in self._index_keys(obj):
            refs = index.get(key)
            if refs is not None:
                refs.discard(obj.ref)
                if not refs:
                    del index[key]

    def _index_keys(self, obj: StoredObject) -> list[tuple[dict[str, set[ObjectRef]], str]]:
        keys = [(self._owned, owner.uid) for owner in obj.meta.owner_references or () if owner.uid]
        tracking = (obj.meta.annotations or {}).get(TRACKING_ID, "")
        app, colon, _ = tracking.partition(":")
        return [*keys, (self._tracked, app)] if colon else keys

    def _resolve(self, refs: Iterable[ObjectRef]) -> tuple[StoredObject, ...]:
        found = (self.get(ref) for ref in tuple(refs))
        return tuple(obj for obj in found if obj is not None)

    def _tell(self, obj: StoredObject, *, deleted: bool) -> None:
        for listener in tuple(self._listeners):
            _guarded(listener, obj, deleted=deleted)


class _Feed:
    """One watch of the store: a `WatchSink` that marks what each listing brings and sweeps out what it did not."""

    def __init__(self, store: LiveStore, resource: ApiResource, namespace: str) -> None:
        self.resource = resource
        self.namespace = namespace
        self.takers = 0
        self.holds: set[ObjectRef] = set()
        self._store = store
        self._fresh: set[ObjectRef] | None = None
        self.listed_once = False
        self._failure: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._subscription: Subscription | None = None
        self._stopped = False

    def start(self) -> None:
        self._subscription = self._store.api.watch(self.resource, self, namespace=self.namespace)

    def stop(self) -> None:
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()
        cluster = self._store.api.name
        self._settle(ClusterError(f"{cluster}: {self.resource.full_name} is no longer watched", cluster=cluster))

    async def first_listing(self) -> None:
        if self.listed_once:
            return
        if self._failure is not None:
            raise _as_cluster_error(self._failure, self._store.api.name)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    # --- WatchSink ------------------------------------------------------------------------------------------------

    def listing(self) -> None:
        self._fresh = set()

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if self._stopped:
            return
        for obj in objects:
            self.holds.add(obj.ref)
            if self._fresh is not None:
                self._fresh.add(obj.ref)
            self._store.put(obj)
        # A watch that resumes where it broke off lists nothing: that objects come again is the sign.
        if self._failure is not None and self.listed_once and self._fresh is None:
            self._failure = None
            self._store.report(self, None)

    def remove(self, obj: StoredObject) -> None:
        if self._stopped:
            return
        self.holds.discard(obj.ref)
        if self._fresh is not None:
            self._fresh.discard(obj.ref)
        self._store.drop(obj.ref, obj)

    def listed(self) -> None:
        if self._stopped:
            return
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            gone, self.holds = self.holds - fresh, fresh
            for ref in gone:
                if not self._store.held_elsewhere(ref, self):
                    self._store.drop(ref)
        self.listed_once = True
        self._failure = None
        self._settle(None)
        self._store.report(self, None)

    def failed(self, error: Exception) -> None:
        if self._stopped:
            return
        self._fresh = None
        self._failure = error
        self._settle(error)
        self._store.report(self, error)

    def _settle(self, error: Exception | None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(_as_cluster_error(error, self._store.api.name))


def _same(one: StoredObject, other: StoredObject) -> bool:
    version = one.meta.resource_version
    if version:
        return version == other.meta.resource_version and one.uid == other.uid
    return one.raw == other.raw


def _older(one: StoredObject, other: StoredObject) -> bool:
    """Resource versions of one kind are comparable integers (KEP-5504); only asked where two watches race, because
    a restored etcd makes them go back."""
    mine, theirs = one.meta.resource_version, other.meta.resource_version
    return mine.isdigit() and theirs.isdigit() and int(mine) < int(theirs)


def _as_cluster_error(error: Exception, cluster: str) -> Exception:
    if isinstance(error, ClusterError):
        return error
    wrapped = ClusterError(f"{cluster}: {error}", cluster=cluster)
    wrapped.__cause__ = error
    return wrapped


def _guarded(listener: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    # One listener's mistake must not end the watch that feeds all the others.
    try:
        listener(*args, **kwargs)
    except Exception:
        _log.exception("a listener of the store failed")
