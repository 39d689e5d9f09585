"""CustomResourceDefinitions and the objects that they define."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.client import Client, Json
from tests.contract.objects import ANYTHING
from tests.waiting import wait_until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
Define = Callable[..., str]


def thing(path: str, name: str, **body: object) -> Json:
    """An object of the group that `path` is of."""
    return {"apiVersion": path.split("/")[2] + "/v1", "kind": "Thing", "metadata": {"name": name}, **body}


def make(api: Client, path: str, name: str, **body: object) -> Json:
    """The object, made by an apply: a POST within two seconds of its definition makes the real server wait for them
    (customresource_handler.go, `justCreated`)."""
    made: Json = api.apply(f"{path}/{name}", thing(path, name, **body), "maker").must(201)
    return made


def group_of(path: str) -> str:
    return path.split("/")[2]


def test_a_definition_says_that_it_is_established(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING)
    made = api.get(f"{DEFINITIONS}/things.{group_of(path)}").must()
    conditions = {entry["type"]: (entry["status"], entry["reason"]) for entry in made["status"]["conditions"]}
    assert conditions == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    expected = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    assert made["spec"]["names"] == made["status"]["acceptedNames"] == expected
    assert made["status"]["storedVersions"] == ["v1"]


def test_what_a_definition_must_have(api: Client) -> None:
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "wrong"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    answer = api.post(DEFINITIONS, body)
    assert answer.status == 422
    fields = [field for field, _ in answer.causes]
    assert "metadata.name" in fields
    assert "spec.versions[0].schema.openAPIV3Schema" in fields


def test_without_a_status_subresource_the_status_is_an_ordinary_field(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING)
    made = make(api, path, "a", spec={"x": 1}, status={"y": 1})
    assert (made["status"], made["metadata"]["generation"]) == ({"y": 1}, 1)
    changed = api.patch(f"{path}/a", {"status": {"y": 2}}).must()
    assert (changed["status"], changed["metadata"]["generation"]) == ({"y": 2}, 2)
    assert api.patch(f"{path}/a", {"metadata": {"labels": {"a": "b"}}}).must()["metadata"]["generation"] == 2
    answer = api.patch(f"{path}/a/status", {"status": {"y": 3}})
    assert (answer.status, answer.message) == (404, f'things.{group_of(path)} "a" not found')


def test_with_a_status_subresource_they_are_written_apart(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING, subresources={"status": {}})
    made = api.post(path, thing(path, "a", spec={"x": 1}, status={"y": 1})).must(201)
    assert "status" not in made
    changed = api.patch(f"{path}/a/status", {"status": {"y": 2}, "spec": {"x": 9}}).must()
    assert (changed["status"], changed["spec"], changed["metadata"]["generation"]) == ({"y": 2}, {"x": 1}, 1)
    assert api.patch(f"{path}/a", {"spec": {"x": 2}}).must()["metadata"]["generation"] == 2


def test_an_update_names_the_version_it_is_based_on(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING)
    make(api, path, "a")
    answer = api.put(f"{path}/a", thing(path, "a", spec={}))
    assert answer.status == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in answer.message


def test_a_schema_prunes_fills_in_and_refuses(api: Client, define: Define) -> None:
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1},
            "mode": {"type": "string", "enum": ["on", "off"], "default": "on"},
            "name": {"type": "string", "pattern": "^x"},
            "free": ANYTHING,
        },
    }
    path = define("things", "Thing", {"type": "object", "properties": {"spec": spec}})
    made = api.post(path, thing(path, "a", spec={"size": 2, "extra": 1, "free": {"any": [1]}}))
    assert made.must(201)["spec"] == {"size": 2, "mode": "on", "free": {"any": [1]}}
    assert made.warnings == ('299 - "unknown field \\"spec.extra\\""',)
    bad = api.post(path, thing(path, "b", spec={"mode": "maybe", "name": "y"}))
    assert bad.status == 422
    assert sorted(bad.causes) == [
        ("spec.mode", 'Unsupported value: "maybe": supported values: "on", "off"'),
        ("spec.name", "Invalid value: \"y\": spec.name in body should match '^x'"),
        ("spec.size", "Required value"),
    ]
    wrong = api.post(path, thing(path, "b", spec={"size": "two"}))
    expected = 'Invalid value: "string": spec.size in body must be of type integer: "string"'
    assert wrong.causes == [("spec.size", expected)]


def test_a_list_has_the_definitions_name_and_columns(api: Client, define: Define) -> None:
    columns = [
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1},
    ]
    path = define("things", "Thing", ANYTHING, additionalPrinterColumns=columns)
    status = {"phase": "Up", "conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}
    make(api, path, "a", spec={"size": 3}, status=status)
    make(api, path, "b")
    assert api.get(path).must()["kind"] == "ThingList"
    table = api.get(path, accept=TABLE).must()
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Phase", 0),
        ("Ready", 0),
        ("Size", 1),
    ]
    assert [row["cells"] for row in table["rows"]] == [["a", "Up", "True", 3], ["b", None, None, None]]


def test_versions_show_the_same_objects(api: Client, unique: str) -> None:
    group = f"{unique}.example.com"
    schema = {"openAPIV3Schema": ANYTHING}
    versions = [
        {"name": "v1beta1", "served": True, "storage": False, "schema": schema},
        {"name": "v1", "served": True, "storage": True, "schema": schema},
    ]
    names = {"plural": "things", "kind": "Thing"}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "scope": "Cluster", "names": names, "versions": versions},
    }
    api.post(DEFINITIONS, body).must(201)
    old, new = f"/apis/{group}/v1beta1/things", f"/apis/{group}/v1/things"
    wait_until(lambda: api.get(old).status == api.get(new).status == 200, 10, "both versions are served")
    sent = {"apiVersion": f"{group}/v1beta1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"x": 1}}
    assert api.apply(f"{old}/a", sent, "maker").must(201)["apiVersion"] == f"{group}/v1beta1"
    read = api.get(f"{new}/a").must()
    assert (read["apiVersion"], read["spec"]) == (f"{group}/v1", {"x": 1})
    assert [item["apiVersion"] for item in api.get(old).must()["items"]] == [f"{group}/v1beta1"]
    wait_until(
        lambda: api.get(f"/apis/{group}").must()["preferredVersion"]["version"] == "v1", 10, "v1 is the preferred one"
    )


def test_a_scale_of_ones_own(api: Client, define: Define) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    path = define("things", "Thing", ANYTHING, subresources={"status": {}, "scale": scale})
    make(api, path, "a", spec={"size": 2})
    assert api.get(f"{path}/a/scale").must()["spec"] == {"replicas": 2}
    api.patch(f"{path}/a/scale", {"spec": {"replicas": 5}}).must()
    assert api.get(f"{path}/a").must()["spec"] == {"size": 5}


def test_a_watch_ends_with_its_definition(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING)
    with api.watch(path, seconds=30) as events:
        make(api, path, "a")
        assert next(events)["type"] == "ADDED"
        api.delete(f"{DEFINITIONS}/things.{group_of(path)}").must()
        assert [event["type"] for event in events] in (["DELETED"], ["MODIFIED", "DELETED"])


def test_the_objects_go_with_the_definition(api: Client, define: Define) -> None:
    path = define("things", "Thing", ANYTHING)
    make(api, path, "a", metadata={"name": "a", "finalizers": ["x.io/hold"]})
    make(api, path, "b")
    definition = f"{DEFINITIONS}/things.{group_of(path)}"
    going = api.delete(definition).must()
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    wait_until(lambda: api.get(f"{path}/b").status == 404, 10, "the free object is gone")
    api.patch(f"{path}/a", {"metadata": {"finalizers": None}}).must()
    wait_until(lambda: api.get(definition).status == 404, 10, "the definition is gone")
    wait_until(lambda: api.get(path).message == "404 page not found\n", 10, "the path is served no longer")
