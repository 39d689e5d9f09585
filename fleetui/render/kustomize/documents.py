"""Files of resources and of patches become values.

Owns: `documents`, `resources`. Follows kyaml 0.21.2 (kio/byteio_reader.go: how a file is cut, what a `List` is) and
api 0.21.2 (resource/factory.go: what is dropped, refused and expanded). Remembers what it parsed, by content; pure
otherwise. Called by `target`, `patches`.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent
from yaml.reader import ReaderError

from fleetui.model.errors import ManifestError
from fleetui.model.objects import MAX_DEPTH
from fleetui.model.text import one_line
from fleetui.render.cache import ByteCache
from fleetui.render.kustomize.errors import Unsupported, UnsupportedProblem
from fleetui.render.kustomize.values import EMPTY, Quoted, copied, plain, round_tripped
from fleetui.render.yaml import MAX_FILE

_SEPARATOR = re.compile(r"\n---(.*)\n")
_SCHEMA_COMMENT = re.compile(r"#\s*\{|\$openapi")
_UNSTABLE_FOLD = re.compile(r"(?:^|\n)[ \t]|^\n")
"""In such a text go-yaml adds a line each time that it writes it folded, and kustomize writes it now and then."""
_TEXT_TAG = "tag:yaml.org,2002:str"


class Document(NamedTuple):
    """A document's value, and the line (1-based) that it begins at."""

    value: Any
    line: int


_parsed: ByteCache[list[Document]] = ByteCache(64 * 1024 * 1024)


def resources(content: bytes, path: str) -> list[Document]:
    """The objects of a file, lists replaced by their items; the caller's own.

    Raises:
        ManifestError: a document is no object with kind and name.
        Unsupported: it is written in a way that is left to the binary.
    """
    key = hashlib.blake2b(content, digest_size=16).digest()
    known = _parsed.get(key)
    if known is None:
        known = _expanded([_checked(document, path) for document in documents(content, path)], path)
        _parsed.put(key, known, size=4 * len(content) + 200)
    return [Document(copied(document.value), document.line) for document in known]


def documents(content: bytes, path: str) -> list[Document]:
    """The documents of a file that are not empty, with the items of a file that is one `List`.

    Raises:
        ManifestError: not YAML.
        Unsupported: it is written in a way that is left to the binary.
    """
    text = _text(content, path)
    found: list[Document] = []
    line, chunks = 1, _SEPARATOR.split(text)
    for position in range(0, len(chunks), 2):
        chunk = chunks[position]
        # The last document keeps what the file ends with, which a block scalar's value shows.
        document = _parse(chunk if position == len(chunks) - 1 else chunk + "\n", path, line)
        line += chunk.count("\n") + 2
        if document is not None and document.value is not None and document.value is not EMPTY:
            found.append(document)
    for comment in chunks[1::2]:
        if comment.strip() and not comment.strip().startswith("#"):
            raise ManifestError("only a comment may follow --- on its line", path=path)
    if len(chunks) == 1 and found and isinstance(found[0].value, dict):
        return _unwrapped(found[0], path)
    return found


def _unwrapped(document: Document, path: str) -> list[Document]:
    value, line = document
    if value.get("kind") == "ResourceList" or (value.get("kind") == "List" and "functionConfig" in value):
        raise Unsupported("a ResourceList", path=path, line=line)
    if value.get("kind") != "List" or "items" not in value:
        return [document]
    items = value["items"]
    return [Document(item, line) for item in items] if isinstance(items, list) else []


def _checked(document: Document, path: str) -> Document:
    value, line = document
    if not isinstance(value, dict):
        raise ManifestError("the document is not a Kubernetes object", path=path, line=line)
    kind, metadata = value.get("kind"), value.get("metadata")
    if not isinstance(kind, str) or not kind:
        raise ManifestError("the object has no kind", path=path, line=line)
    if not isinstance(value.get("apiVersion"), str):
        raise Unsupported("an object without apiVersion", path=path, line=line)
    if kind.endswith("List"):
        return document
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name is None or name is EMPTY or name == "":
        raise ManifestError(f"the {one_line(kind)} has no metadata.name", path=path, line=line)
    assert isinstance(metadata, dict)
    if not isinstance(name, str) or not isinstance(metadata.get("namespace", ""), str):
        raise Unsupported("a name or namespace that is no text", path=path, line=line)
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field, {}), dict):
            raise Unsupported(f"metadata.{field} without values", path=path, line=line)
    return document


def _expanded(documents: list[Document], path: str) -> list[Document]:
    """`inlineAnyEmbeddedLists` of factory.go: the items of a FooList go to the end of the file."""
    found: list[Document] = []
    queue = deque(documents)
    while queue:
        document = queue.popleft()
        value = document.value
        if not value["kind"].endswith("List") or "items" not in value:
            found.append(document)
            continue
        items = round_tripped(value["items"])
        if items is None:
            continue
        if not isinstance(items, list):
            raise ManifestError(f"items of the {value['kind']} is no list", path=path, line=document.line)
        queue.extend(_checked(Document(item, document.line), path) for item in items if item)
    return found


# --- YAML -----------------------------------------------------------------------------------------------------


def _text(content: bytes, path: str) -> str:
    if len(content) > MAX_FILE:
        raise ManifestError(f"larger than {MAX_FILE // 1024**2} MiB, which is no manifest", path=path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError("not text in UTF-8", path=path, line=line) from error
    if text.startswith("\ufeff"):
        raise Unsupported("a file with a byte order mark", path=path)
    if _SCHEMA_COMMENT.search(text):
        # kyaml takes such a comment for the field's OpenAPI schema, which changes how it is merged.
        raise Unsupported("a comment that looks like a schema", path=path)
    return text.replace("\r\n", "\n")


def _parse(text: str, path: str, first: int) -> Document | None:
    try:
        return _Parser(text).document(first)
    except UnsupportedProblem as problem:
        line = problem.args[1] if len(problem.args) > 1 else 0
        raise Unsupported(problem.args[0], path=path, line=line + first) from problem
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context == "while scanning a tag":
            # go-yaml takes some that libyaml does not.
            line = mark.line + first if mark else None
            raise Unsupported("a YAML tag of this form", path=path, line=line) from error
        message = one_line(error.problem or error.context or "no valid YAML")
        raise ManifestError(
            f"not a valid manifest: {message}", path=path, line=mark.line + first if mark else None
        ) from error
    except ReaderError as error:
        raise ManifestError(
            f"the character U+{int(error.character):04X} is not allowed in YAML", path=path, line=first
        ) from error


class _Parser:
    """Takes one document from libyaml's events; refuses what go-yaml v3 may read in another way."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._line = 0

    def document(self, first: int) -> Document | None:
        self._next()
        start = self._next()
        if isinstance(start, StreamEndEvent):
            return None
        if start.version or start.tags:
            raise UnsupportedProblem("a YAML directive", 0)
        event = self._next()
        value = self._value(event, 0)
        line = event.start_mark.line
        self._next()
        following = self._next()
        if not isinstance(following, StreamEndEvent):
            raise UnsupportedProblem("a document that is not parted by ---", following.start_mark.line)
        return Document(value, line + first)

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, AliasEvent) or event.anchor:
            raise UnsupportedProblem("a YAML anchor or alias", event.start_mark.line)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if event.tag is not None and not event.implicit:
            raise UnsupportedProblem(f"the YAML tag {event.tag}", event.start_mark.line)
        if depth == MAX_DEPTH:
            raise UnsupportedProblem(f"a document nested deeper than {MAX_DEPTH} levels", event.start_mark.line)
        if isinstance(event, MappingStartEvent):
            return self._mapping(depth + 1)
        return self._sequence(depth + 1)

    def _sequence(self, depth: int) -> list[Any]:
        values = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            value = self._value(event, depth)
            if value is None or value is EMPTY:
                raise UnsupportedProblem("a null in a list", event.start_mark.line)
            values.append(value)
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._value(event, depth)
            if not isinstance(key, str) or not key:
                raise UnsupportedProblem("a key that is no text", event.start_mark.line)
            if key in mapping:
                raise UnsupportedProblem(f"the key {one_line(key)} twice", event.start_mark.line)
            mapping[key] = self._value(self._next(), depth)
        return mapping

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None and event.tag != _TEXT_TAG:
            raise UnsupportedProblem(f"the YAML tag {one_line(event.tag)}", event.start_mark.line)
        if event.style == ">" and _UNSTABLE_FOLD.search(event.value):
            raise UnsupportedProblem("a folded text with indented lines", event.start_mark.line)
        if event.tag is not None or not event.implicit[0]:
            # Of a plain text with an explicit tag the style is plain.
            return event.value if event.style is None else Quoted(event.value)
        try:
            return plain(event.value)
        except UnsupportedProblem as problem:
            raise UnsupportedProblem(problem.args[0], event.start_mark.line) from problem
