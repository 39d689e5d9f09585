"""What every screen of the console has: a head, a body, the clusters' states, the keys.

Owns: `FleetScreen`. Never here: a text as markup; what a body shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from screens import actions
from screens.asking import Asking
from screens.cells import Line, Span, width_of
from screens.widgets.lines import Bar, BarLine

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
TALL = 40
"""The height from which the line that says why may take four lines, so that a long error is whole."""


class FleetScreen(Asking, Screen[None]):
    """One screen of the console."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("screen")
    SCOPES: ClassVar[tuple[str, ...]] = ()
    """The scopes of the keys that work here, besides those that work everywhere."""
    HINTS: ClassVar[tuple[str, ...]] = ()
    """The actions that the hint line shows, by id; the last one always, the others as far as there is room."""

    def compose(self) -> ComposeResult:
        yield Bar(state="bar", id="head")
        yield from self.body()
        yield Bar(state="bar", id="status")
        yield Bar(id="hints")
        yield Bar(id="too-small")

    def body(self) -> ComposeResult:
        """The widgets between head and status."""
        raise NotImplementedError

    # --- what is shown -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.draw_frame()

    def on_screen_resume(self) -> None:
        self.draw_frame()

    def on_resize(self) -> None:
        small = self.size.width < LEAST_WIDTH or self.size.height < LEAST_HEIGHT
        self.set_class(small, "-too-small")
        if small:
            said = (f"Too small: {self.size.width}x{self.size.height}", f"needed: {LEAST_WIDTH}x{LEAST_HEIGHT}")
            self.query_one("#too-small", Bar).show(*(BarLine((Span(f" {line}", "warning"),)) for line in said))
        self.draw_frame()

    def draw_frame(self) -> None:
        """Head, clusters' states and keys, as they are now; lines that are as before are not repainted."""
        if not self.is_mounted:
            return
        self.query_one("#head", Bar).show(*self.head())
        self.query_one("#status", Bar).show(BarLine(self.clusters_line(self.size.width)))
        self.query_one("#hints", Bar).show(BarLine(self.hint_line(self.size.width)))

    def head(self) -> Sequence[BarLine]:
        """The first lines: where am I."""
        raise NotImplementedError

    def hints(self) -> Sequence[str]:
        """The actions that the hint line shows now, as `HINTS`."""
        return self.HINTS

    def hint_line(self, width: int) -> Line:
        """The keys that matter here, as many as fit; help always."""
        shown_here = [
            action for action in map(actions.by_id, self.hints()) if not (action.changes and self.host.read_only)
        ]
        *others, last = [(Span(f" {each.key}", "key"), Span(f" {each.label} ", "muted")) for each in shown_here]
        room = width - width_of(last)
        shown: list[Span] = []
        for hint in others:
            room -= width_of(hint)
            if room < 0:
                break
            shown += hint
        return (*shown, *last)

    def clusters_line(self, width: int) -> Line:
        """Each cluster with its state, those that need a human first; what does not fit is counted."""
        from screens.status import clusters_line

        return clusters_line(self.host, width)

    def lock_spans(self) -> Line:
        """Says that nothing can be changed from here."""
        if not self.host.read_only:
            return ()
        glyph = self.host.glyphs.locked
        return (Span(f"  {glyph} ro " if glyph else "  ro ", "warning"),)

    def picture_changed(self, change: ChangeSet) -> None:
        """The picture has just taken `change` over."""
        self.draw_frame()

    def tick(self) -> None:
        """Called every ten seconds: ages may have changed."""
        self.draw_frame()

    def fleet_failed(self) -> None:
        """The fleet could not be opened: `host.failure` says why."""
        self.draw_frame()

    # --- actions -------------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        self.app.pop_screen()

    def action_leave(self) -> None:
        self.action_back()

    def action_help(self) -> None:
        from screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.SCOPES))

    def action_matrix(self) -> None:
        from screens.command import to_matrix

        to_matrix(self)

    def action_command(self) -> None:
        from screens import command
        from screens.prompt import PromptScreen

        self.app.push_screen(PromptScreen(":"), lambda text: command.run(self, text))

    def name_under_cursor(self) -> str:
        """What `c` copies; empty where there is nothing."""
        return ""

    def command_line(self) -> str:
        """The command line that shows the same as this screen; empty where there is none."""
        return ""

    def action_copy_name(self) -> None:
        self._copy(self.name_under_cursor(), "name")

    def action_copy_command(self) -> None:
        self._copy(self.command_line(), "command line")

    def _copy(self, text: str, what: str) -> None:
        if text:
            self.host.copy(text, what)
        else:
            self.app.bell()
