"""The offline prediction and blame against a real API server: what `merge` says is what a dry run answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from fleetui.diff import blame, compare, merge, normalize, object_diff
from fleetui.diff.mutations import without_mutations
from tests.controlplane.api import Api, Json
from tests.controlplane.server import ControlPlane

pytestmark = pytest.mark.real

ENGINE, PERSON = "argocd-controller", "kubectl-edit"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Api]:
    with closing(control_plane.api()) as api:
        yield api


def web(*containers: Json, **pod: Any) -> Json:
    spec: Json = {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers), **pod}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def container(*without: str, **fields: Any) -> Json:
    full: Json = {
        "name": "api",
        "image": "api:1",
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
        "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
        "env": [{"name": "A", "value": ""}, {"name": "B", "value": "1"}],
        **fields,
    }
    return {key: value for key, value in full.items() if key not in without}


SIDE = {"name": "side", "image": "side:1"}
SETTINGS: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
SERVICE: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
POLICY: Json = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"}}
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/web",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/settings",
    "Service": "/api/v1/namespaces/{}/services/web",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/web",
}

STORIES: dict[str, tuple[Json, Json, Json]] = {
    # What was applied, what somebody did to it, what is desired now.
    "nothing happened": (web(container()), {}, web(container())),
    "an image and a variable changed": (
        web(container()),
        {},
        web(container(image="api:2", env=[{"name": "B", "value": "2"}])),
    ),
    "a field left Git with its defaults": (web(container()), {}, web(container("livenessProbe", "ports"))),
    "a sidecar left Git and one was injected": (
        web(container(), SIDE),
        {"spec": {"template": {"metadata": {"annotations": {"injected": "yes"}}}}},
        web(container()),
    ),
    "somebody scaled and labelled": (
        web(container()),
        {"spec": {"replicas": 1}, "metadata": {"labels": {"by": "hand"}}},
        web(container()),
    ),
    "tolerations and node selector are replaced": (
        web(container(), tolerations=[{"key": "a", "operator": "Exists"}], nodeSelector={"disk": "ssd"}),
        {"spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}},
        web(container(), tolerations=[{"key": "b", "operator": "Exists"}], nodeSelector={"disk": "ssd"}),
    ),
    "empty values are not kept": (
        web(container(), hostNetwork=False, nodeSelector={}, volumes=[]),
        {},
        web(container(tty=False, args=[]), hostNetwork=False, volumes=[]),
    ),
    "data drifted and left Git": (
        SETTINGS | {"data": {"color": "blue", "timeout": "30s"}},
        {"data": {"color": "red", "added": "by hand"}},
        SETTINGS | {"data": {"color": "blue"}},
    ),
    "a port came and one was added by hand": (
        SERVICE | {"spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}},
        {"spec": {"selector": {"extra": "1"}}},
        SERVICE
        | {"spec": {"selector": {"app": "web"}, "ports": [{"name": "s", "port": 443}, {"name": "http", "port": 80}]}},
    ),
    "rules of a policy": (
        POLICY | {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 53}]}]}},
        {},
        POLICY | {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 53}, {"port": 80}]}]}},
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_prediction_is_what_the_server_answers_to_a_dry_run(api: Api, namespace: str, story: str) -> None:
    applied, edit, desired = STORIES[story]
    path = PATHS[applied["kind"]].format(namespace)
    send(api, f"{path}?fieldManager={ENGINE}&force=true", applied, APPLY)
    live = send(api, f"{path}?fieldManager={PERSON}", edit, MERGE) if edit else api.request("GET", path).body
    answer = send(api, f"{path}?fieldManager={ENGINE}&force=true&dryRun=All", desired, APPLY)
    # A controller may have written in between; what only it writes is no part of the question.
    assert difference(answer, live) == difference(merge(desired, live), live)


def test_a_prediction_is_what_kubectl_answers_to_a_dry_run(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    applied, edit, desired = STORIES["data drifted and left Git"]
    path = PATHS["ConfigMap"].format(namespace)
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(applied))
    live = send(api, f"{path}?fieldManager={PERSON}", edit, MERGE)
    told = control_plane.kubectl(
        "apply", "-n", namespace, "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(desired)
    )
    assert difference(json.loads(told.stdout), live) == difference(merge(desired, live), live)
    assert difference(merge(desired, live), live) == [("data.color", "red", "blue"), ("data.timeout", "30s", None)]


def test_blame_names_who_set_a_live_value(api: Api, namespace: str) -> None:
    path = PATHS["Deployment"].format(namespace)
    send(api, f"{path}?fieldManager={ENGINE}&force=true", web(container()), APPLY)
    edit = {"metadata": {"labels": {"by": "hand"}}, "spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}}
    send(api, f"{path}?fieldManager={PERSON}", edit, MERGE)
    scaled = api.request(
        "PATCH", f"{path}/scale?fieldManager=scaler", body={"spec": {"replicas": 1}}, content_type=MERGE
    )
    assert scaled.ok, scaled.message
    live = api.request("GET", path).body
    owners = {
        field: owner.manager if (owner := blame(live, field)) else ""
        for field in (
            ("metadata", "labels", "by"),
            ("spec", "template", "spec", "nodeSelector", "zone"),
            ("spec", "replicas"),
            ("spec", "template", "spec", "containers", 0, "image"),
            ("spec", "template", "spec", "containers", 0, "imagePullPolicy"),
        )
    }
    assert list(owners.values()) == [PERSON, PERSON, "scaler", ENGINE, ""]
    diff, _ = object_diff(web(container(image="api:2")), live)
    found = {change.dotted.split(".")[-1]: change.blame.manager for change in diff.changes if change.blame}
    assert found == {"image": ENGINE, "replicas": "scaler"}


def test_a_secret_written_as_text_and_changed_by_hand_differs(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets/login"
    desired = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"user": "ann"}}
    owned = f"{path}?fieldManager={ENGINE}&force=true"
    live = send(api, owned, desired, APPLY)
    assert not difference(
        normalize(without_mutations(send(api, f"{owned}&dryRun=All", desired, APPLY), live, ENGINE)), normalize(live)
    )
    live = send(api, f"{path}?fieldManager={PERSON}", {"data": {"user": "Ym9i"}}, MERGE)
    predicted = without_mutations(send(api, f"{owned}&dryRun=All", desired, APPLY), live, ENGINE)
    assert difference(normalize(predicted), normalize(live)) == [("data.user", "Ym9i", "YW5u")]


def send(api: Api, path: str, body: Json, content_type: str) -> Json:
    answer = api.request("PATCH", path, body=body, content_type=content_type)
    assert answer.ok, answer.message
    return answer.body


def difference(desired: Json, live: Json) -> list[tuple[str, Any, Any]]:
    changes = compare(normalize(desired), normalize(live))
    return [(c.dotted, c.before, c.after) for c in changes if "deployment.kubernetes.io/revision" not in str(c)]
