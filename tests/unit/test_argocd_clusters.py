"""Argo CD's cluster Secrets: how each is connected to, or the one sentence why not."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from backends.argocd_clusters import ClusterSecrets
from backends.kube.context import ContextConfig
from fleetui.hubports import Registration
from fleetui.model.errors import UnreachableError
from fleetui.model.objects import ClusterName, StoredObject
from fleetui.model.status import ClusterState
from tests.unit.fakes import manifest, stored

SERVER = "https://edge.example:6443"
EKS = "https://ABC.gr7.eu-central-1.eks.amazonaws.com"
PEM = b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
B64 = base64.b64encode(PEM).decode()
TOKEN = "hunter2"
EXEC = "client.authentication.k8s.io/v1"


def secret(config: Any = None, *, name: str = "edge", **fields: str) -> StoredObject:
    """A cluster Secret; `config` is its JSON, or text as it is."""
    data = {"name": name, "server": SERVER, **fields}
    if config is not None:
        data["config"] = config if isinstance(config, str) else json.dumps(config)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return stored(manifest("Secret", "cluster-edge", namespace="argocd", data=encoded))


def read(config: Any = None, fields: dict[str, str] | None = None, **options: Any) -> Registration:
    """What a Secret with these fields registers; `options` are `installed` and `consented`."""
    installed = options.pop("installed", ())
    registrar = ClusterSecrets(installed=lambda name: name in installed, **options)
    return registrar.read(secret(config, **(fields or {})))


def access(config: Any = None, fields: dict[str, str] | None = None, **options: Any) -> ContextConfig:
    found = read(config, fields, **options)
    assert found.problem == ""
    assert isinstance(found.access, ContextConfig)
    return found.access


def test_a_token_and_all_that_says_how_the_server_is_reached() -> None:
    tls = {"insecure": False, "serverName": "kubernetes", "caData": B64}
    found = read(
        {"bearerToken": TOKEN, "tlsClientConfig": tls, "proxyUrl": "http://proxy:3128", "disableCompression": True},
        {"server": f"{SERVER}/"},
    )
    config = found.access
    assert isinstance(config, ContextConfig)
    assert (found.name, found.server, found.source) == ("edge", SERVER, "Secret argocd/cluster-edge")
    assert (config.server, config.token, config.ca, config.tls_server_name) == (SERVER, TOKEN, PEM, "kubernetes")
    assert (config.proxy_url, config.compression, config.insecure) == ("http://proxy:3128", False, False)
    assert (found.identity.url, found.identity.proxy) == (SERVER, "http://proxy:3128")
    assert (found.namespaces, found.cluster_resources) == ((), True)
    assert config.source is None


def test_a_client_certificate_a_password_nothing_and_no_check_of_the_server() -> None:
    config = access({"tlsClientConfig": {"certData": B64, "keyData": B64}})
    assert (config.client_cert, config.client_key) == (PEM, PEM)
    config = access({"username": "ann", "password": TOKEN})
    assert (config.username, config.password) == ("ann", TOKEN)
    assert access({"tlsClientConfig": {"insecure": True}}).insecure
    assert access().server == SERVER
    assert access("").token == ""


@pytest.mark.parametrize(
    ("given", "namespaces", "cluster_resources"),
    [
        ({"namespaces": "a, b,,"}, ("a", "b"), False),
        ({"namespaces": "a", "clusterResources": "true"}, ("a",), True),
        ({"namespaces": "a", "clusterResources": "True"}, ("a",), False),
        ({"namespaces": " , ", "clusterResources": "false"}, (), True),
        ({}, (), True),
    ],
)
def test_namespaces_limit_what_may_be_touched(
    given: dict[str, str], namespaces: tuple[str, ...], cluster_resources: bool
) -> None:
    found = read(None, given)
    assert (found.namespaces, found.cluster_resources) == (namespaces, cluster_resources)


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d", "\U000e0061", "\ufe0f", "\u3164"])
def test_a_name_that_only_looks_like_another_one_shows_it(unseen: str) -> None:
    assert read({}, {"name": f"pr{unseen}od"}).name == "pr\ufffdod"


def test_in_cluster_is_the_hub_whatever_it_is_called_and_needs_no_login() -> None:
    found = read("{", {"name": "the-hub", "server": "https://kubernetes.default.svc/"})
    assert (found.name, found.server, found.problem) == ("the-hub", "https://kubernetes.default.svc", "")


def test_aws_is_asked_by_argo_cd_s_helper_or_by_its_own_command_line() -> None:
    aws = {"awsAuthConfig": {"clusterName": "shop", "roleARN": "arn:x", "profile": "ops"}, "bearerToken": TOKEN}
    plugin = access(aws, {"server": EKS}, installed=("argocd-k8s-auth", "aws")).exec
    assert plugin is not None
    asked = ("--cluster-name", "shop", "--role-arn", "arn:x")
    assert (plugin.command, plugin.args) == ("argocd-k8s-auth", ("aws", *asked, "--profile", "ops"))
    config = access(aws, {"server": EKS})
    assert config.exec is not None
    assert (config.exec.command, config.exec.args) == ("aws", ("eks", "get-token", *asked, "--output", "json"))
    assert (config.exec.env, config.token) == ({"AWS_PROFILE": "ops"}, "")
    assert config.exec.api_version == "client.authentication.k8s.io/v1beta1"
    assert "argocd-k8s-auth" in config.exec.install_hint


def test_a_program_is_told_of_its_cluster_as_argo_cd_tells_it() -> None:
    given = {
        "command": "tsh",
        "args": ["kube", "credentials"],
        "env": {"TELEPORT_HOME": "/x"},
        "apiVersion": "client.authentication.k8s.io/v1",
        "installHint": "get it from\nthe intranet",
        "provideClusterInfo": True,
        "config": {"clusterName": "shop"},
    }
    found = read({"execProviderConfig": given}, consented=("tsh",))
    assert isinstance(found.access, ContextConfig)
    plugin = found.access.exec
    assert plugin is not None
    assert (plugin.command, plugin.args, plugin.env) == ("tsh", ("kube", "credentials"), {"TELEPORT_HOME": "/x"})
    assert plugin.install_hint == "get it from the intranet"
    assert plugin.cluster is not None
    assert plugin.cluster["config"] == {"clusterName": "shop"}
    assert found.identity.plugin == ("tsh", "kube", "credentials")
    unasked = access({"execProviderConfig": {**given, "provideClusterInfo": False}}, consented=("tsh",)).exec
    assert unasked is not None
    assert unasked.cluster is None


@pytest.mark.parametrize(
    ("config", "fields", "why"),
    [
        ('{"bearerToken": "hunter2"', {}, "config is not JSON"),
        ("[" * 100_000, {}, "config is not JSON"),
        ("[1]", {}, "config: must be a map, not a list"),
        ({"bearerToken": 3}, {}, "config: bearerToken must be text, not a number"),
        ({"bearerToken": "hunter2\n"}, {}, "token has a line break"),
        ({"bearerToken": TOKEN, "username": "ann"}, {}, "has both a token and a user name"),
        ({"tlsClientConfig": {"certData": B64}}, {}, "has a client-certificate but no client-key"),
        ({"tlsClientConfig": {"caData": B64, "insecure": True}}, {}, "has both a certificate authority and insecure"),
        ({"tlsClientConfig": {"caData": "hunter2!"}}, {}, "certificate-authority-data is not base64"),
        ({"tlsClientConfig": "hunter2"}, {}, "tlsClientConfig: must be a map, not text"),
        ({"proxyUrl": "ftp://proxy"}, {}, "proxy-url"),
        (None, {"server": "edge.example:abc"}, "server is no URL"),
        (None, {"server": "https://user:hunter2@edge.example"}, "must not carry a user name or a password"),
        (None, {"server": ""}, "has no server"),
        ({"execProviderConfig": {"command": "sh", "args": ["-c", "id"], "apiVersion": EXEC}},
         {}, "running `sh -c id`, which a hub may not have run here"),
        ({"execProviderConfig": {"command": "/bin/aws", "apiVersion": EXEC}}, {}, "is a path"),
        ({"execProviderConfig": {"command": "aws", "apiVersion": "v2"}}, {}, "apiVersion v2 is not supported"),
        ({"execProviderConfig": {}}, {}, "command is missing"),
        ({"awsAuthConfig": {"clusterName": "shop"}}, {}, "its login is not for edge.example"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_one_sentence_that_names_the_secret(
    config: Any, fields: dict[str, str], why: str
) -> None:
    found = read(config, fields)
    assert why in found.problem
    assert "Secret argocd/cluster-edge" in found.problem
    assert "hunter2" not in found.problem
    assert found.name == "edge"
    assert found.access is None


async def test_it_is_that_cluster_s_state_and_costs_nobody_anything() -> None:
    registrar = ClusterSecrets(protects=lambda name: name == "edge")
    cluster = registrar.connect(registrar.read(secret("{")), ClusterName("edge"))
    assert (cluster.status.state, cluster.status.protected) == (ClusterState.UNREACHABLE, True)
    assert (
        cluster.status.message == "Secret argocd/cluster-edge: config is not JSON (argocd cluster add writes it anew)"
    )
    with pytest.raises(UnreachableError, match="config is not JSON"):
        await cluster.discover()
    await cluster.close()


@pytest.mark.parametrize("data", [{"server": "%%%"}, {"server": "/w=="}, {"server": 3}, "text", None])
def test_a_secret_that_is_none_is_told_too(data: Any) -> None:
    found = ClusterSecrets().read(stored(manifest("Secret", "odd", namespace="argocd", data=data)))
    assert found.problem
    assert "odd" in found.source
    assert found.identity != ClusterSecrets().read(stored(manifest("Secret", "odd2", namespace="argocd"))).identity


def test_no_secret_is_in_what_may_be_logged() -> None:
    tls = {"certData": B64, "keyData": B64}
    given = {"username": "", "bearerToken": TOKEN, "tlsClientConfig": tls, "proxyUrl": f"http://u:{TOKEN}@proxy:1"}
    found = read(given)
    assert found.problem == ""
    assert TOKEN not in repr(found)
    assert repr(PEM) not in repr(found)


def test_a_rotated_token_is_another_access_and_the_same_server() -> None:
    before, after, again = read({"bearerToken": "a"}), read({"bearerToken": "b"}), read({"bearerToken": "a"})
    assert before != after
    assert before == again
    assert before.identity == after.identity


def test_nothing_of_this_machine_is_read(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("private")
    config = {"tlsClientConfig": {"caFile": str(key), "certFile": str(key), "keyFile": str(key)}, "tokenFile": str(key)}
    found = access(config)
    assert (found.ca, found.client_cert, found.client_key, found.token_file) == (None, None, None, None)
