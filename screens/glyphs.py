"""One glyph, one meaning, everywhere: the glyphs, their ASCII letters and their colour roles.

Owns: `Glyphs` and the tables from the model's words to glyphs and roles. Pure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from fleetui.model.rollout import CellPhase, RolloutPhase
from fleetui.model.status import ClusterState, HealthStatus, OperationPhase, SyncStatus


class Glyphs(NamedTuple):
    """The characters that one terminal can show."""

    healthy: str = "●"
    progressing: str = "◐"
    degraded: str = "✖"
    missing: str = "◌"
    suspended: str = "‖"
    unknown: str = "?"
    synced: str = "="
    out_of_sync: str = "≠"
    sync_unknown: str = "~"
    stale: str = "◷"
    protected: str = "⚿"
    marked: str = "▌"
    locked: str = "⊘"
    into: str = "›"
    arrow: str = "→"
    opened: str = "▾"
    closed: str = "▸"
    ellipsis: str = "…"
    rule: str = "─"
    nothing: str = "·"
    behind: str = "↓"
    ahead: str = "↑"
    times: str = "×"
    waiting: str = "·"
    skipped: str = "–"
    by_hand: str = "≈"
    restored: str = "○"
    passed: str = "✓"
    off: str = "[ ]"
    on: str = "[x]"

    def health(self, status: HealthStatus) -> str:
        """The glyph of a health."""
        return str(getattr(self, status.value.lower()))

    def sync(self, status: SyncStatus) -> str:
        """The glyph of a sync status."""
        return {SyncStatus.SYNCED: self.synced, SyncStatus.OUT_OF_SYNC: self.out_of_sync}.get(status, self.sync_unknown)

    def cell(self, phase: CellPhase) -> str:
        """The glyph of a rollout's cell."""
        return str(getattr(self, ROLLOUT_GLYPH[phase]))


UNICODE = Glyphs()

ASCII = Glyphs(
    healthy="H",
    progressing="P",
    degraded="X",
    missing="M",
    suspended="S",
    out_of_sync="!",
    stale="s",
    protected="!",
    marked="*",
    locked="",
    into=">",
    arrow="->",
    opened="v",
    closed=">",
    ellipsis="..",
    rule="-",
    nothing=".",
    behind="-",
    ahead="+",
    times="x",
    waiting=".",
    skipped="-",
    by_hand="c",
    restored="o",
    passed="ok",
)

HEALTH_ROLE = {
    HealthStatus.HEALTHY: "ok",
    HealthStatus.PROGRESSING: "info",
    HealthStatus.DEGRADED: "error",
    HealthStatus.MISSING: "warning",
    HealthStatus.SUSPENDED: "muted",
    HealthStatus.UNKNOWN: "muted",
}

SYNC_ROLE = {SyncStatus.SYNCED: "muted", SyncStatus.OUT_OF_SYNC: "warning", SyncStatus.UNKNOWN: "muted"}

PHASE_ROLE = {
    OperationPhase.RUNNING: "info",
    OperationPhase.TERMINATING: "warning",
    OperationPhase.FAILED: "error",
    OperationPhase.ERROR: "error",
    OperationPhase.SUCCEEDED: "muted",
}

ROLLOUT_GLYPH = {
    CellPhase.WAITING: "waiting",
    CellPhase.WRITING: "out_of_sync",
    CellPhase.WRITTEN: "out_of_sync",
    CellPhase.SYNCING: "out_of_sync",
    CellPhase.PROGRESSING: "progressing",
    CellPhase.HEALTHY: "healthy",
    CellPhase.FAILED: "degraded",
    CellPhase.SKIPPED: "skipped",
    CellPhase.CHANGED: "by_hand",
    CellPhase.RESTORING: "progressing",
    CellPhase.RESTORED: "restored",
}
"""The glyph of a rollout's cell, by its name in `Glyphs`: what is on its way looks as it does elsewhere."""

ROLLOUT_CELL_ROLE = {
    **dict.fromkeys(ROLLOUT_GLYPH, "info"),
    CellPhase.WAITING: "muted",
    CellPhase.HEALTHY: "ok",
    CellPhase.FAILED: "error",
    CellPhase.SKIPPED: "muted",
    CellPhase.CHANGED: "warning",
    CellPhase.RESTORING: "warning",
    CellPhase.RESTORED: "muted",
}

ROLLOUT_ROLE = {
    RolloutPhase.PLANNED: "muted",
    RolloutPhase.RUNNING: "info",
    RolloutPhase.PAUSED: "warning",
    RolloutPhase.HALTED: "error",
    RolloutPhase.ABORTED: "muted",
    RolloutPhase.ROLLING_BACK: "warning",
    RolloutPhase.ROLLED_BACK: "muted",
    RolloutPhase.DONE: "ok",
}

CLUSTER_ROLE = {
    ClusterState.REGISTERED: "muted",
    ClusterState.CONNECTING: "muted",
    ClusterState.LIVE: "muted",
    ClusterState.STALE: "warning",
    ClusterState.UNAUTHORIZED: "error",
    ClusterState.FORBIDDEN: "error",
    ClusterState.UNREACHABLE: "error",
}


def for_terminal(environ: Mapping[str, str] = os.environ) -> Glyphs:
    """The glyphs that the terminal of `environ` can show: letters where its encoding isn't UTF-8, and on Linux' own
    console, whose fonts have at most 512 characters and not these.

    ``FLEETUI_ASCII=1`` asks for the letters whatever the encoding is, ``0`` for the glyphs. Otherwise the first of
    LC_ALL, LC_CTYPE and LANG that is set says it (POSIX 8.2). Python's own encoding says nothing: it coerces the C
    locale to UTF-8 (PEP 538, by an LC_CTYPE of its own), and the terminal does not.
    """
    asked = environ.get("FLEETUI_ASCII", "")
    if asked:
        return UNICODE if asked == "0" else ASCII
    if environ.get("TERM") == "linux":
        return ASCII
    coerced = environ.get("LC_CTYPE") in {"C.UTF-8", "C.utf8"} and environ.get("LANG", "") in {"", "C", "POSIX"}
    names = ("LC_ALL", "LANG") if coerced else ("LC_ALL", "LC_CTYPE", "LANG")
    named = next((environ[name] for name in names if environ.get(name)), "")
    return UNICODE if "utf8" in named.lower().replace("-", "") else ASCII
