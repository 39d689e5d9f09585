"""The status that is written, and the smallest patch to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetui.engine.compare import Comparison, Provenance
from fleetui.engine.desired import Targets
from fleetui.engine.status import (
    as_argo_stores,
    compared_status,
    compared_to,
    invalid_status,
    merge_patch,
    with_conditions,
)
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus, SyncStatus
from tests.engine.objects import application

NOW = 1_800_000_000.0
AT, BEFORE = "2027-01-15T08:00:00Z", "2027-01-01T00:00:00Z"

SCALARS = st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "y"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
MAPS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def apply(patch: Any, to: Any) -> Any:
    """RFC 7386, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(to) if isinstance(to, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply(value, result.get(key))
    return result


@given(MAPS, MAPS)
def test_a_patch_brings_about_what_it_was_made_for(before: Obj, after: Obj) -> None:
    assert apply(merge_patch(before, after), before) == after


@given(MAPS)
def test_a_patch_to_the_same_is_empty(value: Obj) -> None:
    assert merge_patch(value, value) == {}


@given(MAPS, MAPS)
def test_a_patch_says_nothing_of_what_stays(before: Obj, after: Obj) -> None:
    patch = merge_patch(before, after)
    assert not {key for key in patch if key in before and key in after and before[key] == after[key]}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": 1}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": None}}),
        ({}, {"a": None}, {}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ],
)
def test_patches(before: Obj, after: Obj, patch: Obj) -> None:
    assert merge_patch(before, after) == patch


# --- conditions -------------------------------------------------------------------------------------------------


def condition(kind: str, message: str, since: str = BEFORE) -> Obj:
    return {"type": kind, "message": message, "lastTransitionTime": since}


def test_a_condition_that_stays_keeps_its_time() -> None:
    status = {"conditions": [condition("SyncError", "x"), condition("Other", "kept")], "sync": {}}
    after = with_conditions(status, ("SyncError",), [("SyncError", "x")], now=NOW)
    assert after["conditions"] == [condition("Other", "kept"), condition("SyncError", "x")]
    assert after["sync"] == {}


def test_a_condition_with_another_message_gets_a_new_time() -> None:
    after = with_conditions(
        {"conditions": [condition("SyncError", "x")]}, ("SyncError",), [("SyncError", "y")], now=NOW
    )
    assert after["conditions"] == [condition("SyncError", "y", AT)]


def test_a_condition_that_was_not_found_again_goes() -> None:
    status = {"conditions": [condition("SyncError", "x")]}
    assert "conditions" not in with_conditions(status, ("SyncError",), [], now=NOW)
    assert with_conditions(status, ("ComparisonError",), [], now=NOW) == status


def test_several_of_a_type_each_keep_their_time_in_a_fixed_order() -> None:
    status = {"conditions": [condition("RepeatedResourceWarning", "a"), condition("RepeatedResourceWarning", "b")]}
    found = [("RepeatedResourceWarning", message) for message in "bca"]
    after = with_conditions(status, ("RepeatedResourceWarning",), found, now=NOW)
    assert [(each["message"], each["lastTransitionTime"]) for each in after["conditions"]] == [
        ("a", BEFORE),
        ("b", BEFORE),
        ("c", AT),
    ]
    assert with_conditions(after, ("RepeatedResourceWarning",), found, now=NOW + 60) == after


@pytest.mark.parametrize("odd", [None, "x", [3, None]])
def test_odd_conditions_do_no_harm(odd: Any) -> None:
    after = with_conditions({"conditions": odd}, ("SyncError",), [("SyncError", "x")], now=NOW)
    assert after["conditions"] == [condition("SyncError", "x", AT)]


# --- the whole --------------------------------------------------------------------------------------------------


def comparison(**changes: Any) -> Comparison:
    fields: dict[str, Any] = {
        "status": SyncStatus.SYNCED,
        "health": Health(HealthStatus.HEALTHY),
        "origin": Provenance("abc", tools=("Directory",)),
        "members": (),
        "resources": [{"kind": "ConfigMap", "name": "a"}],
        "targets": Targets(),
        "summary": {"images": ["api:1"]},
    }
    return Comparison(**(fields | changes))


def test_the_status_of_a_new_application() -> None:
    app = application()
    status = compared_status(app, comparison(), now=NOW, controller_namespace="argocd")
    assert status == {
        "sync": {"status": "Synced", "revision": "abc", "comparedTo": compared_to(app)},
        "health": {"status": "Healthy", "lastTransitionTime": AT},
        "resources": [{"kind": "ConfigMap", "name": "a"}],
        "sourceType": "Directory",
        "controllerNamespace": "argocd",
        "resourceHealthSource": "appTree",
        "summary": {"images": ["api:1"]},
    }
    assert compared_to(app) == {"source": app.spec["source"], "destination": app.destination}


def test_a_status_that_holds_is_written_the_same_again() -> None:
    first = compared_status(application(), comparison(), now=NOW, controller_namespace="argocd")
    again = compared_status(application(status=first), comparison(), now=NOW + 600, controller_namespace="argocd")
    assert again == first


def test_what_the_comparison_does_not_say_stays() -> None:
    app = application(
        status={"history": [{"id": 1}], "operationState": {"phase": "Running"}, "summary": {"images": []}}
    )
    status = compared_status(app, comparison(summary={}, resources=[]), now=NOW, controller_namespace="argocd")
    assert status["history"] == [{"id": 1}]
    assert status["operationState"] == {"phase": "Running"}
    assert status["summary"] == {}
    assert "resources" not in status


def test_a_new_application_without_images_has_no_summary() -> None:
    assert "summary" not in compared_status(application(), comparison(summary={}), now=NOW, controller_namespace="x")


def test_a_failed_comparison_knows_no_source_type() -> None:
    app = application(status={"sourceType": "Directory"})
    failed = comparison(error="x", origin=Provenance("main"))
    status = compared_status(app, failed, now=NOW, controller_namespace="argocd")
    assert "sourceType" not in status
    assert status["sync"]["revision"] == "main"


def test_health_keeps_the_time_of_its_last_change() -> None:
    app = application(status={"health": {"status": "Healthy", "lastTransitionTime": BEFORE}})
    status = compared_status(app, comparison(), now=NOW, controller_namespace="argocd")
    assert status["health"]["lastTransitionTime"] == BEFORE
    sick = comparison(health=Health(HealthStatus.DEGRADED))
    assert compared_status(app, sick, now=NOW, controller_namespace="argocd")["health"]["lastTransitionTime"] == AT


def test_a_health_that_stays_keeps_the_message_of_its_transition() -> None:
    sick = comparison(health=Health(HealthStatus.DEGRADED, "Caused by batch/Job:shop/a"))
    first = compared_status(application(), sick, now=NOW, controller_namespace="argocd")
    assert first["health"]["message"] == "Caused by batch/Job:shop/a"
    other = comparison(health=Health(HealthStatus.DEGRADED, "Caused by batch/Job:shop/b"))
    again = compared_status(application(status=first), other, now=NOW, controller_namespace="argocd")
    assert again["health"] == first["health"]
    well = compared_status(application(status=first), comparison(), now=NOW, controller_namespace="argocd")
    assert "message" not in well["health"]


def test_what_is_compared_is_said_without_what_is_empty() -> None:
    ignored = [{"group": "", "kind": "ConfigMap", "jsonPointers": ["/data/a"], "jqPathExpressions": []}]
    app = application(spec={"ignoreDifferences": ignored, "destination": {"server": "https://a", "name": ""}})
    found = compared_to(app)
    assert found["ignoreDifferences"] == [{"kind": "ConfigMap", "jsonPointers": ["/data/a"]}]
    assert found["destination"] == {"server": "https://a"}


def test_the_empty_source_beside_several_is_written_with_an_automated_sync_alone_and_stays() -> None:
    sources = [{"repoURL": "https://git.example.com/a.git", "path": path} for path in "ab"]
    app = application(spec={"source": None, "sources": sources})
    first = compared_status(app, comparison(), now=NOW, controller_namespace="argocd")
    assert first["sync"]["comparedTo"].keys() == {"sources", "destination"}
    stored = as_argo_stores(first)
    assert stored["sync"]["comparedTo"]["source"] == {"repoURL": ""}
    again = application(spec={"source": None, "sources": sources}, status=stored)
    assert compared_to(again) == stored["sync"]["comparedTo"]


def test_what_argo_cd_writes_beside_an_operation_that_it_starts_itself() -> None:
    assert as_argo_stores({"health": {}}) == {"health": {}, "sourceHydrator": {}, "summary": {}}
    assert as_argo_stores({"summary": {"images": ["a"]}})["summary"] == {"images": ["a"]}


def test_an_invalid_spec_says_only_that_nothing_is_known() -> None:
    before: Obj = {"sync": {"status": "Synced", "revision": "abc", "comparedTo": {"x": 1}}, "history": [1]}
    assert invalid_status(application(status=before), now=NOW) == {
        "sync": {"status": "Unknown", "revision": "abc", "comparedTo": {"x": 1}},
        "health": {"status": "Unknown", "lastTransitionTime": AT},
        "history": [1],
    }
