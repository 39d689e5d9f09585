"""Kubeconfig: what is found and merged, and the one sentence for each thing that can be wrong with it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.kube.context import ContextConfig, Impersonation
from backends.kube.kubeconfig import load
from fleetui.model.errors import ExitCode, UsageError


def entry(section: str, name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, section: values}


def document(
    *, server: Any = "https://10.0.0.1:6443", cluster: Any = None, user: Any = None, context: Any = None, **rest: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [entry("cluster", "c", server=server, **(cluster or {}))],
        "users": [entry("user", "u", **(user or {}))],
        "contexts": [entry("context", "prod", **({"cluster": "c", "user": "u"} | (context or {})))],
        **rest,
    }


def written(folder: Path, content: object, name: str = "config") -> Path:
    path = folder / name
    text = content if isinstance(content, bytes | str) else yaml.safe_dump(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def of(folder: Path, **parts: Any) -> ContextConfig:
    return load([written(folder, document(**parts))]).context()


def complaint(folder: Path, **parts: Any) -> str:
    with pytest.raises(UsageError) as caught:
        of(folder, **parts)
    return str(caught.value).replace(str(folder), "")


# --- found and merged ---------------------------------------------------------------------------------------------


def test_no_file_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(env={"HOME": str(tmp_path)})
    assert str(caught.value) == (
        f"no kubeconfig: $KUBECONFIG is not set, and {tmp_path}/.kube/config does not exist "
        "(`fleetui demo` shows a fleet without any cluster)"
    )
    assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(UsageError, match=r"\$KUBECONFIG names .*/a, .*/b, none of which exists .*fleetui demo"):
        load(env={"KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b"})
    with pytest.raises(UsageError, match=r"no kubeconfig: .*/a does not exist .*fleetui demo"):
        load([tmp_path / "a"])
    with pytest.raises(UsageError, match=r"can't be read: Is a directory"):
        load([tmp_path])


def test_the_default_file_is_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    written(tmp_path / ".kube", document())
    assert load(env={"HOME": str(tmp_path)}).contexts == ("prod",)


def test_of_several_files_the_first_wins_each_name_and_absent_ones_are_passed_over(tmp_path: Path) -> None:
    first = {"contexts": [entry("context", "prod", cluster="c", user="u", namespace="first")], "current-context": ""}
    second = document(server="https://second", user={"token": "second"})
    second["contexts"].append(entry("context", "other", cluster="c"))
    paths = [written(tmp_path, first, "1"), tmp_path / "absent", written(tmp_path, second, "2")]
    config = load(env={"KUBECONFIG": ":".join(map(str, paths))})
    assert config.contexts == ("prod", "other")
    assert config.current == "prod"
    prod = config.context()
    assert (prod.namespace, prod.server, prod.token) == ("first", "https://second", "second")
    assert config.context("other").user == ""


def test_a_relative_path_is_relative_to_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "token").write_text("x")
    (tmp_path / "ca.crt").write_text("x")
    users = {"users": [entry("user", "u", tokenFile="token")]}
    clusters = document(cluster={"certificate-authority": "ca.crt"})
    del clusters["users"]
    config = load([written(tmp_path / "deep", users), written(tmp_path, clusters)]).context()
    assert config.token_file == tmp_path / "deep" / "token"
    assert config.ca == tmp_path / "ca.crt"


def test_an_empty_current_context_lists_what_there_is(tmp_path: Path) -> None:
    config = load([written(tmp_path, document() | {"current-context": ""})])
    assert config.current == ""
    with pytest.raises(UsageError, match=r"current-context is empty .* --context; there are: prod\)"):
        config.context()


def test_an_unknown_context_names_the_nearest_or_lists_some(tmp_path: Path) -> None:
    names = [f"prod-{region}" for region in ("eu", "us", "ap")] + [f"t{n}" for n in range(20)]
    content = document() | {"contexts": [entry("context", name, cluster="c") for name in names]}
    config = load([written(tmp_path, content)])
    with pytest.raises(UsageError, match=r"the context prod-ue does not exist in .*did you mean prod-us or prod-eu"):
        config.context("prod-ue")
    with pytest.raises(UsageError, match=r"does not exist .*there are: prod-eu, .*, t4 and 15 more"):
        config.context("zzz")
    with pytest.raises(UsageError, match=r"the current-context prod does not exist"):
        config.context()


# --- not a kubeconfig ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: no cluster, no context"),
        (b"# nothing\n---\n", "is empty: no cluster, no context"),
        (b"clusters: []\nusers:\n", "is empty: no cluster, no context"),
        (b"clusters: [{name: a, cluster: {}}]", "has no contexts"),
        (b"hello", "config:1: not a kubeconfig: it is text, not a map"),
        (b"- a\n", "config:1: not a kubeconfig: it is a list, not a map"),
        (b"a: 1\nb: [c\n", "config:3: not YAML: did not find expected ',' or ']'"),
        (b"a:\n\tb: c\n", "config:2: not YAML: found character that cannot start any token"),
        (b"a: b\nc: \xff\n", "config:2: not YAML: a character that YAML does not allow"),
        (b"a: b\n---\nc: d\n", "config:2: not YAML: but found another document"),
        (b"a: 2024-13-45\n", "config:1: not YAML: month must be in 1..12"),
        (b"#\n" + b"[" * 60_000, "config:2: not YAML: nested too deeply"),
        (b"contexts: {a: b}", "config: contexts must be a list, not a map"),
        (b"contexts: [a]", "config: contexts[0]: must be a map, not text"),
        (b"contexts: [{context: {}}]", "config: contexts[0]: name is missing"),
        (b"users: [{name: 12}]", "config: users[0]: name must be text, not a number (put it in quotes)"),
        (b"contexts: [{name: a},{name: a}]", "config: contexts has two entries named a"),
        (b"current-context: [a]\ncontexts: [{name: a}]", "config: current-context must be text, not a list"),
    ],
)
def test_what_is_no_kubeconfig_is_told_with_file_and_line(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load([written(tmp_path, content)])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_with_control_characters_are_harmless_and_still_found(tmp_path: Path) -> None:
    content = (
        rb'{current-context: "a\e[31m\u202e",'
        rb'contexts: [{name: "a\e[31m\u202e", context: {cluster: "c\a", user: "u\e"}}],'
        rb'clusters: [{name: "c\a", cluster: {server: "https://h"}}], users: [{name: "u\e", user: {token: t}}]}'
    )
    kubeconfig = load([written(tmp_path, content)])
    shown, raw = "a\ufffd[31m\ufffd", "a\x1b[31m\u202e"
    assert (kubeconfig.contexts, kubeconfig.current) == ((shown,), shown)
    found = [kubeconfig.context(name) for name in ("", raw, shown)]
    assert [(context.name, context.user, context.token) for context in found] == [(shown, "u\ufffd", "t")] * 3


# --- one context --------------------------------------------------------------------------------------------------

EXEC = {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
OIDC = {"idp-issuer-url": "https://idp", "client-id": "kubernetes", "id-token": "a.b.c"}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"context": {"cluster": "x"}}, "context prod: cluster x does not exist; there are: c"),
        ({"context": {"user": "x"}}, "context prod: user x does not exist; there are: u"),
        ({"context": {"cluster": ""}}, "context prod: names no cluster"),
        ({"server": ""}, "cluster c: has no server"),
        ({"server": 6443}, "cluster c: server must be text, not a number (put it in quotes)"),
        ({"server": "https://a b"}, "cluster c: server is no URL such as https://10.0.0.1:6443"),
        ({"server": "https://h:port"}, "cluster c: server is no URL such as https://10.0.0.1:6443"),
        ({"server": "https://a..b"}, "cluster c: server is no URL such as https://10.0.0.1:6443"),
        ({"cluster": {"tls-server-name": "x" * 64}}, "cluster c: tls-server-name is no host name"),
        ({"cluster": {"proxy-url": "http://a..b"}}, "cluster c: proxy-url is no URL such as http://proxy.example.com"),
        ({"server": "ftp://host"}, "cluster c: server is no URL such as https://10.0.0.1:6443"),
        ({"server": "https://me:secret@host"}, "cluster c: server must not carry a user name or a password"),
        ({"cluster": {"certificate-authority": "no.crt"}}, "certificate-authority /no.crt can't be read: No such file"),
        ({"cluster": {"certificate-authority-data": "?"}}, "cluster c: certificate-authority-data is not base64"),
        ({"cluster": {"insecure-skip-tls-verify": "yes"}}, "must be true or false, not text"),
        (
            {"cluster": {"insecure-skip-tls-verify": True, "certificate-authority-data": "YQ=="}},
            "cluster c: has both a certificate authority and insecure-skip-tls-verify",
        ),
        (
            {"cluster": {"proxy-url": "socks4://p:1080"}},
            "asks for a proxy of the kind socks4; supported are http, https, socks5, socks5h",
        ),
        ({"cluster": {"proxy-url": "p"}}, "cluster c: proxy-url is no URL such as http://proxy.example.com:3128"),
        ({"user": {"tokenFile": "gone"}}, "user u: tokenFile /gone can't be read: No such file or directory"),
        ({"user": {"client-certificate-data": "YQ=="}}, "user u: has a client-certificate but no client-key"),
        ({"user": {"client-key-data": "YQ=="}}, "user u: has a client-key but no client-certificate"),
        ({"user": {"token": "a", "username": "b"}}, "user u: has both a token and a user name with password"),
        ({"user": {"as-groups": ["admins"]}}, "user u: impersonates a group, a uid or extra fields but no user"),
        ({"user": {"as-groups": "admins"}}, "user u: as-groups must be a list of texts"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "gcp was taken out of Kubernetes in 1.26 (use the exec plugin"),
        ({"user": {"auth-provider": {"name": "x"}}}, "user u: auth-provider: x is not supported; only oidc is"),
        ({"user": {"auth-provider": {"name": "azure"}}}, "azure was taken out of Kubernetes in 1.26 (use the exec"),
        ({"user": {"auth-provider": {"name": "oidc"}}}, "auth-provider: has neither an id-token nor a refresh-token"),
        (
            {"user": {"auth-provider": {"name": "oidc", "config": OIDC | {"client-id": ""}}}},
            "user u: auth-provider: config: client-id is missing",
        ),
        ({"user": {"exec": []}}, "user u: exec: must be a map, not a list"),
        ({"user": {"exec": EXEC | {"command": ""}}}, "user u: exec: command is missing"),
        (
            {"user": {"exec": EXEC | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}}},
            "v1alpha1 is not supported",
        ),
        (
            {"user": {"exec": EXEC | {"interactiveMode": ""}}},
            "user u: exec: interactiveMode is missing (one of Never, IfAvailable, Always)",
        ),
        ({"user": {"exec": EXEC | {"interactiveMode": "Ask"}}}, "user u: exec: interactiveMode Ask is not known (one"),
        ({"user": {"exec": EXEC | {"env": [{"value": "1"}]}}}, "user u: exec: env has an entry without a name"),
        (
            {"user": {"exec": EXEC, "auth-provider": {"name": "oidc", "config": OIDC}}},
            "user u: has both exec and auth-provider",
        ),
        ({"user": {"token": "a", "password": "b"}}, "user u: has both a token and a user name with password"),
        ({"user": {"password": "b"}}, "user u: has a password but no username"),
        (
            {"user": {"client-certificate": "config", "client-certificate-data": "YQ=="}},
            "user u: has both client-certificate and client-certificate-data",
        ),
        (
            {"cluster": {"certificate-authority": "config", "certificate-authority-data": "YQ=="}},
            "cluster c: has both certificate-authority and certificate-authority-data",
        ),
        ({"user": {"exec": EXEC | {"env": [{"name": 1}]}}}, "user u: exec: env[0]: name must be text"),
    ],
)
def test_what_is_wrong_with_a_context_is_one_sentence(tmp_path: Path, parts: dict[str, Any], sentence: str) -> None:
    assert sentence in complaint(tmp_path, **parts)


def test_no_secret_is_in_a_sentence_or_a_repr(tmp_path: Path) -> None:
    assert "s3cret" not in complaint(tmp_path, user={"token": ["s3cret"]})
    assert "s3cret" not in complaint(tmp_path, user={"token": "s3cret\n"})
    data = base64.b64encode(b"s3cret").decode()
    user = {"token": "s3cret", "client-certificate-data": data, "client-key-data": data}
    config = of(tmp_path, user=user, cluster={"proxy-url": "http://me:s3cret@proxy"})
    assert config.client_key == b"s3cret"
    assert "s3cret" not in repr(config)


def test_a_broken_entry_costs_the_other_contexts_nothing(tmp_path: Path) -> None:
    content = document()
    content["users"].append({"name": "broken", "user": ["a list"]})
    content["contexts"].append(entry("context", "bad", cluster="c", user="broken"))
    config = load([written(tmp_path, content)])
    assert config.context("prod").server == "https://10.0.0.1:6443"
    with pytest.raises(UsageError, match=r"user broken: must be a map, not a list"):
        config.context("bad")


@pytest.mark.parametrize(
    ("server", "cluster", "expected"),
    [
        ("https://10.0.0.1:6443/", {}, "https://10.0.0.1:6443"),
        ("https://rancher.example/k8s/clusters/c-1/", {}, "https://rancher.example/k8s/clusters/c-1"),
        ("localhost:8080", {}, "http://localhost:8080"),
        ("10.0.0.1:6443", {"certificate-authority-data": "YQ=="}, "http://10.0.0.1:6443"),
        ("https://[::1]:6443", {}, "https://[::1]:6443"),
    ],
)
def test_a_server_address_becomes_what_client_go_makes_of_it(
    tmp_path: Path, server: str, cluster: dict[str, str], expected: str
) -> None:
    assert of(tmp_path, server=server, cluster=cluster).server == expected


def test_impersonation_and_exec_are_read_whole(tmp_path: Path) -> None:
    user: dict[str, Any] = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"team": ["x"]}}
    user["exec"] = EXEC | {"command": "./bin/login", "args": ["-r"], "provideClusterInfo": True, "env": None}
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "it"}}
    (tmp_path / "ca.crt").write_bytes(b"pem")
    config = of(tmp_path, user=user, cluster={"certificate-authority": "ca.crt", "extensions": [extension]})
    assert config.impersonate == Impersonation("jane", "7", ("a", "b"), {"team": ("x",)})
    assert config.exec is not None
    assert config.exec.command == str(tmp_path / "bin" / "login")
    assert config.exec.cluster == {
        "server": "https://10.0.0.1:6443",
        "certificate-authority-data": base64.b64encode(b"pem").decode(),
        "config": {"audience": "it"},
    }


@pytest.mark.parametrize(
    ("version", "given", "mode"),
    [
        ("v1beta1", None, "IfAvailable"),
        ("v1beta1", "Never", "Never"),
        ("v1", "IfAvailable", "IfAvailable"),
        ("v1", "Always", "Always"),
    ],
)
def test_whether_a_plugin_asks_in_a_terminal(tmp_path: Path, version: str, given: str | None, mode: str) -> None:
    plugin = {"command": "login", "apiVersion": f"client.authentication.k8s.io/{version}", "interactiveMode": given}
    config = of(tmp_path, user={"exec": plugin})
    assert config.exec is not None
    assert config.exec.interactive_mode == mode


@pytest.mark.parametrize(
    ("server", "carried"),
    [
        ("https://10.0.0.1", True),
        ("http://10.0.0.1", False),
        ("10.0.0.1:8080", False),
        ("http://api.example.com", False),
        ("http://127.0.0.1:8001", True),
        ("http://[::1]:8001", True),
        ("http://localhost:8001", True),
    ],
)
def test_a_login_is_never_sent_in_clear_to_another_machine(tmp_path: Path, server: str, carried: bool) -> None:
    (tmp_path / "token").write_text("x")
    assert bool(of(tmp_path, server=server, user={"token": "t"}).token) is carried
    assert bool(of(tmp_path, server=server, user={"tokenFile": "token"}).token_file) is carried
    assert bool(of(tmp_path, server=server, user={"username": "u", "password": "p"}).password) is carried
    assert bool(of(tmp_path, server=server, user={"exec": EXEC}).exec) is carried
    provider = {"auth-provider": {"name": "oidc", "config": OIDC}}
    assert bool(of(tmp_path, server=server, user=provider).auth_provider) is carried


def test_a_token_stands_in_for_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    config = of(tmp_path, user={"token": "t", "tokenFile": "gone"})
    assert (config.token, config.token_file) == ("t", tmp_path / "gone")


def test_a_context_that_can_t_be_used_says_why_and_is_no_error(tmp_path: Path) -> None:
    content = document(user={"exec": []})
    config = load([written(tmp_path, content)]).context_or_problem("prod")
    assert config.name == "prod"
    assert config.problem.endswith("config: user u: exec: must be a map, not a list")
    assert load([written(tmp_path, document())]).context_or_problem("prod").problem == ""
