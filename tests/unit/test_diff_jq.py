"""jq path expressions of `ignoreDifferences`: what ``del(EXPRESSION)`` leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.diff import IgnoreRule, ignore, jq
from fleetui.diff.jqpaths import remove_paths

POD = {
    "metadata": {"annotations": {"a.io/x": "1", "b": "2"}},
    "spec": {
        "replicas": 2,
        "containers": [
            {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "B"}]},
            {"name": "proxy", "image": "proxy:1"},
        ],
        "rules": ["a", 1, None],
    },
}


def left(expression: str, obj: Any = POD) -> Any:
    query = jq.parse(expression)
    assert query is not None, expression
    result = copy.deepcopy(obj)
    remove_paths(result, jq.paths(query, result))
    return result


def names(obj: Any) -> list[str]:
    return [container["name"] for container in obj["spec"]["containers"]]


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        (".spec.replicas", ("spec", "replicas")),
        ('.spec["replicas"]', ("spec", "replicas")),
        ('."spec"."replicas"', ("spec", "replicas")),
        (".spec | .replicas", ("spec", "replicas")),
        ('.metadata.annotations."a.io/x"', ("metadata", "annotations", "a.io/x")),
        ('.metadata.annotations["a.io/x"]?', ("metadata", "annotations", "a.io/x")),
        (".spec.containers[0].image", ("spec", "containers", 0, "image")),
        (".spec.containers[-2].image", ("spec", "containers", 0, "image")),
        ('.spec.containers[] | select(.name == "web") | .image', ("spec", "containers", 0, "image")),
        ('.spec.containers[] | select(.name == "web").image', ("spec", "containers", 0, "image")),
        ('.spec.containers[] | select(.name != "web" and .image) | .image', ("spec", "containers", 1, "image")),
        ('.spec.containers[] | select(.name | startswith("pro")) | .image', ("spec", "containers", 1, "image")),
        ('.spec.containers[] | select(has("env") | not) | .image', ("spec", "containers", 1, "image")),
        ('.spec.containers[].env[]? | select(.name == "A" or .name == "C") | .value', None),
        (".spec.containers[]?.env[0].value?", ("spec", "containers", 0, "env", 0, "value")),
    ],
)
def test_one_place_is_named(expression: str, path: tuple[str | int, ...] | None) -> None:
    path = path or ("spec", "containers", 0, "env", 0, "value")
    wanted = copy.deepcopy(POD)
    node: Any = wanted
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    assert left(expression) == wanted


def test_many_places_go_at_once_whatever_their_order() -> None:
    assert left(".spec.containers[]")["spec"]["containers"] == []
    assert left(".spec.rules[0], .spec.rules[1]")["spec"]["rules"] == [None]
    assert left(".spec.containers[0], .spec.containers[0].image") == left(".spec.containers[0]")
    assert names(left('.spec.containers[] | select(.name == ("x", "proxy"))')) == ["web"]


@pytest.mark.parametrize(
    "expression",
    [
        ".spec.none",
        ".spec.none.deeper[3].x",
        ".spec.none[]?",
        ".spec.replicas.x?",
        ".spec.containers[7]",
        "select(false)",
    ],
)
def test_what_is_not_there_is_no_matter(expression: str) -> None:
    assert left(expression) == POD


@pytest.mark.parametrize(
    "expression", [".spec.none[]", ".spec.rules[].x", ".spec[0]", ".", '"x"', ".spec.replicas, .a[]"]
)
def test_what_fails_removes_nothing(expression: str) -> None:
    assert left(expression) == POD


def test_a_question_mark_guards_its_own_step_for_each_value() -> None:
    odd = {"rules": ["a", {"x": 1}, {"x": 2}]}
    assert left(".rules[].x?", odd) == {"rules": ["a", {}, {}]}
    assert left("(.rules[] | .x)?", odd) == odd


@pytest.mark.parametrize("expression", ["(.,.)" + " | (.,.)" * 60, "select((.,.)" + " == (.,.) and (.,.)" * 40 + ")"])
def test_an_expression_that_multiplies_ends(expression: str) -> None:
    assert left(expression + ".spec") == POD
    assert left(f"({expression})?.spec") == POD


def test_numbers_and_booleans_are_told_apart() -> None:
    odd = {"items": [{"v": 1}, {"v": True}, {"v": 1.0}, {"v": None}, {}]}
    assert left(".items[] | select(.v == 1)", odd) == {"items": [{"v": True}, {"v": None}, {}]}
    assert left(".items[] | select(.v == null)", odd) == {"items": [{"v": 1}, {"v": True}, {"v": 1.0}]}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "[.a]",
        ".a..b",
        "..",
        ".a[",
        ".a | map(.b)",
        "env",
        "$ENV",
        ".a[1:2]",
        ".a[1.5]",
        '"\\(.a)"',
        "." + "(" * 99,
        "input",
    ],
)
def test_more_jq_than_that_is_told(expression: str) -> None:
    assert jq.parse(expression) is None
    sides = ignore([IgnoreRule(kind="*", group="*", jq_path_expressions=(expression,))], POD, POD)
    assert sides.desired == POD
    assert [expression in problem or repr(expression) in problem for problem in sides.unevaluated] == [True]


def test_both_sides_lose_it() -> None:
    rule = IgnoreRule(kind="*", group="*", jq_path_expressions=(".spec.containers[].image",))
    other = copy.deepcopy(POD)
    other["spec"]["containers"][0]["image"] = "web:2"  # type: ignore[index]
    sides = ignore([rule], POD, other)
    assert sides.desired == sides.live == left(".spec.containers[].image")
    assert not sides.problems


WORDS = st.sampled_from(
    [".", ".a", ".b", "[]", "[0]", "?", "|", ",", "(", ")", "select(", "==", "1", '"a"', " and ", "not", '["a"]', ".."]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=8).map("".join), st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_no_expression_and_no_object_raises(expression: str, obj: dict[str, Any]) -> None:
    query = jq.parse(expression)
    if query is not None:
        remove_paths(obj, jq.paths(query, obj))


BOUND = st.none() | st.integers(-4, 4) | st.floats(-4, 4)
PART = st.sampled_from(["a", "b"]) | BOUND | st.builds(lambda start, end: {"start": start, "end": end}, BOUND, BOUND)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.lists(PART, min_size=1, max_size=4), max_size=4), st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_whatever_the_paths_every_place_that_is_there_goes_and_no_other(paths: Any, obj: dict[str, Any]) -> None:
    before = sum(1 for _ in places(obj))
    result = copy.deepcopy(obj)
    remove_paths(result, paths)
    after = sum(1 for _ in places(result))
    assert after <= before
    assert (after == before) == (result == obj)
    again = copy.deepcopy(obj)
    remove_paths(again, [*reversed(paths), *paths])
    assert again == result, "neither order nor repetition matters"


def places(value: Any) -> Iterator[Any]:
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield child
        yield from places(child)
