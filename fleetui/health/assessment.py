"""One object -> its health.

Owns: `assess`, the table of kinds, and the order in which rules are asked. Called by the engine after each comparison,
by trees for each node, and by the command line. Never here: a rule for a kind (`workloads`, `pods`, `jobs`,
`services`, `autoscaling`, `kinds`), the sum over an application (`aggregation`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from fleetui.health import autoscaling, jobs, kinds, pods, services, workloads
from fleetui.health.hooks import finalizers_of, has_hook_finalizer
from fleetui.health.reading import OddObjectError, Section, conditions, refuse_nameless, refuse_unreadable, section
from fleetui.health.shapes import refuse_misshapen
from fleetui.health.verdicts import progressing, unknown
from fleetui.model.objects import Obj, split_api_version
from fleetui.model.status import Health
from fleetui.model.times import parse_time

Rule = Callable[[Section], Health | None]
Judge = Callable[[Obj], Health | None]
"""Gives the health of a live object, None where its kind has none: `judge`, or `assess` with a hub's customizations."""


class Verdict(NamedTuple):
    """What customizations say of an object.

    `health`: None where the script says that it has none; no other rule is asked then. `going`: the message instead,
    with the same status, while the object is being deleted (``deletionMessage``). `failed`: the script itself failed,
    and that is told of an object that is being deleted, too.
    """

    health: Health | None
    going: str = ""
    failed: bool = False


class Customizations(Protocol):
    """Rules that a hub or a folder adds; they come before the built-in ones."""

    def verdict(self, obj: Mapping[str, Any]) -> Verdict | None:
        """What is said of an object; None where there is no rule for it, or it leaves the object to the others."""
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
    """The health of one decoded object, by Argo CD's rules and in its words (argo-cd v3.6.1,
    gitops-engine/pkg/health/health.go).

    `customizations` are asked first, then the built-in rules; a custom kind that has none goes by its conditions
    (`kinds.of_conditions`), where Argo CD gives it no health. An object that is being deleted is Progressing whatever
    its rule says, unless a finalizer of the sync engine itself holds it or its script has a word for that.

    Returns:
        None for a kind without a rule: it has no health, and does not count in its application's. Unknown with a
        reason for an odd object (nested too deeply; no apiVersion, kind or metadata; a field of another type than its
        kind gives it) and for a version of a known kind that is not understood. Never raises for what `obj` holds.
    """
    try:
        refuse_unreadable(obj)
        own = None if customizations is None else customizations.verdict(obj)
        if own is None:
            refuse_nameless(obj)
            return _unless_going(obj, _built_in(obj, served=False))
    except OddObjectError as error:
        return unknown(str(error))
    return own.health if own.failed else _unless_going(obj, own.health, own.going)


def judge(obj: Obj) -> Health | None:
    """As `assess` without customizations, of an object that an API server gave: that has seen to its shape, so it is
    looked at as a whole only where a rule stumbles. Twice as fast, for all the objects of a fleet."""
    try:
        return _unless_going(obj, _built_in(obj, served=True))
    except (TypeError, ValueError, AttributeError):
        return assess(obj)


def _unless_going(obj: Section, health: Health | None, said: str = "") -> Health | None:
    """`health`, unless the object is being deleted; then that, with what holds it, or what its script has `said`
    (`pendingDeletionHealth`)."""
    metadata = obj.get("metadata")
    moment = metadata.get("deletionTimestamp") if metadata else None
    if not isinstance(moment, str) or parse_time(moment) is None or has_hook_finalizer(obj):
        return health
    if health is not None and said:
        return Health(health.status, said)
    finalizers = finalizers_of(obj)
    return progressing("Pending deletion" + (f"; blocked by finalizers: {', '.join(finalizers)}" if finalizers else ""))


def _built_in(obj: Section, *, served: bool) -> Health | None:
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    rule = _RULES.get((api_version, kind))
    if rule is None:
        group, version = split_api_version(api_version)
        if (group, kind) in _KNOWN:
            raise OddObjectError(f"unsupported {_SHORT.get(kind, kind)} GVK: {group}/{version}, Kind={kind}")
        rule = _ANY_VERSION.get((group, kind)) or kinds.find(group, kind)
        if rule is None:
            conditions(section(obj, "status"))
            return kinds.of_conditions(obj) if kinds.is_custom(group) else None
    return _ruled(rule, obj, kind, served=served)


def _ruled(rule: Rule, obj: Section, kind: str, *, served: bool) -> Health | None:
    try:
        if not served:
            refuse_misshapen(obj, obj.get("apiVersion", ""), kind)
        section(obj, "spec")
        if section(obj, "status").get("conditions", ()) is None:
            raise OddObjectError("status.conditions is null, not a list")
        return rule(obj)
    except OddObjectError as error:
        text = f"failed to convert unstructured {_SHORT.get(kind, kind)} to typed: {error}"
        raise OddObjectError(text) from error
