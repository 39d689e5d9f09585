"""Lines of text to read: a manifest, a diff, the list of keys; and the bars of one or two lines around everything.

Owns: `Pager`, which scrolls lines in both directions, and `Bar`, which shows a few lines and repaints those that
changed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from screens import actions
from screens.cells import Line, Span, cell_len, cut_end, width_of
from screens.widgets.look import glyphs_of, palette_of
from screens.widgets.rows import Key, VirtualRows


class Text(NamedTuple):
    """One line of a pager; `stop` says that `n` and `N` stop here, `key` names it across updates."""

    spans: Line
    stop: bool = False
    key: Hashable = None


class Pager(VirtualRows):
    """Lines of text; what is wider than the screen is reached with the arrows."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("pager")
    STEP: ClassVar[int] = 16

    def __init__(self, *, id: str | None = None, state: str = "") -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.ground = state
        self._lines: list[Text] = []
        self._shift = 0

    @property
    def lines(self) -> Sequence[Text]:
        return self._lines

    @property
    def row_count(self) -> int:
        return len(self._lines)

    def key_of(self, index: int) -> Key:
        return self._lines[index].key if self._lines[index].key is not None else index

    def is_problem(self, index: int) -> bool:
        return self._lines[index].stop

    @property
    def shows_cursor(self) -> bool:
        return self.has_focus

    def spans_of(self, index: int) -> Line:
        """What the row at `index` says."""
        return self._lines[index].spans

    def paint(self, index: int, width: int) -> list[Segment]:
        segments = self.plain(self.spans_of(index), self.state_of(index))
        if self._shift:
            segments = list(Strip(segments).crop(self._shift))
        if sum(cell_len(segment.text) for segment in segments) > width:
            more = Segment(self.glyphs.ellipsis, self.palette.style("muted", self.state_of(index)))
            return [*Strip(segments).crop(0, width - len(self.glyphs.ellipsis)), more]
        return segments

    def set_lines(self, lines: Sequence[Text]) -> None:
        """The lines to show; the cursor stays on the line of the same key, and only lines that differ are painted."""
        key, before = self.key, self._lines
        self._lines = list(lines)
        if len(before) == len(self._lines):
            self.repaint_rows(
                index for index, pair in enumerate(zip(before, self._lines, strict=True)) if pair[0] != pair[1]
            )
            return
        known = (index for index in range(len(self._lines)) if self.key_of(index) == key)
        self.cursor = next(known, self.cursor) if before else 0
        self.resized_rows()
        self.keep_in_view()
        self.say_moved()

    def action_shift_right(self) -> None:
        widest = max((width_of(line.spans) for line in self._lines), default=0)
        if widest > self._shift + self.inner_width:
            self._shift += self.STEP
            self.refresh()

    def action_shift_left(self) -> None:
        if self._shift:
            self._shift = max(0, self._shift - self.STEP)
            self.refresh()


class BarLine(NamedTuple):
    """One line of a bar: what stands left is cut where it meets what stands right."""

    left: Line
    right: Line = ()


class Bar(Widget):
    """A few lines of spans, as high as it has lines, or as `least` at least."""

    DEFAULT_CSS = """
    Bar {
        width: 1fr;
        height: auto;
    }
    """

    def __init__(self, *, state: str = "", least: int = 1, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._state = state
        self._least = least
        self._bars: list[BarLine] = []

    @property
    def bars(self) -> Sequence[BarLine]:
        return self._bars

    @property
    def text(self) -> str:
        """What stands here, as plain text."""
        return "\n".join("".join(span.text for span in (*bar.left, *bar.right)) for bar in self._bars)

    def show(self, *bars: BarLine) -> None:
        """The lines to show; those that are as before are not repainted."""
        before, self._bars = self._bars, list(bars)
        if max(len(before), self._least) != max(len(bars), self._least):
            self.refresh(layout=True)
            return
        padded = [*before, *[BarLine(())] * len(bars)]
        changed = [y for y, bar in enumerate(bars) if bar != padded[y]]
        changed += range(len(bars), len(before))
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(self._least, len(self._bars))

    def render_line(self, y: int) -> Strip:
        style = palette_of(self.app).style
        width, fill = self.size.width, style("", self._state)
        if y >= len(self._bars):
            return Strip.blank(width, fill)
        bar = self._bars[y]
        ellipsis = glyphs_of(self.app).ellipsis
        # What stands right is short as a rule; where it isn't, the left keeps three fifths.
        right = _cut(bar.right, max(width - width_of(bar.left) - 1, width * 2 // 5), ellipsis)
        room = width - width_of(right)
        left = _cut(bar.left, room - bool(right), ellipsis)
        blank = Span(" " * (room - width_of(left)))
        segments = [Segment(span.text, style(span.role, self._state)) for span in (*left, blank, *right)]
        return Strip(segments).adjust_cell_length(width, fill).simplify()


def _cut(spans: Line, room: int, ellipsis: str) -> Line:
    """Spans, cleaned, in at most `room` cells; the one that meets the end is cut there."""
    shown: list[Span] = []
    for span in spans:
        text = cut_end(span.text, room, ellipsis)
        shown.append(Span(text, span.role))
        room -= cell_len(text)
    return tuple(shown)
