"""What the API server does with a request: the verbs on resources.

Owns: `Api`, from a `Call` to an `Answer`. No HTTP here: `server` does that. Reads and writes through the
`ObjectStore` alone. Rules: apiserver v0.37 pkg/endpoints/handlers.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backends.embedded import (
    apply,
    bodies,
    conversion,
    errors,
    escalation,
    lists,
    patching,
    podstreams,
    representations,
    reviews,
    strategy,
    subresources,
)
from backends.embedded.access import Access, User, access_of
from backends.embedded.calls import Call, Reply, Target, find_target
from backends.embedded.documents import Documents
from backends.embedded.errors import ApiError
from backends.embedded.rbac import Authorizer
from backends.embedded.registry import ResourceType
from backends.embedded.schemas import type_of
from backends.embedded.storage import Record
from backends.embedded.store import ObjectStore
from backends.embedded.watches import Watch
from backends.embedded.writing import Request
from fleetui.model.objects import split_api_version
from fleetui.model.times import format_time

Obj = dict[str, Any]
Answer = Reply | Watch | podstreams.LogStream | podstreams.Upgrade
LARGE = 128 * 1024
"""Bytes from which on an answer is compressed for who takes that."""

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
        tokens: bearer token -> user, for those who may have them reviewed.
        bookmark_every: seconds between the bookmarks of a watch.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        address: Callable[[], str],
        tokens: Mapping[str, User],
        bookmark_every: float = 60.0,
    ) -> None:
        self.store = store
        self.authorizer = Authorizer(store)
        self.tokens = tokens
        self.bookmark_every = bookmark_every
        self._documents = Documents(store.resources, address=address)

    def handle(self, call: Call) -> Answer:
        """Answers a request.

        Raises:
            ApiError: it is refused.
        """
        self.authorizer.authorize(_access(call))
        document = self._documents.find(call)
        if document is not None:
            return _packed(document, call)
        target = find_target(self.store.resources, call.path)
        answer = self._answer(call, target)
        warning = _DEPRECATED.get(target.resource.group_kind)
        if not isinstance(answer, Reply):
            return answer
        if warning:
            answer = msgspec.structs.replace(answer, warnings=(warning, *answer.warnings))
        return _packed(answer, call)

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
            return self._review(call, target)
        if verb == "watch":
            return self._watch(call, target)
        runs = {"list": self._list, "create": self._create, "deletecollection": self._delete_all}
        return runs[verb](call, target)

    def _review(self, call: Call, target: Target) -> Reply:
        reviewer = reviews.Reviewer(self.authorizer, self.tokens)
        obj = bodies.object_of(call, target)
        status = reviewer.answer(call, obj)
        if target.resource.kind in reviews.FRESH:
            made = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": {}}
            if target.resource.kind == "SelfSubjectReview":
                made["metadata"] = {"creationTimestamp": format_time(self.store.clock())}
            else:
                made["spec"] = {}
            return Reply(201, msgspec.json.encode(made | {"status": status}))
        made = self.store.review(target.resource, obj, _request(call))
        return Reply(201, msgspec.json.encode(made | {"status": status}))

    # --- reading

    def _get(self, call: Call, target: Target) -> Reply:
        lists.version_of(call)
        record = self.store.record(self._stored(target.resource), target.namespace, target.name)
        return self._one(call, target.resource, record)

    def _one(self, call: Call, resource: ResourceType, record: Record) -> Reply:
        form = _form(call)
        body = representations.render(resource, record, form, now=self.store.clock())
        return Reply(200, body, form.content_type)

    def _list(self, call: Call, target: Target) -> Reply:
        form = _form(call, many=True)
        lists.check_options(call, watching=False)
        wanted = lists.selection(call, target.resource, target.namespace)
        table = self.store.table(self._stored(target.resource))
        records, meta = lists.page(call, table, wanted, version=self.store.storage.version)
        body = representations.render_list(target.resource, records, form, meta=meta, now=self.store.clock())
        return Reply(200, body, form.content_type)

    def _watch(self, call: Call, target: Target) -> Watch:
        lists.check_options(call, watching=True)
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
        request = self._request(call)
        made = self.store.insert(self._stored(target.resource), obj, request)
        return self._written(call, target.resource, made, request=request, status=201)

    def _put(self, call: Call, target: Target) -> Reply:
        obj = bodies.object_of(call, target)
        bodies.check_name(obj, target)
        obj = conversion.incoming(target.resource, obj)
        request = self._request(call, target.subresource)
        resource = self._stored(target.resource)
        absent = self.store.find(resource, target.namespace, target.name) is None
        if absent and resource.group_kind in strategy.CREATED_BY_PUT and not target.subresource:
            self.authorizer.authorize(_access(call, "create"))
            made = self.store.insert(resource, obj, request)
            return self._written(call, target.resource, made, request=request, status=201)
        made = self.store.replace(resource, obj, request)
        return self._written(call, target.resource, made, request=request)

    def _patch(self, call: Call, target: Target) -> Reply:
        kind = patching.kind_of(call, target.resource)
        if kind == patching.APPLY:
            return self._apply(call, target)
        if "force" in call.query:
            text = "Forbidden: may not be specified for non-apply patch"
            raise call.bad_option("force", text, reason="FieldValueForbidden")
        body = bodies.parse(call)
        unfit = patching.strategic_unfit(body) if kind == patching.STRATEGIC else patching.json_unfit
        request = msgspec.structs.replace(self._request(call, target.subresource), unfit=unfit)
        resource = self._stored(target.resource)

        def change(live: Obj) -> Obj:
            shown = conversion.outgoing(target.resource, live)
            new = conversion.incoming(target.resource, patching.patched(target.resource, kind, shown, body=body))
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
            raise errors.bad_request(
                f"error decoding patch: error unmarshaling JSON: while decoding {patching.no_object(config)}"
            )
        if config.get("apiVersion") != target.resource.api_version or config.get("kind") != target.resource.kind:
            group, version = split_api_version(str(config.get("apiVersion", "")))
            given = f"{group}/{version}, Kind={config.get('kind', '')}"
            raise errors.bad_request(f"invalid object type: {given}")
        request = self._request(call, target.subresource)
        resource = self._stored(target.resource)
        absent = not target.subresource and self.store.find(resource, target.namespace, target.name) is None
        if absent:
            self.authorizer.authorize(_access(call, "create"))
        if absent and (uid := (config.get("metadata") or {}).get("uid")):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(resource.group, resource.plural, target.name, why=why)
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
        resource = self._stored(target.resource)
        if target.subresource in podstreams.SUBRESOURCES:
            if target.subresource != "log":
                self._insist_on_create(call, target)
            return podstreams.handle(self.store, call, target, resource)
        if target.subresource == "scale":
            return self._scale(call, target, resource)
        return subresources.handle(self.store, call, target, resource)

    def _insist_on_create(self, call: Call, target: Target) -> None:
        """Whoever may only get must not run anything (AuthorizePodWebsocketUpgradeCreatePermission, 1.35); the real
        server gives no reason."""
        try:
            self.authorizer.authorize(_access(call, "create"))
        except ApiError as error:
            raise errors.forbidden(target.resource.group, target.resource.plural, target.name, why="") from error

    def _scale(self, call: Call, target: Target, resource: ResourceType) -> Reply:
        record = self.store.record(resource, target.namespace, target.name)
        scale = subresources.scale_of(resource, record.decode())
        if call.method == "GET":
            return Reply(200, msgspec.json.encode(scale))
        if call.method == "PUT":
            wanted = bodies.parse(call)
        else:
            kind = patching.kind_of(call, resource)
            if kind == patching.APPLY:
                raise patching.unsupported((patching.JSON_PATCH, patching.MERGE_PATCH))
            wanted = patching.patched(None, kind, scale, body=bodies.parse(call))
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

    def _request(self, call: Call, subresource: str = "") -> Request:
        guard = None if subresource else escalation.guard(self.authorizer, _access(call))
        return msgspec.structs.replace(_request(call, subresource), guard=guard)

    def _stored(self, resource: ResourceType) -> ResourceType:
        """The resource whose objects are read and written: another one for events.k8s.io alone."""
        if resource.group_kind != conversion.EVENTS:
            return resource
        stored = self.store.resources.by_kind(*conversion.CORE_EVENTS)
        return stored or resource


def _packed(reply: Reply, call: Call) -> Reply:
    """The answer compressed, where it is large and the client takes that (responsewriters/writers.go)."""
    if call.method != "GET" or len(reply.body) <= LARGE or "gzip" not in call.headers.get("accept-encoding", ""):
        return reply
    headers = reply.headers | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return msgspec.structs.replace(reply, body=gzip.compress(reply.body, 1, mtime=0), headers=headers)


def _access(call: Call, verb: str = "") -> Access:
    """What the call wants; or `verb`, to what it names."""
    access = access_of(call.user, call.method, call.path, call.query)
    return msgspec.structs.replace(access, verb=verb) if verb else access


def _form(call: Call, *, many: bool = False) -> representations.Form:
    include = call.query.get("includeObject", "")
    return representations.negotiate(call.headers.get("accept", ""), include=include, many=many)


def _request(call: Call, subresource: str = "") -> Request:
    validation = call.query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        text = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        raise call.bad_option("fieldValidation", text)
    if len(call.query.get("fieldManager", "").encode()) > 128:
        text = "Too long: may not be more than 128 bytes"
        raise call.bad_option("fieldManager", text, reason="FieldValueTooLong")
    return Request(
        call.manager,
        dry_run=call.dry_run,
        subresource=subresource,
        validation=validation,
        force=call.flag("force"),
        warnings=[],
    )


def _check_identity(new: Obj, target: Target) -> None:
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise errors.unprocessable("the server rejected our request due to an error in our request")
    bodies.check_namespace(new, target)
    bodies.check_name(new, target)
