"""The last look at what goes to a terminal that shows ASCII only.

Owns: `AsciiOnly`. Our own glyphs are letters there already (`screens.glyphs`); this is for the text of a cluster and
the frames that Textual draws. Widths stay as they are.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_FRAME = dict.fromkeys("─━═▔▁", "-") | dict.fromkeys("│┃║▏▕▌▐▎▊", "|") | dict.fromkeys("┌┐└┘╭╮╰╯┏┓┗┛╔╗╚╝├┤┬┴┼", "+")
_TEXT = {"…": "~", "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "→": ">", "›": ">", "█": " ", "▄": " ", "▀": " "}
_THUMB = dict.fromkeys("▂▃▅▆▇", " ")  # the ends of a scroll bar's thumb; its colour is left
_KNOWN = _FRAME | _TEXT | _THUMB


def ascii_text(text: str) -> str:
    """`text` in ASCII, in as many cells: what has no likeness is a question mark."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _KNOWN.get(char, "?" * cell_len(char)) for char in text)


class AsciiOnly(LineFilter):
    """Replaces every character that isn't ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]
