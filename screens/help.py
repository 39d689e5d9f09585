"""Every key, from the registry: those that work where help was asked for come first.

Owns: `HelpScreen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult

from screens import actions
from screens.base import FleetScreen
from screens.cells import Span, pad, wrap
from screens.glyphs import Glyphs
from screens.widgets.lines import BarLine, Pager, Text

KEYS = 20
"""The cells of the column of keys."""


class HelpScreen(FleetScreen):
    """The keys of the screen below, then all others, then what the glyphs mean."""

    SCOPES: ClassVar[tuple[str, ...]] = ("rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = ("rows.down", "rows.page_down", "screen.back")

    def __init__(self, here: Sequence[str]) -> None:
        super().__init__()
        self._here = here
        self.pager = Pager(id="help")

    def body(self) -> ComposeResult:
        yield self.pager

    def head(self) -> Sequence[BarLine]:
        return (BarLine((Span(" Help", "title"), Span("   upper case changes something, and asks first", "muted"))),)

    def draw_frame(self) -> None:
        super().draw_frame()
        if self.is_mounted:
            self.pager.set_lines([*key_lines(self._here, self.size.width), *glyph_lines(self.host.glyphs)])

    def action_help(self) -> None:
        self.action_back()


def key_lines(here: Sequence[str], width: int) -> list[Text]:
    """The registry as lines; the scopes in `here`, and what works on each screen, come first."""
    first = list(dict.fromkeys([*here, "screen", "everywhere"]))
    lines: list[Text] = []
    for scope in [*first, *(scope for scope in actions.SCOPES if scope not in first)]:
        lines += [Text(()), Text((Span(f" {actions.SCOPES[scope]}", "title"),), stop=True)]
        for action in actions.of_scope(scope):
            keys = pad("  ".join(actions.shown(key) for key in action.keys), KEYS)
            first_line, *rest = wrap(action.help, width - KEYS - 6, 4) or [""]
            lines.append(Text((Span(f"   {keys}", "warning" if action.changes else "key"), Span(first_line))))
            lines += [Text((Span(" " * (KEYS + 3) + line),)) for line in rest]
    return lines[1:]


def glyph_lines(glyphs: Glyphs) -> list[Text]:
    """What each glyph means."""
    meanings = [
        (glyphs.healthy, "ok", "Healthy"),
        (glyphs.progressing, "info", "Progressing"),
        (glyphs.degraded, "error", "Degraded; of a cluster: not reached, or not allowed"),
        (glyphs.missing, "warning", "Missing"),
        (glyphs.suspended, "muted", "Suspended"),
        (glyphs.unknown, "muted", "health not known"),
        (glyphs.synced, "muted", "Synced: as in Git"),
        (glyphs.out_of_sync, "warning", "OutOfSync: differs from Git"),
        (glyphs.sync_unknown, "muted", "not compared with Git"),
        (glyphs.stale, "warning", "stale: the last known state, and how old it is"),
        (glyphs.protected, "warning", "a protected cluster: its name must be typed"),
        (glyphs.marked, "accent", "marked"),
        (glyphs.locked or "ro", "warning", "read-only: nothing can be changed from here"),
    ]
    lines = [Text(()), Text((Span(" Glyphs", "title"),), stop=True)]
    lines += [Text((Span(f"   {pad(glyph, KEYS)}", role), Span(meaning))) for glyph, role, meaning in meanings]
    return lines
