"""Merge patch, JSON patch, strategic merge patch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import Client, Json
from tests.contract.objects import ANYTHING, configmap, deployment


def test_merge_patch_sets_replaces_and_removes(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a", {"kept": "1", "gone": "2", "changed": "3"}, labels={"x": "y"})).must(201)
    made = api.patch(f"{configmaps}/a", {"data": {"gone": None, "changed": "4"}, "metadata": {"labels": None}}).must()
    assert made["data"] == {"kept": "1", "changed": "4"}
    assert "labels" not in made["metadata"]


def test_json_patch_runs_in_order_or_not_at_all(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a", annotations={"x.io/b": "2"})).must(201)
    path = f"{configmaps}/a"
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "copy", "from": "/data/a", "path": "/data/copied"},
        {"op": "move", "from": "/metadata/annotations/x.io~1b", "path": "/data/moved"},
        {"op": "replace", "path": "/data/a", "value": "9"},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]
    made = api.patch(path, operations, "json").must()
    assert made["data"] == {"a": "9", "copied": "1", "moved": "2"}
    assert made["metadata"]["labels"] == {"x": "y"}
    failing = [{"op": "replace", "path": "/data/a", "value": "0"}, {"op": "test", "path": "/data/copied", "value": "9"}]
    refused = api.patch(path, failing, "json")
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.message == "the server rejected our request due to an error in our request"
    assert api.get(path).must() == made


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data/missing"},
        {"op": "replace", "path": "/metadata/finalizers/3", "value": "1"},
        {"op": "add", "path": "/no/such/parent", "value": "1"},
    ],
)
def test_json_patch_of_what_is_missing_is_refused(api: Client, configmaps: str, operation: Json) -> None:
    api.post(configmaps, configmap("a")).must(201)
    assert api.patch(f"{configmaps}/a", [operation], "json").status == 422


def test_json_patch_of_list_items(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a", finalizers=["x.io/a", "x.io/b"])).must(201)
    operations = [
        {"op": "remove", "path": "/metadata/finalizers/0"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "x.io/c"},
        {"op": "add", "path": "/metadata/finalizers/0", "value": "x.io/d"},
    ]
    made = api.patch(f"{configmaps}/a", operations, "json").must()
    assert made["metadata"]["finalizers"] == ["x.io/d", "x.io/b", "x.io/c"]
    api.patch(f"{configmaps}/a", {"metadata": {"finalizers": None}}).must()


def containers(api: Client, path: str, patch: Json) -> list[Json]:
    """The names, images and environments that come out of a strategic merge patch of the Pod's spec."""
    made = api.patch(path, {"spec": {"template": {"spec": patch}}}, "strategic").must()
    found: list[Json] = made["spec"]["template"]["spec"]["containers"]
    return [{key: entry[key] for key in ("name", "image", "env") if key in entry} for entry in found]


def test_strategic_merge_patch_merges_lists_by_key(api: Client, deployments: str) -> None:
    body = deployment("a")
    body["spec"]["template"]["spec"]["containers"] = [
        {"name": "one", "image": "one:1", "env": [{"name": "A", "value": "1"}]},
        {"name": "two", "image": "two:1"},
    ]
    api.post(deployments, body).must(201)
    path = f"{deployments}/a"
    changed = {"name": "one", "image": "one:2", "env": [{"name": "B", "value": "2"}]}
    assert containers(api, path, {"containers": [changed]}) == [
        {"name": "one", "image": "one:2", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]},
        {"name": "two", "image": "two:1"},
    ]
    order = {"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]}
    assert [entry["name"] for entry in containers(api, path, order)] == ["two", "one"]
    gone = {"containers": [{"name": "two", "$patch": "delete"}]}
    assert [entry["name"] for entry in containers(api, path, gone)] == ["one"]
    replaced = {"containers": [{"$patch": "replace"}, {"name": "three", "image": "three:1"}]}
    assert containers(api, path, replaced) == [{"name": "three", "image": "three:1"}]


def test_strategic_merge_patch_keeps_the_keys_it_names(api: Client, deployments: str) -> None:
    api.post(deployments, deployment("a")).must(201)
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert api.patch(f"{deployments}/a", patch, "strategic").must()["spec"]["strategy"] == {"type": "Recreate"}


def test_strategic_merge_patch_deletes_from_lists_of_words(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a", finalizers=["x.io/a", "x.io/b"])).must(201)
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a"], "finalizers": ["x.io/c"]}}
    made = api.patch(f"{configmaps}/a", patch, "strategic").must()
    assert sorted(made["metadata"]["finalizers"]) == ["x.io/b", "x.io/c"]
    api.patch(f"{configmaps}/a", {"metadata": {"finalizers": None}}).must()


def test_custom_objects_know_no_strategic_merge_patch(api: Client, define: Any, ns: str) -> None:
    path = define("things", "Thing", ANYTHING, namespace=ns)
    group = path.split("/")[2]
    body = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "a"}}
    api.apply(f"{path}/a", body, "maker").must(201)
    answer = api.patch(f"{path}/a", {"spec": {}}, "strategic")
    assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")
    assert answer.message.endswith(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def test_a_patch_that_spoils_the_object_is_refused(api: Client, deployments: str) -> None:
    api.post(deployments, deployment("a")).must(201)
    answer = api.patch(f"{deployments}/a", {"spec": {"replicas": "many"}})
    assert answer.status == 422
    assert answer.message.startswith(' "" is invalid: patch: Invalid value: ')
    expected = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    assert answer.message.endswith(expected)


def test_a_patch_may_name_the_version_it_was_made_for(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    late = api.patch(f"{configmaps}/a", {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}})
    assert (late.status, late.body["reason"]) == (409, "Conflict")


def test_a_patch_does_not_rename(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    answer = api.patch(f"{configmaps}/a", {"metadata": {"name": "b"}})
    assert answer.status == 400
    assert answer.message == "the name of the object (b) does not match the name on the URL (a)"
