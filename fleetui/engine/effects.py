"""What a sync step asks for, and what it is told: the words between the plan and the hands.

Owns: `Apply`, `Delete`, `ReleaseHook`, `Look` (the effects), `EffectResult`, `Recorded` and `StepOutcome`. Pure data;
made by `fleetui.engine.sync`, carried out by `fleetui.engine.execute`, stored by `fleetui.engine.operation`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from fleetui.engine.tasks import ResultCode, Task
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase


@dataclass(frozen=True)
class Apply:
    """Create or update `obj`; with `dry_run` only ask whether it would be accepted."""

    task: Task
    obj: Obj
    dry_run: bool = False


@dataclass(frozen=True)
class Delete:
    """Delete the live object of a task (prune, or the end of a hook)."""

    task: Task


@dataclass(frozen=True)
class ReleaseHook:
    """Take the hook finalizer off a hook, so that it may be deleted."""

    task: Task


@dataclass(frozen=True)
class Look:
    """Ask the server itself for an object that no watch shows: `gone` is the answer that it is not there."""

    task: Task


Effect = Apply | Delete | ReleaseHook | Look


@dataclass(frozen=True)
class EffectResult:
    """What became of an effect: a message as kubectl words it, `gone` where the object was not there any more."""

    ok: bool
    message: str = ""
    gone: bool = False

    @property
    def failed(self) -> bool:
        """Whether a deletion or a release did not come about: an object that is gone already is as good."""
        return not self.ok and not self.gone


@dataclass(frozen=True)
class Recorded:
    """One entry of `operationState.syncResult.resources`."""

    ref: ObjectRef
    version: str
    status: ResultCode | None
    message: str
    sync_phase: str
    hook_phase: OperationPhase | None
    hook_type: str = ""
    images: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[ObjectRef, str]:
        return self.ref, self.sync_phase


@dataclass(frozen=True)
class StepOutcome:
    """The operation after a step: its phase, message and all results so far.

    `waved` says that a wave which is not the last has just been applied.
    """

    phase: OperationPhase
    message: str
    results: tuple[Recorded, ...]
    waved: bool = False


Step = Generator[list[Effect], list[EffectResult], StepOutcome]
