"""Rows that are only made when they are seen: the base of the table, the tree and the pager.

Owns: scrolling, the cursor, marks, the heads that stay, the text that stands where there are no rows, and the repaint
of single lines. Never here: what a row means.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens import actions
from screens.cells import Line, Span, clean, cut_end
from screens.glyphs import Glyphs
from screens.theme import Palette
from screens.widgets.look import glyphs_of, palette_of

Key = Hashable


class VirtualRows(ScrollView, can_focus=True, inherit_bindings=False):
    """Any number of rows of one line each, of which only the visible ones are painted.

    A subclass says how many there are (`row_count`), what identifies one (`key_of`) and how it is painted (`paint`).
    """

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("rows")

    DEFAULT_CSS = """
    VirtualRows {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;  /* always: one that comes with the rows costs a second frame, and moves the columns */
        scrollbar-size-vertical: 1;
        /* Where everything fits there is no thumb; of the terminal's own 16 colours the track would be black. */
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """

    class Moved(Message):
        """The cursor stands on another row; `key` is None where there is none."""

        def __init__(self, rows: VirtualRows, key: Key | None) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> VirtualRows:
            return self.rows

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, VirtualRows.Moved) and message.rows is self.rows

    class Opened(Message):
        """Enter or a double click on a row."""

        def __init__(self, rows: VirtualRows, key: Key) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> VirtualRows:
            return self.rows

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.ground = ""
        self.cursor = 0
        self.marks: set[Key] = set()
        self.placeholder: Sequence[str] = ()
        self._said: Key | None = None
        self.opens: Callable[[Key], object] | None = None
        """Called at once with the key of the row that is opened; without it `Opened` is posted. A message is handled
        after the keys that were typed behind enter, which are meant for what enter opens."""

    # --- what a subclass says ------------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        raise NotImplementedError

    def key_of(self, index: int) -> Key:
        """What identifies the row at `index`, whatever moves around it."""
        raise NotImplementedError

    def paint(self, index: int, width: int) -> list[Segment]:
        """The segments of the row at `index`, each with a style; they may be narrower than `width`."""
        raise NotImplementedError

    @property
    def heads(self) -> Sequence[Line]:
        """Lines above the rows that stay while they scroll."""
        return ()

    def is_problem(self, index: int) -> bool:
        """Whether `n` and `N` stop at this row."""
        return False

    # --- look ----------------------------------------------------------------------------------------------------

    @property
    def palette(self) -> Palette:
        return palette_of(self.app)

    @property
    def glyphs(self) -> Glyphs:
        return glyphs_of(self.app)

    def state_of(self, index: int) -> str:
        """The row's state for `Palette.style`."""
        if index != self.cursor or not self.shows_cursor:
            return self.ground
        return "cursor" if self.has_focus else "cursor-idle"

    @property
    def shows_cursor(self) -> bool:
        return True

    # --- painting ------------------------------------------------------------------------------------------------

    @property
    def head_height(self) -> int:
        return len(self.heads)

    @property
    def inner_width(self) -> int:
        """The cells of a row: those of the widget without its scroll bar."""
        return self.scrollable_content_region.width

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return max(1, self.size.height - self.head_height)

    @property
    def top(self) -> int:
        """The first row that is seen."""
        return self.scroll_offset.y

    def seen(self) -> range:
        """The rows that are seen."""
        return range(self.top, min(self.row_count, self.top + self.page))

    def render_line(self, y: int) -> Strip:
        width = self.inner_width
        if y < self.head_height:
            return self._strip(self.plain(self.heads[y]), width)
        index = y - self.head_height + self.top
        if index < self.row_count:
            return self._strip(self.paint(index, width), width, self.state_of(index))
        missing = index - self.row_count if not self.row_count else len(self.placeholder)
        text = self.placeholder[missing] if missing < len(self.placeholder) else ""
        line = (Span(f"  {cut_end(text, width - 3, self.glyphs.ellipsis)}", "" if missing == 0 else "muted"),)
        return self._strip(self.plain(line, self.ground), width, self.ground)

    def plain(self, line: Line, state: str = "") -> list[Segment]:
        """The segments of a line of spans."""
        style = self.palette.style
        return [Segment(clean(span.text), style(span.role, state)) for span in line]

    def _strip(self, segments: list[Segment], width: int, state: str = "") -> Strip:
        fill = self.palette.style("", state)
        return Strip(segments).adjust_cell_length(width, fill).simplify()

    def repaint_rows(self, indexes: Iterable[int]) -> None:
        """Repaints these rows, where they are seen at all."""
        visible = self.seen()
        regions = [
            Region(0, index - self.top + self.head_height, self.inner_width, 1) for index in indexes if index in visible
        ]
        if regions:
            self.refresh(*regions)

    def resized_rows(self) -> None:
        """To be called when `row_count` changed: the scroll bar follows, and everything is repainted."""
        self.virtual_size = Size(self.inner_width, self.row_count + self.head_height)
        self.cursor = max(0, min(self.cursor, self.row_count - 1))
        self.refresh()

    def say(self, lines: Sequence[str]) -> None:
        """What stands here while there are no rows: the first line is the answer, the others what to do."""
        if list(lines) != list(self.placeholder):
            self.placeholder = list(lines)
            if not self.row_count:
                self.refresh()

    def on_focus(self) -> None:
        self.repaint_rows([self.cursor])

    def on_blur(self) -> None:
        self.repaint_rows([self.cursor])

    def on_resize(self) -> None:
        self.virtual_size = Size(self.inner_width, self.row_count + self.head_height)
        self.keep_in_view()

    # --- the cursor ----------------------------------------------------------------------------------------------

    @property
    def key(self) -> Key | None:
        """The key of the row under the cursor."""
        return self.key_of(self.cursor) if 0 <= self.cursor < self.row_count else None

    def move_to(self, index: int) -> None:
        """Puts the cursor on a row, as near to `index` as there is one, and scrolls to it."""
        before = self.cursor
        self.cursor = max(0, min(index, self.row_count - 1))
        if self.cursor != before:
            self.repaint_rows([before, self.cursor])
        self.keep_in_view()
        self.say_moved()

    def keep_in_view(self) -> None:
        """Scrolls as little as needed for the cursor to be seen."""
        top = self.top
        if self.cursor < top:
            self.set_top(self.cursor)
        elif self.cursor >= top + self.page:
            self.set_top(self.cursor - self.page + 1)

    def set_top(self, index: int) -> None:
        """Scrolls so that the row at `index` is the first, at once."""
        self.scroll_to(y=max(0, index), animate=False, force=True)

    def say_moved(self) -> None:
        """Posts `Moved` where the cursor's key is another than last time."""
        key = self.key
        if key != self._said:
            self._said = key
            self.post_message(self.Moved(self, key))

    def touched(self) -> None:
        """Called on each key or click of a hand on this widget."""

    def on_key(self, event: events.Key) -> None:
        self.touched()

    def on_click(self, event: events.Click) -> None:
        self.touched()
        index = event.y - self.head_height + self.top
        if event.y >= self.head_height and index < self.row_count:
            self.move_to(index)
            if event.chain == 2:
                self.action_open()

    # --- actions -------------------------------------------------------------------------------------------------

    def action_down(self) -> None:
        self.move_to(self.cursor + 1)

    def action_up(self) -> None:
        self.move_to(self.cursor - 1)

    def action_page_down(self) -> None:
        self._page(self.page)

    def action_page_up(self) -> None:
        self._page(-self.page)

    def _page(self, rows: int) -> None:
        """The cursor stays on its line of the screen while the rows go by."""
        self.set_top(min(self.top + rows, max(0, self.row_count - self.page)))
        self.move_to(self.cursor + rows)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(self.row_count - 1)

    def action_open(self) -> None:
        if (key := self.key) is None:
            return
        if self.opens is not None:
            self.opens(key)
        else:
            self.post_message(self.Opened(self, key))

    def action_mark(self) -> None:
        if (key := self.key) is None:
            return
        self.marks ^= {key}
        self.repaint_rows([self.cursor])
        self.move_to(self.cursor + 1)

    def action_unmark(self) -> None:
        marked = [index for index in self.seen() if self.key_of(index) in self.marks]
        self.marks.clear()
        self.repaint_rows(marked)

    def action_next_problem(self) -> None:
        self._jump(range(self.cursor + 1, self.row_count))

    def action_previous_problem(self) -> None:
        self._jump(range(self.cursor - 1, -1, -1))

    def _jump(self, indexes: Iterable[int]) -> None:
        found = next((index for index in indexes if self.is_problem(index)), None)
        if found is None:
            self.app.bell()
        else:
            self.move_to(found)
