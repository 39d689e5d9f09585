"""The Events about an object, or about everything of an application.

Owns: `events_of` and `events_of_tree`, and how Events become one list. Called by `fleetui.fleet.fleet`. Events are
read with ``core/v1``, whose store is that of ``events.k8s.io`` too. A controller may tell the same thing through
several Events (after a restart, or when a series ends): they are one entry here, with the counts added up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.fleet.views import ObjectEvent, Tree
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, split_api_version
from fleetui.model.text import one_line, sanitize
from fleetui.model.times import parse_time
from fleetui.ports import Cluster

EVENT = ApiResource(group="", version="v1", kind="Event", plural="events", namespaced=True)

_ONE_BY_ONE = 4
"""Objects of a namespace that are asked for one by one; of more, the namespace's Events come in one list: the server
reads through all of them for each selector."""
_CLUSTER_SCOPED = "default"
"""The namespace that has the Events about objects without one (client-go tools/record/event.go)."""


class Subject(msgspec.Struct, frozen=True):
    """An object whose Events are wanted; those of a former object of the same name are not, where `uid` is given."""

    ref: ObjectRef
    uid: str = ""


async def events_of(api: Cluster, subjects: Iterable[Subject]) -> list[ObjectEvent]:
    """The Events about objects of one cluster, the newest last.

    Raises:
        ClusterError: they can't be listed.
    """
    by_namespace: dict[str, list[Subject]] = {}
    for subject in subjects:
        by_namespace.setdefault(subject.ref.namespace or _CLUSTER_SCOPED, []).append(subject)
    lists = await asyncio.gather(*(_listed(api, namespace, some) for namespace, some in by_namespace.items()))
    wanted = {subject.ref: subject.uid for some in by_namespace.values() for subject in some}
    return merged((obj for objects in lists for obj in objects), wanted, cluster=api.name)


async def events_of_tree(
    tree: Tree, cluster: Callable[[ClusterName], Cluster], ref: ObjectRef | None = None
) -> tuple[ObjectEvent, ...]:
    """The Events about everything of the application itself in a tree, or about one object; the newest last. An object
    that the tree does not have is looked for where the others are.

    Raises:
        ClusterError: they can't be listed.
    """
    by_cluster: dict[ClusterName, list[Subject]] = {}
    for node in tree.own if ref is None else tree.nodes:
        if ref is None or node.ref == ref:
            by_cluster.setdefault(node.cluster, []).append(Subject(node.ref, node.uid))
    if ref is not None and not by_cluster:
        by_cluster[tree.own[-1].cluster] = [Subject(ref)]
    lists = await asyncio.gather(*(events_of(cluster(name), some) for name, some in by_cluster.items()))
    return tuple(sorted((event for events in lists for event in events), key=_when))


async def _listed(api: Cluster, namespace: str, subjects: Sequence[Subject]) -> list[Obj]:
    selectors = [_selector(subject) for subject in subjects] if len(subjects) <= _ONE_BY_ONE else [""]
    found: list[Obj] = []
    for selector in selectors:
        try:
            found += await api.list(EVENT, namespace, fields=selector)
        except NotFoundError:  # its namespace has gone
            return []
    return found


def _selector(subject: Subject) -> str:
    if subject.uid:
        return f"involvedObject.uid={subject.uid}"
    return f"involvedObject.kind={subject.ref.kind},involvedObject.name={subject.ref.name}"


def merged(objects: Iterable[Obj], wanted: Mapping[ObjectRef, str], *, cluster: ClusterName) -> list[ObjectEvent]:
    """Events as entries, the newest last: those about `wanted` (object to uid), what says the same made one."""
    found: dict[tuple[object, ...], ObjectEvent] = {}
    for obj in objects:
        about = mapping(obj.get("involvedObject"))
        ref = _ref(about)
        uid, wanted_uid = text(about.get("uid")), wanted.get(ref)
        if wanted_uid is None or (uid and wanted_uid and uid != wanted_uid):
            continue
        entry = _entry(obj, ref, cluster)
        key = (ref, entry.warning, entry.reason, entry.message, entry.source)
        known = found.get(key)
        found[key] = entry if known is None else _together(known, entry)
    return sorted(found.values(), key=_when)


def _when(entry: ObjectEvent) -> tuple[float, float]:
    return entry.last or 0.0, entry.first or 0.0


def _ref(about: Mapping[str, Any]) -> ObjectRef:
    group = split_api_version(text(about.get("apiVersion")))[0]
    return ObjectRef(group, text(about.get("kind")), text(about.get("namespace")), text(about.get("name")))


def _entry(obj: Obj, ref: ObjectRef, cluster: ClusterName) -> ObjectEvent:
    series, source = mapping(obj.get("series")), mapping(obj.get("source"))
    times = [
        parse_time(text(given))
        for given in (
            obj.get("firstTimestamp"),
            obj.get("eventTime"),
            mapping(obj.get("metadata")).get("creationTimestamp"),
        )
    ]
    first = next((time for time in times if time is not None), None)
    ends = [parse_time(text(given)) for given in (series.get("lastObservedTime"), obj.get("lastTimestamp"))]
    count = series.get("count") or obj.get("count")
    return ObjectEvent(
        ref=ref,
        cluster=cluster,
        warning=text(obj.get("type")) == "Warning",
        reason=one_line(text(obj.get("reason"))),
        message=sanitize(text(obj.get("message"))).strip(),
        count=count if isinstance(count, int) and count > 0 else 1,
        first=first,
        last=next((time for time in ends if time is not None), first),
        source=one_line(text(source.get("component")) or text(obj.get("reportingComponent"))),
    )


def _together(one: ObjectEvent, other: ObjectEvent) -> ObjectEvent:
    firsts = [entry.first for entry in (one, other) if entry.first is not None]
    lasts = [entry.last for entry in (one, other) if entry.last is not None]
    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        first=min(firsts, default=None),
        last=max(lasts, default=None),
    )
