"""Creating, reading and replacing objects: what is filled in, what is refused, and in which words."""

from __future__ import annotations

import pytest

from tests.contract.client import Client
from tests.contract.objects import configmap, deployment, without


def test_create_fills_in_what_the_server_alone_decides(api: Client, configmaps: str) -> None:
    sent = configmap("a", uid="mine", resourceVersion="", selfLink="/x")
    meta = api.post(configmaps, sent).must(201)["metadata"]
    assert meta["uid"] not in ("mine", "")
    assert int(meta["resourceVersion"]) > 0
    assert meta["creationTimestamp"].endswith("Z")
    assert "generation" not in meta, "ConfigMaps have none"


def test_create_generates_a_name(api: Client, configmaps: str) -> None:
    sent = configmap("", generateName="run-")
    del sent["metadata"]["name"]
    name = api.post(configmaps, sent).must(201)["metadata"]["name"]
    assert name.startswith("run-")
    assert len(name) == len("run-") + 5


def test_a_name_is_given_once(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    again = api.post(configmaps, configmap("a"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.message == 'configmaps "a" already exists'
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_namespace_must_exist(api: Client) -> None:
    answer = api.post("/api/v1/namespaces/nowhere/configmaps", configmap("a"))
    assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"apiVersion": "v2"}, 400, 'no kind "ConfigMap" is registered for version "v2" in scheme'),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "the namespace of the provided object does not match"),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "Not_A_Name"}}, 422, "a lowercase RFC 1123 subdomain must consist of lower case"),
        ({"metadata": {"name": "a", "labels": {"k": "not valid"}}}, 422, 'metadata.labels: Invalid value: "not valid"'),
        ({"data": {"k": 1}}, 400, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ({"data": {"not valid": "1"}}, 422, "a valid config key must consist of alphanumeric characters"),
    ],
)
def test_what_does_not_fit_is_refused(
    api: Client, configmaps: str, change: dict[str, object], status: int, message: str
) -> None:
    answer = api.post(configmaps, configmap("a") | change)
    assert answer.status == status, answer.body
    assert message in answer.message


def test_an_object_of_another_version_is_refused(api: Client, deployments: str) -> None:
    answer = api.post(deployments, deployment("a") | {"apiVersion": "apps/v1beta1"})
    assert answer.status == 400
    expected = "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
    assert answer.message == expected


def test_an_object_of_another_kind_is_refused(api: Client, deployments: str) -> None:
    answer = api.post(deployments, deployment("a") | {"kind": "Other"})
    assert answer.status == 400
    assert 'no kind "Other" is registered for version "apps/v1"' in answer.message


def test_unknown_fields_are_dropped_and_told(api: Client, deployments: str) -> None:
    sent = deployment("a", bogus=1)
    warned = api.post(deployments, sent)
    assert "bogus" not in warned.must(201)["spec"]
    assert warned.warnings == ('299 - "unknown field \\"spec.bogus\\""',)
    strict = api.post(f"{deployments}?fieldValidation=Strict", deployment("b", bogus=1))
    assert strict.status == 400
    assert strict.message.endswith('strict decoding error: unknown field "spec.bogus"')
    assert api.post(f"{deployments}?fieldValidation=Ignore", deployment("c", bogus=1)).warnings == ()


def test_defaults_of_a_deployment(api: Client, deployments: str) -> None:
    spec = api.post(deployments, deployment("a")).must(201)["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert pod.pop("containers") == [
        {
            "name": "web",
            "image": "nginx:1.27",
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "resources": {},
            "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }
    ]
    assert pod == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def test_zero_and_empty_are_not_written_where_go_omits_them(api: Client, deployments: str) -> None:
    sent = deployment("a", minReadySeconds=0, paused=False)
    sent["metadata"]["annotations"] = {}
    sent["spec"]["template"]["spec"]["containers"][0] |= {"env": [], "command": []}
    made = api.post(deployments, sent).must(201)
    assert not {"minReadySeconds", "paused"} & set(made["spec"])
    assert "annotations" not in made["metadata"]
    assert not {"env", "command"} & set(made["spec"]["template"]["spec"]["containers"][0])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("100n", "1m"), (2, "2")],
)
def test_quantities_are_canonical(api: Client, deployments: str, sent: object, kept: str) -> None:
    body = deployment("a")
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": sent}}
    made = api.post(f"{deployments}?dryRun=All", body).must(201)
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == kept


def test_a_service_gets_an_address_that_it_keeps(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/services"
    sent = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    spec = api.post(path, sent).must(201)["spec"]
    assert spec["clusterIP"].count(".") == 3
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": 80}]
    replaced = api.put(f"{path}/web", sent).must()
    assert replaced["spec"] == spec
    moved = api.patch(f"{path}/web", {"spec": {"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"]}})
    assert moved.status == 422
    assert 'spec.clusterIPs[0]: Invalid value: ["10.0.0.9"]: may not change once set' in moved.message


def test_secrets_take_text_and_keep_bytes(api: Client, ns: str) -> None:
    sent = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}}
    made = api.post(f"/api/v1/namespaces/{ns}/secrets", sent).must(201)
    assert (made["data"], made["type"]) == ({"k": "dg=="}, "Opaque")
    assert "stringData" not in made
    bad = api.post(f"/api/v1/namespaces/{ns}/secrets", sent | {"stringData": {}, "data": {"k": "!"}})
    assert bad.status == 400
    assert "illegal base64 data at input byte 0" in bad.message


def test_replace_is_guarded_by_the_resource_version(api: Client, configmaps: str) -> None:
    first = api.post(configmaps, configmap("a")).must(201)
    second = api.put(f"{configmaps}/a", first | {"data": {"a": "2"}}).must()
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    late = api.put(f"{configmaps}/a", first | {"data": {"a": "3"}})
    assert (late.status, late.body["reason"]) == (409, "Conflict")
    assert late.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )
    free = without(first, "resourceVersion") | {"data": {"a": "3"}}
    assert api.put(f"{configmaps}/a", free).must()["data"] == {"a": "3"}


def test_replace_of_another_object_of_that_name_is_refused(api: Client, configmaps: str) -> None:
    made = without(api.post(configmaps, configmap("a")).must(201), "resourceVersion")
    made["metadata"]["uid"] = "another"
    answer = api.put(f"{configmaps}/a", made)
    assert answer.status == 409
    assert "Precondition failed: UID in precondition: another, UID in object meta: " in answer.message


def test_what_changes_nothing_writes_nothing(api: Client, configmaps: str) -> None:
    first = api.post(configmaps, configmap("a")).must(201)
    assert api.put(f"{configmaps}/a", first).must() == first
    assert api.patch(f"{configmaps}/a", {"data": {"a": "1"}}).must() == first


def test_dry_run_answers_and_keeps_nothing(api: Client, configmaps: str) -> None:
    api.post(f"{configmaps}?dryRun=All", configmap("a")).must(201)
    assert api.get(f"{configmaps}/a").status == 404
    first = api.post(configmaps, configmap("a")).must(201)
    assert api.put(f"{configmaps}/a?dryRun=All", first | {"data": {"a": "2"}}).must()["data"] == {"a": "2"}
    api.delete(f"{configmaps}/a?dryRun=All").must()
    assert api.get(f"{configmaps}/a").must() == first


def test_the_generation_counts_changes_of_the_desired_state(api: Client, deployments: str) -> None:
    path = f"{deployments}/a"
    assert api.post(deployments, deployment("a")).must(201)["metadata"]["generation"] == 1
    assert api.patch(path, {"metadata": {"labels": {"x": "y"}}}).must()["metadata"]["generation"] == 1
    assert api.patch(f"{path}/status", {"status": {"observedGeneration": 1}}).must()["metadata"]["generation"] == 1
    before = api.get(path).must()["metadata"]["generation"]
    assert api.patch(path, {"spec": {"paused": True}}).must()["metadata"]["generation"] == before + 1


def test_status_and_spec_are_written_apart(api: Client, deployments: str) -> None:
    api.post(deployments, deployment("a") | {"status": {"replicas": 5}}).must(201)
    path = f"{deployments}/a"
    assert "replicas" not in api.get(path).must()["status"]
    made = api.patch(f"{path}/status", {"status": {"unavailableReplicas": 3}, "spec": {"replicas": 9}}).must()
    assert made["status"]["unavailableReplicas"] == 3
    assert made["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, "field is immutable"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ],
)
def test_what_a_deployment_may_not_change(
    api: Client, deployments: str, change: dict[str, object], message: str
) -> None:
    api.post(deployments, deployment("a")).must(201)
    answer = api.patch(f"{deployments}/a", {"spec": change})
    assert answer.status == 422, answer.body
    assert answer.message.startswith('Deployment.apps "a" is invalid: ')
    assert message in answer.message


def test_scale_is_a_view_of_the_replicas(api: Client, ns: str) -> None:
    path = f"/apis/apps/v1/namespaces/{ns}/replicasets"
    body = deployment("a")
    body["kind"] = "ReplicaSet"
    api.post(path, body).must(201)
    scale = api.get(f"{path}/a/scale").must()
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {})
    assert scale["status"]["selector"] == "app=a"
    assert api.patch(f"{path}/a/scale?dryRun=All", {"spec": {"replicas": 3}}).must()["spec"] == {"replicas": 3}
