"""Between client-side apply and ours: what another's `kubectl apply` owns is taken over, and what it needs is kept.

Owns: `Handover` (how an Application wants it done), `migrated`, `with_last_applied`. Argo CD applies client-side unless
asked not to, kubectl too; both find what has left Git in the last-applied annotation, while the API server finds it in
managedFields. So that a field which leaves Git goes whoever applies next, we move to our server-side apply what
client-side apply owns before we write, and write the annotation anew with each apply of an object that has one.
Pure. Called by `fleetui.engine.execute` and `predict`, and by `fleetui.fleet` for its diffs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetui.diff.normalize import LAST_APPLIED
from fleetui.engine.application import (
    FIELD_MANAGER,
    MIGRATION_MANAGER,
    SYNC_OPTIONS,
    annotation,
    annotation_option,
    has_option,
    mapping,
    mappings,
)
from fleetui.model.objects import Obj

KUBECTL = "kubectl-client-side-apply"
_ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotations of one object (apimachinery, `TotalAnnotationSizeLimitB`)."""

_encoder = msgspec.json.Encoder(order="deterministic")
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What Go's JSON encoder escapes in strings, and JSON has nowhere else."""


@dataclass(frozen=True)
class Handover:
    """How an Application wants client-side apply handled.

    `server_side`: Argo CD would apply server-side (``ServerSideApply=true``). `migrates`: whether it would then take
    over what `manager` has applied client-side (``ClientSideApplyMigration``, and the annotation
    ``client-side-apply-migration-manager``).
    """

    server_side: bool = False
    migrates: bool = True
    manager: str = KUBECTL

    @classmethod
    def of(cls, app: Mapping[str, Any], options: tuple[str, ...]) -> Handover:
        """As an Application's annotations and sync options (its own, or those of an operation) say."""
        return cls(
            server_side=has_option(options, "ServerSideApply=true"),
            migrates=not has_option(options, "ClientSideApplyMigration=false"),
            manager=annotation(app, MIGRATION_MANAGER) or KUBECTL,
        )

    def applies_server_side(self, target: Mapping[str, Any]) -> bool:
        """Whether Argo CD would apply this object server-side (`shouldUseServerSideApply`, but for dry runs)."""
        if annotation_option(target, SYNC_OPTIONS, "ServerSideApply=false"):
            return False
        return self.server_side or annotation_option(target, SYNC_OPTIONS, "ServerSideApply=true")

    def managers(self, target: Mapping[str, Any], live: Mapping[str, Any]) -> frozenset[str]:
        """The managers whose client-side applies of `live` are taken over when `target` is applied.

        Where Argo CD would apply client-side too, these are all that have: its three-way merge takes away what any of
        them had applied, and so must we. Without the annotation it takes nothing away: what was created or replaced is
        no client-side apply, though the same manager may have done it.
        """
        annotated = bool(annotation(live, LAST_APPLIED))
        if self.applies_server_side(target):
            known = {self.manager, *((FIELD_MANAGER,) if annotated else ())} if self.migrates else set()
            return frozenset(known & {entry.get("manager", "") for entry in _client_side(live)})
        if not annotated:
            return frozenset()
        return frozenset(
            manager
            for entry in _client_side(live)
            if (manager := entry.get("manager", "")) in {KUBECTL, FIELD_MANAGER} or _owns_last_applied(entry)
        )


DEFAULT = Handover()


def migrated(live: Obj, managers: frozenset[str]) -> Obj:
    """`live` with the fields that `managers` have applied client-side owned by our server-side apply instead
    (client-go `util/csaupgrade`, v0.37)."""
    kept: list[Obj] = []
    moved: list[Mapping[str, Any]] = []
    for entry in _entries(live):
        ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        theirs = entry.get("manager") in managers and entry.get("operation") == "Update"
        if (ours or theirs) and not entry.get("subresource"):
            moved.append(entry)
        else:
            kept.append(dict(entry))
    fields: Obj = {}
    for entry in moved:
        fields = _union(fields, mapping(entry.get("fieldsV1")))
    if moved:
        mine = {**moved[-1], "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
        kept = [mine, *kept]
    return {**live, "metadata": {**mapping(live.get("metadata")), "managedFields": kept}}


def with_last_applied(target: Obj, live: Mapping[str, Any] | None) -> Obj:
    """`target` as it is applied: with a last-applied annotation, as kubectl would write it, where `live` has one
    (kubectl v0.37 `pkg/util/apply.go`, `GetModifiedConfiguration`). One that would be too long is left out."""
    if not annotation(live, LAST_APPLIED):
        return target
    metadata = mapping(target.get("metadata"))
    annotations = {key: value for key, value in mapping(metadata.get("annotations")).items() if key != LAST_APPLIED}
    bare = {**target, "metadata": {**metadata, "annotations": annotations}}
    text = _encoder.encode(bare).decode()
    for character, escaped in _ESCAPED.items():
        text = text.replace(character, escaped)
    kept = {**annotations, LAST_APPLIED: text + "\n"}
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in kept.items()) > _ANNOTATIONS_LIMIT:
        return bare
    return {**bare, "metadata": {**metadata, "annotations": kept}}


def _entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return mappings(mapping(live.get("metadata")).get("managedFields"))


def _client_side(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for entry in _entries(live) if entry.get("operation") == "Update" and not entry.get("subresource")]


def _owns_last_applied(entry: Mapping[str, Any]) -> bool:
    owned = mapping(entry.get("fieldsV1"))
    return f"f:{LAST_APPLIED}" in mapping(mapping(owned.get("f:metadata")).get("f:annotations"))


def _union(first: Mapping[str, Any], second: Mapping[str, Any]) -> Obj:
    union = dict(first)
    for key, value in second.items():
        union[key] = _union(mapping(union[key]), value) if key in union and isinstance(value, Mapping) else value
    return union
