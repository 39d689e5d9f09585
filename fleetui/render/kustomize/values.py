"""Values as kustomize holds them between reading and writing.

Owns: `EMPTY`, `plain`, `text_of`, `copied`, `round_tripped`, `finished`. kustomize works on YAML nodes, whose scalars have both
a text and a type. Here a scalar is the Python value that it comes out as, which is enough as long as the text follows
from the value; `plain` refuses every spelling of which that is not true. Used by the whole package.
"""

from __future__ import annotations

import re
from typing import Any

from fleetui.render import scalars
from fleetui.render.kustomize.errors import UnsupportedProblem


class _Empty:
    """A null that is written as nothing (``key:``), which a strategic merge drops where it keeps a written ``null``."""

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY = _Empty()

_V1_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
_PLAIN_TEXT = re.compile(r"[A-Za-z/$][A-Za-z0-9_./:@$-]*")


def plain(text: str) -> Any:
    """The value of a plain scalar under the rules of go-yaml v3 (resolve.go).

    Raises:
        UnsupportedProblem: its text can't be told from its value (``0x1F``, ``1e3``, ``True``), or it is a timestamp.
    """
    if text == "":
        return EMPTY
    if text == "null":
        return None
    if text == "true":
        return True
    if text == "false":
        return False
    value = scalars.resolve(text)
    if isinstance(value, str):
        if text in ("<<", "=") or text.startswith(("0o", "0O", "-0o", "+0o")) or _TIMESTAMP.match(text):
            raise UnsupportedProblem(f"the scalar {text}")
        return text
    if isinstance(value, bool) and text.lower() in _V1_WORDS:
        return text
    if value is None or isinstance(value, bool) or text_of(value) != text or (value == 0 and text.startswith("-")):
        raise UnsupportedProblem(f"the scalar {text}")
    return value


def is_null(value: Any) -> bool:
    return value is None or value is EMPTY


def is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


def text_of(value: Any) -> str:
    """The text of a scalar, as it stands in the file; empty for mappings and lists."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else ""


def untyped(text: str) -> Any:
    """What a scalar becomes that kustomize writes without a type: its text is read again.

    Raises:
        UnsupportedProblem: it would not be read as text, and whether it is depends on how the old one was quoted.
    """
    if _PLAIN_TEXT.fullmatch(text) and text.lower() not in _SPECIAL_WORDS:
        return text
    if not isinstance(scalars.resolve(text), str) or plain(text) != text:
        raise UnsupportedProblem(f"the name {text!r}, which reads as something else than text,")
    return text


_SPECIAL_WORDS = _V1_WORDS | {"true", "false", "null"}


def copied(value: Any) -> Any:
    """A deep copy."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, dict | list) else item for item in value]
    return value


def round_tripped(value: Any) -> Any:
    """`value` after a way through JSON: written nulls, and no fractions of zero. A deep copy."""
    if isinstance(value, dict):
        return {key: round_tripped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [round_tripped(item) for item in value]
    if value is EMPTY:
        return None
    return scalars.json_number(value) if isinstance(value, float) else value
