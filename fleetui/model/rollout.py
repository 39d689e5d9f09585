"""The rollout of addons over a fleet: what was planned, how it stands, what happened. Pure data.

Owns: `Rollout` and its parts, as they are stored in the hub and shown. What may follow on what is decided in
`fleetui.engine.rollout`; nothing here does anything.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName


class CellKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in the addon matrix: one addon on one cluster."""

    cluster: ClusterName
    addon: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.addon}"


class RolloutKey(msgspec.Struct, frozen=True, order=True):
    """A rollout's identity: the hub and the namespace that hold its ConfigMap, and its name."""

    hub: ClusterName
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.hub}/{self.namespace}/{self.name}"


# --- what was planned: never changes once the rollout has begun ---------------------------------------------------


class Truth(msgspec.Struct, frozen=True, order=True):
    """Where in Git it is written which version a cell has.

    `kind` says how the file is to be read: ``element`` (an element of an ApplicationSet's list generator), ``file`` (a
    file that a git generator reads), ``values`` (a Helm values file of a source), ``manifest`` (the Application's or
    HelmRelease's own manifest). `document` names the object within a file of several, as ``ApplicationSet
    argocd/cluster-addons``; `field` the field within it, a path with dots as far as `kind` leaves it open.
    """

    kind: str
    url: str
    branch: str
    path: str
    document: str = ""
    field: str = ""


class CellPlan(msgspec.Struct, frozen=True):
    """One cell, and what becomes of it. `change` is equal for cells whose rendered difference is the same."""

    key: CellKey
    app: AppKey
    from_version: str
    to_version: str
    truth: Truth
    change: str = ""


class GateKind(StrEnum):
    SYNCED = "synced"
    """Every cell of the wave is synced to its new version."""
    HEALTHY = "healthy"
    """Every cell has been healthy, without a break, for `Gate.seconds`."""
    APPROVAL = "approval"
    """A human said yes."""
    METRIC = "metric"
    """A Prometheus query's value holds to `Gate.condition`, for `Gate.seconds` without a break."""
    WEBHOOK = "webhook"
    """A POST to `Gate.url` is answered with 2xx; 202 and 425 mean not yet."""


class Gate(msgspec.Struct, frozen=True):
    """What must hold before the next wave begins.

    The gates of a wave open one after another: the first when all of the wave is in Git, each other one when those
    before it have passed. `seconds`: how long it must hold. `timeout`: seconds from its opening after which it counts
    as not held, 0 for never; cells that are not synced or healthy by then have failed. `url` is Prometheus' base URL or
    the webhook's; `query` and `condition` (as ``< 0.01``) are a metric's.
    """

    kind: GateKind
    seconds: float = 0.0
    timeout: float = 0.0
    url: str = ""
    query: str = ""
    condition: str = ""


class WavePlan(msgspec.Struct, frozen=True):
    """One wave: its cells, the gates behind it, and how many of its cells may fail."""

    name: str
    cells: tuple[CellKey, ...]
    gates: tuple[Gate, ...] = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY))
    failures_allowed: int = 0


class Delivery(StrEnum):
    """How a wave's change gets into Git."""

    COMMIT = "commit"
    PULL_REQUEST = "pull-request"


class RolloutPlan(msgspec.Struct, frozen=True):
    """All that was decided before it began. `created_by` as ``ann@bastion``; times in seconds since the epoch.

    `failures_allowed` counts over all waves. `patience`: for how many seconds a cell may be degraded, or its
    application gone, before it counts as failed. `author` is name and email of the commits.
    """

    key: RolloutKey
    moves: dict[str, str]
    """The version that each addon goes to."""
    cells: tuple[CellPlan, ...]
    waves: tuple[WavePlan, ...]
    failures_allowed: int = 0
    patience: float = 60.0
    delivery: Delivery = Delivery.COMMIT
    author: tuple[str, str] = ("", "")
    message: str = ""
    created_at: float = 0.0
    created_by: str = ""


# --- how it stands ------------------------------------------------------------------------------------------------


class RolloutPhase(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    """By a human, or because something wants a decision; `RolloutState.reason` says which."""
    HALTED = "halted"
    """More cells failed than may, or a gate did not hold: retry, skip, abort or roll back."""
    ABORTED = "aborted"
    """Ended by a human; what was changed stays."""
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    DONE = "done"

    @property
    def ended(self) -> bool:
        return self in {RolloutPhase.ABORTED, RolloutPhase.ROLLED_BACK, RolloutPhase.DONE}


class CellPhase(StrEnum):
    WAITING = "waiting"
    WRITING = "writing"
    """The new version is about to be, or has just been, written to Git; what there is in Git tells."""
    WRITTEN = "written"
    """It is in Git (or in a pull request), and the application does not have it yet."""
    SYNCING = "syncing"
    """The application has it, and its cluster not yet."""
    PROGRESSING = "progressing"
    """Synced, and not healthy yet."""
    HEALTHY = "healthy"
    FAILED = "failed"
    SKIPPED = "skipped"
    """By a human: it stays as it is."""
    CHANGED = "changed"
    """Somebody changed it by hand meanwhile: retry takes it along, skip leaves it."""
    RESTORING = "restoring"
    """The version that it had is written, and is not what runs yet."""
    RESTORED = "restored"


class Asked(StrEnum):
    """The last thing on its way that was done for a cell; each follows on the one before it."""

    NOTHING = ""
    WRITE = "write"
    REFRESH = "refresh"
    SYNC = "sync"


class CellState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a cell stands. `since` is when `phase` began, `commit` what wrote its version.

    `found` is the version that somebody else gave it, where `phase` is ``changed``, or where it was taken along
    nevertheless: then it is what rolling back restores. `found_in` says whether Git has it or only the application.
    `attempts` counts its retries; `away` is why nothing newer is known of it, `trouble_since` since when it is degraded
    or its application gone.
    """

    phase: CellPhase = CellPhase.WAITING
    since: float = 0.0
    message: str = ""
    commit: str = ""
    found: str = ""
    attempts: int = 0
    asked: Asked = Asked.NOTHING
    found_in: str = ""
    away: str = ""
    trouble_since: float | None = None


class GateState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a gate stands: `opened_at` is when its turn came, `held_since` since when it holds without a break,
    `passed_at` when it was passed."""

    opened_at: float | None = None
    held_since: float | None = None
    passed_at: float | None = None
    failed: bool = False
    by: str = ""
    """Who approved."""
    message: str = ""


class WaveState(msgspec.Struct, frozen=True, omit_defaults=True):
    """`gates` are those of the plan, in its order; `change` is the pull request, where there is one, and `merged` the
    commit by which it was merged."""

    started_at: float | None = None
    ended_at: float | None = None
    gates: tuple[GateState, ...] = ()
    change: str = ""
    merged: str = ""


class Driver(msgspec.Struct, frozen=True):
    """Who carries the rollout on: a process, from `since` on. Until `until` nobody else may; both in epoch seconds."""

    holder: str = ""
    """Unique for each process."""
    who: str = ""
    until: float = 0.0
    since: float = 0.0


class RolloutEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the timeline. `who` is empty for what the rollout did by itself."""

    time: float
    what: str
    who: str = ""
    wave: str = ""
    cell: CellKey | None = None


class RolloutState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changes while it runs. `wave` is the index of the current one; `cells` are those of the plan, in order.
    `restoring`: it goes back, also while it is paused or halted on that way."""

    phase: RolloutPhase = RolloutPhase.PLANNED
    reason: str = ""
    wave: int = 0
    restoring: bool = False
    cells: tuple[CellState, ...] = ()
    waves: tuple[WaveState, ...] = ()
    driver: Driver = Driver()
    started_at: float | None = None
    ended_at: float | None = None
    events: tuple[RolloutEvent, ...] = ()


class Rollout(msgspec.Struct, frozen=True):
    """A rollout as it is stored; `version` is the ConfigMap's resourceVersion, empty before it is stored."""

    plan: RolloutPlan
    state: RolloutState
    version: str = ""


# --- what people and drivers ask of it ----------------------------------------------------------------------------


class Verb(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    SKIP = "skip"
    RETRY = "retry"
    ABORT = "abort"
    ROLL_BACK = "rollback"


class Order(msgspec.Struct, frozen=True):
    """What a human asks for; `cells` are those that skip and retry are about, all that failed or changed where none."""

    verb: Verb
    who: str
    cells: tuple[CellKey, ...] = ()
    reason: str = ""
