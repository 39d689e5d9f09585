"""Values as kustomize holds them between reading and writing.

Owns: `EMPTY`, the kinds of texts and numbers, and the functions over values. kustomize works on YAML nodes, whose
scalars have a text, a type and a way of writing. Here a scalar is the Python value that it comes out as, which is
enough as long as the text follows from the value: `plain` refuses every spelling of which that is not true. Used by the
whole package.
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


class Quoted(str):
    """A text that is not written plainly: what a patch puts in its place is written in the same way, so that a number
    becomes a text."""

    __slots__ = ()


class Unsure(str):
    """A text of which can't be told how kustomize has it written at the moment."""

    __slots__ = ()


class Untyped(str):
    """A text that kustomize wrote without a type: another one in its place is read for its type."""

    __slots__ = ()


class Unspelt(int):
    """A number whose text is another than its digits: ``0755``, or ``1e+06`` where it came back from Go's JSON."""

    __slots__ = ()


_V1_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
_PLAIN_TEXT = re.compile(r"[A-Za-z/$][A-Za-z0-9_./:@$-]*")


def plain(text: str) -> Any:
    """The value of a plain scalar under the rules of go-yaml v3 (resolve.go).

    Raises:
        UnsupportedProblem: its text can't be told from its value (``1e3``, ``True``), or it is a timestamp.
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
    if (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, float) and (repr(value) != text or text == "-0.0"))
    ):
        raise UnsupportedProblem(f"the scalar {text}")
    return value if repr(value) == text or isinstance(value, float) else Unspelt(value)


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
    if isinstance(value, Unspelt):
        raise UnsupportedProblem(f"the number {int(value)} as a text, though it is spelt otherwise,")
    return repr(value) if isinstance(value, int | float) else ""


def untyped(text: str) -> Untyped:
    """What a scalar becomes that kustomize writes without a type: its text is read again.

    Raises:
        UnsupportedProblem: it would not be read as text, and whether it is depends on how the old one was quoted.
    """
    if not _is_plain(text) and (not isinstance(scalars.resolve(text), str) or plain(text) != text):
        raise UnsupportedProblem(f"the name {text!r}, which reads as something else than text,")
    return Untyped(text)


def _is_plain(text: str) -> bool:
    return _PLAIN_TEXT.fullmatch(text) is not None and text.lower() not in _SPECIAL_WORDS


_SPECIAL_WORDS = _V1_WORDS | {"true", "false", "null"}


def written(text: str) -> str:
    """A text as kustomize writes one that it makes itself: quoted where YAML 1.1 would take it for something else."""
    if _is_plain(text):
        return text
    return Unsure(text) if isinstance(scalars.resolve(text), str) and text.lower() not in _V1_WORDS else Quoted(text)


def replaced(old: Any, text: str) -> Any:
    """A text without a type in the place of `old`, whose way of writing stays.

    Raises:
        UnsupportedProblem: it may be read as something else than text.
    """
    return Quoted(text) if isinstance(old, Quoted) else untyped(text)


def retyped(old: Any, new: Any) -> Any:
    """`new` in the place of `old`, both scalars, with its type but written as the old one was.

    Raises:
        UnsupportedProblem: that can't be told.
    """
    if isinstance(old, Quoted):
        return Quoted(text_of(new))
    if isinstance(old, Unsure) and not isinstance(new, str):
        raise UnsupportedProblem(f"a patch that puts {text_of(new)} in the place of {str(old)!r}")
    if isinstance(old, Unsure):
        return Unsure(new)
    return str(new) if isinstance(new, str) else new


def new_key(key: str) -> str:
    """A key that kustomize makes itself, which it writes plainly.

    Raises:
        UnsupportedProblem: it would be read as something else than text.
    """
    if not _is_plain(key) and (key.lower() in _V1_WORDS or plain(key) != key or _TIMESTAMP.match(key)):
        raise UnsupportedProblem(f"the key {key!r}, which reads as something else than text,")
    return key


def settled(value: Any) -> Any:
    """A scalar that a strategic merge passed by, which writes it as YAML 1.1 wants it."""
    return Quoted(value) if type(value) is str and value.lower() in _V1_WORDS else value


def copied(value: Any) -> Any:
    """A deep copy."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, dict | list) else item for item in value]
    return value


def finished(value: Any) -> Any:
    """`value` as it comes out: plain Python values. A deep copy."""
    if isinstance(value, str):
        return value if type(value) is str else str(value)
    if isinstance(value, dict):
        return {key: finished(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finished(item) for item in value]
    if value is EMPTY:
        return None
    if isinstance(value, float):
        return scalars.json_number(value)
    return int(value) if isinstance(value, Unspelt) else value


def round_tripped(value: Any) -> Any:
    """`value` after a way through JSON and back, which writes it anew. A deep copy."""
    if isinstance(value, str):
        return Quoted(value) if "\n" in value else written(str(value))
    if isinstance(value, dict):
        return {key: round_tripped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [round_tripped(item) for item in value]
    if isinstance(value, int) and abs(value) > _MAX_EXACT:
        raise UnsupportedProblem(f"the number {value} in an object with a JSON patch")
    if isinstance(value, int) and abs(value) >= _EXPONENT:
        return Unspelt(value)
    return finished(value)


_EXPONENT = 1_000_000
"""From here on Go writes floats with an exponent."""
_MAX_EXACT = 2**53
"""Beyond it not every whole number is a float, which is what Go's JSON makes of all."""
