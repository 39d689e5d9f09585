"""Colours: what each role looks like, in true colour, in the terminal's own 16 colours, and in none.

Owns: the theme of the stock widgets and `Palette`, the styles of our own. One table for each way, so that nothing is
lost when colours are: every role that matters also has an attribute or a glyph.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

# All are colours of the 256-colour cube, so that a terminal without true colour shows them as they are.
BACKGROUND, SURFACE, PANEL, CURSOR, CURSOR_IDLE = "#121212", "#1c1c1c", "#262626", "#303030", "#1c1c1c"
TEXT, BRIGHT, MUTED, FAINT = "#d0d0d0", "#eeeeee", "#8a8a8a", "#626262"
OK, INFO, WARNING, ERROR, ACCENT = "#87af87", "#5fafd7", "#d7af5f", "#ff5f5f", "#87afff"
CLUSTERS = ("#87afaf", "#afafd7", "#afaf87", "#d7afaf", "#87afd7", "#afd7af")

THEME = Theme(
    name="fleetui",
    primary="#5f87af",
    secondary=FAINT,
    accent=ACCENT,
    warning=WARNING,
    error=ERROR,
    success=OK,
    foreground=TEXT,
    background=BACKGROUND,
    surface=SURFACE,
    panel=PANEL,
    dark=True,
    variables={"scrollbar": "#444444", "scrollbar-background": BACKGROUND, "border": "#5f87af"},
)

ANSI_THEME = "ansi-dark"
"""The stock theme of the terminal's own colours; its background is the terminal's."""


class Way(Enum):
    """How colours may be said."""

    FULL = "full"
    ANSI = "ansi"
    MONO = "mono"


_FULL: Mapping[str, str] = {
    "": TEXT,
    "bright": f"bold {BRIGHT}",
    "title": f"bold {BRIGHT}",
    "head": MUTED,
    "muted": MUTED,
    "faint": FAINT,
    "ok": OK,
    "info": INFO,
    "warning": WARNING,
    "error": ERROR,
    "accent": ACCENT,
    "key": ACCENT,
    "add": OK,
    "remove": ERROR,
    **{f"cluster{index}": colour for index, colour in enumerate(CLUSTERS)},
}

_ANSI: Mapping[str, str] = {
    "": "default",
    "bright": "bold default",
    "title": "bold default",
    "head": "dim default",
    "muted": "dim default",
    "faint": "dim default",
    "ok": "green",
    "info": "cyan",
    "warning": "yellow",
    "error": "bold red",
    "accent": "bold blue",
    "key": "bold cyan",
    "add": "green",
    "remove": "red",
    **dict.fromkeys((f"cluster{index}" for index in range(len(CLUSTERS))), "default"),
}

_MONO: Mapping[str, str] = {
    **dict.fromkeys(_ANSI, "default"),
    "bright": "bold default",
    "title": "bold default",
    "head": "dim default",
    "muted": "dim default",
    "faint": "dim default",
    "error": "bold default",
    "warning": "bold default",
    "accent": "bold default",
    "key": "bold default",
    "remove": "bold default",
}

_TABLES = {Way.FULL: _FULL, Way.ANSI: _ANSI, Way.MONO: _MONO}


class Palette:
    """The styles of one way of saying colours, each made once.

    A style always carries a colour and a background: a segment without a style crashes Textual under NO_COLOR, and
    what is blank is not filled.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self._table = _TABLES[way]

    @lru_cache(maxsize=1024)  # noqa: B019 - there are three palettes, made once
    def style(self, role: str = "", state: str = "", *, dim: bool = False, changed: bool = False) -> Style:
        """The style of a `role`.

        `state` is the row's: ``""``, ``cursor``, ``cursor-idle`` (the widget has no focus), ``bar`` (a head or foot
        line) or ``panel`` (a dialog). `dim` greys it, for stale rows; `changed` marks a cell that has just changed.
        """
        style = Style.parse(self._table.get(role, self._table[""]))
        if dim:
            style += self._dimmed(role)
        style += self._ground(state)
        return style + _CHANGED if changed else style

    def _dimmed(self, role: str) -> Style:
        if self.way is Way.FULL:
            return Style.parse(f"not bold {MUTED if role in {'error', 'warning', 'bright'} else FAINT}")
        return Style.parse("dim not bold")

    def _ground(self, state: str) -> Style:
        """The background, on top of everything else, so that the cursor is seen on any cell."""
        if self.way is not Way.FULL:
            return Style(
                bgcolor="default",
                reverse=True if state == "cursor" else None,
                dim=False if state == "cursor" else None,
                underline=True if state == "cursor-idle" else None,
            )
        return Style(bgcolor=_GROUNDS.get(state, BACKGROUND))


# No colour of its own: red on another ground is hard to read, and there is a way without any.
_CHANGED = Style(bold=True, underline=True, dim=False)
_GROUNDS = {"cursor": CURSOR, "cursor-idle": CURSOR_IDLE, "bar": SURFACE, "panel": PANEL}


@lru_cache(maxsize=len(Way))
def palette(way: Way) -> Palette:
    """The palette of a way; the same object each time."""
    return Palette(way)


def way_of(color_system: str | None, *, no_color: bool) -> Way:
    """How colours may be said to a terminal that Rich judged to have `color_system` (``truecolor``, ``256``,
    ``standard`` or None); `no_color` is the NO_COLOR convention."""
    if no_color:
        return Way.MONO
    return Way.FULL if color_system in {"truecolor", "256"} else Way.ANSI


def cluster_role(position: int) -> str:
    """The role of a cluster's own colour, by its place among the clusters."""
    return f"cluster{position % len(CLUSTERS)}"
