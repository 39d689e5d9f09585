"""One object -> its health.

Owns: `assess`, the table of kinds, and the order in which rules are asked. Called by the engine after each comparison,
by trees for each node, and by the command line. Never here: a rule for a kind (`workloads`, `pods`, `jobs`,
`services`, `autoscaling`, `kinds`), the sum over an application (`aggregation`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fleetui.health import autoscaling, jobs, kinds, pods, services, workloads
from fleetui.health.hooks import has_hook_finalizer
from fleetui.health.reading import OddObjectError, Section, is_map, section, type_name
from fleetui.health.verdicts import progressing, unknown
from fleetui.model.objects import Obj, split_api_version
from fleetui.model.status import Health
from fleetui.model.times import parse_time

Rule = Callable[[Section], Health | None]
Judge = Callable[[Obj], Health | None]
"""Gives the health of a live object, None where its kind has none: `assess`, or with a hub's customizations."""


class Customizations(Protocol):
    """Rules that a hub or a folder adds; they come before the built-in ones."""

    def health(self, obj: Mapping[str, Any]) -> Health | None:
        """The health of an object, Unknown where the rule failed; None where there is no rule for its kind."""
        ...


_RULES: dict[tuple[str, str], Rule] = {
    ("apps/v1", "Deployment"): workloads.deployment,
    ("apps/v1", "ReplicaSet"): workloads.replica_set,
    ("apps/v1", "DaemonSet"): workloads.daemon_set,
    ("apps/v1", "StatefulSet"): workloads.stateful_set,
    ("batch/v1", "Job"): jobs.job,
    ("v1", "Pod"): pods.pod,
    ("v1", "Service"): services.service,
    ("v1", "PersistentVolumeClaim"): services.volume_claim,
    ("apiregistration.k8s.io/v1", "APIService"): services.api_service,
    ("apiregistration.k8s.io/v1beta1", "APIService"): services.api_service,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): autoscaling.autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaling.autoscaler_v2,
}
"""By apiVersion and kind; another version of the same group and kind is Unknown."""

_ANY_VERSION: dict[tuple[str, str], Rule] = {
    ("batch", "CronJob"): jobs.cron_job,
    ("extensions", "Ingress"): services.ingress,
    ("networking.k8s.io", "Ingress"): services.ingress,
    ("argoproj.io", "Workflow"): jobs.workflow,
}
"""By group and kind, whatever the version."""

_KNOWN = {(split_api_version(api_version)[0], kind) for api_version, kind in _RULES}
_SHORT = {"HorizontalPodAutoscaler": "HPA"}


def assess(obj: Mapping[str, Any], customizations: Customizations | None = None) -> Health | None:
    """The health of one decoded object, by Argo CD's rules and in its words (argo-cd v3, gitops-engine/pkg/health).

    An object that is being deleted is Progressing, unless a finalizer of the sync engine itself holds it. Then
    `customizations` are asked, then the built-in rules; a custom kind that has none goes by its conditions
    (`kinds.of_conditions`), where Argo CD gives it no health.

    Returns:
        None for a kind without a rule: it has no health, and does not count in its application's. Unknown with a
        reason for an odd object (a field of another type than its kind gives it, no `metadata`) and for a version of
        a known kind that is not understood. Never raises for what `obj` holds.
    """
    if not is_map(obj):
        return unknown(f"the object is {type_name(obj)}, not a map")
    metadata = obj.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        return unknown(f"metadata is {type_name(metadata)}, not a map")
    if metadata and _is_going(obj, metadata):
        return progressing("Pending deletion")
    if customizations is not None and (own := customizations.health(obj)) is not None:
        return own
    return _built_in(obj)


def _is_going(obj: Section, metadata: Section) -> bool:
    moment = metadata.get("deletionTimestamp")
    return isinstance(moment, str) and parse_time(moment) is not None and not has_hook_finalizer(obj)


def _built_in(obj: Section) -> Health | None:
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return None
    rule = _RULES.get((api_version, kind))
    if rule is None:
        group, version = split_api_version(api_version)
        if (group, kind) in _KNOWN:
            return unknown(f"unsupported {_SHORT.get(kind, kind)} GVK: {group}/{version}, Kind={kind}")
        rule = _ANY_VERSION.get((group, kind)) or kinds.find(group, kind)
        if rule is None:
            return kinds.of_conditions(obj) if kinds.is_custom(group) else None
    return _judge(rule, obj, kind)


def _judge(rule: Rule, obj: Section, kind: str) -> Health | None:
    try:
        if obj.get("metadata") is None:
            raise OddObjectError("metadata is missing")
        # Argo CD converts the whole object before it judges, so these are odd also where the rule reads neither.
        section(obj, "spec")
        section(obj, "status")
        return rule(obj)
    except OddObjectError as error:
        return unknown(f"failed to convert unstructured {_SHORT.get(kind, kind)} to typed: {error}")
