"""Writing ApplicationSets and their Applications.

Owns: `SetWriter`: one request each, under the field manager of Argo CD's controller, noted so that the next reconcile
sees it before the watch does. Called by `fleetui.engine.appset.reconcile`; what is written is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetui.engine.application import GROUP, KIND, REFRESH, Application, mapping, text
from fleetui.engine.appset.applicationset import MANAGER, ApplicationSet
from fleetui.engine.appset.applicationset import REFRESH as REFRESH_SET
from fleetui.engine.appset.updates import Change, Removal
from fleetui.engine.destination import Destination
from fleetui.engine.events import NORMAL, Told
from fleetui.engine.status import merge_patch
from fleetui.engine.telling import Listener
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import ApiResource, Obj, ObjectRef
from fleetui.ports import PatchType


class SetGoneError(Exception):
    """The ApplicationSet was deleted while it was worked on: there is nothing to do."""


class SetWriter:
    """Writes to one hub.

    Args:
        hub: the cluster.
        sets, applications: the two resources.
        listener: is told what was done.
        wrote: is told of each write to an ApplicationSet, as it was and as it is.
    """

    def __init__(
        self,
        hub: Destination,
        *,
        sets: ApiResource,
        applications: ApiResource,
        listener: Listener,
        wrote: Callable[[Application, Application], None],
    ) -> None:
        self._hub = hub
        self._sets = sets
        self._applications = applications
        self._listener = listener
        self._wrote = wrote

    # --- ApplicationSets ----------------------------------------------------------------------------------------------

    async def status(self, appset: ApplicationSet, status: Mapping[str, Any]) -> ApplicationSet:
        """Brings `status` about; no request where nothing differs.

        Raises:
            SetGoneError: it was deleted meanwhile.
            ClusterError: the hub could not be written to.
        """
        patch = merge_patch(appset.status, status)
        return await self._patch_set(appset, {"status": patch}, subresource="status") if patch else appset

    async def finalizers(self, appset: ApplicationSet, finalizers: tuple[str, ...]) -> ApplicationSet:
        """Gives it these finalizers and no others. Raises as `status`; where it goes with the last, `SetGoneError`."""
        version = mapping(appset.obj.get("metadata")).get("resourceVersion")
        written = await self._patch_set(
            appset, {"metadata": {"finalizers": list(finalizers) or None, "resourceVersion": version}}
        )
        if appset.deleting and not finalizers:
            self._hub.overlay.deleted(appset.ref, appset.uid)
            raise SetGoneError
        return written

    async def refreshed(self, appset: ApplicationSet) -> ApplicationSet:
        """Takes the annotation away that asked for a refresh. Raises as `status`."""
        return await self._patch_set(appset, {"metadata": {"annotations": {REFRESH_SET: None}}})

    async def _patch_set(self, appset: ApplicationSet, body: Obj, *, subresource: str = "") -> ApplicationSet:
        try:
            written = await self._hub.api.patch(
                self._sets,
                appset.name,
                appset.namespace,
                body,
                kind=PatchType.MERGE,
                subresource=subresource,
                field_manager=MANAGER,
            )
        except NotFoundError as error:
            self._hub.overlay.deleted(appset.ref, appset.uid)
            raise SetGoneError from error
        self._hub.overlay.wrote(written)
        self._wrote(Application(appset.obj), Application(written))
        return ApplicationSet(written)

    # --- Applications -------------------------------------------------------------------------------------------------

    async def change(self, appset: ApplicationSet, change: Change) -> None:
        """Creates or patches an Application.

        Raises:
            ClusterError: the hub could not be written to.
        """
        if change.verb == "created":
            async with self._hub.requests:
                written = await self._hub.api.create(self._applications, change.body, field_manager=MANAGER)
            self._hub.overlay.wrote(written, quiet=False)
        else:
            await self._patch(appset, change.name, change.body)
        self._tell(appset, change.verb, f'{change.verb} Application "{change.name}"')

    async def remove(self, appset: ApplicationSet, removal: Removal) -> None:
        """Deletes an Application; one that is gone already is no error. Raises as `change`."""
        name = removal.name
        if removal.finalizers is not None:
            await self._patch(appset, name, {"metadata": {"finalizers": list(removal.finalizers) or None}})
            why = "because application has an invalid destination"
            self._tell(appset, "Updated", f'Updated Application "{name}" finalizer before deletion, {why}')
        await self.delete(appset, removal)
        self._tell(appset, "Deleted", f'Deleted Application "{name}"')

    async def delete(self, appset: ApplicationSet, removal: Removal) -> None:
        """Deletes an Application, and tells nobody. Raises as `change`."""
        try:
            async with self._hub.requests:
                await self._hub.api.delete(self._applications, removal.name, appset.namespace, uid=removal.uid)
        except NotFoundError:
            self._hub.overlay.deleted(self._ref(appset, removal.name), removal.uid)

    async def release(self, appset: ApplicationSet, app: Obj) -> None:
        """Takes all owners off an Application, so that it outlives the set (`removeOwnerReferencesOnDeleteAppSet`).
        Raises as `change`."""
        metadata = mapping(app.get("metadata"))
        if metadata.get("ownerReferences"):
            await self._patch(appset, text(metadata.get("name")), {"metadata": {"ownerReferences": None}})

    async def refresh(self, appset: ApplicationSet, name: str) -> None:
        """Asks for an Application to be compared anew. Raises as `change`."""
        await self._patch(appset, name, {"metadata": {"annotations": {REFRESH: "normal"}}})

    async def _patch(self, appset: ApplicationSet, name: str, body: Obj) -> None:
        async with self._hub.requests:
            written = await self._hub.api.patch(
                self._applications, name, appset.namespace, body, kind=PatchType.MERGE, field_manager=MANAGER
            )
        # The engine is to see it as anybody else's write.
        self._hub.overlay.wrote(written, quiet=False)

    def _tell(self, appset: ApplicationSet, reason: str, message: str) -> None:
        self._listener.generated(appset.obj, Told(NORMAL, reason, message))

    def _ref(self, appset: ApplicationSet, name: str) -> ObjectRef:
        return ObjectRef(GROUP, KIND, appset.namespace, name)
