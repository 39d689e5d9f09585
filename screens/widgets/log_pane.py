"""Lines of a log: new ones come below, old ones go, and what a person reads stays where it is.

Owns: `LogPane`: how many lines are kept, wrapping, times, the search, and whether the end is followed. Where the lines
come from is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from textual.geometry import Size

from screens.cells import Line, Span, cell_len, chop, cut, pad
from screens.logbox import LogLine
from screens.widgets.lines import Pager
from screens.widgets.rows import Key

MOST, SLACK = 5_000, 500
"""Lines that are kept; and how many more there may be, so that not each new one moves the rest."""
MOST_TEXT = 2**23
"""Characters of them."""
WIDEST = 28
"""Cells of the name of a line's source; of wider ones what they have in common at the beginning goes."""


class Name(NamedTuple):
    """What stands before the lines of a source, where there are several."""

    text: str
    role: str


def shortened(names: Sequence[str], ellipsis: str) -> list[str]:
    """Names in `WIDEST` cells where that can be: the words that all begin with go, the end tells them apart."""
    if len(names) < 2 or max(map(cell_len, names)) <= WIDEST:
        return list(names)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))
    common = "".join(char for char, _ in same).rpartition("-")[0]
    return [f"{ellipsis}{name[len(common) + 1 :]}" for name in names] if common else list(names)


class _Row(NamedTuple):
    """A line, or with wrapping a part of one; `number` counts lines from the first that ever came."""

    number: int
    line: LogLine
    text: str
    first: bool


class LogPane(Pager):
    """A log; `changed` is called when it begins or ends to follow its end."""

    def __init__(self, changed: Callable[[], object], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.names: dict[Hashable, Name] = {}
        self._short: dict[Hashable, Name] = {}
        self.following = True
        self.wrapped = False
        self.timed = False
        self.wanted = ""
        self.unseen = 0
        self._changed = changed
        self._log: list[LogLine] = []
        self._rows: list[_Row] = []
        self._next = 0
        self._text = 0
        self._pinning = False
        self._made_for = 0

    # --- what VirtualRows asks -----------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def key_of(self, index: int) -> Key:
        return self._rows[index].number

    def is_problem(self, index: int) -> bool:
        row = self._rows[index]
        return bool(self.wanted) and row.first and self.wanted in self._folded(row.line.text)

    def spans_of(self, index: int) -> Line:
        row = self._rows[index]
        if not row.line.stamp:
            return (Span(f"{self.glyphs.rule}{self.glyphs.rule} {row.text}", "warning"),)
        return (*self._before(row), *self._marked(row.text))

    @property
    def prefix(self) -> int:
        """The cells before a line's own text."""
        return (len("15:04:05.000 ") if self.timed else 0) + (self._name_width + 1 if self._several else 0)

    @property
    def _several(self) -> bool:
        return len(self.names) > 1

    @property
    def _name_width(self) -> int:
        return min(WIDEST, max((cell_len(name.text) for name in self._short.values()), default=0))

    def named(self) -> None:
        """To be called when `names` got more."""
        names = list(self.names.values())
        short = shortened([name.text for name in names], self.glyphs.ellipsis)
        before = self._short
        self._short = {key: Name(text, name.role) for (key, name), text in zip(self.names.items(), short, strict=True)}
        if self._rows and self._short != before:
            self.make_rows()

    def _before(self, row: _Row) -> Iterator[Span]:
        if not row.first:
            yield Span(" " * self.prefix)
            return
        if self.timed:
            yield Span(f"{pad(clock(row.line.stamp), 12)} ", "muted")
        if self._several:
            name = self._short.get(row.line.source, Name("", ""))
            yield Span(pad(cut(name.text, self._name_width, self.glyphs.ellipsis), self._name_width + 1), name.role)

    def _marked(self, text: str) -> Iterator[Span]:
        """The text, what is looked for standing out; what can't be on the screen is not even looked at."""
        text = text[: (self._shift + self.inner_width) * 4]
        folded = self._folded(text)
        at = 0
        while self.wanted and len(folded) == len(text) and (found := folded.find(self.wanted, at)) >= 0:
            end = found + len(self.wanted)
            yield from (Span(text[at:found]), Span(text[found:end], "accent"))
            at = end
        yield Span(text[at:])

    def _folded(self, text: str) -> str:
        """A search in lower case finds both."""
        return text.lower() if self.wanted.islower() else text

    # --- lines ---------------------------------------------------------------------------------------------------

    @property
    def log_lines(self) -> Sequence[LogLine]:
        """What is kept, the oldest first."""
        return self._log

    @property
    def current(self) -> LogLine | None:
        """The line under the cursor."""
        return self._rows[self.cursor].line if 0 <= self.cursor < len(self._rows) else None

    def clear(self) -> None:
        """No lines, and the next ones are followed."""
        self._log, self._rows, self._text, self.unseen = [], [], 0, 0
        self.following = True
        self.cursor = 0
        self.resized_rows()
        self.set_top(0)

    def add(self, lines: Sequence[LogLine]) -> None:
        """New lines. Where the end is followed they are shown; else nothing moves, and only blanks are painted over."""
        before = len(self._rows)
        for line in lines:
            self._log.append(line)
            self._rows += self._rows_of(self._next, line)
            self._next += 1
            self._text += len(line.text)
        gone = self._trim()
        if self.following:
            self._to_end(painted=True)
            return
        self.unseen += len(lines)
        self._grown(range(before - gone, len(self._rows)))
        if gone:
            self.cursor = max(0, self.cursor - gone)
            self.set_top(max(0, self.top - gone))
            self.refresh()

    def _trim(self) -> int:
        """Lets old lines go where there are too many; how many rows that were."""
        if len(self._log) <= MOST + SLACK and self._text <= MOST_TEXT:
            return 0
        keep = self._log[-MOST:]
        size = sum(len(line.text) for line in keep)
        drop = 0
        while size > MOST_TEXT * 3 // 4 and drop < len(keep) - 1:
            size -= len(keep[drop].text)
            drop += 1
        self._log, self._text = keep[drop:], size
        first = self._next - len(self._log)
        gone = next(index for index, row in enumerate(self._rows) if row.number >= first)
        del self._rows[:gone]
        return gone

    def _rows_of(self, number: int, line: LogLine) -> list[_Row]:
        if not self.wrapped:
            return [_Row(number, line, line.text, True)]
        width = max(20, self.inner_width - (self.prefix if line.stamp else 3))
        parts = chop(line.text, width) or [""]
        return [_Row(number, line, part, place == 0) for place, part in enumerate(parts)]

    def make_rows(self) -> None:
        """Makes all rows anew: for another width, or wrapping; the cursor stays on its line."""
        number = self.key
        self._made_for = self.inner_width
        first = self._next - len(self._log)
        self._rows = [row for place, line in enumerate(self._log) for row in self._rows_of(first + place, line)]
        if self.wrapped:
            self._shift = 0
        self.cursor = next((index for index, row in enumerate(self._rows) if row.number == number), self.cursor)
        if self.following:
            self._to_end(painted=True)
        else:
            self.resized_rows()
            self.keep_in_view()

    def _grown(self, new: range) -> None:
        """The scroll bar follows; the whole pane, which Textual would paint for it, shows what it showed."""
        self.set_reactive(LogPane.virtual_size, Size(self.inner_width, self.row_count))
        self.vertical_scrollbar.window_virtual_size = self.row_count
        self.repaint_rows(new)

    def on_resize(self) -> None:  # the base's own handler is called too, after this one
        if self.wrapped and self.inner_width != self._made_for:
            self.make_rows()
        elif self.following:
            self._to_end(painted=False)

    # --- following -----------------------------------------------------------------------------------------------

    def follow(self, on: bool) -> None:
        """Whether the end is shown as it grows."""
        if on:
            self.unseen = 0
        if on != self.following:
            self.following = on
            if on:
                self._to_end(painted=False)
            self._changed()

    def _to_end(self, *, painted: bool) -> None:
        self._pinning = True
        try:
            self.virtual_size = Size(self.inner_width, self.row_count)
            before, self.cursor = self.cursor, max(0, self.row_count - 1)
            self.set_top(max(0, self.row_count - self.page))
            if painted:
                self.refresh()
            else:
                self.repaint_rows([before, self.cursor])
        finally:
            self._pinning = False

    def move_to(self, index: int) -> None:
        super().move_to(index)
        self.follow(self.cursor >= self.row_count - 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.following and not self._pinning and new_value < min(old_value, self.row_count - self.page):
            self.follow(False)

    # --- looking -------------------------------------------------------------------------------------------------

    def look_for(self, text: str) -> bool:
        """Marks a text and goes to the last line that has it; whether there is one. Lower case finds both."""
        self.wanted = text
        self.refresh()
        found = text == "" or any(map(self.is_problem, range(self.row_count - 1, -1, -1)))
        if text and found:
            self.move_to(next(index for index in range(self.row_count - 1, -1, -1) if self.is_problem(index)))
        return found

    def action_shift_right(self) -> None:
        seen = [self._rows[index].text for index in self.seen()]
        widest = max((cell_len(text) for text in seen), default=0) + self.prefix
        if widest > self._shift + self.inner_width:
            self._shift += self.STEP
            self.refresh()


def clock(stamp: str) -> str:
    """The time of day within a time, to the millisecond: a log is read on the day it is written."""
    time = stamp.partition("T")[2].rstrip("Z")
    return time[:12]
