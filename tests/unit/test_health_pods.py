"""Pods, and which of them are hooks (argo-cd v3.6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.health import assess
from fleetui.health.hooks import is_hook, is_skipped
from fleetui.model.status import Health, HealthStatus

H, P, D, U = HealthStatus.HEALTHY, HealthStatus.PROGRESSING, HealthStatus.DEGRADED, HealthStatus.UNKNOWN
STAY = {"argocd.argoproj.io/ignore-restart-policy": "true"}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def pod(policy: str, status: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "annotations": annotations},
        "spec": {"restartPolicy": policy},
        "status": status,
    }


def waiting(*reasons: str) -> list[dict[str, Any]]:
    return [{"name": r, "state": {"waiting": {"reason": r, "message": f"is {r}"}}} for r in reasons]


def ended(**how: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "state": {"terminated": how}}]


@pytest.mark.parametrize(
    ("policy", "status", "expected"),
    [
        (
            "Always",
            {
                "phase": "Pending",
                "containerStatuses": waiting("ErrImagePull", "ContainerCreating", "CrashLoopBackOff", "ConfigError"),
            },
            (D, "is ErrImagePull, is CrashLoopBackOff, is ConfigError"),
        ),
        ("Never", {"phase": "Pending", "containerStatuses": waiting("ErrImagePull")}, (P, "")),
        ("Always", {"phase": "Pending", "initContainerStatuses": waiting("ErrImagePull"), "message": "m"}, (P, "m")),
        ("Always", {"phase": "Succeeded"}, (H, "")),
        (
            "Never",
            {"phase": "Failed", "message": "evicted", "containerStatuses": ended(exitCode=2)},
            (D, "evicted"),
        ),
        ("Never", {"phase": "Failed", "containerStatuses": ended(message="no config", exitCode=2)}, (D, "no config")),
        ("Never", {"phase": "Failed", "containerStatuses": ended(reason="OOMKilled", exitCode=137)}, (D, "OOMKilled")),
        (
            "Never",
            {
                "phase": "Failed",
                "initContainerStatuses": ended(exitCode=3),
                "containerStatuses": ended(message="not asked"),
            },
            (D, 'container "main" failed with exit code 3'),
        ),
        ("Never", {"phase": "Failed", "containerStatuses": ended(exitCode=0)}, (D, "")),
        ("Always", {"phase": "Running", **READY}, (H, "")),
        ("Always", {"phase": "Running", "containerStatuses": [{"lastState": {"terminated": {}}}]}, (D, "")),
        ("Always", {"phase": "Running", "containerStatuses": [{"lastState": {}}]}, (P, "")),
        ("OnFailure", {"phase": "Running", **READY}, (P, "")),
        ("Never", {"phase": "Running", **READY}, (P, "")),
        ("Always", {"phase": "Unknown", "message": "node lost"}, (U, "node lost")),
        ("Always", {}, (U, "")),
    ],
)
def test_pod(policy: str, status: Any, expected: Any) -> None:
    assert assess(pod(policy, status)) == Health(*expected)


def test_a_pod_told_to_stay_is_judged_like_one_unless_it_is_a_hook() -> None:
    running = {"phase": "Running", **READY}
    assert assess(pod("Never", running, **STAY)) == Health(H)
    assert assess(pod("Never", running, **STAY, **{"argocd.argoproj.io/hook": "PreSync"})) == Health(P)
    assert assess(pod("Never", running, **STAY, **{"argocd.argoproj.io/hook": "Skip"})) == Health(H)
    assert assess(pod("Never", {"containerStatuses": waiting("ErrX")}, **STAY)) == Health(D, "is ErrX")


@pytest.mark.parametrize(
    ("annotations", "hook", "skipped"),
    [
        ({}, False, False),
        ({"argocd.argoproj.io/hook": "PreSync"}, True, False),
        ({"argocd.argoproj.io/hook": "Skip"}, False, True),
        ({"argocd.argoproj.io/hook": " Skip , Skip"}, False, True),
        ({"argocd.argoproj.io/hook": "Skip,PreSync"}, True, False),
        ({"argocd.argoproj.io/hook": "nonsense"}, True, False),
        ({"helm.sh/hook": "pre-install"}, True, False),
        ({"helm.sh/hook": "test"}, True, False),
        ({"helm.sh/hook": "crd-install"}, False, False),
        ({"argocd.argoproj.io/hook": "Skip", "helm.sh/hook": "pre-install"}, False, True),
    ],
)
def test_hooks(annotations: dict[str, str], hook: bool, skipped: bool) -> None:
    obj = {"metadata": {"annotations": annotations}}
    assert (is_hook(obj), is_skipped(obj)) == (hook, skipped)
