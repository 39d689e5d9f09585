"""What the hubs' ``argocd-cm`` change about health and diffs, for the hubs that somebody looks at.

Owns: `HubOverrides`. Made by `fleetui.fleet.fleet`, which hands the judge to trees and the rules to the differ, so that
the console says of an object what the hub's engine says. A hub is asked when its first tree or diff is wanted, with
one narrow watch that stays. Never here: what a ConfigMap says (`fleetui.engine.overrides`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fleetui.engine.clock import Clock
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.model.objects import ClusterName
from fleetui.model.status import AWAY
from fleetui.ports import Cluster

if TYPE_CHECKING:
    from fleetui.engine.hubsettings import HubSettings
    from fleetui.engine.overrides import Overrides

PATIENCE = 5.0
"""Seconds to wait for the first answer of a hub; after that Argo CD's defaults hold until it comes."""


class HubOverrides:
    """The overrides of each hub, as of now.

    Args:
        clock: the time.
        changed: called with the hub whose overrides became others.
    """

    def __init__(self, clock: Clock, changed: Callable[[ClusterName], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._hubs: dict[ClusterName, HubSettings] = {}

    async def of(self, hub: Cluster) -> Overrides:
        """The overrides of a hub; the first time it waits for the hub to say them, unless it is away."""
        settings = self._hubs.get(hub.name) or self._begun(hub)
        if hub.status.state not in AWAY:
            with suppress(TimeoutError):
                await asyncio.wait_for(settings.answered(), PATIENCE)
        return settings.overrides

    def now(self, hub: ClusterName) -> Overrides:
        """The overrides of a hub that was asked before, without waiting."""
        return self._hubs[hub].overrides

    def close(self) -> None:
        """Ends every watch."""
        for settings in self._hubs.values():
            settings.close()

    def _begun(self, hub: Cluster) -> HubSettings:
        from fleetui.engine.hubsettings import HubSettings

        settings = self._hubs[hub.name] = HubSettings(
            hub,
            namespace=CONTROL_PLANE_NAMESPACE,
            clock=self._clock,
            changed=partial(self._changed, hub.name),
        )
        settings.start()
        return settings
