"""What the API server does with a request: the verbs on resources.

Owns: `Api`, from a `Call` to an `Answer`. No HTTP here: `server` does that. Reads and writes through the
`ObjectStore` alone. Rules: apiserver v0.37 pkg/endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from backends.embedded import (
    apply,
    bodies,
    conversion,
    errors,
    lists,
    patches,
    podstreams,
    representations,
    strategy,
    subresources,
)
from backends.embedded.access import Access, authorize
from backends.embedded.calls import Call, Reply, Target, find_target
from backends.embedded.documents import Documents
from backends.embedded.errors import ApiError
from backends.embedded.registry import ResourceType
from backends.embedded.schemas import type_of
from backends.embedded.storage import Record
from backends.embedded.store import ObjectStore
from backends.embedded.watches import Watch
from backends.embedded.writing import Request
from fleetui.model.objects import split_api_version

Obj = dict[str, Any]
Answer = Reply | Watch | podstreams.LogStream | podstreams.Upgrade
APPLY = "application/apply-patch+yaml"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

_RETURNS_OBJECT = frozenset(
    {
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ResourceQuota"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
    }
)
"""ReturnDeletedObject: a DELETE answers with the object, not with a Status."""


_JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
_DEPRECATED = {("", "Endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}


class Api:
    """The API over one store.

    Args:
        allow: whether a user may do something; everybody may do everything where it is None.
        bookmark_every: seconds between the bookmarks of a watch.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        address: Callable[[], str],
        allow: Callable[[Access], bool] | None = None,
        bookmark_every: float = 60.0,
    ) -> None:
        self.store = store
        self.allow = allow
        self.bookmark_every = bookmark_every
        self._documents = Documents(store.resources, address=address)

    def handle(self, call: Call) -> Answer:
        """Answers a request.

        Raises:
            ApiError: it is refused.
        """
        document = self._documents.find(call)
        if document is not None:
            return document
        target = find_target(self.store.resources, call.path)
        answer = self._answer(call, target)
        warning = _DEPRECATED.get(target.resource.group_kind)
        if warning and isinstance(answer, Reply):
            return msgspec.structs.replace(answer, warnings=(warning, *answer.warnings))
        return answer

    def _answer(self, call: Call, target: Target) -> Answer:
        if target.subresource:
            return self._subresource(call, target)
        if not target.name:
            return self._collection(call, target)
        return self._object(call, target)

    def _object(self, call: Call, target: Target) -> Reply:
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(call.method, "")
        if verb not in target.resource.verbs:
            raise errors.wrong_method()
        runs = {"get": self._get, "update": self._put, "patch": self._patch, "delete": self._delete}
        return runs[verb](call, target)

    def _collection(self, call: Call, target: Target) -> Reply | Watch:
        watching = call.flag("watch")
        verb = {"GET": "watch" if watching else "list", "POST": "create", "DELETE": "deletecollection"}.get(call.method)
        if verb is None or verb not in target.resource.verbs:
            raise errors.wrong_method()
        if target.resource.namespaced and not target.namespace and verb not in ("watch", "list"):
            raise errors.wrong_method()
        if verb == "create" and "get" not in target.resource.verbs:
            # Everybody may ask what he may do.
            return subresources.review(self.store, call, target, allow=self.allow)
        self._permit(call, target, verb)
        if verb == "watch":
            return self._watch(call, target)
        runs = {"list": self._list, "create": self._create, "deletecollection": self._delete_all}
        return runs[verb](call, target)

    def _permit(self, call: Call, target: Target, verb: str) -> None:
        authorize(self.allow, Access(call.user, verb, target.resource.group, target.resource.plural,
                                     target.namespace, target.name, target.subresource))  # fmt: skip

    # --- reading

    def _get(self, call: Call, target: Target) -> Reply:
        self._permit(call, target, "get")
        record = self.store.record(self._stored(target.resource), target.namespace, target.name)
        return self._one(call, target.resource, record)

    def _one(self, call: Call, resource: ResourceType, record: Record) -> Reply:
        form = _form(call)
        body = representations.render(resource, record, form, now=self.store.clock())
        return Reply(200, body, form.content_type)

    def _list(self, call: Call, target: Target) -> Reply:
        form = _form(call)
        wanted = lists.selection(call, target.resource, target.namespace)
        table = self.store.table(self._stored(target.resource))
        records, meta = lists.page(call, table, wanted, version=self.store.storage.version)
        body = representations.render_list(target.resource, records, form, meta=meta, now=self.store.clock())
        return Reply(200, body, form.content_type)

    def _watch(self, call: Call, target: Target) -> Watch:
        return Watch(
            call,
            resource=target.resource,
            storage=self.store.storage,
            table=self.store.table(self._stored(target.resource)),
            wanted=lists.selection(call, target.resource, target.namespace),
            form=_form(call),
            now=self.store.clock,
            bookmark_every=self.bookmark_every,
        )

    # --- writing

    def _create(self, call: Call, target: Target) -> Reply:
        obj = conversion.incoming(target.resource, bodies.object_of(call, target))
        request = _request(call)
        made = self.store.insert(self._stored(target.resource), obj, request)
        return self._written(call, target.resource, made, request=request, status=201)

    def _put(self, call: Call, target: Target) -> Reply:
        self._permit(call, target, "update")
        obj = bodies.object_of(call, target)
        bodies.check_name(obj, target)
        obj = conversion.incoming(target.resource, obj)
        request = _request(call, target.subresource)
        resource = self._stored(target.resource)
        absent = self.store.find(resource, target.namespace, target.name) is None
        if absent and resource.group_kind in strategy.CREATED_BY_PUT and not target.subresource:
            made = self.store.insert(resource, obj, request)
            return self._written(call, target.resource, made, request=request, status=201)
        made = self.store.replace(resource, obj, request)
        return self._written(call, target.resource, made, request=request)

    def _patch(self, call: Call, target: Target) -> Reply:
        self._permit(call, target, "patch")
        kind = _patch_kind(call, target.resource)
        if kind == APPLY:
            return self._apply(call, target)
        if "force" in call.query:
            text = "Forbidden: may not be specified for non-apply patch"
            raise call.bad_option("force", text, reason="FieldValueForbidden")
        body = bodies.parse(call)
        unfit = _strategic_unfit(body) if kind == STRATEGIC else _json_unfit
        request = msgspec.structs.replace(_request(call, target.subresource), unfit=unfit)
        resource = self._stored(target.resource)

        def change(live: Obj) -> Obj:
            shown = conversion.outgoing(target.resource, live)
            new = conversion.incoming(target.resource, _patched(target.resource, kind, shown, body=body))
            _check_identity(new, target)
            return new

        made = self.store.mutate(resource, target.namespace, target.name, change, request=request)
        return self._written(call, target.resource, made, request=request)

    def _apply(self, call: Call, target: Target) -> Reply:
        if not call.query.get("fieldManager"):
            text = "Required value: is required for apply patch"
            raise call.bad_option("fieldManager", text, reason="FieldValueRequired")
        config = bodies.parse(call)
        if not isinstance(config, dict):
            raise errors.bad_request("error decoding patch: json: cannot unmarshal into map[string]interface {}")
        if config.get("apiVersion") != target.resource.api_version or config.get("kind") != target.resource.kind:
            group, version = split_api_version(str(config.get("apiVersion", "")))
            given = f"{group}/{version}, Kind={config.get('kind', '')}"
            raise errors.bad_request(f"invalid object type: {given}")
        request = _request(call, target.subresource)
        resource = self._stored(target.resource)
        apply.check_config(type_of(resource), config)
        bodies.check_namespace(config, target)
        bodies.check_name(config, target)
        made, created = self.store.apply(resource, target.namespace, target.name, config, request=request)
        return self._written(call, target.resource, made, request=request, status=201 if created else 200)

    def _written(self, call: Call, resource: ResourceType, obj: Obj, *, request: Request, status: int = 200) -> Reply:
        form = _form(call)
        body = representations.render_object(resource, obj, form, now=self.store.clock())
        return Reply(status, body, form.content_type, tuple(request.warnings))

    # --- deleting

    def _delete(self, call: Call, target: Target) -> Reply:
        self._permit(call, target, "delete")
        resource = self._stored(target.resource)
        options = bodies.delete_options(call)
        warnings = (_JOB_WARNING,) if resource.group_kind == ("batch", "Job") and not options.propagation else ()
        deletion = self.store.remove(resource, target.namespace, target.name, options)
        obj = deletion.obj
        if not deletion.gone or resource.group_kind in _RETURNS_OBJECT:
            return Reply(200, msgspec.json.encode(conversion.outgoing(target.resource, obj)), warnings=warnings)
        details = {"name": target.name, "group": resource.group, "kind": resource.plural, "uid": obj["metadata"]["uid"]}
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Reply(200, msgspec.json.encode(body | {"details": {k: v for k, v in details.items() if v}}))

    def _delete_all(self, call: Call, target: Target) -> Reply:
        resource = self._stored(target.resource)
        wanted = lists.selection(call, target.resource, target.namespace)
        options = bodies.delete_options(call)
        table = self.store.table(resource)
        records, meta = lists.page(call, table, wanted, version=self.store.storage.version)
        for record in records:
            try:
                self.store.remove(resource, record.namespace, record.name, options)
            except ApiError as error:
                if error.code != 404:  # gone meanwhile: its owner was deleted in the same breath
                    raise
        form = _form(call)
        return Reply(200, representations.render_list(target.resource, records, form, meta=meta, now=0.0))

    # --- subresources

    def _subresource(self, call: Call, target: Target) -> Answer:
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch", "POST": "create"}.get(call.method, "")
        declared = target.declared
        if declared is None or verb not in declared.verbs:
            raise errors.wrong_method()
        if target.subresource in ("status", "finalize", "approval"):
            run = {"get": self._get, "update": self._put, "patch": self._patch}[verb]
            return run(call, target)
        self._permit(call, target, verb)
        resource = self._stored(target.resource)
        if target.subresource in podstreams.SUBRESOURCES:
            if target.subresource != "log":
                # Whoever may only get must not run anything (AuthorizePodWebsocketUpgradeCreatePermission, 1.35).
                self._permit(call, target, "create")
            return podstreams.handle(self.store, call, target, resource)
        if target.subresource == "scale":
            return self._scale(call, target, resource)
        return subresources.handle(self.store, call, target, resource)

    def _scale(self, call: Call, target: Target, resource: ResourceType) -> Reply:
        record = self.store.record(resource, target.namespace, target.name)
        scale = subresources.scale_of(resource, record.decode())
        if call.method == "GET":
            return Reply(200, msgspec.json.encode(scale))
        if call.method == "PUT":
            wanted = bodies.parse(call)
        else:
            kind = _patch_kind(call, resource)
            if kind == APPLY:
                raise _unsupported((JSON_PATCH, MERGE_PATCH))
            wanted = _patched(None, kind, scale, body=bodies.parse(call))
        version = str((wanted.get("metadata") or {}).get("resourceVersion") or "")
        if version and version != str(record.version):
            raise errors.conflict(resource.group, resource.plural, target.name)
        made = self.store.mutate(
            resource,
            target.namespace,
            target.name,
            lambda live: subresources.scaled(resource, live, wanted),
            request=_request(call, "scale"),
        )
        return Reply(200, msgspec.json.encode(subresources.scale_of(resource, made)))

    def _stored(self, resource: ResourceType) -> ResourceType:
        """The resource whose objects are read and written: another one for events.k8s.io alone."""
        if resource.group_kind != conversion.EVENTS:
            return resource
        stored = self.store.resources.by_kind(*conversion.CORE_EVENTS)
        return stored or resource


def _form(call: Call) -> representations.Form:
    return representations.negotiate(call.headers.get("accept", ""), include=call.query.get("includeObject", ""))


def _request(call: Call, subresource: str = "") -> Request:
    validation = call.query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        text = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        raise call.bad_option("fieldValidation", text)
    return Request(
        call.manager,
        dry_run=call.dry_run,
        subresource=subresource,
        validation=validation,
        force=call.flag("force"),
        warnings=[],
    )


def _patch_kind(call: Call, resource: ResourceType) -> str:
    media = call.headers.get("content-type", "").partition(";")[0].strip()
    accepted = (JSON_PATCH, MERGE_PATCH, APPLY) if resource.custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)
    if media not in accepted:
        raise _unsupported(accepted, custom=resource.custom)
    return media


def _patched(resource: ResourceType | None, kind: str, live: Obj, *, body: Any) -> Obj:
    if kind == JSON_PATCH:
        return patches.json_patch(live, body)
    if not isinstance(body, dict):
        raise errors.bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]any")
    if kind == STRATEGIC and resource is not None:
        return patches.strategic_merge_patch(type_of(resource), live, body)
    merged: Obj = patches.merge_patch(live, body)
    return merged


def _check_identity(new: Obj, target: Target) -> None:
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise errors.unprocessable("the server rejected our request due to an error in our request")
    bodies.check_namespace(new, target)
    bodies.check_name(new, target)


def _json_unfit(new: Obj, why: str) -> ApiError:
    """422 of a patch that makes an object that can't be decoded."""
    shown = msgspec.json.encode(new).decode()
    return errors.invalid("", "", "", causes=[errors.field_invalid("patch", shown, why)])


def _strategic_unfit(patch: Any) -> Callable[[Obj, str], ApiError]:
    return lambda _, why: errors.invalid("", "", "", causes=[errors.field_invalid("patch", _go_text(patch), why)])


def _go_text(value: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go_text, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _unsupported(accepted: tuple[str, ...], *, custom: bool = False) -> ApiError:
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    if custom:
        return ApiError(415, "UnsupportedMediaType", text)
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})
