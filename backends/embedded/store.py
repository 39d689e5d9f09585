"""The object store of one embedded API server: Kubernetes' rules for writing objects, without HTTP.

Owns: `ObjectStore`, through which both the HTTP handlers and the small controllers read and write. All methods are
synchronous and belong to one event loop; all refusals are `ApiError`. What goes in and comes out are copies.
The order of the steps of a write is the generic registry's (apiserver pkg/registry/generic/registry/store.go).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec

from backends.embedded import errors, strategy
from backends.embedded.registry import Registry, ResourceType
from backends.embedded.selectors import LabelSelector, everything
from backends.embedded.storage import Callback, Event, Obj, Record, Storage, Table, key_of
from fleetui.model.times import format_time

__all__ = ["Event", "ObjectStore"]


class ObjectStore:
    """The objects of one cluster.

    Args:
        clock: seconds since the epoch; a test gives its own.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.resources = Registry()
        self.storage = Storage()

    # --- reading

    def get(self, group: str, kind: str, namespace: str, name: str) -> Obj:
        """One object.

        Raises:
            ApiError: 404, it does not exist, or its kind is not served.
        """
        resource = self._resource(group, kind)
        return self.record(resource, namespace, name).decode()

    def list(self, group: str, kind: str, namespace: str = "", selector: LabelSelector | None = None) -> list[Obj]:
        """The objects of a kind, in key order: of a namespace or of all, those whose labels `selector` takes.

        Raises:
            ApiError: 404, the kind is not served.
        """
        table = self.table(self._resource(group, kind))
        wanted = selector or everything
        records = (table.records[key] for key in table.between(namespace))
        return [record.decode() for record in records if wanted(record.labels)]

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` after each commit, in the order of the commits; returns what ends it.

        A write made by `callback` is committed at once and told after the present event.
        """
        return self.storage.subscribe(callback)

    def record(self, resource: ResourceType, namespace: str, name: str) -> Record:
        """One object as it is stored.

        Raises:
            ApiError: 404.
        """
        record = self.table(resource).records.get(key_of(namespace if resource.namespaced else "", name))
        if record is None:
            raise errors.not_found(resource.group, resource.plural, name)
        return record

    def table(self, resource: ResourceType) -> Table:
        return self.storage.table(resource)

    # --- writing

    def create(self, obj: Obj, *, manager: str, dry_run: bool = False) -> Obj:
        """Creates an object and returns it as it is stored; with `dry_run` as it would be.

        Raises:
            ApiError: 409 AlreadyExists, 404 or 403 for its namespace, 422 Invalid, 400.
        """
        resource = self._resource_of(obj)
        new = _checked(deepcopy(obj))
        self._name(resource, new)
        strategy.prepare_create(resource, new, now=format_time(self.clock()), uid=str(uuid.uuid4()))
        table = self.table(resource)
        if key_of(new["metadata"].get("namespace", ""), new["metadata"]["name"]) in table.records:
            raise errors.already_exists(resource.group, resource.plural, new["metadata"]["name"])
        return self._put(table, new, dry_run=dry_run)

    def update(self, obj: Obj, *, manager: str, subresource: str = "", dry_run: bool = False) -> Obj:
        """Replaces an object, or with `subresource` ("status") that part of it, and returns it.

        The resource version is checked where `obj` carries one; a change of nothing writes nothing.

        Raises:
            ApiError: 404, 409 Conflict, 422 Invalid.
        """
        resource = self._resource_of(obj)
        meta = obj.get("metadata") or {}
        old = self.record(resource, meta.get("namespace", ""), meta.get("name", "")).decode()
        return self._update(resource, old, _checked(deepcopy(obj)), subresource=subresource, dry_run=dry_run)

    def patch_status(
        self, group: str, kind: str, namespace: str, name: str, status: dict[str, Any], *, manager: str
    ) -> Obj:
        """Replaces `.status`, whatever the resource version; writes nothing when it is equal.

        Raises:
            ApiError: 404.
        """
        resource = self._resource(group, kind)
        old = self.record(resource, namespace, name).decode()
        if old.get("status") == status:
            return old
        new = deepcopy(old) | {"status": deepcopy(status)}
        return self._update(resource, old, new, subresource="status" if resource.has_status else "", dry_run=False)

    def delete(
        self, group: str, kind: str, namespace: str, name: str, *, propagation: str = "Background", uid: str = ""
    ) -> None:
        """Deletes an object, or marks it for deletion where finalizers hold it.

        Raises:
            ApiError: 404, or 409 where `uid` is given and another object has the name.
        """
        resource = self._resource(group, kind)
        record = self.record(resource, namespace, name)
        if uid and uid != record.uid:
            raise errors.conflict(resource.group, resource.plural, name)
        self.storage.remove(self.table(resource), record.decode())

    # --- the steps

    def _resource(self, group: str, kind: str) -> ResourceType:
        resource = self.resources.by_kind(group, kind)
        if resource is None:
            raise errors.no_such_path()
        return resource

    def _resource_of(self, obj: Obj) -> ResourceType:
        resource = self.resources.of(obj)
        if resource is None:
            raise errors.no_such_path()
        return resource

    def _name(self, resource: ResourceType, obj: Obj) -> None:
        meta = obj["metadata"]
        if not resource.namespaced:
            meta.pop("namespace", None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = strategy.generate_name(meta["generateName"])

    def _update(self, resource: ResourceType, old: Obj, new: Obj, *, subresource: str, dry_run: bool) -> Obj:
        meta = old["metadata"]
        given = new["metadata"].get("resourceVersion")
        if given and given != meta["resourceVersion"]:
            raise errors.conflict(resource.group, resource.plural, meta["name"])
        new["metadata"]["resourceVersion"] = meta["resourceVersion"]
        strategy.prepare_update(resource, new, old, subresource=subresource)
        return old if new == old else self._put(self.table(resource), new, dry_run=dry_run)

    def _put(self, table: Table, obj: Obj, *, dry_run: bool) -> Obj:
        if not dry_run:
            self.storage.put(table, obj)
        return obj


def _checked(obj: Obj) -> Obj:
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    msgspec.json.encode(obj)
    return obj
