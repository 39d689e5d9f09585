"""What one live object that is in trouble waits for, read from the object itself.

Owns: `stuck`, `in_trouble`, `said_by`. Called by `fleetui.fleet.why` and `fleetui.fleet.walk`. Pure; a field of an odd
type is as good as none. What a Pod says is in `fleetui.fleet.stuck_pods`, what texts say in `fleetui.fleet.causes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from fleetui.engine.application import annotation, mapping, mappings, strings, text
from fleetui.fleet.causes import Cause, told_by
from fleetui.fleet.facts import ready_endpoints
from fleetui.fleet.finalizers import keeper_of
from fleetui.fleet.stuck_pods import stuck_pod
from fleetui.health import assess
from fleetui.model.objects import ref_of
from fleetui.model.status import HealthStatus
from fleetui.model.text import one_line
from fleetui.model.times import parse_time

Section = Mapping[str, Any]

_PAUSED = "crossplane.io/paused"
_REMAINS = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
)
"""Why a namespace stays (Kubernetes 1.37 pkg/controller/namespace/deletion/status_condition_utils.go)."""
_BAD_WHEN_TRUE = (*_REMAINS, "Stalled", "Failed", "ReplicaFailure", "Denied", "InvalidRequest")
_TELLING = (*_BAD_WHEN_TRUE, "Synced", "Ready", "Healthy")
"""Of several conditions that are bad, which one says most; others come after these."""


_REPEATS = "ContainersNotReady"
"""The reason of a Pod's conditions that repeat what its containers' statuses say (pkg/kubelet/status/generate.go)."""


class Said(msgspec.Struct, frozen=True):
    """A condition that says what is wrong, its texts on one line; `time` in seconds since the epoch."""

    type: str
    reason: str
    message: str
    time: float | None = None

    @property
    def words(self) -> str:
        return self.message or self.reason or self.type


def stuck(obj: Section, grown: Sequence[Section] = ()) -> Cause | None:
    """What `obj` waits for; None where it does not say. `grown`: what it owns, as far as `waits_for` asks for it."""
    name = _name(obj)
    metadata = mapping(obj.get("metadata"))
    if metadata.get("deletionTimestamp") and (found := _deleted(name, obj, metadata)):
        return found
    rule = _RULES.get(ref_of(obj).group_kind)
    return (rule(name, obj, grown) if rule else None) or _suspended(name, obj) or _conditions(name, obj)


def in_trouble(obj: Section, grown: Sequence[Section] = ()) -> bool:
    """Whether somebody may wait for `obj` in vain: it is not healthy, or says what it waits for itself.

    Flux's own controllers ask for no more of a dependency or a source than that it is Ready.
    """
    if stuck(obj, grown) is not None:
        return True
    if ref_of(obj).group.endswith(".toolkit.fluxcd.io") and _is_ready(obj):
        return False
    health = assess(obj)
    return health is not None and health.status is not HealthStatus.HEALTHY


def _is_ready(obj: Section) -> bool:
    conditions = mappings(mapping(obj.get("status")).get("conditions"))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def said_by(obj: Section) -> Said | None:
    """The condition of `obj` that says most of what is wrong; None where none does."""
    bad = []
    for condition in mappings(mapping(obj.get("status")).get("conditions")):
        kind = text(condition.get("type"))
        wrong = "True" if kind in _BAD_WHEN_TRUE else "False"
        says = (condition.get("message") or condition.get("reason")) and condition.get("reason") != _REPEATS
        if condition.get("status") == wrong and says:
            rank = _TELLING.index(kind) if kind in _TELLING else len(_TELLING)
            since = parse_time(text(condition.get("lastTransitionTime")))
            words = one_line(text(condition.get("reason"))), one_line(text(condition.get("message")))
            bad.append((rank, Said(kind, *words, since)))
    return min(bad, key=lambda entry: entry[0], default=(0, None))[1]


# --- deletion -------------------------------------------------------------------------------------------------------


def _deleted(name: str, obj: Section, metadata: Section) -> Cause | None:
    if ref_of(obj).group_kind == ("", "Namespace"):
        return _namespace(name, obj)
    finalizers = strings(metadata.get("finalizers"))
    if not finalizers:
        return None
    keeper = keeper_of(finalizers[0], ref_of(obj).group)
    words = f"{name} is deleted, and stays until the finalizer {', '.join(finalizers)} is removed"
    until = f", once {keeper.until}" if keeper.until else ""
    return Cause(
        "Finalizer", words, f"{keeper.who[:1].upper()}{keeper.who[1:]} removes it{until}; see whether that runs"
    )


def _namespace(name: str, obj: Section) -> Cause:
    status = mapping(obj.get("status"))
    held = {
        text(condition.get("type")): one_line(text(condition.get("message")))
        for condition in mappings(status.get("conditions"))
        if condition.get("status") == "True"
    }
    remains = [held[kind] for kind in _REMAINS if kind in held]
    remedy = ""
    if _REMAINS[0] in held:
        remedy = "Check the APIService that does not answer, or delete it"
    elif _REMAINS[3] in held:
        remedy = "Check the controllers that remove these finalizers"
    if not remains:
        return Cause("NamespaceTerminating", f"{name} is being deleted")
    return Cause("NamespaceTerminating", f"{name} is being deleted, and can't go: {'. '.join(remains)}", remedy)


# --- kinds ----------------------------------------------------------------------------------------------------------


def _pod(name: str, obj: Section, _: Sequence[Section]) -> Cause | None:
    return stuck_pod(name, obj)


def _service(name: str, obj: Section, slices: Sequence[Section]) -> Cause | None:
    """A Service that nothing stands behind: `slices` are its EndpointSlices."""
    selector = mapping(mapping(obj.get("spec")).get("selector"))
    if not selector or any(ready_endpoints(each) for each in slices):
        return None
    if any(mappings(each.get("endpoints")) for each in slices):
        return Cause("NoEndpoints", f"{name} has no endpoints: none of its Pods is ready")
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    return Cause(
        "NoEndpoints",
        f"{name} has no endpoints: no Pod has the labels {labels}",
        "Compare the Service's selector with the labels of the Pods",
    )


def _claim(name: str, obj: Section, _: Sequence[Section]) -> Cause | None:
    if mapping(obj.get("status")).get("phase") == "Lost":
        volume = text(mapping(obj.get("spec")).get("volumeName"))
        return Cause("VolumeLost", f"{name} is bound to the PersistentVolume {volume}, which is gone")
    return None


def _job(name: str, obj: Section, _: Sequence[Section]) -> Cause | None:
    for condition in mappings(mapping(obj.get("status")).get("conditions")):
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            return Cause("JobFailed", f"{name} failed: {text(condition.get('message')) or condition.get('reason')}")
    return None


def _acme(name: str, obj: Section, _: Sequence[Section]) -> Cause | None:
    reason = text(mapping(obj.get("status")).get("reason"))
    return Cause("CertificateNotIssued", f"{name}: {reason}") if reason else None


_RULES: dict[tuple[str, str], Callable[[str, Section, Sequence[Section]], Cause | None]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("batch", "Job"): _job,
    ("acme.cert-manager.io", "Order"): _acme,
    ("acme.cert-manager.io", "Challenge"): _acme,
}


def _suspended(name: str, obj: Section) -> Cause | None:
    """What somebody has told its controller to leave alone."""
    spec = mapping(obj.get("spec"))
    if annotation(obj, _PAUSED) == "true":
        return Cause("Suspended", f"{name} is paused (the annotation {_PAUSED})", "Take the annotation away")
    for field in ("suspend", "paused"):
        if spec.get(field) is True:
            return Cause("Suspended", f"{name} is suspended (spec.{field})", f"Set spec.{field} to false to go on")
    return None


def _conditions(name: str, obj: Section) -> Cause | None:
    """What a condition says that a controller has refused or can't do."""
    for condition in mappings(mapping(obj.get("status")).get("conditions")):
        is_bad = condition.get("status") != "True" or condition.get("type") in _BAD_WHEN_TRUE
        found = told_by(text(condition.get("message"))) if is_bad else None
        if found is not None:
            return Cause(found.name, f"{name}: {found.words}", found.remedy)
    return None


def _name(obj: Section) -> str:
    return f"{text(obj.get('kind'))} {text(mapping(obj.get('metadata')).get('name'))}"
