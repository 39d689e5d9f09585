"""Who set a live value, read from managedFields."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.diff import blame, compare
from fleetui.model.change import Blame
from fleetui.model.times import parse_time


def entry(manager: str, fields: Any, *, operation: str = "Update", minute: int = 0, **more: str) -> dict[str, Any]:
    time = f"2026-01-01T00:{minute:02}:00Z"
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields, **more}


CONTAINER: dict[str, Any] = {
    ".": {},
    "f:name": {},
    "f:image": {},
    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {"f:name": {}}},
}
LIVE = {
    "metadata": {
        "finalizers": ["x.io/a", "x.io/b"],
        "managedFields": [
            entry(
                "argocd-controller",
                {
                    "f:spec": {
                        "f:replicas": {},
                        "f:template": {
                            "f:spec": {"f:containers": {'k:{"name":"api"}': CONTAINER}, "f:tolerations": {}}
                        },
                    }
                },
                operation="Apply",
                minute=30,
            ),
            entry("kubectl-edit", {"f:spec": {"f:replicas": {}}}, minute=10),
            entry("kubectl-scale", {"f:spec": {"f:replicas": {}}}, minute=20, subresource="scale"),
            entry(
                "kubectl-set",
                {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"side"}': {"f:env": {}}}}}}},
            ),
            entry("finalizing", {"f:metadata": {"f:finalizers": {'v:"x.io/b"': {}}}}),
            entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, minute=59, subresource="status"),
            "odd",
            {"manager": "odd", "fieldsV1": []},
        ],
    },
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {"name": "side", "env": [{"name": "A", "value": "1"}]},
                    {"name": "api", "image": "a:1", "ports": [{"containerPort": 80, "name": "http"}]},
                ],
                "tolerations": [{"key": "a", "operator": "Exists"}],
            }
        },
    },
}
POD = ("spec", "template", "spec")


@pytest.mark.parametrize(
    ("path", "manager"),
    [
        (("spec", "replicas"), "kubectl-scale"),  # of three owners: no engine, and the latest
        ((*POD, "containers", 1, "image"), "argocd-controller"),
        ((*POD, "containers", 1, "ports", 0, "name"), "argocd-controller"),
        ((*POD, "containers", 0, "env", 0, "value"), "kubectl-set"),  # owned as a whole
        ((*POD, "tolerations", 0, "key"), "argocd-controller"),
        (("metadata", "finalizers", 1), "finalizing"),
        (("status", "replicas"), "kube-controller-manager"),
        ((), "kubectl-scale"),  # the object: the last who was no engine, and not by its status
        (("metadata", "finalizers", 0), None),
        ((*POD, "containers", 1, "command"), None),
        ((*POD, "containers", 7, "image"), None),
        (("data", "color"), None),
    ],
)
def test_blame(path: Any, manager: str | None) -> None:
    found = blame(LIVE, path)
    assert (found.manager if found else None) == manager


def test_blame_says_how_and_when() -> None:
    expected = Blame("kubectl-scale", "Update", parse_time("2026-01-01T00:20:00Z"))
    assert blame(LIVE, ("spec", "replicas")) == expected


def test_an_engine_is_named_where_it_alone_owns_the_value_and_engines_can_be_chosen() -> None:
    own = {
        "metadata": {"managedFields": [entry("a", {"f:x": {}}, minute=1), entry("b", {"f:x": {}}, minute=2)]},
        "x": 1,
    }
    assert blame(own, ("x",)) == blame(own, ("x",), engines=["c"])
    found = blame(own, ("x",), engines=["b"])
    assert found is not None
    assert found.manager == "a"


def test_compare_names_who_set_each_live_value_and_nobody_for_what_is_not_there() -> None:
    desired = {"metadata": LIVE["metadata"], "spec": {"replicas": 5, "paused": True, "template": {}}}
    names = {change.dotted: change.blame and change.blame.manager for change in compare(desired, LIVE)}
    assert names == {"spec.paused": None, "spec.replicas": "kubectl-scale", "spec.template.spec": "kubectl-set"}
    bare = {**LIVE, "metadata": {}}
    managed: Any = LIVE["metadata"]["managedFields"]
    changes = compare({**bare, "spec": {}}, bare, managed_fields=managed)
    assert {change.blame.manager for change in changes if change.blame} == {"kubectl-scale", "kubectl-set"}
