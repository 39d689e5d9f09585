"""Values and keys as YAML writes them on one line.

Owns: `scalar`, `block_header`. Called by `render`. What they write, any YAML 1.1 reader reads back as the same value.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_PLAIN = re.compile(r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=[^\s,\[\]{}]))(?:[^:#\s]|:(?=\S)|(?<=\S)#| (?=\S)(?!#))*")
_OTHER_TYPE = re.compile(
    r"""y|n|yes|no|on|off|true|false|null|~|=|<<|nan|inf
    | [-+]?0b[01_]+ | [-+]?0x[0-9a-f_]+ | [-+]?0o?[0-7_]+
    | [-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:e[-+]?[0-9]+)?
    | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
    | [-+]?\.(?:inf|nan)
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[t\ ].*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LINE_END = re.compile("[\r\x85\u2028\u2029]")


def scalar(value: Any) -> str:
    """A decoded value that is no filled map or list, on one line."""
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, default=str)


def _is_plain(text: str) -> bool:
    return text.isprintable() and _PLAIN.fullmatch(text) is not None and _OTHER_TYPE.fullmatch(text) is None


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _number(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    # YAML 1.1 takes a number with an exponent but no point for a string.
    return text if not exponent or "." in mantissa else f"{mantissa}.0e{power}"


def block_header(text: str) -> str | None:
    """The sign that begins a text of several lines (``|``, ``|-``, ``|+``, with ``2`` before indented ones); None where
    the text can't be written so, or has one line."""
    body = text.rstrip("\n")
    if "\n" not in text or not body or _LINE_END.search(text):
        return None
    lines = body.split("\n")
    if not all(line.replace("\t", "").isprintable() for line in lines):
        return None
    first = next(line for line in lines if line)
    ends = len(text) - len(body)
    return "|" + ("2" if first[0] in " \t" or not lines[0] else "") + ("-", "", "+")[min(ends, 2)]
