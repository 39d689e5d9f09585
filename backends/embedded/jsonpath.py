"""The JSONPath of printer columns.

Owns: the part of kubectl's JSONPath that column definitions use: fields, quoted fields, indices, wildcards, filters by
equality (client-go util/jsonpath). Pure functions. Called by `tables`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

Path = Callable[[Any], list[Any]]

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]])+)
      | \[\s*'(?P<quoted>[^']*)'\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | (?P<all>\[\s*\*\s*\]|\.\*)
      | \[\?\(\s*@\.(?P<key>[\w.]+)\s*(?P<op>==|!=)\s*(?P<quote>["'])(?P<value>.*?)(?P=quote)\s*\)\]""",
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Path:
    """The function from an object to the values at a path; what can't be understood gives no values."""
    steps = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            return lambda _: []
        steps.append(match)
        position = match.end()
    return lambda obj: _walk(obj, steps)


def _walk(obj: Any, steps: list[re.Match[str]]) -> list[Any]:
    found = [obj]
    for step in steps:
        found = [value for node in found for value in _take(node, step)]
    return found


def _take(node: Any, step: re.Match[str]) -> list[Any]:
    if step["all"]:
        return list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, list) else []
    if step["key"]:
        wanted = step["op"] == "=="
        items = node if isinstance(node, list) else []
        return [item for item in items if (str(_dig(item, step["key"])) == step["value"]) is wanted]
    if step["index"] is not None:
        inside = isinstance(node, list) and -len(node) <= int(step["index"]) < len(node)
        return [node[int(step["index"])]] if inside else []
    key = step["quoted"] if step["quoted"] is not None else re.sub(r"\\(.)", r"\1", step["field"])
    return [node[key]] if isinstance(node, dict) and key in node and node[key] is not None else []


def _dig(node: Any, path: str) -> Any:
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def cell(values: list[Any], type_: str) -> Any:
    """A cell of a column of that type; None where there is nothing, or nothing that fits."""
    if not values:
        return None
    value = values[0]
    if type_ == "integer":
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if type_ == "number":
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
