"""Changes as a JSON patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.embedded import patches
from fleetui.diff import compare, json_patch
from fleetui.model.objects import Obj
from tests.unit.test_diff_compare import keyed, objects


def patched(doc: Any, operations: list[Obj]) -> Any:
    """RFC 6902 as it is written, for the four operations."""
    root = {"": copy.deepcopy(doc)}

    def reach(pointer: str) -> tuple[Any, Any]:
        assert not pointer or pointer.startswith("/")
        *parents, last = ["", *(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])]
        node: Any = root
        for part in parents:
            node = node[position(node, part)]
        return node, position(node, last)

    def position(node: Any, part: str) -> Any:
        if isinstance(node, dict):
            return part
        assert part == str(int(part)), "no leading zeros"
        return int(part)

    def add(pointer: str, value: Any) -> None:
        node, key = reach(pointer)
        if isinstance(node, list):
            assert 0 <= key <= len(node)
            node.insert(key, value)
        else:
            node[key] = value

    for each in operations:
        if each["op"] == "add":
            add(each["path"], copy.deepcopy(each["value"]))
        elif each["op"] == "replace":
            node, key = reach(each["path"])
            assert key in node if isinstance(node, dict) else 0 <= key < len(node)
            node[key] = copy.deepcopy(each["value"])
        elif each["op"] == "remove":
            node, key = reach(each["path"])
            del node[key]
        else:
            assert each["op"] == "move"
            node, key = reach(each["from"])
            value = node[key]
            del node[key]
            add(each["path"], value)
    return root.get("")


@pytest.mark.parametrize(
    ("live", "desired", "operations"),
    [
        ({}, {}, []),
        (None, {"a": 1}, [{"op": "add", "path": "", "value": {"a": 1}}]),
        ({"a": 1}, None, [{"op": "remove", "path": ""}]),
        (
            {"labels": {"a.io/b~c": "1", "gone": "x"}},
            {"labels": {"a.io/b~c": "2", "": "empty"}},
            [
                {"op": "add", "path": "/labels/", "value": "empty"},
                {"op": "replace", "path": "/labels/a.io~1b~0c", "value": "2"},
                {"op": "remove", "path": "/labels/gone"},
            ],
        ),
        ({"a": 1}, {"a": None}, [{"op": "replace", "path": "/a", "value": None}]),
        # What differs in an item comes first, because its path counts in the live list; then the list is put in order.
        (
            {"env": [{"name": "a"}, {"name": "old"}, {"name": "b", "value": "1"}, {"name": "c"}]},
            {"env": [{"name": "b", "value": "2"}, {"name": "new"}, {"name": "a"}, {"name": "c"}]},
            [
                {"op": "replace", "path": "/env/2/value", "value": "2"},
                {"op": "remove", "path": "/env/1"},
                {"op": "move", "from": "/env/1", "path": "/env/0"},
                {"op": "add", "path": "/env/1", "value": {"name": "new"}},
            ],
        ),
    ],
)
def test_a_patch(live: Any, desired: Any, operations: list[Obj]) -> None:
    assert json_patch(live, compare(desired, live)) == operations
    assert patched(live, operations) == desired


@settings(max_examples=300, deadline=None)
@given(objects, objects)
def test_a_patch_makes_of_live_what_is_desired(live: Any, desired: Any) -> None:
    operations = json_patch(live, compare(desired, live))
    assert patched(live, operations) == desired
    assert patches.json_patch(live, copy.deepcopy(operations)) == desired


@settings(max_examples=300, deadline=None)
@given(keyed(), keyed())
def test_so_does_one_that_moves_items(live: Any, desired: Any) -> None:
    changes = compare({"env": desired}, {"env": live})
    operations = json_patch({"env": live}, changes)
    assert patched({"env": live}, operations) == {"env": desired}
    assert len(operations) <= len(changes)


keys = st.dictionaries(st.text(alphabet="~/01a é", max_size=4), st.integers(0, 2), max_size=4)


@given(keys, keys)
def test_and_one_with_any_keys(live: Any, desired: Any) -> None:
    assert patched(live, json_patch(live, compare(desired, live))) == desired
