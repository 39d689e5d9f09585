"""The comparison of an application: what is desired, what is live, and what that makes of it.

Owns: `Member`, `Comparison`, `compare` (`controller/state.go`, `CompareAppState`; Argo CD v3). Pure: whether an object
differs from Git has been found out before (`fleetui.engine.predict`) and is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleetui.engine.application import (
    COMPARE_OPTIONS,
    IGNORE_HEALTHCHECK,
    Application,
    annotation,
    annotation_option,
    mapping,
    object_option,
    text,
)
from fleetui.engine.desired import Target, Targets
from fleetui.engine.hooks import phases, wave
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.summary import summary
from fleetui.engine.tracking import BY_ANNOTATION, Tracking
from fleetui.health import AppMember, Judge, aggregate
from fleetui.health.hooks import is_hook, is_skipped
from fleetui.model.objects import Obj, ObjectRef, ref_of, split_api_version
from fleetui.model.status import Health, SyncStatus


@dataclass(frozen=True)
class Member:
    """One object of the application: desired, live or both. `copied`: its tracking id was copied from another object,
    so that it is nobody's."""

    ref: ObjectRef
    target: Target | None
    live: Obj | None
    modified: bool = False
    copied: bool = False

    @property
    def obj(self) -> Obj:
        return self.target.obj if self.target is not None else self.live or {}

    @property
    def hook(self) -> bool:
        return is_hook(self.obj)

    @property
    def requires_pruning(self) -> bool:
        return self.target is None and self.live is not None and not self.copied

    @property
    def judged(self) -> bool:
        """Whether the object has a sync status of its own."""
        return not self.hook and not is_skipped(self.obj) and not self.copied

    @property
    def differs(self) -> bool:
        return self.modified or self.target is None or self.live is None


@dataclass(frozen=True)
class Provenance:
    """Which revisions a comparison looked at, as `status.sync` has it: `revision` that of the one source, `revisions`
    those of several; and in `tools` what rendered each (``Directory``), where that is known."""

    revision: str = ""
    revisions: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()

    @classmethod
    def of(cls, wanted: SourceSet, revisions: Sequence[str], tools: Sequence[str] = ()) -> Provenance:
        if wanted.multiple:
            return cls(revisions=tuple(revisions), tools=tuple(tools))
        return cls(revision=next(iter(revisions), ""), tools=tuple(tools))

    @property
    def each(self) -> tuple[str, ...]:
        """The revision of each source, be it one or several; none where they are not known."""
        return self.revisions or ((self.revision,) if self.revision else ())


@dataclass(frozen=True)
class Comparison:
    """What a comparison found, and of what (`origin`). `error` is the ComparisonError that kept it from looking, or
    empty, and `passing` whether the server said that it can't answer just now; `shared` are SharedResourceWarnings,
    `excluded` ExcludedResourceWarnings, `misplaced` InvalidSpecErrors; `summary` is the status' own."""

    status: SyncStatus
    health: Health
    origin: Provenance
    members: tuple[Member, ...]
    resources: list[Obj]
    targets: Targets
    summary: Obj = field(default_factory=dict)
    error: str = ""
    passing: bool = False
    shared: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """The revision of the one source; empty where there are several."""
        return self.origin.revision


def members_of(
    targets: Targets,
    live: Callable[[ObjectRef], Obj | None],
    tracked: Iterable[Obj],
    tracking: Tracking = BY_ANNOTATION,
) -> list[Member]:
    """Every object of the application: the desired ones in order, then what is tracked but no longer desired."""
    found = [Member(target.ref, target, live(target.ref)) for target in targets.objects]
    for obj in tracked:
        ref = ref_of(obj)
        if ref not in targets.by_ref:
            found.append(Member(ref, None, obj, copied=not tracking.is_own(obj)))
    return found


def compare(
    app: Application,
    members: Sequence[Member],
    targets: Targets,
    *,
    instance: str,
    origin: Provenance,
    judge: Judge,
    tracking: Tracking = BY_ANNOTATION,
    excluded: Sequence[str] = (),
) -> Comparison:
    """The comparison of an application whose desired and live state are known.

    Args:
        app: the application.
        members: its objects.
        targets: what is desired.
        instance: the application's name within tracking ids.
        origin: what it is compared with.
        judge: the health of a live object.
        tracking: how objects say whose they are.
        excluded: a warning for each desired object of a kind that the hub leaves out.
    """
    out_of_sync = _namespace_metadata_changed(app) or any(
        member.judged
        and member.differs
        and not (member.requires_pruning and annotation_option(member.live, COMPARE_OPTIONS, "IgnoreExtraneous"))
        for member in members
    )
    return Comparison(
        status=SyncStatus.OUT_OF_SYNC if out_of_sync else SyncStatus.SYNCED,
        health=_health(app, members, judge),
        origin=origin,
        members=tuple(members),
        resources=_rows(app, members, targets, known=True),
        targets=targets,
        summary=_summary(app, members),
        shared=_shared(app, members, instance, tracking),
        excluded=tuple(excluded),
        misplaced=_misplaced(members),
    )


def failed(
    app: Application,
    members: Sequence[Member],
    *,
    origin: Provenance,
    judge: Judge,
    error: str,
    blind: bool = False,
    passing: bool = False,
) -> Comparison:
    """The comparison that could not be made: what is in sync is Unknown, and `error` says why.

    The health is still that of what is live (`controller/state.go`: a failed load does not touch it). With `blind`,
    where the cluster could not be looked at, the rows of the last comparison stay: they are all that tells which kinds
    the application has.
    """
    rows = _rows(app, members, Targets(), known=False)
    if blind:
        rows = _sorted([*rows, *_former_rows(app, rows)])
    return Comparison(
        status=SyncStatus.UNKNOWN,
        health=_health(app, members, judge),
        origin=origin,
        members=tuple(members),
        resources=rows,
        targets=Targets(),
        summary=_summary(app, members),
        error=error,
        passing=passing,
    )


def _namespace_metadata_changed(app: Application) -> bool:
    """Whether `managedNamespaceMetadata` is another one than at the last sync."""
    wanted = app.sync_policy.get("managedNamespaceMetadata")
    result = mapping(app.operation_state).get("syncResult")
    if not isinstance(wanted, Mapping) or not isinstance(result, Mapping):
        return False
    return wanted != result.get("managedNamespaceMetadata")


def _health(app: Application, members: Sequence[Member], judge: Judge) -> Health:
    uid = app.uid
    members_judged = (
        AppMember(
            ref=member.ref,
            health=judge(member.live) if member.live is not None else None,
            present=member.live is not None,
            hook=member.hook or is_skipped(member.obj),
            ignored=annotation(member.live, IGNORE_HEALTHCHECK) == "true",
            itself=bool(uid) and mapping(mapping(member.live).get("metadata")).get("uid") == uid,
        )
        for member in members
    )
    return aggregate(members_judged, explain=True)


def _rows(app: Application, members: Sequence[Member], targets: Targets, *, known: bool) -> list[Obj]:
    """`status.resources` in Argo CD's order (`resourceStatusKey`)."""
    hook_waves = {hook.ref: wave(hook.obj) for hook in targets.hooks if phases(hook.obj)}
    return _sorted([_row(app, member, hook_waves, known=known) for member in members])


def _former_rows(app: Application, rows: Sequence[Obj]) -> list[Obj]:
    """What `status.resources` held besides `rows`, in sync or not: Unknown."""
    listed, former = {_row_key(row) for row in rows}, app.status.get("resources")
    kept = [dict(row) for row in former if isinstance(row, Mapping)] if isinstance(former, list) else []
    return [{**row, "status": SyncStatus.UNKNOWN.value} for row in kept if _row_key(row) not in listed]


def _row_key(row: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(text(row.get(key)) for key in ("group", "kind", "namespace", "name"))


def _sorted(rows: list[Obj]) -> list[Obj]:
    return sorted(rows, key=lambda row: "/".join(_row_key(row)))


def _row(app: Application, member: Member, hook_waves: Mapping[ObjectRef, int], *, known: bool) -> Obj:
    status = ""
    if not known:
        status = SyncStatus.UNKNOWN.value
    elif member.judged:
        status = (SyncStatus.OUT_OF_SYNC if member.differs else SyncStatus.SYNCED).value
    own_wave = wave(member.target.obj) if member.target is not None else hook_waves.get(member.ref, 0)
    row: Obj = {
        "group": member.ref.group,
        "version": split_api_version(str(member.obj.get("apiVersion", "")))[1],
        "kind": member.ref.kind,
        "namespace": member.ref.namespace,
        "name": member.ref.name,
        "status": status,
        "hook": member.hook,
        "requiresPruning": member.requires_pruning,
        "syncWave": own_wave,
        "requiresDeletionConfirmation": _needs_confirmation(app, member),
    }
    return {key: value for key, value in row.items() if value}


def _needs_confirmation(app: Application, member: Member) -> bool:
    """Whether its deletion has to be approved (`isObjRequiresDeletionConfirmation`)."""
    objects = [
        obj for obj in (member.target.obj if member.target is not None else None, member.live) if obj is not None
    ]
    return any("confirm" in {object_option(app, obj, "Delete"), object_option(app, obj, "Prune")} for obj in objects)


def _shared(app: Application, members: Sequence[Member], instance: str, tracking: Tracking) -> tuple[str, ...]:
    """A warning for each live object that says it belongs to another application."""
    return tuple(
        f"{member.ref.kind}/{member.ref.name} is part of applications {app.namespace}/{app.name} and "
        + owner.replace("_", "/")
        for member in members
        if member.live is not None and (owner := tracking.owner_of(member.live)) not in {"", instance}
    )


def _misplaced(members: Sequence[Member]) -> tuple[str, ...]:
    """A sentence for each object that needs a namespace and has none, in Git or by the destination."""
    return tuple(
        f"Namespace for {member.ref.name} {ref.group}/{version}, Kind={ref.kind} is missing."
        for member in members
        if member.target is not None and member.target.namespaced and not (ref := member.ref).namespace
        for version in (split_api_version(text(member.obj.get("apiVersion")))[1],)
    )


def _summary(app: Application, members: Sequence[Member]) -> Obj:
    return summary(app.obj, ((each.target.obj if each.target else None, each.live) for each in members))
