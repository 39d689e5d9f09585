"""The timeline of a rollout, to be kept or shown elsewhere.

Owns: `as_json`, `as_markdown` and `plain`. Called by the command line and by the console. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from fleetui.model.rollout import CellPhase, Rollout, RolloutEvent
from fleetui.model.text import one_line
from fleetui.model.times import format_time


def as_json(rollout: Rollout) -> str:
    """What was planned, how it ended, and every step with its time and who took it; times are RFC 3339."""
    plan, state = rollout.plan, rollout.state
    cells = zip(plan.cells, state.cells, strict=False)
    found = {
        "hub": plan.key.hub,
        "namespace": plan.key.namespace,
        "name": plan.key.name,
        "addons": plan.moves,
        "createdAt": _time(plan.created_at or None),
        "createdBy": plan.created_by,
        "delivery": str(plan.delivery),
        "phase": str(state.phase),
        "reason": state.reason,
        "startedAt": _time(state.started_at),
        "endedAt": _time(state.ended_at),
        "cells": [
            {
                "cluster": cell.key.cluster,
                "addon": cell.key.addon,
                "from": cell.from_version,
                "to": cell.to_version,
                "phase": str(now.phase),
                "commit": now.commit,
                "message": now.message,
            }
            for cell, now in cells
        ],
        "events": [_event(event) for event in state.events],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def as_markdown(rollout: Rollout) -> str:
    """The same for people, as for an issue or a change record; texts from elsewhere are no markup in it."""
    plan, state = rollout.plan, rollout.state
    moves = ", ".join(f"{plain(addon)} to {plain(version)}" for addon, version in sorted(plan.moves.items()))
    counts = Counter(cell.phase for cell in state.cells)
    lines = [
        f"# Rollout {plain(plan.key.name)}: {moves}",
        "",
        f"- hub {plain(plan.key.hub)}, namespace {plain(plan.key.namespace)}",
        f"- {len(plan.cells)} cells in {len(plan.waves)} waves, delivered by {plan.delivery}",
        f"- planned by {plain(plan.created_by)}{f', {_time(plan.created_at)}' if plan.created_at else ''}",
        f"- {state.phase}{f': {plain(state.reason)}' if state.reason else ''}"
        f"{f', {_time(state.ended_at)}' if state.ended_at else ''}",
        f"- cells: {', '.join(f'{counts[phase]} {phase}' for phase in CellPhase if counts[phase])}",
        "",
        "| time | wave | cell | what | who |",
        "|---|---|---|---|---|",
    ]
    for event in state.events:
        cell = plain(str(event.cell)) if event.cell is not None else ""
        lines.append(
            f"| {_time(event.time)} | {plain(event.wave)} | {cell} | {plain(event.what)} | {plain(event.who)} |"
        )
    return "\n".join(lines) + "\n"


def _event(event: RolloutEvent) -> dict[str, Any]:
    cell = {"cluster": event.cell.cluster, "addon": event.cell.addon} if event.cell is not None else None
    return {"time": _time(event.time), "wave": event.wave, "cell": cell, "what": event.what, "who": event.who}


def _time(seconds: float | None) -> str | None:
    return format_time(seconds) if seconds is not None else None


def plain(text: str) -> str:
    """A text as Markdown shows it unchanged, in a cell of a table too."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>#|!~" else each for each in one_line(text))
