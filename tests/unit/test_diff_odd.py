"""No object is too odd to be compared: every step takes whatever a YAML file may hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.diff import (
    IgnoreRule,
    apply_changes,
    audit_changes,
    blame,
    ignore,
    is_modified,
    json_patch,
    lines,
    mask,
    object_diff,
    rows,
    rules_of,
    summary,
    to_json,
    unified,
)
from fleetui.diff.mutations import without_mutations
from fleetui.diff.origin import written_at
from fleetui.diff.respected import respected
from fleetui.model.errors import FleetError

KINDS = [
    ("v1", "Secret"),
    ("v1", "Endpoints"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("x.io/v1", "Db"),
    (None, 3),
]
FIELDS = ["metadata", "data", "stringData", "spec", "rules", "subsets", "ports", "containers", "annotations", "labels"]
FIELDS += ["managedFields", "fieldsV1", "manager", "f:spec", 'k:{"name":"a"}', "v:", "finalizers", "template", "name"]

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4) | st.just("{}")
keys = st.sampled_from(FIELDS) | st.text(max_size=3) | st.integers(0, 2) | st.none()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@st.composite
def objects(draw: st.DrawFn) -> dict[Any, Any]:
    api_version, kind = draw(st.sampled_from(KINDS))
    fields = draw(st.dictionaries(keys, trees, max_size=5))
    applied = {
        "kubectl.kubernetes.io/last-applied-configuration": draw(st.sampled_from(["{}", "[]", "{", '{"metadata":1}']))
    }
    metadata = draw(trees | st.fixed_dictionaries({"annotations": st.just(applied) | trees, "managedFields": trees}))
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


RULES = [
    IgnoreRule(group="*", kind="*", json_pointers=("/spec/0", "/metadata/annotations/"), managed_fields_managers=("",)),
]


@settings(max_examples=300, deadline=None)
@given(objects() | st.none(), objects())
def test_nothing_odd_raises(desired: Any, live: Any) -> None:
    diff, _ = object_diff(desired, live, rules=RULES)
    rows(diff)
    unified(diff.desired, diff.live)
    summary(diff.changes)
    to_json(diff.changes)
    apply_changes(diff.live, diff.changes)
    json_patch(diff.live, diff.changes)
    for change in diff.changes:
        written_at(change, diff, desired or live)
    without_mutations(desired or live, live, "")
    respected(RULES, desired or live, live)
    blame(live, ("spec", 0, "a", 2))
    lines(live)
    assert is_modified(live, live) is False
    rules_of(live)


@settings(max_examples=40, deadline=None)
@given(objects(), objects())
def test_an_audit_record_can_be_made_of_anything(before: Any, after: Any) -> None:
    assert isinstance(audit_changes(before, after), dict)


def test_what_is_nested_too_deeply_is_told_in_one_sentence() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": deep}
    for attempt in (
        lambda: mask(secret, None),
        lambda: ignore([IgnoreRule(kind="*", json_pointers=("/x",))], secret, secret),
        lambda: object_diff(secret, {**secret, "data": {"a": 1}}),
    ):
        with pytest.raises(FleetError, match="nested too deeply"):
            attempt()
