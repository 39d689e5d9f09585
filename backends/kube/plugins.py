"""Logins that another program or an identity provider gives: ``exec`` and ``auth-provider``.

Owns: `plugin_login`. Imported by `backends.kube.credentials` in a worker thread, for contexts that have one: this is
the only module that imports the kubernetes package. Its loader reads the settings; what it does that would harm a
console is replaced here (kubernetes 37.0.2, aio/config): the terminal as a plugin's stdin, failures that are only
logged and end in an anonymous request, no time limit, OIDC refresh without checking the provider's certificate and
without saving the new refresh token, which logs the user out of kubectl.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import ConfigNode, KubeConfigLoader

from backends.kube.context import ContextConfig, ExecPlugin
from backends.kube.kubeconfig import saved_auth_provider
from fleetui.model.errors import UnauthorizedError
from fleetui.model.text import one_line
from fleetui.model.times import parse_time

_TIMEOUT = 60.0
"""Seconds that a plugin may take."""
_EARLY = 30.0
"""Seconds before its end that a login is renewed."""


@dataclass(frozen=True, slots=True)
class PluginLogin:
    """`expires` is in seconds since the epoch, or None."""

    authorization: str = field(default="", repr=False)
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    expires: float | None = None


async def plugin_login(config: ContextConfig) -> PluginLogin:
    """Runs the context's plugin, or reads its auth provider's token.

    Raises:
        UnauthorizedError: no login could be had; never returns an empty one.
    """
    provider = await asyncio.to_thread(saved_auth_provider, config) if config.auth_provider else None
    try:
        loader = _Loader(config, provider)
        await loader.load_and_set(SimpleNamespace(api_key={}))  # type: ignore[no-untyped-call]
    except (ConfigException, ValueError, TypeError, KeyError, AttributeError) as error:
        what = one_line(str(error))[:500] or type(error).__name__
        raise UnauthorizedError(f"no login for {config.user or config.name}: {what}", cluster=config.name) from error
    return loader.found


class _Loader(KubeConfigLoader):
    """The package's loader for one context, with our way to run a plugin."""

    def __init__(self, config: ContextConfig, auth_provider: Mapping[str, Any] | None) -> None:
        user: dict[str, Any] = {}
        if config.exec is not None:
            user["exec"] = _as_kubeconfig(config.exec)
        if auth_provider is not None:
            user["auth-provider"] = dict(auth_provider)
        super().__init__(  # type: ignore[no-untyped-call]
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": {"server": config.server}}],
                "users": [{"name": "it", "user": user}],
            }
        )
        self._fleet_config = config
        self.found = PluginLogin()

    async def load_from_exec_plugin(self) -> bool:
        plugin = self._fleet_config.exec
        assert plugin is not None
        status = await _Plugin(plugin).run()
        self.found = _login_of(status)
        return True

    async def _load_oid_token(self) -> None:
        await super()._load_oid_token()  # type: ignore[no-untyped-call]
        self.found = PluginLogin(authorization=self.token)

    async def _refresh_oidc(self, provider: object) -> None:
        context = self._fleet_config.name
        raise ConfigException(
            f"its OIDC token has expired; renew it by any command of kubectl (kubectl --context {context} version)"
        )


class _Plugin(ExecProvider):
    """The package's plugin runner, without the terminal, with a time limit, and told of the cluster."""

    def __init__(self, plugin: ExecPlugin) -> None:
        super().__init__(ConfigNode("exec", _as_kubeconfig(plugin)))  # type: ignore[no-untyped-call]
        self._plugin = plugin

    async def run(self, previous_response: object = None) -> Mapping[str, Any]:
        spec: dict[str, Any] = {"interactive": False}
        if self._plugin.cluster is not None:
            spec["cluster"] = dict(self._plugin.cluster)
        info = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec}
        output = await self._output(self.env | {"KUBERNETES_EXEC_INFO": json.dumps(info)})
        try:
            credential = json.loads(output)
            version, status = credential["apiVersion"], credential["status"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigException(f"{self._name} did not print an ExecCredential with a status") from error
        if version != self.api_version or not isinstance(status, dict):
            raise ConfigException(f"{self._name} answered in {version}, not in {self.api_version}")
        return status

    @property
    def _name(self) -> str:
        return f"the plugin {os.path.basename(self._plugin.command)}"  # noqa: PTH119

    async def _output(self, env: Mapping[str, str]) -> bytes:
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*self.args, env=env, stdin=null, stdout=pipe, stderr=pipe)
        except OSError as error:
            hint = f"; {self._plugin.install_hint}" if self._plugin.install_hint else ""
            raise ConfigException(f"{self._name} can't be run: {error.strerror}{hint}") from error
        try:
            output, complaint = await asyncio.wait_for(process.communicate(), _TIMEOUT)
        except TimeoutError as error:
            raise ConfigException(f"{self._name} did not end within {_TIMEOUT:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = complaint.decode(errors="replace").strip()
            raise ConfigException(f"{self._name} failed ({process.returncode}): {words or 'it said nothing'}")
        return output


def _login_of(status: Mapping[str, Any]) -> PluginLogin:
    token, cert, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if bool(cert) != bool(key):
        raise ConfigException("the plugin gave a client certificate without its key, or a key alone")
    if not token and not cert:
        raise ConfigException("the plugin gave neither a token nor a client certificate")
    if token and not (isinstance(token, str) and token.strip().isprintable()):
        raise ConfigException("the plugin's token has a control character in it")
    ends = parse_time(status.get("expirationTimestamp"))
    return PluginLogin(
        authorization=f"Bearer {token.strip()}" if token else "",
        cert=cert.encode() if cert else None,
        key=key.encode() if key else None,
        expires=None if ends is None else ends - _EARLY,
    )


def _as_kubeconfig(plugin: ExecPlugin) -> dict[str, Any]:
    return {
        "apiVersion": plugin.api_version,
        "command": plugin.command,
        "args": list(plugin.args),
        "env": [{"name": name, "value": value} for name, value in plugin.env.items()],
    }
