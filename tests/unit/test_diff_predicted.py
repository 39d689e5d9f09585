"""What an apply would leave, where no server is asked. That it agrees with a real server's dry run is tested in
tests/e2e/test_diff_dry_run.py; here are the rules, one by one."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetui.diff import compare, is_modified, merge, normalize
from fleetui.diff.predicted import merged_order
from fleetui.model.errors import FleetError

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Changed = list[tuple[str, Any, Any]]


def owner(manager: str, fields: Any, operation: str = "Update") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def applied(obj: dict[str, Any], *others: dict[str, Any], fields: Any) -> dict[str, Any]:
    """The object as it is after a server-side apply of `fields` and the writes of others."""
    managed = [owner("argocd-controller", fields, "Apply"), *others]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}


def annotated(obj: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """The object as client-side apply leaves it."""
    annotations = {**obj["metadata"].get("annotations", {}), LAST_APPLIED: json.dumps(last)}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def settings(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": list(containers), **spec}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}}


def changed(desired: dict[str, Any], live: dict[str, Any]) -> Changed:
    """What the apply would change: path, before, after."""
    found = compare(normalize(merge(desired, live)), normalize(live))
    return [(change.dotted.removeprefix("spec.template.spec."), change.before, change.after) for change in found]


def test_what_is_not_there_yet_is_the_manifest_and_what_is_as_it_should_be_stays() -> None:
    desired = settings(color="blue")
    assert merge(desired, None) == desired
    live = {**settings(color="blue"), "status": {}, "metadata": {"name": "settings", "uid": "1", "namespace": "shop"}}
    assert merge(desired, live) == live
    assert is_modified(desired, None)
    assert not is_modified(None, live)
    assert not is_modified(merge(desired, live), live)


COLORS: dict[str, Any] = {"f:data": {"f:color": {}, "f:timeout": {}}}


def test_a_field_that_left_git_goes_if_the_last_apply_had_set_it() -> None:
    live = settings(color="red", timeout="30s", added="by hand")
    expected = [("data.color", "red", "blue"), ("data.timeout", "30s", None)]
    by_hand = owner("kubectl-edit", {"f:data": {"f:added": {}}})
    assert changed(settings(color="blue"), applied(live, by_hand, fields=COLORS)) == expected
    assert changed(settings(color="blue"), annotated(live, settings(color="blue", timeout="30s"))) == expected


def test_a_field_that_left_git_stays_if_another_manager_owns_it_too() -> None:
    shared = owner("hpa", {"f:data": {"f:timeout": {}}})
    assert changed(settings(color="blue"), applied(settings(color="blue", timeout="30s"), shared, fields=COLORS)) == []


def test_a_field_that_goes_takes_its_defaults_along_and_leaves_what_others_own_in_it() -> None:
    probe = {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "periodSeconds": 10}
    fields: dict[str, Any] = {"f:livenessProbe": {"f:httpGet": {"f:path": {}, "f:port": {}}}}
    tree = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"api"}': fields}}}}}
    live = deployment({"name": "api", "livenessProbe": probe})
    gone = [("containers[0].livenessProbe", probe, None)]
    assert changed(deployment({"name": "api"}), applied(live, fields=tree)) == gone
    period = copy.deepcopy(tree)
    period["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"api"}'] = {
        "f:livenessProbe": {"f:periodSeconds": {}}
    }
    left = [("containers[0].livenessProbe.httpGet", probe["httpGet"], None)]
    assert changed(deployment({"name": "api"}), applied(live, owner("tuner", period), fields=tree)) == left


def test_a_container_that_left_git_goes_and_one_that_was_injected_stays() -> None:
    names: dict[str, Any] = {'k:{"name":"api"}': {".": {}, "f:name": {}}, 'k:{"name":"old"}': {".": {}, "f:name": {}}}
    tree = {"f:spec": {"f:template": {"f:spec": {"f:containers": names}}}}
    old = {"name": "old", "imagePullPolicy": "Always"}
    live = deployment({"name": "injected"}, {"name": "api"}, old)
    desired = deployment({"name": "api"})
    assert changed(desired, applied(live, fields=tree)) == [("containers[2]", old, None)]
    assert changed(desired, annotated(live, deployment({"name": "api"}, {"name": "old"}))) == [
        ("containers[2]", old, None)
    ]


def test_kubectl_takes_away_no_annotation_of_others_and_no_namespace() -> None:
    last = settings()
    last["metadata"] = {"name": "settings", "namespace": "shop", "annotations": {"mine": "1"}}
    live = annotated(settings(), last)
    live["metadata"] |= {"namespace": "shop"}
    live["metadata"]["annotations"] |= {"mine": "1", "other": "2"}
    assert changed(settings(), live) == [("metadata.annotations.mine", "1", None)]


def policy(port: dict[str, Any]) -> dict[str, Any]:
    spec = {"ingress": [{"ports": [port]}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}


def limits(item: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": [item]}}


def definition(**spec: Any) -> dict[str, Any]:
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "d"}}
    return {**head, "spec": spec}


def claims(template: dict[str, Any]) -> dict[str, Any]:
    spec = {"volumeClaimTemplates": [template]}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": spec}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        # Defaults of the server, also in lists that an apply replaces as a whole.
        (
            deployment({"name": "a", "ports": [{"containerPort": 1}]}),
            deployment({"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}], "tty": True}),
        ),
        (policy({"port": 1}), policy({"port": 1, "protocol": "TCP"})),
        # Defaults of a definition nobody here knows.
        (
            {"apiVersion": "x.io/v1", "kind": "Db", "spec": {"nodes": [{"size": 1}, {"size": 2}]}},
            {
                "apiVersion": "x.io/v1",
                "kind": "Db",
                "spec": {"nodes": [{"size": 1, "zone": "a"}, {"size": 2, "zone": "a"}], "paused": False},
            },
        ),
        # What a server does not keep of a manifest, and how it spells what it keeps.
        (
            deployment({"name": "a", "env": [], "tty": False}, hostNetwork=False, nodeSelector={}),
            deployment({"name": "a"}),
        ),
        (
            deployment({"name": "a", "env": [{"name": "E", "value": ""}]}),
            deployment({"name": "a", "env": [{"name": "E"}]}),
        ),
        (
            deployment({"name": "a", "resources": {"limits": {"cpu": "1000m"}}}),
            deployment({"name": "a", "resources": {"limits": {"cpu": "1"}}}),
        ),
        (settings() | {"metadata": {"name": "settings", "creationTimestamp": None, "labels": {}}}, settings()),
        (
            {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "1"}},
            {"apiVersion": "v1", "kind": "Secret", "data": {"a": "MQ=="}, "type": "Opaque"},
        ),
        # An empty text leaves the choice to the server.
        (
            deployment({"name": "a", "imagePullPolicy": ""}, schedulerName="", serviceAccountName=""),
            deployment(
                {"name": "a", "imagePullPolicy": "Always"},
                schedulerName="default-scheduler",
                serviceAccountName="default",
            ),
        ),
        (
            definition(preserveUnknownFields=False, versions=[{"name": "v1", "deprecated": False, "schema": {}}]),
            definition(versions=[{"name": "v1", "schema": {}}], conversion={"strategy": "None"}),
        ),
        # A limit that is none of Git's follows from others.
        (
            limits({"type": "Container", "max": {"memory": "2Gi"}, "min": {"pods": 1}, "default": {"cpu": "1000m"}}),
            limits(
                {
                    "type": "Container",
                    "max": {"memory": "2Gi"},
                    "min": {"pods": "1"},
                    "default": {"cpu": "1", "memory": "2Gi"},
                    "defaultRequest": {"cpu": "1", "memory": "2Gi", "pods": "1"},
                }
            ),
        ),
        (limits({"type": "Pod", "max": {"cpu": "1"}}), limits({"type": "Pod", "max": {"cpu": "1"}})),
        # Older servers write an empty time and a status into a StatefulSet's claim templates.
        (
            claims({"metadata": {"name": "d"}, "spec": {}}),
            claims({"metadata": {"name": "d", "creationTimestamp": None}, "spec": {}, "status": {"phase": "Pending"}}),
        ),
        # Explicit null is not there.
        (settings() | {"data": {"a": "1", "b": None}}, settings(a="1")),
    ],
)
def test_what_only_the_server_adds_or_spells_otherwise_is_no_difference(desired: Any, live: Any) -> None:
    assert not is_modified(merge(desired, live), live)


def test_an_object_without_the_usual_defaults_is_no_other_than_itself() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81}]
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"ports": ports}}
    assert merge(obj, copy.deepcopy(obj)) == obj
    named = {**obj, "spec": {"ports": [{"containerPort": 80}, {"containerPort": 81, "name": "web"}]}}
    assert merge(named, obj)["spec"]["ports"][0] == {"containerPort": 80}


def test_a_claim_template_may_get_its_status_and_a_time_that_is_none() -> None:
    template = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    there = {"metadata": {"name": "data", "creationTimestamp": None}, "status": {"phase": "Pending"}}
    obj = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}}
    live = {**obj, "spec": {"volumeClaimTemplates": [{**template, **there}]}}
    assert merge({**obj, "spec": {"volumeClaimTemplates": [template]}}, live) == live


def test_what_an_apply_replaces_as_a_whole_loses_what_others_put_in() -> None:
    live = deployment(
        {"name": "a"}, nodeSelector={"disk": "ssd", "zone": "a"}, tolerations=[{"key": "x"}, {"key": "y"}]
    )
    desired = deployment({"name": "a"}, nodeSelector={"disk": "ssd"}, tolerations=[{"key": "y"}])
    assert changed(desired, applied(live, fields={"f:spec": {}})) == [
        ("nodeSelector.zone", "a", None),
        ("tolerations[0]", {"key": "x"}, None),
    ]


def test_what_left_git_and_the_server_fills_in_again_is_no_difference() -> None:
    last = deployment({"name": "a"}, restartPolicy="Always", schedulerName="mine")
    last["spec"] |= {"replicas": 1, "revisionHistoryLimit": 3}
    live = annotated(copy.deepcopy(last), last)
    assert changed(deployment({"name": "a"}), live) == [
        ("spec.revisionHistoryLimit", 3, None),
        ("schedulerName", "mine", None),
    ]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque"}
    assert changed({**secret, "type": ""}, annotated(secret, secret)) == []
    plain = {key: value for key, value in secret.items() if key != "type"}
    assert changed(plain, annotated(secret, secret)) == []
    # A custom kind's defaults are its own.
    custom = {"apiVersion": "x.io/v1", "kind": "Db", "metadata": {"name": "d"}, "spec": {"replicas": 1}}
    assert changed({**custom, "spec": {}}, annotated(custom, custom)) == [("spec", {"replicas": 1}, None)]


def test_no_rules_takes_away_all_that_there_are() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    assert changed({**role, "rules": []}, {**role, "rules": [rule]}) == [("rules", [rule], None)]
    assert changed({**role, "rules": []}, {**role, "rules": None}) == []
    assert changed(role, {**role, "rules": [rule]}) == []


def test_kubectl_replaces_the_selector_of_a_disruption_budget() -> None:
    def budget(**labels: str) -> dict[str, Any]:
        spec = {"selector": {"matchLabels": labels}, "minAvailable": 1}
        return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}

    live = annotated(budget(app="a", extra="x"), budget(app="a"))
    assert changed(budget(app="a"), live) == [("spec.selector.matchLabels.extra", "x", None)]


def test_false_is_kept_where_the_field_may_be_unset() -> None:
    desired = deployment({"name": "a", "securityContext": {"allowPrivilegeEscalation": False}})
    live = deployment({"name": "a", "securityContext": {}})
    assert changed(desired, live) == [("containers[0].securityContext.allowPrivilegeEscalation", None, False)]


def test_finalizers_are_merged() -> None:
    live = {"apiVersion": "x.io/v1", "kind": "Db", "metadata": {"finalizers": ["a", "b", "held"]}}
    desired = {"apiVersion": "x.io/v1", "kind": "Db", "metadata": {"finalizers": ["a", "new"]}}
    fields: dict[str, Any] = {"f:metadata": {"f:finalizers": {".": {}, 'v:"a"': {}, 'v:"b"': {}}}}
    assert merge(desired, applied(live, fields=fields))["metadata"]["finalizers"] == ["a", "held", "new"]


def test_another_manager_may_be_the_one_that_applies() -> None:
    live = settings(color="red", timeout="1s")
    live["metadata"] = {"name": "settings", "managedFields": [owner("kustomize-controller", COLORS, "Apply")]}
    assert merge(settings(color="red"), live)["data"] == {"color": "red", "timeout": "1s"}
    assert merge(settings(color="red"), live, manager="kustomize-controller")["data"] == {"color": "red"}


def test_an_annotation_that_cannot_be_read_takes_nothing_away() -> None:
    live = settings(a="1")
    live["metadata"] = {"name": "settings", "annotations": {LAST_APPLIED: "{broken"}}
    assert merge(settings(), live)["data"] == {"a": "1"}


def test_what_is_nested_too_deeply_is_told_in_one_sentence() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(FleetError, match="ConfigMap settings is nested too deeply"):
        merge({**settings(), "x": deep}, {**settings(), "x": {"a": 1}})


keys = st.lists(st.sampled_from("abcdef"), unique=True)


@given(keys, keys)
def test_the_order_of_a_merged_list_is_that_of_git_with_all_others_kept(live: list[str], desired: list[str]) -> None:
    order = merged_order(live, desired)
    assert sorted(map(str, order)) == sorted({*live, *desired})
    assert [key for key in order if key in desired] == desired
    extra = [key for key in live if key not in desired]
    assert [key for key in order if key in extra] == extra
