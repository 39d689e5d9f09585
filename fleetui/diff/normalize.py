"""An object without what says nothing about its desired state, and with one spelling for what has several.

Owns: `normalize` with its `CompareOptions`, and where the built-in kinds hold quantities. Called on both sides of every
comparison: on what an apply would leave and on what is live. Rules: argo-cd v3.6.1, gitops-engine/pkg/diff/diff.go
(`Normalize`, `remarshal`). Never here: what a user wants ignored (`ignore`), what a server would default (`predicted`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any, Literal

import msgspec

from fleetui.diff.quantity import canonical
from fleetui.model.objects import Obj, split_api_version

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVERS_OWN = frozenset({"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"})
"""What the API server writes into metadata; no manifest sets it."""
_CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
_ROLES = frozenset({("rbac.authorization.k8s.io", "Role"), ("rbac.authorization.k8s.io", "ClusterRole")})


class CompareOptions(msgspec.Struct, frozen=True):
    """Argo CD's ``resource.compareoptions`` (util/settings/settings.go, `ArgoCDDiffOptions`), with its defaults.

    `ignore_status`: of which objects the status does not count. `ignore_aggregated_roles`: the rules of a role that
    others are aggregated into do not count.
    """

    ignore_status: Literal["all", "crd", "none"] = "all"
    ignore_aggregated_roles: bool = False

    def about(self, desired: Mapping[str, Any]) -> CompareOptions:
        """The options for one manifest: where it has no status, an apply changes none."""
        return self if "status" in desired else msgspec.structs.replace(self, ignore_status="all")


DEFAULTS = CompareOptions()


def normalize(obj: Mapping[str, Any], options: CompareOptions = DEFAULTS) -> Obj:
    """A copy of a decoded object that can be compared field by field with another one.

    Left out: what the server writes into `metadata`, the last-applied annotation, empty labels and annotations, and
    what `options` ignore. Spelled in one way: a Secret's values (`stringData` becomes `data`), no rules in a Role, the
    order of Endpoints, the quantities of built-in kinds.

    The copy shares with `obj` what is left as it is: change neither in place. Odd objects come back as they are.
    """
    kind = _kind(obj)
    left_out = _ignored(obj, kind, options)
    result: Obj = {key: value for key, value in obj.items() if key not in left_out}
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        result["metadata"] = _metadata(metadata)
    rule = _RULES.get(kind)
    return rule(result) if rule is not None else result


def _kind(obj: Mapping[str, Any]) -> tuple[str, str]:
    return split_api_version(str(obj.get("apiVersion", "")))[0], str(obj.get("kind", ""))


def _ignored(obj: Mapping[str, Any], kind: tuple[str, str], options: CompareOptions) -> tuple[str, ...]:
    status = options.ignore_status == "all" or (options.ignore_status == "crd" and kind == _CRD)
    fields = ("status",) if status else ()
    if options.ignore_aggregated_roles and kind in _ROLES and isinstance(obj.get("aggregationRule"), Mapping):
        return (*fields, "rules")
    return fields


def _metadata(metadata: Obj) -> Obj:
    result = {key: value for key, value in metadata.items() if key not in _SERVERS_OWN}
    annotations = result.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        result["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    for key in ("labels", "annotations"):
        if key in result and not result[key]:
            del result[key]
    return result


# --- secrets, roles, endpoints --------------------------------------------------------------------------------------


def secret_data(obj: Obj) -> Obj:
    """A Secret with `stringData` encoded into `data`, over what is there; null values become empty ones.

    A `data` or `stringData` that is no map stays as it is.
    """
    data, plain = obj.get("data"), obj.get("stringData")
    if not isinstance(data, dict | None) or not isinstance(plain, dict | None):
        return obj
    if data is None and plain is None:
        return obj
    merged = {key: _stored(value) for key, value in (data or {}).items()}
    merged |= {key: _encoded(value) for key, value in (plain or {}).items()}
    result = {key: value for key, value in obj.items() if key != "stringData"}
    result["data"] = merged
    return result


def _stored(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str) or not any(character in value for character in "\r\n"):
        return value
    try:  # base64 as `base64` on a command line folds it; the server unfolds it
        return base64.b64encode(base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)).decode()
    except (ValueError, binascii.Error):
        return value


def _encoded(value: Any) -> Any:
    if value is None:
        return ""
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode() if isinstance(value, str) else value


def has_no_rules(obj: Mapping[str, Any]) -> bool:
    """Whether a Role says that it has no rules, rather than nothing about them: an apply takes all away."""
    return _kind(obj) in _ROLES and "rules" in obj and not obj["rules"]


def _role(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key != "rules"} if has_no_rules(obj) else obj


def _endpoints(obj: Obj) -> Obj:
    subsets = obj.get("subsets")
    if not isinstance(subsets, list):
        return obj
    return {**obj, "subsets": _sorted([_subset(item) for item in subsets])}


def _subset(subset: Any) -> Any:
    if not isinstance(subset, dict):
        return subset
    result = dict(subset)
    if isinstance(ports := subset.get("ports"), list):
        result["ports"] = _sorted([{"protocol": "TCP", **port} if isinstance(port, dict) else port for port in ports])
    for field in ("addresses", "notReadyAddresses"):
        if isinstance(addresses := subset.get(field), list):
            result[field] = _sorted(addresses)
    return result


def _sorted(items: list[Any]) -> list[Any]:
    """Any fixed order will do, as both sides get it."""
    try:
        return sorted(items, key=lambda item: msgspec.json.encode(item, order="deterministic"))
    except (TypeError, ValueError, OverflowError):  # a key or a value that JSON has not
        return items


# --- quantities -----------------------------------------------------------------------------------------------------

Steps = tuple[str, ...]
"""A way to fields: names of fields, and ``*`` for each item of a list or each value of a map."""


def _below(prefix: Steps, ways: tuple[Steps, ...]) -> tuple[Steps, ...]:
    return tuple((*prefix, *way) for way in ways)


_RESOURCES: tuple[Steps, ...] = (("resources", "limits", "*"), ("resources", "requests", "*"))
_CONTAINER = (*_RESOURCES, ("env", "*", "valueFrom", "resourceFieldRef", "divisor"))
_CLAIM = _below(("spec",), _RESOURCES)
_POD = (
    *_below(("containers", "*"), _CONTAINER),
    *_below(("initContainers", "*"), _CONTAINER),
    *_below(("ephemeralContainers", "*"), _CONTAINER),
    *_RESOURCES,
    ("overhead", "*"),
    ("volumes", "*", "emptyDir", "sizeLimit"),
    *_below(("volumes", "*", "ephemeral", "volumeClaimTemplate"), _CLAIM),
    ("volumes", "*", "downwardAPI", "items", "*", "resourceFieldRef", "divisor"),
)
_TEMPLATE = _below(("spec", "template", "spec"), _POD)
_METRIC = ("spec", "metrics", "*")
_METRIC_KINDS = ("resource", "pods", "object", "external", "containerResource")

QUANTITIES: dict[tuple[str, str], tuple[Steps, ...]] = {
    ("", "Pod"): _below(("spec",), _POD),
    ("", "PodTemplate"): _below(("template", "spec"), _POD),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "StatefulSet"): (*_TEMPLATE, *_below(("spec", "volumeClaimTemplates", "*"), _CLAIM)),
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): _below(("spec", "jobTemplate"), _TEMPLATE),
    ("argoproj.io", "Rollout"): _TEMPLATE,
    ("", "PersistentVolumeClaim"): _CLAIM,
    ("", "PersistentVolume"): (("spec", "capacity", "*"),),
    ("", "ResourceQuota"): (("spec", "hard", "*"),),
    ("", "LimitRange"): tuple(
        ("spec", "limits", "*", field, "*")
        for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    ),
    ("node.k8s.io", "RuntimeClass"): (("overhead", "podFixed", "*"),),
    ("storage.k8s.io", "CSIStorageCapacity"): (("capacity",), ("maximumVolumeSize",)),
    ("autoscaling", "HorizontalPodAutoscaler"): tuple(
        (*_METRIC, kind, "target", field) for kind in _METRIC_KINDS for field in ("value", "averageValue")
    ),
}
"""Where the built-in kinds hold quantities; Rollout is Argo CD's one default of `knownTypeFields`."""


Tree = dict[str, Any]
"""Ways that begin alike, walked together: step -> tree; an empty tree ends a way."""


def _tree(ways: tuple[Steps, ...]) -> Tree:
    root: Tree = {}
    for way in ways:
        node = root
        for part in way:
            node = node.setdefault(part, {})
    return root


def _quantities(ways: tuple[Steps, ...]) -> Callable[[Obj], Obj]:
    tree = _tree(ways)
    return lambda obj: dict(_rewritten(obj, tree))


def _rewritten(value: Any, tree: Tree) -> Any:
    """`value` with each quantity at the end of a way in its one form; the same object where nothing is to be done."""
    if not tree:
        return _quantity(value)
    if "*" in tree:
        return _each_rewritten(value, tree["*"])
    if not isinstance(value, dict):
        return value
    result = value
    for part, below in tree.items():
        before = value.get(part)
        if before is not None and (after := _rewritten(before, below)) is not before:
            result = {**result, part: after}
    return result


def _each_rewritten(value: Any, tree: Tree) -> Any:
    if isinstance(value, dict):
        pairs = {key: _rewritten(item, tree) for key, item in value.items()}
        return value if all(map(is_, pairs.values(), value.values())) else pairs
    if isinstance(value, list):
        items = [_rewritten(item, tree) for item in value]
        return value if all(map(is_, items, value)) else items
    return value


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    text = value.strip() if isinstance(value, str) else str(value)
    form = canonical(text)
    return value if form is None or form == value else form


_RULES: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    ("", "Secret"): secret_data,
    ("", "Endpoints"): _endpoints,
    **dict.fromkeys(_ROLES, _role),
    **{kind: _quantities(ways) for kind, ways in QUANTITIES.items()},
}
