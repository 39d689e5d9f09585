"""Health of Crossplane's objects: packages, definitions, claims, composites and managed resources of v1 and v2.

Owns: `RULES` and `of_group` for the groups below ``crossplane.io`` and ``upbound.io``. Rules: argo-cd v3.6.1
resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fleetui.health.kinds.common import conditions_of, message
from fleetui.health.reading import Section, section, sections, text
from fleetui.health.verdicts import degraded, healthy, progressing, suspended
from fleetui.model.status import Health

_CONFIGURATION = frozenset(
    {"ClusterProviderConfig", "ClusterProviderConfigUsage", "ProviderConfig", "ProviderConfigUsage", "StoreConfig"}
)
"""Kinds that never get conditions."""
_OF_CROSSPLANE = _CONFIGURATION | {
    "Composition",
    "CompositionRevision",
    "ControllerConfig",
    "DeploymentRuntimeConfig",
    "EnvironmentConfig",
    "ImageConfig",
}
_FINE = frozenset({"Ready", "Healthy", "Offered", "Established", "ValidPipeline", "RevisionHealthy"})


def _any(obj: Section, *, without_conditions: frozenset[str], fine: frozenset[str], definitions: bool) -> Health:
    entries = conditions_of(obj)
    found = progressing("Provisioning ...")
    if not entries:
        if text(obj, "kind") in without_conditions:
            used = section(obj, "status").get("users") is not None
            return healthy("Resource is in use." if used else "Resource is up-to-date.")
        return found
    for condition in entries:
        kind, status = text(condition, "type"), condition.get("status")
        if kind in ("LastAsyncOperation", "Synced") and status == "False":
            return degraded(message(condition))
        if (kind in fine and status == "True") or (definitions and kind == "Established" and _is_off(obj, condition)):
            found = healthy("Resource is up-to-date.")
    return found


def _is_off(obj: Section, condition: Section) -> bool:
    """A ManagedResourceDefinition that is not activated has no definition by design."""
    return condition.get("reason") == "InactiveManagedResource" and section(obj, "spec").get("state") != "Active"


def provider(obj: Section) -> Health:
    """A provider: installed and healthy."""
    states = {text(condition, "type"): condition for condition in conditions_of(obj)}
    both = [states.get(kind, {}) for kind in ("Installed", "Healthy")]
    reasons = " ".join(text(condition, "reason") for condition in both if condition.get("reason") is not None)
    if all(condition.get("reason") is None for condition in both):
        return progressing("Waiting for provider to be installed")
    return healthy(reasons) if all(condition.get("status") == "True" for condition in both) else degraded(reasons)


def _classic(called: str, obj: Section) -> Health:
    """A managed resource of the first AWS provider."""
    if section(obj, "status").get("conditions") is None:
        return progressing(f"Waiting for {called} to be created")
    ready = synced = paused = False
    reason = problem = pause = ""
    for condition in conditions_of(obj):
        on = condition.get("status") == "True"
        if condition.get("type") == "Ready":
            ready, reason = on, text(condition, "reason")
        elif condition.get("type") == "Synced":
            synced = on
            if condition.get("reason") == "ReconcileError":
                problem = message(condition)
            elif condition.get("reason") == "ReconcilePaused":
                paused, pause = True, "ReconcilePaused"
    if ready and synced:
        return healthy(reason)
    if not synced and paused:
        return suspended(pause)
    if not ready and synced and not paused:
        return progressing(f"Waiting for {called} to be available")
    return degraded(problem)


def stack_install(obj: Section) -> Health:
    """A stack of Crossplane before 1.0."""
    waiting = "Waiting for stack to be installed"
    for condition in sections(section(section(obj, "status"), "conditionedStatus"), "conditions"):
        if condition.get("type") == "Ready":
            waiting = text(condition, "reason")
            if condition.get("status") == "True":
                return healthy(waiting)
    return progressing(waiting)


_crossplane = partial(_any, without_conditions=_OF_CROSSPLANE, fine=_FINE, definitions=True)
_upbound = partial(_any, without_conditions=_CONFIGURATION, fine=frozenset({"Ready"}), definitions=False)


def of_group(group: str) -> Callable[[Section], Health] | None:
    """The rule for every kind of a group; None where the group is none of Crossplane's."""
    if group.endswith(".crossplane.io"):
        return _crossplane
    return _upbound if group.endswith(".upbound.io") else None


_CLASSIC = {
    ("cloudfront", "Distribution"): "distribution",
    ("iam", "Policy"): "Policy",
    ("iam", "Role"): "Role",
    ("iam", "RolePolicyAttachment"): "RolePolicyAttachment",
    ("rds", "DBCluster"): "DBCluster",
    ("rds", "DBInstance"): "DBInstance",
    ("route53", "ResourceRecordSet"): "resourcrecordset",
    ("s3", "Bucket"): "Bucket",
}
RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("pkg.crossplane.io", "Provider"): provider,
    ("stacks.crossplane.io", "ClusterStackInstall"): stack_install,
    **{
        (f"{service}.aws.crossplane.io", kind): partial(_classic, called)
        for (service, kind), called in _CLASSIC.items()
    },
}
