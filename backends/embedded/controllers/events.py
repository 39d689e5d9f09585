"""Kubernetes Events, repeated ones counted up and old ones forgotten.

Owns: `Recorder`. Called by every controller. An API server forgets an Event after an hour; here the number is bounded,
so that a long demo stays small.
"""

from __future__ import annotations

from collections import OrderedDict

from backends.embedded.controllers.naming import fnv32a
from backends.embedded.controllers.world import MANAGER, World
from backends.embedded.errors import ApiError
from fleetui.model.objects import Obj

KEEP = 1000
"""Events of one cluster; the oldest go first."""


class Recorder:
    """Writes Events about objects.

    Args:
        log: where they are written.
        component: who speaks, such as ``deployment-controller`` (``source.component``).
        manager: the field manager; the process that the component is part of.
    """

    def __init__(self, log: EventLog, *, component: str, manager: str = MANAGER) -> None:
        self._log = log
        self._component = component
        self._manager = manager

    def normal(self, obj: Obj, reason: str, message: str, *, field: str = "", node: str = "") -> None:
        self._record(obj, ("Normal", reason, message), field=field, node=node)

    def warning(self, obj: Obj, reason: str, message: str, *, field: str = "", node: str = "") -> None:
        self._record(obj, ("Warning", reason, message), field=field, node=node)

    def _record(self, obj: Obj, what: tuple[str, str, str], *, field: str, node: str) -> None:
        meta = obj["metadata"]
        involved = {
            "kind": obj["kind"],
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": obj["apiVersion"],
            "resourceVersion": meta["resourceVersion"],
            **({"fieldPath": field} if field else {}),
        }
        source = {"component": self._component, **({"host": node} if node else {})}
        self._log.record(involved, what, source=source, manager=self._manager)


class EventLog:
    """The Events of one cluster that this process wrote."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: OrderedDict[tuple[str, ...], tuple[str, str]] = OrderedDict()

    def record(self, involved: Obj, what: tuple[str, str, str], *, source: Obj, manager: str) -> None:
        """Writes one Event, or counts up the one that says the same already."""
        identity = (involved["uid"], source["component"], *what, involved.get("fieldPath", ""))
        known = self._known.get(identity)
        if known is not None and self._count_up(known, manager):
            self._known.move_to_end(identity)
            return
        namespace = involved["namespace"] or "default"
        name = f"{involved['name']}.{fnv32a(repr((identity, self._world.now)).encode()):016x}"
        kind, reason, message = what
        now = self._world.stamp()
        event: Obj = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": source["component"],
            "reportingInstance": source.get("host", ""),
        }
        try:
            self._world.store.create(event, manager=manager)
        except ApiError:
            return  # the namespace is going, or the name is taken: an Event is never worth a failed reconcile
        self._known[identity] = (namespace, name)
        self._forget()

    def _count_up(self, where: tuple[str, str], manager: str) -> bool:
        store = self._world.store
        try:
            event = store.get("", "Event", *where)
            again = {**event, "count": event.get("count", 1) + 1, "lastTimestamp": self._world.stamp()}
            store.update(again, manager=manager)
        except ApiError:
            return False
        return True

    def _forget(self) -> None:
        while len(self._known) > KEEP:
            _, (namespace, name) = self._known.popitem(last=False)
            try:
                self._world.store.delete("", "Event", namespace, name)
            except ApiError:
                continue
