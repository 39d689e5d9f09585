"""Sending Events to the hub, behind everything else.

Owns: `EventRecorder`, a `fleetui.engine.telling.Listener`. What is emitted is decided in `fleetui.engine.events`.
Losing an Event is no harm; holding up a sync for one is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import AbstractContextManager, nullcontext

from fleetui.engine.application import STATUS_MANAGER, Application, mapping, mappings, text
from fleetui.engine.appset.applicationset import KIND as APPLICATION_SET
from fleetui.engine.clock import Clock
from fleetui.engine.events import NORMAL, Told, event_about, event_of, told_by
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, Obj
from fleetui.ports import Cluster

MOST = 10_000
"""Events that may wait; the oldest are dropped then."""

APPLICATION_SET_COMPONENT = "applicationset-controller"
"""What Argo CD's controller of ApplicationSets calls itself in Events."""

_RESOURCE = ApiResource(group="", version="v1", kind="Event", plural="events", namespaced=True)
_log = logging.getLogger(__name__)


class EventRecorder:
    """Creates Events on one hub, one after the other, while `run` goes on.

    Args:
        hub: the cluster of the Applications.
        clock: the time.
    """

    def __init__(self, hub: Cluster, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._waiting: deque[Obj] = deque(maxlen=MOST)
        self._some = asyncio.Event()
        self._last = 0.0

    def wrote(self, before: Application, after: Application) -> None:
        """Logs a write, and queues its Events."""
        known = _conditions(before)
        for kind, message in _conditions(after):
            # Argo CD emits no Events of them: without this the log says that an Application is Unknown, and not why.
            if (kind, message) not in known:
                about = {"namespace": after.namespace, "application": after.name}
                _log.warning("%s/%s: %s: %s", after.namespace, after.name, kind, message, extra=about)
        for told in told_by(before, after):
            level = logging.INFO if told.type == NORMAL else logging.WARNING
            about = {"namespace": after.namespace, "application": after.name, "event": told.reason}
            _log.log(level, "%s/%s: %s", after.namespace, after.name, told.message, extra=about)
            self._queue(event_of(before, told, self._moment()))

    def generated(self, appset: Obj, told: Told) -> None:
        """Logs what was done for an ApplicationSet, and queues its Event."""
        metadata = mapping(appset.get("metadata"))
        namespace, name = text(metadata.get("namespace")), text(metadata.get("name"))
        about = {"namespace": namespace, "applicationset": name, "event": told.reason}
        _log.info("%s/%s: %s", namespace, name, told.message, extra=about)
        self._queue(event_about(appset, APPLICATION_SET, told, self._moment(), component=APPLICATION_SET_COMPONENT))

    def _moment(self) -> float:
        """The time; the name of an Event is made of it, and no two may have the same."""
        self._last = max(self._clock.now(), self._last + 1e-6)
        return self._last

    def _queue(self, event: Obj) -> None:
        self._waiting.append(event)
        self._some.set()

    def reconciling(self, namespace: str, name: str) -> AbstractContextManager[object]:
        """Nothing is told of that."""
        return nullcontext()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        while True:
            await self._some.wait()
            while self._waiting:
                await self._send(self._waiting.popleft())
            self._some.clear()

    async def drain(self, seconds: float) -> None:
        """Sends what still waits, for as many seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                while self._waiting:
                    await self._send(self._waiting.popleft())
        except TimeoutError:
            self._waiting.clear()

    async def _send(self, event: Obj) -> None:
        try:
            await self._hub.create(_RESOURCE, event, field_manager=STATUS_MANAGER)
        except ClusterError as error:
            name = event["involvedObject"]["name"]
            _log.warning("%s: the event %r could not be created: %s", name, event["message"], error)


def _conditions(app: Application) -> list[tuple[str, str]]:
    """Type and message of each."""
    return [(text(each.get("type")), text(each.get("message"))) for each in mappings(app.status.get("conditions"))]
