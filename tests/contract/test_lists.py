"""Lists: pages, selectors, versions."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.contract.client import Client
from tests.contract.objects import configmap


def names(body: dict[str, object]) -> list[str]:
    """The names of a list's objects, without what a controller puts into every namespace."""
    items: list[dict[str, dict[str, str]]] = body["items"]  # type: ignore[assignment]
    return [item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"]


def test_a_list_is_in_order_of_names(api: Client, configmaps: str) -> None:
    for name in ("b", "a-1", "a"):
        api.post(configmaps, configmap(name)).must(201)
    body = api.get(configmaps).must()
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(body) == ["a", "a-1", "b"]
    assert "kind" not in body["items"][0], "the items of a built-in list do not repeat their kind"
    assert int(body["metadata"]["resourceVersion"]) > 0


def test_pages_show_one_state_of_the_world(api: Client, configmaps: str) -> None:
    for number in range(5):
        api.post(configmaps, configmap(f"m{number}")).must(201)
    url = f"{configmaps}?limit=2"
    first = api.get(f"{url}&fieldSelector=metadata.name!%3Dkube-root-ca.crt").must()
    assert names(first) == ["m0", "m1"]
    api.delete(f"{configmaps}/m3").must()
    api.post(configmaps, configmap("m1-late")).must(201)
    token = quote(first["metadata"]["continue"])
    more = f"{url}&fieldSelector=metadata.name!%3Dkube-root-ca.crt&continue="
    second = api.get(more + token).must()
    assert names(second) == ["m2", "m3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    last = api.get(more + quote(second["metadata"]["continue"])).must()
    assert names(last) == ["m4"]
    assert not last["metadata"].get("continue")


def test_what_remains_is_counted_where_nothing_is_selected(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/secrets"
    for number in range(3):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s{number}"}}
        api.post(path, secret).must(201)
    assert api.get(f"{path}?limit=1").must()["metadata"]["remainingItemCount"] == 2
    assert "remainingItemCount" not in api.get(f"{path}?limit=1&labelSelector=!x").must()["metadata"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier=front", ["a"]),
        ("app!=web", ["c", "d"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("app notin (web)", ["c", "d"]),
        ("tier", ["a"]),
        ("!tier", ["b", "c", "d"]),
        ("app in (),!tier", []),
        ("size>5", ["b"]),
        ("size<5", []),
    ],
)
def test_label_selectors(api: Client, ns: str, selector: str, expected: list[str]) -> None:
    path = f"/api/v1/namespaces/{ns}/secrets"
    labels = {
        "a": {"app": "web", "tier": "front"},
        "b": {"app": "web", "size": "10"},
        "c": {"app": "db"},
        "d": {},
    }
    for name, found in labels.items():
        metadata = {"name": name, "labels": found}
        api.post(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}).must(201)
    assert names(api.get(f"{path}?labelSelector={quote(selector)}").must()) == expected


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("labelSelector=a===b", "unable to parse requirement: found '=', expected: identifier"),
        (
            "fieldSelector=spec.x=1",
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("limit=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("continue=x", "continue key is not valid"),
    ],
)
def test_parameters_that_cannot_be_understood(api: Client, configmaps: str, parameter: str, message: str) -> None:
    answer = api.get(f"{configmaps}?{parameter.replace('===', '%3D%3D%3D')}")
    assert answer.status == 400, answer.body
    assert message in answer.message


def test_field_selectors(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/secrets"
    for name, type_ in (("a", "Opaque"), ("b", "example.com/x")):
        api.post(path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": type_}).must(201)
    assert names(api.get(f"{path}?fieldSelector=metadata.name%3Db").must()) == ["b"]
    assert names(api.get(f"{path}?fieldSelector=type%3Dexample.com/x").must()) == ["b"]
    assert names(api.get(f"{path}?fieldSelector=type!%3Dexample.com/x").must()) == ["a"]
    everywhere = f"/api/v1/secrets?fieldSelector=metadata.namespace%3D{ns},metadata.name%3Da"
    assert names(api.get(everywhere).must()) == ["a"]


def test_a_version_that_does_not_exist_yet(api: Client, configmaps: str) -> None:
    answer = api.get(f"{configmaps}?resourceVersion=999999999")
    assert (answer.status, answer.body["reason"]) == (504, "Timeout")
    assert "Too large resource version: 999999999, current: " in answer.message


def test_a_collection_is_deleted_by_selection(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/secrets"
    for name, labels in (("a", {"x": "y"}), ("b", {})):
        metadata = {"name": name, "labels": labels}
        api.post(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}).must(201)
    body = api.delete(f"{path}?labelSelector=x%3Dy").must()
    assert (body["kind"], names(body)) == ("SecretList", ["a"])
    assert names(api.get(path).must()) == ["b"]
