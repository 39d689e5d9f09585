"""How wide each column of a table is.

Owns: `Column` and `lay_out`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One column: never narrower than `least` cells, not wider than its widest content or `most`.

    `priority` 0 stays on the narrowest terminal; higher ones vanish first. `wide` columns come with the wide view,
    or where the others leave room. The column with `rest` takes what the others leave. `flash` says whether a changed
    cell is marked, `name` whether it is to be told elsewhere where it had to be cut; `prose` is cut at its end,
    anything else in the middle.
    """

    id: str
    title: str
    least: int
    most: int
    priority: int = 0
    wide: bool = False
    rest: bool = False
    right: bool = False
    flash: bool = True
    name: bool = False
    prose: bool = False


GAP = 2


def lay_out(
    columns: Sequence[Column], width: int, *, wanted: Mapping[str, int], wide: bool | None = False
) -> tuple[tuple[Column, int], ...]:
    """The columns that fit in `width` cells and the cells that each gets, `GAP` blanks between them.

    `wanted` is the width of each column's widest content, by id; a column that isn't in it wants `most`. Of the wide
    columns those come that fit at all, with `wide` None those that fit beside whole contents of the others.
    """
    wants = {
        column.id: max(column.least, min(column.most, max(wanted.get(column.id, column.most), len(column.title))))
        for column in columns
    }
    shown = _roomy(columns, width, wants) if wide is None else [column for column in columns if wide or not column.wide]
    while len(shown) > 1 and sum(column.least for column in shown) + GAP * (len(shown) - 1) > width:
        last = max(column.priority for column in shown)
        shown.remove(next(column for column in reversed(shown) if column.priority == last))
    widths = {column.id: column.least for column in shown}
    left = width - sum(widths.values()) - GAP * (len(shown) - 1)
    for column in sorted(shown, key=lambda column: column.priority):
        more = min(left, wants[column.id] - column.least)
        widths[column.id] += more
        left -= more
    rest = next((column for column in shown if column.rest), None)
    if rest is not None:
        widths[rest.id] += left
    if left < 0:
        widths[shown[0].id] = max(1, widths[shown[0].id] + left)
    return tuple((column, widths[column.id]) for column in shown)


def _roomy(columns: Sequence[Column], width: int, wants: Mapping[str, int]) -> list[Column]:
    """The columns that aren't wide, and by priority the wide ones for which they leave room."""
    used = sum(wants[column.id] + GAP for column in columns if not column.wide) - GAP
    chosen = set()
    for column in sorted((column for column in columns if column.wide), key=lambda column: column.priority):
        if used + GAP + column.least <= width:
            chosen.add(column.id)
            used += GAP + wants[column.id]
    return [column for column in columns if not column.wide or column.id in chosen]
