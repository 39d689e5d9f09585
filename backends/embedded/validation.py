"""What the API server does not accept in metadata: names, labels, annotations, finalizers, owners.

Owns: the validation that all kinds share. Pure functions from objects to causes. Called by `writing` and by
`kindvalidation`. Rules and wordings: apimachinery v0.37 pkg/api/validation, pkg/util/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from backends.embedded import errors
from backends.embedded.errors import Cause
from backends.embedded.registry import ResourceType

Obj = dict[str, Any]
Kind = tuple[str, str]

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE}')"
)
_RBAC = "rbac.authorization.k8s.io"
_PATH_NAMED = frozenset({(_RBAC, kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")})
_LABEL_NAMED: frozenset[Kind] = frozenset({("", "Namespace"), ("", "Service")})
_NAME_FIELD = "metadata.name"


def name_faults(resource: ResourceType, name: str, *, field: str = _NAME_FIELD) -> list[Cause]:
    """What is wrong with the name of an object of that kind."""
    kind = resource.group_kind
    if kind in _PATH_NAMED:
        bad = next((part for part in ("/", "%") if part in name), None) or (name if name in (".", "..") else None)
        return (
            [errors.field_invalid(field, name, f"may not {'be' if bad == name else 'contain'} '{bad}'")] if bad else []
        )
    if kind in _LABEL_NAMED:
        return _shaped(field, name, pattern=LABEL, text=LABEL_TEXT, most=63)
    return _shaped(field, name, pattern=_SUBDOMAIN, text=_SUBDOMAIN_TEXT, most=253)


def _shaped(field: str, name: str, *, pattern: str, text: str, most: int) -> list[Cause]:
    found = []
    if len(name) > most:
        found.append(errors.field_invalid(field, name, f"must be no more than {most} characters"))
    if pattern is LABEL:
        return found + [errors.field_invalid(field, name, fault) for fault in label_name_faults(name)]
    if not re.fullmatch(pattern, name):
        found.append(errors.field_invalid(field, name, text))
    return found


def label_name_faults(name: str) -> list[str]:
    """What is wrong with a name that must be a label, its length apart (IsDNS1123Label)."""
    if re.fullmatch(LABEL, name):
        return []
    return ["must not contain dots" if re.fullmatch(_SUBDOMAIN, name) else LABEL_TEXT]


def metadata_faults(resource: ResourceType, obj: Obj) -> list[Cause]:
    """What is wrong with the metadata of a new object."""
    meta = obj["metadata"]
    if not meta.get("name"):
        return [errors.field_required(_NAME_FIELD, "name or generateName is required")]
    found = []
    if meta.get("generateName"):
        # A dash at its end is no fault: something follows (maskTrailingDash).
        prefix = re.sub("-$", "a", meta["generateName"])
        faults = name_faults(resource, prefix, field="metadata.generateName")
        found += [errors.field_invalid(f.field, meta["generateName"], f.message.split(": ", 2)[2]) for f in faults]
    found += name_faults(resource, meta["name"])
    found += label_faults(meta.get("labels") or {}, "metadata.labels")
    found += _key_faults(meta.get("annotations") or {}, "metadata.annotations", lower=True)
    found += _finalizer_faults(meta.get("finalizers") or (), custom=resource.custom)
    found += _owner_faults(meta.get("ownerReferences") or ())
    return found


def label_faults(labels: dict[str, Any], field: str) -> list[Cause]:
    """What is wrong with labels: their keys, their values."""
    found = _key_faults(labels, field)
    for value in labels.values():
        if len(value) > 63:
            found.append(errors.field_invalid(field, value, "must be no more than 63 bytes"))
        if not re.fullmatch(_VALUE, value):
            found.append(errors.field_invalid(field, value, _VALUE_TEXT))
    return found


def _key_faults(keys: dict[str, Any], field: str, *, lower: bool = False) -> list[Cause]:
    return [
        errors.field_invalid(field, key, fault) for key in keys for fault in _qualified(key.lower() if lower else key)
    ]


def _qualified(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    found = []
    if slash and not (prefix and re.fullmatch(_SUBDOMAIN, prefix)):
        found.append(f"prefix part {_SUBDOMAIN_TEXT}" if prefix else "prefix part must be non-empty")
    if not name:
        found.append("name part must be non-empty")
    if len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        found.append(_QUALIFIED_TEXT)
    return found


_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _finalizer_faults(finalizers: Any, *, custom: bool) -> list[Cause]:
    found = []
    for position, name in enumerate(finalizers):
        faults = _qualified(name)
        if not faults and not custom and "/" not in name and name not in _STANDARD_FINALIZERS:
            faults = ["name is neither a standard finalizer name nor is it fully qualified"]
        field = "metadata.finalizers" if custom else f"metadata.finalizers[{position}]"
        found += [errors.field_invalid(field, name, fault) for fault in faults]
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(errors.field_invalid("metadata.finalizers", list(finalizers), text))
    return found


def _owner_faults(owners: Any) -> list[Cause]:
    found = []
    for position, owner in enumerate(owners):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                found.append(errors.field_required(f"metadata.ownerReferences[{position}].{key}", "must not be empty"))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        text = 'Only one reference can have Controller set to true. Found "true" in references for {} and {}'
        names = [f"{owner['kind']}/{owner['name']}" for owner in controllers[:2]]
        found.append(errors.field_invalid("metadata.ownerReferences", owners, text.format(*names)))
    return found


def metadata_update_faults(new: Obj, old: Obj, *, custom: bool) -> Iterator[Cause]:
    """What an update must not do to the metadata: break its rules, add finalizers to what is being deleted."""
    yield from label_faults(new.get("labels") or {}, "metadata.labels")
    yield from _key_faults(new.get("annotations") or {}, "metadata.annotations", lower=True)
    yield from _finalizer_faults(new.get("finalizers") or (), custom=custom)
    yield from _owner_faults(new.get("ownerReferences") or ())
    if "deletionTimestamp" in old:
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield errors.field_forbidden("metadata.finalizers", f"{text}[]string{{{shown}}}")
