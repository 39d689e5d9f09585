"""What happens in the demo's first minute, after the engine's first sync.

Owns: `Story`: colleagues who edit by hand, commit, break things. Runs on the embedded fleet's loop; each step waits for
what must have happened before it, never for a time alone. Called by `fleet` and by tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from backends.embedded.demo.applications import NAMESPACE, PROD_1, PROD_2
from backends.embedded.demo.history import changed
from backends.embedded.demo.people import ANN, RENOVATE, Person
from backends.embedded.demo.repository import DemoRepository
from backends.embedded.errors import ApiError
from backends.embedded.storage import Event
from backends.embedded.store import ObjectStore
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj

APPLICATION = ("argoproj.io", "Application")
_MANIFESTS = "k8s-manifests"
_PAYMENTS = "apps/payments/production/deployment.yaml"
_CHECKOUT = "apps/checkout/production/deployment.yaml"


class Story:
    """The events of the demo.

    Args:
        stores: the clusters' stores by name; steps about clusters or applications that are not there are left out.
        repositories: by name.
        pace: how long the pauses are against the usual; 0 for none.
        say: told each step in one sentence, on the loop.
    """

    def __init__(
        self,
        stores: Mapping[str, ObjectStore],
        repositories: Mapping[str, DemoRepository],
        *,
        pace: float = 1.0,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._stores = stores
        self._repositories = repositories
        self._pace = pace
        self._say = say or (lambda _: None)

    async def run(self) -> None:
        """Plays all steps; returns after the last one."""
        async with asyncio.TaskGroup() as steps:
            for name, step in (("drift", self._drift), ("release", self._release), ("breakage", self._breakage)):
                steps.create_task(self._unless_gone(step), name=f"story: {name}")

    # --- the steps -------------------------------------------------------------------------------------------------

    async def _drift(self) -> None:
        """Somebody edits the storefront's settings with kubectl; nothing puts them back."""
        if not self._plays((PROD_1, "storefront")):
            return
        await self._settled(PROD_1, "storefront")
        await self._pause(3)
        store = self._stores[PROD_1]
        settings = store.get("", "ConfigMap", "shop-prod", "storefront-settings")
        settings["data"].update(banner="Autumn sale: 70% off", theme="dark")
        store.update(settings, manager="kubectl-edit")
        self._say(f"storefront on {PROD_1}: its settings were edited with kubectl")

    async def _release(self) -> None:
        """A new version of payments rolls out; then somebody scales it by hand, and self-heal puts it back."""
        crew = [(cluster, "payments-service") for cluster in (PROD_1, PROD_2)]
        crew = [each for each in crew if self._plays(each)]
        if not crew:
            return
        for each in crew:
            await self._settled(*each)
        await self._pause(8)
        sha = await self._edit(
            _PAYMENTS,
            old="payments-api:1.98",
            new="payments-api:1.99",
            subject="Update payments-api to 1.99",
            author=ANN,
        )
        self._say("payments-api 1.99 was committed, and rolls out")
        for each in crew:
            await self._settled(*each, revision=sha)
        await self._pause(4)
        store = self._stores[crew[-1][0]]
        deployment = store.get("apps", "Deployment", "payments-prod", "payments-api")
        deployment["spec"]["replicas"] = 5
        store.update(deployment, manager="kubectl")
        self._say(f"payments-api on {crew[-1][0]} was scaled to 5 by hand")

    async def _breakage(self) -> None:
        """A bot updates checkout to a version whose image was never pushed."""
        if not self._plays((PROD_1, "checkout")):
            return
        await self._settled(PROD_1, "checkout")
        await self._pause(14)
        bad = "checkout:2.5.0-does-not-exist"
        await self._edit(_CHECKOUT, old="checkout:2.4.0", new=bad, subject="Update checkout to 2.5.0", author=RENOVATE)
        self._say("checkout 2.5.0 was committed; nobody pushed its image")

    # --- waiting and doing -----------------------------------------------------------------------------------------

    def _plays(self, each: tuple[str, str]) -> bool:
        store = self._stores.get(each[0])
        return store is not None and _get(store, each[1]) is not None

    async def _settled(self, cluster: str, name: str, *, revision: str = "") -> None:
        def holds(app: Obj) -> bool:
            status = app.get("status") or {}
            sync, health = status.get("sync") or {}, status.get("health") or {}
            fits = not revision or sync.get("revision") == revision
            return bool(sync.get("status") == "Synced" and health.get("status") == "Healthy" and fits)

        await when(self._stores[cluster], name, holds)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)

    async def _edit(self, path: str, *, old: str, new: str, subject: str, author: Person) -> str:
        repository = self._repositories[_MANIFESTS]

        def change(text: str) -> str:
            return changed(text, path, old=old, new=new)

        return await asyncio.to_thread(repository.edit, path, change, subject, author=author)

    async def _unless_gone(self, step: Callable[[], Awaitable[None]]) -> None:
        # Whoever watches the demo may delete what the story is about, or commit before it does: then that step is over.
        try:
            await step()
        except (ApiError, FleetError, ValueError) as error:
            self._say(f"a step of the story was left out: {error}")


async def when(store: ObjectStore, name: str, holds: Callable[[Obj], bool]) -> None:
    """Returns when an Application of the hub satisfies `holds`."""
    done = asyncio.get_running_loop().create_future()

    def look(event: Event) -> None:
        if event.record.name != name or event.resource.group_kind != APPLICATION or done.done():
            return
        if event.type != "DELETED" and holds(event.obj):
            done.set_result(None)

    unsubscribe = store.subscribe(look)
    try:
        app = _get(store, name)
        if app is None or not holds(app):
            await done
    finally:
        unsubscribe()


def _get(store: ObjectStore, name: str) -> Obj | None:
    try:
        return store.get(*APPLICATION, NAMESPACE, name)
    except ApiError:
        return None
