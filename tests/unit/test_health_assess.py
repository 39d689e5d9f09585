"""What holds for every kind: which rule is asked, deletion, odd objects; and the health of an application."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.health import AppMember, aggregate, assess
from fleetui.health.assessment import _ANY_VERSION, _RULES, Verdict
from fleetui.model.objects import ObjectRef
from fleetui.model.status import Health, HealthStatus

NESTED: Any = "x"
for _ in range(1000):
    NESTED = {"spec": [NESTED]}
GOING = {"name": "it", "deletionTimestamp": "2026-01-01T00:00:00Z"}
HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"


def deployment(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **parts}


def test_a_kind_without_a_rule_has_no_health_until_it_is_deleted() -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    assert assess(config_map) is None
    assert assess({**config_map, "metadata": GOING}) == Health(HealthStatus.PROGRESSING, "Pending deletion")


def test_a_hook_held_by_the_engine_itself_is_judged_as_if_it_stayed() -> None:
    held = {**GOING, "finalizers": ["other", HOOK_FINALIZER]}
    assert assess(deployment(metadata=held)) == Health(HealthStatus.HEALTHY)
    assert assess(deployment(metadata=GOING)) == Health(HealthStatus.PROGRESSING, "Pending deletion")


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        ("apps/v1beta2", "Deployment", "unsupported Deployment GVK: apps/v1beta2, Kind=Deployment"),
        ("v2", "Pod", "unsupported Pod GVK: /v2, Kind=Pod"),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "unsupported HPA GVK: autoscaling/v2beta2, Kind=HorizontalPodAutoscaler",
        ),
    ],
)
def test_another_version_of_a_known_kind_is_unknown(api_version: str, kind: str, message: str) -> None:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {}}
    assert assess(obj) == Health(HealthStatus.UNKNOWN, message)


def test_the_same_kind_of_another_group_has_no_health() -> None:
    assert assess({"apiVersion": "example.com/v1", "kind": "Service", "metadata": {}}) is None


class _Own:
    def __init__(self, said: Verdict | None) -> None:
        self.said = said

    def verdict(self, obj: Mapping[str, Any]) -> Verdict | None:
        return self.said


def test_customizations_come_before_the_built_in_rules() -> None:
    ours = Health(HealthStatus.SUSPENDED, "ours")
    assert assess(deployment(), _Own(Verdict(ours))) == ours
    assert assess(deployment(), _Own(Verdict(None))) is None
    assert assess(deployment(), _Own(None)) == Health(HealthStatus.HEALTHY)
    assert assess({"status": "ours to judge"}, _Own(Verdict(ours))) == ours


def test_of_an_object_that_is_being_deleted_that_is_told_with_what_holds_it() -> None:
    ours = Health(HealthStatus.SUSPENDED, "ours")
    held = {**GOING, "finalizers": ["a.io/one", "b.io/two"]}
    blocked = Health(HealthStatus.PROGRESSING, "Pending deletion; blocked by finalizers: a.io/one, b.io/two")
    assert assess(deployment(metadata=held)) == blocked
    assert assess(deployment(metadata=held), _Own(Verdict(ours))) == blocked
    assert assess(deployment(metadata=held), _Own(Verdict(ours, "bye"))) == Health(HealthStatus.SUSPENDED, "bye")
    assert assess(deployment(metadata=held), _Own(Verdict(ours, failed=True))) == ours
    assert assess({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": held}) == blocked
    assert assess(deployment(metadata={**GOING, "finalizers": [1]})) == Health(
        HealthStatus.PROGRESSING, "Pending deletion"
    )
    odd = assess(deployment(metadata=GOING, spec={"paused": "yes"}))
    assert odd is not None
    assert odd.status is HealthStatus.UNKNOWN


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        (deployment(status="Running"), "status is a string, not a map"),
        (deployment(status=["Running"]), "status is a list, not a map"),
        (deployment(status={"conditions": None}), "status.conditions is null, not a list"),
        (deployment(status={"conditions": {"type": "Progressing"}}), "status.conditions is a map, not a list"),
        (deployment(status={"conditions": ["Progressing"]}), "an item of status.conditions is a string, not a map"),
        (deployment(status={"replicas": math.nan}), "status.replicas is the number nan, not a whole number"),
        (deployment(status={"replicas": True}), "status.replicas is a boolean, not a whole number"),
        (deployment(spec={"paused": "yes"}), "spec.paused is a string, not a boolean"),
        (deployment(spec={"template": []}), "spec.template is a list, not a map"),
        (deployment(spec={"replicas": 1.5}), "spec.replicas is the number 1.5, not a whole number"),
        (deployment(metadata={"labels": []}), "metadata.labels is a list, not a map"),
        (deployment(metadata={"labels": {"a": 1}}), "metadata.labels.a is the number 1, not a string"),
        (deployment(metadata={"finalizers": {}}), "metadata.finalizers is a map, not a list"),
        (deployment(metadata=None), "metadata is missing"),
        (deployment(metadata=[]), "metadata is a list, not a map"),
        (["kind", "Deployment"], "the object is a list, not a map"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "metadata is missing"),
        ({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {}, "status": "fine"}, "status is a string, not a map"),
        ({"kind": "Thing", "metadata": {}}, "apiVersion is missing"),
        ({"apiVersion": "x.io/v1", "kind": 3, "metadata": {}}, "kind is the number 3, not a string"),
        (deployment(spec=NESTED), "the object is nested deeper than 200 levels"),
    ],
)
def test_an_odd_object_is_unknown_with_a_reason(obj: Any, reason: str) -> None:
    health = assess(obj)
    assert health is not None
    assert health.status is HealthStatus.UNKNOWN
    assert health.message.removeprefix("failed to convert unstructured Deployment to typed: ") == reason


class _Word(str):
    pass


def test_any_mapping_and_any_text_will_do() -> None:
    labels = OrderedDict({_Word("a"): _Word("b")})
    obj = deployment(metadata=OrderedDict(name="web", labels=labels), spec=OrderedDict(template=OrderedDict(a=1)))
    assert assess(OrderedDict(obj)) == Health(HealthStatus.HEALTHY)


def test_null_is_absent_as_for_kubernetes() -> None:
    spec: dict[str, Any] = {"replicas": None, "paused": None, "template": None, "unknown": [], "minReadySeconds": 1.0}
    obj = deployment(metadata={"labels": {"a": None}}, spec=spec, status={"replicas": None})
    assert assess(obj) == Health(HealthStatus.HEALTHY)


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["conditions", "replicas", "updateStrategy", "restartPolicy", "phase", "containerStatuses", "loadBalancer"]
odd_sections = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), odd_values, max_size=4) | odd_values
KINDS = [*_RULES, *((f"{group}/v1", kind) for group, kind in _ANY_VERSION)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), odd_sections, odd_sections, odd_sections)
def test_no_object_is_too_odd_to_be_judged(kind: tuple[str, str], metadata: Any, spec: Any, status: Any) -> None:
    obj = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    assert isinstance(assess(obj), Health)


# --- the application -------------------------------------------------------------------------------------------


def member(
    name: str, status: HealthStatus | None, *, kind: str = "Deployment", group: str = "apps", **more: Any
) -> AppMember:
    health = None if status is None else Health(status)
    return AppMember(ref=ObjectRef(group, kind, "shop", name), health=health, **{"present": True, **more})


def absent(name: str, **more: Any) -> AppMember:
    return member(name, HealthStatus.MISSING, present=False, **more)


HEALTHY, PROGRESSING, DEGRADED = (HealthStatus.HEALTHY, HealthStatus.PROGRESSING, HealthStatus.DEGRADED)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], HEALTHY),
        ([member("a", None)], HEALTHY),
        ([member("a", HEALTHY), member("b", PROGRESSING), member("c", HealthStatus.SUSPENDED)], PROGRESSING),
        ([member("a", DEGRADED), member("b", HealthStatus.UNKNOWN)], HealthStatus.UNKNOWN),
        ([member("a", HEALTHY), absent("b")], HEALTHY),
        ([absent("a"), absent("b")], HealthStatus.MISSING),
        ([absent("a"), member("hook", DEGRADED, hook=True)], HealthStatus.MISSING),
        ([member("hook", DEGRADED, hook=True)], HEALTHY),
        ([absent("a"), member("b", DEGRADED, ignored=True)], HEALTHY),
        ([member("a", DEGRADED, itself=True), member("b", HEALTHY)], HEALTHY),
        ([member("child", HealthStatus.UNKNOWN, kind="Application", group="argoproj.io")], HEALTHY),
        ([member("child", DEGRADED, kind="Application", group="argoproj.io")], DEGRADED),
    ],
)
def test_the_worst_that_counts_is_the_applications(members: list[AppMember], expected: HealthStatus) -> None:
    assert aggregate(members) == Health(expected)


def test_the_message_names_the_first_three_culprits_where_it_is_asked_for() -> None:
    members = [member("slow", PROGRESSING), member("fine", HEALTHY)]
    members += [member(name, DEGRADED) for name in "abcde"]
    members.append(AppMember(ref=ObjectRef("", "Node", "", "n1"), present=True, health=Health(DEGRADED)))
    expected = "Caused by apps/Deployment:shop/a, apps/Deployment:shop/b, apps/Deployment:shop/c and 3 more"
    assert aggregate(members, explain=True) == Health(DEGRADED, expected)
    assert aggregate(members[-1:], explain=True).message == "Caused by Node:n1"
    assert aggregate([absent("a")], explain=True) == Health(HealthStatus.MISSING)
