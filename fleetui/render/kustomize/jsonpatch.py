"""JSON patches (RFC 6902), as kustomize applies them.

Owns: `operations` and `apply`. Follows gopkg.in/evanphx/json-patch.v4 with its defaults; what it does with nulls and
with negative indices is left to the binary. Called by `patches`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.values import copied

Operation = Mapping[str, Any]
_NAMES = ("add", "remove", "replace", "move", "copy", "test")


def operations(value: Any) -> list[Operation]:
    """The operations of a patch that was read from JSON or YAML.

    Raises:
        Problem: it is no list of operations.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Problem("a JSON patch is a list of operations")
    for number, operation in enumerate(value, 1):
        if operation.get("op") not in _NAMES:
            raise Problem(f"operation {number} of the JSON patch has no op of {', '.join(_NAMES)}")
        if not isinstance(operation.get("path"), str):
            raise Problem(f"operation {number} of the JSON patch has no path")
        if operation["op"] in ("move", "copy") and not isinstance(operation.get("from"), str):
            raise Problem(f"operation {number} of the JSON patch has no from")
        if operation["op"] in ("add", "replace", "test") and operation.get("value") is None:
            raise UnsupportedProblem(f"the JSON patch operation {operation['op']} without a value")
    return value


def apply(patch: Sequence[Operation], obj: dict[str, Any]) -> dict[str, Any]:
    """`obj`, which is changed, after the operations; it holds what JSON can, as does the patch.

    Raises:
        Problem: an operation does not fit the object.
    """
    for operation in patch:
        _ACTIONS[operation["op"]](obj, operation)
    return obj


def _parts(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise UnsupportedProblem(f"the JSON patch path {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _container(obj: Any, pointer: str) -> tuple[Any, str]:
    *parts, last = _parts(pointer)
    for part in parts:
        obj = None if isinstance(obj, dict) and part not in obj else _get(obj, part, pointer)
        if not isinstance(obj, dict | list):
            raise Problem(f"the JSON patch path {pointer} does not exist; create what it lies in first")
    return obj, last


def _get(container: Any, key: str, pointer: str) -> Any:
    if isinstance(container, list):
        return container[_index(container, key, pointer)]
    if not isinstance(container, dict) or key not in container:
        raise Problem(f"the JSON patch path {pointer} does not exist")
    return container[key]


def _index(container: list[Any], key: str, pointer: str, *, past: bool = False) -> int:
    if not key.removeprefix("-").isdecimal() or not key.isascii() or key.startswith("-"):
        raise (
            UnsupportedProblem(f"the JSON patch index {key!r}")
            if key != "-"
            else Problem(f"the JSON patch path {pointer} ends with -, which only add takes")
        )
    index = int(key)
    if index >= len(container) + past:
        raise Problem(f"the JSON patch path {pointer} is beyond the {len(container)} items of its list")
    return index


def _add(obj: Any, operation: Operation) -> None:
    _put(obj, operation["path"], copied(operation["value"]))


def _put(obj: Any, pointer: str, value: Any) -> None:
    container, key = _container(obj, pointer)
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(container, key, pointer, past=True), value)


def _remove(obj: Any, operation: Operation) -> None:
    _take(obj, operation["path"])


def _take(obj: Any, pointer: str) -> Any:
    container, key = _container(obj, pointer)
    value = _get(container, key, pointer)
    if isinstance(container, list):
        del container[_index(container, key, pointer)]
    else:
        del container[key]
    return value


def _replace(obj: Any, operation: Operation) -> None:
    # Unlike the RFC, the library lets a mapping's field be replaced that is not there.
    container, key = _container(obj, operation["path"])
    if isinstance(container, list):
        container[_index(container, key, operation["path"])] = copied(operation["value"])
    else:
        container[key] = copied(operation["value"])


def _move(obj: Any, operation: Operation) -> None:
    _put(obj, operation["path"], _take(obj, operation["from"]))


def _copy(obj: Any, operation: Operation) -> None:
    container, key = _container(obj, operation["from"])
    if isinstance(container, dict) and key not in container:
        raise UnsupportedProblem(f"a JSON patch that copies {operation['from']}, which is not there,")
    _put(obj, operation["path"], copied(_get(container, key, operation["from"])))


def _test(obj: Any, operation: Operation) -> None:
    container, key = _container(obj, operation["path"])
    value = _get(container, key, operation["path"])
    if not _equal(value, operation["value"]):
        raise Problem(f"the JSON patch tests {operation['path']}, which has another value")


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_equal, first, second))
    return type(first) is type(second) and first == second


_ACTIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test}
