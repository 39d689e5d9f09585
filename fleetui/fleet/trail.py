"""What was found on the way to an object that holds an application up, judged.

Owns: `Looked` and `Trail`; `judge`, which names the cause at its end; its words, links and evidence. Called by
`fleetui.fleet.why`. Pure; the way itself is gone by `fleetui.fleet.walk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.fleet.cause import words_of
from fleetui.fleet.causes import Cause, told_by
from fleetui.fleet.edges import SOURCES
from fleetui.fleet.finalizers import Keeper
from fleetui.fleet.stuck import said_by, stuck
from fleetui.fleet.views import Evidence, Link, ObjectEvent, TreeNode
from fleetui.fleet.waits import DEPENDS_ON
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.text import masked, one_line

_EVENTS = 3
_SHORT = 120
"""Characters that an object says on the way; the evidence has the whole."""
_SAID_NORMALLY = frozenset({"FailedBinding", "ExternalProvisioning"})
"""Events of type Normal that say what a claim waits for (Kubernetes 1.37 pkg/controller/volume/persistentvolume)."""


class Looked(msgspec.Struct, frozen=True):
    """One object on the way.

    `by` is the field that led here. `obj` is None where it is not there, or, with a `problem`, where that is not known;
    `is_served`: whether the cluster knows its kind at all. `grown`: what it owns, as far as it was asked for.
    `ring` is the object before it on the way that it waits for in turn.
    """

    ref: ObjectRef
    cluster: ClusterName
    by: str = ""
    obj: Obj | None = None
    problem: str = ""
    is_served: bool = True
    grown: tuple[Obj, ...] = ()
    ring: ObjectRef | None = None

    @property
    def is_absent(self) -> bool:
        return self.obj is None and not self.problem


class Kept(NamedTuple):
    """A finalizer, who is to remove it, and whether that runs here: None where that is not known."""

    finalizer: str
    keeper: Keeper
    is_there: bool | None


class Trail(msgspec.Struct, frozen=True):
    """What was found: the way down the tree to where it begins, the objects looked at from there, and what was read of
    the last one."""

    nodes: tuple[TreeNode, ...] = ()
    steps: tuple[Looked, ...] = ()
    events: tuple[ObjectEvent, ...] = ()
    log: tuple[Evidence, ...] = ()
    kept: tuple[Kept, ...] = ()


def judge(trail: Trail) -> Cause | None:
    """What the object at the end waits for; None where the trail is empty."""
    last = trail.steps[-1] if trail.steps else None
    if last is None:
        return _of_node(trail) if trail.nodes else None
    if last.ring is not None:
        words = f"{_name(last.ring)} and {_name(last.ref)} depend on each other"
        return Cause("DependencyCycle", words, "Take one out of the other's spec.dependsOn")
    if last.is_absent and last.by:
        return _absent(last)
    cause = stuck(last.obj, last.grown) if last.obj is not None else None
    if cause is not None:
        return _guarded(_with_url(cause, last), trail.kept)
    return _by_words(trail, last) or _with_url(_own_words(trail, last), last)


def _of_node(trail: Trail) -> Cause:
    """An object that is known from the tree alone, because its cluster can't be asked."""
    node = trail.nodes[-1]
    found = told_by(_said(node))
    if found is None:
        return Cause("Unhealthy", words_of(trail.nodes))
    return found._replace(words=f"{_name(node.ref)}: {found.words}")


def _absent(last: Looked) -> Cause:
    ref = last.ref
    if not last.is_served:
        group = f" of {ref.group}" if ref.group not in ("", "*") else ""
        words = f"Nothing on the cluster defines the kind {ref.kind}{group}"
        return Cause("MissingDefinition", words, "Install its CustomResourceDefinition")
    where = f" in the namespace {ref.namespace}" if ref.namespace else ""
    remedy = "Create what is missing, or correct its name where it is needed"
    return Cause("MissingObject", f"{_name(ref)} does not exist{where}", remedy)


def _by_words(trail: Trail, last: Looked) -> Cause | None:
    """A cause that is named by what the tree, or an event, says of the object."""
    events = [event for event in reversed(trail.events) if event.ref == last.ref]
    telling = [event for event in events if event.warning or event.reason in _SAID_NORMALLY]
    warned = sorted(telling, key=lambda event: not event.warning)
    texts = chain([_said_in_tree(trail, last)], (event.message for event in warned))
    found = next(filter(None, map(told_by, texts)), None)
    return found._replace(words=f"{_name(last.ref)}: {found.words}") if found is not None else None


def _own_words(trail: Trail, last: Looked) -> Cause:
    """Nothing that is known by name: what the object says, or the tree of it, and the newest warning."""
    said = said_by(last.obj) if last.obj is not None else None
    if said is not None:
        words = f"{_name(last.ref)}: {said.words}"
    elif len(trail.steps) == 1 and trail.nodes:
        words = words_of(trail.nodes).rstrip(".")
    else:
        words = f"{_name(last.ref)} is not ready"
    warning = next((event.message for event in reversed(trail.events) if event.ref == last.ref and event.warning), "")
    if warning and warning not in words:
        words = f"{words.rstrip('.')}. Its newest warning: {warning}"
    names = {DEPENDS_ON: "DependencyNotReady", "spec.sourceRef": "SourceNotReady", "spec.chartRef": "SourceNotReady"}
    return Cause(names.get(last.by, "Unhealthy"), words)


def _with_url(cause: Cause, last: Looked) -> Cause:
    """A source of Flux is named by its URL."""
    if last.obj is None or last.ref.group != SOURCES:
        return cause
    url = masked(one_line(text(mapping(last.obj.get("spec")).get("url"))))
    return cause._replace(words=f"{cause.words.rstrip('.')} ({url})") if url and url not in cause.words else cause


def _guarded(cause: Cause, kept: Sequence[Kept]) -> Cause:
    """Of a deleted object, whether who is to let it go is there."""
    gone = next((each for each in kept if each.is_there is False), None)
    if gone is None:
        return cause
    workloads = " or ".join(f"{kind} {name}" for kind, name in gone.keeper.workloads)
    missing = f"there is no {workloads}" if workloads else f"nothing here serves kinds of {gone.keeper.group}"
    remedy = f"Bring that controller back, or take {gone.finalizer} away by hand once what it guards is cleaned up"
    who = f"{gone.keeper.who[:1].upper()}{gone.keeper.who[1:]}"
    return cause._replace(words=f"{cause.words}. {who} seems to be gone: {missing}", remedy=remedy)


# --- how it is told -------------------------------------------------------------------------------------------------


def way_of(steps: Sequence[Looked]) -> str:
    """``Kustomization apps waits for Kustomization infra (dependsOn), which waits for …``; empty where it is no way."""
    if len(steps) < 2:
        return ""
    told = ", which waits for ".join(
        [_name(steps[0].ref), *(f"{_name(step.ref)}{_field(step.by)}" for step in steps[1:])]
    )
    return told.replace(", which waits for ", " waits for ", 1)


def links_of(trail: Trail) -> tuple[Link, ...]:
    """The way as it is shown: down the tree, then from object to object."""
    down = [Link(node.ref, node.cluster, said=_short(_said(node))) for node in trail.nodes]
    further = trail.steps[1:] if down else trail.steps
    return (*down, *(Link(step.ref, step.cluster, step.by, _short(_said_of(step))) for step in further))


def evidence_of(trail: Trail) -> tuple[Evidence, ...]:
    """Where it was read: the log of the last object, which tells more than all that follows; then in the order of the
    way, and of the last object its events and its finalizers."""
    return tuple(_evidence(trail))


def _evidence(trail: Trail) -> Iterator[Evidence]:
    yield from trail.log
    if trail.nodes and _said(trail.nodes[-1]):
        yield Evidence("status", _said(trail.nodes[-1]), trail.nodes[-1].ref)
    for step in trail.steps:
        said = said_by(step.obj) if step.obj is not None else None
        if said is not None:
            kind = f"{said.type}, {said.reason}" if said.reason else said.type
            yield Evidence("condition", f"{kind}: {said.message}" if said.message else kind, step.ref, said.time)
        elif step.is_absent and step.by:
            yield Evidence("status", "does not exist", step.ref)
    if trail.steps:
        yield from of_events(trail.events, trail.steps[-1].ref)
    for each in trail.kept:
        seen = {True: "which is there", False: "which seems to be gone", None: ""}[each.is_there]
        words = ", ".join(filter(None, (f"{each.finalizer}, removed by {each.keeper.who}", seen)))
        yield Evidence("finalizer", words, trail.steps[-1].ref)


def of_events(events: Sequence[ObjectEvent], ref: ObjectRef) -> list[Evidence]:
    """The newest events about one object that say what is wrong, the newest first."""
    about = [event for event in events if event.ref == ref and (event.warning or event.reason in _SAID_NORMALLY)]
    return [
        Evidence("event", f"{event.reason}: {event.message}", ref, event.last) for event in reversed(about[-_EVENTS:])
    ]


def _said(node: TreeNode) -> str:
    message = node.health.message if node.health is not None else ""
    return ", ".join(dict.fromkeys(filter(None, (node.info, message))))


def _said_in_tree(trail: Trail, last: Looked) -> str:
    node = trail.nodes[-1] if trail.nodes else None
    return node.health.message if node is not None and node.ref == last.ref and node.health is not None else ""


def _said_of(step: Looked) -> str:
    if step.obj is None:
        return "does not exist"
    said = said_by(step.obj)
    cause = None if said is not None else stuck(step.obj, step.grown)
    return said.words if said is not None else cause.words if cause is not None else ""


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def _field(by: str) -> str:
    return f" ({by.removeprefix('spec.')})" if by.startswith(("spec.", "status.")) else ""


def _name(ref: ObjectRef) -> str:
    return f"{ref.kind} {ref.name}"
