"""Flux's dialects: Kustomizations and HelmReleases become apps, actions become the fields that its controllers obey.

Owns: `FluxKustomizations` and `FluxReleases`, each a `fleetui.dialectports.Dialect`. Pure: no I/O, no clock. Made in
the composition root. Rules are Flux 2.9's (kustomize-controller v1.7, helm-controller v1.4, fluxcd/pkg apis/meta); how
conditions are judged is flux-operator's (internal/reporter/resource_status.go). What a Kustomization renders to is not
known here: apps of Flux are shown, reconciled, suspended and resumed, and not compared with Git.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fleetui.engine.application import IN_CLUSTER, mapping, mappings, text
from fleetui.gitports import Folder
from fleetui.model.app import (
    APP_KINDS,
    App,
    AppKey,
    AppResource,
    Automation,
    Destination,
    HistoryEntry,
    OperationState,
    Source,
)
from fleetui.model.errors import RefusedError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, StoredObject, inventory_ref, unchanged
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus
from fleetui.model.text import sanitize_all
from fleetui.model.times import parse_time

REQUESTED = "reconcile.fluxcd.io/requestedAt"
_VERBS = frozenset({"create", "delete", "get", "list", "patch", "update", "watch"})
_DEPENDS = "DependencyNotReady"
_AT_WORK = frozenset({"", "Progressing", "Reconciling"})
"""Reasons of an unknown Ready with which something goes on."""
_PREFIXES = ("sha1:", "sha256:")


class _Flux:
    """What both dialects have in common."""

    name: str
    app_resource: ApiResource | None

    @property
    def app_kind(self) -> tuple[str, str]:
        return APP_KINDS[self.name]

    def key(self, hub: ClusterName, obj: StoredObject) -> AppKey:
        return AppKey(hub=hub, dialect=self.name, namespace=obj.ref.namespace, name=obj.ref.name)

    # --- writing ----------------------------------------------------------------------------------------------------

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
        """The JSON patch that asks for a reconciliation of what the source has now. Flux knows no other sync: what its
        objects say decides on the revision, and on what is pruned.

        Raises:
            RefusedError: something else is asked for, it is suspended, or it is being deleted.
        """
        asked = {"a revision": revision, "a dry run": dry_run, "pruning by hand": prune, "single objects": resources}
        beyond = [what for what, given in asked.items() if given]
        if beyond:
            hint = "ask for a plain sync; spec.prune and the source decide the rest"
            raise RefusedError(f"{self._named(obj)}: Flux has no sync with {' or '.join(beyond)}", hint)
        body = self._refuse_idle(obj)
        annotations = mapping(mapping(body.get("metadata")).get("annotations"))
        # Any other token than the last one asks (fluxcd/pkg apis/meta/annotations.go): this needs no clock.
        token = f"{obj.meta.resource_version}-{username}"
        value = {"op": "add", "path": f"/metadata/annotations/{REQUESTED.replace('/', '~1')}", "value": token}
        made = [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
        return [unchanged(obj), *made, value]

    def refresh_patch(self, obj: StoredObject, *, hard: bool = False, now: float) -> Obj:
        """The merge patch that asks for a reconciliation, as ``flux reconcile`` writes it; there is no harder one.

        Raises:
            RefusedError: it is suspended or being deleted: then nothing comes of it.
        """
        self._refuse_idle(obj)
        # Finer than a second: an equal token would ask for nothing.
        return {"metadata": {"annotations": {REQUESTED: datetime.fromtimestamp(now, UTC).isoformat()}}}

    def automation_patch(self, obj: StoredObject, *, on: bool) -> list[Obj]:
        """The JSON patch that suspends it, or resumes it: the field goes, since one that Git has set to false would
        fight with the next suspension.

        Raises:
            RefusedError: it is so already.
        """
        suspended = mapping(obj.decode().get("spec")).get("suspend") is True
        if suspended is not on:
            raise RefusedError(f"{self._named(obj)} is {'not ' if on else ''}suspended already")
        path = "/spec/suspend"
        return [unchanged(obj), {"op": "remove", "path": path} if on else {"op": "add", "path": path, "value": True}]

    def rollback_patch(
        self, obj: StoredObject, *, history_id: int, prune: bool = False, dry_run: bool = False, username: str
    ) -> list[Obj]:
        """Raises:
        RefusedError: always; Flux has no rollback.
        """
        raise RefusedError(f"{self._named(obj)}: Flux has no rollback", "revert the commit in Git, then sync")

    def terminate_patch(self, obj: StoredObject) -> list[Obj]:
        """Raises:
        RefusedError: always; a reconciliation of Flux can't be ended from outside.
        """
        raise RefusedError(f"{self._named(obj)}: Flux ends no reconciliation that runs", "suspend it to stop the next")

    def folder(self, obj: StoredObject, *, history_id: int) -> Folder:
        """Raises:
        RefusedError: always; the repository is in another object, the source.
        """
        raise RefusedError(f"{self._named(obj)}: fleetui does not write to the source of a Flux object yet")

    def _named(self, obj: StoredObject) -> str:
        return f"{self.app_kind[1]} {obj.ref.namespace}/{obj.ref.name}"

    def _refuse_idle(self, obj: StoredObject) -> Obj:
        """The object, where something would come of a request."""
        body = obj.decode()
        if obj.meta.deletion_timestamp is not None:
            raise RefusedError(f"{self._named(obj)} is being deleted")
        if mapping(body.get("spec")).get("suspend") is True:
            raise RefusedError(f"{self._named(obj)} is suspended", "resume it, which reconciles it too")
        return body

    # --- reading ----------------------------------------------------------------------------------------------------

    def _app(self, hub: ClusterName, obj: StoredObject, body: Obj, **own: Any) -> App:
        """What is read in the same way from both kinds; `own` is what is not."""
        spec, status = mapping(body.get("spec")), mapping(body.get("status"))
        ready = _ready(status)
        suspended = spec.get("suspend") is True
        annotations = mapping(mapping(body.get("metadata")).get("annotations"))
        asked = text(annotations.get(REQUESTED))
        waits = bool(asked) and asked != text(status.get("lastHandledReconcileAt")) and not suspended
        sync: SyncStatus = own["sync"]
        refs = _inventory(status)
        since = parse_time(text(ready.get("lastTransitionTime")) or None)
        return App(
            key=self.key(hub, obj),
            uid=obj.uid,
            labels={str(name): str(value) for name, value in (obj.meta.labels or {}).items()},
            health=_health(obj, status, ready, suspended=suspended),
            health_since=since,
            operation=_operation(status, ready, since),
            compared=_is_observed(obj, status),
            pending=waits,
            refreshing=waits,
            deleting=obj.meta.deletion_timestamp is not None,
            resources=tuple(AppResource(ref, version=version, sync=sync) for ref, version in refs),
            created_at=parse_time(obj.meta.creation_timestamp),
            reconciled_at=since,
            **own,
        )


class FluxKustomizations(_Flux):
    """Flux's Kustomizations, whoever reconciles them."""

    name = "flux"
    app_resource = ApiResource(
        group="kustomize.toolkit.fluxcd.io",
        version="v1",
        kind="Kustomization",
        plural="kustomizations",
        namespaced=True,
        verbs=_VERBS,
        short_names=("ks",),
        singular="kustomization",
    )

    def app(self, hub: ClusterName, obj: StoredObject) -> App:
        """The application that `obj` describes. Never raises: what can't be read is unknown."""
        body = sanitize_all(obj.decode())
        spec, status = mapping(body.get("spec")), mapping(body.get("status"))
        applied, tried = text(status.get("lastAppliedRevision")), text(status.get("lastAttemptedRevision"))
        target, revision = _revision(applied or tried)
        in_sync = bool(applied) and applied == (tried or applied)
        return self._app(
            hub,
            obj,
            body,
            source=Source(path=text(spec.get("path")).removeprefix("./").strip("/"), target_revision=target),
            parameters=_texts(mapping(spec.get("postBuild")).get("substitute")),
            destination=_destination(spec, text(spec.get("targetNamespace"))),
            revision=revision,
            sync=_sync(obj, status, in_sync=in_sync, known=bool(applied or tried)),
            automation=Automation(
                enabled=spec.get("suspend") is not True, prune=spec.get("prune") is True, self_heal=True
            ),
            history=_applied(status),
        )


class FluxReleases(_Flux):
    """Flux's HelmReleases, whoever reconciles them."""

    name = "helm"
    app_resource = ApiResource(
        group="helm.toolkit.fluxcd.io",
        version="v2",
        kind="HelmRelease",
        plural="helmreleases",
        namespaced=True,
        verbs=_VERBS,
        short_names=("hr",),
        singular="helmrelease",
    )

    def app(self, hub: ClusterName, obj: StoredObject) -> App:
        """The application that `obj` describes. Never raises: what can't be read is unknown."""
        body = sanitize_all(obj.decode())
        spec, status = mapping(body.get("spec")), mapping(body.get("status"))
        chart = mapping(mapping(spec.get("chart")).get("spec"))
        releases = mappings(status.get("history"))
        latest = releases[0] if releases else {}
        deployed, tried = text(latest.get("chartVersion")), text(status.get("lastAttemptedRevision"))
        same_values = latest.get("configDigest") == status.get("lastAttemptedConfigDigest")
        in_sync = latest.get("status") == "deployed" and deployed == (tried or deployed) and same_values
        return self._app(
            hub,
            obj,
            body,
            source=Source(
                chart=text(chart.get("chart")) or text(latest.get("chartName")) or _chart_ref(spec),
                target_revision=text(chart.get("version")),
            ),
            destination=_destination(spec, text(spec.get("targetNamespace")) or obj.ref.namespace),
            revision=deployed or tried,
            sync=_sync(obj, status, in_sync=in_sync, known=bool(deployed or tried)),
            automation=Automation(
                enabled=spec.get("suspend") is not True,
                prune=True,
                self_heal=mapping(spec.get("driftDetection")).get("mode") == "enabled",
            ),
            history=tuple(_release(each) for each in reversed(releases)),
        )


# --- conditions -----------------------------------------------------------------------------------------------------


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((each for each in mappings(status.get("conditions")) if each.get("type") == "Ready"), {})


def _is_observed(obj: StoredObject, status: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the object as it is written now."""
    seen = status.get("observedGeneration")
    return not isinstance(seen, int) or seen >= obj.meta.generation


def _health(obj: StoredObject, status: Mapping[str, Any], ready: Mapping[str, Any], *, suspended: bool) -> Health:
    said, reason, message = ready.get("status"), text(ready.get("reason")), text(ready.get("message"))
    if suspended:
        return Health(HealthStatus.SUSPENDED, f"{obj.ref.kind} is suspended")
    if not ready or not _is_observed(obj, status):
        return Health(HealthStatus.PROGRESSING, "waiting to be reconciled")
    if said == "True":
        return Health(HealthStatus.HEALTHY, message)
    if said == "False":
        waits = reason == _DEPENDS
        return Health(HealthStatus.PROGRESSING if waits else HealthStatus.DEGRADED, message or reason)
    return Health(HealthStatus.PROGRESSING if reason in _AT_WORK else HealthStatus.UNKNOWN, message or reason)


def _sync(obj: StoredObject, status: Mapping[str, Any], *, in_sync: bool, known: bool) -> SyncStatus:
    """Synced where what was tried last is what runs, and the object has not changed since."""
    if not known:
        return SyncStatus.UNKNOWN
    return SyncStatus.SYNCED if in_sync and _is_observed(obj, status) else SyncStatus.OUT_OF_SYNC


def _operation(status: Mapping[str, Any], ready: Mapping[str, Any], since: float | None) -> OperationState | None:
    """The last reconciliation as an operation: it runs while Ready is unknown or Reconciling is true."""
    if not ready:
        return None
    conditions = mappings(status.get("conditions"))
    working = any(each.get("type") == "Reconciling" and each.get("status") == "True" for each in conditions)
    said, message = ready.get("status"), text(ready.get("message"))
    revision = _revision(text(status.get("lastAttemptedRevision")))[1]
    if said == "False" and ready.get("reason") != _DEPENDS:
        phase = OperationPhase.FAILED
    elif working or said != "True":
        return OperationState(OperationPhase.RUNNING, message, started_at=since, automated=True, revision=revision)
    else:
        phase = OperationPhase.SUCCEEDED
    return OperationState(phase, message, finished_at=since, automated=True, revision=revision)


# --- fields ---------------------------------------------------------------------------------------------------------


def _destination(spec: Mapping[str, Any], namespace: str) -> Destination:
    """Its own cluster, or the one to which the kubeconfig in a Secret leads, which the fleet knows by that name."""
    secret = text(mapping(mapping(spec.get("kubeConfig")).get("secretRef")).get("name"))
    return Destination(server="" if secret else IN_CLUSTER, name=secret, namespace=namespace)


def _chart_ref(spec: Mapping[str, Any]) -> str:
    return text(mapping(spec.get("chartRef")).get("name"))


def _revision(written: str) -> tuple[str, str]:
    """Branch or tag, and commit or digest, of ``main@sha1:4e1f07a…`` (fluxcd/pkg, RFC-0005)."""
    named, at, digest = written.rpartition("@")
    for prefix in _PREFIXES:
        digest = digest.removeprefix(prefix)
    return (named, digest) if at else ("", digest)


def _inventory(status: Mapping[str, Any]) -> list[tuple[ObjectRef, str]]:
    entries = mappings(mapping(status.get("inventory")).get("entries"))
    found = ((inventory_ref(text(entry.get("id"))), text(entry.get("v"))) for entry in entries)
    return [(ref, version) for ref, version in found if ref is not None]


def _applied(status: Mapping[str, Any]) -> tuple[HistoryEntry, ...]:
    """What a Kustomization has applied, the oldest first; Flux numbers nothing."""
    entries = list(reversed(mappings(status.get("history"))))
    return tuple(
        HistoryEntry(
            id=number,
            revision=_revision(text(mapping(entry.get("metadata")).get("revision")))[1],
            deployed_at=parse_time(text(entry.get("lastReconciled")) or None),
            started_at=parse_time(text(entry.get("firstReconciled")) or None),
            automated=True,
        )
        for number, entry in enumerate(entries)
    )


def _release(release: Mapping[str, Any]) -> HistoryEntry:
    version = release.get("version")
    return HistoryEntry(
        id=version if isinstance(version, int) else 0,
        revision=text(release.get("chartVersion")),
        deployed_at=parse_time(text(release.get("lastDeployed")) or None),
        automated=True,
        source=Source(chart=text(release.get("chartName")), target_revision=text(release.get("chartVersion"))),
    )


def _texts(value: Any) -> Mapping[str, str]:
    return {name: each for name, each in mapping(value).items() if isinstance(each, str)}
