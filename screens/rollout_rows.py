"""A rollout as lines: its waves with their cells and gates, its timeline, and what is said of each.

Owns: what the running view says. Pure but for the host it reads names and colours from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fleetui.fleet.rolloutview import (
    PROBLEMS,
    CellView,
    GateView,
    WaveView,
    cell_words,
    cells_of,
    driver_words,
    failed_cells,
    moves_text,
)
from fleetui.model.rollout import CellKey, CellPhase, GateKind, Rollout, RolloutEvent
from fleetui.model.times import age
from screens.cells import Line, Span, cell_len, clean, cut, fit, pad, width_of
from screens.glyphs import ROLLOUT_CELL_ROLE, ROLLOUT_ROLE, Glyphs
from screens.host import Host
from screens.theme import cluster_role
from screens.widgets.lines import BarLine, Text
from screens.words import short_revision

STRIP = 15
"""Cells of the screen that a wave's glyphs may take; more of them are counted."""
_NAME = 16
_CLUSTER = 30
_VERSION = 16


class WaveKey(NamedTuple):
    """The row of a wave, by its place."""

    place: int


def head_lines(rollout: Rollout, host: Host, lock: Line) -> list[BarLine]:
    """What it moves and how far it is; failures, commit and driver."""
    state, plan, now = rollout.state, rollout.plan, host.now()
    took = ""
    if state.started_at is not None:
        took = age((state.ended_at if state.ended_at is not None else now) - state.started_at)
    wave = "" if state.phase.ended else f"wave {min(state.wave + 1, len(plan.waves))} of {len(plan.waves)}"
    right = [Span(f"{part}   ", "muted") for part in (wave, took) if part]
    phase = Span(f"{state.phase.value} ", ROLLOUT_ROLE[state.phase])
    title = (Span(" Rollout ", "title"), Span(moves_text(rollout), "bright"))
    failed = failed_cells(rollout)
    failures = f" failures {failed} of {plan.failures_allowed} allowed"
    role = "error" if failed > plan.failures_allowed else "warning" if failed else "muted"
    second = [Span(failures, role), *_commit(rollout)]
    driver = driver_words(rollout, now) or f"by {plan.created_by}"
    return [
        BarLine(title, (*right, phase, *lock)),
        BarLine(tuple(second), (Span(f"{driver} ", "warning" if driver.startswith("nobody") else "muted"),)),
    ]


def _commit(rollout: Rollout) -> list[Span]:
    """The newest commit of the current wave, and the branch that it is on."""
    cells = cells_of(rollout)
    newest = max((cell for cell in cells if cell.state.commit), key=lambda cell: cell.state.since, default=None)
    if newest is None:
        return []
    where = newest.plan.truth.branch
    words = f"   commit {short_revision(newest.state.commit)}{f' on {where}' if where else ''}"
    return [Span(words, "muted")]


# --- waves and cells -------------------------------------------------------------------------------------------------


def wave_rows(waves: Sequence[WaveView], opened: Collection[int], host: Host) -> list[Text]:
    """A row for each wave, and below those that are `opened` one for each cell."""
    glyphs, now = host.glyphs, host.now()
    wide = max((cell_len(clean(wave.plan.name)) for wave in waves), default=0)
    digits = len(str(max((len(wave.cells) for wave in waves), default=0)))
    strips = [strip(wave, glyphs) for wave in waves]
    broad = max(map(width_of, strips), default=0)
    shown: list[Text] = []
    for place, (wave, cells) in enumerate(zip(waves, strips, strict=True)):
        twig = glyphs.opened if place in opened else glyphs.closed
        name = fit(wave.plan.name, min(wide, _NAME), ellipsis=glyphs.ellipsis)
        count = f"{wave.finished:>{digits}}/{len(wave.cells):<{digits}}"
        spans = (
            Span(f" {twig} ", "muted"),
            Span(f"{place + 1} {name}", "bright" if wave.current else ""),
            Span(f"  {count} {pad(wave.words, 9)}  ", _wave_role(wave)),
            *cells,
            Span(" " * (broad - width_of(cells) + 1)),
            *gate_spans(wave, now, glyphs),
        )
        shown.append(Text(spans, stop=_is_problem(wave), key=WaveKey(place)))
        if place in opened:
            shown += cell_rows(wave.cells, host)
    return shown


def _is_problem(wave: WaveView) -> bool:
    return any(gate.failed for gate in wave.state.gates)


def _wave_role(wave: WaveView) -> str:
    if any(cell.state.phase in PROBLEMS for cell in wave.cells):
        return "error"
    return "info" if wave.current else "ok" if wave.state.ended_at is not None else "muted"


def strip(wave: WaveView, glyphs: Glyphs) -> Line:
    """The cells of a wave as glyphs, or where there are many as counts."""
    phases = [cell.state.phase for cell in wave.cells]
    if len(phases) > STRIP:
        return tuple(_counted(phases, glyphs))
    gap = " " if 2 * len(phases) <= STRIP else ""
    return tuple(Span(glyphs.cell(phase) + gap, ROLLOUT_CELL_ROLE[phase]) for phase in phases)


def _counted(phases: Sequence[CellPhase], glyphs: Glyphs) -> list[Span]:
    """What needs a human first, as far as there is room."""
    looks: dict[tuple[str, str], int] = {}
    for phase in sorted(phases, key=lambda phase: phase not in PROBLEMS):
        look = (glyphs.cell(phase), ROLLOUT_CELL_ROLE[phase])
        looks[look] = looks.get(look, 0) + 1
    spans: list[Span] = []
    room = STRIP
    for (glyph, role), count in looks.items():
        text = f"{glyph}{count} "
        room -= cell_len(text)
        if room < 0:
            break
        spans.append(Span(text, role))
    return spans


def gate_spans(wave: WaveView, now: float, glyphs: Glyphs) -> Line:
    """What a wave is held by: its gates in their order, the one whose turn it is not muted."""
    spans: list[Span] = []
    turn = wave.current
    for gate, view in zip(wave.plan.gates, wave.gates(now), strict=True):
        role = "muted"
        if turn and not view.passed:
            turn, role = False, "warning" if gate.kind is GateKind.APPROVAL else ""
        spans += [Span(", ", "muted")] * bool(spans)
        spans.append(Span(_gate(view, glyphs), "error" if view.failed else role))
    return tuple(spans) or (Span("no gate", "muted"),)


def _gate(view: GateView, glyphs: Glyphs) -> str:
    mark = glyphs.passed if view.passed else glyphs.degraded if view.failed else ""
    return f"{view.words} {mark}" if mark else view.words


def cell_rows(cells: Sequence[CellView], host: Host) -> list[Text]:
    """A row for each cell: how it is, where it goes, and what it says."""
    glyphs, now = host.glyphs, host.now()
    wide = min(_CLUSTER, max((cell_len(clean(cell.plan.key.cluster)) for cell in cells), default=0))
    several = len({cell.plan.key.addon for cell in cells}) > 1
    addon = max((cell_len(clean(cell.plan.key.addon)) for cell in cells), default=0) if several else 0
    rows = []
    for plan, state in cells:
        cluster = plan.key.cluster
        role = ROLLOUT_CELL_ROLE[state.phase]
        lock = glyphs.protected if host.picture.protected(cluster) else " "
        ends = (cut(each or "?", _VERSION, glyphs.ellipsis) for each in (plan.from_version, plan.to_version))
        versions = f" {glyphs.arrow} ".join(ends)
        since = age(now - state.since) if state.since and state.phase is not CellPhase.WAITING else ""
        spans = (
            Span(f"     {pad(glyphs.cell(state.phase), 2)}", role),
            Span(fit(cluster, wide, ellipsis=glyphs.ellipsis), cluster_role(host.picture.place(cluster))),
            Span(f" {lock} ", "warning"),
            *([Span(f"{fit(plan.key.addon, min(addon, _NAME), ellipsis=glyphs.ellipsis)}  ")] if several else []),
            Span(f"{versions}  ", "muted"),
            Span(pad(state.phase.value, 11), role),
            Span(f" {pad(since, 4)} ", "muted"),
            Span(cell_words(CellView(plan, state)), role if state.phase in PROBLEMS else "muted"),
        )
        rows.append(Text(spans, stop=state.phase in PROBLEMS, key=plan.key))
    return rows


# --- the line below --------------------------------------------------------------------------------------------------


def about_wave(wave: WaveView, now: float, glyphs: Glyphs) -> list[str]:
    """What there is to say of a wave: its gates, its failures, its pull request."""
    gates = ", ".join(_gate(view, glyphs) for view in wave.gates(now)) or "no gate"
    failed = sum(cell.state.phase is CellPhase.FAILED for cell in wave.cells)
    said = [f"{wave.plan.name}: {gates}; failures {failed} of {wave.plan.failures_allowed} allowed in this wave"]
    return [*said, f"pull request {wave.state.change}"] if wave.state.change else said


def about_cell(cell: CellView, wave: str) -> list[str]:
    """What there is to say of a cell: why it is as it is, what can be decided, and where its version is written."""
    plan, state = cell
    name, words = f"{plan.key.cluster} {plan.key.addon}", cell_words(cell)
    stands = words if state.phase is CellPhase.CHANGED else f"{state.phase}: {words}" if words else state.phase.value
    lines = [f"{name}: {stands}" if words else f"{name}: {stands}, in wave {wave}"]
    if state.phase is CellPhase.CHANGED:
        lines.append("r takes it along to the new version, s leaves it as it is")
    elif state.phase is CellPhase.FAILED:
        lines.append("r tries it again, s goes on without it, enter shows why")
    truth = plan.truth
    commit = f"commit {short_revision(state.commit)}, " if state.commit else ""
    lines.append(f"{commit}{truth.path}{f' {truth.field}' if truth.field else ''} on {truth.branch} of {truth.url}")
    return lines


# --- the timeline ----------------------------------------------------------------------------------------------------


def log_lines(events: Iterable[RolloutEvent], known: Collection[CellKey]) -> list[Text]:
    """The timeline, the newest last."""
    addons = len({key.addon for key in known})
    return [Text(_event(event, addons), key=number) for number, event in enumerate(events)]


def _event(event: RolloutEvent, addons: int) -> Line:
    moment = datetime.fromtimestamp(event.time, UTC).strftime("%H:%M:%S")
    where = event.wave
    if event.cell is not None:
        where = event.cell.cluster if addons == 1 else f"{event.cell.cluster} {event.cell.addon}"
    who = (Span(f"  {event.who}", "accent"),) if event.who else ()
    return (Span(f"   {moment}  ", "muted"), Span(fit(where, 16)), Span(f"  {event.what}"), *who)
