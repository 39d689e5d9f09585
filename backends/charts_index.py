"""The index of a repository of charts.

Owns: `entries` and `Entry`. Rules: Helm 4.3 (pkg/repo/v1/index.go). Called by `backends.charts`, on a thread: an index
may have tens of megabytes, so that only what it says of one chart is read as YAML. Pure.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec
import yaml

from fleetui.model.errors import ChartError
from fleetui.model.text import quoted

_ENTRIES = re.compile(rb"^entries:[ \t]*(?:#.*)?\r?\n", re.MULTILINE)
_FIRST = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\n)*( +)[^\s#-]")
_TOP = re.compile(rb"\n[^\s#-]")
_DEEPEST = 64


class _ElsewhereError(Exception):
    """What an alias stands for is not in the text."""


class Entry(msgspec.Struct, frozen=True):
    """One version of a chart: where it lies, and its archive's SHA-256 (hexadecimal; empty where it is not given)."""

    version: str
    urls: tuple[str, ...]
    digest: str = ""


def entries(index: bytes, chart: str) -> list[Entry]:
    """The versions of `chart` in the order of an ``index.yaml``; empty where it has none.

    Raises:
        ChartError: it is no index.
    """
    if index.lstrip()[:1] == b"{":
        try:
            whole = msgspec.json.decode(index)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ChartError(f"the index is not valid JSON: {quoted(str(error))}") from error
        return _entries(_section(whole, chart))
    part = _part(index, chart)
    if part == b"":
        return []
    with suppress(_ElsewhereError):
        if part is not None:
            return _entries(next(iter(_mapping(_loaded(part)).values()), None))
    try:
        return _entries(_section(_loaded(index), chart))
    except _ElsewhereError as error:
        raise ChartError("the index is not valid YAML: an alias stands for nothing") from error


def _part(index: bytes, chart: str) -> bytes | None:
    """The lines about one chart, empty for none; None where the index is not laid out as Helm writes it."""
    start = _ENTRIES.search(index)
    first = _FIRST.match(index, start.end()) if start else None
    if start is None or first is None:
        return None
    # Only a key of `entries` itself is indented so little: whatever belongs to a chart stands further in.
    indent, name = first[1], chart.encode()
    forms = (name, b'"' + name + b'"', b"'" + name + b"'")
    found = [at for form in forms if (at := index.find(b"\n" + indent + form + b":", start.end() - 1)) >= 0]
    if not found or _TOP.search(index, start.end() - 1, min(found) + 1):
        return b""
    after = re.compile(rb"\n {0,%d}[^\s#-]" % len(indent)).search(index, min(found) + 1)
    return index[min(found) + 1 : after.start() + 1 if after else len(index)]


def _section(whole: Any, chart: str) -> Any:
    return _mapping(_mapping(whole).get("entries")).get(chart)


def _mapping(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ChartError("what it answered is no index of charts")
    return value


def _entries(listed: Any) -> list[Entry]:
    found = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and isinstance(version := each.get("version"), str):
            urls = each.get("urls")
            where = tuple(url for url in urls if isinstance(url, str)) if isinstance(urls, list) else ()
            digest = each.get("digest")
            found.append(Entry(version, where, digest.removeprefix("sha256:") if isinstance(digest, str) else ""))
    return found


def _loaded(text: bytes) -> Any:
    """YAML with every scalar as text, as Go reads it into fields that are texts; an alias is what it stands for.

    Built from events: libyaml's own composer has no bound on how deep it goes.
    """
    anchors: dict[str, Any] = {}
    stack: list[tuple[Any, list[Any]]] = []
    result: Any = None
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            if isinstance(event, yaml.ScalarEvent):
                value: Any = event.value
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in anchors:
                    raise _ElsewhereError
                value = anchors[event.anchor]
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                if event.anchor:
                    anchors[event.anchor] = made
                stack.append((made, []))
                if len(stack) > _DEEPEST:
                    raise ChartError(f"the index is nested deeper than {_DEEPEST} levels")
                continue
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                value, _ = stack.pop()
            else:
                continue
            if isinstance(event, yaml.ScalarEvent) and event.anchor:
                anchors[event.anchor] = value
            result = _added(stack, value, result)
    except yaml.YAMLError as error:
        raise ChartError(f"the index is not valid YAML: {quoted(str(error))}") from error
    return result


def _added(stack: list[tuple[Any, list[Any]]], value: Any, result: Any) -> Any:
    if not stack:
        return value if result is None else result
    into, key = stack[-1]
    if isinstance(into, list):
        into.append(value)
    elif key:
        into[key.pop()] = value
    else:
        key.append(value if isinstance(value, str) else "")
    return result
