"""YAML and JSON as text that is edited in place: where a value is written, and how another is written there.

Owns: `Document` and `document_of`, `Splice`, and how a version is written as a scalar. Called by the other ``truth``
modules. What is not replaced stays byte for byte: comments, quoting, order, line ends. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import yaml

from fleetui.engine.application import mapping
from fleetui.model.errors import ManifestError
from fleetui.render import scalars
from fleetui.render.lines import NodeLoader
from fleetui.render.yaml import documents

Path = tuple[str | int, ...]

_SEPARATOR = re.compile(r"^---.*$", re.MULTILINE)
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_PLAIN = re.compile(r"(?:\.{0,2}/)?[A-Za-z0-9][A-Za-z0-9._+/@~^%?=&-]*|https?://[A-Za-z0-9._+/@:%?=&-]*[A-Za-z0-9/]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")


class Splice(NamedTuple):
    """`text` in the place of what stands from `start` to `end`, counted in characters."""

    start: int
    end: int
    text: str


class Document(NamedTuple):
    """One document of a file.

    `value` is what it says, as Argo CD reads it, `values` what all of the file's say, and `number` which it is of them.
    `node` writes it; its marks count from `offset` on.
    """

    text: str
    path: str
    values: tuple[Any, ...]
    number: int
    node: yaml.Node
    offset: int

    @property
    def value(self) -> Any:
        return self.values[self.number]

    @property
    def is_json(self) -> bool:
        return self.text.lstrip("\ufeff \t\r\n").startswith("{")

    @property
    def line_end(self) -> str:
        return "\r\n" if self.text.partition("\n")[0].endswith("\r") else "\n"

    def span(self, node: yaml.Node) -> tuple[int, int]:
        """Where the node's text begins and ends, without an anchor or tag."""
        start, end = node.start_mark.index + self.offset, node.end_mark.index + self.offset
        matched = _PROPERTIES.match(self.text, start, end)
        return (matched.end() if matched else start), end

    def refusal(self, message: str, node: yaml.Node | None = None, hint: str = "") -> ManifestError:
        """Why it can't be read or edited, with file and line."""
        return ManifestError(message, path=self.path, line=(node or self.node).start_mark.line + 1, hint=hint)

    def at(self, path: Path) -> yaml.Node:
        """The node that writes the value at `path`.

        Raises:
            ManifestError: it is not written there, or stands behind an alias, where others would change with it.
        """
        node = self.node
        for depth, part in enumerate(path):
            child = _child(node, part)
            if child is None:
                shown = ".".join(map(str, path[: depth + 1]))
                message = f"{shown} is not written in its own place, but behind an anchor, or not at all"
                raise self.refusal(message, node, "write the value out")
            node = child
        return node


def document_of(text: str, path: str, name: str = "") -> Document:
    """The document of a file that holds an object, ``KIND NAMESPACE/NAME``; its only one where `name` is empty. An
    object that names no namespace is found in any. `path` is named in errors.

    Raises:
        ManifestError: it is neither YAML nor JSON, or there is no such object, or are several.
    """
    read = list(documents(text.encode(errors="surrogatepass"), path=path))
    found = [number for number, each in enumerate(read) if not name or _is(each.value, name)]
    if len(found) != 1:
        what = name or "document"
        message = f"there is no {what} in it" if not found else f"there are {len(found)} of {what} in it"
        raise ManifestError(message, path=path)
    line = read[found[0]].line
    start, first = 0, 1
    for separator in _SEPARATOR.finditer(text):
        after = first + text.count("\n", start, separator.end())
        if after >= line:
            break
        start, first = separator.end(), after
    else:
        separator = None
    end = separator.start() if separator is not None else len(text)
    # Empty lines in the place of what comes before: so the lines of the marks count within the file.
    chunk = "\n" * (first - 1) + text[start:end].replace("\ufeff", " ")
    try:
        node = NodeLoader(chunk).get_single_node()
    except yaml.YAMLError as error:
        raise ManifestError("can't be edited in place: PyYAML does not read it", path=path, line=line) from error
    if node is None:
        raise ManifestError("can't be edited in place: its documents can't be told apart", path=path, line=line)
    values = tuple(each.value for each in read)
    return Document(text, path, values, found[0], node, start - (first - 1))


def _is(value: Any, name: str) -> bool:
    kind, _, full = name.partition(" ")
    namespace, _, name = full.rpartition("/")
    metadata = mapping(mapping(value).get("metadata"))
    there = metadata.get("namespace") or ""
    return mapping(value).get("kind") == kind and metadata.get("name") == name and there in {"", namespace}


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and _key(key) == part:
                # What an alias leads to was written before.
                return value if value.start_mark.index >= key.end_mark.index else None
        return None
    if not isinstance(node, yaml.SequenceNode) or not isinstance(part, int) or not 0 <= part < len(node.value):
        return None
    item, before = node.value[part], node.value[part - 1].end_mark if part else node.start_mark
    return item if item.start_mark.index >= before.index else None


def _key(node: yaml.ScalarNode) -> str | None:
    return node.value if node.style else scalars.key_text(scalars.resolve(node.value))


# --- how it is written ----------------------------------------------------------------------------------------------


def said(value: Any) -> str | None:
    """A version as text, a number as JSON writes it; None for what is no version."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def scalar(text: str, style: str | None = None) -> str:
    """`text` as a scalar, in the quotes that `style` names, and in some where any reader of YAML would take it for a
    number, a truth value, a date or nothing."""
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if style != '"' and _PLAIN.fullmatch(text) and not _is_other(text):
        return text
    return json.dumps(text, ensure_ascii=False)


def _is_other(text: str) -> bool:
    if not isinstance(scalars.resolve(text), str) or _DATE.fullmatch(text):
        return True
    for read in (float, lambda digits: int(digits, 0)):
        try:
            read(text)
        except ValueError:
            continue
        return True
    return False


def rewritten(document: Document, path: Path, text: str) -> Splice:
    """Another scalar in the place of the one at `path`, in its quotes.

    Raises:
        ManifestError: there is none on one line.
    """
    node = document.at(path)
    if not isinstance(node, yaml.ScalarNode) or node.style in {"|", ">"}:
        raise document.refusal("the version is not written on one line", node, 'write it as in version: "1.15"')
    return Splice(*document.span(node), scalar(text, '"' if document.is_json else node.style))


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """`text` with each splice made; they don't overlap."""
    parts: list[str] = []
    position = 0
    for start, end, new in sorted(splices):
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])


def checked(document: Document, wanted: Any, text: str) -> str:
    """`text`, where it says `wanted` in the document's place, and else what the file has said.

    Raises:
        ManifestError: it says something else.
    """
    expected = [*document.values]
    expected[document.number] = wanted
    try:
        after = [each.value for each in documents(text.encode(errors="surrogatepass"), path=document.path)]
    except ManifestError:
        after = []
    if after != expected:
        hint = "values may stand behind anchors: write them out, or change the file by hand"
        raise document.refusal("can't be edited in place without changing something else", hint=hint)
    return text


def value_at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path of JSON-like values; None where nothing does."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and 0 <= part < len(value) else None
        else:
            value = mapping(value).get(part)
    return value


def with_value(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """A copy of JSON-like values with another one at `path`, which there is; what is not on the way is shared."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy
