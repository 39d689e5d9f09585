"""A store with its controllers and no server, for the tests of the controllers.

Owns: `Bench`, the objects that the tests start from, and a loop whose clock a test moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from backends.embedded.controllers.manager import Controllers
from backends.embedded.controllers.world import Timing
from backends.embedded.errors import ApiError
from backends.embedded.storage import Event
from backends.embedded.store import ObjectStore
from tests.waiting import await_until

Obj = dict[str, Any]


class TravelLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def travel(self, seconds: float) -> None:
        """Lets `seconds` pass, each timer fired at its time."""
        end = self.time() + seconds
        while True:
            await settle()
            due = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            step = min([*due, end]) - self.time()
            if min([*due, end]) >= end:
                break
            self.ahead += max(0.0, step)
        self.ahead += max(0.0, end - self.time())
        await settle()


async def settle() -> None:
    """Lets everything run that can run now: a reconcile wakes another one in a later turn of the loop."""
    for _ in range(200):
        await asyncio.sleep(0)


class Bench:
    """One embedded cluster in a test: its store, and every change as it came."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.changes: list[Event] = []
        store.subscribe(self.changes.append)

    def create(self, obj: Obj) -> Obj:
        return self.store.create(obj, manager="test")

    def get(self, kind: str, name: str, group: str = "apps") -> Obj:
        return self.store.get(group, kind, "default", name)

    def edit(self, kind: str, name: str, change: Callable[[Obj], object], group: str = "apps") -> Obj:
        obj = self.get(kind, name, group)
        change(obj)
        return self.store.update(obj, manager="test")

    def pods(self, **labels: str) -> list[Obj]:
        found = self.store.list("", "Pod", "default", lambda have: labels.items() <= have.items())
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def status(self, kind: str, name: str, group: str = "apps") -> Obj:
        try:
            status: Obj = self.get(kind, name, group).get("status") or {}
        except ApiError:
            return {}
        return status

    def condition(self, kind: str, name: str, of: str, group: str = "apps") -> Obj:
        conditions: list[Obj] = self.status(kind, name, group).get("conditions") or []
        return next((one for one in conditions if one["type"] == of), {})

    def reasons(self, name: str) -> list[str]:
        """The reasons of the Events about an object, by the beginning of its name."""
        events = self.store.list("", "Event", "default")
        return [event["reason"] for event in events if event["involvedObject"]["name"].startswith(name)]

    async def until(self, predicate: Callable[[], object], description: str) -> None:
        await await_until(predicate, 5, description)


@asynccontextmanager
async def bench(
    *, timing: Timing | None = None, nodes: int = 3, clock: Callable[[], float] | None = None
) -> AsyncIterator[Bench]:
    """A cluster in which nothing takes time, unless `timing` says otherwise."""
    store = ObjectStore(clock) if clock else ObjectStore()
    found = Bench(store)
    controllers = Controllers(store, cluster="test", timing=timing or Timing.immediate(), nodes=nodes)
    controllers.start()
    if not store.list("", "Namespace"):
        found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}, "spec": {}})
    try:
        yield found
    finally:
        controllers.stop()


def template(image: str, app: str, **spec: Any) -> Obj:
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def workload(kind: str, name: str, image: str = "registry.example.com/app:1", **spec: Any) -> Obj:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet."""
    body = {"selector": {"matchLabels": {"app": name}}, "template": template(image, name), **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": body}


def set_image(image: str) -> Callable[[Obj], object]:
    def change(obj: Obj) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    return change
