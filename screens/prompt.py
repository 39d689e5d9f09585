"""One line to type in, over the last line of the screen; and the question whether to quit.

Owns: `PromptScreen`, for filters and commands, and `QuitScreen`, which names what leaving would give up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from screens import actions
from screens.cells import Span, cell_len
from screens.deliberate import DeliberateScreen, Dialog
from screens.rollout_drive import DRIVING
from screens.widgets.lines import Bar, BarLine
from screens.widgets.typing import Typed


class PromptScreen(Dialog[str | None]):
    """Returns what was typed, or None where esc was pressed; `changed` hears of each change on the way."""

    CSS_PATH = "prompt.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [actions.binding("dialog.cancel", "escape")]

    def __init__(self, sign: str, value: str = "", changed: Callable[[str], None] = lambda text: None) -> None:
        super().__init__()
        self._sign = sign
        self._value = value
        self._changed = changed

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Bar(state="panel", id="sign")
            yield Typed(self._value, id="prompt", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        sign = self.query_one("#sign", Bar)
        sign.styles.width = cell_len(self._sign) + (1 if len(self._sign) == 1 else 2)
        sign.show(BarLine((Span(f" {self._sign}", "key"),)))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._changed(event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)


RESTORING = "restoring"
"""The group of the workers that will put automated sync back; each is named after its application."""


class QuitScreen(DeliberateScreen[None]):
    """Asks before the console is left."""

    CSS_PATH = "prompt.tcss"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("quit")

    def compose(self) -> ComposeResult:
        yield Bar(state="panel", id="question")

    def on_mount(self) -> None:
        keys = (Span("enter", "key"), Span(" quit  ", "muted"), Span("esc", "key"), Span(" stay", "muted"))
        lines = [BarLine((Span(" Quit fleetui?   ", "bright"), *keys))]
        for group, words in ((DRIVING, "Nobody drives then"), (RESTORING, "Automated sync stays off then")):
            going_on = sorted(each.name for each in self.app.workers if each.group == group and each.is_running)
            if going_on:
                lines.insert(0, BarLine((Span(f" {words}: {', '.join(going_on)}", "warning"),)))
        self.query_one("#question", Bar).show(*lines)

    def action_quit_now(self) -> None:
        self.app.exit()

    def action_stay(self) -> None:
        self.dismiss(None)
