"""Health of kinds that nobody knows, from the conditions that the field agrees on.

Owns: `of_conditions`. Argo CD gives such an object no health at all; a claim of one's own platform that waits for its
database is the very thing an operator looks for, so here it has one. Rules: ``Reconciling``, ``Stalled`` and
``Ready`` as kstatus defines them (sigs.k8s.io/cli-utils v0.37, pkg/kstatus/README.md), ``Synced`` as Crossplane sets
it (crossplane-runtime v2, apis/common/condition.go).
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetui.health.reading import Section
from fleetui.health.verdicts import degraded, healthy, progressing, suspended
from fleetui.model.status import Health

_BUILT_IN = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"})
_FAILURES = ("Failed", "Failure", "Error")


def is_custom(group: str) -> bool:
    """Whether a group can hold kinds that nobody knows: Kubernetes' own have rules, or no health on purpose."""
    return group not in _BUILT_IN and not group.endswith(".k8s.io")


def of_conditions(obj: Section) -> Health | None:
    """The verdict of the conditions; None where there is none of the four types.

    A kind nobody knows may shape its status as it likes, so what is no condition is passed over, not odd. ``Ready`` at
    False is Progressing, as for kstatus, except where its reason names a failure.
    """
    status = obj.get("status")
    if not isinstance(status, Mapping):
        return None
    found = _conditions(status.get("conditions"))
    if not found:
        return None
    for kind, verdict in (("Stalled", degraded), ("Reconciling", progressing)):
        if (state := found.get(kind)) and state[0] == "True":
            return verdict(state[2])
    return _by_synced_and_ready(found, is_old=_is_old(obj, status))


def _by_synced_and_ready(found: Mapping[str, tuple[str, str, str]], *, is_old: bool) -> Health | None:
    synced, synced_reason, synced_message = found.get("Synced", ("", "", ""))
    if synced == "False":
        paused = synced_reason == "ReconcilePaused"
        return suspended(synced_message) if paused else degraded(synced_message)
    ready, reason, message = found.get("Ready", ("", "", ""))
    if ready == "False" and reason.endswith(_FAILURES):
        return degraded(message)
    if is_old:
        return progressing("Waiting for the latest generation to be observed")
    if ready == "True" or (not ready and synced == "True"):
        return healthy(message or synced_message)
    return progressing(message or synced_message) if ready or synced else None


def _conditions(value: object) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message by type; the first of a type counts."""
    found: dict[str, tuple[str, str, str]] = {}
    for entry in value if isinstance(value, list) else ():
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind in ("Ready", "Synced", "Stalled", "Reconciling") and kind not in found:
            status, reason, message = (entry.get(key) for key in ("status", "reason", "message"))
            if isinstance(status, str):
                found[kind] = (status, _text(reason), _text(message))
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_old(obj: Section, status: Section) -> bool:
    metadata = obj.get("metadata")
    generation = metadata.get("generation") if isinstance(metadata, Mapping) else None
    observed = status.get("observedGeneration")
    return type(generation) is int and type(observed) is int and observed < generation
