"""The clusters that a hub's Secrets register, as Argo CD has them.

Owns: `ClusterSecrets`, the `fleetui.hubports.Registrar` of Argo CD (v3.6: util/settings/cluster_informer.go,
`secretToCluster`; pkg/apis/application/v1alpha1/types.go, `rawRestConfig`). Made by the command line. Reading is pure;
nothing of a Secret is ever logged or shown but its name, its server and a command line that is refused.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec

from backends.hub_access import connect
from backends.kube.context import ContextConfig, Fields
from backends.kube.entries import build
from backends.kube.identity import identity_of
from backends.kube.throttle import RATE
from fleetui.hubports import Registration
from fleetui.model.errors import UsageError
from fleetui.model.objects import ApiResource, ClusterName, StoredObject
from fleetui.model.secrets import secret_texts
from fleetui.model.servers import ServerIdentity
from fleetui.model.text import one_line, visible
from fleetui.ports import Cluster

IN_CLUSTER = "https://kubernetes.default.svc"
_EXEC_V1BETA1 = "client.authentication.k8s.io/v1beta1"
_AWS_HINT = "install argocd-k8s-auth or the AWS command line, aws"


class ClusterSecrets:
    """Reads cluster Secrets, and connects to what they say.

    Args:
        namespaces: the namespaces of Argo CD's control plane.
        consented: programs that a Secret may have run here (`hub_exec_plugins`).
        protects: which clusters want their name typed before a change.
        qps: background requests a second to each of the clusters (`backends.kube.cluster.KubeCluster`).
        installed: whether a program is in the PATH.
    """

    resource = ApiResource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)
    labels = "argocd.argoproj.io/secret-type=cluster"

    def __init__(
        self,
        namespaces: tuple[str, ...] = ("argocd",),
        *,
        consented: Collection[str] = (),
        protects: Callable[[str], bool] = lambda _: False,
        qps: float = RATE,
        installed: Callable[[str], bool] = lambda command: shutil.which(command) is not None,
    ) -> None:
        self.namespaces = namespaces
        self._consented = consented
        self._protects = protects
        self._qps = qps
        self._installed = installed

    def read(self, obj: StoredObject) -> Registration:
        """What one Secret registers; where that can't be used, `problem` says why."""
        source = one_line(f"Secret {obj.ref.namespace}/{obj.ref.name}")
        try:
            data = _data(obj)
        except (ValueError, msgspec.DecodeError):
            return Registration(source=source, name="", server="", identity=_nowhere(source), problem="is unreadable")
        server = visible(data.get("server", "")).rstrip("/")
        found = Registration(
            source=source,
            name=visible(data.get("name", "")),
            server=server,
            identity=ServerIdentity.of(server) if server else _nowhere(source),
            namespaces=tuple(filter(None, (one_line(part) for part in data.get("namespaces", "").split(",")))),
            project=visible(data.get("project", "")),
            cluster_resources=not data.get("namespaces", "").strip(" ,") or data.get("clusterResources") == "true",
            labels=dict(obj.meta.labels or {}),
            annotations=dict(obj.meta.annotations or {}),
        )
        if server == IN_CLUSTER:
            return found
        try:
            context = self._context(source, server, data.get("config", ""))
        except UsageError as error:
            return msgspec.structs.replace(found, problem=str(error))
        return msgspec.structs.replace(found, identity=identity_of(context), access=context)

    def connect(self, registration: Registration, name: ClusterName) -> Cluster:
        """See `fleetui.ports.Connector`."""
        return connect(registration, name, protected=self._protects(name), qps=self._qps)

    def _context(self, source: str, server: str, text: str) -> ContextConfig:
        config = _config(source, text)
        tls = config.inner("tlsClientConfig") or Fields({}, file=config.file)
        given: dict[str, Any] = {
            "server": server,
            "certificate-authority-data": tls.text("caData"),
            "insecure-skip-tls-verify": tls.flag("insecure"),
            "tls-server-name": tls.text("serverName"),
            "proxy-url": config.text("proxyUrl"),
            "disable-compression": config.flag("disableCompression"),
        }
        plugin, extension = self._plugin(config)
        if extension is not None:
            given["extensions"] = [{"name": "client.authentication.k8s.io/exec", "extension": extension}]
        user: dict[str, Any] = {"client-certificate-data": tls.text("certData"), "client-key-data": tls.text("keyData")}
        # As in Argo CD, a program takes precedence over what stands beside it.
        user |= {"exec": plugin} if plugin else _static_login(config)
        cluster = Fields(given, file=config.file)
        context = build(server, Fields({}, file=config.file), cluster, Fields(user, file=config.file))
        self._check_plugin(context, config)
        return dataclasses.replace(context, source=None)

    def _plugin(self, config: Fields) -> tuple[dict[str, Any] | None, Any]:
        """The program that gives the login, as a kubeconfig has it, and what it is told of its cluster."""
        aws = config.inner("awsAuthConfig")
        if aws is not None:
            return self._aws(aws), None
        given = config.inner("execProviderConfig")
        if given is None:
            return None, None
        if "/" in given.text("command"):
            raise given.wrong(
                "command", f"{one_line(given.text('command'))} is a path; a hub may name none on this machine"
            )
        env = given.inner("env")
        plugin = {
            "command": given.text("command"),
            "args": list(given.texts("args")),
            "env": [{"name": name, "value": env.text(name)} for name in env.values] if env else [],
            "apiVersion": given.text("apiVersion"),
            "installHint": given.text("installHint"),
            "provideClusterInfo": given.flag("provideClusterInfo"),
            "interactiveMode": "Never",
        }
        return plugin, given.values.get("config")

    def _aws(self, aws: Fields) -> dict[str, Any]:
        """Argo CD's own helper where it is installed, else the AWS command line, which gives the same login."""
        cluster, role, profile = aws.text("clusterName"), aws.text("roleARN"), aws.text("profile")
        plugin = {"apiVersion": _EXEC_V1BETA1, "installHint": _AWS_HINT, "interactiveMode": "Never"}
        asked = ["--cluster-name", cluster, *(["--role-arn", role] if role else [])]
        if self._installed("argocd-k8s-auth"):
            asked += ["--profile", profile] if profile else []
            return plugin | {"command": "argocd-k8s-auth", "args": ["aws", *asked]}
        env = [{"name": "AWS_PROFILE", "value": profile}] if profile else []
        return plugin | {"command": "aws", "args": ["eks", "get-token", *asked, "--output", "json"], "env": env}

    def _check_plugin(self, context: ContextConfig, config: Fields) -> None:
        if context.exec is None:
            return
        from backends.hub_plugins import refusal

        problem = refusal(
            context.exec,
            server=context.server,
            proxy=context.proxy_url,
            insecure=context.insecure,
            consented=self._consented,
        )
        if problem:
            raise config.refused(problem)


def _static_login(config: Fields) -> dict[str, Any]:
    return {
        "token": config.text("bearerToken"),
        "username": config.text("username"),
        "password": config.text("password"),
    }


def _nowhere(source: str) -> ServerIdentity:
    """The identity of what names no server: the same as nothing else."""
    return ServerIdentity(source)


def _data(obj: StoredObject) -> dict[str, str]:
    found, broken = secret_texts(obj)
    if broken:
        raise ValueError("not base64 of text")
    return found


def _config(source: str, text: str) -> Fields:
    # The Secret stands where a kubeconfig's file would: sentences begin with it.
    file = Path(source)
    if not text:
        return Fields({}, file=file)
    try:
        return Fields(msgspec.json.decode(text.encode()), file=file, what="config")
    except (msgspec.DecodeError, RecursionError) as error:
        # Without the parser's own words: they may quote what it could not read.
        raise UsageError(f"{source}: config is not JSON", "argocd cluster add writes it anew") from error
