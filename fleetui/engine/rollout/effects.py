"""What a step of a rollout asks of the world.

Owns: the effects as data, and `Trouble`, what becomes of one that failed. Each is idempotent, and follows from the
stored rollout alone: whoever takes it over finds the same effects. Made by `fleetui.engine.rollout.machine`, carried
out by `runner`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from fleetui.model.rollout import CellKey


class Write(msgspec.Struct, frozen=True):
    """Write the versions of a wave's cells to Git; `back`: those that they had before."""

    wave: int
    cells: tuple[CellKey, ...]
    wanted: tuple[str, ...]
    expected: tuple[str, ...]
    back: bool = False


class Merged(msgspec.Struct, frozen=True):
    """Ask whether a wave's pull request has been merged."""

    wave: int
    pull_request: str


class Check(msgspec.Struct, frozen=True):
    """Ask Git whether cells still have the version that was written: their applications are slow to show it."""

    cells: tuple[CellKey, ...]


class Refresh(msgspec.Struct, frozen=True):
    """Have a cell's application compared with Git now."""

    cell: CellKey


class Sync(msgspec.Struct, frozen=True):
    """Ask for a sync of a cell's application."""

    cell: CellKey


class Ask(msgspec.Struct, frozen=True):
    """Ask a metric or a webhook whether a gate holds."""

    wave: int
    gate: int


Effect: TypeAlias = Write | Merged | Check | Refresh | Sync | Ask


class Trouble(msgspec.Struct, frozen=True):
    """Why an effect was not carried out; `lasting`: asking again would not help."""

    message: str
    lasting: bool = False
