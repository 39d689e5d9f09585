"""What the fleet hands to whoever looks on: change sets, trees, plans, results. Pure data, immutable.

Owns: the structs of `fleetui.fleet.api`. Made on the engine's thread, read on any.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetui.model.app import App, AppKey
from fleetui.model.change import Commit, ObjectDiff
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import ClusterStatus, Health, SyncStatus


class Narrowed(msgspec.Struct, frozen=True):
    """That of a cluster some namespaces alone are shown, because the user may not look into the others: which ones
    (none, where nothing may be seen), and what is missing, in a sentence."""

    namespaces: tuple[str, ...]
    refusal: str

    @property
    def words(self) -> str:
        """``namespace team-a only``, in whole."""
        return f"namespace{'' if len(self.namespaces) == 1 else 's'} {', '.join(self.namespaces)} only"


class ChangeSet(msgspec.Struct, frozen=True):
    """All that changed since the last one, merged: at most ten a second are published.

    `trees` names the applications of which some object changed: whoever shows such a tree asks for it again.
    """

    apps: dict[AppKey, App] = msgspec.field(default_factory=dict)
    removed: frozenset[AppKey] = frozenset()
    clusters: dict[ClusterName, ClusterStatus] = msgspec.field(default_factory=dict)
    gone: frozenset[ClusterName] = frozenset()
    """Clusters that no hub registers any more."""
    trees: frozenset[AppKey] = frozenset()
    loading: frozenset[ClusterName] = frozenset()
    """Clusters whose applications have not been listed yet (the whole set, as of now)."""
    problems: dict[ClusterName, str] = msgspec.field(default_factory=dict)
    """Why a cluster that answers shows no applications: forbidden, or the kind is not served (as of now)."""
    narrowed: dict[ClusterName, Narrowed] = msgspec.field(default_factory=dict)
    """The clusters of which not all that was asked for may be seen (the whole map, as of now)."""


class TreeNode(msgspec.Struct, frozen=True, gc=False):
    """One object of an application's tree.

    `depth` counts from 0, the application itself. `sync` and `changes` are None and 0 for what Git does not list.
    `info` is the short text behind the name: ``0/3``, ``ImagePullBackOff, 12 restarts``, ``2 endpoints``. Whether an
    object is there that the user may not see is not known: it is `forbidden`, and its health what its engine says.
    """

    ref: ObjectRef
    cluster: ClusterName
    depth: int
    uid: str = ""
    health: Health | None = None
    sync: SyncStatus | None = None
    info: str = ""
    hook: bool = False
    requires_pruning: bool = False
    forbidden: bool = False
    children: int = 0
    created_at: float | None = None
    app: AppKey | None = None
    """The Application below the tree's own on which it hangs, whose `sync` that is; None: the tree's own."""
    group: int = 0
    """For how many objects it stands that are below it; 0 for an object (`fleetui.fleet.grouping`)."""


class Tree(msgspec.Struct, frozen=True):
    """An application's resource tree, flattened in display order (parents before children).

    `problem` says in one sentence why it may be incomplete (cluster unreachable, a kind forbidden); empty if it isn't.
    """

    key: AppKey
    nodes: tuple[TreeNode, ...]
    problem: str = ""

    @property
    def own(self) -> list[TreeNode]:
        """The nodes where the application itself runs, without what hangs on Applications below it, or is listed in
        other clusters: those are connected to when somebody looks at them."""
        clusters = {node.cluster for node in self.nodes if node.depth <= 1}
        return [node for node in self.nodes if node.app is None and node.cluster in clusters]


class Orphan(msgspec.Struct, frozen=True, gc=False):
    """An object that nobody manages; `created_at` in seconds since the epoch."""

    ref: ObjectRef
    created_at: float | None = None


class Orphans(msgspec.Struct, frozen=True):
    """What nobody manages in the namespace that an application is synced into. `problem` says which kinds were not
    looked at, and why; empty where all were."""

    key: AppKey
    cluster: ClusterName
    namespace: str
    objects: tuple[Orphan, ...] = ()
    problem: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """Where a cause was read: `kind` is ``cluster``, ``condition``, ``operation``, ``result``, ``status``, ``event``,
    ``log``, ``finalizer`` or ``window``; `time` in seconds since the epoch, None where there is none."""

    kind: str
    text: str
    ref: ObjectRef | None = None
    time: float | None = None


class Link(msgspec.Struct, frozen=True):
    """One object on the way from an application to what holds it up.

    `by` is how the one before leads here: ``spec.dependsOn`` and the like, empty for what is below it in the tree.
    `said` is what it says of itself, or that it is not there, on one line.
    """

    ref: ObjectRef
    cluster: ClusterName
    by: str = ""
    said: str = ""


class Why(msgspec.Struct, frozen=True):
    """What an application waits for.

    `cause` is a name for programs, empty where nothing holds it up; `words` are sentences for people, `remedy` what to
    do, where that is known. `chain` leads from the application's own object to the one that holds it up, the last;
    it is empty where that is no object. `notes` say what could not be asked.
    """

    key: AppKey
    cause: str
    words: str
    remedy: str = ""
    chain: tuple[Link, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def culprit(self) -> Link | None:
        """The object that holds the application up, where it is one."""
        return self.chain[-1] if self.chain else None


class HistoryRow(msgspec.Struct, frozen=True):
    """One entry of an application's history beside its commit; `commit` is None where Git can't say, and `problem`
    then tells why. `origin` is from where somebody of this machine asked for it, as ``ann@bastion, ssh 10.0.0.7``.
    Newest first."""

    id: int
    revision: str
    deployed_at: float | None
    initiated_by: str
    automated: bool
    current: bool
    commit: Commit | None = None
    problem: str = ""
    origin: str = ""


class ObjectEvent(msgspec.Struct, frozen=True):
    """One thing that happened to an object, `count` times between `first` and `last` (seconds since the epoch)."""

    ref: ObjectRef
    cluster: ClusterName
    warning: bool
    reason: str
    message: str
    count: int
    first: float | None
    last: float | None
    source: str
    """Which component says so."""


class PodView(msgspec.Struct, frozen=True):
    """A Pod that can be looked into: its containers (those of the spec first, then init and ephemeral ones), which of
    them is meant where none is named, and which run now."""

    cluster: ClusterName
    ref: ObjectRef
    containers: tuple[str, ...]
    default: str
    running: tuple[str, ...] = ()
    uid: str = ""


class PodViews(msgspec.Struct, frozen=True):
    """The Pods of an application or at and below one object of it. `more` were not asked for, because they are many;
    `problem` says why there may be others that are not known of."""

    pods: tuple[PodView, ...]
    more: int = 0
    problem: str = ""


class PodLog(msgspec.Struct, frozen=True):
    """The log of one container: of its last life with `previous`, at first the last `tail` lines."""

    cluster: ClusterName
    ref: ObjectRef
    container: str
    previous: bool = False
    tail: int = 1000


class ActionKind(StrEnum):
    SYNC = "sync"
    REFRESH = "refresh"
    ROLLBACK = "rollback"
    REVERT = "revert"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


class Action(msgspec.Struct, frozen=True):
    """A write that an operator asks for.

    ``revert`` is a rollback as a commit in Git. `restore`: after a rollback, automated sync is to be switched on again
    when Git has moved on (see `fleetui.fleet.restore`). `rollout` is the rollout that asks for it, for the record.
    """

    kind: ActionKind
    app: AppKey
    revision: str = ""
    history_id: int | None = None
    prune: bool = False
    dry_run: bool = False
    hard: bool = False
    restore: bool = False
    rollout: str = ""
    resources: tuple[ObjectRef, ...] = ()


class PlanEntry(msgspec.Struct, frozen=True):
    """What the action would do to one object: ``create``, ``change``, ``prune`` or ``keep`` (prune is off), and a
    summary such as ``image 1.98 → 1.99``."""

    verb: str
    ref: ObjectRef
    summary: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What the confirmation shows. `refusals` are the reasons why it can't be done: then it is not offered.

    `notes` are sentences worth knowing (undoes kubectl-edit; the diff could not be had, and why).
    `type_to_confirm` is the text that a human must type, for a protected cluster; empty where none is asked for.
    `command` is the same action as a command line.
    """

    action: Action
    from_revision: str = ""
    from_commit: Commit | None = None
    to_revision: str = ""
    to_commit: Commit | None = None
    entries: tuple[PlanEntry, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    type_to_confirm: str = ""
    command: str = ""


class Deployed(msgspec.Struct, frozen=True):
    """What an entry of the history changed against the one before it; `problem` is why that can't be said."""

    entries: tuple[PlanEntry, ...] = ()
    problem: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of an executed action: asked for (`accepted`) or not, and the sentence to show."""

    action: Action
    accepted: bool
    message: str


class AppDiff(msgspec.Struct, frozen=True):
    """An application compared with Git, object by object; only objects that differ unless one was asked for.

    `notes` are sentences on how it was compared (where the API server could not be asked, and why).
    """

    key: AppKey
    revision: str
    commit: Commit | None
    objects: tuple[ObjectDiff, ...]
    notes: tuple[str, ...] = ()
