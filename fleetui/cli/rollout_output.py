"""Rollouts as commands print them: tables, JSON, Markdown.

Owns: what `rollout plan`, `status` and `list` show; their JSON is documented in docs/cli.md. What is said of a rollout
is in `fleetui.fleet.rolloutview`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from fleetui.cli.documents import Document, at_time, ref
from fleetui.cli.output import aligned, emit
from fleetui.engine.rollout import telling
from fleetui.engine.rollout.driving import is_driven
from fleetui.engine.rollout.gates import gate_words
from fleetui.fleet.rolloutapi import PlannedRollout
from fleetui.fleet.rolloutrules import gate_text
from fleetui.fleet.rolloutview import (
    CellView,
    GateView,
    WaveView,
    awaits_approval,
    cell_words,
    cells_of,
    driver_words,
    failed_cells,
    moves_text,
    versions_text,
    waits_for,
    waves_of,
)
from fleetui.model.rollout import (
    CellKey,
    CellPhase,
    CellPlan,
    Driver,
    Gate,
    GateState,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    RolloutPlan,
)
from fleetui.model.text import one_line
from fleetui.model.times import age

_MOST = 6
"""Clusters that a line names."""

Rows = Sequence[Sequence[str]]
Table = Callable[[Sequence[str], Rows], str]


# --- tables ----------------------------------------------------------------------------------------------------------


def markdown(head: Sequence[str], rows: Rows) -> str:
    """A table of GitHub's Markdown; nothing in a cell is markup."""
    lines = [["---"] * len(head), *(list(map(telling.plain, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, *lines))


def rows(rollouts: Sequence[Rollout], now: float) -> str:
    """`rollout list`."""
    return aligned(_LIST, _list_rows(rollouts, now))


def markdown_rows(rollouts: Sequence[Rollout], now: float) -> str:
    """`rollout list -o markdown`."""
    return markdown(_LIST, _list_rows(rollouts, now))


_LIST = ("NAME", "ADDONS", "STATE", "WAVE", "CELLS", "FAILED", "DRIVER", "AGE", "BY")


def _list_rows(rollouts: Sequence[Rollout], now: float) -> list[list[str]]:
    return [
        [
            each.plan.key.name,
            moves_text(each),
            each.state.phase.value,
            f"{min(each.state.wave + 1, len(each.plan.waves))}/{len(each.plan.waves)}",
            f"{sum(wave.finished for wave in waves_of(each))}/{len(each.plan.cells)}",
            str(failed_cells(each)),
            each.state.driver.who if is_driven(each, now) else "",
            age(now - each.plan.created_at),
            each.plan.created_by,
        ]
        for each in rollouts
    ]


def event_line(event: RolloutEvent) -> str:
    """One event: when, where, what, who. The time is that of the day, UTC, as the engine's log has it."""
    moment = datetime.fromtimestamp(event.time, UTC).strftime("%H:%M:%S")
    where = str(event.cell) if event.cell is not None else event.wave
    parts = (moment, where, event.what, f"({event.who})" if event.who else "")
    return "  ".join(one_line(part) for part in parts if part)


def standing(rollout: Rollout, now: float) -> str:
    """How a rollout stands, in a line."""
    state, plan = rollout.state, rollout.plan
    waves = f"wave {min(state.wave + 1, len(plan.waves))} of {len(plan.waves)}"
    begun = state.started_at
    took = age((state.ended_at if state.ended_at is not None else now) - begun) if begun is not None else ""
    approval = awaits_approval(rollout)
    why = waits_for(rollout, now) if approval and not state.reason else state.reason
    said = f"{state.phase}: {why}" if why else state.phase.value
    parts = [said, "" if state.phase.ended else waves, took, "" if approval else driver_words(rollout, now)]
    return f"{plan.key.name}  {moves_text(rollout)}  {', '.join(part for part in parts if part)}"


def next_step(rollout: Rollout, now: float) -> str:
    """What a person may do about a rollout that stands still; empty where it goes on or has ended."""
    name, state = rollout.plan.key.name, rollout.state
    command = f"fleetui rollout {{}} {name}".format
    if state.phase.ended:
        return ""
    if state.phase is RolloutPhase.HALTED:
        return (
            f"{command('retry')} tries again, {command('skip')} goes on without them, {command('rollback')} goes back"
        )
    if awaits_approval(rollout):
        return f"{command('approve')} lets the wave through"
    if state.phase is RolloutPhase.PAUSED:
        return f"{command('resume')} goes on"
    if not is_driven(rollout, now):
        return f"nobody drives it; {command('resume')} carries it on"
    return ""


_WAVES = ("WAVE", "STATE", "CELLS", "FAILURES", "GATES")
_CELLS = ("CLUSTER", "ADDON", "FROM", "TO", "STATE", "SINCE", "MESSAGE")


def status(rollout: Rollout, output: str, *, now: float) -> None:
    """Prints a rollout, whole."""
    if output in {"json", "yaml"}:
        emit(document(rollout), output)
    elif output == "markdown":
        export(rollout, "markdown")
    else:
        failures = f"failures {failed_cells(rollout)} of {rollout.plan.failures_allowed} allowed"
        waves = [_wave_row(wave, now) for wave in waves_of(rollout)]
        cells = [_cell_row(cell, now) for cell in cells_of(rollout)]
        changes = [f"{wave.plan.name}: {wave.state.change}" for wave in waves_of(rollout) if wave.state.change]
        tables = (aligned(_WAVES, waves), aligned(_CELLS, cells))
        emit("\n\n".join(("\n".join((standing(rollout, now), failures, *changes)), *tables)))


def _wave_row(wave: WaveView, now: float) -> list[str]:
    gates = ", ".join(map(_gate, wave.gates(now)))
    failed = sum(cell.state.phase is CellPhase.FAILED for cell in wave.cells)
    return [
        wave.plan.name,
        wave.words,
        f"{wave.finished}/{len(wave.cells)}",
        f"{failed} of {wave.plan.failures_allowed}",
        gates,
    ]


def _gate(view: GateView) -> str:
    return f"{view.words} (passed)" if view.passed else f"{view.words} (failed)" if view.failed else view.words


def _cell_row(cell: CellView, now: float) -> list[str]:
    plan, state = cell
    since = age(now - state.since) if state.since else ""
    versions = [plan.from_version, plan.to_version]
    return [plan.key.cluster, plan.key.addon, *versions, state.phase.value, since, cell_words(cell)]


# --- plans -----------------------------------------------------------------------------------------------------------


def plan(planned: PlannedRollout, output: str) -> None:
    """Prints what a rollout would do."""
    if output in {"json", "yaml"}:
        emit(plan_document(planned), output)
        return
    if output == "markdown":
        emit("\n\n".join(_plan_parts(planned, markdown, telling.plain, heading="## ")))
    else:
        emit("\n\n".join(_plan_parts(planned, aligned, one_line)))


def _plan_parts(planned: PlannedRollout, table: Table, say: Callable[[str], str], *, heading: str = "") -> list[str]:
    """The plan in paragraphs; `say` makes what stands outside of tables harmless."""
    plan = planned.plan
    moves = ", ".join(
        f"{addon} {versions_text(dict.fromkeys(_before(plan, addon)))} → {version}"
        for addon, version in plan.moves.items()
    )
    nothing = "Nothing can be begun" if planned.refusals else "Nothing to do"
    parts = [heading + say(f"Rollout {plan.key.name}: {moves}" if plan.cells else nothing)]
    if planned.unchanged:
        parts.append(say(f"{_count(planned.unchanged, 'cell')} already there: {_names(planned.unchanged)}"))
    if plan.cells:
        waves = [
            (
                wave.name,
                str(len(wave.cells)),
                str(wave.failures_allowed),
                ", ".join(map(gate_words, wave.gates)),
                _clusters(wave.cells),
            )
            for wave in plan.waves
        ]
        parts.append(table(("WAVE", "CELLS", "MAY FAIL", "GATES", "CLUSTERS"), waves))
    for group in planned.groups:
        parts.append(say(f"{_count(group.cells, 'cell')}: {_names(group.cells)}"))
        found = [(entry.verb, entry.ref.kind, entry.ref.name, entry.summary) for entry in group.entries]
        if group.problem:
            parts.append(say(f"what changes can't be said: {group.problem}"))
        else:
            parts.append(table(("DOES", "KIND", "NAME", "WHAT"), found) if found else "no object changes")
    return parts


def _before(plan: RolloutPlan, addon: str) -> Iterable[str]:
    return (cell.from_version for cell in plan.cells if cell.key.addon == addon)


def _count(cells: Sequence[object], what: str) -> str:
    return f"{len(cells)} {what}{'' if len(cells) == 1 else 's'}"


def _names(cells: Sequence[CellKey]) -> str:
    more = len(cells) - _MOST
    return ", ".join(map(str, cells[:_MOST])) + (f" and {more} more" if more > 0 else "")


def _clusters(cells: Sequence[CellKey]) -> str:
    names = list(Counter(cell.cluster for cell in cells))
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


# --- documents -------------------------------------------------------------------------------------------------------


def plan_document(planned: PlannedRollout) -> Document:
    """`rollout plan -o json`."""
    return {
        **_planned(planned.plan),
        "cells": [_cell_plan(cell) for cell in planned.plan.cells],
        "waves": [
            {
                "name": wave.name,
                "cells": [_cell(key) for key in wave.cells],
                "maxFailures": wave.failures_allowed,
                "gates": [gate_text(gate) for gate in wave.gates],
            }
            for wave in planned.plan.waves
        ],
        "changes": [
            {
                "id": group.change,
                "cells": [_cell(key) for key in group.cells],
                "objects": [
                    {"verb": entry.verb, "ref": ref(entry.ref), "summary": entry.summary} for entry in group.entries
                ],
                "problem": group.problem,
            }
            for group in planned.groups
        ],
        "unchanged": [_cell(key) for key in planned.unchanged],
        "refusals": list(planned.refusals),
        "notes": list(planned.notes),
        "typeToConfirm": planned.type_to_confirm,
    }


def document(rollout: Rollout, *, whole: bool = True) -> Document:
    """A rollout; not `whole`: as a list has it, without cells and events."""
    state = rollout.state
    found = {
        **_planned(rollout.plan),
        "phase": state.phase.value,
        "reason": state.reason,
        "wave": state.wave + 1,
        "waves": [_wave(wave) for wave in waves_of(rollout)],
        "failures": failed_cells(rollout),
        "awaitsApproval": awaits_approval(rollout),
        "startedAt": at_time(state.started_at),
        "endedAt": at_time(state.ended_at),
        "driver": _driver(state.driver) if state.driver.holder else None,
    }
    if whole:
        found["cells"] = [{**_cell_plan(cell.plan), **_cell_state(cell)} for cell in cells_of(rollout)]
        found["events"] = [_event(event) for event in state.events]
    return found


def _driver(driver: Driver) -> Document:
    return {"who": driver.who, "since": at_time(driver.since), "until": at_time(driver.until)}


def _planned(plan: RolloutPlan) -> Document:
    return {
        "context": plan.key.hub,
        "namespace": plan.key.namespace,
        "name": plan.key.name,
        "addons": plan.moves,
        "maxFailures": plan.failures_allowed,
        "delivery": plan.delivery.value,
        "message": plan.message,
        "createdAt": at_time(plan.created_at) if plan.created_at else None,
        "createdBy": plan.created_by,
    }


def _cell(key: CellKey) -> Document:
    return {"cluster": key.cluster, "addon": key.addon}


def _cell_plan(cell: CellPlan) -> Document:
    truth = cell.truth
    return {
        **_cell(cell.key),
        "app": str(cell.app),
        "from": cell.from_version,
        "to": cell.to_version,
        "change": cell.change,
        "truth": {
            "kind": truth.kind,
            "repoURL": truth.url,
            "branch": truth.branch,
            "path": truth.path,
            "document": truth.document,
            "field": truth.field,
        },
    }


def _cell_state(cell: CellView) -> Document:
    state = cell.state
    return {
        "phase": state.phase.value,
        "since": at_time(state.since) if state.since else None,
        "message": state.message,
        "away": state.away,
        "commit": state.commit,
        "found": state.found,
        "attempts": state.attempts,
    }


def _wave(wave: WaveView) -> Document:
    return {
        "name": wave.plan.name,
        "state": wave.words,
        "cells": [_cell(cell.plan.key) for cell in wave.cells],
        "finished": wave.finished,
        "maxFailures": wave.plan.failures_allowed,
        "gates": [
            _gate_document(gate, wave.state.gates[place] if place < len(wave.state.gates) else GateState())
            for place, gate in enumerate(wave.plan.gates)
        ],
        "pullRequest": wave.state.change,
        "startedAt": at_time(wave.state.started_at),
        "endedAt": at_time(wave.state.ended_at),
    }


def _gate_document(gate: Gate, state: GateState) -> Document:
    return {
        "gate": gate_text(gate),
        "kind": gate.kind.value,
        "heldSince": at_time(state.held_since),
        "passedAt": at_time(state.passed_at),
        "failed": state.failed,
        "by": state.by,
        "message": state.message,
    }


def _event(event: RolloutEvent) -> Document:
    return {
        "time": at_time(event.time),
        "what": event.what,
        "who": event.who,
        "wave": event.wave,
        "cell": _cell(event.cell) if event.cell is not None else None,
    }


def export(rollout: Rollout, output: str) -> None:
    """Prints the timeline of a rollout."""
    emit(telling.as_json(rollout) if output == "json" else telling.as_markdown(rollout))
