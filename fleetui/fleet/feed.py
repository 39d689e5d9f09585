"""One watch of a store.

Owns: `Feed`, a `WatchSink` that marks what each listing brings and sweeps out what it did not, and `FeedKey`, by which
takers find that they want the same. Called by `fleetui.fleet.store` and by the watch that it starts, on the engine's
loop alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject, is_older
from fleetui.ports import Cluster, Subscription

MOST_PASSED = 10_000
"""Objects of which a watch remembers that another one was told first: it is behind by moments, not by as many."""


class FeedKey(NamedTuple):
    """What a watch is of; the version is left out, so that takers of two versions share one watch."""

    group: str
    kind: str
    namespace: str
    labels: str = ""
    fields: str = ""

    @classmethod
    def of(cls, resource: ApiResource, namespace: str, *, labels: str = "", fields: str = "") -> FeedKey:
        return cls(resource.group, resource.kind, namespace if resource.namespaced else "", labels, fields)

    @property
    def selective(self) -> bool:
        """Whether objects come and go by what is written in them, too."""
        return bool(self.labels or self.fields)


class Keeper(Protocol):
    """Who keeps what a feed brings; `fleetui.fleet.store.LiveStore` is one."""

    @property
    def api(self) -> Cluster: ...

    def put(self, obj: StoredObject, feed: Feed) -> None: ...

    def drop(self, ref: ObjectRef, feed: Feed, *, last: StoredObject | None = None) -> None: ...

    def report(self, feed: Feed, error: Exception | None) -> None: ...


class Feed:
    """One watch of a store, for all who want the same."""

    def __init__(self, keeper: Keeper, resource: ApiResource, key: FeedKey, *, metadata_only: bool) -> None:
        self.resource = resource
        self.key = key
        self.metadata_only = metadata_only
        self.takers = 0
        self.holds: set[ObjectRef] = set()
        self.refused: set[ObjectRef] = set()
        """What the last listing brought in an older version than is kept."""
        self.listed_once = False
        self._passed: dict[ObjectRef, tuple[str, bool]] = {}
        self._keeper = keeper
        self._fresh: set[ObjectRef] | None = None
        self._settled = False
        self._failure: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._subscription: Subscription | None = None
        self._stopped = False

    @property
    def lists(self) -> bool:
        """Whether a listing is under way."""
        return self._fresh is not None

    def passed(self, obj: StoredObject, *, gone: bool) -> None:
        """Another watch was told this of an object, and may be ahead of this one: what is gone would come back, and a
        listing that is under way may have what is older than what is kept."""
        if gone or self.lists:
            self._passed.pop(obj.ref, None)
            self._passed[obj.ref] = obj.meta.resource_version, gone
            if len(self._passed) > MOST_PASSED:
                del self._passed[next(iter(self._passed))]

    def is_behind(self, obj: StoredObject) -> bool:
        """Whether another watch was told something newer of the object, or that it is gone."""
        passed = self._passed.get(obj.ref)
        if passed is None:
            return False
        version, gone = passed
        if is_older(obj.meta.resource_version, version) or (gone and obj.meta.resource_version == version):
            return True
        del self._passed[obj.ref]
        return False

    def start(self) -> None:
        self._subscription = self._keeper.api.watch(
            self.resource,
            self,
            namespace=self.key.namespace,
            labels=self.key.labels,
            fields=self.key.fields,
            metadata_only=self.metadata_only,
        )

    def widen(self) -> None:
        """Somebody wants the objects whole: from now on they come so, and those that are there will."""
        assert self._subscription is not None
        self._subscription.close()
        self.metadata_only = False
        self._settled, self._failure, self._fresh = False, None, None
        self.start()

    def stop(self) -> None:
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()
        cluster = self._keeper.api.name
        self._settle(ClusterError(f"{cluster}: {self.resource.full_name} is no longer watched", cluster=cluster))

    async def first_listing(self) -> None:
        """Returns when all objects are there, in the form that is wanted.

        Raises:
            ClusterError: they can't be had; the watch goes on trying.
        """
        if self._settled:
            return
        if self._failure is not None:
            raise _as_cluster_error(self._failure, self._keeper.api.name)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    # --- WatchSink ------------------------------------------------------------------------------------------------

    def listing(self) -> None:
        self._fresh = set()
        self.refused = set()
        self._passed = {}

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if self._stopped:
            return
        for obj in objects:
            self.holds.add(obj.ref)
            if self._fresh is not None:
                self._fresh.add(obj.ref)
            self._keeper.put(obj, self)
        # A watch that resumes where it broke off lists nothing: that objects come again is the sign.
        if self._failure is not None and self._settled and self._fresh is None:
            self._failure = None
            self._keeper.report(self, None)

    def remove(self, obj: StoredObject) -> None:
        if self._stopped:
            return
        self.holds.discard(obj.ref)
        if self._fresh is not None:
            self._fresh.discard(obj.ref)
        self._keeper.drop(obj.ref, self, last=obj)

    def listed(self) -> None:
        if self._stopped:
            return
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            gone, self.holds = self.holds - fresh, fresh
            for ref in gone:
                self._keeper.drop(ref, self)
        self.listed_once = self._settled = True
        self._failure = None
        self._settle(None)
        self._keeper.report(self, None)

    def failed(self, error: Exception) -> None:
        if self._stopped:
            return
        self._fresh = None
        self._failure = error
        self._settle(error)
        self._keeper.report(self, error)

    def _settle(self, error: Exception | None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(_as_cluster_error(error, self._keeper.api.name))


def _as_cluster_error(error: Exception, cluster: str) -> Exception:
    if isinstance(error, ClusterError):
        return error
    wrapped = ClusterError(f"{cluster}: {error}", cluster=cluster)
    wrapped.__cause__ = error
    return wrapped
