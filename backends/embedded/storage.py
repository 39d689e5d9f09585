"""Where the objects lie: bytes by key, one table for each kind, with a history that watches and old pages read.

Owns: resource versions, tables, history, the order in which changes are told. It plays etcd's part, and knows of an
object no more than its metadata. Called by `store` alone for writing, by `watches` and `handlers` for reading.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from backends.embedded.errors import expired
from backends.embedded.registry import ResourceType

Obj = dict[str, Any]
_LOG = logging.getLogger(__name__)
HISTORY = 4096
"""Changes that each table remembers; older ones are compacted, and asking for them is 410."""

_META_ORDER = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers",
    "managedFields",
)  # fmt: skip


class Record:
    """One object at one resource version; never changed."""

    __slots__ = ("finalizers", "labels", "name", "namespace", "owners", "raw", "terminating", "uid", "version")

    def __init__(self, obj: Obj, version: int) -> None:
        meta = obj["metadata"]
        self.raw = msgspec.json.encode(obj)
        self.version = version
        self.uid: str = meta["uid"]
        self.namespace: str = meta.get("namespace", "")
        self.name: str = meta["name"]
        self.labels: dict[str, str] = meta.get("labels") or {}
        self.owners = tuple(owner["uid"] for owner in meta.get("ownerReferences") or ())
        self.finalizers = tuple(meta.get("finalizers") or ())
        self.terminating = "deletionTimestamp" in meta

    @property
    def key(self) -> str:
        return key_of(self.namespace, self.name)

    def decode(self) -> Obj:
        """The object, a fresh copy."""
        obj: Obj = msgspec.json.decode(self.raw)
        return obj


class Event:
    """One change: `type` is ADDED, MODIFIED or DELETED; `obj` and `old` are to be read only."""

    __slots__ = ("_obj", "_old", "before", "record", "resource", "type")

    def __init__(self, type_: str, resource: ResourceType, record: Record, before: Record | None) -> None:
        self.type = type_
        self.resource = resource
        self.record = record
        self.before = before
        self._obj: Obj | None = None
        self._old: Obj | None = None

    @property
    def version(self) -> int:
        return self.record.version

    @property
    def obj(self) -> Obj:
        """The object after the change; for DELETED its last state, with the resource version of the deletion."""
        if self._obj is None:
            self._obj = self.record.decode()
        return self._obj

    @property
    def old(self) -> Obj | None:
        """The object before the change; None for ADDED."""
        if self._old is None and self.before is not None:
            self._old = self.before.decode()
        return self._old


Callback = Callable[[Event], None]


def key_of(namespace: str, name: str) -> str:
    """The key within a table; keys sort as etcd's do."""
    return f"{namespace}/{name}"


class Table:
    """The objects of one kind, by key and in key order."""

    def __init__(self, resource: ResourceType, *, born: int) -> None:
        self.resource = resource
        self.records: dict[str, Record] = {}
        self.keys: list[str] = []
        self.history: deque[Event] = deque()
        self.compacted = born
        """The oldest resource version that can still be read or watched from."""
        self.watchers: dict[object, Callback] = {}
        self.ends: dict[object, Callable[[], None]] = {}
        """What is called when the kind is served no longer."""
        self.dropped = False
        """Whether the kind is served no longer."""

    def between(self, namespace: str, after: str = "") -> Iterator[str]:
        """The keys of a namespace ('' for all), in order, those up to `after` left out."""
        start = bisect_left(self.keys, f"{namespace}/" if namespace else "")
        if after:
            start = max(start, bisect_left(self.keys, after + "\0"))
        prefix = f"{namespace}/"
        for key in self.keys[start:]:
            if namespace and not key.startswith(prefix):
                return
            yield key

    def since(self, version: int) -> list[Event]:
        """The changes after `version`, oldest first.

        Raises:
            ApiError: 410, they are compacted.
        """
        if version < self.compacted:
            raise expired(f"too old resource version: {version} ({self.compacted})")
        found: list[Event] = []
        for event in reversed(self.history):
            if event.version <= version:
                break
            found.append(event)
        found.reverse()
        return found

    def at(self, version: int) -> dict[str, Record]:
        """All records as they were at `version`.

        Raises:
            ApiError: 410, that state is compacted.
        """
        events = self.since(version)
        records = dict(self.records) if events else self.records
        for event in reversed(events):
            if event.before is None:
                records.pop(event.record.key, None)
            else:
                records[event.record.key] = event.before
        return records

    def apply(self, event: Event) -> None:
        key = event.record.key
        if event.type == "DELETED":
            del self.records[key]
            del self.keys[bisect_left(self.keys, key)]
        else:
            if event.type == "ADDED":
                insort(self.keys, key)
            self.records[key] = event.record
        self.history.append(event)
        if len(self.history) > HISTORY:
            self.compacted = self.history.popleft().version

    def compact(self, version: int) -> None:
        """Forgets the history up to `version`."""
        while self.history and self.history[0].version <= version:
            self.history.popleft()
        self.compacted = max(self.compacted, version)


class Storage:
    """All tables of one server, and its one counter of resource versions."""

    def __init__(self) -> None:
        self.version = 1
        self._tables: dict[tuple[str, str], Table] = {}
        self._by_uid: dict[str, tuple[Table, str]] = {}
        self._owned: dict[str, dict[str, None]] = {}
        self._callbacks: dict[object, Callback] = {}
        self._queue: deque[tuple[Event, Table]] = deque()
        self._telling = False

    def table(self, resource: ResourceType) -> Table:
        """The table of a resource; all its versions share one."""
        table = self._tables.get(resource.group_kind)
        if table is None:
            table = self._tables[resource.group_kind] = Table(resource, born=self.version)
        return table

    def tables(self) -> list[Table]:
        return list(self._tables.values())

    def lookup(self, group_kind: tuple[str, str], key: str) -> Record | None:
        """One object by kind and key."""
        table = self._tables.get(group_kind)
        return table.records.get(key) if table else None

    def find(self, uid: str) -> tuple[Table, Record] | None:
        """The object with that uid."""
        found = self._by_uid.get(uid)
        return (found[0], found[0].records[found[1]]) if found else None

    def owned(self, uid: str) -> list[tuple[Table, Record]]:
        """The objects that have an owner reference to `uid`."""
        return [found for owned in self._owned.get(uid, ()) if (found := self.find(owned))]

    def put(self, table: Table, obj: Obj) -> Record:
        """Writes `obj` under the next resource version, and tells it; `obj` is changed to what was written."""
        self.version += 1
        arrange(obj, self.version)
        record = Record(obj, self.version)
        before = table.records.get(record.key)
        self._commit(Event("MODIFIED" if before else "ADDED", table.resource, record, before), table)
        return record

    def remove(self, table: Table, obj: Obj) -> Record:
        """Deletes the object, and tells its last state `obj` under the resource version of the deletion."""
        self.version += 1
        arrange(obj, self.version)
        record = Record(obj, self.version)
        self._commit(Event("DELETED", table.resource, record, table.records[record.key]), table)
        return record

    def drop(self, table: Table) -> None:
        """Forgets an empty table: its kind is served no longer, and its watches end."""
        self._tables.pop(table.resource.group_kind, None)
        table.dropped = True
        for wake in list(table.ends.values()):
            wake()

    def subscribe(self, callback: Callback, table: Table | None = None) -> Callable[[], None]:
        """Calls `callback` after each commit, of `table` alone where it is given; returns what ends it."""
        listeners = self._callbacks if table is None else table.watchers
        token = object()
        listeners[token] = callback
        return lambda: (listeners.pop(token, None), None)[1]

    def compact(self) -> None:
        """Forgets all history, as etcd's compaction does: older watches and pages end with 410."""
        for table in self._tables.values():
            table.compact(self.version)

    def _commit(self, event: Event, table: Table) -> None:
        table.apply(event)
        self._index(event, table)
        self._queue.append((event, table))
        self._tell()

    def _index(self, event: Event, table: Table) -> None:
        record, before = event.record, event.before
        if event.type == "DELETED":
            self._by_uid.pop(record.uid, None)
        else:
            self._by_uid[record.uid] = table, record.key
        old = before.owners if before else ()
        new = () if event.type == "DELETED" else record.owners
        if old == new:
            return
        for owner in old:
            owned = self._owned.get(owner, {})
            owned.pop(record.uid, None)
            if not owned:
                self._owned.pop(owner, None)
        for owner in new:
            self._owned.setdefault(owner, {})[record.uid] = None

    def _tell(self) -> None:
        # A listener may write: its change is told after the present one, so that all hear them in the same order.
        if self._telling:
            return
        self._telling = True
        try:
            while self._queue:
                event, table = self._queue.popleft()
                for callback in [*table.watchers.values(), *self._callbacks.values()]:
                    _call(callback, event)
        finally:
            self._telling = False


def _call(callback: Callback, event: Event) -> None:
    # What is committed is committed: a listener that fails must not fail the writer, nor keep others from hearing.
    try:
        callback(event)
    except Exception:
        _LOG.exception("a listener failed on %s of %s %s", event.type, event.resource.kind, event.record.key)


def arrange(obj: Obj, version: int) -> None:
    """Puts the resource version in, and the fields in the order in which Kubernetes writes them."""
    meta = obj["metadata"]
    meta["resourceVersion"] = str(version)
    body = dict(obj)
    status = body.pop("status", None)
    obj.clear()
    for key in ("apiVersion", "kind", "metadata"):
        obj[key] = body.pop(key)
    obj["metadata"] = {key: meta[key] for key in _META_ORDER if meta.get(key) not in (None, "", {}, [])}
    obj.update(body)
    if status is not None:
        obj["status"] = status
