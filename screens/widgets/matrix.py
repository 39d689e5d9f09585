"""A grid with heads on two sides: thousands of cells, of which the visible ones are made when they are painted.

Owns: the columns on the screen, a cursor that stands on a cell, marks of cells, the repaint of single cells. What a
cell, a head or a total says comes from a `Source`; nothing here knows what an addon is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region

from screens import actions
from screens.cells import Cell, Line, Span, cell_len, clean, cut, cut_end, pad, width_of
from screens.widgets.matrix_layout import NARROW, Column, Place, fitted, seen_from, shared, with_blanks, within
from screens.widgets.rows import Key, VirtualRows


class GridRow(NamedTuple):
    """A row, or with `group` the line above those of a group, on which the cursor never stands."""

    key: Key
    group: bool = False


class Source(Protocol):
    """What the grid shows."""

    def place(self, row: Key, column: Key) -> Place | None:
        """What stands where a row and a column meet; None: nothing."""
        ...

    def title(self, row: GridRow) -> Cell:
        """The name of a row or of a group."""
        ...

    def edge(self, row: GridRow) -> Line:
        """The total of a row or of a group."""
        ...

    def head(self, column: Key) -> Span:
        """The name of a column."""
        ...

    def foot(self, column: Key) -> Line:
        """The total of a column."""
        ...

    def summary(self, group: Key, column: Key, width: int) -> Span:
        """What a group has in a column, in at most `width` cells."""
        ...


MARGIN, GAP = 1, 2
EDGE, ROOMY = 8, 100
"""The width of the totals of rows, and that of a screen on which they have half as much again."""
MOST_TITLE = 34


class MatrixGrid(VirtualRows):
    """A grid of a `Source`."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("grid")

    def __init__(self, source: Source, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self._source = source
        self._rows: list[GridRow] = []
        self._columns: list[Key] = []
        self._wants: list[int] = []
        self._titles = 0
        self._wide = False
        self.column = 0
        self._left = 0
        self._laid: tuple[Column, ...] = ()
        self._laid_for: tuple[object, ...] = ()
        self._painted: dict[tuple[Key, Key], object] = {}

    # --- what VirtualRows asks -----------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def key_of(self, index: int) -> Key:
        return self._rows[index].key

    @property
    def key(self) -> Key | None:
        """The row and the column under the cursor."""
        return self.at

    @property
    def at(self) -> tuple[Key, Key] | None:
        """The row and the column under the cursor; None where there is no cell at all."""
        if not self._columns or not 0 <= self.cursor < self.row_count or self._rows[self.cursor].group:
            return None
        return self._rows[self.cursor].key, self._columns[self.column]

    @property
    def here(self) -> Place | None:
        """What stands under the cursor."""
        at = self.at
        return None if at is None else self._source.place(*at)

    def state_of(self, index: int) -> str:
        return self.ground  # the cursor is a cell

    @property
    def heads(self) -> Sequence[Line]:
        return (self._head_line(), self._foot_line())

    @property
    def head_height(self) -> int:
        return 2

    def _head_line(self) -> Line:
        before = f"+{self._left} " if self._left else ""
        spans = [Span(pad(before, MARGIN + self._title_width + GAP, right=True), "muted")]
        for column in self.laid_out:
            head = self._source.head(self._columns[column.place])
            name = cut_end(head.text, column.inner, self.glyphs.ellipsis if column.width > 2 * NARROW else "")
            spans += [
                Span(" "),
                Span(pad(name, column.width - 1), "bright" if column.place == self.column else head.role),
            ]
        more = len(self._columns) - (self.laid_out[-1].place + 1 if self.laid_out else 0)
        spans.append(Span(f" +{more}" if more else "", "muted"))
        return tuple(spans)

    def _foot_line(self) -> Line:
        spans = [Span(" " * (MARGIN + self._title_width + GAP))]
        for column in self.laid_out:
            spans.append(Span(" "))
            key = self._columns[column.place]
            self._painted[None, key] = foot = self._source.foot(key)
            spans += fitted(foot, column.width - 1)
        return tuple(spans)

    def paint(self, index: int, width: int) -> list[Segment]:
        row, source = self._rows[index], self._source
        title, style = source.title(row), self.palette.style
        role = "bright" if index == self.cursor and not row.group else title.role
        self._painted[row.key, None] = edge = source.edge(row)
        segments = [Segment(" " * MARGIN, style()), *self.plain(self._title(title, role, rule=row.group))]
        for column in self.laid_out:
            segments += self._group_cell(row, column) if row.group else self._cell(index, row, column)
        end = self.laid_out[-1].x + self.laid_out[-1].width if self.laid_out else MARGIN + self._title_width + GAP
        segments.append(Segment(" " * max(0, width - self._edge - end), style()))
        return [*segments, *self.plain(fitted(edge, self._edge))]

    def _title(self, title: Cell, role: str, *, rule: bool) -> Line:
        tail = title.tail
        text = cut(title.text, self._title_width - width_of(tail), self.glyphs.ellipsis)
        left = self._title_width - cell_len(text) - width_of(tail)
        filled = f" {self.glyphs.rule * max(0, left - 1)}" if rule and left > 0 else " " * left
        return (Span(text, role), *tail, Span(filled, "faint"), Span(" " * GAP))

    def _group_cell(self, row: GridRow, column: Column) -> list[Segment]:
        key = self._columns[column.place]
        self._painted[row.key, key] = said = self._source.summary(row.key, key, column.inner)
        text = cut_end(said.text, column.inner, self.glyphs.ellipsis)
        return self.plain((Span(" "), Span(pad(text, column.width - 1), said.role)))

    def _cell(self, index: int, row: GridRow, column: Column) -> list[Segment]:
        key = self._columns[column.place]
        self._painted[row.key, key] = place = self._source.place(row.key, key)
        state, style = self._state_at(index, column.place), self.palette.style
        if place is None:
            empty = self.glyphs.nothing if column.width > 1 else ""
            return [Segment(" ", style("faint", state)), Segment(pad(empty, column.width - 1), style("faint", state))]
        marked = place.key in self.marks
        mark = Segment(self.glyphs.marked if marked else " ", style("accent", state, dim=place.dim and not marked))
        return [
            mark,
            *(
                Segment(clean(span.text), style(span.role, state, dim=place.dim))
                for span in within(place, column.width - 1)
            ),
        ]

    def _state_at(self, index: int, column: int) -> str:
        if index != self.cursor or column != self.column:
            return ""
        return "cursor" if self.has_focus else "cursor-idle"

    def is_problem(self, index: int) -> bool:
        return any(self._is_problem(index, column) for column in range(len(self._columns)))

    def _is_problem(self, index: int, column: int) -> bool:
        row = self._rows[index]
        place = None if row.group else self._source.place(row.key, self._columns[column])
        return place is not None and place.problem

    # --- rows and columns ----------------------------------------------------------------------------------------

    def set_shape(self, rows: Sequence[GridRow], columns: Sequence[Key], wants: Sequence[int], titles: int) -> None:
        """The rows and columns that there are, in their order, with the widths that the columns and the titles of the
        rows would like to have, in cells. The cursor stays where it is in both directions, as far as that is there."""
        at, line = self.at, self.cursor - self.top
        self._rows, self._columns = list(rows), list(columns)
        self._wants, self._titles = list(map(with_blanks, wants)), titles
        if at is not None:
            places = {row.key: index for index, row in enumerate(self._rows)}
            self.cursor = places.get(at[0], self.cursor)
            self.column = self._columns.index(at[1]) if at[1] in self._columns else self.column
        self.column = max(0, min(self.column, len(self._columns) - 1))
        self._painted.clear()
        self.cursor = self._stop(max(0, min(self.cursor, self.row_count - 1)))
        self.resized_rows()
        if at is not None:
            self.set_top(self.cursor - line)
        self._keep_column_in_view()
        self.keep_in_view()
        self.say_moved()

    def grow(self, wants: Mapping[Key, int]) -> None:
        """Says how wide some columns would like to be by now. They only ever grow, so that nothing jumps."""
        before = self.laid_out
        for column, want in wants.items():
            place = self._columns.index(column)
            self._wants[place] = max(self._wants[place], with_blanks(want))
        if self.laid_out != before:
            self._painted.clear()
            self._keep_column_in_view()
            self.refresh()

    def touch(self, places: Iterable[tuple[Key, Key]]) -> None:
        """Says that these cells may have changed, and the totals of their rows and columns: what is seen of them and
        differs is painted anew."""
        wanted = set(places)
        rows = {row for row, _ in wanted}
        columns = {column for _, column in wanted}
        self._touch(lambda row, column: (row, column) in wanted, rows=rows, columns=columns)

    def touch_all(self) -> None:
        """As `touch`, for everything."""
        self._touch(lambda row, column: True, rows=None, columns=None)

    def _touch(self, wanted: _Wanted, *, rows: Collection[Key] | None, columns: Collection[Key] | None) -> None:
        dirty: list[Region] = []
        laid = [column for column in self.laid_out if columns is None or self._columns[column.place] in columns]
        for index in self.seen():
            row, y = self._rows[index], index - self.top + self.head_height
            if row.group:
                for column in laid:
                    key = self._columns[column.place]
                    if self._differs(row.key, key, self._source.summary(row.key, key, column.inner)):
                        dirty.append(Region(column.x, y, column.width, 1))
            elif rows is None or row.key in rows:
                for column in laid:
                    key = self._columns[column.place]
                    if wanted(row.key, key) and self._differs(row.key, key, self._source.place(row.key, key)):
                        dirty.append(Region(column.x, y, column.width, 1))
            if (row.group or rows is None or row.key in rows) and self._differs(row.key, None, self._source.edge(row)):
                dirty.append(Region(self.inner_width - self._edge, y, self._edge, 1))
        for column in laid:
            key = self._columns[column.place]
            if self._differs(None, key, self._source.foot(key)):
                dirty.append(Region(column.x, 1, column.width, 1))
        if dirty:
            self.refresh(*dirty)

    def _differs(self, row: Key, column: Key, now: object) -> bool:
        return (row, column) in self._painted and self._painted[row, column] != now

    def toggle_wide(self) -> None:
        """Gives the columns all the room that they would like, however few are seen; or as little as lets all be
        seen."""
        self._wide = not self._wide
        self._keep_column_in_view()
        self.refresh()

    # --- columns on the screen -----------------------------------------------------------------------------------

    @property
    def _title_width(self) -> int:
        return max(8, min(self._titles, MOST_TITLE, self.inner_width // 3))

    @property
    def laid_out(self) -> tuple[Column, ...]:
        """The columns that are seen, for the width that there is at this moment."""
        asked = (self.inner_width, self._wide, self._left, self._title_width, tuple(self._wants))
        if asked != self._laid_for:
            self._laid_for = asked
            self._laid = tuple(self._lay_out(self._left))
        return self._laid

    def _widths(self) -> Sequence[int]:
        return self._wants if self._wide else shared(self._wants, self._room)

    @property
    def _room(self) -> int:
        return max(NARROW, self.inner_width - MARGIN - self._title_width - GAP - self._edge - 1)

    @property
    def _edge(self) -> int:
        return EDGE if self.inner_width < ROOMY else EDGE + EDGE // 2

    def _lay_out(self, left: int) -> list[Column]:
        return seen_from(left, self._widths(), MARGIN + self._title_width + GAP, self._room)

    def _keep_column_in_view(self) -> None:
        before = self._left
        self._left = min(self._left, self.column)
        while self._left < self.column and self.column not in {each.place for each in self.laid_out}:
            self._left += 1
        # No room stays empty at the right while there are columns at the left.
        while self._left and self._lay_out(self._left - 1)[-1].place == len(self._columns) - 1:
            self._left -= 1
        if self._left != before:
            self.refresh()

    def on_resize(self) -> None:  # the base's own handler is called too
        self._keep_column_in_view()

    # --- the cursor ----------------------------------------------------------------------------------------------

    def _stop(self, index: int, step: int = 1) -> int:
        """The row nearest to `index` on which the cursor may stand, further in the direction of `step` first."""
        for direction in (step, -step):
            at = index
            while 0 <= at < self.row_count:
                if not self._rows[at].group:
                    return at
                at += direction
        return 0

    def move_to(self, index: int) -> None:
        self.go(max(0, min(index, self.row_count - 1)), self.column)

    def go(self, index: int, column: int) -> None:
        """Puts the cursor on a cell, as near as there is one, and scrolls to it."""
        before = self.cursor, self.column
        self.cursor = self._stop(index, -1 if index < before[0] else 1)
        self.column = max(0, min(column, len(self._columns) - 1))
        if (self.cursor, self.column) != before:
            self._repaint_cursor(before, (self.cursor, self.column))
            self._keep_column_in_view()
        self.keep_in_view()
        self.say_moved()

    def keep_in_view(self) -> None:
        # The line above the first row of a group is seen with it.
        if self.cursor and self._rows and self._rows[self.cursor - 1].group and self.cursor - 1 < self.top:
            self.set_top(self.cursor - 1)
        super().keep_in_view()

    def show_at(self, row: Key, column: Key) -> None:
        """Puts the cursor on a cell, if it is there."""
        index = next((index for index, each in enumerate(self._rows) if each.key == row), None)
        if index is not None and column in self._columns:
            self.go(index, self._columns.index(column))

    def _repaint_cursor(self, *places: tuple[int, int]) -> None:
        visible, laid = self.seen(), {column.place: column for column in self.laid_out}
        dirty = [
            Region(laid[column].x, index - self.top + self.head_height, laid[column].width, 1)
            for index, column in places
            if index in visible and column in laid
        ]
        if len({index for index, _ in places}) > 1:
            titles = (MARGIN, self._title_width)
            dirty += [
                Region(titles[0], index - self.top + self.head_height, titles[1], 1)
                for index, _ in places
                if index in visible
            ]
        if len({column for _, column in places}) > 1:
            dirty += [Region(laid[column].x, 0, laid[column].width, 1) for _, column in places if column in laid]
        if dirty:
            self.refresh(*dirty)

    def on_focus(self) -> None:
        self._repaint_cursor((self.cursor, self.column))

    def on_blur(self) -> None:
        self._repaint_cursor((self.cursor, self.column))

    def on_click(self, event: events.Click) -> None:
        found = next((each for each in self.laid_out if each.x <= event.x < each.x + each.width), None)
        if found is not None:
            self.column, before = found.place, self.column
            self._repaint_cursor((self.cursor, before), (self.cursor, found.place))

    # --- actions -------------------------------------------------------------------------------------------------

    def action_right(self) -> None:
        self.go(self.cursor, self.column + 1)

    def action_left(self) -> None:
        self.go(self.cursor, self.column - 1)

    def action_first_column(self) -> None:
        self.go(self.cursor, 0)

    def action_last_column(self) -> None:
        self.go(self.cursor, len(self._columns) - 1)

    def action_mark(self) -> None:
        if (place := self.here) is not None:
            self._toggle([place])
        self.move_to(self.cursor + 1)

    def action_mark_column(self) -> None:
        if self._columns:
            column = self._columns[self.column]
            self._toggle([self._source.place(row.key, column) for row in self._rows if not row.group])

    def action_mark_row(self) -> None:
        if (at := self.at) is not None:
            self._toggle([self._source.place(at[0], column) for column in self._columns])

    def _toggle(self, places: Iterable[Place | None]) -> None:
        """Marks all of these, or where all are marked none of them."""
        keys = {place.key for place in places if place is not None}
        self.marks = self.marks - keys if keys <= self.marks else self.marks | keys
        self.repaint_rows(self.seen())
        self.marked()

    def action_unmark(self) -> None:
        self.marks.clear()
        self.repaint_rows(self.seen())
        self.marked()

    def marked(self) -> None:
        """Called when other cells are marked than before: says it as a move of the cursor."""
        self._said = None
        self.say_moved()

    def action_next_problem(self) -> None:
        after = ((self.cursor, column) for column in range(self.column + 1, len(self._columns)))
        self._find(after, range(self.cursor + 1, self.row_count), range(len(self._columns)))

    def action_previous_problem(self) -> None:
        before = ((self.cursor, column) for column in range(self.column - 1, -1, -1))
        self._find(before, range(self.cursor - 1, -1, -1), range(len(self._columns) - 1, -1, -1))

    def _find(self, first: Iterable[tuple[int, int]], rows: Iterable[int], columns: Sequence[int]) -> None:
        rest = ((row, column) for row in rows for column in columns)
        for places in (first, rest):
            for row, column in places:
                if self._is_problem(row, column):
                    self.go(row, column)
                    return
        self.app.bell()


class _Wanted(Protocol):
    def __call__(self, row: Key, column: Key) -> bool: ...
