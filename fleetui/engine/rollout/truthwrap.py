"""A generator of an ApplicationSet as the base of a merge, in its text; and out of it again, byte for byte.

Owns: `wrapped`, `unwrapped`, `wrapping_of`, `listed`: splices, no decisions. Called by
``truthelement``. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from fleetui.engine.application import mapping
from fleetui.engine.rollout.truthtext import Document, Path, Splice, scalar, value_at

_SHIFT = 6
"""Columns by which a generator in block style moves to the right."""
_COMMENT = "  # by a rollout: the cells listed last have moved; goes when all have"


class Wrapping(NamedTuple):
    """A merge that `wrapped` has made: the generator, what it was, and the cells beside it."""

    path: Path
    base: Path
    elements: Path


class _Lines(NamedTuple):
    """The lines of a text, by where they begin."""

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> _Lines:
        starts = [0]
        for line in text.split("\n")[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        return cls(text, tuple(starts))

    def start(self, line: int) -> int:
        return self.starts[line]

    def end(self, line: int) -> int:
        """Where the line's content ends, before its line end."""
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.text)
        return end - (end > self.starts[line] and self.text[end - 1] == "\r")

    def content(self, line: int) -> str:
        return self.text[self.start(line) : self.end(line)]


def wrapped(document: Document, path: Path, keys: Sequence[str], elements: Sequence[Mapping[str, Any]]) -> list[Splice]:
    """Makes the generator at `path` the base of a merge, with a list of `elements` behind it.

    Raises:
        ManifestError: it is not written in its own place.
    """
    node, parent = document.at(path), _list_at(document, path[:-1])
    if parent.flow_style:
        head, middle, tail = _flow(document, keys)
        start, end = document.span(node)
        inside = ", ".join(_shown(each, json=document.is_json) for each in elements)
        return [Splice(start, start, head), Splice(end, end, middle + inside + tail)]
    lines, column = _Lines.of(document.text), parent.start_mark.column
    first, last = _first_line(lines, node, column), _last_line(lines, node)
    above, between = _block(column, keys)
    shown = [" " * (column + 12) + "- " + _shown(each) for each in elements]
    below = "".join(document.line_end + line for line in [*between, *shown])
    splices = [
        Splice(lines.start(line), lines.start(line), " " * _SHIFT)
        for line in range(first + 1, last + 1)
        if lines.content(line)
    ]
    header = "".join(line + document.line_end for line in above)
    splices.append(Splice(lines.start(first), lines.start(first), header + " " * _SHIFT))
    return [*splices, Splice(lines.end(last), lines.end(last), below)]


def unwrapped(document: Document, wrapping: Wrapping) -> list[Splice]:
    """Takes away what `wrapped` has put around a generator."""
    node, base = document.at(wrapping.path), document.at(wrapping.base)
    parent = _list_at(document, wrapping.path[:-1])
    if parent.flow_style:
        (start, end), (inner, inner_end) = document.span(node), document.span(base)
        return [Splice(start, inner, ""), Splice(inner_end, end, "")]
    lines, column = _Lines.of(document.text), parent.start_mark.column
    first, last = _first_line(lines, node, column), _last_line(lines, node)
    base_first, base_last = _first_line(lines, base, column + _SHIFT), _last_line(lines, base)
    shift = " " * _SHIFT
    splices = [
        Splice(lines.start(line), lines.start(line) + _SHIFT, "")
        for line in range(base_first, base_last + 1)
        if lines.content(line).startswith(shift)
    ]
    above = Splice(lines.start(first), lines.start(base_first), "")
    return [above, *splices, Splice(lines.end(base_last), lines.end(last), "")]


def wrapping_of(document: Document, path: Path, keys: Sequence[str], field: str) -> Wrapping | None:
    """The wrapping of the generator at `path`, where it is one that `wrapped` made and nobody has edited but for the
    cells in it and what it wraps; another merge is no wrapping."""
    found = Wrapping(path, (*path, "merge", "generators", 0), (*path, "merge", "generators", 1, "list", "elements"))
    elements = value_at(document.value, found.elements)
    if not isinstance(elements, list) or not elements:
        return None
    expected = {
        "mergeKeys": [*keys],
        "generators": [value_at(document.value, found.base), {"list": {"elements": elements}}],
    }
    names = {*keys, field.split(".")[0]}
    if value_at(document.value, path) != {"merge": expected} or any(mapping(each).keys() != names for each in elements):
        return None
    return found if _is_ours(document, found, keys) else None


def _is_ours(document: Document, wrapping: Wrapping, keys: Sequence[str]) -> bool:
    node, base = document.at(wrapping.path), document.at(wrapping.base)
    parent, cells = _list_at(document, wrapping.path[:-1]), _list_at(document, wrapping.elements).value
    if parent.flow_style:
        head, middle, tail = _flow(document, keys)
        (start, end), (inner, inner_end) = document.span(node), document.span(base)
        around = (document.text[start:inner], document.text[inner_end : document.span(cells[0])[0]])
        return (*around, document.text[document.span(cells[-1])[1] : end]) == (head, middle, tail)
    lines, column = _Lines.of(document.text), parent.start_mark.column
    above, between = _block(column, keys)
    first, last = _first_line(lines, node, column), _last_line(lines, base)
    before = range(first, _first_line(lines, base, column + _SHIFT))
    after = range(last + 1, min(last + 1 + len(between), len(lines.starts)))
    return [[lines.content(line) for line in each] for each in (before, after)] == [above, between]


# --- lists ----------------------------------------------------------------------------------------------------------


def listed(
    document: Document, path: Path, elements: Sequence[Mapping[str, Any]], *, gone: Collection[int] = ()
) -> list[Splice]:
    """Adds elements to the list at `path`, which is not empty, in its style, and takes those at the indices `gone` out.

    Raises:
        ManifestError: one is not written in its own place.
    """
    node = _list_at(document, path)
    items = [document.at((*path, number)) for number in range(len(node.value))]
    shown = [_shown(each, json=document.is_json) for each in elements]
    if node.flow_style:
        return _in_flow(document, [document.span(item) for item in items], shown, gone)
    lines, column = _Lines.of(document.text), node.start_mark.column
    ends = [lines.end(_last_line(lines, item)) for item in items]
    splices = [Splice(lines.end(_first_line(lines, items[at], column) - 1), ends[at], "") for at in gone]
    new = "".join(f"{document.line_end}{' ' * column}- {each}" for each in shown)
    return [*splices, Splice(ends[-1], ends[-1], new)]


def _in_flow(
    document: Document, spans: Sequence[tuple[int, int]], shown: Sequence[str], gone: Collection[int]
) -> list[Splice]:
    first, end = spans[0][0], spans[-1][1]
    staying = next((at for at in range(len(spans)) if at not in gone), None)
    if staying is None:
        return [Splice(first, end, ", ".join(shown))]
    begun = document.text[document.text.rfind("\n", 0, spans[-1][0]) + 1 : spans[-1][0]]
    own_line = not begun.strip() and "\n" in document.text[: spans[-1][0]]
    between = f",{document.line_end}{begun}" if own_line else ", "
    splices = [Splice(spans[at - 1][1], spans[at][1], "") for at in gone if at > staying]
    head = [Splice(first, spans[staying][0], "")] if staying else []
    return [*head, *splices, Splice(end, end, "".join(between + each for each in shown))]


def _list_at(document: Document, path: Path) -> yaml.SequenceNode:
    node = document.at(path)
    if not isinstance(node, yaml.SequenceNode):
        raise document.refusal(f"{path[-1]} is no list", node)
    return node


# --- text -----------------------------------------------------------------------------------------------------------


def _block(column: int, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines before and behind a generator whose dash stood at `column`."""
    indent = " " * column
    named = ", ".join(map(scalar, keys))
    head = [f"{indent}- merge:{_COMMENT}", f"{indent}    mergeKeys: [{named}]", f"{indent}    generators:"]
    return head, [f"{indent}      - list:", f"{indent}          elements:"]


def _flow(document: Document, keys: Sequence[str]) -> tuple[str, str, str]:
    quote = '"' if document.is_json else None
    merge, generators, listed, elements = (scalar(word, quote) for word in ("merge", "generators", "list", "elements"))
    named = ", ".join(scalar(key, quote) for key in keys)
    head = f"{{{merge}: {{{scalar('mergeKeys', quote)}: [{named}], {generators}: ["
    return head, f", {{{listed}: {{{elements}: [", "]}}]}}"


def _shown(element: Mapping[str, Any], *, json: bool = False) -> str:
    """An element in flow style; its version, which is last, is always quoted, so that nobody reads a number."""
    *keys, (last, version) = element.items()
    style = '"' if json else None
    pairs = [f"{scalar(key, style)}: {scalar(value, style)}" for key, value in keys]
    shown = _shown(version, json=json) if isinstance(version, Mapping) else scalar(version, '"')
    return "{" + ", ".join([*pairs, f"{scalar(last, style)}: {shown}"]) + "}"


def _first_line(lines: _Lines, node: yaml.Node, column: int) -> int:
    """The line of an item's dash, which stands at `column`."""
    line: int = node.start_mark.line
    while line and not lines.content(line).startswith(" " * column + "-"):
        line -= 1
    return line


def _last_line(lines: _Lines, root: yaml.Node) -> int:
    """The last line that a node has something on; comments and empty lines behind it are not its own."""
    last, pending = root.start_mark.line, [root]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.MappingNode):
            pending += [each for pair in node.value for each in pair if each.start_mark.index >= root.start_mark.index]
        elif isinstance(node, yaml.SequenceNode):
            pending += [each for each in node.value if each.start_mark.index >= root.start_mark.index]
        if isinstance(node, yaml.ScalarNode) or (isinstance(node, yaml.CollectionNode) and node.flow_style):
            last = max(
                last, node.end_mark.line - (node.end_mark.column == 0 < node.end_mark.line - node.start_mark.line)
            )
    while last and not lines.content(last).strip():
        last -= 1
    return last
