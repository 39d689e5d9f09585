"""What plugins answer, and the objects behind cluster decision resources.

Owns: `plugin_parameters` and `decisions`. Called by `backends.appset_answers`. Both read ConfigMaps where Argo CD runs,
never in the ApplicationSet's own namespace: who may only write there does not choose where a token is sent. (Argo CD
v3.6.1: applicationset/generators/plugin.go, applicationset/services/plugin, applicationset/generators/duck_type.go.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from backends.hosts.api import Api, Line
from backends.hosts.model import get, names, words
from backends.hub_objects import HubObjects
from fleetui.model.errors import FleetError, MissingError, RefusedError, RepositoryUnreachableError
from fleetui.model.objects import ApiResource
from fleetui.model.text import one_line

_TIMEOUT = 30
"""Seconds, unless the ConfigMap says otherwise."""
_LONGEST = 300
_SECRET = "argocd-secret"
_PATH = "api/v1/getparams.execute"


async def plugin_parameters(
    spec: Mapping[str, Any], *, appset: str, hub: HubObjects, namespace: str, line: Line
) -> tuple[Mapping[str, Any], ...]:
    """What the server of a plugin generator answers.

    Args:
        spec: its `configMapRef` and `input`.
        namespace: where Argo CD runs.

    Raises:
        FleetError: the generator's objects are not as they have to be, or the server does not answer.
    """
    name = words(spec, "configMapRef", "name")
    settings = await hub.config_map(namespace, name)
    where = f"ConfigMap {one_line(f'{namespace}/{name}')}"
    for key in ("baseUrl", "token"):
        if not settings.get(key):
            raise MissingError(f"{where} of a plugin generator has no {key}")
    token = await _plugin_token(settings["token"], where, hub, namespace)
    seconds = _seconds(settings.get("requestTimeout", ""), where)
    api = Api(line, settings["baseUrl"], headers={"Authorization": f"Bearer {token}"})
    body = {"applicationSetName": appset, "input": {"parameters": get(spec, "input", "parameters") or {}}}
    try:
        async with asyncio.timeout(seconds):
            answer = await api.post(_PATH, body)
    except TimeoutError as error:
        message = f"the plugin at {api.base} did not answer within {seconds} s"
        raise RepositoryUnreachableError(message, f"requestTimeout in {where} allows more", url=api.base) from error
    listed = get(answer, "output", "parameters")
    found = listed if isinstance(listed, list) else [] if answer is None or listed is None else [listed]
    if not all(isinstance(each, dict) for each in found):
        raise FleetError(f"the plugin at {api.base} answers with output.parameters that are no list of maps")
    return tuple(found)


async def decisions(spec: Mapping[str, Any], *, hub: HubObjects, namespace: str) -> Mapping[str, Any]:
    """See `fleetui.engine.appset.questions.Decisions`.

    Args:
        namespace: where Argo CD runs, and where the objects lie.

    Raises:
        FleetError: the generator or its ConfigMap is not as it has to be, or there are no such objects.
    """
    reference = words(spec, "configMapRef")
    settings = await hub.config_map(namespace, reference)
    where = f"ConfigMap {one_line(f'{namespace}/{reference}')}"
    group, slash, version = settings.get("apiVersion", "").partition("/")
    kind = settings.get("kind", "")
    if not group or not slash or not kind:
        raise MissingError(f"{where} names no apiVersion with a group and no kind", "it needs both")
    name, selector = words(spec, "name"), get(spec, "labelSelector") or {}
    selects = bool(get(selector, "matchLabels") or get(selector, "matchExpressions"))
    if bool(name) == selects:
        raise RefusedError(
            "a cluster decision resource generator names either a name or a labelSelector, and one of them"
        )
    resource = await _resource(hub, group, version, kind)
    if resource is None:
        raise MissingError(
            f"{hub.hub.name} serves no {one_line(kind)} of {one_line(group)}/{one_line(version)}", f"see {where}"
        )
    found = await hub.hub.list(
        resource,
        namespace if resource.namespaced else "",
        labels="" if name else selector_text(selector),
        fields=f"metadata.name={name}" if name else "",
    )
    if not found:
        what = f"named {one_line(name)!r}" if name else "that the labelSelector takes"
        raise MissingError(f"there is no {one_line(resource.full_name)} {what} in {namespace} on {hub.hub.name}")
    return {
        "matchKey": settings.get("matchKey", ""),
        "statusListKey": settings.get("statusListKey", "") or "clusters",
        "objects": found,
    }


def selector_text(selector: Any) -> str:
    """A `metav1.LabelSelector` as the API server takes it in a query (`FormatLabelSelector`).

    Raises:
        RefusedError: it has an operator that there is none.
    """
    labels = get(selector, "matchLabels") or {}
    parts = [f"{key}={value}" for key, value in sorted(labels.items())]
    for entry in get(selector, "matchExpressions") or ():
        key, operator, values = words(entry, "key"), words(entry, "operator"), ",".join(names(get(entry, "values")))
        match operator:
            case "In" | "NotIn":
                parts.append(f"{key} {operator.lower()} ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
            case _:
                raise RefusedError(f"a labelSelector has no operator {one_line(operator)!r}")
    return ",".join(parts)


async def _resource(hub: HubObjects, group: str, version: str, kind: str) -> ApiResource | None:
    """The resource that a ConfigMap calls its `kind`, which Argo CD takes for the plural; the kind itself does too."""
    for refresh in (False, True):
        for each in await hub.hub.discover(refresh=refresh):
            if (each.group, each.version) == (group, version) and kind in (each.plural, each.kind):
                return each
    return None


async def _plugin_token(reference: str, where: str, hub: HubObjects, namespace: str) -> str:
    """``$key`` of ``argocd-secret``, or ``$secret:key`` (services/plugin/utils.go, `ParseSecretKey`)."""
    if not reference.startswith("$"):
        raise RefusedError(f"the token in {where} is no reference to a Secret", "write $SECRET:KEY")
    secret, colon, key = reference[1:].partition(":")
    if not colon:
        secret, key = _SECRET, secret
    return (await hub.secret_value(namespace, secret, key)).strip()


def _seconds(text: str, where: str) -> int:
    if not text:
        return _TIMEOUT
    if not text.isascii() or not text.isdigit():
        raise RefusedError(f"requestTimeout in {where} is no whole number of seconds")
    return min(int(text) or _TIMEOUT, _LONGEST)
