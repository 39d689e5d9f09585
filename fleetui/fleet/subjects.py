"""Finds what belongs to an application: as it was last seen, its hub, and the cluster that it is synced into.

Owns: `Subjects`, made by `fleetui.fleet.fleet` and asked before each question about one application. Never here: what
is asked about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from fleetui.dialectports import Dialect
from fleetui.fleet.applications import Applications
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.overrides import HubOverrides
from fleetui.fleet.places import by_kubeconfig, called, is_the_hub, place_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.model.app import App, AppKey
from fleetui.model.errors import MissingError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef


class Subjects:
    """The applications of a fleet as subjects of questions.

    Args:
        apps: those that are shown.
        stores: the chosen clusters.
        dialects: how applications are written down.
        directory: where the clusters are found that they name.
        overrides: what the hubs change about comparisons.
    """

    def __init__(
        self,
        apps: Applications,
        stores: Mapping[ClusterName, LiveStore],
        dialects: Sequence[Dialect],
        directory: Clusters,
        overrides: HubOverrides,
    ) -> None:
        self._apps = apps
        self._stores = stores
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._directory = directory
        self._overrides = overrides

    def app(self, key: AppKey) -> App:
        """The application as it was last seen.

        Raises:
            MissingError: there is none.
        """
        app = self._apps.shown.get(key)
        if app is None:
            raise MissingError(f"there is no application {key}")
        return app

    async def of(self, key: AppKey) -> Subject:
        """The application with all that belongs to it.

        Raises:
            MissingError: there is none.
        """
        app = self.app(key)
        place = await self.place(app)
        hub = self._stores[key.hub]
        overrides = partial(self._overrides.of, hub.api)
        return Subject(app, hub=hub, dialect=self._dialects[key.dialect], place=place, overrides=overrides)

    async def place(self, app: App) -> LiveStore | str:
        """The cluster that an application is synced into, or why there is none at hand; waits until it is known which
        clusters its hub registers."""
        if by_kubeconfig(app):
            await self._directory.referred()
        elif not is_the_hub(app):
            await self._directory.ready(app.key.hub)
        return place_of(app, self._directory)

    async def obj(self, key: AppKey) -> Obj:
        """The application's own object.

        Raises:
            MissingError: there is none.
        """
        return (await self.of(key)).stored.decode()

    async def app_resource(self, key: AppKey) -> ApiResource:
        """The resource of that object; raises as `Subject.app_resource`."""
        return await (await self.of(key)).app_resource()

    def managed_in(self, cluster: ClusterName) -> frozenset[ObjectRef]:
        """All that the fleet's applications list in a cluster."""
        apps = [app for app in self._apps.shown.values() if called(app, self._directory) == cluster]
        return frozenset(resource.ref for app in apps for resource in app.resources)
