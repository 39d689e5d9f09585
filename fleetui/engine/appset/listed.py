"""The generators that ask nobody: list and clusters (argo-cd v3.6.1, applicationset/generators/list.go, cluster.go).

Owns: their parameters. Called by `fleetui.engine.appset.generators`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import IN_CLUSTER
from fleetui.engine.appset import reading
from fleetui.engine.appset.generated import RegisteredCluster
from fleetui.engine.appset.params import Params, as_go_decodes
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.world import World
from fleetui.engine.lookup import IN_CLUSTER_NAME
from fleetui.model.names import sanitized_name
from fleetui.render.events import Flaw as YamlFlaw
from fleetui.render.events import build

_HIDDEN_ANNOTATIONS = frozenset(
    {
        "argocd.argoproj.io/refresh",
        "argocd.argoproj.io/refresh-timestamp",
        "argocd.argoproj.io/hydrate",
        "argocd.argoproj.io/hydrate-timestamp",
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/installation-id",
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)
"""What Argo CD and kubectl write there for themselves (cluster.go, `excludedClusterAnnotations`)."""
_IN_QUOTES = "write it in quotes, or set goTemplate: true"


def of_list(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """The elements as they are; without Go templates each value is a text, but for those of `elementsYaml`."""
    elements = reading.items(spec, "elements", at)
    made = [_element(item, world, f"{at}.elements[{number}]") for number, item in enumerate(elements)]
    written = reading.text(spec, "elementsYaml", at)
    return made + _yaml_elements(written, world, f"{at}.elementsYaml") if written else made


def _element(item: Any, world: World, at: str) -> Params:
    if item is not None and not isinstance(item, dict):
        raise Flaw(at, "is not a map")
    if world.go:
        found: Params = as_go_decodes(item or {})
        return found
    params: Params = {}
    for key, value in (item or {}).items():
        if key == "values":
            if not isinstance(value, dict):
                raise Flaw(f"{at}.values", "is not a map")
            params |= {f"values.{name}": _text(inner, f"{at}.values.{name}") for name, inner in value.items()}
        else:
            params[key] = _text(value, f"{at}.{key}")
    return params


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise Flaw(at, "is not a text, and a template without goTemplate takes nothing else", _IN_QUOTES)
    return value


def _yaml_elements(written: str, world: World, at: str) -> list[Params]:
    try:
        built = build(written)
    except YamlFlaw as flaw:
        raise Flaw(at, f"is no YAML: {flaw.told}") from flaw
    value = None if built is None else built[0]
    world.weigh(value, at)
    if value is not None and not isinstance(value, list):
        raise Flaw(at, "is no list of maps")
    for number, item in enumerate(value or ()):
        if item is not None and not isinstance(item, dict):
            raise Flaw(at, f"item {number} of it is not a map")
    return [as_go_decodes(item or {}) for item in value or ()]


def of_clusters(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each registered cluster that the selector takes, by name; the hub itself at the end, unless it is
    registered or there is a selector, since it has no labels."""
    selects = reading.selector(spec, "selector", at, of_labels=True)
    given = reading.mapping(spec, "selector", at)
    wants_labels = bool(given.get("matchLabels") or given.get("matchExpressions"))
    values = reading.text_map(spec, "values", at)
    if any(not one.name and not one.server for one in world.clusters):
        raise Flaw(at, "a Secret that registers a cluster can't be read", "fleetui get clusters says which")
    chosen = [one for one in world.clusters if selects is None or selects(one.labels)]
    made = [world.with_values(_of_cluster(one, go=world.go), values, at) for one in chosen]
    if not wants_labels and all(one.server != IN_CLUSTER for one in chosen):
        made.append(world.with_values(_in_cluster(), values, at))
    return [{"clusters": tuple(made)}] if reading.flag(spec, "flatList", at) else made


def _in_cluster() -> Params:
    name = IN_CLUSTER_NAME
    return {"name": name, "nameNormalized": name, "server": IN_CLUSTER, "project": ""}


def _of_cluster(cluster: RegisteredCluster, *, go: bool) -> Params:
    params: Params = {
        "name": cluster.name,
        "nameNormalized": sanitized_name(cluster.name),
        "server": cluster.server,
        "project": cluster.project,
    }
    annotations = {key: value for key, value in cluster.annotations.items() if key not in _HIDDEN_ANNOTATIONS}
    if go:
        said = (("annotations", annotations, cluster.annotations), ("labels", dict(cluster.labels), cluster.labels))
        params["metadata"] = {key: kept for key, kept, there in said if there}
        return params
    params |= {f"metadata.annotations.{key}": value for key, value in annotations.items()}
    params |= {f"metadata.labels.{key}": value for key, value in cluster.labels.items()}
    return params
