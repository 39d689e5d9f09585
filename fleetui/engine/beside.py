"""Whether one of Argo CD's own controllers is at work on a hub: it goes before us.

Owns: `refuse_beside_argocd`, asked before an engine begins, and `ForeignWrites`, which notices one that comes later;
for each of the two `Controller`s whose place an engine takes. A controller is seen by its StatefulSet or Deployment, by
the heartbeats of its shards, by a Lease, and, wherever it may run, by what it does: it takes the refresh annotation off
an Application, or an ApplicationSet. Called by `fleetui.engine.lease`, `controller` and `appset.controller`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from fleetui.engine.application import GROUP, KIND, REFRESH, STATUS_MANAGER, Application, mapping, mappings, text, whole
from fleetui.engine.appset import applicationset as appset
from fleetui.engine.clock import Clock
from fleetui.engine.telling import Nobody
from fleetui.model.errors import ClusterError, ForbiddenError, NotFoundError, RefusedError
from fleetui.model.times import parse_time
from fleetui.ports import Cluster, PatchType

_log = logging.getLogger(__name__)


class Controller(NamedTuple):
    """One of Argo CD's controllers.

    `name` is that of its workload and of its field manager, `lease` is part of its Lease's name or holder. It works on
    objects of `kind`, takes the annotation `refresh` off them, and in messages is called `title`.
    """

    name: str
    lease: str
    kind: str
    refresh: str
    title: str

    @property
    def label(self) -> str:
        return f"app.kubernetes.io/name={self.name}"


APPLICATIONS = Controller(STATUS_MANAGER, STATUS_MANAGER, KIND, REFRESH, "Argo CD's own controller")
APPLICATION_SETS = Controller(
    appset.MANAGER, "applicationsets.argoproj.io", appset.KIND, appset.REFRESH, "Argo CD's ApplicationSet controller"
)

SHARDS = "argocd-app-controller-shard-cm"
"""Where its shards write their heartbeats (`controller/sharding/sharding.go`, v3.6)."""

HEARTBEAT = 60.0
"""Seconds for which a heartbeat or a Lease without a duration counts."""
RECENT = 180.0
"""Seconds within which a controller that lives has written something: its resync."""
ANSWER = 5.0
"""Seconds in which a controller that lives takes a refresh annotation away."""
_LOOK = 0.25

FOREIGN, WITHIN = 10, 60.0
"""So many writes that are not known to be ours in so many seconds are worth a look: answers of an API server that got
lost are few."""


async def refuse_beside_argocd(
    hub: Cluster, clock: Clock, *, namespace: str, ours_until: float, controller: Controller = APPLICATIONS
) -> None:
    """Returns where the controller is not seen.

    Args:
        hub: the cluster of the Applications.
        clock: the time.
        namespace: the control plane's; a controller of another namespace has other Applications.
        ours_until: until when an engine of ours was at work here (epoch seconds); what was written before says nothing.
        controller: which of Argo CD's.

    Raises:
        RefusedError: one is at work; the message says where it was seen.
        ClusterError: the hub can't be asked.
    """
    for look in (_workload, _lease, _shards):
        try:
            where = await look(hub, clock, namespace, controller)
        except ForbiddenError:
            # Who may not look may still reconcile: our own Lease stands between two engines of ours in any case.
            continue
        if where:
            raise _refusal(hub, where, controller)
    if await _answers(hub, clock, namespace, ours_until, controller):
        raise _refusal(hub, "it answers to a refresh", controller)


def _refusal(hub: Cluster, where: str, controller: Controller) -> RefusedError:
    return RefusedError(
        f"{controller.title} is at work on cluster {hub.name} ({where})",
        f"scale it to 0 first, or leave its {controller.kind}s to it",
    )


async def _workload(hub: Cluster, _: Clock, namespace: str, controller: Controller) -> str:
    discovery = await hub.discover()
    for kind in ("StatefulSet", "Deployment"):
        resource = discovery.by_kind("apps", kind)
        for obj in await hub.list(resource, namespace, labels=controller.label) if resource is not None else ():
            if whole(mapping(obj.get("status")).get("readyReplicas")) > 0:
                return f"{kind} {namespace}/{text(mapping(obj.get('metadata')).get('name'))}"
    return ""


async def _lease(hub: Cluster, clock: Clock, namespace: str, controller: Controller) -> str:
    resource = (await hub.discover()).by_kind("coordination.k8s.io", "Lease")
    if resource is None:
        return ""
    for obj in await hub.list(resource, namespace):
        name, spec = text(mapping(obj.get("metadata")).get("name")), mapping(obj.get("spec"))
        held = text(spec.get("holderIdentity"))
        lasts = whole(spec.get("leaseDurationSeconds"), int(HEARTBEAT))
        renewed = parse_time(text(spec.get("renewTime"))) or 0.0
        if held and controller.lease in f"{name} {held}" and clock.now() < renewed + lasts:
            return f"Lease {namespace}/{name}, held by {held}"
    return ""


async def _shards(hub: Cluster, clock: Clock, namespace: str, controller: Controller) -> str:
    resource = (await hub.discover()).by_kind("", "ConfigMap")
    if resource is None or controller is not APPLICATIONS:
        return ""
    try:
        obj = await hub.get(resource, SHARDS, namespace)
    except NotFoundError:
        return ""
    try:
        shards = json.loads(text(mapping(obj.get("data")).get("shardControllerMapping")) or "[]")
    except ValueError:
        return ""
    for shard in mappings(shards):
        beat = parse_time(text(shard.get("HeartbeatTime"))) or 0.0
        if shard.get("ControllerName") and clock.now() < beat + HEARTBEAT:
            return f"a heartbeat of {text(shard['ControllerName'])} in ConfigMap {namespace}/{SHARDS}"
    return ""


async def _answers(
    hub: Cluster,
    clock: Clock,
    namespace: str,
    ours_until: float,
    controller: Controller,
    *,
    busy: Container[tuple[str, str]] = (),
) -> bool:
    """Whether a controller takes a refresh annotation away, or writes anything else, while we look on; asked only where
    one has written lately, and not of the objects that are `busy` (namespace and name)."""
    resource = (await hub.discover()).by_kind(GROUP, controller.kind)
    if resource is None:
        return False
    now = clock.now()

    def written(metadata: Mapping[str, Any]) -> float:
        return wrote_at(metadata, controller.name)

    apps = await hub.list(resource, namespace, metadata_only=True)
    since = max(ours_until, now - RECENT)
    idle = [app for app in map(Application, apps) if (app.namespace, app.name) not in busy]
    app = max(idle, key=lambda app: written(app.metadata), default=None)
    if app is None or written(app.metadata) <= since:
        return False
    ago = now - written(app.metadata)
    _log.info("cluster %s: %s wrote %.0f s ago; looking whether it lives", hub.name, controller.title, ago)
    body = {"metadata": {"annotations": {controller.refresh: "normal"}}}
    try:
        asked = await hub.patch(resource, app.name, namespace, body, kind=PatchType.MERGE, field_manager="fleetui")
        for _ in range(int(ANSWER / _LOOK)):
            await asyncio.sleep(_LOOK)
            fresh = Application(await hub.get(resource, app.name, namespace))
            answered = controller.refresh not in fresh.annotations
            if answered or written(fresh.metadata) > written(mapping(asked.get("metadata"))):
                return True
    except NotFoundError:
        pass
    return False


def wrote_at(metadata: Mapping[str, Any], manager: str = STATUS_MANAGER) -> float:
    """When a controller of Argo CD, or an engine in its place, last wrote an object (epoch seconds); 0 for never."""
    entries = mappings(metadata.get("managedFields"))
    times = [parse_time(text(entry.get("time"))) for entry in entries if entry.get("manager") == manager]
    return max((time for time in times if time is not None), default=0.0)


class ForeignWrites(Nobody):
    """Tells the writes of another controller from our own, which have the same field manager: a
    `fleetui.engine.telling.Listener` that knows what the engine wrote.

    Args:
        hub: the cluster.
        clock: the time.
        namespace: the control plane's.
        controller: which of Argo CD's.
    """

    def __init__(self, hub: Cluster, clock: Clock, *, namespace: str, controller: Controller = APPLICATIONS) -> None:
        self._controller = controller
        self._hub = hub
        self._clock = clock
        self._namespace = namespace
        self._suspicious = asyncio.Event()
        self._calm = asyncio.Event()
        self._calm.set()
        self._known: dict[str, float] = {}
        self._working: set[tuple[str, str]] = set()
        self._unsure: dict[tuple[str, str], set[str]] = {}
        self._foreign: deque[float] = deque(maxlen=FOREIGN)

    def wrote(self, before: Application, after: Application) -> None:
        """Notes a write of ours."""
        self._known[after.uid] = wrote_at(after.metadata, self._controller.name)
        self._unsure.get((after.namespace, after.name), set()).discard(after.resource_version)

    @contextmanager
    def reconciling(self, namespace: str, name: str) -> Iterator[None]:
        """While it goes on, a write that is seen may be ours: its event may be read before its answer."""
        key = namespace, name
        self._working.add(key)
        try:
            yield
        finally:
            self._working.discard(key)
            for _ in self._unsure.pop(key, ()):
                self._note()

    async def until_certain(self) -> None:
        """Returns never, but raises when another controller is certainly at work: it writes what we have not written,
        and answers while we hold still.

        Raises:
            RefusedError: it is.
        """
        while True:
            await self._suspicious.wait()
            self._calm.clear()
            try:
                watched = self._hub, self._clock, self._namespace, 0.0, self._controller
                if await _answers(*watched, busy=self._working):
                    where = f"it writes the {self._controller.kind}s that this engine reconciles"
                    raise _refusal(self._hub, where, self._controller)
            except ClusterError as error:
                _log.info("cluster %s: whether another controller is at work can't be told: %s", self._hub.name, error)
            finally:
                self._foreign.clear()
                self._suspicious.clear()
                self._calm.set()

    async def calm(self) -> None:
        """Returns when nothing is suspected: until then nothing new may be begun."""
        await self._calm.wait()

    def gone(self, uid: str) -> None:
        """Forgets an Application."""
        self._known.pop(uid, None)

    def seen(self, app: Application) -> None:
        """Notes an Application that a watch shows."""
        uid, at = app.uid, wrote_at(app.metadata, self._controller.name)
        known = self._known.get(uid)
        self._known[uid] = at
        if known is None or at <= known:
            return
        key = app.namespace, app.name
        if key in self._working:
            self._unsure.setdefault(key, set()).add(app.resource_version)
        else:
            self._note()

    def _note(self) -> None:
        """Counts a write that is certainly not ours."""
        now = self._clock.now()
        self._foreign.append(now)
        if len(self._foreign) == FOREIGN and now - self._foreign[0] < WITHIN:
            self._suspicious.set()
