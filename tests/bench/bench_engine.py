"""The engine on a real API server and etcd, all on this machine: ``python -m tests.bench.bench_engine [story ...]``.

Each story says what it cost by the clock, in processor time of the engine and of the servers, and in requests. By the
clock a figure means something on a quiet machine alone; processor time and requests mean the same on a busy one.

- apps: 1,000 Applications of one ConfigMap each, from applied to Synced and Succeeded (wanted: 50 a second)
- idle: a minute with them (wanted: no request but watches and the Lease, processor 1 %)
- drift: an object that somebody changes is put right (wanted: p95 0.5 s)
- commit: one of 500 applications of a repository is touched (wanted: one sync; each other one, one patch)
- large: one Application of 1,000 objects (wanted: 5 s)
- memory: 1,000 Applications of 20 objects each (not among those that run by default: some minutes)
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.hubload import APPS, Applications, Cost, Engine, Hub, Obj
from tests.controlplane.build import Unavailable, find_or_build
from tests.controlplane.server import ControlPlane

COUNT = 1000
DRIFTS = 100
IDLE = 60.0
MANAGED = ("applications", "configmaps", "events", "namespaces", "leases", "appprojects", "secrets")
CONFIG_MAPS = "/api/v1/namespaces/bench/configmaps"


class Repository:
    """A repository on this machine, with a folder for each application."""

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()
        self._folder = folder
        folder.mkdir()
        self._git("init", "-q", "-b", "main")
        self._git("config", "user.name", "bench")
        self._git("config", "user.email", "bench@example")

    def write(self, app: str, value: str, *, objects: int = 1) -> None:
        folder = self._folder / app
        folder.mkdir(exist_ok=True)
        texts = [
            "apiVersion: v1\nkind: ConfigMap\n"
            f"metadata:\n  name: {app}-{number:04}\ndata:\n  value: '{value}'\n  number: '{number}'\n"
            for number in range(objects)
        ]
        (folder / "all.yaml").write_text("---\n".join(texts))

    def commit(self, message: str) -> str:
        self._git("add", "-A")
        self._git("commit", "-q", "-m", message)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self._folder), *args], check=True, capture_output=True, text=True
        ).stdout


class Bench:
    """The stories, on one hub."""

    def __init__(self, hub: Hub, apps: Applications, engine: Engine, folder: Path) -> None:
        self._hub, self._apps, self._engine, self._folder = hub, apps, engine, folder
        self._repositories: dict[str, Repository] = {}

    async def apps(self) -> None:
        names = [f"app-{number:04}" for number in range(COUNT)]
        await self._create("apps", names, objects=1)

    async def idle(self) -> None:
        await self._rest()
        cost = await Cost(self._hub, self._engine).begin()
        await asyncio.sleep(IDLE)
        self._report(await cost.end(), f"idle for {IDLE:.0f} s: processor {cost.cpu / cost.took:.2%}")

    async def drift(self) -> None:
        await self._rest()
        cost = await Cost(self._hub, self._engine).begin()
        took = []
        for number in range(DRIFTS):
            path = f"{CONFIG_MAPS}/app-{number:04}-0000"
            began = time.perf_counter()
            await self._hub.patch(path, {"data": {"value": "drifted"}})
            while (await self._hub.get(path))["data"]["value"] == "drifted":  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(0.005)
            took.append(time.perf_counter() - began)
        await self._rest()
        p95 = statistics.quantiles(took, n=20)[-1]
        self._report(
            await cost.end(), f"drift: p50 {statistics.median(took) * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms", per=DRIFTS
        )

    async def commit(self) -> None:
        await self._rest()
        touched = f"app-{COUNT // 2 + 1:04}"
        cost = await Cost(self._hub, self._engine).begin()
        repository = self._repositories["apps"]
        repository.write(touched, "2")
        sha = repository.commit("touch one")

        def synced_to(app: Obj) -> bool:
            return _done(app) and app["status"]["operationState"]["syncResult"]["revision"] == sha

        await self._hub.patch(
            f"{APPS}/{touched}", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        )
        await self._apps.until([touched], synced_to, "the touched one is synced")
        after = time.perf_counter() - cost.began
        # Only while the applications of the story "apps" are there.
        names = [name for name in self._apps.apps if name.startswith("app-")]
        await self._apps.until(names, lambda app: _revision(app) == sha, "the others have heard of the commit")
        self._report(
            await cost.end(), f"commit that touches one of {len(names)}: that one {after:.2f} s, all {cost.took:.2f} s"
        )

    async def large(self) -> None:
        await self._create("large", ["large"], objects=COUNT)

    async def memory(self) -> None:
        before = self._engine.memory()
        await self._create("memory", [f"full-{number:04}" for number in range(COUNT)], objects=20)
        await self._rest()
        after = self._engine.memory()
        each = (after - before) * 1e3 / (COUNT * 21)
        print(
            f"  resident: {before:.0f} MB before, {after:.0f} MB after; {each:.1f} kB for each object and Application"
        )

    async def _create(self, story: str, names: list[str], *, objects: int) -> None:
        # Of its own: a commit in another one would be news to the applications of the stories before.
        repository = self._repositories[story] = Repository(self._folder / story)
        for name in names:
            repository.write(name, "1", objects=objects)
        repository.commit(story)
        cost = await Cost(self._hub, self._engine).begin()
        bodies = [_application(name, repository.url) for name in names]
        await self._hub.create_all(APPS, bodies)
        created = time.perf_counter() - cost.began
        await self._apps.until(names, _done, f"all of {story} are synced")
        await cost.end()
        rate = f"{len(names) / cost.took:.1f} apps/s, " if len(names) > 1 else ""
        title = f"{story}: {len(names)} x {objects}: {cost.took:.2f} s ({rate}created in {created:.2f} s)"
        self._report(cost, title, per=len(names))

    async def _rest(self) -> None:
        """Returns when the engine has used next to nothing for a while."""
        while True:
            before = self._engine.cpu()
            await asyncio.sleep(2.0)
            if self._engine.cpu() - before <= 0.06:
                return

    def _report(self, cost: Cost, title: str, *, per: int = 1) -> None:
        print(title)
        print(
            f"  processor: engine {cost.cpu:.2f} s, API server and etcd {cost.servers:.2f} s"
            + (f"; for each {cost.cpu / per * 1e3:.1f} and {cost.servers / per * 1e3:.1f} ms" if per > 1 else "")
            + f"; engine resident {self._engine.memory():.0f} MB"
        )
        asked: Mapping[str, int] = cost.asked(MANAGED)
        each = f" (for each {sum(asked.values()) / per:.2f})" if per > 1 else ""
        print(
            f"  requests{each}: " + (", ".join(f"{what} {count}" for what, count in asked.items()) or "none"),
            flush=True,
        )


def _application(name: str, url: str) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": name, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "bench"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


def _done(app: Obj) -> bool:
    status = app.get("status", {})
    return (
        "operation" not in app
        and status.get("sync", {}).get("status") == "Synced"
        and status.get("operationState", {}).get("phase") == "Succeeded"
    )


def _revision(app: Obj) -> str:
    return str(app.get("status", {}).get("sync", {}).get("revision", ""))


async def run(plane: ControlPlane, stories: list[str], options: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with Hub(plane) as hub, Applications(hub) as apps:
            with hub.engine(folder, *options) as engine:
                bench = Bench(hub, apps, engine, folder)
                for story in stories:
                    await getattr(bench, story)()


def main() -> None:
    """Runs the stories that are named, or those that take no minutes; what begins with -- goes to the engine."""
    options = [each for each in sys.argv[1:] if each.startswith("--")]
    stories = [each for each in sys.argv[1:] if not each.startswith("--")]
    assets = find_or_build()
    if isinstance(assets, Unavailable):
        print(f"no real API server: {assets.reason}")
        return
    # Its controllers would make something of each object; none of it is the engine's.
    with ControlPlane(dataclasses.replace(assets, kube_controller_manager=None)) as plane:
        asyncio.run(run(plane, stories or ["apps", "idle", "drift", "commit", "large"], options))


if __name__ == "__main__":
    main()
