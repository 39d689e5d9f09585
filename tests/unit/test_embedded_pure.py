"""The pure parts of the embedded API servers: field sets, quantities, selectors, patches, JSONPath, durations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.embedded import fieldsets, jsonpath, patches
from backends.embedded.errors import ApiError
from backends.embedded.quantities import canonical
from backends.embedded.schemas import ABSENT, named_type
from backends.embedded.selectors import of_label_selector, parse
from backends.embedded.tablecells import human_duration, selector_text
from backends.embedded.typed import compare, field_set, merge, remove

Fields = dict[str, Any]
POD_SPEC = named_type("io.k8s.api.core.v1.PodSpec")

paths = st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"']), min_size=1, max_size=3).map(tuple)
sets = st.lists(paths, max_size=6).map(lambda found: fieldsets.path_set(*found))


def members(fields: Fields) -> set[tuple[str, ...]]:
    return set(fieldsets.members(fields))


@given(sets, sets)
def test_field_sets_are_sets(left: Fields, right: Fields) -> None:
    assert members(fieldsets.union(left, right)) == members(left) | members(right)
    assert members(fieldsets.difference(left, right)) == members(left) - members(right)
    assert members(fieldsets.intersection(left, right)) == members(left) & members(right)


@given(sets, sets)
def test_without_trees_takes_what_is_below_along(left: Fields, right: Fields) -> None:
    gone = members(right)
    kept = {path for path in members(left) if not any(path[:i] in gone for i in range(1, len(path) + 1))}
    assert members(fieldsets.without_trees(left, right)) == kept


def test_paths_read_as_conflicts_show_them() -> None:
    path = ("f:spec", "f:containers", 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"a"')
    assert fieldsets.path_text(path) == '.spec.containers[containerPort=80,protocol="TCP"][="a"]'


names = st.sampled_from(["a", "b", "c"])
container = st.fixed_dictionaries({"name": names}, optional={"image": st.sampled_from(["x", "y"])})
specs = st.fixed_dictionaries(
    {},
    optional={
        "hostNetwork": st.booleans(),
        "nodeSelector": st.dictionaries(names, names, min_size=1, max_size=2),
        "containers": st.lists(container, min_size=1, max_size=3, unique_by=lambda entry: entry["name"]),
    },
)


@given(specs, specs)
def test_what_is_merged_in_is_there(left: Fields, right: Fields) -> None:
    merged = merge(POD_SPEC, left, right)
    found = compare(POD_SPEC, merged, right)
    assert not found.added
    assert not found.modified, "the right side wins, and keeps what it does not name"
    assert merge(POD_SPEC, merged, right) == merged


@given(specs, specs)
def test_a_comparison_tells_all_that_changed(left: Fields, right: Fields) -> None:
    found = compare(POD_SPEC, left, right)
    assert bool(found.added or found.removed or found.modified) is (_by_name(left) != _by_name(right))
    assert members(found.added) & members(found.removed) == set()


def _by_name(spec: Fields) -> Fields:
    return spec | {"containers": {entry["name"]: entry for entry in spec.get("containers", ())}}


@given(specs)
def test_removing_all_fields_leaves_nothing(spec: Fields) -> None:
    left = remove(POD_SPEC, spec, field_set(POD_SPEC, spec))
    assert left is ABSENT or all(value is None for value in left.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1.5", "1500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("0.5Ki", "512"),
        ("1000k", "1M"), ("1e3", "1e3"), ("1E3", "1E3"), ("0", "0"), ("-1000m", "-1"), ("128974848", "128974848"),
        (".5", "500m"), ("1024", "1024"),
    ],
)  # fmt: skip
def test_quantities(text: str, expected: str) -> None:
    assert canonical(text) == expected


@given(st.integers(1, 10**9), st.sampled_from(["n", "u", "m", "", "k", "M", "G", "Ki", "Mi"]))
def test_a_canonical_quantity_stays(number: int, suffix: str) -> None:
    once = canonical(f"{number}{suffix}")
    assert canonical(once) == once


@pytest.mark.parametrize("text", ["", "x", "1x", "1.2.3", "Mi", "1 Gi"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        canonical(text)


def test_an_empty_value_is_a_value() -> None:
    assert parse("a==")({"a": ""})
    assert not parse("a=")({})


@pytest.mark.parametrize("text", ["a=b=c", "a in b", "a in (b", "=a", "a,,b", "!"])
def test_selectors_that_are_none(text: str) -> None:
    with pytest.raises(ApiError, match="unable to parse requirement"):
        parse(text)


def test_label_selector_objects() -> None:
    nothing, everything = of_label_selector(None), of_label_selector({})
    assert not nothing({})
    assert everything({})
    expressions = [{"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"c": "3"}, "matchExpressions": expressions}
    wanted = of_label_selector(selector)
    assert wanted({"a": "1", "c": "3"})
    assert not wanted({"a": "1", "b": "", "c": "3"})
    assert selector_text(selector) == "c=3,a in (1,2),!b"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_merge_patch_is_kept_when_repeated(patch: Any) -> None:
    once = patches.merge_patch({"a": {"b": 1}}, patch)
    assert patches.merge_patch(once, patch) == once


def test_a_failed_json_patch_changes_nothing() -> None:
    obj = {"a": [1]}
    with pytest.raises(ApiError):
        patches.json_patch(obj, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "test", "path": "/a/0", "value": 9}])
    assert obj == {"a": [1]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.a", ["x"]),
        (".spec['a']", ["x"]),
        (".spec.list[1].n", [2]),
        (".spec.list[*].n", [1, 2]),
        ('.spec.list[?(@.k=="two")].n', [2]),
        (".metadata.annotations.a\\.b/c", ["dotted"]),
        (".spec.missing.deep", []),
        (".spec.list[9]", []),
        ("{nonsense}", []),
    ],
)
def test_json_paths_of_columns(path: str, expected: list[Any]) -> None:
    obj = {
        "metadata": {"annotations": {"a.b/c": "dotted"}},
        "spec": {"a": "x", "list": [{"k": "one", "n": 1}, {"k": "two", "n": 2}]},
    }
    assert jsonpath.compile_path(path)(obj) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (130, "2m10s"), (600, "10m"), (10800, "3h"), (12000, "3h20m"),
        (86400, "24h"), (172800, "2d"), (180000, "2d2h"), (691200, "8d"), (63072000, "2y"), (63158400, "2y1d"),
        (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_durations_as_kubectl_shows_them(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected
