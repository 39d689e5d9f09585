"""Field managers: who set which field of an object, kept in `metadata.managedFields`.

Owns: `Managers`, decoding and encoding of the entries, and the bookkeeping of ordinary writes. Pure functions.
Called by `store` for every write, by `apply` for server-side apply. Rules: apimachinery v0.37 pkg/util/managedfields,
structured-merge-diff v6 merge/update.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backends.embedded import fieldsets
from backends.embedded.fieldsets import Fields
from backends.embedded.schemas import Type
from backends.embedded.typed import compare

Obj = dict[str, Any]
UPDATE, APPLY = "Update", "Apply"
MAX_UPDATERS = 10
"""More entries of ordinary writes than that are joined into ``ancient-changes`` (capmanagers.go)."""

_STRIPPED = fieldsets.path_set(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
            "resourceVersion",
        )
    ),
)  # fmt: skip


class ManagerId(msgspec.Struct, frozen=True, order=True):
    """What makes an entry: an applier is the same in every version, an updater is not."""

    manager: str
    operation: str
    api_version: str = ""
    subresource: str = ""


class Entry(msgspec.Struct):
    """The fields of one manager, in the version in which it wrote them."""

    fields: Fields
    api_version: str
    time: str = ""


Managers = dict[ManagerId, Entry]


class Writer(msgspec.Struct, frozen=True):
    """Who writes: the manager's name, the version spoken, the subresource written, the time as metav1.Time."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""

    def id(self, operation: str) -> ManagerId:
        version = self.api_version if operation == UPDATE else ""
        return ManagerId(self.manager or "unknown", operation, version, self.subresource)


def decode(entries: Any) -> Managers:
    """The entries of `metadata.managedFields`.

    Raises:
        ValueError: an entry is malformed.
    """
    found: Managers = {}
    for position, entry in enumerate(entries or ()):
        operation, version = entry.get("operation", ""), entry.get("apiVersion", "")
        if operation not in (UPDATE, APPLY):
            raise ValueError("operation must be `Apply` or `Update`")
        if not version:
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"missing fieldsType in managed fields entry {position}")
        key = ManagerId(
            entry.get("manager", ""), operation, version if operation == UPDATE else "", entry.get("subresource", "")
        )
        found[key] = Entry(entry.get("fieldsV1") or {}, version, entry.get("time", ""))
    return found


def encode(managers: Managers) -> list[Obj]:
    """The entries as they are written: appliers first, then by time and name."""
    made: list[Obj] = []
    for key, entry in sorted(managers.items(), key=lambda item: _order(*item)):
        body = {"manager": key.manager, "operation": key.operation, "apiVersion": entry.api_version}
        if entry.time:
            body["time"] = entry.time
        body["fieldsType"] = "FieldsV1"
        made.append(body | {"fieldsV1": entry.fields} | ({"subresource": key.subresource} if key.subresource else {}))
    return made


def _order(key: ManagerId, entry: Entry) -> tuple[str, str, str, str, str]:
    return key.operation, entry.time, key.manager, entry.api_version, key.subresource


def live_or_sent(live: Obj, new: Obj, *, subresource: str) -> Managers:
    """The managers to go on from: those that were sent, where they were, else those of the live object.

    An empty list, or one with an empty entry, resets them (fieldmanager.go, isResetManagedFields).
    """
    sent = new["metadata"].get("managedFields")
    if not subresource:
        if sent in ([], [{}]):
            return {}
        try:
            managers = decode(sent)
        except (ValueError, AttributeError, TypeError):
            managers = {}
        if managers:
            return managers
    return decode(live.get("metadata", {}).get("managedFields"))


def track(type_: Type, live: Obj, new: Obj, *, writer: Writer, ignored: Fields) -> None:
    """Books an ordinary write: puts into `new` the managedFields that follow from it.

    `live` is the object before; for a create it is the zero value of the type, without a uid. `ignored` is what the
    write does not persist (the status in a write of the object, all but the status in one of the status).
    """
    managers = live_or_sent(live, new, subresource=writer.subresource)
    new["metadata"].pop("managedFields", None)
    if not managers and "uid" in live.get("metadata", {}):
        return
    taken = _take(type_, live, new, managers=managers, ignored=ignored)
    if taken:
        mine = writer.id(UPDATE)
        before = managers.get(mine)
        fields = fieldsets.union(taken, before.fields) if before else taken
        managers[mine] = Entry(fields, writer.api_version, writer.now)
    _cap(managers)
    if managers:
        new["metadata"]["managedFields"] = encode(managers)


def _take(type_: Type, live: Obj, new: Obj, *, managers: Managers, ignored: Fields) -> Fields:
    """Takes what the write changed from its managers, and returns what it set."""
    found = compare(type_, _without_managers(live), _without_managers(new))
    added = fieldsets.without_trees(found.added, ignored)
    modified = fieldsets.without_trees(found.modified, ignored)
    changed = fieldsets.union(modified, added)
    take(managers, changed, fieldsets.without_trees(found.removed, ignored))
    return fieldsets.difference(changed, _STRIPPED)


def take(managers: Managers, changed: Fields, removed: Fields, *, but: ManagerId | None = None) -> None:
    """Takes changed and removed fields from every manager except `but`; who has none left, goes."""
    for key, entry in list(managers.items()):
        if key != but:
            entry.fields = fieldsets.difference(fieldsets.difference(entry.fields, changed), removed)
        if not entry.fields:
            del managers[key]


def strip(fields: Fields) -> Fields:
    """A set without what no manager ever owns (stripmeta.go)."""
    return fieldsets.difference(fields, _STRIPPED)


def _without_managers(obj: Obj) -> Obj:
    meta = obj.get("metadata", {})
    if "managedFields" not in meta:
        return obj
    return obj | {"metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def _cap(managers: Managers) -> None:
    updaters = [key for key in managers if key.operation == UPDATE]
    if len(updaters) <= MAX_UPDATERS:
        return
    updaters.sort(key=lambda key: (managers[key].time, key))
    first: dict[str, ManagerId] = {}
    left = len(updaters)
    for key in updaters:
        if left <= MAX_UPDATERS:
            return
        version = managers[key].api_version
        if version not in first:
            first[version] = key
            continue
        bucket = ManagerId("ancient-changes", UPDATE, version)
        if bucket not in managers:
            managers[bucket] = managers.pop(first[version])
        entry = managers.pop(key)
        fields = fieldsets.union(entry.fields, managers[bucket].fields)
        managers[bucket] = Entry(fields, version, entry.time)
        left -= 1


def same_but_for_times(left: Any, right: Any) -> bool:
    """Whether two lists of entries differ in their times at most."""
    return _timeless(left) == _timeless(right)


def _timeless(entries: Any) -> list[Obj]:
    found = [{key: value for key, value in entry.items() if key != "time"} for entry in entries or ()]
    return sorted(found, key=lambda entry: (entry["operation"], entry["manager"], entry["apiVersion"],
                                            entry.get("subresource", "")))  # fmt: skip
