"""Proof without a request that an apply would change nothing.

The managedFields are those that kube-apiserver 1.37 wrote for these very manifests, applied as `argocd-controller`.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from fleetui.engine.applied import applied_exactly
from fleetui.engine.handover import DEFAULT
from fleetui.model.objects import Obj

PORTS: list[Obj] = [{"containerPort": 80}, {"containerPort": 443, "name": "tls"}]
CONTAINER: Obj = {
    "name": "c",
    "image": "x:1",
    "args": ["a", "b"],
    "ports": PORTS,
    "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}],
    "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
}
DEPLOYMENT: Obj = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n", "labels": {"app": "d"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {
                "containers": [CONTAINER],
                "volumes": [{"name": "v", "emptyDir": {}}],
                "tolerations": [{"key": "k", "operator": "Exists"}],
            },
        },
    },
}
DEPLOYMENT_FIELDS = """
{"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:metadata":
{"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {"k:{\\"name\\":\\"c\\"}": {".": {}, "f:args": {}, "f:env":
{"k:{\\"name\\":\\"E\\"}": {".": {}, "f:name": {}, "f:value": {}}, "k:{\\"name\\":\\"F\\"}": {".": {}, "f:name": {},
"f:value": {}}}, "f:image": {}, "f:name": {}, "f:ports": {"k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}":
{".": {}, "f:containerPort": {}}, "k:{\\"containerPort\\":443,\\"protocol\\":\\"TCP\\"}": {".": {},
"f:containerPort": {}, "f:name": {}}}, "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}}}},
"f:tolerations": {}, "f:volumes": {"k:{\\"name\\":\\"v\\"}": {".": {}, "f:emptyDir": {}, "f:name": {}}}}}}}
"""
CONFIG: Obj = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "n", "finalizers": ["a.b/c"]},
    "data": {"a": "1", "e": ""},
}
CONFIG_FIELDS = '{"f:data": {"f:a": {}, "f:e": {}}, "f:metadata": {"f:finalizers": {"v:\\"a.b/c\\"": {}}}}'


def entry(fields: str, api_version: str, **rest: str) -> Obj:
    owner = {"manager": "argocd-controller", "operation": "Apply"} | rest
    return owner | {"apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": json.loads(fields)}


def served(target: Obj, *entries: Obj) -> Obj:
    """The live object of a target, with what the server adds."""
    found = copy.deepcopy(target)
    found["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 1, "managedFields": list(entries)}
    if target["kind"] == "Deployment":
        pod = found["spec"]["template"]["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {}}
        pod["containers"][0] |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
        for port in pod["containers"][0]["ports"]:
            port["protocol"] = "TCP"
        found["spec"] |= {"strategy": {"type": "RollingUpdate"}, "progressDeadlineSeconds": 600}
        found["status"] = {"replicas": 1}
    return found


@pytest.fixture
def target() -> Obj:
    return copy.deepcopy(DEPLOYMENT)


@pytest.fixture
def live() -> Obj:
    return served(DEPLOYMENT, entry(DEPLOYMENT_FIELDS, "apps/v1"))


def pod(found: Obj) -> Any:
    return found["spec"]["template"]["spec"]


def test_what_was_applied_is_there(target: Obj, live: Obj) -> None:
    assert applied_exactly(target, live)
    assert applied_exactly(CONFIG, served(CONFIG, entry(CONFIG_FIELDS, "v1")))


def change(*way: Any, to: Any) -> Any:
    def edit(found: Obj) -> None:
        place: Any = found
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = to

    return edit


def drop(*way: Any) -> Any:
    def edit(found: Obj) -> None:
        place: Any = found
        for step in way[:-1]:
            place = place[step]
        del place[way[-1]]

    return edit


POD = ("spec", "template", "spec")
C = (*POD, "containers", 0)
EDITS = {
    "a value": change("spec", "replicas", to=2),
    "a value in a list": change(*C, "image", to="x:2"),
    "an atomic list": change(*C, "args", to=["b", "a"]),
    "an atomic map": change("spec", "selector", "matchLabels", "more", to="x"),
    "a new field": change("spec", "paused", to=True),
    "a new label": change("metadata", "labels", "b", to="c"),
    "an annotation": change("metadata", "annotations", to={"a": "b"}),
    "a new item": change(*C, "env", to=[*CONTAINER["env"], {"name": "G", "value": "3"}]),
    "an item less": drop(*C, "env", 1),
    "a field less": drop("spec", "replicas"),
    "a field of an item less": drop(*C, "ports", 1, "name"),
    "a map less": drop(*C, "resources"),
    "another name of an item": change(*C, "name", to="d"),
    "another order": change(*C, "ports", to=list(reversed(PORTS))),
    "a key spelled out": change(*C, "ports", 0, "protocol", to="UDP"),
    "another version": change("apiVersion", to="apps/v1beta1"),
    "another type": change(*C, "env", to="x"),
}


@pytest.mark.parametrize("title", EDITS)
def test_every_change_in_git_is_noticed(title: str, target: Obj, live: Obj) -> None:
    EDITS[title](target)
    assert not applied_exactly(target, live)


@pytest.mark.parametrize(
    "edit",
    [
        change("spec", "replicas", to=9),
        change(*C, "image", to="evil"),
        change(*C, "args", to=["a"]),
        drop(*C, "env", 0),
        drop("metadata", "labels"),
        change(*C, "ports", to=[{**port, "protocol": "TCP"} for port in reversed(PORTS)]),
        change(*POD, "tolerations", to=[]),
    ],
)
def test_every_drift_of_what_git_says_is_noticed(edit: Any, target: Obj, live: Obj) -> None:
    edit(live)
    assert not applied_exactly(target, live)


@pytest.mark.parametrize(
    "edit",
    [
        change("metadata", "labels", "theirs", to="x"),
        change("metadata", "annotations", to={"deployment.kubernetes.io/revision": "1"}),
        change(*POD, "containers", to=None),
        change("spec", "strategy", to={"type": "Recreate"}),
        change("status", to={}),
    ],
)
def test_what_others_add_is_theirs(edit: Any, target: Obj, live: Obj) -> None:
    kept = pod(live)["containers"]
    edit(live)
    # Another container in front of ours is no change of ours.
    pod(live)["containers"] = [{"name": "sidecar", "image": "y"}, *kept]
    assert applied_exactly(target, live)


def test_what_generators_leave_behind_is_no_difference(target: Obj, live: Obj) -> None:
    target["metadata"]["creationTimestamp"] = None
    target["status"] = {}
    assert applied_exactly(target, live)
    target["status"] = {"replicas": 2}
    assert not applied_exactly(target, live)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry(DEPLOYMENT_FIELDS, "apps/v1", operation="Update")],
        [entry(DEPLOYMENT_FIELDS, "apps/v1", manager="kubectl")],
        [entry(DEPLOYMENT_FIELDS, "apps/v1beta2")],
        [entry(DEPLOYMENT_FIELDS, "apps/v1"), entry("{}", "apps/v1", operation="Update")],
        [entry(DEPLOYMENT_FIELDS, "apps/v1", subresource="scale")],
    ],
    ids=["nobody", "client-side", "somebody else", "in another version", "in both ways", "of a subresource"],
)
def test_only_our_own_apply_proves_anything(entries: list[Obj], target: Obj) -> None:
    assert not applied_exactly(target, served(DEPLOYMENT, *entries))


def test_a_subresource_of_ours_does_not_spoil_the_proof(target: Obj, live: Obj) -> None:
    live["metadata"]["managedFields"].append(entry("{}", "apps/v1", operation="Update", subresource="status"))
    assert applied_exactly(target, live)


def test_a_set_that_somebody_else_added_to_is_left_to_the_server() -> None:
    found = served(CONFIG, entry(CONFIG_FIELDS, "v1"))
    found["metadata"]["finalizers"].append("x.y/z")
    assert not applied_exactly(CONFIG, found)


def test_items_that_only_a_default_tells_apart_are_left_to_the_server() -> None:
    fields = """{"f:spec": {"f:ports": {"k:{\\"port\\":53,\\"protocol\\":\\"TCP\\"}": {".": {}, "f:port": {}},
        "k:{\\"port\\":53,\\"protocol\\":\\"UDP\\"}": {".": {}, "f:port": {}}}}}"""
    service: Obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    both = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    found = served(service | {"spec": {"ports": both}}, entry(fields, "v1"))
    assert not applied_exactly(service | {"spec": {"ports": [{"port": 53}, {"port": 54}]}}, found)


@pytest.mark.parametrize("items", [{"k:no json": {}}, {"k:3": {}}, 3])
def test_odd_managed_fields_prove_nothing(items: Any) -> None:
    odd: Obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"x": [{"a": 1}]}}
    found = served(odd, entry("{}", "v1") | {"fieldsV1": {"f:spec": {"f:x": items}}})
    found["spec"] = {"x": [{"a": 2}]}
    assert not applied_exactly(odd, found)


@pytest.mark.parametrize("entries", [None, 3, "x", [None, 3]])
def test_odd_metadata_proves_nothing(entries: Any, target: Obj, live: Obj) -> None:
    live["metadata"]["managedFields"] = entries
    assert not applied_exactly(target, live)
    assert not DEFAULT.managers(target, live)
