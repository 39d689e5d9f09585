"""One API server under two URLs.

Owns: `Twins`. Called by `fleetui.fleet.clusters`: a load balancer's name and an address behind it are told to be one by
asking both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fleetui.fleet.registered import Registered
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ClusterName
from fleetui.model.status import ClusterState
from fleetui.ports import Cluster

PATIENCE = 10.0
"""Seconds that a cluster has to say who it is."""
NAMESPACE = ApiResource(group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False)


class Twins:
    """Which registered cluster is one of the chosen ones, as far as they say.

    They are shown as one then, and no more: what is synced by the way that a hub registered goes on that way, because a
    server says itself who it is.
    """

    def __init__(self, chosen: Mapping[ClusterName, LiveStore]) -> None:
        self._chosen = chosen
        self._uids: dict[ClusterName, str] = {}
        self._asking = asyncio.Lock()

    def of(self, name: ClusterName) -> ClusterName | None:
        """The chosen cluster that is the same one as a registered one."""
        uid = self._uids.get(name)
        return next((each for each in self._chosen if self._uids.get(each) == uid), None) if uid else None

    def is_new(self, name: ClusterName) -> bool:
        """Whether a registered cluster has to be asked who it is; true once."""
        new = name not in self._uids
        self._uids.setdefault(name, "")
        return new

    def forget(self, name: ClusterName) -> None:
        """A cluster is not registered any more."""
        self._uids.pop(name, None)

    async def ask(self, place: Registered) -> None:
        """Asks a registered cluster, and those of the chosen ones that are live and were not asked yet."""
        await asyncio.gather(self._ask_chosen(), self._ask_registered(place))

    async def _ask_chosen(self) -> None:
        async with self._asking:
            live = [each.api for each in self._chosen.values() if each.api.status.state is ClusterState.LIVE]
            asked = [api for api in live if api.name not in self._uids]
            for api, uid in zip(asked, await asyncio.gather(*map(_uid_of, asked)), strict=True):
                self._uids[api.name] = uid

    async def _ask_registered(self, place: Registered) -> None:
        store = place.live
        uid = await _uid_of(store.api) if store is not None else ""
        if uid and place.live is store:  # else another one may have its name by now
            self._uids[place.name] = uid


async def _uid_of(api: Cluster) -> str:
    """What a cluster is known by from inside: the uid of its kube-system; empty where that may not be read."""
    try:
        found = await asyncio.wait_for(api.get(NAMESPACE, "kube-system"), PATIENCE)
    except (ClusterError, TimeoutError):
        return ""
    return str((found.get("metadata") or {}).get("uid") or "")
