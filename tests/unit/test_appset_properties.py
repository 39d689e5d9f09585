"""What holds for whatever an ApplicationSet says."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.engine.appset import RegisteredCluster, generate
from fleetui.engine.appset.params import as_go_decodes, flattened, merged
from fleetui.engine.appset.slug import branch_slug, slug
from fleetui.engine.appset.template_check import check
from fleetui.model.gotext import go_text
from fleetui.model.names import sanitized_name
from fleetui.model.objects import Obj
from tests.unit.appsets import RESTORED, THREE, appset, article, elements, matrix, merge
from tests.unit.test_appset_verdicts import VERDICTS

WORDS = st.sampled_from(["a", "b", "a-b", "", "Bad_", "x" * 64])
ELEMENTS = st.lists(st.fixed_dictionaries({"name": WORDS, "addon": WORDS}), max_size=4)
ODD: list[Any] = [None, 0, 1.5, True, "", "{{", "{{name}}", [], {}, ["x"], {"x": None}, [[]], "x" * 300]


@given(ELEMENTS, ELEMENTS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_all_that_is_made_is_valid_and_has_a_name_of_its_own(one: list[Obj], two: list[Obj], go: bool) -> None:
    made = generate(
        appset(elements(*one), elements(*two), name="{{.name}}-{{.addon}}" if go else "{{name}}-{{addon}}", go=go)
    )
    names = [app.name for app in made.applications]
    assert len(set(names)) == len(names)
    assert made.held.isdisjoint(names)
    assert not any(check(app.app) for app in made.applications)
    if made.complete:
        said = {f"{each['name']}-{each['addon']}" for each in (*one, *two)}
        assert {*names, *made.held} == said


@given(st.permutations(THREE))
@settings(max_examples=6, deadline=None)
def test_the_order_of_the_clusters_is_nothing(clusters: list[RegisteredCluster]) -> None:
    assert generate(article(RESTORED), clusters) == generate(article(RESTORED), THREE)


@given(ELEMENTS, ELEMENTS)
@settings(max_examples=60, deadline=None)
def test_a_merge_has_the_sets_of_its_first_and_a_matrix_the_product(one: list[Obj], two: list[Obj]) -> None:
    base = [{**each, "name": f"n{number}"} for number, each in enumerate(one)]
    over = [{**each, "name": f"n{number}"} for number, each in enumerate(two)]
    together = generate(appset(merge(elements(*base), elements(*over))))
    wanted = {each["name"]: each for each in base}
    wanted |= {each["name"]: each for each in over if each["name"] in wanted}
    assert [dict(app.params) for app in together.applications] == list(wanted.values())
    inner = [{"other": each["name"]} for each in over]
    product = generate(appset(matrix(elements(*base), elements(*inner)), name="{{name}}-{{other}}"))
    assert len(product.applications) == len(base) * len(over)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


@given(st.sampled_from(VERDICTS), st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_field_is_told_and_never_raised(verdict: dict[str, Any], data: st.DataObject) -> None:
    obj = appset(copy.deepcopy(verdict["entry"]), go=verdict["go"])
    for _ in range(2):
        *way, last = data.draw(st.sampled_from(list(places(obj))))
        parent = obj
        for step in way:
            parent = parent[step]
        parent[last] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    made = generate(obj, THREE)
    assert all(str(problem) for problem in made.problems)
    assert made.complete or not made.applications


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (7, "7"),
        (None, "<nil>"),
        (True, "true"),
        ({"b": [1.0, None], "a": {}}, "map[a:map[] b:[1 <nil>]]"),
        (("x", "y"), "[x y]"),
    ],
)
def test_values_as_go_prints_them(value: Any, text: str) -> None:
    assert go_text(value) == text


def test_flattening_goes_into_maps_and_lists_but_not_into_what_go_keeps_typed() -> None:
    params = {"a": {"b": [{"c": 1.0}, "d"]}, "none": {}, "segments": ("x", "y"), "no": None}
    assert flattened(params) == {"a.b.0.c": "1", "a.b.1": "d", "segments": "[x y]", "no": "<nil>"}


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, "x", "", 1, [], ["l"], {}, {"a": 1}, {"a": {"b": []}}, {"a": {"c": None}, "d": "y"}]
)
MAPS = st.dictionaries(st.sampled_from("klm"), VALUES)


@given(MAPS, MAPS)
@settings(max_examples=60, deadline=None)
def test_merging_changes_neither_and_the_second_wins(base: Obj, over: Obj) -> None:
    before = json.dumps([base, over])
    found = merged(base, over)
    assert json.dumps([base, over]) == before
    assert found.keys() == base.keys() | over.keys()
    assert merged(found, over) == found
    assert msgspec.json.encode(as_go_decodes(found))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("feature/Foo_bar", "feature-foo-bar"),
        ("a&b @c--d", "aandb-atc-d"),
        ("Zürich/ße", "zurich-sse"),
        ("it's — fine", "its-fine"),
        ("x" * 60, "x" * 50),
        (
            "some-very-long-branch-name-that-goes-on-and-on-for-more-than-fifty",
            "some-very-long-branch-name-that-goes-on-and-on-for",
        ),
        ("", ""),
    ],
)
def test_slugs_of_branches(text: str, made: str) -> None:
    assert branch_slug(text) == made


def test_a_slug_that_is_cut_nowhere_and_names_of_the_dns() -> None:
    assert slug("a_b " * 30, longest=0) == "a_b-" * 29 + "a_b"
    assert sanitized_name("-Foo_Bar.É." + "x" * 300) == "foo-bar.-." + "x" * 242
