"""What only an embedded server does: being stopped, being broken on purpose, forgetting its history."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from backends.embedded.calls import Call, Reply
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost, kubeconfig_text
from fleetui.model.errors import FleetError, MissingError
from tests.contract.client import Client
from tests.contract.objects import configmap

PATH = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def cluster() -> EmbeddedCluster:
    return EmbeddedCluster("lone")


@pytest.fixture
def host(cluster: EmbeddedCluster) -> Iterator[EmbeddedHost]:
    with EmbeddedHost([cluster]) as running:
        yield running


@pytest.fixture
def client(host: EmbeddedHost, cluster: EmbeddedCluster) -> Iterator[Client]:
    found = Client(cluster.url, token=cluster.token)
    yield found
    found.close()


def test_a_stopped_server_keeps_its_port_and_its_data(
    host: EmbeddedHost, cluster: EmbeddedCluster, client: Client
) -> None:
    made = client.post(PATH, configmap("a")).must(201)
    url = cluster.url
    with client.watch(f"{PATH}?resourceVersion={made['metadata']['resourceVersion']}", seconds=60) as events:
        host.stop_server("lone")
        assert list(events) == [], "the watch ended at once"
    client.close()
    with pytest.raises(ConnectionRefusedError):
        client.get(PATH)
    client.close()
    host.start_server("lone")
    assert cluster.url == url
    assert client.get(f"{PATH}/a").must() == made
    changed = client.patch(f"{PATH}/a", {"data": {"a": "2"}}).must()
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_a_forgotten_page_is_gone_and_can_be_gone_on_from(
    host: EmbeddedHost, cluster: EmbeddedCluster, client: Client
) -> None:
    for name in ("a", "b", "c"):
        client.post(PATH, configmap(name)).must(201)
    token = client.get(f"{PATH}?limit=1").must()["metadata"]["continue"]
    client.post(PATH, configmap("d")).must(201)
    host.run(cluster.store.storage.compact)
    gone = client.get(f"{PATH}?limit=1&continue={quote(token)}")
    assert (gone.status, gone.body["reason"]) == (410, "Expired")
    assert gone.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    again = client.get(f"{PATH}?continue={quote(gone.body['metadata']['continue'])}").must()
    assert [item["metadata"]["name"] for item in again["items"]] == ["b", "c", "d"]


def test_a_forgotten_version_cannot_be_listed(host: EmbeddedHost, cluster: EmbeddedCluster, client: Client) -> None:
    version = client.post(PATH, configmap("a")).must(201)["metadata"]["resourceVersion"]
    client.post(PATH, configmap("b")).must(201)
    exactly = f"{PATH}?resourceVersion={version}&resourceVersionMatch=Exact"
    assert [item["metadata"]["name"] for item in client.get(exactly).must()["items"]] == ["a"]
    host.run(cluster.store.storage.compact)
    gone = client.get(exactly)
    assert (gone.status, gone.body["reason"]) == (410, "Expired")
    assert gone.message == "The resourceVersion for the provided list is too old."


def test_a_forgotten_version_cannot_be_watched_from(
    host: EmbeddedHost, cluster: EmbeddedCluster, client: Client
) -> None:
    version = client.post(PATH, configmap("a")).must(201)["metadata"]["resourceVersion"]
    client.post(PATH, configmap("b")).must(201)
    host.run(cluster.store.storage.compact)
    with client.watch(f"{PATH}?resourceVersion={version}") as events:
        found = list(events)
    assert [(event["type"], event["object"]["code"]) for event in found] == [("ERROR", 410)]


def test_bookmarks_move_on_without_events(host: EmbeddedHost, cluster: EmbeddedCluster, client: Client) -> None:
    cluster.server.api.bookmark_every = 0.05
    version = client.get(PATH).must()["metadata"]["resourceVersion"]
    other = client.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}}).must(201)
    with client.watch(f"{PATH}?resourceVersion={version}&allowWatchBookmarks=true") as events:
        event = next(events)
    assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert event["object"]["metadata"] == {"resourceVersion": other["metadata"]["resourceVersion"]}


def test_a_login_expires_when_its_token_is_taken_away(cluster: EmbeddedCluster, client: Client) -> None:
    client.get(PATH).must()
    user = cluster.tokens.pop(cluster.token)
    assert client.get(PATH).status == 401
    cluster.tokens[cluster.token] = user
    client.get(PATH).must()


def test_strangers_are_let_in_or_not(host: EmbeddedHost, cluster: EmbeddedCluster) -> None:
    """kubectl sends no token over plain HTTP."""
    stranger = Client(cluster.url)
    stranger.get(PATH).must()
    cluster.server.anonymous = False
    assert stranger.get(PATH).status == 401
    stranger.close()


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1:8000"}, {"Host": "rebound.example.com:80"}])
def test_a_web_page_is_a_stranger_that_is_not_let_in(
    host: EmbeddedHost, cluster: EmbeddedCluster, headers: dict[str, str]
) -> None:
    page = Client(cluster.url)
    assert page.request("POST", PATH, configmap("a"), content_type="text/plain", headers=headers).status == 401
    page.close()


def test_a_request_that_breaks_the_server_is_answered(
    host: EmbeddedHost,
    cluster: EmbeddedCluster,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(call: Call) -> Reply:
        raise RuntimeError("no idea")

    monkeypatch.setattr(cluster.server.api, "handle", broken)
    answer = client.get(PATH)
    assert (answer.status, answer.body["reason"]) == (500, "InternalError")
    assert answer.message == "Internal error occurred: RuntimeError: no idea"
    assert "lone: GET" in caplog.text


def test_the_viewer_holds_what_he_is_given(host: EmbeddedHost, cluster: EmbeddedCluster, client: Client) -> None:
    viewer = Client(cluster.url, token=cluster.viewer_token)
    refused = viewer.get(PATH)
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    binding = {
        "metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "viewers"}],
    }
    client.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).must(201)
    viewer.get(PATH).must()
    assert viewer.get(PATH.replace("configmaps", "secrets")).status == 403
    viewer.close()


def test_a_kubeconfig_of_all_clusters(tmp_path: Path) -> None:
    clusters = [EmbeddedCluster(name) for name in ("one", "two")]
    with EmbeddedHost(clusters) as host:
        path = host.kubeconfig(tmp_path / "folder" / "config")
        body = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert body["current-context"] == "one"
    assert [entry["name"] for entry in body["contexts"]] == ["one", "two"]
    servers = {entry["name"]: entry["cluster"]["server"] for entry in body["clusters"]}
    assert servers == {cluster.name: cluster.url for cluster in clusters}
    tokens = {entry["name"]: entry["user"]["token"] for entry in body["users"]}
    assert set(tokens.values()) == {cluster.token for cluster in clusters}
    viewers = json.loads(kubeconfig_text(clusters, viewers=True))
    assert [entry["name"] for entry in viewers["contexts"]] == ["one-viewer", "two-viewer"]
    assert viewers["current-context"] == "one-viewer"
    claimed = {"token": clusters[1].token, "as": "viewer", "as-groups": ["viewers"]}
    assert viewers["users"][-1] == {"name": "viewer@two", "user": claimed}


def test_a_host_knows_its_clusters_and_its_end(cluster: EmbeddedCluster) -> None:
    host = EmbeddedHost([cluster])
    with host:
        with pytest.raises(MissingError, match="there is no embedded cluster 'other'"):
            host.stop_server("other")
        assert host.run(lambda: cluster.store.get("", "Namespace", "", "default"))["metadata"]["name"] == "default"
    with pytest.raises(FleetError):
        host.run(lambda: None)
