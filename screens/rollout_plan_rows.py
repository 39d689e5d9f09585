"""The plan of a rollout as lines: its waves, what changes in which cells, what forbids it.

Owns: what the wizard says of a plan. Pure but for the host it reads names and colours from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from fleetui.engine.rollout.gates import gate_words
from fleetui.fleet.rolloutapi import ChangeGroup, PlannedRollout
from fleetui.model.rollout import CellKey, WavePlan
from screens.cells import Span, cell_len, clean, fit, pad, wrap
from screens.glyphs import Glyphs
from screens.host import Host
from screens.plan_lines import VERB_ROLE
from screens.theme import cluster_role
from screens.widgets.lines import Text
from screens.words import plural

GROUP = "group"
_NAME = 16


def plan_rows(planned: PlannedRollout, opened: Collection[str], width: int, host: Host) -> list[Text]:
    """What would happen; groups of changes that are `opened` with each object."""
    glyphs, plan = host.glyphs, planned.plan
    rows: list[Text] = []
    for refusal in planned.refusals:
        rows += _bullets(refusal, width, Span(f" {glyphs.degraded} ", "error"), "error")
    clusters = len({cell.key.cluster for cell in plan.cells})
    does = "changes" if len(plan.cells) == 1 else "change"
    changed = f"{plural(len(plan.cells), 'cell')} on {plural(clusters, 'cluster')} {does}"
    have = len(planned.unchanged)
    there = f", {have} {'has' if have == 1 else 'have'} the version already" if have else ""
    if plan.cells or planned.unchanged or not planned.refusals:
        rows.append(Text((Span(f" {changed if plan.cells else 'Nothing to do'}{there}", "bright"),)))
    rows += _waves(plan.waves, host)
    for group in planned.groups:
        rows += _group(group, group.change in opened, host)
    for note in planned.notes:
        rows += _bullets(note, width, Span(" - ", "muted"), "")
    return rows


def _waves(waves: Sequence[WavePlan], host: Host) -> list[Text]:
    ellipsis = host.glyphs.ellipsis
    wide = min(_NAME, max((cell_len(clean(wave.name)) for wave in waves), default=0))
    same = len({wave.gates for wave in waves}) == 1
    rows = []
    for place, wave in enumerate(waves):
        names = list(Counter(cell.cluster for cell in wave.cells))
        count = plural(len(names), "cluster")
        gates = (Span(f"  {', '.join(map(gate_words, wave.gates))}", "muted"),) if not same else ()
        named = tuple(
            span
            for number, name in enumerate(names)
            for span in (
                Span(", " if number else "", "muted"),
                Span(name, cluster_role(host.picture.place(name))),
                Span(host.glyphs.protected if host.picture.protected(name) else "", "warning"),
            )
        )
        head = Span(f"   {place + 1} {fit(wave.name, wide, ellipsis=ellipsis)}  {count:<13}", "")
        rows.append(Text((head, *gates, Span("  "), *named)))
    return rows


def _group(group: ChangeGroup, opened: bool, host: Host) -> list[Text]:
    """Cells whose difference is the same: one row, that opens."""
    glyphs = host.glyphs
    twig = glyphs.opened if opened else glyphs.closed
    head = Span(f" {twig} {_cells(group.cells)}: ", "")
    if group.problem:
        said = Span(f"what changes can't be said: {group.problem}", "warning")
    else:
        verbs = Counter(entry.verb for entry in group.entries)
        said = Span(", ".join(f"{count} {verb}" for verb, count in verbs.items()) or "no object changes", "info")
    first = group.entries[0] if group.entries else None
    example = f"   {first.ref.kind} {first.ref.name} {first.summary}" if first is not None and not opened else ""
    key = (GROUP, group.change)
    rows = [Text((head, said, Span(example, "muted")), stop=bool(group.problem), key=key)]
    return [*rows, *_inside(group, glyphs)] if opened else rows


def _inside(group: ChangeGroup, glyphs: Glyphs) -> list[Text]:
    names = [f"{entry.ref.kind} {entry.ref.name}" for entry in group.entries]
    wide = min(48, max((cell_len(clean(name)) for name in names), default=0))
    cells = Text((Span(f"     on {', '.join(str(cell.cluster) for cell in group.cells)}", "muted"),))
    return [
        cells,
        *(
            Text(
                (
                    Span(f"     {pad(clean(entry.verb), 8)}", VERB_ROLE.get(entry.verb, "")),
                    Span(fit(name, wide, ellipsis=glyphs.ellipsis)),
                    Span(f"  {entry.summary}", "muted"),
                )
            )
            for name, entry in zip(names, group.entries, strict=True)
        ),
    ]


def _cells(cells: Sequence[CellKey]) -> str:
    if len(cells) == 1:
        return f"{cells[0].cluster} {cells[0].addon}"
    addons = sorted({cell.addon for cell in cells})
    return f"the same in {len(cells)} cells of {', '.join(addons)}"


def _bullets(text: str, width: int, bullet: Span, role: str) -> list[Text]:
    indent = Span(" " * cell_len(bullet.text))
    lines = wrap(text, width - cell_len(bullet.text), 4)
    return [
        Text((bullet if number == 0 else indent, Span(line, role)), stop=role == "error" and number == 0)
        for number, line in enumerate(lines)
    ]
