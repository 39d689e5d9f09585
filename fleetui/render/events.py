"""One YAML document becomes JSON-like values, straight from libyaml's events.

Owns: `build` and the guards against hostile text: nesting, alias bombs, what JSON can't carry. Called by
`fleetui.render.yaml` and by the generators and templates of `fleetui.engine.appset`, each of which makes its own error
of a `Flaw`. Building from events is three times quicker than PyYAML's constructors and, unlike them, knows
the depth before it recurses and the size of an alias before it is expanded.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent
from yaml.reader import ReaderError

from fleetui.model.objects import MAX_DEPTH
from fleetui.model.text import one_line
from fleetui.render import scalars

MAX_EXPANSION = 4_000_000
"""What aliases may add to a document, in values and characters; an API server refuses objects beyond 3 MB."""

_TAG = "tag:yaml.org,2002:"
_MERGE = object()


class Flaw(Exception):  # noqa: N818 - not an error of fleetui's tree: whoever builds makes one of it
    """The text is no document: what is wrong, and on which line of the text (1-based)."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line

    @property
    def told(self) -> str:
        """What is wrong, and where in the text."""
        return self.message if self.line is None else f"{self.message}, in line {self.line} of it"


def build(text: str) -> tuple[Any, int] | None:
    """The first document of `text` and the line (1-based) it begins at; None where there is only white space and
    comments.

    Raises:
        Flaw: the text is not YAML, or not what JSON can carry, or beyond a guard.
    """
    try:
        return _Builder(text).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Flaw(
            one_line(error.problem or error.context or "not valid YAML"), mark.line + 1 if mark else None
        ) from error
    except ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise Flaw(f"the character U+{int(error.character):04X} is not allowed in YAML", line) from error


class _Builder:
    """Takes one parser from its first event to the end of its first document."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0
        self._expanded = 0

    def document(self) -> tuple[Any, int] | None:
        self._next()
        if isinstance(self._next(), StreamEndEvent):
            return None
        event = self._next()
        value = self._value(event, 0)
        # The document's end is read for its errors; what comes after it go-yaml does not read either.
        self._next()
        return value, _line(event)

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if depth == MAX_DEPTH:
            raise Flaw(f"nested deeper than {MAX_DEPTH} levels", _line(event))
        before = self._size
        self._size += 1
        value: Any = self._mapping(depth + 1) if isinstance(event, MappingStartEvent) else self._sequence(depth + 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._size - before)
        return value

    def _sequence(self, depth: int) -> list[Any]:
        values = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            values.append(self._value(event, depth))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        # As in go-yaml v2, the last of equal keys wins, and a merge overwrites the keys that stand before it.
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event)
            value_event = self._next()
            value = self._value(value_event, depth)
            if key is _MERGE:
                _merge(mapping, value, _line(value_event))
            else:
                mapping[key] = value
        return mapping

    def _key(self, event: Any) -> Any:
        if isinstance(event, AliasEvent):
            value = self._alias(event)
        elif not isinstance(event, ScalarEvent):
            raise Flaw("a mapping or a list can't be a key", _line(event))
        elif event.value == "<<" and (event.implicit[0] or event.tag == f"{_TAG}merge"):
            return _MERGE
        else:
            # Unlike a value, a key never goes through JSON as a number: 1e6 is the key "1e+06".
            value = _resolve(event)
            self._remember(event, value)
        if isinstance(value, dict | list) or (key := scalars.key_text(value)) is None:
            raise Flaw("null, a mapping or a list can't be a key", _line(event))
        return key

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise Flaw(f"alias *{event.anchor} has no anchor before it", _line(event))
        value, size = self._anchors[event.anchor]
        self._size += size
        self._expanded += size
        if self._expanded > MAX_EXPANSION:
            raise Flaw("its aliases expand beyond any object's size", _line(event))
        return value

    def _scalar(self, event: Any) -> scalars.Scalar:
        value = _resolve(event)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise Flaw(f"{event.value} is no number that JSON can carry", _line(event))
            value = scalars.json_number(value)
        self._remember(event, value)
        return value

    def _remember(self, event: Any, value: scalars.Scalar) -> None:
        size = 1 + len(event.value)
        self._size += size
        if event.anchor:
            self._anchors[event.anchor] = (value, size)


def _resolve(event: Any) -> scalars.Scalar:
    """The value under the rules of go-yaml v2's ``resolve`` (resolve.go) for tags that it knows; under any other tag a
    scalar is text."""
    text: str = event.value
    if event.tag is None:
        return scalars.resolve(text) if event.implicit[0] else text
    tag = event.tag.removeprefix(_TAG)
    if tag == "binary":
        return _binary(event)
    if tag not in ("bool", "int", "float", "null"):
        return text
    value = scalars.resolve(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if type(value) is not {"bool": bool, "int": int, "float": float, "null": type(None)}[tag]:
        raise Flaw(f"{one_line(text)!r} is not of type {tag}", _line(event))
    return value


def _binary(event: Any) -> str:
    try:
        return base64.b64decode("".join(event.value.split()), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise Flaw("the !!binary value is no base64", _line(event)) from error


def _merge(mapping: dict[str, Any], value: Any, line: int) -> None:
    sources = reversed(value) if isinstance(value, list) else [value]
    for source in sources:
        if not isinstance(source, dict):
            raise Flaw("a merge (<<) needs a mapping or a list of mappings", line)
        mapping.update(source)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
