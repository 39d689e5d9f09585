"""What one context of a kubeconfig comes to: checked, and ready to connect with.

Owns: `build`. Called by `backends.kube.kubeconfig`. No network, no TLS, no process. What counts, what excludes what and
what is refused is as in client-go 0.37: tools/clientcmd/validation.go and client_config.go, transport/config.go and
rest/exec.go.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from backends.kube.context import ContextConfig, ExecPlugin, Fields, Impersonation, InteractiveMode
from backends.kube.proxy import is_host, proxy_problem
from fleetui.model.text import one_line

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_MODES: tuple[InteractiveMode, ...] = get_args(InteractiveMode)


def build(name: str, context: Fields, cluster: Fields, user: Fields) -> ContextConfig:
    """The context `name`, from its own map and those of the cluster and the user that it names.

    Raises:
        UsageError: a value has the wrong shape, a file can't be read, or something asked for is not supported.
    """
    config = ContextConfig(
        name=name,
        server=_server(cluster),
        namespace=context.text("namespace") or "default",
        cluster=context.text("cluster"),
        user=one_line(context.text("user")),
        source=user.file,
        ca=cluster.pem("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        tls_server_name=_tls_server_name(cluster),
        proxy_url=_proxy_url(cluster),
        compression=not cluster.flag("disable-compression"),
        token=user.text("token"),
        # client-go transport/round_trippers.go: the token stands in for a file that can't be read.
        token_file=user.path("tokenFile", needed=not user.text("token")),
        username=user.text("username"),
        password=user.text("password"),
        client_cert=user.pem("client-certificate"),
        client_key=user.pem("client-key"),
        exec=_exec_plugin(cluster, user),
        auth_provider=_auth_provider(user),
        impersonate=_impersonation(user),
    )
    _check(config, cluster, user)
    return config if _carries_logins(config.server) else _without_login(config)


def _check(config: ContextConfig, cluster: Fields, user: Fields) -> None:
    if config.insecure and config.ca is not None:
        raise cluster.refused("has both a certificate authority and insecure-skip-tls-verify", "take one of them out")
    if (config.client_cert is None) != (config.client_key is None):
        given, absent = ("certificate", "key") if config.client_key is None else ("key", "certificate")
        raise user.refused(f"has a client-{given} but no client-{absent}")
    if (config.token or config.token_file) and (config.username or config.password):
        raise user.refused("has both a token and a user name with password", "take one of them out")
    if config.password and not config.username:
        raise user.refused("has a password but no username")
    if config.exec and config.auth_provider:
        raise user.refused("has both exec and auth-provider", "take one of them out")
    for key, value in (("token", config.token), ("username", config.username), ("password", config.password)):
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise user.wrong(key, "has a line break or another control character in it")


def _carries_logins(server: str) -> bool:
    """Whether a login may be sent there: over TLS, as client-go has it (clientcmd/client_config.go, ClientConfig), or
    within this machine, where the embedded clusters are."""
    url = urlsplit(server)
    if url.scheme == "https" or url.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def _without_login(config: ContextConfig) -> ContextConfig:
    return replace(
        config,
        token="",
        token_file=None,
        username="",
        password="",
        client_cert=None,
        client_key=None,
        exec=None,
        auth_provider=None,
    )


def _server(cluster: Fields) -> str:
    text = cluster.text("server").strip().rstrip("/")
    if not text:
        raise cluster.refused("has no server")
    if "://" not in text:
        # kubectl asks for TLS before it has read what could ask for it (clientcmd/client_config.go, ClientConfig).
        text = f"http://{text}"
    try:
        url = urlsplit(text)
        fine = url.scheme in {"http", "https"} and is_host(url.hostname or "") and (url.port is None or url.port > 0)
    except ValueError:
        fine = False
    if not fine or any(char.isspace() for char in text):
        raise cluster.wrong("server", "is no URL such as https://10.0.0.1:6443")
    if url.username is not None:
        raise cluster.wrong("server", "must not carry a user name or a password")
    if url.query or url.fragment:
        raise cluster.wrong("server", "must not have a query or a fragment")
    return text


def _tls_server_name(cluster: Fields) -> str:
    text = cluster.text("tls-server-name")
    if text and not is_host(text):
        raise cluster.wrong("tls-server-name", "is no host name")
    return text


def _proxy_url(cluster: Fields) -> str:
    text = cluster.text("proxy-url").strip()
    if text and (problem := proxy_problem(text)):
        raise cluster.wrong("proxy-url", problem)
    return text


def _impersonation(user: Fields) -> Impersonation | None:
    extra = user.inner("as-user-extra")
    found = Impersonation(
        user=user.text("as"),
        uid=user.text("as-uid"),
        groups=user.texts("as-groups"),
        extra={str(key): extra.texts(key) for key in extra.values} if extra else {},
    )
    if found.user:
        return found
    if found.uid or found.groups or found.extra:
        raise user.refused("impersonates a group, a uid or extra fields but no user", "set as: too")
    return None


def _auth_provider(user: Fields) -> Mapping[str, Any] | None:
    provider = user.inner("auth-provider")
    if provider is None:
        return None
    name = provider.text("name")
    if name in {"gcp", "azure"}:
        plugin = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}[name]
        raise provider.refused(f"{name} was taken out of Kubernetes in 1.26", f"use the exec plugin {plugin}")
    if name != "oidc":
        raise provider.refused(f"{one_line(name) or 'a provider without a name'} is not supported; only oidc is")
    config = provider.inner("config") or Fields({}, file=provider.file, what=f"{provider.what}: config")
    if not (config.text("id-token") or config.text("refresh-token")):
        hint = "log in with kubectl or your identity provider's tool first"
        raise provider.refused("has neither an id-token nor a refresh-token", hint)
    for key in ("idp-issuer-url", "client-id"):
        if not config.text(key):
            raise config.wrong(key, "is missing")
    return provider.values


def _exec_plugin(cluster: Fields, user: Fields) -> ExecPlugin | None:
    plugin = user.inner("exec")
    if plugin is None:
        return None
    command, version = plugin.text("command"), plugin.text("apiVersion")
    if not command:
        raise plugin.wrong("command", "is missing")
    if version not in _EXEC_VERSIONS:
        hint = f"supported: {', '.join(_EXEC_VERSIONS)}"
        raise plugin.wrong("apiVersion", f"{one_line(version)} is not supported" if version else "is missing", hint)
    if "/" in command:
        command = str(user.file.parent / command)
    env = {entry.text("name"): entry.text("value") for entry in plugin.entries("env")}
    if "" in env:
        raise plugin.wrong("env", "has an entry without a name")
    return ExecPlugin(
        command=command,
        api_version=version,
        args=plugin.texts("args"),
        env=env,
        install_hint=one_line(plugin.text("installHint")),
        interactive_mode=_interactive_mode(plugin, version),
        cluster=_cluster_info(cluster) if plugin.flag("provideClusterInfo") else None,
    )


def _interactive_mode(plugin: Fields, version: str) -> InteractiveMode:
    """With v1beta1 it may be left out (client-go 0.37 tools/clientcmd/api/v1/defaults.go)."""
    text = plugin.text("interactiveMode")
    if not text and version.endswith("v1beta1"):
        return "IfAvailable"
    hint = f"one of {', '.join(_MODES)}"
    if not text:
        raise plugin.wrong("interactiveMode", "is missing", hint)
    for mode in _MODES:
        if text == mode:
            return mode
    raise plugin.wrong("interactiveMode", f"{one_line(text)} is not known", hint)


def _cluster_info(cluster: Fields) -> dict[str, Any]:
    """`spec.cluster` of an ExecCredential (client-go pkg/apis/clientauthentication/v1)."""
    ca = cluster.pem("certificate-authority")
    if isinstance(ca, Path):
        ca = ca.read_bytes()
    info: dict[str, Any] = {"server": cluster.text("server")}
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression"):
        if cluster.values.get(key):
            info[key] = cluster.values[key]
    if ca:
        info["certificate-authority-data"] = base64.b64encode(ca).decode()
    info["config"] = None
    for extension in cluster.entries("extensions"):
        if extension.text("name") == _EXEC_EXTENSION:
            info["config"] = extension.values.get("extension")
    return info
