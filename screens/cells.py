"""Text as cells of a terminal: harmless, on one line, and exactly as wide as it says.

Owns: `clean`, `cut`, `fit`, `wrap` and the pieces of a line (`Span`, `Cell`). Every text of a cluster or of Git that
is painted goes through here, a second time after `fleetui.model.text.sanitize`. Pure; nothing here knows markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len as cell_len

from fleetui.model.text import sanitize


class Span(NamedTuple):
    """Text in one colour role."""

    text: str
    role: str = ""


class Cell(NamedTuple):
    """One cell of a table: a text that is cut where it is too long, and a `tail` that stays whole."""

    text: str
    role: str = ""
    tail: tuple[Span, ...] = ()

    @property
    def width(self) -> int:
        """What it takes to show it whole, in cells."""
        return cell_len(clean(self.text)) + sum(cell_len(clean(span.text)) for span in self.tail)


Line = tuple[Span, ...]

_MARKS = 2  # combining marks kept on one character; more of them paint over the lines above and below
_FLAGS = range(0x1F1E6, 0x1F200)
_TONES = range(0x1F3FB, 0x1F400)


def clean(text: str) -> str:
    """`text` on one line, without anything that a terminal obeys or that makes its width doubtful."""
    return text if text.isascii() and text.isprintable() else _clean(text)


@lru_cache(maxsize=8192)
def _clean(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in sanitize(text).replace("\t", "  "):
        shown = _shown(char)
        if shown and not cell_len(shown):
            marks += 1
            # A mark that has nothing to sit on would sit on the neighbouring cell.
            kept.append((shown if kept else f" {shown}") if marks <= _MARKS else "")
        elif shown:
            marks = 0
            kept.append(shown)
    return "".join(kept)


def _shown(char: str) -> str:
    """What stands for one character.

    Joiners, variation selectors, skin tones and tags glue several characters into one picture, and terminals disagree
    about its width: without them each stands alone, as wide as everybody says it is. Flags become their letters.
    """
    if char.isascii():
        return " " if char.isspace() else char
    if char.isspace():
        return " "
    code, category = ord(char), unicodedata.category(char)
    if code in _FLAGS:
        return chr(code - _FLAGS.start + ord("A"))
    if category == "Cf" or code in _TONES or unicodedata.name(char, "").startswith(("VARIATION", "MONGOLIAN FREE")):
        return ""
    if "FILLER" in unicodedata.name(char, ""):
        return ""
    return "\ufffd" if category in {"Cn", "Co", "Cs", "Cc"} else char


def _head(text: str, width: int) -> str:
    """The longest beginning of `text` that is at most `width` cells wide."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for index, char in enumerate(text):
        used += cell_len(char)
        if used > width:
            return text[:index]
    return text


def _tail(text: str, width: int) -> str:
    """The longest end of `text` that is at most `width` cells wide and begins with no combining mark."""
    if text.isascii():
        return text[len(text) - width :] if width > 0 else ""
    used, start = 0, len(text)
    for index in range(len(text) - 1, -1, -1):
        used += cell_len(text[index])
        if used > width:
            break
        if cell_len(text[index]):
            start = index
    return text[start:]


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """`clean(text)` in at most `width` cells, the middle replaced by `ellipsis` where it is wider."""
    text = clean(text)
    if cell_len(text) <= width:
        return text
    room = width - len(ellipsis)
    if room < 2:
        return _head(text, width)
    head = _head(text, (room + 1) // 2)
    return f"{head}{ellipsis}{_tail(text, room - cell_len(head))}"


def cut_end(text: str, width: int, ellipsis: str = "…") -> str:
    """`clean(text)` in at most `width` cells, the end replaced by `ellipsis` where it is wider."""
    text = clean(text)
    if cell_len(text) <= width:
        return text
    return _head(text, width - len(ellipsis)) + ellipsis[: max(0, width)]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with blanks to `width` cells; unchanged where it is as wide or wider."""
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """`clean(text)` in exactly `width` cells, cut in the middle."""
    return pad(cut(text, width, ellipsis), width, right=right)


def width_of(spans: Iterable[Span]) -> int:
    """The width of spans in cells."""
    return sum(cell_len(clean(span.text)) for span in spans)


def wrap(text: str, width: int, lines: int, *, ellipsis: str = "…") -> list[str]:
    """`clean(text)` broken at blanks into at most `lines` lines of at most `width` cells; the rest is cut off.

    A word that is wider than a line is broken anywhere.
    """
    words = [piece for word in clean(text).split() for piece in _pieces(word, max(2, width))]
    done: list[str] = []
    line = ""
    for index, word in enumerate(words):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
        elif len(done) == lines - 1:
            return [*done, cut_end(" ".join(filter(None, [line, *words[index:]])), width, ellipsis)]
        else:
            done += [line] if line else []
            line = word
    return [*done, line] if line else done


def chop(text: str, width: int) -> list[str]:
    """`clean(text)` in pieces of at most `width` cells, broken anywhere; for long texts, of which none is kept."""
    width = max(2, width)
    if text.isascii() and text.isprintable():
        return [text[at : at + width] for at in range(0, len(text), width)]
    return _pieces(_clean.__wrapped__(text), width)


def _pieces(word: str, width: int) -> list[str]:
    """A word in pieces of at most `width` cells."""
    pieces = []
    while cell_len(word) > width:
        pieces.append(_head(word, width))
        word = word[len(pieces[-1]) :]
    return [*pieces, word] if word else pieces
