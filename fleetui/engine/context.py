"""What an operation asks for, as a sync step takes it.

Owns: `context_of`: from an Application, its comparison and its operation to a `SyncContext` (`controller/sync.go`,
`SyncAppState`; Argo CD v3.6). Pure but for the look-ups that the destination lends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import (
    DELETION_APPROVED,
    Application,
    has_option,
    mapping,
    option_value,
    strings,
    text,
)
from fleetui.engine.compare import Comparison, Member
from fleetui.engine.destination import Destination
from fleetui.engine.operation import recorded_results
from fleetui.engine.plan import SyncContext, SyncSettings
from fleetui.engine.projects import Permits
from fleetui.engine.served import unserved
from fleetui.health import Judge
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.times import parse_time


def context_of(
    app: Application,
    destination: Destination,
    comparison: Comparison,
    state: Mapping[str, Any],
    *,
    permits: Permits,
    judge: Judge,
    terminating: bool,
) -> SyncContext:
    """The context of the next step.

    Args:
        app: the application.
        destination: where it is synced to.
        comparison: what it was compared with for this operation.
        state: `status.operationState`.
        permits: what the project permits there.
        judge: the health of a live object.
        terminating: whether a human wants the operation to end.
    """
    sync = mapping(mapping(state.get("operation")).get("sync"))
    chosen = chosen_resources(sync)
    members = [member for member in comparison.members if not member.hook and not member.copied]
    members = [member for member in members if not chosen or is_chosen(member.ref, chosen)]
    namespace = app.destination_namespace
    started = parse_time(text(state.get("startedAt"))) or 0.0
    return SyncContext(
        revision=comparison.revision,
        started_at=started,
        namespace=namespace,
        settings=_settings(app, sync, started, destination),
        resources=[_triple(member) for member in members],
        hooks=[(target.ref, target.obj) for target in comparison.targets.hooks],
        live=destination.get,
        health=judge,
        modified=frozenset(member.ref for member in members if member.differs),
        unserved=lambda obj: unserved(obj, destination.discovery, namespace=namespace),
        objection=lambda obj: permits.objection(obj, destination.discovery),
        recorded=recorded_results(state),
        synced_before=bool(app.history),
        terminating=terminating,
    )


def _settings(app: Application, sync: Mapping[str, Any], started: float, destination: Destination) -> SyncSettings:
    options = strings(sync.get("syncOptions"))
    managed = app.sync_policy.get("managedNamespaceMetadata")
    approved = parse_time(text(app.annotations.get(DELETION_APPROVED)))
    return SyncSettings(
        prune=sync.get("prune") is True,
        dry_run=sync.get("dryRun") is True,
        skip_hooks=bool(chosen_resources(sync)) or mapping(sync.get("syncStrategy")).get("apply") is not None,
        create_namespace=has_option(options, "CreateNamespace=true") and destination.makes_namespaces,
        namespace_metadata=managed if isinstance(managed, Mapping) else None,
        prune_last=has_option(options, "PruneLast=true"),
        apply_out_of_sync_only=has_option(options, "ApplyOutOfSyncOnly=true"),
        skip_dry_run_on_missing=has_option(options, "SkipDryRunOnMissingResource=true"),
        default_prune=option_value(options, "Prune") or "",
        prune_confirmed=approved is not None and approved >= started,
    )


def chosen_resources(sync: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The resources that a partial sync names; empty where it is a full one."""
    chosen = sync.get("resources")
    return [mapping(entry) for entry in chosen] if isinstance(chosen, list) else []


def is_chosen(ref: ObjectRef, chosen: list[Mapping[str, Any]]) -> bool:
    """Whether a partial sync names an object (`types.go`, `SyncOperationResource.HasIdentity`)."""
    identity = ref.group, ref.kind, ref.name
    return any(
        tuple(text(entry.get(key)) for key in ("group", "kind", "name")) == identity
        and text(entry.get("namespace")) in {"", ref.namespace}
        for entry in chosen
    )


def _triple(member: Member) -> tuple[ObjectRef, Obj | None, Obj | None]:
    return member.ref, member.target.obj if member.target is not None else None, member.live
