"""An engine over an embedded cluster and a repository in memory, for tests that look at what it does.

Owns: `Repo` (a Git repository of dicts), `Remotes`, `Hub` (the cluster, and an administrator's hand in it) and
`running`. The cluster has no controllers: a Job ends when the test says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from backends.argocd_clusters import ClusterSecrets
from backends.definitions import load as definitions
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost
from backends.jq import JqWorker
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.engine.clock import Clock, SystemClock
from fleetui.engine.controller import Engine
from fleetui.engine.settings import Settings
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.store import LiveStore
from fleetui.gitports import Repositories, Repository
from fleetui.model.change import Commit
from fleetui.model.errors import NotFoundError, RevisionNotFoundError
from fleetui.model.objects import ApiResource, Obj
from fleetui.ports import PatchType, Subscription
from fleetui.renderports import Tree
from tests.trees import DictTree
from tests.uncommitted import Uncommitted
from tests.unit.fakes import Closing
from tests.waiting import await_until

PATIENCE = 10.0
URL = "https://git.example/shop.git"
MANAGER = "test"


async def eventually(look: Callable[[], Awaitable[object]], what: str) -> None:
    """Returns when a look at a cluster finds what it is for."""
    predicate: Callable[[], object | Awaitable[object]] = look
    await await_until(predicate, PATIENCE, what)


class Repo(Uncommitted):
    """A repository, and all repositories: every URL is this one. `down` makes it unreachable."""

    url = URL

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.head = ""
        self.down: Exception | None = None
        self._listeners: list[Callable[[], None]] = []

    def push(self, *objects: Obj, **texts: str) -> str:
        """A commit with these objects in `shop/all.yaml` and these texts in files besides; returns its SHA."""
        files = {"shop/all.yaml": yaml.safe_dump_all(objects, sort_keys=False).encode()}
        files |= {f"shop/{name}.yaml": text.encode() for name, text in texts.items()}
        self.head = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[self.head] = files
        self.moved()
        return self.head

    def moved(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        return self

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        if self.down is not None:
            raise self.down
        if revision in self.commits:
            return revision
        if revision not in {"main", "HEAD"}:
            raise RevisionNotFoundError(f"{URL} has no {revision}", url=URL)
        return self.head

    async def tree(self, sha: str) -> Tree:
        return DictTree(self.commits[sha], sha)

    async def commit(self, sha: str) -> Commit:
        raise NotImplementedError

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        raise NotImplementedError

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        raise NotImplementedError

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        self._listeners.append(listener)
        return Closing(lambda: self._listeners.remove(listener))

    async def close(self) -> None:
        self._listeners.clear()


class Remotes:
    """Repositories by their addresses."""

    def __init__(self, **repositories: Repo) -> None:
        self._repositories = repositories

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        return self._repositories[url]

    async def close(self) -> None:
        for repository in self._repositories.values():
            await repository.close()


class Hub:
    """The cluster as its administrator has it."""

    def __init__(self, folder: Path, host: EmbeddedHost, cluster: EmbeddedCluster) -> None:
        self.host = host
        self.cluster = cluster
        self.kubeconfig = folder / "kubeconfig"
        self.api = self.connect()
        self.last: Any = None

    def connect(self) -> KubeCluster:
        return KubeCluster(load([self.kubeconfig]).context("hub"))

    async def resource(self, kind: str) -> ApiResource:
        return next(each for each in await self.api.discover() if each.kind == kind)

    async def get(self, kind: str, name: str, namespace: str = "shop") -> Obj | None:
        resource = await self.resource(kind)
        try:
            return await self.api.get(resource, name, namespace if resource.namespaced else "")
        except NotFoundError:
            return None

    async def create(self, obj: Obj) -> Obj:
        resource = (await self.api.discover()).of(obj)
        assert resource is not None
        return await self.api.create(resource, obj, field_manager=MANAGER)

    async def patch(self, kind: str, name: str, body: Any, *, namespace: str = "shop", subresource: str = "") -> Obj:
        return await self.api.patch(
            await self.resource(kind),
            name,
            namespace,
            body,
            kind=PatchType.MERGE,
            subresource=subresource,
            field_manager=MANAGER,
        )

    async def delete(self, kind: str, name: str, namespace: str = "shop") -> None:
        await self.api.delete(await self.resource(kind), name, namespace, propagation="Background")

    async def app(self, name: str = "shop") -> Any:
        return await self.get("Application", name, "argocd") or {}

    async def until(self, condition: Callable[[Any], object], what: str, *, app: str = "shop") -> Any:
        """The Application, once the condition holds of it."""

        async def look() -> Any:
            self.last = await self.app(app)
            return condition(self.last)

        try:
            await eventually(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(self.last.get('status'), indent=1)}") from None
        return self.last

    async def complete(self, job: str, *, failed: bool = False) -> None:
        kind = "Failed" if failed else "Complete"
        conditions = [{"type": kind, "status": "True", "message": "ran"}]
        await self.patch("Job", job, {"status": {"conditions": conditions}}, subresource="status")


def application(name: str = "shop", *, metadata: Obj | None = None, **spec: Any) -> Obj:
    """An Application with automated sync, prune and self-heal; `spec` says otherwise."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", **(metadata or {})},
        "spec": {
            "project": "default",
            "source": {"repoURL": URL, "path": "shop", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
            **spec,
        },
    }


def synced(app: Any) -> bool:
    status = app.get("status", {})
    return (
        status.get("sync", {}).get("status") == "Synced"
        and status.get("operationState", {}).get("phase") == "Succeeded"
        and "operation" not in app
    )


def phase(app: Any) -> str:
    return str(app.get("status", {}).get("operationState", {}).get("phase", ""))


def message(app: Any) -> str:
    return str(app.get("status", {}).get("operationState", {}).get("message", ""))


class Running:
    """One engine process: `api` counts its requests, `kill` ends it as SIGKILL would."""

    def __init__(self, hub: Hub, repo: Repositories, settings: Settings, clock: Clock, **looking_on: Any) -> None:
        self.api = hub.connect()
        self.store = LiveStore(self.api)
        self.clusters = Clusters([self.store], ClusterSecrets(), clock=clock)
        self.jq = JqWorker()
        self.engine = Engine(
            self.store, repo, clock=clock, settings=settings, directory=self.clusters, jq=self.jq, **looking_on
        )
        self._task = asyncio.create_task(self.engine.run())

    async def idle(self) -> None:
        """Returns when the engine has nothing to do."""
        calm = 0

        def is_calm() -> bool:
            nonlocal calm
            calm = calm + 1 if self.engine.idle else 0
            return calm > 3

        await await_until(is_calm, PATIENCE, "the engine rests")

    @property
    def running(self) -> bool:
        """Whether the engine has not ended."""
        return not self._task.done()

    async def ended(self) -> None:
        """Returns when the engine has ended by itself; raises what ended it."""
        async with asyncio.timeout(PATIENCE):
            await self._task

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.jq.close()
        await self.clusters.close()
        self.store.close()
        await self.api.close()


@asynccontextmanager
async def running(
    hub: Hub,
    repo: Repositories,
    *,
    clock: Clock | None = None,
    settings: Settings = Settings(wave_delay=0.0, poll=0.2),  # noqa: B008 - it is frozen
    **looking_on: Any,
) -> AsyncIterator[Running]:
    """An engine; `looking_on` are a `listener`, a `rehearsal` and `answers`."""
    process = Running(hub, repo, settings, clock or SystemClock(), **looking_on)
    try:
        yield process
    finally:
        await process.kill()


@asynccontextmanager
async def embedded_hub(folder: Path, *others: EmbeddedCluster) -> AsyncIterator[Hub]:
    """A hub with Argo CD's definitions and namespace, and other clusters beside it."""
    cluster = EmbeddedCluster("hub")
    with EmbeddedHost([cluster, *others]) as host:
        host.kubeconfig(folder / "kubeconfig")
        hub = Hub(folder, host, cluster)
        try:
            for definition in definitions():
                await hub.create(definition)
            await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})

            async def served() -> bool:
                # By a client that has not asked yet: one that has asked waits a second before it asks again.
                await hub.api.close()
                hub.api = hub.connect()
                return (await hub.api.discover()).by_kind("argoproj.io", "Application") is not None

            await eventually(served, "Applications are served")
            yield hub
        finally:
            await hub.api.close()
