"""A hub's ``argocd-cm``, watched.

Owns: `HubSettings`: one watch of one object, and the `Overrides` that it says at this moment. Called by the engine for
its hub, and by `fleetui.fleet.overrides` for each hub that somebody looks at. What the ConfigMap says is read by
`fleetui.engine.overrides`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from fleetui.engine.clock import Clock
from fleetui.engine.gathering import Rechecked
from fleetui.engine.overrides import NO_OVERRIDES, Overrides, Written, overrides_of, written_in
from fleetui.model.customizations import CONFIG_MAP
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.ports import Cluster

_log = logging.getLogger(__name__)

_RESOURCE = ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)


class HubSettings:
    """What one hub's ``argocd-cm`` says; Argo CD's defaults where there is none or it may not be read.

    Args:
        hub: the cluster.
        namespace: where Argo CD runs.
        clock: for the next look at what may not be read.
        changed: called when `overrides` became others.
    """

    def __init__(self, hub: Cluster, *, namespace: str, clock: Clock, changed: Callable[[], None]) -> None:
        self.overrides: Overrides = NO_OVERRIDES
        self._hub = hub
        self._namespace = namespace
        self._changed = changed
        self._written: Written | None = None
        self._known, self._answered = asyncio.Event(), asyncio.Event()
        self._watch = Rechecked(
            hub, clock, settle=self._settle, change=self._change, refused=self._refuse, failed=self._fail
        )
        self._refused = False

    def start(self) -> None:
        """Begins to watch; returns at once."""
        self._watch.start(_RESOURCE, namespace=self._namespace, fields=f"metadata.name={CONFIG_MAP}")

    def close(self) -> None:
        """Ends the watch; what is known stays."""
        self._watch.close()

    async def known(self) -> None:
        """Returns when the ConfigMap has been read, is not there or may not be read, however long that takes."""
        await self._known.wait()

    async def answered(self) -> None:
        """As `known`, but also when the hub can't be asked now."""
        await self._answered.wait()

    # --- what the watch says ----------------------------------------------------------------------------------------

    def _settle(self, objects: Sequence[StoredObject]) -> None:
        self._refused = False
        self._take(objects[0] if objects else None)
        self._known.set()
        self._answered.set()

    def _change(self, objects: Sequence[StoredObject], gone: set[ObjectRef]) -> None:
        if objects or gone:
            self._take(objects[-1] if objects else None)

    def _refuse(self, error: ForbiddenError) -> None:
        if not self._refused:
            _log.warning("%s: %s; Argo CD's defaults hold", self._hub.name, error)
        self._refused = True
        self._known.set()
        self._answered.set()

    def _fail(self, error: Exception) -> None:
        # What is known stays.
        if not self._known.is_set():
            _log.warning("%s: %s/%s can't be read yet: %s", self._hub.name, self._namespace, CONFIG_MAP, error)
        self._answered.set()

    def _take(self, obj: StoredObject | None) -> None:
        written = written_in(obj.decode()) if obj is not None else None
        if written == self._written:
            return
        self._written, before = written, self.overrides
        self.overrides = overrides_of(written)
        for problem in self.overrides.problems:
            if problem not in before.problems:
                _log.warning("%s: %s/%s", self._hub.name, self._namespace, problem)
        if self.overrides is not before:
            self._changed()
