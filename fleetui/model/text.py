"""Text from a cluster or a Git repository, made harmless where it enters.

Owns: `sanitize`. Called by `backends` on every string that a person may see. Nothing here knows about markup:
screens show such text as plain text, never as markup.
"""

from __future__ import annotations

import re

# C0 without tab and newline, DEL, C1, and the marks that reorder what a terminal shows (UAX #9, Trojan Source).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def sanitize(text: str) -> str:
    """Returns `text` without control characters, escape bytes and bidirectional marks.

    Newlines and tabs stay; each removed character becomes U+FFFD, so that nothing is joined in silence.
    """
    return _CONTROL.sub("\ufffd", text) if _CONTROL.search(text) else text


def one_line(text: str) -> str:
    """Returns `sanitize(text)` on a single line: runs of white space become one blank."""
    return " ".join(sanitize(text).split())


def cut_middle(text: str, width: int) -> str:
    """Returns `text` in at most `width` characters, the middle replaced by an ellipsis where it is longer."""
    if len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
