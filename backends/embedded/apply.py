"""Server-side apply: merge what a manager applies, prune what it no longer does, refuse what others own.

Owns: the apply algorithm. Pure functions. Called by `store`. Rules: structured-merge-diff v6 merge/update.go (`Apply`,
`prune`), apimachinery v0.37 pkg/util/managedfields/internal (lastappliedmanager.go, conflict.go).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec

from backends.embedded import fieldsets, managed, typed
from backends.embedded.errors import ApiError, Cause, bad_request
from backends.embedded.fieldsets import Fields
from backends.embedded.managed import APPLY, UPDATE, Entry, ManagerId, Managers, Writer
from backends.embedded.schemas import ABSENT, Type

Obj = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"


class Conflict(msgspec.Struct, frozen=True):
    """A field that is applied with another value than the one its owner set."""

    owner: ManagerId
    path: tuple[str, ...]


class _Conflicts(Exception):  # noqa: N818 - it is caught within this module
    def __init__(self, found: list[Conflict]) -> None:
        super().__init__()
        self.found = found


def apply(type_: Type, live: Obj, config: Obj, *, writer: Writer, force: bool, ignored: Fields) -> Obj:
    """The object that comes out of applying `config`, which passed `check_config`, to `live`, managedFields included.

    `live` is the zero value of the type, without a uid, where the object does not exist. `ignored` as for
    `managed.track`.

    Raises:
        ApiError: 409 with the conflicts.
    """
    managers = managed.decode(live.get("metadata", {}).get("managedFields"))
    live = deepcopy(live)
    live.get("metadata", {}).pop("managedFields", None)
    if not managers and "uid" in live.get("metadata", {}):
        _claim_existing(type_, live, managers, writer=writer)
    try:
        new = _apply(type_, live, config, managers=managers, writer=writer, force=force, ignored=ignored)
    except _Conflicts as conflicts:
        allowed = _from_last_applied(type_, live, writer)
        left = [c for c in conflicts.found if not _has(allowed, c.path)]
        if left:
            raise _refusal(left) from None
        new = _apply(type_, live, config, managers=managers, writer=writer, force=True, ignored=ignored)
    return _finished(new, config, managers=managers, writer=writer)


def check_config(type_: Type, config: Obj) -> None:
    """Refuses a configuration that can't be applied to anything of its type.

    Raises:
        ApiError: 400 for managedFields; 500, as the real server, where it does not fit the schema.
    """
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    faults = typed.validate(type_, config)
    if not faults:
        return
    meta = config.get("metadata") or {}
    group_version = str(config.get("apiVersion", ""))
    group_version = group_version if "/" in group_version else f"/{group_version}"
    what = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {group_version}, Kind={config.get('kind', '')}"
    text = faults[0] if len(faults) == 1 else "\n".join(["errors:", *(f"  {fault}" for fault in faults)])
    raise ApiError(500, "", f"failed to create typed patch object ({what}): {text}")


def _claim_existing(type_: Type, live: Obj, managers: Managers, *, writer: Writer) -> None:
    """Gives what is there to ``before-first-apply`` (skipnonapplied.go)."""
    empty: Obj = {key: live[key] for key in ("apiVersion", "kind") if key in live}
    fields = managed.strip(typed.compare(type_, empty, live).added)
    if fields:
        key = ManagerId(BEFORE_FIRST_APPLY, UPDATE, writer.api_version, writer.subresource)
        managers[key] = Entry(fields, writer.api_version, writer.now)


def _apply(
    type_: Type, live: Obj, config: Obj, *, managers: Managers, writer: Writer, force: bool, ignored: Fields
) -> Obj:
    mine = writer.id(APPLY)
    last = managers.get(mine)
    merged: Obj = typed.merge(type_, live, config)
    fields = fieldsets.without_trees(typed.field_set(type_, config), ignored)
    trial = {key: Entry(entry.fields, entry.api_version, entry.time) for key, entry in managers.items()}
    trial[mine] = Entry(fields, writer.api_version, last.time if last else "")
    new = _prune(type_, merged, trial, last.fields) if last and last.fields else merged
    found = typed.compare(type_, live, new)
    changed = fieldsets.without_trees(fieldsets.union(found.modified, found.added), ignored)
    removed = fieldsets.without_trees(found.removed, ignored)
    if not force:
        _refuse_conflicts(trial, changed, mine)
    managed.take(trial, changed, removed, but=mine)
    if mine in trial:
        trial[mine].fields = managed.strip(trial[mine].fields)
        if new != live:
            trial[mine].time = writer.now
        if not trial[mine].fields:
            del trial[mine]
    managers.clear()
    managers.update(trial)
    return new


def _prune(type_: Type, merged: Obj, managers: Managers, last: Fields) -> Obj:
    """Removes what this manager applied last time, does not now, and nobody else owns."""
    pruned = _removed(type_, merged, fieldsets_named(type_, last))
    owned: Fields = {}
    for entry in managers.values():
        owned = fieldsets.union(owned, entry.fields)
    all_fields = fieldsets_named(type_, typed.field_set(type_, merged))
    kept = fieldsets.union(_named_set(type_, pruned), fieldsets_named(type_, owned))
    pruned = _removed(type_, merged, fieldsets.difference(all_fields, kept))
    # What nobody owns, or an updater alone, stays: only what was applied before may go.
    gone = fieldsets.difference(all_fields, _named_set(type_, pruned))
    return _removed(type_, merged, fieldsets.intersection(gone, fieldsets_named(type_, last)))


def fieldsets_named(type_: Type, fields: Fields) -> Fields:
    return typed.with_named_fields(type_, fields)


def _named_set(type_: Type, value: Obj) -> Fields:
    return fieldsets_named(type_, typed.field_set(type_, value))


def _removed(type_: Type, value: Obj, fields: Fields) -> Obj:
    left = typed.remove(type_, value, fields)
    return {} if left is ABSENT else left


def _refuse_conflicts(managers: Managers, changed: Fields, mine: ManagerId) -> None:
    found = [
        Conflict(key, path)
        for key, entry in sorted(managers.items())
        if key != mine
        for path in fieldsets.members(fieldsets.intersection(entry.fields, changed))
    ]
    if found:
        raise _Conflicts(found)


def _refusal(conflicts: list[Conflict]) -> ApiError:
    """409 as NewConflictError words it."""
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_name(c.owner)}", fieldsets.path_text(c.path)) for c in conflicts
    ]
    if len(conflicts) == 1:
        text = f"1 conflict: conflict with {_name(conflicts[0].owner)}: {causes[0].field}"
        return ApiError(409, "Conflict", f"Apply failed with {text}", causes=causes)
    by_owner: dict[ManagerId, list[str]] = {}
    for conflict in conflicts:
        by_owner.setdefault(conflict.owner, []).append(fieldsets.path_text(conflict.path))
    lines: list[str] = []
    for owner in sorted(by_owner):
        lines.append(f"conflicts with {_name(owner)}:")
        lines += [f"- {path}" for path in by_owner[owner]]
    text = "\n".join(lines)
    return ApiError(409, "Conflict", f"Apply failed with {len(conflicts)} conflicts: {text}", causes=causes)


def _name(owner: ManagerId) -> str:
    name = f'"{owner.manager}"'
    if owner.subresource:
        name += f' with subresource "{owner.subresource}"'
    return f"{name} using {owner.api_version}" if owner.operation == UPDATE else name


def _from_last_applied(type_: Type, live: Obj, writer: Writer) -> Fields:
    """What `kubectl apply` set on the client's side and nobody changed since: no conflict for kubectl."""
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    if writer.manager != "kubectl" or not text:
        return {}
    try:
        last = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != writer.api_version or typed.validate(type_, last):
        return {}
    found = typed.compare(type_, last, live)
    fields = typed.field_set(type_, last)
    for changed in (found.modified, found.added, found.removed):
        fields = fieldsets.difference(fields, changed)
    return fields


def _has(fields: Fields, path: tuple[str, ...]) -> bool:
    node: Fields = fields
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return fieldsets.is_member(node)


def _finished(new: Obj, config: Obj, *, managers: Managers, writer: Writer) -> Obj:
    meta = new.setdefault("metadata", {})
    if managers:
        new["metadata"] = meta | {"managedFields": managed.encode(managers)}
    annotations = meta.get("annotations") or {}
    if writer.manager == "kubectl" and annotations.get(LAST_APPLIED):
        # kubectl moves from client-side to server-side apply: the annotation follows (lastappliedupdater.go).
        bare = deepcopy(config)
        (bare.get("metadata", {}).get("annotations") or {}).pop(LAST_APPLIED, None)
        text = msgspec.json.encode(bare, order="sorted").decode() + "\n"
        new["metadata"]["annotations"] = annotations | {LAST_APPLIED: text}
    return new
