"""Custom kinds that no rule knows, judged by the conditions that the field agrees on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.health import assess
from fleetui.model.status import Health, HealthStatus


def claim(*conditions: Any, group: str = "platform.acme.io", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Database",
        "metadata": {"name": "orders", "generation": 2},
        "status": {"conditions": list(conditions), **status},
    }


def told(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("conditions", "status", "message"),
    [
        ([told("Ready", "True", message="all is well")], HealthStatus.HEALTHY, "all is well"),
        ([told("Ready", "False", "Creating", "not yet")], HealthStatus.PROGRESSING, "not yet"),
        ([told("Ready", "Unknown", message="asking")], HealthStatus.PROGRESSING, "asking"),
        ([told("Ready", "False", "BuildFailed", "no such path")], HealthStatus.DEGRADED, "no such path"),
        ([told("Ready", "False"), told("Stalled", "True", message="bad spec")], HealthStatus.DEGRADED, "bad spec"),
        ([told("Ready", "True"), told("Reconciling", "True", message="again")], HealthStatus.PROGRESSING, "again"),
        ([told("Ready", "True"), told("Stalled", "False")], HealthStatus.HEALTHY, ""),
        (
            [told("Synced", "False", "ReconcileError", "no quota"), told("Ready", "True")],
            HealthStatus.DEGRADED,
            "no quota",
        ),
        ([told("Synced", "False", "ReconcilePaused", "paused")], HealthStatus.SUSPENDED, "paused"),
        ([told("Synced", "True", message="done")], HealthStatus.HEALTHY, "done"),
        ([told("Synced", "True"), told("Ready", "False", "Waiting", "for it")], HealthStatus.PROGRESSING, "for it"),
    ],
)
def test_conditions_decide(conditions: list[Any], status: HealthStatus, message: str) -> None:
    assert assess(claim(*conditions)) == Health(status, message)


def test_what_was_said_of_an_older_generation_does_not_count_as_ready() -> None:
    old = assess(claim(told("Ready", "True"), observedGeneration=1))
    assert old == Health(HealthStatus.PROGRESSING, "Waiting for the latest generation to be observed")
    assert assess(claim(told("Ready", "True"), observedGeneration=2)) == Health(HealthStatus.HEALTHY)


@pytest.mark.parametrize(
    "obj",
    [
        claim(),
        claim(told("Weather", "False")),
        claim({"type": "Ready"}, {"type": ["Ready"], "status": "True"}),
    ],
)
def test_nothing_to_go_by_is_no_health(obj: Any) -> None:
    assert assess(obj) is None


@pytest.mark.parametrize("group", ["apps", "policy", "batch", "networking.k8s.io", "node.k8s.io"])
def test_kinds_of_kubernetes_itself_are_left_to_their_rules(group: str) -> None:
    assert assess(claim(told("Ready", "False", "Failed"), group=group)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Ready", "True", "False", "type"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "status", "x"]), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(JSON, JSON, JSON)
def test_no_status_is_too_odd(status: Any, conditions: Any, generation: Any) -> None:
    assess({**claim(), "status": status})
    odd = claim()
    odd["metadata"]["generation"] = generation
    odd["status"] = {"conditions": conditions, "observedGeneration": status}
    assess(odd)
