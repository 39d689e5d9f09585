"""Server-side apply: who owns which field, what is pruned, what is a conflict."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.contract.client import Client, Json
from tests.contract.objects import ANYTHING, configmap, deployment, managers
from tests.waiting import wait_until

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_the_creator_owns_what_it_sent_and_what_was_filled_in(api: Client, deployments: str) -> None:
    made = api.post(f"{deployments}?fieldManager=maker", deployment("a")).must(201)
    (entry,) = made["metadata"]["managedFields"]
    assert {key: entry[key] for key in ("manager", "operation", "apiVersion", "fieldsType")} == {
        "manager": "maker",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
    }
    spec = entry["fieldsV1"]["f:spec"]
    assert "." not in spec, "a struct of a built-in kind is always there"
    assert spec["f:strategy"]["f:rollingUpdate"] == {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}
    assert spec["f:selector"] == {}, "selectors are atomic"
    ports = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']["f:ports"]
    key = 'k:{"containerPort":80,"protocol":"TCP"}'
    assert ports == {".": {}, key: {".": {}, "f:containerPort": {}, "f:protocol": {}}}


def test_without_a_name_the_manager_is_the_user_agent(api: Client, configmaps: str) -> None:
    made = api.post(configmaps, configmap("a")).must(201)
    assert set(managers(made)) == {("contract", "Update", "")}


def test_an_applier_owns_what_it_names_alone(api: Client, deployments: str) -> None:
    body = deployment("a")
    made = api.apply(f"{deployments}/a", body, "git").must(201)
    spec = managers(made)[("git", "Apply", "")]["f:spec"]
    assert set(spec) == {"f:replicas", "f:selector", "f:template"}
    container = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert set(container) == {".", "f:name", "f:image", "f:ports"}


def test_applying_the_same_again_writes_nothing(api: Client, configmaps: str) -> None:
    first = api.apply(f"{configmaps}/a", configmap("a"), "git").must(201)
    made = int(time.time())
    wait_until(lambda: int(time.time()) > made, 5, "another second: times in managedFields have no fractions")
    assert api.apply(f"{configmaps}/a", configmap("a"), "git").must() == first


def test_what_is_no_longer_applied_is_removed(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    api.apply(path, configmap("a", {"one": "1", "two": "2"}, labels={"x": "y"}), "git").must(201)
    made = api.apply(path, configmap("a", {"one": "1"}), "git").must()
    assert made["data"] == {"one": "1"}
    assert "labels" not in made["metadata"]


def test_what_another_manager_owns_too_stays(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    api.apply(path, configmap("a", {"one": "1", "two": "2"}), "git").must(201)
    api.apply(path, configmap("a", {"two": "2"}), "other").must()
    api.patch(f"{path}?fieldManager=hand", {"data": {"three": "3"}}).must()
    made = api.apply(path, configmap("a", {"one": "1"}), "git").must()
    assert made["data"] == {"one": "1", "two": "2", "three": "3"}


def test_a_removed_field_falls_back_to_its_default(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    api.apply(path, deployment("a", revisionHistoryLimit=3), "git").must(201)
    assert api.apply(path, deployment("a"), "git").must()["spec"]["revisionHistoryLimit"] == 10


def test_items_of_lists_come_and_go_by_key(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    body = deployment("a")
    api.apply(path, body, "git").must(201)
    side: Json = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}
    side["spec"] = {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}
    made = api.apply(path, side, "injector").must()
    assert [entry["name"] for entry in made["spec"]["template"]["spec"]["containers"]] == ["web", "side"]
    side["spec"]["template"]["spec"]["containers"] = []
    made = api.apply(path, side, "injector").must()
    assert [entry["name"] for entry in made["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_another_value_is_a_conflict(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    api.post(f"{deployments}?fieldManager=hand", deployment("a")).must(201)
    answer = api.apply(path, deployment("a", replicas=0, paused=True, revisionHistoryLimit=4), "git")
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    text = 'Apply failed with 1 conflict: conflict with "hand" using apps/v1: .spec.revisionHistoryLimit'
    assert answer.message == text
    assert answer.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "hand" using apps/v1',
            "field": ".spec.revisionHistoryLimit",
        }
    ]


def test_several_conflicts_are_told_by_manager(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    api.apply(path, deployment("a", revisionHistoryLimit=3), "git").must(201)
    api.patch(f"{path}?fieldManager=hand", {"spec": {"progressDeadlineSeconds": 60}}).must()
    answer = api.apply(path, deployment("a", revisionHistoryLimit=4, progressDeadlineSeconds=70), "other")
    assert answer.status == 409
    assert answer.message == (
        'Apply failed with 2 conflicts: conflicts with "git":\n- .spec.revisionHistoryLimit\n'
        'conflicts with "hand" using apps/v1:\n- .spec.progressDeadlineSeconds'
    )


def test_force_takes_the_field_over(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    api.apply(path, deployment("a", revisionHistoryLimit=3), "git").must(201)
    made = api.apply(path, deployment("a", revisionHistoryLimit=4), "other", force="true").must()
    assert made["spec"]["revisionHistoryLimit"] == 4
    found = managers(made)
    assert "f:revisionHistoryLimit" not in found[("git", "Apply", "")]["f:spec"]
    assert "f:revisionHistoryLimit" in found[("other", "Apply", "")]["f:spec"]


def test_the_same_value_is_shared(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    api.apply(path, configmap("a"), "git").must(201)
    found = managers(api.apply(path, configmap("a"), "other").must())
    assert found[("git", "Apply", "")] == found[("other", "Apply", "")] == {"f:data": {"f:a": {}}}


def test_a_write_takes_fields_from_their_owners(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    api.apply(path, configmap("a", {"one": "1", "two": "2"}), "git").must(201)
    found = managers(api.patch(f"{path}?fieldManager=hand", {"data": {"one": "9", "two": None}}).must())
    assert found == {("hand", "Update", ""): {"f:data": {"f:one": {}}}}


def test_status_is_owned_apart(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    api.post(f"{deployments}?fieldManager=hand", deployment("a")).must(201)
    body = {"status": {"unavailableReplicas": 3}, "spec": {"replicas": 9}}
    made = api.patch(f"{path}/status?fieldManager=controller", body).must()
    assert managers(made)[("controller", "Update", "status")] == {"f:status": {"f:unavailableReplicas": {}}}


def test_dry_run_of_an_apply(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    assert api.apply(path, configmap("a"), "git", dryRun="All").must(201)["data"] == {"a": "1"}
    assert api.get(path).status == 404
    first = api.apply(path, configmap("a"), "git").must(201)
    trial = api.apply(path, configmap("a", {"b": "2"}), "git", dryRun="All").must()
    assert trial["data"] == {"b": "2"}
    assert trial["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert api.get(path).must() == first


def test_what_cannot_be_applied(api: Client, deployments: str) -> None:
    path, body = f"{deployments}/a", deployment("a")
    unnamed = api.patch(path, body, "apply")
    assert unnamed.status == 422
    assert "fieldManager: Required value: is required for apply patch" in unnamed.message
    owned = api.apply(path, body | {"metadata": {"name": "a", "managedFields": []}}, "git")
    assert (owned.status, owned.message) == (400, "metadata.managedFields must be nil")
    unknown = api.apply(path, deployment("a", bogus=1), "git")
    assert unknown.status == 500
    assert unknown.message == (
        "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema"
    )
    other = api.apply(path, body | {"kind": "DaemonSet"}, "git")
    assert (other.status, other.message) == (400, "invalid object type: apps/v1, Kind=DaemonSet")
    forced = api.patch(f"{path}?force=true", {}, "merge")
    assert "force: Forbidden: may not be specified for non-apply patch" in forced.message


def test_kubectl_moves_from_client_side_to_server_side_apply(api: Client, configmaps: str) -> None:
    """The fields of the last client-side apply are no conflicts for kubectl, and the annotation follows."""
    path = f"{configmaps}/a"
    last = '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"a"}}\n'
    sent = configmap("a", annotations={LAST_APPLIED: last})
    api.post(f"{configmaps}?fieldManager=kubectl-client-side-apply", sent).must(201)
    made = api.apply(path, configmap("a", {"a": "2"}), "kubectl").must()
    assert made["data"] == {"a": "2"}
    assert '"data":{"a":"2"}' in made["metadata"]["annotations"][LAST_APPLIED]
    assert api.apply(path, configmap("a", {"a": "3"}), "other").status == 409


def test_custom_objects_without_a_schema(api: Client, define: Callable[..., str], ns: str) -> None:
    """Maps are granular, lists atomic, and every key of the way is owned."""
    path = define("things", "Thing", ANYTHING, namespace=ns)
    body: Json = {"apiVersion": path.split("/")[2] + "/v1", "kind": "Thing", "metadata": {"name": "a"}}
    body["spec"] = {"map": {"x": {"y": 1}}, "list": [{"name": "a"}]}
    made = api.apply(f"{path}/a", body, "git").must(201)
    expected: Json = {".": {}, "f:list": {}, "f:map": {".": {}, "f:x": {".": {}, "f:y": {}}}}
    assert managers(made)[("git", "Apply", "")] == {"f:spec": expected}
    more = body | {"spec": {"map": {"z": 2}}}
    api.apply(f"{path}/a", more, "other").must()
    conflict = api.apply(f"{path}/a", body | {"spec": {"list": [{"name": "b"}]}}, "other")
    assert conflict.message.endswith('conflict with "git": .spec.list')
    left = api.apply(f"{path}/a", body | {"spec": {"list": [{"name": "a"}]}}, "git").must()
    assert left["spec"] == {"list": [{"name": "a"}], "map": {"z": 2}}


def test_custom_objects_with_a_schema(api: Client, define: Callable[..., str], ns: str) -> None:
    items = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}
    keyed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    words = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    spec = {"type": "object", "properties": {"keyed": keyed, "words": words}}
    path = define("things", "Thing", {"type": "object", "properties": {"spec": spec}}, namespace=ns)
    body: Json = {"apiVersion": path.split("/")[2] + "/v1", "kind": "Thing", "metadata": {"name": "a"}}
    api.apply(f"{path}/a", body | {"spec": {"keyed": [{"k": "1", "v": "x"}], "words": ["b", "a"]}}, "git").must(201)
    made = api.apply(f"{path}/a", body | {"spec": {"keyed": [{"k": "2"}], "words": ["c", "a"]}}, "other").must()
    assert made["spec"]["keyed"] == [{"k": "1", "v": "x"}, {"k": "2"}]
    assert sorted(made["spec"]["words"]) == ["a", "b", "c"]
    assert managers(made)[("other", "Apply", "")]["f:spec"] == {
        "f:keyed": {'k:{"k":"2"}': {".": {}, "f:k": {}}},
        "f:words": {'v:"a"': {}, 'v:"c"': {}},
    }
    conflict = api.apply(f"{path}/a", body | {"spec": {"keyed": [{"k": "1", "v": "y"}]}}, "other")
    assert conflict.message.endswith('conflict with "git": .spec.keyed[k="1"].v')
