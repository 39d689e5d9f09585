"""`spec.ignoreDifferences` (argo-cd v3.6.1, util/argo/normalizers, util/argo/managedfields)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fleetui.diff import IgnoreRule, ignore, rules_of
from fleetui.diff.ignore import rule_in


def web(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "annotations": {"a/b": "1", "c~d": "2"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("rule", "concerned"),
    [
        (IgnoreRule(group="apps", kind="Deployment"), True),
        (IgnoreRule(group="*", kind="*"), True),
        (IgnoreRule(group="ap*", kind="{Deployment,StatefulSet}", name="web", namespace="shop"), True),
        (IgnoreRule(kind="Deployment"), False),  # the core group
        (IgnoreRule(group="apps", kind="Deploy"), False),
        (IgnoreRule(group="apps", kind="Deployment", name="we*"), False),  # names are no patterns
        (IgnoreRule(group="apps", kind="Deployment", namespace="other"), False),
        (IgnoreRule(group="apps", kind="[Deployment"), False),
    ],
)
def test_a_rule_is_about_the_objects_that_it_names(rule: IgnoreRule, concerned: bool) -> None:
    assert rule.concerns(web()) is concerned


def rule(**fields: Any) -> IgnoreRule:
    return IgnoreRule(group="apps", kind="Deployment", **fields)


@pytest.mark.parametrize(
    ("pointer", "left"),
    [
        ("/spec/replicas", {"list": [{"x": 1}, {"x": 2}]}),
        ("/spec/list/0", {"replicas": 1, "list": [{"x": 2}]}),
        ("/spec/list/1/x", {"replicas": 1, "list": [{"x": 1}, {}]}),
        ("/spec/list/2", {"replicas": 1, "list": [{"x": 1}, {"x": 2}]}),
        ("/spec/list/-", {"replicas": 1, "list": [{"x": 1}, {"x": 2}]}),
        ("/spec/replicas/deep", {"replicas": 1, "list": [{"x": 1}, {"x": 2}]}),
        ("/nothing/here", {"replicas": 1, "list": [{"x": 1}, {"x": 2}]}),
    ],
)
def test_json_pointers_are_removed_from_both_sides(pointer: str, left: Any) -> None:
    obj = web(replicas=1, list=[{"x": 1}, {"x": 2}])
    before = copy.deepcopy(obj)
    result = ignore([rule(json_pointers=(pointer,))], obj, obj)
    assert result == (web(**left), web(**left), (), ())
    assert obj == before


def test_pointers_may_hold_slashes_and_tildes() -> None:
    pointers = ("/metadata/annotations/a~1b", "/metadata/annotations/c~0d")
    result = ignore([rule(json_pointers=pointers)], None, web())
    assert result.desired is None
    assert result.live is not None
    assert result.live["metadata"]["annotations"] == {}


def managed(*names: str) -> list[Any]:
    fields: dict[str, Any] = {
        'k:{"name":"api"}': {".": {}, "f:name": {}, **{f"f:{name}": {} for name in names}},
        'k:{"name":"x"}': {"f:y": {}},
    }
    spec = {"f:replicas": {}, "f:paused": {}, "f:containers": fields, "f:tolerations": {}, "f:names": {'v:"a"': {}}}
    return [{"manager": "rollouts", "operation": "Update", "fieldsV1": {"f:spec": spec}}]


def test_fields_of_trusted_managers_are_removed_where_both_sides_have_them_and_differ() -> None:
    live = web(
        replicas=9,
        containers=[{"name": "side"}, {"name": "api", "image": "a:2", "tty": True}],
        tolerations=[{"key": "b"}],
        names=["a"],
        minReady=1,
    )
    desired = web(
        replicas=1,
        paused=True,  # not live: stays
        containers=[{"name": "api", "image": "a:1", "tty": True}],
        tolerations=[{"key": "a"}],
        names=["b", "a"],
        minReady=2,  # not theirs: stays
    )
    result = ignore(
        [rule(managed_fields_managers=("rollouts",))], desired, live, managed_fields=managed("image", "tty")
    )
    containers: list[dict[str, Any]] = [{"name": "api", "tty": True}]
    assert result.desired == web(paused=True, containers=containers, names=["b", "a"], minReady=2)
    assert result.live == web(containers=[{"name": "side"}, *containers], names=["a"], minReady=1)
    assert (
        ignore([rule(managed_fields_managers=("others",))], desired, live, managed_fields=managed("image")).live == live
    )
    assert (
        ignore([rule(managed_fields_managers=("rollouts",))], None, live, managed_fields=managed("image")).live == live
    )


def test_a_rule_that_cannot_be_applied_is_told_and_spoils_nothing() -> None:
    rules = [rule(json_pointers=("spec/replicas", "/spec/replicas"), jq_path_expressions=(".spec | keys",)), rule()]
    result = ignore(rules, web(replicas=1), web(replicas=2))
    assert result.desired == result.live == web()
    assert result.problems == ("ignoreDifferences: 'spec/replicas' is no JSON pointer; one begins with a slash",)
    assert result.unevaluated == (
        "ignoreDifferences: '.spec | keys' computes, and there is no jq at hand to evaluate it",
    )


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        ("jsonPointers:\n- /spec/replicas\n- /metadata/labels/x", ("/spec/replicas", "/metadata/labels/x")),
        ("jsonPointers: []", None),
        ("jqPathExpressions: ['.spec']", None),
        ("jsonPointers: /spec", None),
        ("jsonPointers: [1]", None),
        ("[a", None),
        ("- a", None),
        ("", None),
        (3, None),
    ],
)
def test_a_manifest_may_bring_a_rule_for_its_own_object(value: Any, pointers: tuple[str, ...] | None) -> None:
    annotations = {"argocd.argoproj.io/ignore-differences": value}
    metadata = {"name": "web", "namespace": "shop", "annotations": annotations}
    rule = rule_in({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
    assert rule == (pointers and IgnoreRule("apps", "Deployment", "web", "shop", json_pointers=pointers))


@pytest.mark.parametrize("odd", [{}, {"metadata": 3}, {"metadata": {"annotations": []}}])
def test_an_odd_manifest_brings_none(odd: Any) -> None:
    assert rule_in(odd) is None


def test_the_rules_of_an_application_are_read_and_what_is_none_is_told() -> None:
    entries = [
        {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"], "name": None},
        {"kind": "Service", "managedFieldsManagers": ["x"], "jqPathExpressions": ["."]},
        {"kind": 3},
        "odd",
    ]
    rules, problems = rules_of({"spec": {"ignoreDifferences": entries}})
    assert rules == [
        rule(json_pointers=("/spec/replicas",)),
        IgnoreRule(kind="Service", managed_fields_managers=("x",), jq_path_expressions=(".",)),
    ]
    assert [problem.split(":")[0] for problem in problems] == [
        "spec.ignoreDifferences[2] is left out",
        "spec.ignoreDifferences[3] is left out",
    ]
    assert rules_of({}) == ([], [])
    assert rules_of({"spec": {"ignoreDifferences": "odd"}}) == ([], [])
