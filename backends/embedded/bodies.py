"""Request bodies: JSON, YAML or protobuf to objects, held against the path they were sent to.

Owns: decoding of bodies, and the checks of kind, version, namespace and name. Pure functions. Called by `handlers`.
Wordings: apiserver v0.37 pkg/endpoints/handlers/rest.go, create.go.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from backends.embedded.calls import Call, Target
from backends.embedded.deletion import DeleteOptions
from backends.embedded.errors import ApiError, bad_request, field_invalid, invalid
from backends.embedded.registry import ResourceType
from fleetui.model.objects import split_api_version

Obj = dict[str, Any]
_OTHER_VERSIONS = {
    "admissionregistration.k8s.io": ("v1alpha1", "v1beta1"),
    "apps": ("v1beta1", "v1beta2"),
    "autoscaling": ("v1", "v2beta1", "v2beta2"),
    "batch": ("v1beta1",),
    "coordination.k8s.io": ("v1beta1",),
    "discovery.k8s.io": ("v1beta1",),
    "events.k8s.io": ("v1beta1",),
    "networking.k8s.io": ("v1beta1",),
    "node.k8s.io": ("v1alpha1", "v1beta1"),
    "policy": ("v1beta1",),
    "rbac.authorization.k8s.io": ("v1alpha1", "v1beta1"),
    "scheduling.k8s.io": ("v1alpha1", "v1beta1"),
    "storage.k8s.io": ("v1alpha1", "v1beta1"),
}
"""The versions that the real server's scheme knows though it does not serve them here."""
LIMIT = 3 * 1024 * 1024
"""Bytes of a body that are read, as the real server's."""


def parse(call: Call) -> Any:
    """The decoded body; YAML or protobuf where its type says so.

    Raises:
        ApiError: 400, the body is none of them; 415, another type.
    """
    media = call.headers.get("content-type", "").partition(";")[0].strip()
    if "protobuf" in media:
        return _parse_protobuf(call.body)
    if "cbor" in media:
        accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise ApiError(415, "UnsupportedMediaType", message)
    try:
        return msgspec.json.decode(call.body)
    except msgspec.DecodeError as error:
        if "yaml" not in media:
            raise unrecognized(call.body, str(error)) from None
    return _parse_yaml(call.body)


def _parse_protobuf(body: bytes) -> Any:
    from backends.embedded.protobuf import decode

    try:
        return decode(body)
    except (ValueError, msgspec.DecodeError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from None


def _parse_yaml(body: bytes) -> Any:
    import yaml

    try:
        return yaml.load(body, Loader=_loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = str(error).replace("\n", " ")
        raise bad_request(f"error converting YAML to JSON: yaml: {first}") from None


@cache
def _loader() -> Any:
    """A YAML loader that leaves dates alone: Kubernetes knows them as text."""
    import yaml

    class Loader(yaml.CSafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        letter: [(tag, expression) for tag, expression in resolvers if not tag.endswith(":timestamp")]
        for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def object_of(call: Call, target: Target) -> Obj:
    """The object of a POST or PUT, its kind and version that of the path.

    Raises:
        ApiError: 400.
    """
    obj = parse(call)
    if not isinstance(obj, dict):
        raise unrecognized(call.body, _go_kind(obj), target.resource.kind)
    if target.resource.custom and not obj.get("kind"):
        text = call.body.decode(errors="replace")
        why = f"Object 'Kind' is missing in '{text}' ({text})"
        raise bad_request(f"the object provided is unrecognized (must be of type {target.resource.kind}): {why}")
    check_kind(obj, target.resource)
    check_namespace(obj, target)
    return obj


def unrecognized(body: bytes, why: str, kind: str = "") -> ApiError:
    """400 of a body that is no object."""
    shown = body[:64].decode(errors="replace") if body.startswith(b"{") else body[:64].hex()
    wanted = f" (must be of type {kind})" if kind else ""
    text = f"couldn't get version/kind; json parse error: {why} ({shown})"
    return bad_request(f"the object provided is unrecognized{wanted}: {text}")


def _go_kind(value: Any) -> str:
    given = {str: "string", list: "array", bool: "bool", int: "number", float: "number"}.get(type(value), "value")
    wanted = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    return f"json: cannot unmarshal {given} into Go value of type {wanted}"


def check_kind(obj: Obj, resource: ResourceType) -> None:
    """Fills in what is missing, refuses another kind or version."""
    given = str(obj.setdefault("apiVersion", resource.api_version))
    kind = obj.setdefault("kind", resource.kind)
    group, version = split_api_version(given)
    if resource.custom and kind != resource.kind and group == resource.group:
        cause = field_invalid("kind", kind, f"must be {resource.kind}")
        name = str((obj.get("metadata") or {}).get("name", ""))
        raise invalid(group, str(kind), name, causes=[cause])
    known = version == resource.version or version in _OTHER_VERSIONS.get(group, ()) or resource.custom
    if kind != resource.kind or group != resource.group or not known:
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}: no kind "{kind}" is registered for '
            f'version "{given}" in scheme "pkg/runtime/scheme.go:111"'
        )
    if version != resource.version:
        message = (
            f"the API version in the data ({given}) does not match the expected API version ({resource.api_version})"
        )
        raise bad_request(message)


def check_namespace(obj: Obj, target: Target) -> None:
    """Fills in the path's namespace, refuses another."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        meta = obj["metadata"] = {}
    if not target.resource.namespaced:
        return
    given = meta.setdefault("namespace", target.namespace) or target.namespace
    meta["namespace"] = given
    if given != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_name(obj: Obj, target: Target) -> None:
    """Refuses another name than the path's, or none."""
    given = obj["metadata"].get("name")
    if not given:
        why = "name must be provided"
        raise bad_request(f"the name of the object ({target.name} based on URL) was undeterminable: {why}")
    if given != target.name:
        message = f"the name of the object ({given}) does not match the name on the URL ({target.name})"
        raise bad_request(message)


class _Preconditions(msgspec.Struct, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _DeleteBody(msgspec.Struct, rename="camel"):
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    dry_run: list[str] | None = None
    preconditions: _Preconditions | None = None


def delete_options(call: Call) -> DeleteOptions:
    """How a DELETE is meant: its body, and its parameters.

    Raises:
        ApiError: 400 or 422.
    """
    sent = _delete_body(call)
    propagation = sent.propagation_policy or call.query.get("propagationPolicy", "")
    orphan = sent.orphan_dependents if sent.orphan_dependents is not None else _flag(call, "orphanDependents")
    if not propagation and orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    if propagation not in ("", "Orphan", "Background", "Foreground"):
        allowed = '"Foreground", "Background", "Orphan", "nil"'
        message = f'Unsupported value: "{propagation}": supported values: {allowed}'
        raise call.bad_option("propagationPolicy", message)
    conditions = sent.preconditions or _Preconditions()
    return DeleteOptions(
        propagation=propagation,
        uid=conditions.uid or "",
        resource_version=conditions.resource_version or "",
        dry_run=call.dry_run or "All" in (sent.dry_run or ()),
    )


def _delete_body(call: Call) -> _DeleteBody:
    body = parse(call) if call.body.strip() else {}
    if not isinstance(body, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: {_go_kind(body)}")
    if body.get("kind", "DeleteOptions") != "DeleteOptions":
        scheme = 'version "meta.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"'
        raise bad_request(f'no kind "{body["kind"]}" is registered for {scheme}')
    try:
        sent = msgspec.convert(body, _DeleteBody)
    except msgspec.ValidationError as error:
        raise bad_request(f"unable to decode DeleteOptions: {error}") from None
    if sent.dry_run and sent.dry_run != ["All"]:
        shown = msgspec.json.encode(sent.dry_run).decode()
        raise call.bad_option("dryRun", f'Unsupported value: {shown}: supported values: "All"')
    if sent.propagation_policy and sent.orphan_dependents is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        message = f'Invalid value: "{sent.propagation_policy}": {text}'
        raise call.bad_option("propagationPolicy", message, reason="FieldValueInvalid")
    return sent


def _flag(call: Call, name: str) -> bool | None:
    return call.flag(name) if name in call.query else None
