"""Health of the Gateway API's objects.

Owns: `RULES` for the group ``gateway.networking.k8s.io``. Rules: argo-cd v3.6.1 resource_customizations. A condition of
another generation than the object's says nothing about the object as it is now.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds.common import conditions_of, has_conditions, says
from fleetui.health.reading import OddObjectError, Section, section, sections, text
from fleetui.health.verdicts import degraded, healthy, progressing
from fleetui.model.status import Health


def _message(condition: Section, otherwise: str) -> str:
    return otherwise if condition.get("message") is None else text(condition, "message")


def _refused(entries: list[Section], prefix: str = "") -> Health | None:
    """References that can't be resolved, then a refusal."""
    for kind in ("ResolvedRefs", "Accepted"):
        for condition in entries:
            if says(condition, kind, "False"):
                return degraded(f"{prefix}{_message(condition, f'Failed condition: {kind}')}")
    return None


def _unprogrammed(entries: list[Section], what: str, prefix: str = "") -> Health | None:
    for condition in entries:
        if condition.get("type") == "Programmed" and condition.get("status") != "True":
            return progressing(f"{prefix}{_message(condition, f'{what} is still being programmed')}")
    return None


def _is_stale(obj: Section, condition: Section) -> bool:
    generation, observed = section(obj, "metadata").get("generation"), condition.get("observedGeneration")
    return generation is not None and observed is not None and observed != generation


def gateway(obj: Section) -> Health:
    status = section(obj, "status")
    entries = conditions_of(obj)
    found = _refused(entries) or _unprogrammed(entries, "Gateway")
    if found is not None:
        return found
    listeners = sections(status, "listeners")
    for listener in listeners:
        entries = sections(listener, "conditions")
        found = _refused(entries, "Listener: ") or _unprogrammed(entries, "Listener", "Listener: ")
        if found is not None:
            return found
    if has_conditions(obj) or listeners:
        return healthy("Gateway is healthy")
    return progressing("Waiting for Gateway status")


def gateway_class(obj: Section) -> Health:
    waiting = "Waiting for GatewayClass status"
    for condition in conditions_of(obj):
        if condition.get("type") != "Accepted" or _is_stale(obj, condition):
            continue
        if condition.get("status") == "True":
            return healthy(_message(condition, "GatewayClass is accepted"))
        if condition.get("status") == "False":
            return degraded(_message(condition, "GatewayClass is not accepted"))
        return progressing(_message(condition, waiting))
    return progressing(waiting)


def _is_fresh(obj: Section, parent: Section) -> bool:
    """Whether a parent speaks of the object as it is; with a generation at hand it has to speak at all."""
    entries = sections(parent, "conditions")
    if section(obj, "metadata").get("generation") is None:
        return True
    return bool(entries) and not any(_is_stale(obj, condition) for condition in entries)


def _route(kind: str) -> Callable[[Section], Health]:
    def rule(obj: Section) -> Health:
        parents = sections(section(obj, "status"), "parents")
        fresh = [parent for parent in parents if parent.get("conditions") is not None and _is_fresh(obj, parent)]
        for parent in fresh:
            entries, prefix = sections(parent, "conditions"), f"Parent {text(section(parent, 'parentRef'), 'name')}: "
            found = _refused(entries, prefix) or _unprogrammed(entries, "Route", prefix)
            if found is not None:
                return found
        if any(sections(parent, "conditions") for parent in fresh):
            return healthy(f"{kind} is healthy")
        return progressing(f"Waiting for {kind} status")

    return rule


def tls_route(obj: Section) -> Health:
    """Stricter than the other routes: a parent has to say Accepted and ResolvedRefs."""
    fine, moving, waiting = False, "", ""
    for parent in sections(section(obj, "status"), "parents"):
        entries = sections(parent, "conditions")
        if not entries or not _is_fresh(obj, parent):
            continue
        prefix = f"Parent {text(section(parent, 'parentRef'), 'name')}: "
        refused = _refused_by_first(entries, prefix)
        if refused is not None:
            return refused
        programmed = _first(entries, "Programmed")
        if programmed is not None and programmed.get("status") != "True":
            moving = moving or f"{prefix}{_message(programmed, 'Route is still being programmed')}"
        elif all(says(_first(entries, kind) or {}, kind, "True") for kind in ("Accepted", "ResolvedRefs")):
            fine = True
        else:
            waiting = waiting or f"{prefix}Waiting for TLSRoute conditions"
    if moving:
        return progressing(moving)
    return healthy("TLSRoute is healthy") if fine else progressing(waiting or "Waiting for TLSRoute status")


def _refused_by_first(entries: list[Section], prefix: str) -> Health | None:
    for kind in ("ResolvedRefs", "Accepted"):
        condition = _first(entries, kind)
        if condition is not None and condition.get("status") == "False":
            return degraded(f"{prefix}{text(condition, 'message') or f'Failed condition: {kind}'}")
    return None


def _first(entries: list[Section], kind: str) -> Section | None:
    return next((condition for condition in entries if condition.get("type") == kind), None)


def backend_tls_policy(obj: Section) -> Health:
    ancestors = sections(section(obj, "status"), "ancestors")
    for ancestor in ancestors:
        if any(_is_stale(obj, condition) for condition in _required(ancestor)):
            return progressing(f"Waiting for Ancestor {_name(ancestor)} to update BackendTLSPolicy status")
    found = progressing("Waiting for BackendTLSPolicy status")
    for ancestor in ancestors:
        for condition in _required(ancestor):
            if condition.get("type") not in ("Accepted", "ResolvedRefs"):
                continue
            if condition.get("status") != "True":
                return degraded(f"Ancestor {_name(ancestor)}: {text(condition, 'message')}")
            if condition.get("type") == "Accepted":
                found = healthy("BackendTLSPolicy is healthy")
    return found


def _required(ancestor: Section) -> list[Section]:
    if ancestor.get("conditions") is None:
        raise OddObjectError("an ancestor has no conditions")
    return sections(ancestor, "conditions")


def _name(ancestor: Section) -> str:
    return text(section(ancestor, "ancestorRef"), "name")


def listener_set(obj: Section) -> Health:
    waiting = progressing("Waiting for ListenerSet status")
    if obj.get("status") is None:
        return waiting
    entries = conditions_of(obj)
    if any(_is_stale(obj, condition) for condition in entries):
        return waiting
    if not has_conditions(obj):
        raise OddObjectError("status.conditions is missing")
    found = _listening(entries, "ListenerSet", refusals=(("Accepted", "False"),))
    if found is not None:
        return found
    listeners = sections(section(obj, "status"), "listeners")
    refusals = (("ResolvedRefs", "False"), ("Conflicted", "True"), ("Accepted", "False"))
    for listener in listeners:
        found = _listening(sections(listener, "conditions"), "Listener", refusals=refusals, prefix="Listener: ")
        if found is not None:
            return found
    return healthy("ListenerSet is healthy") if listeners else waiting


def _listening(
    entries: list[Section], what: str, *, refusals: tuple[tuple[str, str], ...], prefix: str = ""
) -> Health | None:
    """What keeps it from listening: the first refusal, else the last condition that it is not programmed."""
    moving: Health | None = None
    for condition in entries:
        for kind, status in refusals:
            if says(condition, kind, status):
                otherwise = "Listener is conflicted" if kind == "Conflicted" else f"Failed condition: {kind}"
                return degraded(f"{prefix}{_message(condition, otherwise)}")
        moving = _unprogrammed([condition], what, prefix) or moving
    return moving


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("gateway.networking.k8s.io", "BackendTLSPolicy"): backend_tls_policy,
    ("gateway.networking.k8s.io", "GRPCRoute"): _route("GRPCRoute"),
    ("gateway.networking.k8s.io", "Gateway"): gateway,
    ("gateway.networking.k8s.io", "GatewayClass"): gateway_class,
    ("gateway.networking.k8s.io", "HTTPRoute"): _route("HTTPRoute"),
    ("gateway.networking.k8s.io", "ListenerSet"): listener_set,
    ("gateway.networking.k8s.io", "TLSRoute"): tls_route,
}
