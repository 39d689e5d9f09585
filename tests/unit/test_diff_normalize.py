"""What is left out of a comparison, and what is spelled in one way (argo-cd v3.6.1, gitops-engine/pkg/diff)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fleetui.diff import CompareOptions, normalize
from fleetui.diff.quantity import canonical


def made(kind: str, api_version: str = "v1", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, **parts}


def test_what_the_server_writes_is_left_out_and_the_object_itself_stays_as_it_is() -> None:
    obj = made(
        "ConfigMap",
        metadata={
            "name": "a",
            "namespace": "b",
            "labels": {},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "managedFields": [],
            "resourceVersion": "1",
            "uid": "u",
            "creationTimestamp": None,
            "generation": 1,
            "selfLink": "/x",
            "finalizers": ["f"],
        },
        data={"k": "v"},
        status={"phase": "x"},
    )
    before = copy.deepcopy(obj)
    kept = {"name": "a", "namespace": "b", "finalizers": ["f"]}
    assert normalize(obj) == made("ConfigMap", metadata=kept, data={"k": "v"})
    assert obj == before
    assert normalize(normalize(obj)) == normalize(obj)


UDP, TCP = {"port": 1, "protocol": "UDP"}, {"port": 2, "protocol": "TCP"}
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            made("Secret", data={"a": "MQ==", "b": None}, stringData={"a": "2", "c": "", "d": 3}),
            made("Secret", data={"a": "Mg==", "b": "", "c": "", "d": 3}),
        ),
        (made("Secret", stringData={"a": "ü"}), made("Secret", data={"a": "w7w="})),
        (made("Secret", data={"a": "TG9u\nZw==\n"}), made("Secret", data={"a": "TG9uZw=="})),
        (made("Secret", data="odd", stringData={"a": "1"}), made("Secret", data="odd", stringData={"a": "1"})),
        (made("Secret", "x.io/v1", stringData={"a": "1"}), made("Secret", "x.io/v1", stringData={"a": "1"})),
        (made("Role", RBAC, rules=[]), made("Role", RBAC)),
        (made("ClusterRole", RBAC, rules=None), made("ClusterRole", RBAC)),
        (
            made("Endpoints", subsets=[{"ports": [{"port": 2}, UDP], "addresses": [{"ip": "2"}, {"ip": "1"}]}]),
            made("Endpoints", subsets=[{"ports": [UDP, TCP], "addresses": [{"ip": "1"}, {"ip": "2"}]}]),
        ),
        (made("List", metadata="odd"), made("List", metadata="odd")),
    ],
)
def test_one_spelling(obj: Any, expected: Any) -> None:
    assert normalize(obj) == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1", "1"), ("1000", "1k"), ("1500m", "1500m"), ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"), ("512Ki", "512Ki"), ("0", "0"), ("0Gi", "0"), ("100Mi", "100Mi"), ("1e3", "1e3"),
        ("12E", "12E"), ("0.1n", "1n"), ("-5", "-5"), ("+5", "5"), (".5", "500m"), ("5.", "5"), ("1e99999999", "1e30"),
        ("1Kii", None), ("", None), ("abc", None), ("1 Gi", None), ("25%", None), ("9" * 100, None),
    ],
)  # fmt: skip
def test_quantities(text: str, form: str | None) -> None:
    assert canonical(text) == form


def pod(limits: Any, size: Any) -> dict[str, Any]:
    return {
        "containers": [{"name": "a", "resources": {"limits": limits}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": size}}],
    }


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_quantities_of_pods_are_one_wherever_a_pod_is_described(kind: str) -> None:
    def template(spec: Any) -> dict[str, Any]:
        return made(kind, "apps/v1", spec={"template": {"spec": spec}})

    left = normalize(template(pod({"cpu": 1, "memory": "1024Mi"}, "1024Ki")))
    assert left == template(pod({"cpu": "1", "memory": "1Gi"}, "1Mi"))


def test_quantities_are_looked_for_only_where_they_are_known_to_be() -> None:
    custom = made("Database", "x.io/v1", spec={"containers": [{"resources": {"limits": {"cpu": "1000m"}}}]})
    assert normalize(custom) == custom
    claim = made("PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1024Mi"}}})
    assert normalize(claim)["spec"]["resources"]["requests"]["storage"] == "1Gi"
    odd = made("Deployment", "apps/v1", spec={"template": {"spec": {"containers": "none", "volumes": [1, None]}}})
    assert normalize(odd) == odd


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (CompareOptions(), set()),
        (CompareOptions(ignore_status="crd"), {"Widget"}),
        (CompareOptions(ignore_status="none"), {"Widget", "CustomResourceDefinition"}),
    ],
)
def test_whose_status_counts(options: CompareOptions, kept: set[str]) -> None:
    crd = made("CustomResourceDefinition", api_version="apiextensions.k8s.io/v1", status={"x": 1})
    widget = made("Widget", api_version="x.io/v1", status={"x": 1})
    assert {obj["kind"] for obj in (crd, widget) if "status" in normalize(obj, options)} == kept
    bare = made("Widget", api_version="x.io/v1")
    assert "status" not in normalize(widget, options.about(bare)), "an apply of a manifest without one changes none"


@pytest.mark.parametrize(("kind", "counts"), [("ClusterRole", False), ("Role", False), ("Widget", True)])
def test_rules_that_are_aggregated_may_be_ignored(kind: str, counts: bool) -> None:
    options = CompareOptions(ignore_aggregated_roles=True)
    role = made(kind, api_version="rbac.authorization.k8s.io/v1", rules=[{"verbs": ["get"]}], aggregationRule={})
    assert ("rules" in normalize(role, options)) is counts
    assert "rules" in normalize(role)
    assert "rules" in normalize({**role, "aggregationRule": "odd"}, options)
