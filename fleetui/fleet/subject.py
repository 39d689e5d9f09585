"""An application together with where it is written down and where it runs.

Owns: `Subject`, which the modules that answer a question about one application are handed by `LiveFleet`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from fleetui.dialectports import Dialect
from fleetui.engine.application import mapping
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.tracking import instance_name
from fleetui.fleet.store import LiveStore
from fleetui.model.app import App
from fleetui.model.errors import FleetError, MissingError
from fleetui.model.objects import ApiResource, Obj, ObjectRef, StoredObject

if TYPE_CHECKING:
    from fleetui.engine.overrides import Overrides


_BESIDES = {
    "Kustomization": "flux diff kustomization compares it with a folder",
    "HelmRelease": "helm get manifest shows what was installed",
}
"""What says more of an object of Flux."""


class Subject:
    """One application.

    Args:
        app: as it was last seen.
        hub: the cluster that holds its object.
        dialect: how that object is written.
        place: the cluster that it is synced into, or why there is none at hand.
        overrides: asks the hub what it changes about comparisons.
    """

    def __init__(
        self,
        app: App,
        *,
        hub: LiveStore,
        dialect: Dialect,
        place: LiveStore | str,
        overrides: Callable[[], Awaitable[Overrides]],
    ) -> None:
        self.app = app
        self.hub = hub
        self.dialect = dialect
        self.overrides = overrides
        self._place = place

    @property
    def ref(self) -> ObjectRef:
        """The application's own object."""
        return self.app.key.ref

    @property
    def stored(self) -> StoredObject:
        """The application's own object as it is watched.

        Raises:
            MissingError: it went.
        """
        stored = self.hub.get(self.ref)
        if stored is None:
            raise MissingError(f"application {self.app.key} is gone")
        return stored

    @property
    def place(self) -> LiveStore:
        """The cluster that the application is synced into.

        Raises:
            FleetError: it is none of those at hand.
        """
        if isinstance(self._place, str):
            raise FleetError(f"{self.app.key}: {self._place}")
        return self._place

    @property
    def tracking(self) -> str:
        """The application's name within tracking ids."""
        return instance_name(self.app.key.namespace, self.app.key.name)

    @property
    def clusters(self) -> tuple[LiveStore, ...]:
        """The clusters that an action on the application touches, the place first."""
        if isinstance(self._place, str) or self._place is self.hub:
            return (self.hub,)
        return (self._place, self.hub)

    def sources(self, history_id: int | None = None) -> SourceSet:
        """The sources of the spec, or of one history entry.

        Raises:
            FleetError: one names no repository, or the application is Flux's: what that renders is not known here.
            MissingError: there is no such history entry, or no such application any more.
        """
        if self.app.key.dialect != "argo":
            kind = self.ref.kind
            raise FleetError(f"{self.app.key}: what a {kind} of Flux renders to is not known here yet", _BESIDES[kind])
        found = SourceSet.of(self._entry(history_id) if history_id is not None else self._spec())
        if not all(source.get("repoURL") for source in found.sources):
            raise FleetError(f"{self.app.key}: its source names no repository")
        return found

    def revisions(self, wanted: SourceSet, history_id: int | None = None) -> tuple[str, ...]:
        """The revisions of `wanted` that were last compared, or that one history entry has; none where they are those
        of other sources."""
        if history_id is not None:
            return wanted.revisions_of(self._entry(history_id))
        return wanted.revisions_of(mapping(mapping(self._decoded().get("status")).get("sync")))

    async def app_resource(self) -> ApiResource:
        """The resource of the application's own object.

        Raises:
            ClusterError: the hub could not be asked.
            MissingError: the hub does not serve it any more.
        """
        known = self.dialect.app_resource
        if known is None:
            known = (await self.hub.api.discover()).by_kind(*self.dialect.app_kind)
        if known is None:
            raise MissingError(f"{self.hub.api.name} serves no {self.dialect.app_kind[1]}")
        return known

    def _spec(self) -> Mapping[str, Any]:
        return mapping(self._decoded().get("spec"))

    def _entry(self, history_id: int) -> Mapping[str, Any]:
        history = mapping(self._decoded().get("status")).get("history")
        for entry in history if isinstance(history, list) else ():
            if isinstance(entry, Mapping) and entry.get("id", 0) == history_id:
                return entry
        raise MissingError(f"{self.app.key} has no history entry {history_id}")

    def _decoded(self) -> Obj:
        return self.stored.decode()
