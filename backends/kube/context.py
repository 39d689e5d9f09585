"""What one context of a kubeconfig says, checked and ready to connect with.

Owns: `ContextConfig` and how it is made from the three maps (context, cluster, user) of a kubeconfig.
Called by `backends.kube.kubeconfig`; read by everything else in this package. No network, no TLS, no process.
Rules of precedence are those of client-go 0.37 (tools/clientcmd/client_config.go, rest/transport.go).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleetui.model.errors import UsageError
from fleetui.model.text import one_line

Pem = Path | bytes | None
"""PEM text as a file (read anew for each connection, so that a rotated one is picked up) or as data."""

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The identity that requests ask to act as (``as``, ``as-uid``, ``as-groups``, ``as-user-extra``)."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A credential plugin (``users[].user.exec``).

    `cluster` is what a plugin is told about its cluster where it asks for it (``provideClusterInfo``), else None.
    """

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """How one API server is reached, and as whom. Secrets are left out of its repr."""

    name: str
    server: str
    """With scheme, without a trailing slash; may have a path (a proxy such as Rancher's)."""
    namespace: str = "default"
    cluster: str = ""
    user: str = ""
    source: Path | None = None
    """The kubeconfig that defines the user; None where there is none."""
    ca: Pem = None
    """None: the system's certificate authorities."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    """Empty: what ``HTTPS_PROXY`` and ``NO_PROXY`` say."""
    compression: bool = True
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    client_cert: Pem = field(default=None, repr=False)
    client_key: Pem = field(default=None, repr=False)
    exec: ExecPlugin | None = None
    auth_provider: Mapping[str, Any] | None = field(default=None, repr=False)
    impersonate: Impersonation | None = None


class Fields:
    """One map of a kubeconfig, read field by field.

    A value of the wrong type is a `UsageError` that names file, entry and field, never the value: it may be a secret.
    It is raised when the map is read, so that one bad entry costs the others nothing.
    """

    def __init__(self, given: Any, *, file: Path, what: str = "") -> None:
        self.file = file
        self.what = one_line(what)
        self._given = given

    @property
    def values(self) -> Mapping[Any, Any]:
        if self._given is None:
            return {}
        if not isinstance(self._given, Mapping):
            raise self.refused(f"must be a map, not {type_name(self._given)}")
        return self._given

    def wrong(self, key: str, problem: str, hint: str = "") -> UsageError:
        return self.refused(f"{one_line(key)} {problem}", hint)

    def refused(self, problem: str, hint: str = "") -> UsageError:
        where = f"{shown(self.file)}: {self.what}" if self.what else shown(self.file)
        return UsageError(f"{where}: {problem}", hint)

    def _below(self, key: str) -> str:
        return f"{self.what}: {key}" if self.what else key

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, f"must be text, not {type_name(value)}", "put it in quotes")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong(key, f"must be true or false, not {type_name(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "must be a list of texts")
        return tuple(value)

    def inner(self, key: str) -> Fields | None:
        value = self.values.get(key)
        return None if value is None else Fields(value, file=self.file, what=self._below(key))

    def entries(self, key: str) -> list[Fields]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, f"must be a list, not {type_name(value)}")
        return [Fields(item, file=self.file, what=self._below(f"{key}[{at}]")) for at, item in enumerate(value)]

    def path(self, key: str) -> Path | None:
        """A file, relative to the folder of the kubeconfig that names it; it must be readable now."""
        text = self.text(key)
        if not text:
            return None
        path = self.file.parent / text
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise self.wrong(key, f"{shown(path)} can't be read: {error.strerror}") from error
        return path

    def pem(self, key: str) -> Pem:
        """``KEY-data`` where it is given, else the file that ``KEY`` names (clientcmd: data takes precedence)."""
        data = self.text(f"{key}-data")
        if not data:
            return self.path(key)
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong(f"{key}-data", "is not base64") from error


def type_name(value: object) -> str:
    """What a YAML value is, in words."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a map"}
    return names.get(type(value), "empty" if value is None else f"a {type(value).__name__}")


def shown(path: Path) -> str:
    """A path as an operator would type it, with ``~`` for the home folder."""
    try:
        return one_line(f"~/{path.relative_to(Path.home())}")
    except (ValueError, RuntimeError):
        return one_line(str(path))


def build(name: str, context: Fields, cluster: Fields, user: Fields) -> ContextConfig:
    """The context `name`, from its own map and those of the cluster and the user that it names.

    Raises:
        UsageError: a value has the wrong shape, a file can't be read, or something asked for is not supported.
    """
    config = ContextConfig(
        name=name,
        server=_server(cluster, user),
        namespace=context.text("namespace") or "default",
        cluster=context.text("cluster"),
        user=context.text("user"),
        source=user.file,
        ca=cluster.pem("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=_proxy_url(cluster),
        compression=not cluster.flag("disable-compression"),
        token=user.text("token"),
        token_file=user.path("tokenFile"),
        username=user.text("username"),
        password=user.text("password"),
        client_cert=user.pem("client-certificate"),
        client_key=user.pem("client-key"),
        exec=_exec_plugin(cluster, user),
        auth_provider=_auth_provider(user),
        impersonate=_impersonation(user),
    )
    _check(config, cluster, user)
    return config


def _check(config: ContextConfig, cluster: Fields, user: Fields) -> None:
    if config.insecure and config.ca is not None:
        raise cluster.refused("has both a certificate authority and insecure-skip-tls-verify", "take one of them out")
    if (config.client_cert is None) != (config.client_key is None):
        given, absent = ("certificate", "key") if config.client_key is None else ("key", "certificate")
        raise user.refused(f"has a client-{given} but no client-{absent}")
    if (config.token or config.token_file) and config.username:
        raise user.refused("has both a token and a user name with password", "take one of them out")
    if config.exec and config.auth_provider:
        raise user.refused("has both exec and auth-provider", "take one of them out")
    for key, value in (("token", config.token), ("username", config.username), ("password", config.password)):
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise user.wrong(key, "has a line break or another control character in it")


def _server(cluster: Fields, user: Fields) -> str:
    text = cluster.text("server").strip().rstrip("/")
    if not text:
        raise cluster.refused("has no server")
    if "://" not in text:
        # client-go's DefaultServerURL: https only where something asks for TLS.
        keys = ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify")
        client = ("client-certificate", "client-certificate-data")
        tls = any(cluster.values.get(key) for key in keys) or any(user.values.get(key) for key in client)
        text = f"{'https' if tls else 'http'}://{text}"
    try:
        url = urlsplit(text)
        fine = url.scheme in {"http", "https"} and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        fine = False
    if not fine or any(char.isspace() for char in text):
        raise cluster.wrong("server", "is no URL such as https://10.0.0.1:6443")
    if url.username is not None:
        raise cluster.wrong("server", "must not carry a user name or a password")
    if url.query or url.fragment:
        raise cluster.wrong("server", "must not have a query or a fragment")
    return text


def _proxy_url(cluster: Fields) -> str:
    text = cluster.text("proxy-url").strip()
    if not text:
        return ""
    try:
        url = urlsplit(text)
        fine = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        fine = False
    if fine and url.scheme in {"http", "https"}:
        return text
    if fine and url.scheme.startswith("socks"):
        raise cluster.wrong("proxy-url", f"asks for a {url.scheme} proxy, which fleetui does not support yet")
    raise cluster.wrong("proxy-url", "is no URL such as http://proxy.example.com:3128")


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
    config = provider.inner("config")
    if config is None or not config.text("id-token"):
        raise provider.refused("has no id-token", "log in with kubectl or your identity provider's tool first")
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
    if plugin.text("interactiveMode") == "Always":
        raise plugin.refused("the plugin needs a terminal (interactiveMode: Always), which fleetui can't lend it")
    if "/" in command:
        command = str(user.file.parent / command)
    env = {entry.text("name"): entry.text("value") for entry in plugin.entries("env")}
    return ExecPlugin(
        command=command,
        api_version=version,
        args=plugin.texts("args"),
        env=env,
        install_hint=one_line(plugin.text("installHint")),
        cluster=_cluster_info(cluster) if plugin.flag("provideClusterInfo") else None,
    )


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
    for extension in cluster.entries("extensions"):
        if extension.text("name") == _EXEC_EXTENSION:
            info["config"] = extension.values.get("extension")
    return info
