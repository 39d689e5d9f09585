"""The dialog before a rollout is begun, or something is asked of one.

Owns: `AskScreen`, which says what will happen and returns whether it is to; it does nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from screens import actions
from screens.cells import Line, Span, wrap
from screens.deliberate import DeliberateScreen
from screens.widgets.lines import Bar, BarLine
from screens.widgets.typing import Typed

if TYPE_CHECKING:
    from screens.host import Host

LEAST, MOST = 58, 100


class AskScreen(DeliberateScreen[bool]):
    """Asks whether to go on.

    Args:
        title: what is asked.
        says: sentences, each with its role.
        verb: what the button says.
        typed: what must be typed first; empty where nothing has to be.
        command: the same as a command line.
    """

    CSS_PATH = "rollout_ask.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [actions.binding("dialog.confirm"), actions.binding("dialog.cancel")]

    def __init__(self, title: str, says: Sequence[Span], *, verb: str, typed: str = "", command: str = "") -> None:
        super().__init__()
        self._title = title
        self._says = says
        self._verb = verb
        self._word = typed
        self._command = command

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Bar(state="panel", id="title")
            yield Bar(state="panel", id="says")
            yield Bar(state="panel", least=0, id="type")
            if self._word:
                yield Typed(id="typed", compact=True)
            yield Bar(state="panel", id="buttons")

    def on_mount(self) -> None:
        if self._word:
            self.query_one("#typed", Input).focus()
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    @property
    def offered(self) -> bool:
        """Whether it can be confirmed: what has to be typed is."""
        return not self._word or self.query_one("#typed", Input).value.strip() == self._word

    def draw(self) -> None:
        """Everything as it is now."""
        host = cast("Host", self.app)
        width = max(LEAST, min(MOST, self.size.width - 4))
        self.query_one("#dialog").styles.width = width
        inner, ellipsis = width - 5, host.glyphs.ellipsis
        self.query_one("#title", Bar).show(BarLine((Span(f" {self._title}", "title"),)))
        said = [
            BarLine((Span(f" {line}", span.role),))
            for span in self._says
            for line in wrap(span.text, inner, 4, ellipsis=ellipsis)
        ]
        self.query_one("#says", Bar).show(*said)
        asked = (Span(" Type ", "warning"), Span(self._word, "bright"), Span(" to go on", "warning"))
        self.query_one("#type", Bar).show(*([BarLine(asked)] if self._word else []))
        role = ("key", "title") if self.offered else ("faint", "faint")
        keys: Line = (
            Span("esc", "key"), Span(" cancel    ", "muted"), Span("enter", role[0]), Span(f" {self._verb} ", role[1])
        )  # fmt: skip
        same = wrap(f"same as: {self._command}", inner, 4, ellipsis=ellipsis) if self._command else []
        self.query_one("#buttons", Bar).show(
            BarLine((), keys), *(BarLine((Span(f" {line}", "muted"),)) for line in same)
        )

    @on(Input.Changed)
    def _typed(self) -> None:
        self.draw()

    @on(Input.Submitted)
    def action_confirm(self) -> None:
        if self.offered:
            self.dismiss(True)
        else:
            self.app.bell()

    def action_cancel(self) -> None:
        self.dismiss(False)
