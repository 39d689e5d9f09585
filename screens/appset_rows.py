"""ApplicationSets as rows of their table, and what one would do as lines.

Owns: the columns, what each cell says, and the lines of a preview. Pure: views in, cells out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from fleetui.diff import lines as yaml_lines
from fleetui.fleet.appsets import AppSetView
from fleetui.model.change import Change, ChangeKind
from screens.cells import Cell, Span, wrap
from screens.glyphs import Glyphs
from screens.widgets.columns import Column
from screens.widgets.lines import Text
from screens.widgets.table import Row

if TYPE_CHECKING:
    from fleetui.engine.appset.preview import Preview, Previewed

COLUMNS = (
    Column("appset", "APPLICATIONSET", least=14, most=40, flash=False, name=True),
    Column("hub", "CLUSTER", least=8, most=30, flash=False),
    Column("state", "STATUS", least=7, most=8),
    Column("count", "APPS", least=5, most=6),
    Column("generators", "GENERATORS", least=10, most=40, priority=1, flash=False),
    Column("said", "MESSAGE", least=16, most=80, priority=2, prose=True),
    Column("policy", "POLICY", least=6, most=14, priority=3, wide=True, flash=False),
)
_ROLES = {"error": "error", "rolling": "warning", "ok": "success"}
_FATES = {"deleted": ("-", "remove"), "created": ("+", "add"), "changed": ("~", "warning"), "held": ("!", "error")}
_KINDS = {ChangeKind.ADD: ("+", "add"), ChangeKind.REMOVE: ("-", "remove")}


def row(view: AppSetView) -> Row:
    """The row of an ApplicationSet, a cell for each of `COLUMNS`."""
    return Row(
        (
            Cell(view.key.name),
            Cell(view.key.hub, "muted"),
            Cell(view.state, _ROLES.get(view.state, "muted")),
            Cell("" if view.applications is None else str(view.applications)),
            Cell(", ".join(view.generators), "muted"),
            Cell(view.said if view.state != "ok" else "", "error" if needs_human(view) else "muted"),
            Cell(view.policy, "muted"),
        )
    )


def needs_human(view: AppSetView) -> bool:
    """Whether `n` stops here: it can't make its Applications."""
    return view.healthy is False


def widths(views: Iterable[AppSetView]) -> Mapping[str, int]:
    """How wide the widest content of each column is."""
    wanted = {column.id: 0 for column in COLUMNS}
    for view in views:
        for column, cell in zip(COLUMNS, row(view).cells, strict=True):
            wanted[column.id] = max(wanted[column.id], cell.width)
    return wanted


def preview_lines(preview: Preview, glyphs: Glyphs, width: int, *, folded: bool) -> list[Text]:
    """What would be done, Application by Application; `folded`: without those that stay as they are, and without the
    fields of what is created or deleted."""
    found = [line for problem in preview.problems for line in _problem(problem, width)]
    for each in preview.applications:
        if not folded or each.fate.value != "same":
            found += _application(each, glyphs, folded=folded)
    return found


def _problem(problem: str, width: int) -> list[Text]:
    first, *others = wrap(problem, max(width - 4, 20), 8)
    head = Text((Span(f" ! {first}", "error"),), stop=True, key=("problem", problem))
    return [head, *(Text((Span(f"   {line}", "error"),)) for line in others)]


def _application(each: Previewed, glyphs: Glyphs, *, folded: bool) -> list[Text]:
    mark, role = _FATES.get(each.fate.value, ("=", "muted"))
    why = (Span(f": {each.why}", "muted"),) if each.why else ()
    head = (Span(f" {mark} ", role), Span(each.name, "bright"), Span(f" is {each.fate.value}", role), *why)
    found = [Text(head, stop=each.fate.value in _FATES, key=(each.name, ""))]
    diff = each.diff
    if diff is None:
        return found
    if diff.live is not None and diff.desired is not None:
        return found + [Text(_change(change, glyphs), key=(each.name, change.dotted)) for change in diff.changes]
    if not folded:
        whole = yaml_lines(diff.desired if diff.live is None else diff.live)
        found += [
            Text((Span(f"     {mark} {line}", role),), key=(each.name, place)) for place, line in enumerate(whole)
        ]
    return found


def _change(change: Change, glyphs: Glyphs) -> tuple[Span, ...]:
    mark, role = _KINDS.get(change.kind, ("~", "warning"))
    path = (Span(f"     {mark} ", role), Span(f"{change.dotted}: ", ""))
    if change.kind is ChangeKind.ADD:
        return (*path, Span(_value(change.after), "add"))
    if change.kind is ChangeKind.REMOVE:
        return (*path, Span(_value(change.before), "remove"))
    arrow = Span(f" {glyphs.arrow} ", "muted")
    return (*path, Span(_value(change.before), "remove"), arrow, Span(_value(change.after), "add"))


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()
