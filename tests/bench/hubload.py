"""A real hub and the installed engine on it, for benchmarks: what is made, what is watched, what it cost.

Owns: `Hub` (plain requests to a real API server, as many at a time as it takes well, and a count of all that it was
asked), `Applications` (their state by a watch) and `Engine` (`fleetui engine run` in a process of its own). Called by
`tests.bench.bench_engine`. It does not use the client that is measured.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from backends import definitions
from tests.controlplane.server import ControlPlane

Obj = dict[str, Any]
APPS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
PARALLEL = 16
_PROJECT: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default"},
    "spec": {
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        "destinations": [{"namespace": "*", "server": "*"}],
        "sourceRepos": ["*"],
    },
}
PATIENCE = 600.0
_SAMPLE = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TICKS = os.sysconf("SC_CLK_TCK")


class Hub:
    """An API server that has what `fleetui bootstrap` puts there; a context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=str(self._plane.ca_file))
        self._session = aiohttp.ClientSession(
            base_url=self._plane.url,
            headers={"Authorization": f"Bearer {self._plane.admin_token}"},
            connector=aiohttp.TCPConnector(limit=PARALLEL + 4, ssl=tls),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        for definition in definitions.load():
            await self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for namespace in ("argocd", "bench"):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            await self.create("/api/v1/namespaces", body)
        while (await self.get(APPS)).get("kind") != "ApplicationList":  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.2)
        await self.create("/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects", _PROJECT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path)

    async def create(self, path: str, body: Obj) -> None:
        await self._ask("POST", path, body)

    async def patch(self, path: str, body: Obj) -> None:
        await self._ask("PATCH", path, body, "application/merge-patch+json")

    async def create_all(self, path: str, bodies: Iterable[Obj]) -> None:
        """Makes them all, `PARALLEL` at a time."""
        waiting = iter(bodies)

        async def work() -> None:
            for body in waiting:
                await self.create(path, body)

        await asyncio.gather(*(work() for _ in range(PARALLEL)))

    async def delete_all(self, path: str) -> None:
        """Deletes a collection."""
        await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        assert self._session is not None
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content}
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 400 and method != "GET":
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return msgspec.json.decode(text) if text else {}

    async def lines(self, path: str) -> Any:
        """The events of a watch."""
        assert self._session is not None
        async with self._session.get(path, read_bufsize=2**24) as answer:
            buffer = b""
            async for chunk in answer.content.iter_any():
                *whole, buffer = (buffer + chunk).split(b"\n")
                for line in whole:
                    yield msgspec.json.decode(line)

    async def requests(self) -> Counter[str]:
        """How often each verb was asked of each resource since the server's start, dry runs apart, watches included."""
        assert self._session is not None
        async with self._session.get("/metrics") as answer:
            text = await answer.text()
        counted: Counter[str] = Counter()
        for labels, value in _SAMPLE.findall(text):
            found = dict(_LABEL.findall(labels))
            dry = " (dry run)" if found.get("dry_run") else ""
            counted[f"{found['verb']} {found['resource']}{dry}"] += int(float(value))
        return counted

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time that each process of the server has used."""
        return {_name(pid): cpu_of(pid) for pid in self._plane.pids}

    def engine(self, folder: Path, *args: str) -> Engine:
        return Engine(self._plane.kubeconfig(), folder, *args)


class Applications:
    """What a watch has shown of the Applications: `states` by name; a context manager."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.apps: dict[str, Obj] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        # A server ends the watches of a definition that has just been made once more; the next one tells all again.
        while True:
            async for event in self._hub.lines(f"{APPS}?watch=1"):
                name = event["object"]["metadata"]["name"]
                if event["type"] == "DELETED":
                    self.apps.pop(name, None)
                else:
                    self.apps[name] = event["object"]
                self._changed.set()

    async def until(self, names: Iterable[str], holds: Callable[[Obj], bool], what: str) -> None:
        """Returns when the condition has held of each once; each is looked at only until then."""
        left = set(names)
        async with asyncio.timeout(PATIENCE):
            while True:
                self._changed.clear()
                left -= {name for name in left if name in self.apps and holds(self.apps[name])}
                if not left:
                    return
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                    raise RuntimeError(f"the watch ended before {what}")
                await self._changed.wait()
                await asyncio.sleep(0.005)


class Engine:
    """`fleetui engine run` as a user has it; a context manager."""

    def __init__(self, kubeconfig: Path, folder: Path, *args: str) -> None:
        program = str(Path(sys.executable).with_name("fleetui"))
        self._command = [program, "engine", "run", "--kubeconfig", str(kubeconfig), *args]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {**os.environ, "HOME": str(self._folder), "XDG_CACHE_HOME": str(self._folder / "cache")}
        self._log = (self._folder / "engine.log").open("ab")
        self._process = subprocess.Popen(self._command, env=environment, stdout=self._log, stderr=self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "engine.log").read_text()[-3000:])
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of processor time, its children's (Git) that have ended included."""
        return cpu_of(self.pid)

    def memory(self) -> float:
        """MB resident."""
        fields = Path(f"/proc/{self.pid}/status").read_text()
        return int(fields.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) / _TICKS


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


class Cost:
    """What was used between two moments: seconds by the clock, of processors, and requests."""

    def __init__(self, hub: Hub, engine: Engine) -> None:
        self._hub, self._engine = hub, engine

    async def begin(self) -> Self:
        self._requests = await self._hub.requests()
        self._servers, self._cpu, self.began = self._hub.cpu(), self._engine.cpu(), time.perf_counter()
        return self

    async def end(self) -> Self:
        self.took = time.perf_counter() - self.began
        self.cpu = self._engine.cpu() - self._cpu
        after = self._hub.cpu()
        self.servers = sum(after[name] - self._servers.get(name, 0.0) for name in after)
        self.requests = await self._hub.requests() - self._requests
        return self

    def asked(self, kinds: Iterable[str]) -> Mapping[str, int]:
        """The requests about these resources, watches apart."""
        wanted = tuple(kinds)
        return {
            what: count
            for what, count in sorted(self.requests.items())
            if what.split(" ")[1] in wanted and not what.startswith(("WATCH", "LIST"))
        }
