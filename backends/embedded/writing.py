"""The steps of a write, from the decoded request to the commit.

Owns: `Request` (how a write is meant) and `Writing`: decoding, admission of namespaces, preparation, validation,
no-op detection, commit. Called by `store` alone. Field management happens before, in `managed` and `apply`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from backends.embedded import custom, decoding, errors, kindvalidation, managed, strategy, validation
from backends.embedded.addresses import Addresses
from backends.embedded.errors import ApiError
from backends.embedded.managed import Writer
from backends.embedded.registry import ResourceType
from backends.embedded.schemas import Type, type_of
from backends.embedded.storage import Obj, Storage, Table, key_of
from fleetui.model.times import format_time

SERVICE = ("", "Service")


class Request(msgspec.Struct, frozen=True):
    """How a write is meant.

    Args:
        manager: the field manager.
        dry_run: nothing is committed.
        subresource: ``status``, ``scale``, ``finalize`` or nothing.
        validation: what happens to unknown fields: Strict, Warn or Ignore.
        force: an apply takes fields from their owners.
        warnings: what goes into Warning headers is added here.
        unfit: how an object is refused that can't be decoded: a patch is refused in other words than a body.
        guard: looks at the new object and the old one (None for a create) before anything else does, and may refuse.
    """

    manager: str
    dry_run: bool = False
    subresource: str = ""
    validation: str = "Ignore"
    force: bool = False
    warnings: list[str] = []
    unfit: Callable[[Obj, str], ApiError] = decoding.refusal
    guard: Callable[[Obj, Obj | None], None] | None = None


class Writing:
    """The steps of writes to one storage."""

    def __init__(self, storage: Storage, addresses: Addresses, *, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._addresses = addresses
        self._clock = clock

    @property
    def now(self) -> str:
        """The present as metav1.Time."""
        return format_time(self._clock())

    def type_of(self, resource: ResourceType) -> Type:
        return type_of(resource)

    def writer(self, resource: ResourceType, request: Request) -> Writer:
        # A write of the scale leaves no time behind (ScaleHandler).
        now = "" if request.subresource == "scale" else self.now
        return Writer(request.manager, resource.api_version, now, request.subresource)

    def zero(self, resource: ResourceType) -> Obj:
        """The object before it is created, as field management sees it."""
        bare: Obj = {"apiVersion": resource.api_version, "kind": resource.kind}
        return bare if resource.custom else bare | type_of(resource).zero()

    def decode_new(self, resource: ResourceType, obj: Obj, request: Request) -> Obj:
        """`decode` for a create: a status that was sent is dropped where the status is a subresource."""
        if resource.has_status:
            obj.pop("status", None)
        return self.decode(resource, obj, request)

    def decode(self, resource: ResourceType, obj: Obj, request: Request) -> Obj:
        """`obj` as its kind has it, defaults filled in.

        Raises:
            ApiError: 400, a wrong type, or an unknown field where validation is strict; 422 for a patch.
        """
        if not isinstance(obj.get("metadata"), dict):
            obj["metadata"] = {}
        unknown: list[str] = []
        type_ = type_of(resource)
        try:
            if resource.custom:
                decoded = custom.conform(type_, obj, unknown=unknown)
                decoded["metadata"] = decoding.decode_metadata(obj, unknown=unknown)
            else:
                decoded = decoding.decode(type_, obj, unknown=unknown)
        except decoding.Unfit as error:
            raise request.unfit(obj, str(error)) from None
        if unknown and request.validation == "Strict":
            raise request.unfit(obj, decoding.unknown_fields(unknown))
        if request.validation == "Warn":
            request.warnings.extend(f'unknown field "{path}"' for path in unknown)
        return decoded

    def check_preconditions(self, resource: ResourceType, new: Obj, old: Obj, *, whole: bool) -> None:
        """Refuses an update that was made for another object, or for another state of it.

        A `whole` object was sent, whose uid says for which; a patch that makes another uid is only wrong.

        Raises:
            ApiError: 409 Conflict, or 422 where the version is missing and must not be.
        """
        meta, was = new.setdefault("metadata", {}), old["metadata"]
        given = str(meta.get("resourceVersion") or "")
        if given in ("", "0") and strategy.needs_version(resource):
            cause = errors.field_invalid("metadata.resourceVersion", 0, "must be specified for an update")
            # Here the real server names the resource where it names the kind otherwise.
            raise errors.invalid(resource.group, resource.plural, was["name"], causes=[cause])
        if not whole and meta.get("uid") and meta["uid"] != was["uid"]:
            cause = errors.field_invalid("metadata.uid", meta["uid"], "field is immutable")
            raise errors.invalid(resource.group, resource.kind, was["name"], causes=[cause])
        if meta.get("uid") and meta["uid"] != was["uid"]:
            key = "/".join(filter(None, ("/registry", resource.plural, was.get("namespace"), was["name"])))
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {was['uid']}"
            )
            raise errors.conflict(resource.group, resource.plural, was["name"], why=why)
        if given not in ("", "0") and given != was["resourceVersion"]:
            raise errors.conflict(resource.group, resource.plural, was["name"])
        meta["resourceVersion"] = was["resourceVersion"]

    def insert(self, table: Table, resource: ResourceType, new: Obj, *, request: Request) -> Obj:
        """Creates a decoded object.

        Raises:
            ApiError: 404 or 403 for its namespace, 422 Invalid, 409 AlreadyExists.
        """
        meta = new["metadata"]
        given = str(meta.get("resourceVersion") or "")
        self._admit(resource, new)
        if request.guard is not None:
            request.guard(new, None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = strategy.generate_name(meta["generateName"])
        strategy.prepare_create(resource, new, now=self.now, uid=str(uuid.uuid4()))
        causes = [*validation.metadata_faults(resource, new), *self._body_faults(resource, new)]
        if causes:
            raise errors.invalid(resource.group, resource.kind, meta.get("name", ""), causes=causes)
        if resource.group_kind == SERVICE:
            self._addresses.fill(new, None)
        if given not in ("", "0"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        there = table.records.get(key_of(meta.get("namespace", ""), meta["name"]))
        if there is not None:
            raise errors.already_exists(resource.group, resource.plural, meta["name"], leaving=there.terminating)
        return self._put(table, resource, new, request=request)

    def update(self, table: Table, resource: ResourceType, old: Obj, *, new: Obj, request: Request) -> Obj:
        """Puts a decoded object in the place of `old`; writes nothing where nothing changes.

        An object that is being deleted goes with its last finalizer.

        Raises:
            ApiError: 422 Invalid.
        """
        if request.guard is not None:
            request.guard(new, old)
        strategy.prepare_update(resource, new, old, subresource=request.subresource)
        if resource.group_kind == SERVICE and not request.subresource:
            self._addresses.fill(new, old)
        if request.subresource == "status":
            causes = custom.status_faults(type_of(resource), new) if resource.custom else []
        else:
            causes = self._body_faults(resource, new)
        causes += kindvalidation.update_faults(resource, new, old)
        if causes:
            raise errors.invalid(resource.group, resource.kind, old["metadata"]["name"], causes=causes)
        new["apiVersion"] = old["apiVersion"]
        if _same(new, old):
            return old
        if "deletionTimestamp" in new["metadata"] and not _held(resource, new):
            if not request.dry_run:
                self._storage.remove(table, new)
            return new
        return self._put(table, resource, new, request=request)

    def _put(self, table: Table, resource: ResourceType, new: Obj, *, request: Request) -> Obj:
        new["apiVersion"] = resource.storage_api_version
        new["kind"] = resource.kind
        if not request.dry_run:
            self._storage.put(table, new)
        return new

    def _body_faults(self, resource: ResourceType, obj: Obj) -> list[Any]:
        if resource.custom:
            return custom.faults(type_of(resource), obj)
        return kindvalidation.object_faults(resource, obj)

    def _admit(self, resource: ResourceType, obj: Obj) -> None:
        """NamespaceLifecycle: the namespace exists, and nothing new comes into one that goes."""
        meta = obj["metadata"]
        if not resource.namespaced:
            meta.pop("namespace", None)
            return
        name = meta.get("namespace") or "default"
        meta["namespace"] = name
        found = self._storage.lookup(("", "Namespace"), key_of("", name))
        if found is None:
            raise errors.not_found("", "namespaces", name)
        if found.terminating:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            cause = errors.Cause("NamespaceTerminating", f"namespace {name} is being terminated", "metadata.namespace")
            raise errors.forbidden(resource.group, resource.plural, meta.get("name", ""), why=why, causes=[cause])


def _same(new: Obj, old: Obj) -> bool:
    """Whether nothing changes; entries of managedFields that differ in their times alone do not count."""
    meta, was = new["metadata"], old["metadata"]
    if meta.get("managedFields") != was.get("managedFields"):
        if not managed.same_but_for_times(meta.get("managedFields"), was.get("managedFields")):
            return False
        meta["managedFields"] = was["managedFields"]
    return msgspec.json.encode(_plain(new), order="sorted") == msgspec.json.encode(_plain(old), order="sorted")


def _plain(obj: Obj) -> Obj:
    # Empty labels, annotations and the like are not written.
    meta = {key: value for key, value in obj["metadata"].items() if value not in (None, "", {}, [])}
    return obj | {"metadata": meta}


def _held(resource: ResourceType, obj: Obj) -> bool:
    """Whether finalizers still keep an object that is being deleted."""
    if resource.group_kind == ("", "Namespace") and obj.get("spec", {}).get("finalizers"):
        return True
    return bool(obj["metadata"].get("finalizers"))
