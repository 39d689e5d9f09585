"""Manifests read and written: YAML and JSON as Kubernetes' own decoders take them.

Owns: `documents` and `dump`. Follows `NewYAMLOrJSONDecoder` of k8s.io/apimachinery 0.34 (util/yaml/decoder.go) over
sigs.k8s.io/yaml 1.6, which is what Argo CD reads a directory source with. Called by `fleetui.render.directory` and by
whoever shows an object. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from fleetui.model.errors import ManifestError
from fleetui.model.objects import MAX_DEPTH
from fleetui.render import scalars
from fleetui.render.advice import advice
from fleetui.render.events import Flaw, build

MAX_FILE = 32 * 1024 * 1024
"""Largest file that is read, in bytes."""

_SEPARATOR = re.compile(r"^---(.*)$", re.MULTILINE)
_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Document(NamedTuple):
    """One YAML or JSON document: JSON-like values, and the line (1-based) of the file that it begins at.

    Values that stand behind an alias are shared, not copied.
    """

    value: Any
    line: int


def documents(content: bytes, *, path: str = "") -> Iterator[Document]:
    """Yields the documents of a file of either format that are not empty or null.

    `path` is named in errors. Of equal keys the last wins; numeric and boolean keys become text.

    Raises:
        ManifestError: while iterating, after the documents before the flaw.
    """
    full = text = decode(content, path=path)
    line = 1
    if text.startswith("{", _skip_space(text, 0)):
        position = 0
        for value, start, end in _json_stream(text, path):
            position = end
            yield Document(value, line_at(text, start))
        position = _skip_space(text, position)
        line = line_at(text, position)
        text = text[position:]
    try:
        for first, chunk in chunks(text, first=line):
            document = _build(chunk, first)
            if document is not None and document.value is not None:
                yield document
    except Flaw as flaw:
        raise _told(flaw, "not a valid manifest", full, path) from flaw


def _told(flaw: Flaw, what: str, text: str, path: str) -> ManifestError:
    hint = advice(flaw.message, flaw.line, text)
    return ManifestError(f"{what}: {flaw.message}", path=path, line=flaw.line, hint=hint)


def single_json(content: bytes, *, path: str = "") -> Document:
    """The one object of a ``.json`` file.

    Raises:
        ManifestError: not JSON, or more than one value (Argo CD: "Only single objects are allowed in JSON files").
    """
    text = decode(content, path=path)
    try:
        value, start, end = _json_value(text, 0)
    except Flaw as flaw:
        raise _told(flaw, "not valid JSON", text, path) from flaw
    if (extra := _skip_space(text, end)) < len(text):
        line = line_at(text, extra)
        hint = "split it, or name it .yaml with --- between the objects"
        raise ManifestError("holds several objects; a JSON file may hold only one", path=path, line=line, hint=hint)
    return Document(value, line_at(text, start))


def decode(content: bytes, *, path: str = "") -> str:
    """The text of a file: UTF-8, or UTF-16 where a byte order mark says so (Argo CD's utfutil).

    Raises:
        ManifestError: too large, or in no such encoding.
    """
    if len(content) > MAX_FILE:
        message = f"larger than {MAX_FILE // 1024**2} MiB, which is no manifest"
        raise ManifestError(message, path=path, hint="split it, or keep it out of the application's folder")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"not text in {encoding[:6].upper()}"
        raise ManifestError(message, path=path, line=line, hint="save it in UTF-8") from error


def chunks(text: str, *, first: int = 1) -> Iterator[tuple[int, str]]:
    """Yields each document's first line and text, cut at the lines that begin with ``---``; `first` is the line that
    `text` begins at.

    Raises:
        Flaw: something other than a comment follows ``---`` on its line.
    """
    start = 0
    for separator in _SEPARATOR.finditer(text):
        after = first + text.count("\n", start, separator.start())
        if separator[1].strip() and not separator[1].strip().startswith("#"):
            raise Flaw("only a comment may follow --- on its line", after)
        yield first, text[start : separator.start()]
        start, first = separator.end(), after
    yield first, text[start:]


def line_at(text: str, index: int) -> int:
    """The line (1-based) of the character at `index`."""
    return text.count("\n", 0, index) + 1


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _build(chunk: str, first: int) -> Document | None:
    if not chunk.strip(" \n"):
        return None
    try:
        built = build(chunk)
    except Flaw as flaw:
        raise Flaw(flaw.message, None if flaw.line is None else flaw.line + first - 1) from flaw
    return None if built is None else Document(built[0], built[1] + first - 1)


# --- JSON -----------------------------------------------------------------------------------------------------


def _json_stream(text: str, path: str) -> Iterator[tuple[Any, int, int]]:
    """Yields value, start and end of the JSON values that `text` begins with.

    The decoder takes a stream for JSON until one value fails; after at most one value it goes on with YAML.
    """
    position, count = 0, 0
    while _skip_space(text, position) < len(text):
        try:
            value, start, end = _json_value(text, position)
        except Flaw as flaw:
            if count > 1:
                raise _told(flaw, "not valid JSON", text, path) from flaw
            return
        if value is not None:
            yield value, start, end
        position, count = end, count + 1


def _json_value(text: str, position: int) -> tuple[Any, int, int]:
    start = _skip_space(text, position)
    try:
        value, end = _DECODER.raw_decode(text, start)
        return _checked(value, 0), start, end
    except json.JSONDecodeError as error:
        raise Flaw(error.msg, error.lineno) from error
    except (RecursionError, ValueError) as error:
        message = f"nested deeper than {MAX_DEPTH} levels" if isinstance(error, RecursionError) else str(error)
        raise Flaw(message, line_at(text, start)) from error


def _checked(value: Any, depth: int) -> Any:
    """`value` with unpaired surrogates replaced, as Go does; the rest of fleetui could not encode them."""
    if isinstance(value, str):
        return _paired(value)
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {_paired(key): _checked(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_checked(item, depth + 1) for item in value]
    return value


def _paired(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text) if _SURROGATE.search(text) else text


def _json_int(digits: str) -> int | float:
    if len(digits) < 21 and scalars.MIN_INT <= (value := int(digits)) <= scalars.MAX_INT:
        return value
    return _json_float(digits)


def _json_float(digits: str) -> int | float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:20]}… is too large")
    return scalars.json_number(value)


def _json_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number that JSON can carry")


_DECODER = json.JSONDecoder(parse_int=_json_int, parse_float=_json_float, parse_constant=_json_constant)


# --- writing --------------------------------------------------------------------------------------------------


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    # Quoted wherever any of the readers (YAML 1.1 with PyYAML's rules, go-yaml) would take it for something else.
    ambiguous = not isinstance(scalars.resolve(text), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if ambiguous else None)


_Dumper.add_representer(str, _represent_text)


def dump(obj: Any) -> str:
    """JSON-like values as YAML to be read: keys in their order, text of several lines as a block, nothing folded."""
    text: str = yaml.dump(obj, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    return text
