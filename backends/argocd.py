"""Argo CD's dialect: its Application objects become apps, actions become the patches its API server writes.

Owns: `ArgoDialect`, a `fleetui.dialectports.Dialect`. Pure: no I/O, no clock. Called by `fleetui.fleet`; made in the
composition root. Never here: what a controller does with an operation (`fleetui.engine`).
Rules are Argo CD 3.6's, with the file named where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backends import argocd_wire as wire
from fleetui.gitports import Folder
from fleetui.model.app import (
    App,
    AppKey,
    AppResource,
    Automation,
    Condition,
    Destination,
    HistoryEntry,
    OperationState,
    ResourceResult,
    Source,
)
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, StoredObject, unchanged
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus
from fleetui.model.times import parse_time

REFRESH = "argocd.argoproj.io/refresh"

_HEALTH = {status.value: status for status in HealthStatus}
_SYNC = {status.value: status for status in SyncStatus}
_PHASE = {phase.value: phase for phase in OperationPhase}


class ArgoDialect:
    """Applications of `argoproj.io`, whoever reconciles them."""

    name = "argo"
    app_kind = ("argoproj.io", "Application")
    app_resource = ApiResource(
        group="argoproj.io",
        version="v1alpha1",
        kind="Application",
        plural="applications",
        namespaced=True,
        verbs=frozenset({"create", "delete", "get", "list", "patch", "update", "watch"}),
        short_names=("app", "apps"),
        singular="application",
    )

    def key(self, hub: ClusterName, obj: StoredObject) -> AppKey:
        return AppKey(hub=hub, dialect=self.name, namespace=obj.ref.namespace, name=obj.ref.name)

    def app(self, hub: ClusterName, obj: StoredObject) -> App:
        """The application that `obj` describes. Never raises: what can't be read is unknown."""
        written = wire.read(obj.raw)
        spec, status, policy = written.spec, written.status, written.spec.sync_policy or wire.SyncPolicy()
        operation = _operation(status.operation_state, spec.sources)
        return App(
            key=self.key(hub, obj),
            uid=obj.uid,
            labels=dict(obj.meta.labels or {}),
            project=spec.project or "default",
            application_set=_application_set(obj),
            source=_spec_source(spec),
            parameters=_parameters(spec),
            destination=Destination(spec.destination.server, spec.destination.name, spec.destination.namespace),
            revision=_revision(status.sync.revision, status.sync.revisions, spec.sources),
            revisions=_revisions(spec, status.sync),
            compared=_is_compared(spec, status.sync.compared_to),
            sync=_SYNC.get(status.sync.status, SyncStatus.UNKNOWN),
            health=Health(_HEALTH.get(status.health.status, HealthStatus.UNKNOWN), status.health.message),
            health_since=parse_time(status.health.last_transition_time),
            automation=_automation(policy.automated),
            sync_options=tuple(policy.sync_options or ()),
            operation=operation,
            pending=written.operation is not None and (operation is None or operation.phase.completed),
            refreshing=REFRESH in (obj.meta.annotations or {}),
            deleting=obj.meta.deletion_timestamp is not None,
            resources=tuple(_resource(resource) for resource in status.resources or ()),
            history=tuple(_history(entry) for entry in status.history or ()),
            conditions=tuple(_condition(condition) for condition in status.conditions or ()),
            images=tuple(status.summary.images or ()),
            created_at=parse_time(obj.meta.creation_timestamp),
            reconciled_at=parse_time(status.reconciled_at),
        )

    def sync_patch(
        self,
        obj: StoredObject,
        *,
        revision: str = "",
        prune: bool = False,
        dry_run: bool = False,
        resources: Sequence[ObjectRef] = (),
        username: str,
    ) -> list[Obj]:
        """The JSON patch that asks for a sync (server/application/application.go, `Sync`).

        Raises:
            RefusedError: another operation is in progress, the application is being deleted, or automated sync is on
                and `revision` is another than it follows.
        """
        body = obj.decode()
        spec = _dict(body.get("spec"))
        _refuse_busy(obj, body)
        if revision:
            _refuse_revision(obj, spec, revision, dry_run=dry_run)
        sync: Obj = {
            **_sources(spec),
            "revision": revision,
            "prune": prune,
            "dryRun": dry_run,
            "resources": [_sync_resource(ref) for ref in resources],
            "syncOptions": _dict(spec.get("syncPolicy")).get("syncOptions"),
            "syncStrategy": {"hook": {}},
        }
        retry = _dict(spec.get("syncPolicy")).get("retry")
        return _operation_patch(obj, body, _operation_body(username, sync, retry=retry))

    def rollback_patch(
        self, obj: StoredObject, *, history_id: int, prune: bool = False, dry_run: bool = False, username: str
    ) -> list[Obj]:
        """The JSON patch that asks for a sync to a former revision (application.go, `Rollback`): hooks don't run.

        Automated sync is switched off in the same write, as Argo CD's web interface does before it asks: it would undo
        the rollback at once.

        Raises:
            RefusedError: as for `sync_patch`, and where the history keeps no source.
            MissingError: the history has no such id.
        """
        body = obj.decode()
        spec = _dict(body.get("spec"))
        _refuse_busy(obj, body)
        entry = _history_entry(obj, body, history_id)
        if not entry.get("source") and not entry.get("sources"):
            raise RefusedError(f"{_named(obj)}: history entry {history_id} keeps no source to go back to")
        sync: Obj = {
            **{key: entry.get(key) for key in ("revision", "revisions", "source", "sources")},
            "prune": prune,
            "dryRun": dry_run,
            "syncOptions": _dict(spec.get("syncPolicy")).get("syncOptions"),
            "syncStrategy": {"apply": {}},
        }
        off = [_SUSPEND] if _automated(spec) and not dry_run else []
        return _operation_patch(obj, body, _operation_body(username, sync)) + off

    def automation_patch(self, obj: StoredObject, *, on: bool) -> list[Obj]:
        """The JSON patch that switches `automated.enabled` (v3.1 and later): what else is written there stays.

        Raises:
            RefusedError: it is so already, or the application has no `syncPolicy.automated`.
        """
        spec = _dict(obj.decode().get("spec"))
        if not isinstance(_dict(spec.get("syncPolicy")).get("automated"), dict):
            hint = "write spec.syncPolicy.automated first" if on else "nothing syncs it but you"
            raise RefusedError(f"{_named(obj)} has no automated sync", hint)
        if _automated(spec) is on:
            raise RefusedError(f"{_named(obj)}: automated sync is {'on' if on else 'off'} already")
        return [unchanged(obj), _RESUME if on else _SUSPEND]

    def terminate_patch(self, obj: StoredObject) -> list[Obj]:
        """The JSON patch that asks the running operation to end (application.go, `TerminateOperation`).

        Raises:
            RefusedError: none is running.
        """
        body = obj.decode()
        state = _dict(_dict(body.get("status")).get("operationState"))
        if body.get("operation") is None or not state:
            raise RefusedError(f"{_named(obj)}: no operation is in progress")
        path = "/status/operationState/phase"
        return [unchanged(obj), {"op": "add", "path": path, "value": OperationPhase.TERMINATING.value}]

    def folder(self, obj: StoredObject, *, history_id: int) -> Folder:
        """Where in Git the application lies, and what a history entry deployed from there.

        Raises:
            RefusedError: it has several sources or a chart, or lay elsewhere then.
            MissingError: the history has no such id.
        """
        body = obj.decode()
        spec = _dict(body.get("spec"))
        entry = _history_entry(obj, body, history_id)
        source, then = _dict(spec.get("source")), _dict(entry.get("source"))
        by_hand = "revert it in Git by hand"
        if spec.get("sources") or entry.get("sources"):
            raise RefusedError(f"{_named(obj)} has several sources, which no one commit puts back", by_hand)
        if source.get("chart") or not source.get("repoURL"):
            raise RefusedError(f"{_named(obj)} does not lie in a folder of Git", "change spec.source.targetRevision")
        for field in ("repoURL", "path"):
            if then.get(field, source.get(field)) != source.get(field):
                message = f"{_named(obj)}: history entry {history_id} came from {field} {then.get(field)}"
                raise RefusedError(f"{message}, now it is {source.get(field)}", by_hand)
        return Folder(
            url=str(source["repoURL"]),
            branch=str(source.get("targetRevision") or "HEAD"),
            path=str(source.get("path") or "").strip("/"),
            revision=str(entry.get("revision") or ""),
        )

    def refresh_patch(self, obj: StoredObject, *, hard: bool = False, now: float) -> Obj:
        """The merge patch that asks for a new comparison; the controller takes the annotation away when it is done.

        Argo CD 3.6's `refresh-timestamp` is left out: it serves the server's own races, older controllers would leave
        it there for ever, and 3.6 does without it.
        """
        return {"metadata": {"annotations": {REFRESH: "hard" if hard else "normal"}}}


# --- reading --------------------------------------------------------------------------------------------------------


def _application_set(obj: StoredObject) -> str:
    """The ApplicationSet that made it (applicationset_controller.go, `createOrUpdateInCluster`: its controller)."""
    owners = (each for each in obj.meta.owner_references or () if each.kind == "ApplicationSet")
    return next((each.name for each in owners if each.api_version.startswith("argoproj.io/")), "")


def _revisions(spec: wire.Spec, sync: wire.SyncState) -> dict[str, str]:
    urls = (each.repo_url for each in spec.sources or ())
    return dict(zip(urls, sync.revisions or (), strict=False))


def _is_compared(spec: wire.Spec, compared: wire.ComparedTo | None) -> bool:
    """Whether what was last compared is what the spec says now, as far as the model has it."""
    if compared is None or spec.source_hydrator is not None or not (compared.source or compared.sources):
        return True
    then = wire.Spec(source=compared.source, sources=compared.sources)
    return _spec_source(then) == _spec_source(spec) and _parameters(then) == _parameters(spec)


def _parameters(spec: wire.Spec) -> dict[str, str]:
    """The Helm parameters of the source that `_spec_source` gives; the last of one name counts, as for Helm."""
    source = spec.source_hydrator.dry_source if spec.source_hydrator is not None else _chosen_source(spec)
    helm = source.helm if source is not None else None
    return {each.name: each.value for each in (helm.parameters if helm is not None else None) or ()}


def _chosen_source(spec: wire.Spec) -> wire.Source | None:
    return spec.sources[_chosen(spec.sources)] if spec.sources else spec.source


def _spec_source(spec: wire.Spec) -> Source:
    """`sources` wins over `source`, and among them the first that gives manifests rather than values."""
    if spec.source_hydrator is not None:
        synced, dry = spec.source_hydrator.sync_source, spec.source_hydrator.dry_source
        return Source(synced.repo_url or dry.repo_url, synced.path, synced.target_branch)
    return _source(spec.source, spec.sources)


def _source(source: wire.Source | None, sources: Sequence[wire.Source] | None) -> Source:
    several = sources or ()
    chosen = several[_chosen(several)] if several else source or wire.Source()
    return Source(chosen.repo_url, chosen.path, chosen.target_revision, chosen.chart)


def _chosen(sources: Sequence[wire.Source]) -> int:
    """Which of several sources stands for all: the first that gives manifests, and not only files of values."""
    return next((place for place, each in enumerate(sources) if each.path or each.chart or not each.ref), 0)


def _automation(automated: wire.Automated | None) -> Automation:
    if automated is None:
        return Automation()
    return Automation(
        enabled=automated.enabled is not False,
        prune=bool(automated.prune),
        self_heal=bool(automated.self_heal),
        allow_empty=bool(automated.allow_empty),
    )


def _operation(state: wire.OperationState | None, sources: Sequence[wire.Source] | None) -> OperationState | None:
    if state is None or state.phase not in _PHASE:
        return None
    result, asked = state.sync_result or wire.SyncResult(), state.operation
    return OperationState(
        phase=_PHASE[state.phase],
        message=state.message,
        started_at=parse_time(state.started_at),
        finished_at=parse_time(state.finished_at),
        initiated_by=asked.initiated_by.username,
        automated=asked.initiated_by.automated,
        revision=_revision(result.revision, result.revisions, sources)
        or _revision(asked.sync.revision, asked.sync.revisions, sources),
        retry_count=state.retry_count,
        retry_limit=asked.retry.limit,
        dry_run=asked.sync.dry_run,
        results=tuple(_result(each) for each in result.resources or ()),
    )


def _result(result: wire.ResourceResult) -> ResourceResult:
    return ResourceResult(
        ref=ObjectRef(result.group, result.kind, result.namespace, result.name),
        status=result.status,
        message=result.message,
        hook_type=result.hook_type,
        hook_phase=result.hook_phase,
        sync_phase=result.sync_phase,
    )


def _resource(resource: wire.Resource) -> AppResource:
    health = resource.health
    return AppResource(
        ref=ObjectRef(resource.group, resource.kind, resource.namespace, resource.name),
        version=resource.version,
        sync=_SYNC.get(resource.status),
        health=Health(_HEALTH[health.status], health.message) if health and health.status in _HEALTH else None,
        hook=resource.hook,
        requires_pruning=resource.requires_pruning,
        sync_wave=resource.sync_wave,
    )


def _history(entry: wire.History) -> HistoryEntry:
    return HistoryEntry(
        id=entry.id,
        revision=_revision(entry.revision, entry.revisions, entry.sources),
        deployed_at=parse_time(entry.deployed_at),
        started_at=parse_time(entry.deploy_started_at),
        initiated_by=entry.initiated_by.username,
        automated=entry.initiated_by.automated,
        source=_source(entry.source, entry.sources),
    )


def _condition(condition: wire.Condition) -> Condition:
    return Condition(condition.type, condition.message, parse_time(condition.last_transition_time))


def _revision(one: str, several: Sequence[str] | None, sources: Sequence[wire.Source] | None) -> str:
    """The revision of the source that `_source` chooses."""
    revisions, place = several or (), _chosen(sources or ())
    return one or (revisions[place] if place < len(revisions) else next(iter(revisions), ""))


# --- writing --------------------------------------------------------------------------------------------------------


def _operation_patch(obj: StoredObject, body: Mapping[str, Any], operation: Obj) -> list[Obj]:
    # The test makes it race-free. The former operation's state goes, as SetAppOperation has it (util/argo/argo.go), so
    # that whoever waits for the new one does not take the former for it.
    stale = "operationState" in _dict(body.get("status"))
    return [
        unchanged(obj),
        *([{"op": "remove", "path": "/status/operationState"}] if stale else []),
        {"op": "add", "path": "/operation", "value": operation},
    ]


_SUSPEND: Obj = {"op": "add", "path": "/spec/syncPolicy/automated/enabled", "value": False}
_RESUME: Obj = {"op": "remove", "path": "/spec/syncPolicy/automated/enabled"}


def _operation_body(username: str, sync: Obj, *, retry: Any = None) -> Obj:
    """An operation as Go writes it: what is empty is left out."""
    operation: Obj = {"initiatedBy": {"username": username}, "sync": {k: v for k, v in sync.items() if v}}
    return {**operation, "retry": retry} if retry else operation


def _sources(spec: Mapping[str, Any]) -> Obj:
    if spec.get("sources"):
        return {"sources": spec["sources"]}
    return {"source": spec.get("source")}


def _sync_resource(ref: ObjectRef) -> Obj:
    written = {"group": ref.group, "kind": ref.kind, "name": ref.name, "namespace": ref.namespace}
    return {key: value for key, value in written.items() if value}


def _refuse_busy(obj: StoredObject, body: Mapping[str, Any]) -> None:
    if obj.meta.deletion_timestamp is not None:
        raise RefusedError(f"{_named(obj)} is being deleted")
    if body.get("operation") is not None:
        raise RefusedError(f"{_named(obj)}: another operation is already in progress", "wait for it to end")


def _named(obj: StoredObject) -> str:
    """How an Application is called in a sentence."""
    return f"application {obj.ref.namespace}/{obj.ref.name}"


def _refuse_revision(obj: StoredObject, spec: Mapping[str, Any], revision: str, *, dry_run: bool) -> None:
    if spec.get("sources"):
        raise RefusedError(f"{_named(obj)} has several sources, and one revision can't stand for all of them")
    followed = str(_dict(spec.get("source")).get("targetRevision") or "HEAD")
    if _automated(spec) and not dry_run and revision != followed:
        hint = "switch automated sync off first"
        raise RefusedError(f"{_named(obj)}: can't sync to {revision} while automated sync follows {followed}", hint)


def _automated(spec: Mapping[str, Any]) -> bool:
    automated = _dict(spec.get("syncPolicy")).get("automated")
    return isinstance(automated, dict) and automated.get("enabled") is not False


def _history_entry(obj: StoredObject, body: Mapping[str, Any], history_id: int) -> Obj:
    entries = _dict(body.get("status")).get("history")
    known = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    for entry in known:
        if entry.get("id", 0) == history_id:
            return entry
    kept = ", ".join(str(entry.get("id", 0)) for entry in known) or "none"
    raise MissingError(f"{_named(obj)} has no history entry {history_id}", f"it keeps: {kept}")


def _dict(value: Any) -> Obj:
    return value if isinstance(value, dict) else {}
