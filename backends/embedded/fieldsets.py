"""Sets of field paths, in the form in which Kubernetes writes them: `fieldsV1`.

Owns: the arithmetic of such sets. Pure functions. A set is the decoded JSON itself: ``{"f:a": {".": {}, "f:b": {}}}``
holds ``.a`` and ``.a.b``; a node without entries is a member, ``.`` marks a member that has others below it.
Called by `typed`, `managed` and `apply`. Rules: structured-merge-diff v6 fieldpath/set.go, serialize.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

Fields = dict[str, Any]
"""A set; the empty dict at the root is the empty set, below it a member."""


def is_member(node: Fields) -> bool:
    """Whether the node's own path is in the set."""
    return not node or "." in node


def union(left: Fields, right: Fields) -> Fields:
    """The paths in either set."""
    if not left:
        return right
    out = dict(left)
    for key, node in right.items():
        if key != ".":
            mine = out.get(key)
            out[key] = node if mine is None else _join(mine, node)
    return out


def _join(left: Fields, right: Fields) -> Fields:
    children = union(_children(left), _children(right))
    return _node(children, member=is_member(left) or is_member(right))


def difference(left: Fields, right: Fields) -> Fields:
    """The paths in `left` that are not in `right`; what lies below a removed member stays."""
    out: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            out[key] = node
            continue
        children = difference(_children(node), _children(other))
        member = is_member(node) and not is_member(other)
        if member or children:
            out[key] = _node(children, member=member)
    return out


def without_trees(left: Fields, right: Fields) -> Fields:
    """The paths in `left` that are not in `right` nor below one that is (RecursiveDifference)."""
    out: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            out[key] = node
            continue
        if is_member(other):
            continue
        children = without_trees(_children(node), other)
        if is_member(node) or children:
            out[key] = _node(children, member=is_member(node))
    return out


def intersection(left: Fields, right: Fields) -> Fields:
    """The paths in both sets."""
    out: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None or key == ".":
            continue
        children = intersection(_children(node), _children(other))
        member = is_member(node) and is_member(other)
        if member or children:
            out[key] = _node(children, member=member)
    return out


def _children(node: Fields) -> Fields:
    return {key: child for key, child in node.items() if key != "."} if "." in node else node


def _node(children: Fields, *, member: bool) -> Fields:
    return {".": {}} | children if member and children else children


def members(fields: Fields) -> Iterator[tuple[str, ...]]:
    """Every path in the set, in the order of the real server: first a level's members, then what is below each."""
    keys = sorted(fields.keys() - {"."}, key=_rank)
    for key in keys:
        if is_member(fields[key]):
            yield (key,)
    for key in keys:
        for path in members(_children(fields[key])):
            yield (key, *path)


def _rank(key: str) -> tuple[int, str]:
    return ".fkvi".find(key[0]), key


def path_set(*paths: tuple[str, ...]) -> Fields:
    """The set of these paths, each a tuple of elements such as ``f:spec``."""
    out: Fields = {}
    for path in paths:
        node: Fields = {}
        for element in reversed(path):
            node = {element: node}
        out = union(out, node)
    return out


def path_text(path: tuple[str, ...]) -> str:
    """A path as conflicts show it: ``.spec.containers[name="web"].image`` (fieldpath.Path.String)."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, body = element.partition(":")
    if kind == "f":
        return f".{body}"
    if kind == "k":
        pairs = msgspec.json.decode(body).items()
        return f"[{','.join(f'{name}={_encode(value)}' for name, value in pairs)}]"
    return f"[={body}]" if kind == "v" else f"[{body}]"


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
