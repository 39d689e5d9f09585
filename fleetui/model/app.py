"""The application: what every dialect's objects become for tables, trees and commands.

Owns: `AppKey`, `App` and its parts. Pure data, immutable: a row is handed from the engine's thread to the screen's
as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus

APP_KINDS: Mapping[str, tuple[str, str]] = {
    "argo": ("argoproj.io", "Application"),
    "flux": ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    "helm": ("helm.toolkit.fluxcd.io", "HelmRelease"),
}
"""Group and kind of the application objects of each dialect."""
_DIALECTS = {kind: dialect for dialect, kind in APP_KINDS.items()}


class AppKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """An application's identity: never the name alone."""

    hub: ClusterName
    dialect: str
    namespace: str
    name: str

    @classmethod
    def of(cls, hub: ClusterName, ref: ObjectRef) -> AppKey | None:
        """The application whose own object `ref` is; None where it is an object of no dialect."""
        dialect = _DIALECTS.get(ref.group_kind)
        return None if dialect is None else cls(hub, dialect, ref.namespace, ref.name)

    @property
    def ref(self) -> ObjectRef:
        """The application's own object."""
        return ObjectRef(*APP_KINDS[self.dialect], self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.hub}/{self.namespace}/{self.name}"


class Source(msgspec.Struct, frozen=True):
    """Where the desired state lies."""

    repo_url: str = ""
    path: str = ""
    target_revision: str = ""
    chart: str = ""


class Destination(msgspec.Struct, frozen=True):
    """Where it is to run: `server` or `name` names the cluster."""

    server: str = ""
    name: str = ""
    namespace: str = ""


class Automation(msgspec.Struct, frozen=True):
    """`syncPolicy.automated`, resolved: `enabled` says whether syncs happen without a human."""

    enabled: bool = False
    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False


class HistoryEntry(msgspec.Struct, frozen=True):
    """One sync that succeeded; times in seconds since the epoch, None where unknown."""

    id: int
    revision: str
    deployed_at: float | None = None
    started_at: float | None = None
    initiated_by: str = ""
    automated: bool = False
    source: Source = Source()


class Condition(msgspec.Struct, frozen=True):
    """A condition of the application, such as ``ComparisonError``."""

    type: str
    message: str
    since: float | None = None

    @property
    def is_error(self) -> bool:
        """Argo CD's rule: the suffix of the type decides (types.go, `ApplicationCondition.IsError`)."""
        return self.type.endswith("Error")


class ResourceResult(msgspec.Struct, frozen=True):
    """What one sync did with one object (`operationState.syncResult.resources[]`)."""

    ref: ObjectRef
    status: str = ""
    message: str = ""
    hook_type: str = ""
    hook_phase: str = ""
    sync_phase: str = ""


class OperationState(msgspec.Struct, frozen=True):
    """The running or the last operation; times in seconds since the epoch."""

    phase: OperationPhase
    message: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    initiated_by: str = ""
    automated: bool = False
    revision: str = ""
    retry_count: int = 0
    retry_limit: int = 0
    dry_run: bool = False
    results: tuple[ResourceResult, ...] = ()


class AppResource(msgspec.Struct, frozen=True):
    """One managed object as the engine judged it (`status.resources[]`).

    `sync` is None for hooks and for what has no sync status; `health` is None where the engine keeps none.
    """

    ref: ObjectRef
    version: str = ""
    sync: SyncStatus | None = None
    health: Health | None = None
    hook: bool = False
    requires_pruning: bool = False
    sync_wave: int = 0


class App(msgspec.Struct, frozen=True):
    """An application of any dialect.

    `revision` is the commit that was last compared; `pending` says that an operation was asked for and not begun.
    `application_set` is the name of the ApplicationSet that made it, empty for none; `parameters` are the Helm
    parameters of `source`. `compared`: what was last compared with Git is what the spec says now. `revisions`: where
    there are several sources, the commit of each repository that was last compared, by its URL.
    """

    key: AppKey
    uid: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    project: str = ""
    application_set: str = ""
    source: Source = Source()
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    destination: Destination = Destination()
    revision: str = ""
    revisions: dict[str, str] = msgspec.field(default_factory=dict)
    compared: bool = True
    sync: SyncStatus = SyncStatus.UNKNOWN
    health: Health = Health(HealthStatus.UNKNOWN)
    health_since: float | None = None
    automation: Automation = Automation()
    sync_options: tuple[str, ...] = ()
    operation: OperationState | None = None
    pending: bool = False
    refreshing: bool = False
    deleting: bool = False
    resources: tuple[AppResource, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    conditions: tuple[Condition, ...] = ()
    images: tuple[str, ...] = ()
    created_at: float | None = None
    reconciled_at: float | None = None

    @property
    def out_of_sync(self) -> int:
        """How many managed objects differ from Git."""
        return sum(resource.sync is SyncStatus.OUT_OF_SYNC for resource in self.resources)
