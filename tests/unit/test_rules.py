"""RBAC rules against requests: the table of `evaluation_helpers_test.go` and what a rules review may look like."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.fleet.rules import Attributes, Rules, attributes, rules_of
from fleetui.model.objects import Obj
from tests.unit.fakes import NAMESPACE, SECRET


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Obj:
    """A rule in words: ``get,list`` of ``apps,core``."""
    found: Obj = {"verbs": verbs.split(","), "resources": resources.split(",")}
    found["apiGroups"] = ["" if group == "core" else group for group in groups.split(",")]
    return found | ({"resourceNames": names.split(",")} if names else {})


def review(*resource_rules: Obj, incomplete: bool = False, **status: Any) -> Obj:
    return {
        "status": {"resourceRules": list(resource_rules), "nonResourceRules": [], "incomplete": incomplete} | status
    }


def asked(verb: str, what: str, name: str = "", *, namespace: str = "shop") -> Attributes:
    """``get deployments.apps/scale``."""
    resource, _, subresource = what.partition("/")
    plural, _, group = resource.partition(".")
    return Attributes(verb, group, "v1", plural, namespace=namespace, name=name, subresource=subresource)


@pytest.mark.parametrize(
    ("given", "verb", "what", "name", "allowed"),
    [
        (("get,list", "core", "secrets"), "list", "secrets", "", True),
        (("get,list", "core", "secrets"), "watch", "secrets", "", False),
        (("*", "core", "secrets"), "deletecollection", "secrets", "", True),
        (("list", "core", "secrets"), "list", "secrets.example.com", "", False),
        (("list", "*", "secrets"), "list", "secrets.example.com", "", True),
        (("list", "apps,batch", "*"), "list", "jobs.batch", "", True),
        (("list", "core", "*"), "list", "jobs.batch", "", False),
        # A subresource is a resource of its own, except for a star that stands alone.
        (("get", "core", "pods"), "get", "pods/log", "x", False),
        (("get", "core", "pods/log"), "get", "pods/log", "x", True),
        (("get", "core", "pods/log"), "get", "pods", "x", False),
        (("get", "core", "*"), "get", "pods/log", "x", True),
        (("patch", "apps", "*/scale"), "patch", "deployments.apps/scale", "x", True),
        (("patch", "apps", "*/scale"), "patch", "deployments.apps/status", "x", False),
        (("patch", "apps", "*/scale"), "patch", "deployments.apps", "x", False),
        (("patch", "apps", "*/*"), "patch", "deployments.apps/scale", "x", False),
        (("patch", "apps", "deployments/*"), "patch", "deployments.apps/scale", "x", False),
        # A rule with names holds for these objects, and for no list of all of them.
        (("get,list", "core", "secrets", "tls,ca"), "get", "secrets", "tls", True),
        (("get,list", "core", "secrets", "tls,ca"), "get", "secrets", "other", False),
        (("get,list", "core", "secrets", "tls,ca"), "list", "secrets", "", False),
        (("create", "core", "secrets", "tls"), "create", "secrets", "", False),
    ],
)
def test_a_rule(given: tuple[str, ...], verb: str, what: str, name: str, allowed: bool) -> None:
    assert rules_of(review(rule(*given))).allow(asked(verb, what, name)) is allowed


def test_one_rule_of_several_is_enough() -> None:
    rules = rules_of(review(rule("get", "core", "pods"), rule("list", "core", "pods")))
    assert [rules.allow(asked(verb, "pods")) for verb in ("get", "list", "watch")] == [True, True, False]


def test_incomplete_rules_allow_what_they_allow_and_deny_nothing() -> None:
    rules = rules_of(review(rule("list", "core", "pods"), incomplete=True, evaluationError="webhook\x1b[31m"))
    assert [rules.allow(asked("list", what)) for what in ("pods", "secrets")] == [True, None]
    assert rules.allow_url("get", "/readyz") is None
    assert "\x1b" not in rules.problem
    assert rules.problem.startswith("webhook")


def test_what_leaves_the_namespace_is_not_allowed_by_its_rules_but_may_be_denied() -> None:
    rules = rules_of(review(rule("list", "core", "pods,namespaces")))
    assert rules.allow(asked("list", "pods", namespace="")) is None
    assert rules.allow(asked("list", "secrets", namespace="")) is False
    assert rules.allow(attributes("list", NAMESPACE, "shop")) is None


@pytest.mark.parametrize(
    ("urls", "url", "allowed"),
    [
        (["*"], "/readyz", True),
        (["/readyz"], "/readyz", True),
        (["/readyz"], "/readyz/etcd", False),
        (["/readyz*"], "/readyz/etcd", True),
        (["/api/*"], "/api/v1", True),
        (["/api/*"], "/api", False),
        (["/apis/*", "/version"], "/version", True),
        ([], "/version", False),
    ],
)
def test_paths_that_are_no_resources(urls: list[str], url: str, allowed: bool) -> None:
    rules = rules_of(review(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": urls}]))
    assert rules.allow_url("get", url) is allowed
    assert rules.allow_url("post", url) is False


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"incomplete": "no"},
        {"incomplete": False, "resourceRules": "all"},
        {"incomplete": False, "resourceRules": [None, "get"]},
        {"incomplete": False, "nonResourceRules": {"verbs": ["*"]}},
    ],
)
def test_an_odd_answer_denies_nothing(status: object) -> None:
    assert rules_of({"status": status}).allow(asked("list", "pods")) is None


def test_lists_that_are_null_are_empty() -> None:
    null = {"incomplete": False, "resourceRules": None, "nonResourceRules": None}
    assert rules_of({"status": null}) == Rules()
    assert rules_of(review({"verbs": None, "resources": ["pods"]})).allow(asked("list", "pods")) is False


def test_attributes_are_those_of_the_resource() -> None:
    assert attributes("list", SECRET, "shop") == Attributes("list", "", "v1", "secrets", namespace="shop")
    assert attributes("get", SECRET, "shop", name="a", subresource="b").full_name == "secrets/b"
    assert asked("patch", "deployments.apps/scale").full_name == "deployments.apps/scale"
