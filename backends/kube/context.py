"""How one API server is reached and as whom, and how the fields of a kubeconfig are read.

Owns: `ContextConfig`, its parts, and `Fields`. Made by `backends.kube.entries`; read by everything else in this
package. No network, no TLS, no process.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

from fleetui.model.errors import UsageError
from fleetui.model.text import one_line

Pem = Path | bytes | None
"""PEM text as a file (read anew for each connection, so that a rotated one is picked up) or as data."""

InteractiveMode = Literal["Never", "IfAvailable", "Always"]
"""Whether a plugin asks in a terminal (client-go 0.37 tools/clientcmd/api/types.go)."""


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
    interactive_mode: InteractiveMode = "Never"
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """What it is called in a sentence."""
        return f"the plugin {one_line(PurePath(self.command).name)}"


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
    problem: str = ""
    """Why it can't be used, in a sentence; nothing else of it counts then."""


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

    def path(self, key: str, *, needed: bool = True) -> Path | None:
        """A file, relative to the folder of the kubeconfig that names it; where it is needed, it must be readable."""
        text = self.text(key)
        if not text:
            return None
        path = self.file.parent / text
        if not needed:
            return path
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise self.wrong(key, f"{shown(path)} can't be read: {error.strerror}") from error
        return path

    def pem(self, key: str) -> Pem:
        """``KEY-data``, or the file that ``KEY`` names; both are refused, as kubectl does."""
        data = self.text(f"{key}-data")
        if not data:
            return self.path(key)
        if self.text(key):
            raise self.refused(f"has both {key} and {key}-data", "take one of them out")
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
