"""The comparison of an application: what is desired, what is live, and what that makes of it.

Owns: `Member`, `Comparison`, `compare` (`controller/state.go`, `CompareAppState`; Argo CD v3). Pure: whether an object
differs from Git has been found out before (`fleetui.engine.predict`) and is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fleetui.engine.application import COMPARE_OPTIONS, IGNORE_HEALTHCHECK, SYNC_OPTIONS, annotation, annotation_option
from fleetui.engine.desired import Target, Targets
from fleetui.engine.hooks import wave
from fleetui.engine.sync import images_of
from fleetui.engine.tracking import is_self_referenced
from fleetui.health import AppMember, aggregate
from fleetui.health.hooks import is_hook, is_skipped
from fleetui.model.objects import Obj, ObjectRef, ref_of, split_api_version
from fleetui.model.status import Health, HealthStatus, SyncStatus

Judge = Callable[[Obj], Health | None]


@dataclass(frozen=True)
class Member:
    """One object of the application: desired, live or both."""

    ref: ObjectRef
    target: Target | None
    live: Obj | None
    modified: bool = False

    @property
    def obj(self) -> Obj:
        return self.target.obj if self.target is not None else self.live or {}

    @property
    def hook(self) -> bool:
        return is_hook(self.obj)

    @property
    def self_referenced(self) -> bool:
        return self.target is not None or self.live is None or is_self_referenced(self.live)

    @property
    def requires_pruning(self) -> bool:
        return self.target is None and self.live is not None and self.self_referenced

    @property
    def judged(self) -> bool:
        """Whether the object has a sync status of its own."""
        return not self.hook and not is_skipped(self.obj) and self.self_referenced

    @property
    def differs(self) -> bool:
        return self.modified or self.target is None or self.live is None


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. `error` is the ComparisonError that kept it from looking, or empty."""

    status: SyncStatus
    health: Health
    revision: str
    members: tuple[Member, ...]
    resources: list[Obj]
    targets: Targets
    images: tuple[str, ...] = ()
    error: str = ""


def members_of(targets: Targets, live: Callable[[ObjectRef], Obj | None], tracked: Iterable[Obj]) -> list[Member]:
    """Every object of the application: the desired ones in order, then what is tracked but no longer desired."""
    found = [Member(target.ref, target, live(target.ref)) for target in targets.objects]
    for obj in tracked:
        ref = ref_of(obj)
        if ref not in targets.by_ref:
            found.append(Member(ref, None, obj))
    return found


def compare(members: Sequence[Member], targets: Targets, *, revision: str, judge: Judge) -> Comparison:
    """The comparison of an application whose desired and live state are known."""
    out_of_sync = any(
        member.judged
        and member.differs
        and not (member.requires_pruning and annotation_option(member.live, COMPARE_OPTIONS, "IgnoreExtraneous"))
        for member in members
    )
    return Comparison(
        status=SyncStatus.OUT_OF_SYNC if out_of_sync else SyncStatus.SYNCED,
        health=_health(members, judge),
        revision=revision,
        members=tuple(members),
        resources=_rows(members, known=True),
        targets=targets,
        images=_images(members),
    )


def failed(members: Sequence[Member], *, revision: str, error: str) -> Comparison:
    """The comparison that could not be made: everything is Unknown, and `error` says why."""
    return Comparison(
        status=SyncStatus.UNKNOWN,
        health=Health(HealthStatus.UNKNOWN),
        revision=revision,
        members=tuple(members),
        resources=_rows(members, known=False),
        targets=Targets(),
        images=_images(members),
        error=error,
    )


def _health(members: Sequence[Member], judge: Judge) -> Health:
    return aggregate(
        AppMember(
            ref=member.ref,
            health=judge(member.live) if member.live is not None else None,
            present=member.live is not None,
            hook=member.hook or is_skipped(member.obj),
            ignored=annotation(member.live, IGNORE_HEALTHCHECK) == "true",
        )
        for member in members
    )


def _rows(members: Sequence[Member], *, known: bool) -> list[Obj]:
    """`status.resources` in Argo CD's order (`resourceStatusKey`)."""
    rows = [_row(member, known=known) for member in members]
    return sorted(rows, key=lambda row: "/".join(row.get(key, "") for key in ("group", "kind", "namespace", "name")))


def _row(member: Member, *, known: bool) -> Obj:
    status = ""
    if not known:
        status = SyncStatus.UNKNOWN.value
    elif member.judged:
        status = (SyncStatus.OUT_OF_SYNC if member.differs else SyncStatus.SYNCED).value
    confirm = member.requires_pruning and annotation_option(member.live, SYNC_OPTIONS, "Prune=confirm")
    row: Obj = {
        "group": member.ref.group,
        "version": split_api_version(str(member.obj.get("apiVersion", "")))[1],
        "kind": member.ref.kind,
        "namespace": member.ref.namespace,
        "name": member.ref.name,
        "status": status,
        "hook": member.hook,
        "requiresPruning": member.requires_pruning,
        "syncWave": wave(member.target.obj) if member.target is not None else 0,
        "requiresDeletionConfirmation": confirm,
    }
    return {key: value for key, value in row.items() if value}


def _images(members: Sequence[Member]) -> tuple[str, ...]:
    return tuple(sorted({image for member in members for image in images_of(member.live)}))
