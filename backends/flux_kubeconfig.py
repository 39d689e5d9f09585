"""The kubeconfig by which a Flux object reaches another cluster.

Owns: `FluxKubeconfigs`, with `secret_reference` (`spec.kubeConfig` of a Kustomization or a HelmRelease) and
`context_of` (the kubeconfig in that Secret). Made by the command line; reading is pure. Rules: fluxcd/pkg runtime
v0.122, client/impersonator.go (`kubeConfigSecret`) and client/kubeconfig.go (`ValidateKubeConfig`, `KubeConfig`):
everything inline, no program, and certificates are always checked. Flux runs a program only under
`--insecure-kubeconfig-exec`; here the operator's settings must name it, because it would run on this machine.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from backends.hub_access import connect
from backends.hub_plugins import SETTING, refusal
from backends.kube.context import ContextConfig, Fields, type_name
from backends.kube.entries import build
from backends.kube.identity import identity_of
from backends.kube.throttle import RATE
from fleetui.hubports import Reference, Registration
from fleetui.model.errors import UsageError
from fleetui.model.objects import ClusterName, Obj, StoredObject
from fleetui.model.servers import ServerIdentity
from fleetui.model.text import one_line, visible
from fleetui.ports import Cluster

DEFAULT_KEYS = ("value", "value.yaml")
_LONGEST = 1 << 20
"""Bytes of a kubeconfig: what a Secret can hold."""
_FILES = {"cluster": ("certificate-authority",), "user": ("tokenFile", "client-certificate", "client-key")}


class FluxKubeconfigs:
    """The `fleetui.hubports.Referrer` of Flux.

    Args:
        consented: programs that a kubeconfig may have run here (`hub_exec_plugins`).
        protects: which clusters want their name typed before a change.
        qps: background requests a second to each of the clusters (`backends.kube.cluster.KubeCluster`).
    """

    kinds = (("kustomize.toolkit.fluxcd.io", "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease"))

    def __init__(
        self,
        *,
        consented: Collection[str] = (),
        protects: Callable[[str], bool] = lambda _: False,
        qps: float = RATE,
    ) -> None:
        self._consented = consented
        self._protects = protects
        self._qps = qps

    def reference(self, obj: StoredObject) -> Reference | None:
        """See `secret_reference`."""
        return secret_reference(obj.decode())

    def read(self, reference: Reference, secret: Obj | None, *, problem: str = "") -> Registration:
        """The cluster behind a kubeconfig, known by its Secret's name; where it can't be used, `problem` says why."""
        source = one_line(f"Secret {reference.namespace}/{reference.name}")
        found = Registration(
            source=f"{source} {reference.key}".rstrip(),
            by="flux",
            name=visible(reference.name),
            server="",
            identity=ServerIdentity(f"{source} {reference.key}"),
            problem=f"{source}: {problem}" if problem else "",
        )
        if secret is None:
            return found
        try:
            context = context_of(secret, reference, consented=self._consented)
        except UsageError as error:
            return msgspec.structs.replace(found, problem=str(error))
        return msgspec.structs.replace(found, server=context.server, identity=identity_of(context), access=context)

    def connect(self, registration: Registration, name: ClusterName) -> Cluster:
        """See `fleetui.ports.Connector`."""
        return connect(registration, name, protected=self._protects(name), qps=self._qps)


def secret_reference(obj: Mapping[str, Any]) -> Reference | None:
    """Which Secret says where a Flux object is applied; None where that is its own cluster, or said otherwise."""
    spec, metadata = obj.get("spec"), obj.get("metadata")
    given = spec.get("kubeConfig") if isinstance(spec, Mapping) else None
    reference = given.get("secretRef") if isinstance(given, Mapping) else None
    if not isinstance(reference, Mapping) or not isinstance(metadata, Mapping) or not reference.get("name"):
        return None
    return Reference(str(metadata.get("namespace") or ""), str(reference["name"]), str(reference.get("key") or ""))


def context_of(secret: Obj, reference: Reference, *, consented: Collection[str] = ()) -> ContextConfig:
    """The current context of the kubeconfig in a Secret.

    Args:
        secret: the Secret that `reference` names.
        consented: programs that it may have run here (`hub_exec_plugins`).

    Raises:
        UsageError: there is none, or it asks for what is not done here; the sentence names the Secret, never a value.
    """
    source = Path(one_line(f"Secret {reference.namespace}/{reference.name}"))
    document = Fields(_parsed(source, _kubeconfig(source, secret, reference.key)), file=source)
    context = _entry(document, "contexts", document.text("current-context"))
    cluster = _entry(document, "clusters", context.text("cluster"))
    user = _entry(document, "users", context.text("user")) if context.text("user") else Fields({}, file=source)
    _check_files(cluster, user)
    if user.inner("auth-provider") is not None:
        raise user.refused("logs in by an auth-provider, which is not done for a hub", "give a token")
    # As Flux does: what the kubeconfig says about checking certificates is not heeded.
    checked = Fields({**cluster.values, "insecure-skip-tls-verify": False}, file=source, what=cluster.what)
    config = build(context.what, context, checked, user)
    if config.exec is not None:
        _check_plugin(config, user, consented)
    return dataclasses.replace(config, source=None)


def _kubeconfig(source: Path, secret: Obj, key: str) -> str:
    data = secret.get("data")
    data = data if isinstance(data, Mapping) else {}
    found = next((name for name in ((key,) if key else DEFAULT_KEYS) if data.get(name) is not None), None)
    if found is None:
        raise UsageError(f"{source} does not contain a '{one_line(key or DEFAULT_KEYS[0])}' key with a kubeconfig")
    try:
        return base64.b64decode(str(data[found]), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: {one_line(found)} is not text") from error


def _parsed(source: Path, text: str) -> Any:
    if len(text) > _LONGEST:
        raise UsageError(f"{source}: its kubeconfig is too long")
    try:
        if odd := _odd(text):
            raise UsageError(f"{source}: its kubeconfig {odd}")
        found = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as error:
        # Without the parser's own words: they may quote what it could not read.
        raise UsageError(f"{source}: its kubeconfig is not YAML") from error
    if not isinstance(found, Mapping):
        raise UsageError(f"{source}: its kubeconfig is {type_name(found)}, not a map with clusters, contexts and users")
    return found


def _odd(text: str) -> str:
    """What no kubeconfig needs: aliases make a large document of a small text, depth overflows the parser's stack."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
        if isinstance(token, yaml.AliasToken):
            return "has YAML aliases"
        if depth > _DEEPEST:
            return "is nested too deeply"
    return ""


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
)
_CLOSES = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
_DEEPEST = 100


def _entry(document: Fields, section: str, name: str) -> Fields:
    singular = section.removesuffix("s")
    for entry in document.entries(section):
        if name and entry.text("name") == name:
            return Fields(entry.values.get(singular), file=document.file, what=f"{singular} {name}")
    missing = f"{singular} {one_line(name)}" if name else f"current {singular}"
    raise document.refused(f"its kubeconfig has no {missing}")


def _check_files(cluster: Fields, user: Fields) -> None:
    """A hub's kubeconfig never reads a file of this machine."""
    for entry, keys in ((cluster, _FILES["cluster"]), (user, _FILES["user"])):
        for key in keys:
            if entry.values.get(key):
                raise entry.refused(f"references a {key} file; a hub may name none on this machine", "give it inline")
    plugin = user.inner("exec")
    if plugin is not None and "/" in plugin.text("command"):
        raise user.refused("logs in by a program under a path; a hub may name none on this machine")


def _check_plugin(config: ContextConfig, user: Fields, consented: Collection[str]) -> None:
    assert config.exec is not None
    command = config.exec.command
    if command not in consented:
        raise user.refused(
            f"logs in by running {one_line(command)}, which Flux does not do either unless it is told to",
            f"{SETTING}: [{one_line(command)}] in fleetui's settings allows it",
        )
    problem = refusal(
        config.exec, server=config.server, proxy=config.proxy_url, insecure=config.insecure, consented=consented
    )
    if problem:
        raise user.refused(problem)
