"""Where the columns of a grid stand, and what of a cell there is room for.

Owns: `Column`, `Place` and how they are fitted. Pure. Called by `screens.widgets.matrix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from screens.cells import Line, Span, cell_len, clean
from screens.widgets.rows import Key

NARROW = 4
"""The least width of a column: a mark, a glyph, one for skew, a blank."""


class Place(NamedTuple):
    """What stands in one place: a glyph always, `text` and `tail` where there is room; `short` stands for the tail
    where there is not. `key` identifies it, however the grid is turned."""

    key: Key
    glyph: Span
    text: str = ""
    tail: Span = Span("")
    short: str = ""
    dim: bool = False
    problem: bool = False


class Column(NamedTuple):
    """A column on the screen: its place among all, where it begins, how wide it is (the cell before it included)."""

    place: int
    x: int
    width: int

    @property
    def inner(self) -> int:
        """The cells that a text may take; a narrow column has no blank but the next one's first."""
        return self.width - (1 if self.width <= 2 * NARROW else 2)


def with_blanks(want: int) -> int:
    """The width of a column for a text: a mark before it, a blank behind it."""
    return max(NARROW, want + 2)


def shared(wants: Sequence[int], room: int) -> Sequence[int]:
    """The widths of columns that have `room` cells together: what each wants where that fits; else those that want much
    share evenly what the others leave, and none is narrower than `NARROW`."""
    left = len(wants)
    for want in sorted(wants):
        if want > room // left:
            return [min(each, max(NARROW, room // left)) for each in wants]
        room -= want
        left -= 1
    return wants


def seen_from(first: int, widths: Sequence[int], x: int, room: int) -> list[Column]:
    """The columns from the one at place `first` on that are seen in `room` cells from `x` on; the first one always, cut
    where it is wider."""
    seen: list[Column] = []
    for place in range(first, len(widths)):
        width = widths[place] if seen else min(widths[place], room)
        if width > room:
            break
        seen.append(Column(place, x, width))
        x += width
        room -= width
    return seen


def within(place: Place, width: int) -> Line:
    """A place in exactly `width` cells: the glyph, and as much of the rest as there is room for; a text that would be
    cut is left out, since a version without its end is another one."""
    glyph, text, tail = place.glyph, clean(place.text), place.tail
    left = width - cell_len(clean(glyph.text))
    spans = [glyph]
    if text and cell_len(text) + 1 + cell_len(place.short) <= left:
        spans.append(Span(f" {text}", glyph.role))
        left -= cell_len(text) + 1
        if tail.text and cell_len(tail.text) + 1 <= left:
            spans.append(Span(f" {tail.text}", tail.role))
            left -= cell_len(tail.text) + 1
            return (*spans, Span(" " * left))
    if cell_len(place.short) <= left:
        spans.append(Span(place.short, tail.role))
        left -= cell_len(place.short)
    return (*spans, Span(" " * max(0, left)))


def fitted(line: Line, width: int) -> Line:
    """A line in exactly `width` cells: the spans that fit whole, the first ones first."""
    spans: list[Span] = []
    left = width
    for span in line:
        if cell_len(clean(span.text)) > left:
            break
        spans.append(span)
        left -= cell_len(clean(span.text))
    return (*spans, Span(" " * left))
