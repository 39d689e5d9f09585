"""What Argo CD's kubectl prints of a write, word for word: the messages of a sync's results.

Owns: the sentences (kubectl v0.37 `pkg/cmd/apply`, `replace`, `auth/reconcile.go`; component-helpers
`auth/rbac/reconciliation`; gitops-engine `pkg/utils/kube/kube.go`, `cleanKubectlOutput`). Pure. Called by
`fleetui.engine.apply`, which writes without kubectl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.model.objects import ObjectRef

RBAC_VERSION = "rbac.authorization.k8s.io/v1"
_RULE = ("Verbs", "APIGroups", "Resources", "ResourceNames", "NonResourceURLs")
_SUBJECT = ("Kind", "APIGroup", "Name", "Namespace")
_MAP = re.compile(r"map\[.*\]")


def named(ref: ObjectRef) -> str:
    """``deployment.apps/api``"""
    return f"{_kind(ref)}/{ref.name}"


def deleted(ref: ObjectRef) -> str:
    """What a replacement by force says first."""
    return f'{_kind(ref)} "{ref.name}" deleted' + (f" from {ref.namespace} namespace" if ref.namespace else "")


def not_annotated(plural: str, name: str) -> str:
    """The warning of a client-side apply of what no client-side apply has made."""
    return (
        f"Warning: resource {plural}/{name} is missing the kubectl.kubernetes.io/last-applied-configuration annotation "
        "which is required by  apply.  apply should only be used on resources created declaratively by either  "
        "create --save-config or  apply. The missing annotation will be patched automatically."
    )


def cleaned(error: str) -> str:
    """An error without what Argo CD leaves out of it."""
    return _MAP.sub("", error)


def reconciled(ref: ObjectRef, target: Mapping[str, Any], live: Mapping[str, Any] | None, *, dry_run: bool) -> str:
    """What ``kubectl auth reconcile``, which comes before a client-side apply of these kinds, says of `target`."""
    said = f"{named(ref)} reconciled" + (" (dry run)" if dry_run else "")
    binds = "Binding" in ref.kind
    if live is None:
        work, missing = "create", mappings(target.get("subjects" if binds else "rules"))
    elif role_changes(target, live):
        return f"{said}. reconciliation required recreate"
    else:
        missing = _missing_subjects(target, live) if binds else _missing_rules(target, live)
        if not missing and not _adds_metadata(target, live):
            return said
        work = "update"
    told = [f"{said}. reconciliation required {work}"]
    if missing:
        told.append(f"\tmissing {'subjects' if binds else 'rules'} added:")
        told += [f"\t\t{_struct(each, _SUBJECT if binds else _RULE)}" for each in missing]
    return "\n".join(told)


def role_changes(target: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether a binding is to bind another role, for which it has to be made anew."""

    def role(obj: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"apiGroup": "rbac.authorization.k8s.io", **mapping(obj.get("roleRef"))}

    return role(target) != role(live)


def _kind(ref: ObjectRef) -> str:
    return f"{ref.kind.lower()}.{ref.group}" if ref.group else ref.kind.lower()


def _struct(value: Mapping[str, Any], fields: Sequence[str]) -> str:
    """A Go struct as ``%+v`` prints it."""

    def shown(field: str) -> str:
        key = {"APIGroups": "apiGroups", "APIGroup": "apiGroup", "NonResourceURLs": "nonResourceURLs"}.get(
            field, field[0].lower() + field[1:]
        )
        found = value.get(key)
        return f"[{' '.join(strings(found))}]" if fields is _RULE else text(found)

    return "{" + " ".join(f"{field}:{shown(field)}" for field in fields) + "}"


def _adds_metadata(target: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    mine, theirs = mapping(target.get("metadata")), mapping(live.get("metadata"))
    return any(
        not mapping(mine.get(key)).items() <= mapping(theirs.get(key)).items() for key in ("annotations", "labels")
    )


def _missing_subjects(target: Mapping[str, Any], live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    there = [_struct(subject, _SUBJECT) for subject in mappings(live.get("subjects"))]
    return [subject for subject in mappings(target.get("subjects")) if _struct(subject, _SUBJECT) not in there]


def _missing_rules(target: Mapping[str, Any], live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What of the rules of `target` those of `live` do not allow, one permission each (`Covers`)."""
    there = [part for rule in mappings(live.get("rules")) for part in _parts(rule)]
    wanted = [part for rule in mappings(target.get("rules")) for part in _parts(rule)]
    return [part for part in wanted if not any(_covers(own, part) for own in there)]


def _parts(rule: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    verbs, names = strings(rule.get("verbs")), strings(rule.get("resourceNames"))
    for group in strings(rule.get("apiGroups")):
        for resource in strings(rule.get("resources")):
            for verb in verbs:
                part = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                yield from ({**part, "resourceNames": [name]} for name in names) if names else (part,)
    for url in strings(rule.get("nonResourceURLs")):
        for verb in verbs:
            yield {"verbs": [verb], "nonResourceURLs": [url]}


def _covers(own: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    def one(rule: Mapping[str, Any], key: str) -> str | None:
        return next(iter(rule.get(key, ())), None)

    if one(own, "verbs") not in {"*", one(part, "verbs")}:
        return False
    url, mine = one(part, "nonResourceURLs"), one(own, "nonResourceURLs")
    if url is not None or mine is not None:
        return mine is not None and (mine == url or (mine.endswith("*") and str(url).startswith(mine[:-1])))
    resource = str(one(part, "resources"))
    subresource = f"*/{resource.partition('/')[2]}"
    return (
        one(own, "apiGroups") in {"*", one(part, "apiGroups")}
        and one(own, "resources") in {"*", resource, subresource}
        and one(own, "resourceNames") in {None, one(part, "resourceNames")}
    )
