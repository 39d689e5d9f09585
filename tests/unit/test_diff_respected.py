"""What an apply leaves alone, because the user ignores it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetui.diff import IgnoreRule
from fleetui.diff.respected import respected
from fleetui.model.errors import FleetError
from tests.unit.test_diff_compare import objects


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **fields}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("pointers", "expressions", "kind", "desired", "live", "expected"),
    [
        (("/spec/replicas",), (), "Deployment", {"spec": {"replicas": 2, "x": 1}}, {"spec": {"replicas": 5, "x": 2}},
         {"spec": {"replicas": 5, "x": 1}}),
        # What the live object has not is not applied; what the manifest has not is.
        (("/spec/a", "/spec/b"), (), "Widget", {"spec": {"a": 1}}, {"spec": {"b": 2}}, {"spec": {"b": 2}}),
        (("/spec/deep/a",), (), "Widget", {}, {"spec": {"deep": {"a": 1, "b": 2}}}, {"spec": {"deep": {"a": 1}}}),
        # Items of lists, by their merge key, wherever they lie.
        ((), ('.spec.containers[] | select(.name == "a") | .image',), "Pod",
         pod({"name": "new"}, {"name": "a", "image": "a:2", "tty": True}),
         pod({"name": "a", "image": "a:1"}, {"name": "old"}),
         pod({"name": "new"}, {"name": "a", "image": "a:1", "tty": True})),
        # An item that is ignored as a whole stays.
        ((), ('.spec.containers[] | select(.name == "injected")',), "Pod",
         pod({"name": "a"}), pod({"name": "a"}, {"name": "injected"}), pod({"name": "a"}, {"name": "injected"})),
        # Without a key, the live list as a whole.
        (("/spec/args/1",), (), "Widget", {"spec": {"args": ["x", "y", "z"]}}, {"spec": {"args": ["x", "w"]}},
         {"spec": {"args": ["x", "w"]}}),
        # A Secret's values, plain or not; the status never.
        (("/data/a",), (), "Secret", {"stringData": {"a": "1", "b": "2"}}, {"data": {"a": "OQ==", "b": "OQ=="}},
         {"data": {"a": "OQ==", "b": "Mg=="}}),
        (("/status",), (), "Widget", {"spec": {}}, {"spec": {}, "status": {"phase": "x"}}, {"spec": {}}),
    ],
)  # fmt: skip
def test_what_is_ignored_stays_as_it_is(
    pointers: Any, expressions: Any, kind: str, desired: Any, live: Any, expected: Any
) -> None:
    rules = [IgnoreRule(kind="*", group="*", json_pointers=pointers, jq_path_expressions=expressions)]
    manifest = of(kind, **desired)
    before = repr(manifest)
    assert respected(rules, manifest, of(kind, **live)) == of(kind, **expected)
    assert repr(manifest) == before
    assert respected([IgnoreRule(kind="Other")], manifest, of(kind, **live)) == manifest


def test_so_does_what_a_manager_owns_and_has_another_value() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    live = of("Deployment", spec={"replicas": 7, "paused": True})
    live["metadata"]["managedFields"] = [{"manager": "hpa", "operation": "Update", "fieldsV1": fields}]
    rules = [IgnoreRule(kind="Deployment", managed_fields_managers=("hpa",))]
    found = respected(rules, of("Deployment", spec={"replicas": 2, "paused": False}), live)
    assert found == of("Deployment", spec={"replicas": 7, "paused": False})


def test_where_a_rule_is_not_understood_nothing_is_written() -> None:
    rules = [IgnoreRule(kind="Widget", jq_path_expressions=("input | reduce",))]
    with pytest.raises(
        FleetError, match=r"what is to be left alone is not known: ignoreDifferences: 'input \\| reduce'"
    ):
        respected(rules, of("Widget"), of("Widget"))


@given(objects, objects, st.sampled_from(["/a", "/a/b", "/containers/0", "/containers/0/name", "/b/a/0"]))
def test_no_object_is_too_odd(desired: Any, live: Any, pointer: str) -> None:
    rules = [IgnoreRule(kind="*", json_pointers=(pointer,))]
    live, desired = {**live, "kind": "W"}, {**desired, "kind": "W"}
    assert isinstance(respected(rules, desired, live), dict)
    assert respected(rules, live, live) == live
