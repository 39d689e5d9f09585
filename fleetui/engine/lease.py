"""One engine at a time: a Lease in the hub, and a look for Argo CD's own controller.

Owns: `EngineLease`. The Lease is a `coordination.k8s.io/v1` one, held and renewed as client-go's leader election does.
An engine that died on this machine is known to be dead at once, so that a restart does not wait for the Lease.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from fleetui.engine.application import mapping, text, whole
from fleetui.engine.beside import refuse_beside_argocd
from fleetui.engine.clock import Clock
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.model.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
    RefusedError,
)
from fleetui.model.objects import ApiResource, Obj
from fleetui.model.times import parse_time
from fleetui.ports import Cluster

_log = logging.getLogger(__name__)

NAME = "fleetui-engine"
NAMESPACE = "default"
DURATION = 45.0
"""Seconds without a renewal after which an engine counts as dead: for so long one on another machine waits."""
RENEW = 15.0
"""Seconds between two renewals, the only requests of an engine that has nothing to do; two may fail in a row. client-go
renews every 2 s for a lease of 15; there a standby waits to take over."""
_LOOK = 1.0
MANAGER = "fleetui"


class EngineLease:
    """The right to reconcile the Applications of one hub.

    Args:
        api: the hub.
        clock: the time.
        namespace: the control plane's.
    """

    def __init__(self, api: Cluster, clock: Clock, *, namespace: str = CONTROL_PLANE_NAMESPACE) -> None:
        self._api = api
        self._clock = clock
        self._namespace = namespace
        self._ours_until = 0.0
        self._identity = f"{socket.gethostname()}_{os.getpid()}_{uuid4().hex[:8]}"

    def ours_until(self) -> float:
        """Until when an engine of ours may have been at work here before this one (epoch seconds); 0 for never."""
        return self._ours_until

    async def guard(self, run: Callable[[], Awaitable[None]]) -> None:
        """Runs `run` while the Lease is held, and gives it back afterwards.

        Raises:
            RefusedError: Argo CD's own controller, or another engine, is at work here.
            ClusterError: the hub can't be asked.
        """
        self._ours_until = await self._last_held()
        await refuse_beside_argocd(self._api, self._clock, namespace=self._namespace, ours_until=self._ours_until)
        lease = await self._acquire()
        work = asyncio.ensure_future(run())
        renewal = asyncio.create_task(self._keep(lease), name=f"lease {self._api.name}")
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, renewal):
                if task.done():
                    task.result()
        finally:
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
            await self._release()

    async def _resource(self) -> ApiResource:
        resource = (await self._api.discover()).by_kind("coordination.k8s.io", "Lease")
        if resource is None:
            raise ClusterError(f"cluster {self._api.name} serves no Leases", cluster=self._api.name)
        return resource

    async def _last_held(self) -> float:
        """Until when an engine of ours may have been at work (epoch seconds); 0 where there never was one."""
        try:
            lease = await self._api.get(await self._resource(), NAME, NAMESPACE)
        except NotFoundError:
            return 0.0
        renewed = parse_time(text(mapping(lease.get("spec")).get("renewTime")))
        return 0.0 if renewed is None else renewed + DURATION

    async def _acquire(self) -> Obj:
        resource = await self._resource()
        while True:
            try:
                lease = await self._api.get(resource, NAME, NAMESPACE)
            except NotFoundError:
                try:
                    return await self._api.create(resource, self._mine({}), field_manager=MANAGER)
                except AlreadyExistsError:
                    continue
            wait = self._held_for(lease)
            if wait > 0:
                lease = await self._await_end(resource, lease, wait)
            try:
                return await self._api.replace(resource, self._mine(lease), field_manager=MANAGER)
            except ConflictError:
                continue

    async def _await_end(self, resource: ApiResource, lease: Obj, wait: float) -> Obj:
        """Looks for `wait` seconds whether the holder still renews the Lease; returns it as it is then.

        Raises:
            RefusedError: the holder lives.
        """
        spec = mapping(lease.get("spec"))
        if _pid_here(text(spec.get("holderIdentity"))):
            raise self._held(lease)
        _log.info("cluster %s: another engine holds the lease; waiting %.0f s", self._api.name, wait)
        until = self._clock.now() + wait
        while self._clock.now() < until:
            await asyncio.sleep(min(_LOOK, wait))
            lease = await self._api.get(resource, NAME, NAMESPACE)
            if mapping(lease.get("spec")).get("renewTime") != spec.get("renewTime") and self._held_for(lease) > 0:
                raise self._held(lease)
        return lease

    def _held(self, lease: Obj) -> RefusedError:
        holder = text(mapping(lease.get("spec")).get("holderIdentity"))
        return RefusedError(
            f"another fleetui engine reconciles cluster {self._api.name} ({holder.replace('_', ', process ', 1)})",
            "stop it first; one engine at a time",
        )

    def _held_for(self, lease: Obj) -> float:
        """Seconds until the Lease may be taken; 0 where nobody holds it any more."""
        spec = mapping(lease.get("spec"))
        holder = text(spec.get("holderIdentity"))
        if not holder or holder == self._identity or is_dead(holder):
            return 0.0
        renewed = parse_time(text(spec.get("renewTime"))) or 0.0
        duration = float(whole(spec.get("leaseDurationSeconds"), int(DURATION)))
        # The holder's clock may run ahead of ours: one duration without a renewal is enough in any case.
        return min(duration, max(0.0, renewed + duration - self._clock.now()))

    def _mine(self, lease: Obj) -> Obj:
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = mapping(lease.get("spec"))
        same = before.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "namespace": NAMESPACE, **mapping(lease.get("metadata"))},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": before.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": whole(before.get("leaseTransitions")) + (0 if same else 1),
            },
        }

    async def _keep(self, lease: Obj) -> None:
        """Renews for ever; ends with an error when another engine has taken the Lease."""
        resource = await self._resource()
        while True:
            await asyncio.sleep(RENEW)
            try:
                lease = await self._renew(resource, lease)
            except ClusterError as error:
                # A hub that is away for a while lets nobody else in either; who came first is told when it is back.
                _log.warning("cluster %s: the lease could not be renewed: %s", self._api.name, error)

    async def _renew(self, resource: ApiResource, lease: Obj) -> Obj:
        try:
            return await self._api.replace(resource, self._mine(lease), field_manager=MANAGER)
        except NotFoundError:
            return await self._api.create(resource, self._mine({}), field_manager=MANAGER)
        except ConflictError:
            fresh = await self._api.get(resource, NAME, NAMESPACE)
            if mapping(fresh.get("spec")).get("holderIdentity") not in {"", None, self._identity}:
                raise self._held(fresh) from None
            return await self._api.replace(resource, self._mine(fresh), field_manager=MANAGER)

    async def _release(self) -> None:
        try:
            resource = await self._resource()
            lease = await self._api.get(resource, NAME, NAMESPACE)
            if mapping(lease.get("spec")).get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._api.replace(resource, lease, field_manager=MANAGER)
        except ClusterError as error:
            _log.info("cluster %s: the lease could not be given back: %s", self._api.name, error)


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    return _pid_here(holder) is False


def _pid_here(holder: str) -> bool | None:
    """Whether the holder's process is running on this machine; None where it was another one's, or can't be told."""
    host, _, pid = holder.rpartition("_")[0].rpartition("_")
    if host != socket.gethostname() or not pid.isdigit() or not Path("/proc").exists():
        return None
    return Path(f"/proc/{pid}").exists()
