"""What an application's status says at a glance: its images, its links, whether it holds other applications.

Owns: `summary`. Rules: argo-cd v3.6.1 pkg/apis/application/v1alpha1/types.go (`ApplicationTree.GetSummary`) and
controller/cache/info.go. Argo CD reads them off its tree, Pods and all; Pods are not watched here, and what makes them
says the same of them. Called by `fleetui.engine.compare`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fleetui.engine.application import GROUP, KIND, mapping, mappings, text
from fleetui.model.objects import Obj, ref_of

LINK = "link.argocd.argoproj.io/"
IGNORE_DEFAULT_LINKS = "argocd.argoproj.io/ignore-default-links"

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_MAKE_PODS_LATER = frozenset({("batch", "CronJob")})
_INGRESS_GROUPS = frozenset({"networking.k8s.io", "extensions"})


def summary(app: Mapping[str, Any], objects: Iterable[tuple[Obj | None, Obj | None]]) -> Obj:
    """`status.summary` of an application, without what is empty.

    Args:
        app: the application's object.
        objects: its objects, each as it is desired and as it is live; either may be None.
    """
    urls = set(_annotations(app, LINK).values())
    images: set[str] = set()
    holds_apps = False
    for target, live in objects:
        holds_apps = holds_apps or ref_of(live or target or {}).group_kind == (GROUP, KIND)
        if live is not None:
            images.update(_images(live))
            urls.update(_urls(live))
    found: Obj = {"externalURLs": sorted(urls), "images": sorted(images), "isAppOfApps": holds_apps}
    return {key: value for key, value in found.items() if value}


def _annotations(obj: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found = mapping(mapping(obj.get("metadata")).get("annotations"))
    return {key: value for key, value in found.items() if key.startswith(prefix) and isinstance(value, str)}


# --- images -------------------------------------------------------------------------------------------------------


def _images(live: Obj) -> set[str]:
    """The images of the Pods that an object makes, init containers too."""
    spec = mapping(live.get("spec"))
    if spec.get("replicas") == 0 or ref_of(live).group_kind in _MAKE_PODS_LATER:
        return set()
    template = mapping(mapping(spec.get("template")).get("spec"))
    lists = [pod.get(key) for pod in (spec, template) for key in ("initContainers", "containers")]
    return {image for found in lists for each in mappings(found) if (image := text(each.get("image")))}


# --- links --------------------------------------------------------------------------------------------------------


def _urls(live: Obj) -> Iterator[str]:
    for value in _annotations(live, LINK).values():
        if _is_web(value.partition("|")[2] or value):
            yield value
    ref = ref_of(live)
    shown = _annotations(live).get(IGNORE_DEFAULT_LINKS) not in _TRUE
    if shown and ref.kind == "Ingress" and ref.group in _INGRESS_GROUPS:
        yield from _ingress_urls(live)


def _is_web(url: str) -> bool:
    """(`settings.ValidateExternalURL`)"""
    try:
        return not url or urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


def _ingress_urls(ingress: Obj) -> Iterator[str]:
    spec = mapping(ingress.get("spec"))
    balancer = mapping(mapping(ingress.get("status")).get("loadBalancer"))
    reached = (text(each.get("hostname")) or text(each.get("ip")) for each in mappings(balancer.get("ingress")))
    default = next(filter(None, reached), "")
    for rule in mappings(spec.get("rules")):
        host = text(rule.get("host")) or default
        for path in mappings(mapping(rule.get("http")).get("paths")) if host else ():
            scheme = "https" if _is_encrypted(spec, host) else "http"
            yield f"{scheme}://{host}{text(path.get('path')).removesuffix('*')}"


def _is_encrypted(spec: Mapping[str, Any], host: str) -> bool:
    return any(
        each.get("secretName") is not None or each.get("host") == host or host in (each.get("hosts") or ())
        for each in mappings(spec.get("tls"))
    )
