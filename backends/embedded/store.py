"""The object store of one embedded API server: Kubernetes' rules for writing objects, without HTTP.

Owns: `ObjectStore`, through which both the HTTP handlers and the small controllers read and write. All methods are
synchronous and belong to one event loop; all refusals are `ApiError`. What goes in and comes out are copies.
The order of the steps of a write is the generic registry's (apiserver pkg/registry/generic/registry/store.go).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from backends.embedded import apply, errors, managed, strategy
from backends.embedded.addresses import Addresses
from backends.embedded.aggregation import Aggregation
from backends.embedded.bootstrap import bootstrap
from backends.embedded.crds import Definitions
from backends.embedded.deletion import DeleteOptions, Deletion, delete
from backends.embedded.gc import Collector
from backends.embedded.registry import Registry, ResourceType
from backends.embedded.selectors import LabelSelector, everything
from backends.embedded.storage import Callback, Event, Obj, Record, Storage, Table, key_of
from backends.embedded.writing import Request, Writing

__all__ = ["Event", "ObjectStore"]


class ObjectStore:
    """The objects of one cluster, with the namespaces and services that every cluster begins with.

    Args:
        clock: seconds since the epoch; a test gives its own.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.resources = Registry()
        self.storage = Storage()
        self.addresses = Addresses()
        self._writing = Writing(self.storage, self.addresses, clock=lambda: self.clock())
        services = self.table(self._resource("", "Service"))
        self.storage.subscribe(self.addresses.on_event, services)
        # Before everyone else: who hears of a definition can list its kind, who hears of a deletion sees its effects.
        self.storage.subscribe(Definitions(self).on_event)
        self.storage.subscribe(Collector(self).on_event)
        bootstrap(self)
        aggregation = Aggregation(self)
        self.storage.subscribe(aggregation.on_event)
        aggregation.settle()

    # --- reading

    def get(self, group: str, kind: str, namespace: str, name: str) -> Obj:
        """One object.

        Raises:
            ApiError: 404, it does not exist, or its kind is not served.
        """
        return self.record(self._resource(group, kind), namespace, name).decode()

    def list(self, group: str, kind: str, namespace: str = "", selector: LabelSelector | None = None) -> list[Obj]:
        """The objects of a kind, in key order: of a namespace or of all, those whose labels `selector` takes.

        `selectors.parse` and `selectors.of_label_selector` make selectors.

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
        record = self.find(resource, namespace, name)
        if record is None:
            raise errors.not_found(resource.group, resource.plural, name)
        return record

    def find(self, resource: ResourceType, namespace: str, name: str) -> Record | None:
        """One object as it is stored, or None."""
        return self.table(resource).records.get(key_of(namespace if resource.namespaced else "", name))

    def table(self, resource: ResourceType) -> Table:
        return self.storage.table(resource)

    # --- writing, by kind: for controllers

    def create(self, obj: Obj, *, manager: str, dry_run: bool = False) -> Obj:
        """Creates an object and returns it as it is stored; with `dry_run` as it would be.

        Raises:
            ApiError: 409 AlreadyExists, 404 or 403 for its namespace, 422 Invalid, 400.
        """
        return self.insert(self._resource_of(obj), deepcopy(obj), Request(manager, dry_run=dry_run))

    def update(self, obj: Obj, *, manager: str, subresource: str = "", dry_run: bool = False) -> Obj:
        """Replaces an object, or with `subresource` ("status") that part of it, and returns it.

        The resource version is checked where `obj` carries one; a change of nothing writes nothing.

        Raises:
            ApiError: 404, 409 Conflict, 422 Invalid.
        """
        request = Request(manager, dry_run=dry_run, subresource=subresource)
        return self.replace(self._resource_of(obj), deepcopy(obj), request)

    def patch_status(
        self, group: str, kind: str, namespace: str, name: str, status: dict[str, Any], *, manager: str
    ) -> Obj:
        """Replaces `.status`, whatever the resource version; writes nothing when it is equal.

        Raises:
            ApiError: 404.
        """
        resource = self._resource(group, kind)
        request = Request(manager, subresource="status" if resource.has_status else "")
        return self.mutate(resource, namespace, name, lambda live: live | {"status": deepcopy(status)}, request=request)

    def delete(
        self, group: str, kind: str, namespace: str, name: str, *, propagation: str = "Background", uid: str = ""
    ) -> None:
        """Deletes an object, or marks it for deletion where finalizers hold it.

        Raises:
            ApiError: 404, or 409 where `uid` is given and another object has the name.
        """
        self.remove(self._resource(group, kind), namespace, name, DeleteOptions(propagation=propagation, uid=uid))

    # --- writing, by resource: for handlers

    def insert(self, resource: ResourceType, obj: Obj, request: Request) -> Obj:
        """Creates `obj`, which is taken over, as an object of that resource."""
        new = self.review(resource, obj, request)
        return self._writing.insert(self.table(resource), resource, new, request=request)

    def review(self, resource: ResourceType, obj: Obj, request: Request) -> Obj:
        """`obj`, which is taken over, as a create would have it, without creating it."""
        new = self._writing.decode_new(resource, obj, request)
        managed.track(
            self._writing.type_of(resource),
            self._writing.zero(resource),
            new,
            writer=self._writing.writer(resource, request),
            ignored=strategy.ignored_fields(resource, ""),
        )
        return new

    def replace(self, resource: ResourceType, obj: Obj, request: Request) -> Obj:
        """Puts `obj`, which is taken over, in the place of the object of its name."""
        meta = obj.get("metadata") or {}
        live = self.record(resource, meta.get("namespace", ""), meta.get("name", ""))
        return self._tracked(resource, live, obj, request, whole=True)

    def mutate(
        self, resource: ResourceType, namespace: str, name: str, change: Callable[[Obj], Obj], *, request: Request
    ) -> Obj:
        """Puts what `change` makes of a copy of the object in its place."""
        live = self.record(resource, namespace, name)
        return self._tracked(resource, live, change(_in_version(resource, live.decode())), request)

    def apply(
        self, resource: ResourceType, namespace: str, name: str, config: Obj, *, request: Request
    ) -> tuple[Obj, bool]:
        """Server-side apply: the object as it is then, and whether it was created.

        `config` must have passed `apply.check_config`.

        Raises:
            ApiError: 409 with the conflicts, 422, 400, 404 and 403 for its namespace.
        """
        live = self.find(resource, namespace, name)
        if live is None and request.subresource:
            raise errors.not_found(resource.group, resource.plural, name)
        old = _in_version(resource, live.decode()) if live else self._writing.zero(resource)
        new = apply.apply(
            self._writing.type_of(resource),
            old,
            config,
            writer=self._writing.writer(resource, request),
            force=request.force,
            ignored=strategy.ignored_fields(resource, request.subresource),
        )
        decoded = self._writing.decode(resource, new, request)
        table = self.table(resource)
        if live is None:
            decoded["metadata"].pop("resourceVersion", None)
            return self._writing.insert(table, resource, decoded, request=request), True
        return self._writing.update(table, resource, live.decode(), new=decoded, request=request), False

    def remove(self, resource: ResourceType, namespace: str, name: str, options: DeleteOptions) -> Deletion:
        """Deletes an object as `options` say, and returns what is left of it."""
        return delete(self, resource, self.record(resource, namespace, name), options)

    def _tracked(self, resource: ResourceType, live: Record, new: Obj, request: Request, *, whole: bool = False) -> Obj:
        old = live.decode()
        self._writing.check_preconditions(resource, new, old, whole=whole)
        decoded = self._writing.decode(resource, new, request)
        managed.track(
            self._writing.type_of(resource),
            old,
            decoded,
            writer=self._writing.writer(resource, request),
            ignored=strategy.ignored_fields(resource, request.subresource),
        )
        return self._writing.update(self.table(resource), resource, old, new=decoded, request=request)

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


def _in_version(resource: ResourceType, obj: Obj) -> Obj:
    obj["apiVersion"] = resource.api_version
    return obj
