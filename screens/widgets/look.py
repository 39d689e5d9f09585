"""The palette and the glyphs of the app that a widget stands in.

Owns: how a widget asks for them. An app that isn't ours (a test of one widget) has the ones of its terminal.
"""

from __future__ import annotations

from typing import Any

from textual.app import App

from screens import theme
from screens.glyphs import UNICODE, Glyphs


def palette_of(app: App[Any]) -> theme.Palette:
    """The styles in which this app's terminal shows our roles."""
    return theme.palette(theme.way_of(app.console.color_system, no_color=app.no_color))


def glyphs_of(app: App[Any]) -> Glyphs:
    """The glyphs that this app's terminal can show."""
    glyphs = getattr(app, "glyphs", UNICODE)
    return glyphs if isinstance(glyphs, Glyphs) else UNICODE
