"""Where in its file a field is written.

Owns: `lines_of`, `item_lines`, `items_with_lines`, `NodeLoader`. Called by whoever shows a difference
beside its origin in Git, or edits a file in its place. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import yaml

from fleetui.model.change import Path
from fleetui.model.objects import MAX_DEPTH
from fleetui.render import scalars
from fleetui.render.events import Flaw
from fleetui.render.yaml import chunks


def lines_of(text: str, document_line: int, path: Path) -> tuple[int, ...]:
    """The lines (1-based) that write the field `path` of the object that begins at `document_line` of a file's `text`:
    a document, or an item of a list. That of its key (or where an item begins) comes first, then those of its value,
    also where that stands behind an alias; comments around it do not count.

    Empty where the object does not write the field, where it can't be read, and where the file has line ends that count
    in YAML and nowhere else. For an empty path the object's own lines.
    """
    written = _lines(text)
    root, offset = _document(text, document_line)
    node = mark = _object_at(root, document_line - offset)
    for part in path:
        mark, node = _child(node, part)
    if node is None or mark is None or not written:
        return ()
    first = document_line if not path else mark.start_mark.line + offset
    found = {line + offset for line in _written(node)}
    return first, *sorted(line for line in found - {first} if written[line - 1].strip())


@lru_cache(maxsize=4)
def _lines(text: str) -> tuple[str, ...]:
    """The lines of a file; none where YAML counts them in another way than everything else."""
    text = text.replace("\r\n", "\n")
    return () if _OTHER_LINE_ENDS.search(text) else tuple(text.split("\n"))


def _written(root: yaml.Node) -> Iterator[int]:
    """The lines of a node and of all below it, as its marks count them."""
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:  # aliases
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.MappingNode):
            pending += [each for pair in node.value for each in pair]
        first, end = node.start_mark.line, node.end_mark
        if not isinstance(node, yaml.CollectionNode) or node.flow_style:
            # A text in block form ends where the next line begins.
            yield from range(first, end.line + (end.column > 0 or end.line == first))


def item_lines(text: str, document_line: int) -> list[int]:
    """The line (1-based) that each of a list's `items` begins at; empty where the document can't be read."""
    root, offset = _document(text, document_line)
    _, items = _child(root, "items")
    return [item.start_mark.line + offset for item in items.value] if isinstance(items, yaml.SequenceNode) else []


def items_with_lines(items: Sequence[Any], text: str, document_line: int) -> Iterator[tuple[Any, int]]:
    """Each of a list's `items` with the line (1-based) that it begins at; the document's where that can't be told."""
    lines = item_lines(text, document_line)
    return zip_longest(items, lines[: len(items)], fillvalue=document_line)


_OTHER_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


class NodeLoader(yaml.CSafeLoader):
    """Composes nodes only, to a limited depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            raise yaml.YAMLError("nested too deeply")

    def ascend_resolver(self) -> None:
        self._depth -= 1


@lru_cache(maxsize=16)
def _document(text: str, document_line: int) -> tuple[yaml.Node | None, int]:
    """The root node of a document, and what makes a line of the file of a line of its marks."""
    try:
        for first, chunk in chunks(text.replace("\r\n", "\n")):
            if first + chunk.count("\n") >= document_line:
                return NodeLoader(chunk).get_single_node(), first
    except (Flaw, yaml.YAMLError):
        pass
    return None, 1


def _object_at(root: yaml.Node | None, line: int) -> yaml.Node | None:
    if root is None or root.start_mark.line == line:
        return root
    _, items = _child(root, "items")
    inner = items.value if isinstance(items, yaml.SequenceNode) else []
    return next((item for item in inner if item.start_mark.line == line), root)


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The node whose mark names the line of a child (its key, or the item itself), and the child."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        item = node.value[part] if 0 <= part < len(node.value) else None
        return item, item
    if not isinstance(node, yaml.MappingNode):
        return None, None
    # The last of equal keys is the one that counts.
    for key, value in reversed(node.value):
        if _text(key) == part:
            return key, value
        if isinstance(key, yaml.ScalarNode) and key.value == "<<":
            found = _merged(value, part)
            if found[1] is not None:
                return found
    return None, None


def _merged(value: yaml.Node, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        found = _child(source, part)
        if found[1] is not None:
            return found
    return None, None


def _text(key: yaml.Node) -> str | None:
    if not isinstance(key, yaml.ScalarNode):
        return None
    return key.value if key.style else scalars.key_text(scalars.resolve(key.value))
