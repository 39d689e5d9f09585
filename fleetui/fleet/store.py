"""The watched objects of one cluster, indexed.

Owns: `LiveStore`, the `fleetui.ports.LiveCluster` that the engine and the fleet read from. Called on the engine's
loop alone. Never here: what an object means (dialects, health, trees), and requests other than watches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from fleetui.engine.application import TRACKING_ID
from fleetui.fleet.edges import came_from
from fleetui.fleet.feed import Feed, FeedKey
from fleetui.fleet.index import Index
from fleetui.fleet.subscription import Once, enlist
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject, is_older
from fleetui.ports import Cluster, LiveListener, Subscription

_log = logging.getLogger(__name__)


class WatchListener(Protocol):
    def __call__(self, resource: ApiResource, namespace: str, error: Exception | None) -> None: ...


class LiveStore:
    """One cluster and those of its objects that somebody wants watched.

    Takers of the same kind, namespace and selectors share a watch; it ends, and its objects are forgotten, when the
    last taker closes. Listeners are not told of objects that are merely forgotten: they may well still exist.
    """

    def __init__(self, api: Cluster) -> None:
        self._api = api
        self._feeds: dict[FeedKey, Feed] = {}
        self._feeds_of: dict[tuple[str, str], list[Feed]] = {}
        self._kinds: dict[tuple[str, str], dict[ObjectRef, StoredObject]] = {}
        self._tracked: Index[str, ObjectRef] = Index()
        self._labelled: dict[str, Index[str, ObjectRef]] = {}
        self._owned: Index[str, ObjectRef] = Index()
        self._named: Index[ObjectRef, ObjectRef] = Index()
        self._listeners: list[LiveListener] = []
        self._watch_listeners: list[WatchListener] = []

    @property
    def api(self) -> Cluster:
        return self._api

    def want(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Subscription:
        """Keeps the resource watched (all namespaces where `namespace` is empty) until every taker has closed.

        The other arguments are those of `fleetui.ports.Cluster.watch`. Whoever narrows a want must look at what it
        gets: what others want is in the store as well, and comes whole where one of them wants it whole.
        """
        key = FeedKey.of(resource, namespace, labels=labels, fields=fields)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(self, resource, key, metadata_only=metadata_only)
            self._feeds_of.setdefault(resource.group_kind, []).append(feed)
            feed.start()
        elif feed.metadata_only and not metadata_only:
            feed.widen()
        feed.takers += 1
        return Once(lambda: self._release(feed))

    async def listed(self, resource: ApiResource, namespace: str = "", *, labels: str = "", fields: str = "") -> None:
        """Returns when a wanted resource has been listed once.

        Raises:
            ClusterError: it can't be listed (forbidden, not served, unreachable), or nobody wants it.
        """
        feed = self._covering(FeedKey.of(resource, namespace, labels=labels, fields=fields))
        if feed is None:
            raise ClusterError(f"{self._api.name}: {resource.full_name} is not watched", cluster=self._api.name)
        await feed.first_listing()

    def watches(self, resource: ApiResource, namespace: str = "") -> bool:
        """Whether somebody wants the resource of just this namespace (of all, where it is empty) watched, with no
        selector."""
        return FeedKey.of(resource, namespace) in self._feeds

    @property
    def in_use(self) -> bool:
        """Whether anybody wants anything of this cluster watched, or listens to it."""
        return bool(self._feeds or self._listeners)

    def knows(self, ref: ObjectRef) -> bool:
        """Whether what `get` says of `ref` is the whole truth: a watch that covers it has been listed."""
        return any(feed.listed_once and not feed.key.selective for feed in self._sisters(ref))

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return self._kinds.get(ref.group_kind, {}).get(ref)

    def of_kind(self, group: str, kind: str) -> Iterable[StoredObject]:
        return tuple(self._kinds.get((group, kind), {}).values())

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        return self._resolve(self._tracked.get(tracking_app))

    def labelled(self, label: str, value: str) -> Iterable[StoredObject]:
        index = self._labelled.get(label)
        if index is None:
            index = self._labelled[label] = Index()
            for known in (obj for kind in self._kinds.values() for obj in kind.values()):
                if found := (known.meta.labels or {}).get(label):
                    index.add(found, known.ref)
        return self._resolve(index.get(value))

    def owned(self, uid: str) -> Iterable[StoredObject]:
        return self._resolve(self._owned.get(uid))

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        """The watched objects that say they came from `ref`, as `fleetui.fleet.edges.came_from` reads them."""
        return self._resolve(self._named.get(ref))

    def subscribe(self, listener: LiveListener) -> Subscription:
        """Calls `listener` once for each object that changed or went, after the store has it."""
        return enlist(self._listeners, listener)

    def on_watch(self, listener: WatchListener) -> Subscription:
        """Calls `listener` whenever a watch without selectors has listed (``error`` is None) or could not be had."""
        return enlist(self._watch_listeners, listener)

    def close(self) -> None:
        """Ends every watch and forgets every object; takers may still close."""
        for feed in list(self._feeds.values()):
            self._end(feed)

    # --- what feeds call ------------------------------------------------------------------------------------------

    def put(self, obj: StoredObject, feed: Feed) -> None:
        """Takes an object in, unless it is known already or older than what is known."""
        if feed.is_behind(obj):
            return
        known = self.get(obj.ref)
        if known is not None:
            if not self._replaces(obj, known, feed):
                return
            self._unindex(known)
            if known.uid and obj.uid and known.uid != obj.uid:
                # Another object under the same name: nobody was watching when the former one went.
                self._remove(known)
                self._tell(known, deleted=True)
        self._pass_on(obj, feed, gone=False)
        self._kinds.setdefault(obj.ref.group_kind, {})[obj.ref] = obj
        self._index(obj)
        self._tell(obj, deleted=False)

    def drop(self, ref: ObjectRef, feed: Feed, *, last: StoredObject | None = None) -> None:
        """Takes an object out that `feed` has no longer, as deleted; `last` is its last state where the server said it.

        What `feed` did not list, or no longer selects, may be another watch's still.
        """
        known = self.get(ref)
        if known is None or (last is not None and last.uid and known.uid and last.uid != known.uid):
            return
        if (last is None or feed.key.selective) and self._holders(ref, feed):
            return
        # Where it only left a selection, the very version that left it may be another watch's news.
        self._pass_on(last or known, feed, gone=not feed.key.selective)
        self._forget(known)
        self._tell(last or known, deleted=True)

    def report(self, feed: Feed, error: Exception | None) -> None:
        if not feed.key.selective:
            for listener in tuple(self._watch_listeners):
                _guarded(listener, feed.resource, feed.key.namespace, error)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _covering(self, key: FeedKey) -> Feed | None:
        everywhere = key._replace(namespace="")
        plain = key._replace(labels="", fields="")
        keys = (key, everywhere, plain, plain._replace(namespace=""))
        return next((self._feeds[key] for key in keys if key in self._feeds), None)

    def _sisters(self, ref: ObjectRef) -> list[Feed]:
        """The watches that may bring an object."""
        feeds = self._feeds_of.get(ref.group_kind, ())
        return [feed for feed in feeds if feed.key.namespace in ("", ref.namespace)]

    def _holders(self, ref: ObjectRef, feed: Feed) -> list[Feed]:
        """The watches besides `feed` that have brought an object."""
        return [other for other in self._sisters(ref) if other is not feed and ref in other.holds]

    def _pass_on(self, obj: StoredObject, feed: Feed, *, gone: bool) -> None:
        """Tells the other watches of an object what `feed` was told of it."""
        if len(self._feeds_of.get(obj.ref.group_kind, ())) > 1:
            for other in self._sisters(obj.ref):
                if other is not feed:
                    other.passed(obj, gone=gone)

    def _replaces(self, obj: StoredObject, known: StoredObject, feed: Feed) -> bool:
        if _same(obj, known):
            return obj.whole and not known.whole
        holders = self._holders(obj.ref, feed)
        if is_older(obj.meta.resource_version, known.meta.resource_version):
            # Only a restored etcd takes objects back: then a list says so, and whoever else lists them.
            if not feed.lists:
                return False
            feed.refused.add(obj.ref)
            return all(obj.ref in holder.refused for holder in holders)
        # What comes as metadata alone will come whole in a moment.
        return obj.whole or not known.whole or all(holder.metadata_only for holder in holders)

    def _release(self, feed: Feed) -> None:
        feed.takers -= 1
        if feed.takers == 0 and self._feeds.get(feed.key) is feed:
            self._end(feed)

    def _end(self, feed: Feed) -> None:
        del self._feeds[feed.key]
        self._feeds_of[feed.resource.group_kind].remove(feed)
        feed.stop()
        for ref in feed.holds:
            known = self.get(ref)
            if known is not None and not self._adopted(ref):
                self._forget(known)

    def _adopted(self, ref: ObjectRef) -> bool:
        # A watch that still lists takes the object over, and sweeps it out if it doesn't come.
        adopters = [
            feed for feed in self._sisters(ref) if ref in feed.holds or not (feed.listed_once or feed.key.selective)
        ]
        for feed in adopters:
            feed.holds.add(ref)
        return bool(adopters)

    def _forget(self, known: StoredObject) -> None:
        self._remove(known)
        self._unindex(known)

    def _remove(self, known: StoredObject) -> None:
        kind = self._kinds[known.ref.group_kind]
        del kind[known.ref]
        if not kind:
            del self._kinds[known.ref.group_kind]

    def _index(self, obj: StoredObject) -> None:
        for index, word in self._words(obj):
            index.add(word, obj.ref)
        for parent in came_from(obj):
            self._named.add(parent, obj.ref)

    def _unindex(self, obj: StoredObject) -> None:
        for index, word in self._words(obj):
            index.discard(word, obj.ref)
        for parent in came_from(obj):
            self._named.discard(parent, obj.ref)

    def _words(self, obj: StoredObject) -> list[tuple[Index[str, ObjectRef], str]]:
        words = [(self._owned, owner.uid) for owner in obj.meta.owner_references or () if owner.uid]
        if self._labelled and obj.meta.labels:
            labels = obj.meta.labels
            words += [(index, labels[label]) for label, index in self._labelled.items() if labels.get(label)]
        tracking = (obj.meta.annotations or {}).get(TRACKING_ID, "")
        app, colon, _ = tracking.partition(":")
        return [*words, (self._tracked, app)] if colon else words

    def _resolve(self, refs: tuple[ObjectRef, ...]) -> tuple[StoredObject, ...]:
        if not refs:  # nearly always: most objects own nothing
            return ()
        found = map(self.get, refs)
        return tuple(obj for obj in found if obj is not None)

    def _tell(self, obj: StoredObject, *, deleted: bool) -> None:
        for listener in tuple(self._listeners):
            _guarded(listener, obj, deleted=deleted)


def _same(one: StoredObject, other: StoredObject) -> bool:
    version = one.meta.resource_version
    if version:
        return version == other.meta.resource_version and one.uid == other.uid
    return one.raw == other.raw


def _guarded(listener: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    # One listener's mistake must not end the watch that feeds all the others.
    try:
        listener(*args, **kwargs)
    except Exception:
        _log.exception("a listener of the store failed")
