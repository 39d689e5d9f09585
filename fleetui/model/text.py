"""Text from a cluster or a Git repository, made harmless where it enters.

Owns: `sanitize` and its like. Called by `backends` on every string that a person may see, and by `fleetui.fleet` on
whole objects that it hands out. Nothing here knows about markup: screens show such text as plain text.
"""

from __future__ import annotations

import re
from typing import Any

# C0 without tab and newline, DEL, C1, and the marks that reorder what a terminal shows (UAX #9, Trojan Source).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# What counts as printable and is blank, beside the format characters, which don't (Unicode: Default_Ignorable).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_USERINFO = re.compile(r"([A-Za-z+]+://)([^/@\s]+)@")


def sanitize(text: str) -> str:
    """Returns `text` without control characters, escape bytes and bidirectional marks.

    Newlines and tabs stay; each removed character becomes U+FFFD, so that nothing is joined in silence.
    """
    return _CONTROL.sub("\ufffd", text) if _CONTROL.search(text) else text


def sanitize_all(value: Any) -> Any:
    """Returns decoded JSON with every string in it, keys too, put through `sanitize`."""
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, dict):
        return {sanitize_all(key): sanitize_all(part) for key, part in value.items()}
    if isinstance(value, list):
        return [sanitize_all(part) for part in value]
    return value


def one_line(text: str) -> str:
    """Returns `sanitize(text)` on a single line: runs of white space become one blank."""
    if text.isascii() and text.isprintable() and "  " not in text:  # nearly all there is
        return text.strip()
    return " ".join(sanitize(text).split())


def visible(text: str) -> str:
    """Returns `one_line(text)` with whatever takes no room replaced: two names that look alike are the same."""
    return _UNSEEN.sub("\ufffd", "".join(char if char.isprintable() else "\ufffd" for char in one_line(text)))


def masked(text: str) -> str:
    """Returns `text` with the credentials of each URL in it replaced by ``***``; the mere user of an ssh URL stays."""
    return _USERINFO.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    scheme, userinfo = match[1], match[2]
    return match[0] if "ssh" in scheme and ":" not in userinfo else f"{scheme}***@"


def cut_middle(text: str, width: int) -> str:
    """Returns `text` in at most `width` characters, the middle replaced by an ellipsis where it is longer."""
    if len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def quoted(text: str, width: int = 200) -> str:
    """Returns a stranger's text between quotes on one line, as a sentence may have it: at most `width` characters."""
    return repr(cut_middle(one_line(text), width))


_GO_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(7 + at): f"\\{letter}" for at, letter in enumerate("abtnvfr")}


def go_quoted(text: str) -> str:
    """Returns `text` as Go's ``%q`` prints it (strconv.Quote), for messages that are to be a Go program's."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_go_escaped, text))}"'


def _go_escaped(char: str) -> str:
    if (escape := _GO_ESCAPES.get(char)) is not None:
        return escape
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
