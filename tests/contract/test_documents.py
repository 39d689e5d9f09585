"""What the server says about itself, and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backends.embedded.registry import SERVER_VERSION, catalogue
from tests.contract.client import Client
from tests.contract.objects import ANYTHING, configmap, deployment
from tests.waiting import wait_until

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def test_the_version(api: Client) -> None:
    body = api.get("/version").must()
    assert body["gitVersion"] == SERVER_VERSION == catalogue().version
    assert (body["major"], body["minor"]) == ("1", "37")


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_health(api: Client, path: str) -> None:
    assert api.get(path).must() == "ok"


def kinds(groups: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The resources of an aggregated document by group, version and name."""
    return {
        (group["metadata"].get("name", ""), version["version"], resource["resource"]): resource
        for group in groups
        for version in group["versions"]
        for resource in version["resources"]
    }


def test_aggregated_discovery_has_all_that_is_embedded(api: Client) -> None:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in ("/api", "/apis"):
        answer = api.get(path, accept=AGGREGATED)
        assert "as=APIGroupDiscoveryList" in answer.content_type
        found |= kinds(answer.must()["items"])
    for mine in catalogue().resources:
        theirs = found[mine.group, mine.version, mine.plural]
        assert theirs["responseKind"]["kind"] == mine.kind
        assert theirs["scope"] == ("Namespaced" if mine.namespaced else "Cluster")
        assert theirs["singularResource"] == mine.singular
        assert set(theirs["verbs"]) == set(mine.verbs)
        assert theirs.get("shortNames", []) == list(mine.short_names)
        assert theirs.get("categories", []) == list(mine.categories)
        subresources = {entry["subresource"]: set(entry["verbs"]) for entry in theirs.get("subresources", ())}
        for name, sub in mine.subresources.items():
            assert subresources[name] == set(sub.verbs)


def test_plain_discovery(api: Client) -> None:
    assert api.get("/api").must()["versions"] == ["v1"]
    names = [group["name"] for group in api.get("/apis").must()["groups"]]
    assert {"apps", "batch", "rbac.authorization.k8s.io", "apiextensions.k8s.io"} <= set(names)
    group = api.get("/apis/apps").must()
    assert group["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    resources = {entry["name"]: entry for entry in api.get("/apis/apps/v1").must()["resources"]}
    assert resources["deployments"]["kind"] == "Deployment"
    assert (resources["deployments/scale"]["group"], resources["deployments/scale"]["kind"]) == ("autoscaling", "Scale")


def test_discovery_follows_definitions(api: Client, define: Callable[..., str]) -> None:
    path = define("things", "Thing", ANYTHING, subresources={"status": {}})
    group = path.split("/")[2]

    def found() -> Any:
        return kinds(api.get("/apis", accept=AGGREGATED).must()["items"]).get((group, "v1", "things"))

    entry = wait_until(found, 10, "discovery lists the definition's resource")
    assert (entry["responseKind"]["kind"], entry["scope"]) == ("Thing", "Cluster")
    assert [sub["subresource"] for sub in entry["subresources"]] == ["status"]


def test_openapi_tells_kubectl_that_fields_are_validated_here(api: Client) -> None:
    paths = api.get("/openapi/v3").must()["paths"]
    document = api.get(paths["apis/apps/v1"]["serverRelativeURL"]).must()
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in patch["parameters"]}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert patch["x-kubernetes-group-version-kind"] == kind
    schema = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert kind in schema["x-kubernetes-group-version-kind"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/v1/nothings", 404, "the server could not find the requested resource"),
        ("/apis/apps/v1/nothings", 404, "the server could not find the requested resource"),
        ("/apis/nowhere.example.com/v1/things", 404, "404 page not found\n"),
        ("/apis/nowhere.example.com", 404, "404 page not found\n"),
        ("/api/v1/namespaces/nowhere", 404, 'namespaces "nowhere" not found'),
    ],
)
def test_what_is_not_there(api: Client, path: str, status: int, message: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.message) == (status, message)


def test_methods_that_make_no_sense(api: Client, configmaps: str) -> None:
    for method, path in (("PUT", configmaps), ("POST", f"{configmaps}/a")):
        answer = api.request(method, path, configmap("a"))
        assert (answer.status, answer.body["reason"]) == (405, "MethodNotAllowed")
        assert answer.message == "the server does not allow this method on the requested resource"


def test_a_wrong_token_is_refused(api: Client) -> None:
    answer = api.request("GET", "/api/v1/namespaces", headers={"Authorization": "Bearer wrong"})
    assert answer.status == 401
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


def test_may_i(api: Client) -> None:
    body = {"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", **body}
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).must(201)
    assert answer["status"]["allowed"] is True


def test_a_table_of_deployments(api: Client, deployments: str) -> None:
    api.post(deployments, deployment("a")).must(201)
    answer = api.get(deployments, accept=TABLE)
    assert answer.content_type == "application/json;as=Table;g=meta.k8s.io;v=v1" or answer.content_type.startswith(
        "application/json"
    )
    body = answer.must()
    assert (body["kind"], body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    names = [column["name"] for column in body["columnDefinitions"]]
    assert names == ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"]
    (row,) = body["rows"]
    assert row["cells"][:4] == ["a", "0/0", 0, 0]
    assert row["cells"][5:] == ["web", "nginx:1.27", "app=a"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "a"


def test_metadata_alone(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    body = api.get(f"{configmaps}/a", accept=accept).must()
    assert set(body) == {"kind", "apiVersion", "metadata"}
    assert (body["kind"], body["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    listed = api.get(configmaps, accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").must()
    assert "a" in [item["metadata"]["name"] for item in listed["items"]]


def test_an_event_is_one_object_in_two_groups(api: Client, ns: str) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "a"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": ns},
        "reason": "Pulled",
        "message": "Pulled the image",
        "type": "Normal",
        "source": {"component": "kubelet"},
        "count": 2,
    }
    api.post(f"/api/v1/namespaces/{ns}/events", event).must(201)
    other = api.get(f"/apis/events.k8s.io/v1/namespaces/{ns}/events/a").must()
    assert (other["note"], other["regarding"]["name"], other["deprecatedCount"]) == ("Pulled the image", "p", 2)
    for group in ("/api/v1", "/apis/events.k8s.io/v1"):
        table = api.get(f"{group}/namespaces/{ns}/events", accept=TABLE).must()
        shown = {c["name"]: cell for c, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)}
        cells = (shown["Object"], shown["Message"], shown["Source"], shown["Count"])
        assert cells == ("pod/p", "Pulled the image", "kubelet", 2)
