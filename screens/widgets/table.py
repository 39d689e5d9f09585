"""The table of a fleet: thousands of rows, of which the visible ones are made when they are painted.

Owns: columns on the screen, the order that holds still under the hand, the marking of changed cells. The cells come
from a function of the row's key; nothing here knows what an application is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual.geometry import Region
from textual.timer import Timer

from screens.cells import Cell, Line, Span, cell_len, clean, cut, cut_end, fit, pad, width_of
from screens.widgets.columns import GAP, Column, lay_out
from screens.widgets.rows import Key, VirtualRows


class Row(NamedTuple):
    """What is shown of one key: a cell for each column, in their order; `dim` greys it (its cluster is stale)."""

    cells: tuple[Cell, ...]
    dim: bool = False


MARGIN = 2
"""The cells before the first column, where a mark stands."""


def held(shown: Sequence[Key], wanted: Sequence[Key]) -> list[Key]:
    """The rows of `wanted`, in the order of `shown` as far as they are in it; new ones come last, in their order."""
    known, new = set(shown), set(wanted)
    return [key for key in shown if key in new] + [key for key in wanted if key not in known]


class FleetTable(VirtualRows):
    """A table of `columns`; `row` gives what to show of a key, `problem` whether `n` and `N` stop there."""

    HOLD: ClassVar[float] = 3.0
    """Seconds without a key or a click after which a new order is taken over."""
    FLASH: ClassVar[float] = 2.0
    """Seconds for which a changed cell is marked."""

    def __init__(
        self,
        columns: Sequence[Column],
        row: Callable[[Key], Row],
        *,
        problem: Callable[[Key], bool] = lambda key: False,
        id: str | None = None,  # noqa: A002 - Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._wide: bool | None = None
        self._row = row
        self._problem = problem
        self._order: list[Key] = []
        self._wanted: list[Key] = []
        self._at: dict[Key, int] = {}
        self._laid: tuple[tuple[Column, int], ...] = ()
        self._laid_for: tuple[int, bool | None, int] = (0, False, 0)
        self._content: dict[str, int] = {}
        self._painted: dict[Key, Row] = {}
        self._flashes: dict[tuple[Key, int], float] = {}
        self._touched_at: float | None = None
        self._reorder: Timer | None = None

    # --- what VirtualRows asks -----------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        return len(self._order)

    def key_of(self, index: int) -> Key:
        return self._order[index]

    def is_problem(self, index: int) -> bool:
        return self._problem(self._order[index])

    @property
    def heads(self) -> Sequence[Line]:
        titles = [pad(column.title, width, right=column.right) for column, width in self.laid_out]
        return ((Span(" " * MARGIN), Span((" " * GAP).join(titles), "head")),)

    @property
    def head_height(self) -> int:
        return 1

    def paint(self, index: int, width: int) -> list[Segment]:
        key = self._order[index]
        row = self._painted[key] = self._row(key)
        state = self.state_of(index)
        style = self.palette.style
        mark = self.glyphs.marked if key in self.marks else ""
        places = {column.id: place for place, column in enumerate(self.columns)}
        # Blanks look alike in any colour: in that of what stands beside them they cost no bytes of style.
        beside = row.cells[places[self.laid_out[0][0].id]].role if self.laid_out else ""
        segments = [Segment(pad(mark, MARGIN), style("accent" if mark else beside, state, dim=row.dim and not mark))]
        for column, cells in self.laid_out:
            place = places[column.id]
            changed = (key, place) in self._flashes
            segments += [
                Segment(text, style(role, state, dim=row.dim, changed=changed))
                for text, role in fit_cell(row.cells[place], cells, column, ellipsis=self.glyphs.ellipsis)
            ]
            segments.append(Segment(" " * GAP, style(row.cells[place].role, state, dim=row.dim)))
        return segments

    # --- rows ----------------------------------------------------------------------------------------------------

    @property
    def order(self) -> Sequence[Key]:
        """The keys as they stand on the screen."""
        return self._order

    def set_rows(self, wanted: Sequence[Key], *, now: bool = False) -> None:
        """The rows that there are, in the order that they should have.

        The order is taken over at once with `now`, or when no hand has touched the table for `HOLD` seconds. Until
        then rows that went vanish, new ones come last, and nothing else moves.
        """
        self._wanted = list(wanted)
        if now or self._at_rest():
            self._take(self._wanted)
        else:
            self._take(held(self._order, self._wanted))
            self._reorder_later()

    def touch(self, keys: Collection[Key]) -> None:
        """Says that what is shown of these keys may have changed: visible rows are compared, and painted anew where
        they differ, from the first changed cell to the last. What is not seen costs nothing."""
        dirty = []
        for index in self.seen():
            key = self._order[index]
            before = self._painted.get(key)
            if key in keys and before is not None and (after := self._row(key)) != before:
                self._flash(key, before, after)
                begin, end = self._changed(before, after)
                dirty.append(Region(begin, index - self.top + self.head_height, end - begin, 1))
        if dirty := [region for region in dirty if region]:
            self.refresh(*dirty)

    def _changed(self, before: Row, after: Row) -> tuple[int, int]:
        """From where to where two rows differ on the screen; a row of ages costs a tenth of its bytes like this."""
        if before.dim != after.dim:
            return 0, self.inner_width
        places = {column.id: place for place, column in enumerate(self.columns)}
        begin = end = 0
        at = MARGIN
        for column, width in self.laid_out:
            if before.cells[places[column.id]] != after.cells[places[column.id]]:
                # The blanks on both sides wear the colour of a cell.
                begin, end = begin if end else at - MARGIN, at + width + GAP
            at += width + GAP
        return begin, min(end, self.inner_width)

    def touch_all(self) -> None:
        """As `touch`, for every row."""
        self.touch(self._at)

    def grow(self, widths: Mapping[str, int]) -> None:
        """Says how wide the widest content of some columns is. Columns only ever grow, so that nothing jumps."""
        grown = {name: width for name, width in widths.items() if width > self._content.get(name, -1)}
        if grown:
            before = self.laid_out
            self._content |= grown
            if self.laid_out != before:
                self.refresh()

    def toggle_wide(self) -> None:
        """Shows as many columns as there is room for, names cut where need be; or none of the wide view's."""
        if self._wide is None:  # until then the columns that fit are shown by themselves
            self._wide = len(self._lay_out(True)) > len(self.laid_out)
        else:
            self._wide = not self._wide
        self.refresh()

    def is_cut(self, key: Key) -> bool:
        """Whether a name of this row does not fit in its column."""
        cells = self._row(key).cells
        places = {column.id: place for place, column in enumerate(self.columns)}
        return any(cells[places[column.id]].width > width for column, width in self.laid_out if column.name)

    def touched(self) -> None:
        self._touched_at = monotonic()

    def _at_rest(self) -> bool:
        return self._touched_at is None or monotonic() - self._touched_at >= self.HOLD

    def _reorder_later(self) -> None:
        if self._reorder is None and self._order != self._wanted:
            rest = self.HOLD - (monotonic() - (self._touched_at or 0.0))
            self._reorder = self.set_timer(max(0.05, rest), self._rested, name="reorder")

    def _rested(self) -> None:
        self._reorder = None
        if self._at_rest():
            self._take(self._wanted)
        else:
            self._reorder_later()

    def _take(self, order: Sequence[Key]) -> None:
        """Takes an order over; the cursor stays on its row, and its row on its line of the screen."""
        if order == self._order:
            return
        key, line = self.key, self.cursor - self.top
        before, count = self.cursor, len(self._order)
        self._order = list(order)
        self._at = {key: index for index, key in enumerate(self._order)}
        self.marks &= set(self._at)
        self._forget()
        top = self._touched_at is None and before == 0  # nobody chose this row: the worst one is to stand there
        self.cursor = before if top or key is None else self._at.get(key, before)
        if len(self._order) != count:
            self.resized_rows()
        else:
            self.refresh()
        self.set_top(0 if top else self.cursor - line)
        self.keep_in_view()
        self.say_moved()

    def _forget(self) -> None:
        self._painted = {key: row for key, row in self._painted.items() if key in self._at}
        self._flashes = {place: due for place, due in self._flashes.items() if place[0] in self._at}

    @property
    def laid_out(self) -> tuple[tuple[Column, int], ...]:
        """The columns that are shown, each with its cells, for the width that there is at this moment."""
        asked = (self.inner_width, self._wide, sum(self._content.values()))
        if asked != self._laid_for:
            self._laid_for = asked
            self._laid = self._lay_out(self._wide)
        return self._laid

    def _lay_out(self, wide: bool | None) -> tuple[tuple[Column, int], ...]:
        return lay_out(self.columns, max(1, self.inner_width - MARGIN), wanted=self._content, wide=wide)

    # --- changed cells -------------------------------------------------------------------------------------------

    def _flash(self, key: Key, before: Row, after: Row) -> None:
        due = monotonic() + self.FLASH
        if not self._flashes:
            self.set_timer(self.FLASH, self._fade, name="fade")
        for place, column in enumerate(self.columns):
            if column.flash and before.cells[place] != after.cells[place]:
                self._flashes[key, place] = due

    def _fade(self) -> None:
        """Repaints what was marked long enough, once; comes again for what was marked since."""
        now = monotonic() + 0.05
        faded = {place for place, due in self._flashes.items() if due <= now}
        for place in faded:
            del self._flashes[place]
        self.repaint_rows(self._at[key] for key, _ in faded if key in self._at)
        if self._flashes:
            self.set_timer(max(0.05, min(self._flashes.values()) - now), self._fade, name="fade")


def fit_cell(cell: Cell, width: int, column: Column, *, ellipsis: str = "…") -> Iterable[tuple[str, str]]:
    """A cell as texts with roles, exactly `width` cells wide: the text is cut in the middle, the tail stays whole as
    long as it leaves the text four cells."""
    tail = cell.tail
    while tail and width_of(tail) > width - 4:
        tail = tail[:-1]
    if column.prose:
        return ((pad(cut_end(cell.text, width, ellipsis), width), cell.role),)
    if not tail:
        return ((fit(cell.text, width, right=column.right, ellipsis=ellipsis), cell.role),)
    text = cut(cell.text, width - width_of(tail), ellipsis)
    used = cell_len(text) + width_of(tail)
    return ((text, cell.role), *((clean(span.text), span.role) for span in tail), (" " * (width - used), ""))
