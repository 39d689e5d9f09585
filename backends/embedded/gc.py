"""What follows from a deletion: dependents, namespaces' contents, objects of a definition.

Owns: the garbage collector, the namespace controller, and the clean-up of custom objects. Works on each event of the
store, at once: by the time a DELETE is answered its consequences have begun. Rules: Kubernetes v1.37
pkg/controller/garbagecollector/garbagecollector.go, pkg/controller/namespace/deletion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.embedded.deletion import DEFINITION_CLEANUP, FOREGROUND, ORPHAN, DeleteOptions, delete
from backends.embedded.errors import ApiError
from backends.embedded.storage import Event, Obj, Record, Table
from fleetui.model.times import format_time

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

_NAMESPACE = ("", "Namespace")
_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
Owner = dict[str, Any]


class Collector:
    """Removes what nothing holds any more."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._storage = store.storage

    def on_event(self, event: Event) -> None:
        """Draws the consequences of one change."""
        record, table = event.record, self._storage.table(event.resource)
        if event.type == "DELETED":
            self._settle_dependents(record.uid)
            self._settle_owners(record)
            self._settle_namespace(record.namespace)
            if event.resource.custom:
                self._settle_definition(table)
            return
        if record.terminating:
            self._settle_terminating(table, record)
        if record.owners and (event.before is None or event.before.owners != record.owners):
            self._settle(table, record)

    # --- owners and dependents

    def _settle_dependents(self, uid: str) -> None:
        for table, record in self._storage.owned(uid):
            self._settle(table, record)

    def _settle_owners(self, gone: Record) -> None:
        for uid in gone.owners:
            found = self._storage.find(uid)
            if found is not None and found[1].terminating:
                self._settle_terminating(*found)

    def _settle(self, table: Table, record: Record) -> None:
        """Deletes an object whose owners are gone or going, or takes those off its references."""
        current = table.records.get(record.key)
        if current is None or current.uid != record.uid:
            return
        owners: list[Owner] = current.decode()["metadata"].get("ownerReferences") or []
        gone = [owner["uid"] for owner in owners if not self._exists(owner, current)]
        waiting = [owner["uid"] for owner in owners if owner["uid"] not in gone and self._waits(owner)]
        if not gone and not waiting:
            return
        if len(gone) + len(waiting) < len(owners):
            self._drop_owners(table, current, {*gone, *waiting})
        elif waiting and self._storage.owned(current.uid):
            self._delete(table, current, "Foreground")
        else:
            self._delete(table, current, _own_policy(current))

    def _exists(self, owner: Owner, dependent: Record) -> bool:
        found = self._storage.find(owner["uid"])
        if found is None:
            return False
        namespaced = found[0].resource.namespaced
        return not namespaced or found[1].namespace == dependent.namespace

    def _waits(self, owner: Owner) -> bool:
        """Whether the owner is deleted in the foreground, and waits for this dependent."""
        found = self._storage.find(owner["uid"])
        return found is not None and found[1].terminating and FOREGROUND in found[1].finalizers

    def _drop_owners(self, table: Table, record: Record, uids: set[str]) -> None:
        obj = record.decode()
        owners = obj["metadata"].get("ownerReferences") or []
        obj["metadata"]["ownerReferences"] = [owner for owner in owners if owner["uid"] not in uids]
        self._storage.put(table, obj)

    def _delete(self, table: Table, record: Record, propagation: str) -> None:
        if record.terminating and propagation == "Background":
            return
        try:
            delete(self._store, table.resource, record, DeleteOptions(propagation=propagation))
        except ApiError:
            return

    # --- objects that are being deleted

    def _settle_terminating(self, table: Table, record: Record) -> None:
        current = table.records.get(record.key)
        if current is None or current.uid != record.uid:
            return
        if ORPHAN in current.finalizers:
            for dependent_table, dependent in self._storage.owned(current.uid):
                self._drop_owners(dependent_table, dependent, {current.uid})
            self._finish(table, current, ORPHAN)
        elif FOREGROUND in current.finalizers:
            self._settle_foreground(table, current)
        elif table.resource.group_kind == _NAMESPACE:
            self._empty_namespace(table, current)
        elif table.resource.group_kind == _DEFINITION:
            self._empty_definition(table, current)

    def _settle_foreground(self, table: Table, owner: Record) -> None:
        blocking = [found for found in self._storage.owned(owner.uid) if _blocks(found[1], owner.uid)]
        for dependent_table, dependent in blocking:
            if not (dependent.terminating and FOREGROUND in dependent.finalizers):
                self._settle(dependent_table, dependent)
        if not any(_blocks(dependent, owner.uid) for _, dependent in self._storage.owned(owner.uid)):
            self._finish(table, owner, FOREGROUND)

    def _finish(self, table: Table, record: Record, finalizer: str) -> None:
        """Takes a finalizer off, and removes the object where it was the last."""
        current = table.records.get(record.key)
        if current is None or finalizer not in current.finalizers:
            return
        obj = current.decode()
        left = [name for name in current.finalizers if name != finalizer]
        obj["metadata"]["finalizers"] = left
        held = bool(left) or (table.resource.group_kind == _NAMESPACE and bool(obj["spec"].get("finalizers")))
        if held:
            self._storage.put(table, obj)
        else:
            self._storage.remove(table, obj)

    # --- namespaces

    def _empty_namespace(self, table: Table, namespace: Record) -> None:
        for content in self._contents(namespace.name):
            for key in list(content.between(namespace.name)):
                record = content.records.get(key)
                if record is not None and not record.terminating:
                    self._delete(content, record, "Background")
        self._settle_namespace(namespace.name)

    def _settle_namespace(self, name: str) -> None:
        """Lets a terminating namespace go once it is empty, and says in its status what holds it."""
        resource = self._store.resources.by_kind(*_NAMESPACE)
        if not name or resource is None:
            return
        table = self._store.table(resource)
        record = table.records.get(f"/{name}")
        if record is None or not record.terminating:
            return
        obj = record.decode()
        left = self._contents(name)
        if left:
            self._report_contents(table, obj, left, name=name)
        elif obj["spec"].pop("finalizers", None):
            if record.finalizers:
                self._storage.put(table, obj)
            else:
                self._storage.remove(table, obj)

    def _contents(self, namespace: str) -> list[Table]:
        tables = (table for table in self._storage.tables() if table.resource.namespaced)
        return [table for table in tables if next(table.between(namespace), None) is not None]

    def _report_contents(self, table: Table, obj: Obj, left: list[Table], *, name: str) -> None:
        counts: dict[str, int] = {}
        finalizers: dict[str, int] = {}
        for content in left:
            for key in content.between(name):
                what = f"{content.resource.plural}.{content.resource.group}"
                counts[what] = counts.get(what, 0) + 1
                for finalizer in content.records[key].finalizers:
                    finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        remaining = ", ".join(f"{what} has {n} resource instances" for what, n in sorted(counts.items()))
        holding = ", ".join(f"{what} in {n} resource instances" for what, n in sorted(finalizers.items()))
        conditions = [
            ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
             "All resources successfully discovered"),
            ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
             "All legacy kube types successfully parsed"),
            ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
             "All content successfully deleted, may be waiting on finalization"),
            ("NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {remaining}"),
            ("NamespaceFinalizersRemaining", "True" if holding else "False",
             "SomeFinalizersRemain" if holding else "ContentHasNoFinalizers",
             f"Some content in the namespace has finalizers remaining: {holding}" if holding
             else "All content-preserving finalizers finished"),
        ]  # fmt: skip
        before = {entry["type"]: entry for entry in obj["status"].get("conditions") or ()}
        now = format_time(self._store.clock())
        made = [_condition(*entry, before=before, now=now) for entry in conditions]
        if made != obj["status"].get("conditions"):
            obj["status"]["conditions"] = made
            self._storage.put(table, obj)

    # --- definitions

    def _empty_definition(self, table: Table, definition: Record) -> None:
        names = definition.decode()["spec"]
        resource = self._store.resources.by_kind(names["group"], names["names"]["kind"])
        if resource is not None and resource.custom:
            objects = self._store.table(resource)
            for record in list(objects.records.values()):
                self._delete(objects, record, "Background")
            if objects.records:
                return
        self._finish(table, definition, DEFINITION_CLEANUP)

    def _settle_definition(self, objects: Table) -> None:
        resource = self._store.resources.by_kind(*_DEFINITION)
        if objects.records or resource is None:
            return
        table = self._store.table(resource)
        record = table.records.get(f"/{objects.resource.plural}.{objects.resource.group}")
        if record is not None and record.terminating:
            self._finish(table, record, DEFINITION_CLEANUP)


def _own_policy(record: Record) -> str:
    if ORPHAN in record.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in record.finalizers else "Background"


def _blocks(dependent: Record, owner: str) -> bool:
    owners = dependent.decode()["metadata"].get("ownerReferences") or ()
    return any(entry["uid"] == owner and entry.get("blockOwnerDeletion") for entry in owners)


def _condition(
    type_: str, status: str, reason: str, message: str, *, before: dict[str, Obj], now: str
) -> dict[str, str]:
    old = before.get(type_, {})
    since = old.get("lastTransitionTime", now) if old.get("status") == status else now
    return {"type": type_, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
