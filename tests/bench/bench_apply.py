"""Server-side applies a second, against the kubernetes client's typed API: ``python -m tests.bench.bench_apply``.

500 ConfigMaps in one run, the sides by turns, each in a namespace of its own; the median of some rounds (wanted: 4
times as many). Against a server that costs nothing and answers from another process, and against a real kube-apiserver,
where the objects are not there yet, and then once more. The sides:

- fleetui: `KubeCluster.apply`, as many at a time as the engine has under way, and one after the other
- kubernetes.aio: `CoreV1Api.patch_namespaced_config_map`, the same
- kubernetes: the synchronous package, which can only do one after the other

Read it with care. A real apply costs an API server 1.5 ms of processor time or more; where server and client share two
processors, about a thousand a second is all that anybody can have, at whatever concurrency, and the ratio says more of
the server than of the clients. What a client costs is the microseconds that it uses for each.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig
from backends.kube.kubeconfig import load
from fleetui.engine.execute import PARALLEL
from fleetui.model.objects import ApiResource, Obj
from tests.controlplane.build import Unavailable, find_or_build
from tests.controlplane.server import ControlPlane

OBJECTS = 500
ROUNDS = 2
MEDIA = "application/apply-patch+yaml"
CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
NAMESPACES = ApiResource("", "v1", "Namespace", "namespaces", namespaced=False)

Apply = Callable[[Obj], Awaitable[object]]


class Rate(NamedTuple):
    """Applies a second, and microseconds of this process's processor time for each."""

    rate: float
    cpu: float


class Side(NamedTuple):
    """Who applies, and how many at a time."""

    name: str
    parallel: int
    connect: Callable[[ContextConfig], Any]
    """Makes a client, which has `apply` and `close`."""


def main() -> None:
    with free_server() as url:
        asyncio.run(compare(ContextConfig(name="free", server=url), ["a server that costs nothing"]))
    assets = find_or_build()
    if isinstance(assets, Unavailable):
        print(f"no real API server: {assets.reason}")
        return
    # Controllers would take part of the processors for each object that is made.
    with ControlPlane(dataclasses.replace(assets, kube_controller_manager=None)) as plane:
        ways = ["kube-apiserver, new objects", "kube-apiserver, unchanged ones"]
        asyncio.run(compare(load([plane.kubeconfig()]).context(), ways))


@contextmanager
def free_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.canned_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with closing(process.stdin):
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"


async def compare(context: ContextConfig, ways: Sequence[str]) -> None:
    """Prints the figures of every side; each way is one pass over the same objects."""
    found: dict[tuple[str, Side], list[Rate]] = {}
    for number in range(ROUNDS):
        for at, side in enumerate(SIDES):
            namespace = f"bench-{number}-{at}"
            await make_namespace(context, namespace)
            for way in ways:
                found.setdefault((way, side), []).append(await measure(context, namespace, side))
    for way in ways:
        report(way, {side: found[way, side] for side in SIDES})


async def make_namespace(context: ContextConfig, name: str) -> None:
    cluster = KubeCluster(context)
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.create(NAMESPACES, made, field_manager="bench")
    await cluster.close()


async def measure(context: ContextConfig, namespace: str, side: Side) -> Rate:
    client = side.connect(context)
    # A connection stands before the clock runs, whoever's.
    await client.apply(config_map(namespace, OBJECTS))
    waiting = iter([config_map(namespace, number) for number in range(OBJECTS)])

    async def work() -> None:
        for obj in waiting:
            await client.apply(obj)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(side.parallel)))
    spent, took = time.process_time() - used, time.perf_counter() - began
    await client.close()
    return Rate(OBJECTS / took, spent / OBJECTS * 1e6)


def config_map(namespace: str, number: int) -> Obj:
    labels = {"app.kubernetes.io/name": f"app-{number}", "app.kubernetes.io/part-of": "bench"}
    data = {"settings.yaml": "level: info\nworkers: 4\n" * 8, "value": "a"}
    metadata = {"name": f"settings-{number:04}", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


# --- the sides ----------------------------------------------------------------------------------------------------


class Ours:
    """fleetui; a new one has a full bucket of background requests, as after a few seconds of rest."""

    def __init__(self, context: ContextConfig) -> None:
        self._cluster = KubeCluster(context)

    async def apply(self, obj: Obj) -> object:
        return await self._cluster.apply(CONFIG_MAPS, obj, field_manager="bench")

    async def close(self) -> None:
        await self._cluster.close()


class Typed:
    """The kubernetes package's asynchronous typed API."""

    def __init__(self, context: ContextConfig) -> None:
        from kubernetes.aio import client

        self._client: Any = client.ApiClient(_settings(client.Configuration(), context))
        self._api: Any = client.CoreV1Api(self._client)

    async def apply(self, obj: Obj) -> object:
        return await self._api.patch_namespaced_config_map(*_named(obj), **_OPTIONS)

    async def close(self) -> None:
        await self._client.close()


class Synchronous:
    """The kubernetes package as most use it."""

    def __init__(self, context: ContextConfig) -> None:
        from kubernetes import client

        self._client: Any = client.ApiClient(_settings(client.Configuration(), context))
        self._api: Any = client.CoreV1Api(self._client)

    async def apply(self, obj: Obj) -> object:
        return self._api.patch_namespaced_config_map(*_named(obj), **_OPTIONS)

    async def close(self) -> None:
        self._client.close()


def _settings(settings: Any, context: ContextConfig) -> Any:
    settings.host = context.server
    settings.api_key = {"BearerToken": f"Bearer {context.token}"} if context.token else {}
    settings.api_key["authorization"] = f"Bearer {context.token}"
    # Neither side is here to check certificates; what a request costs is the same.
    settings.verify_ssl = False
    return settings


def _named(obj: Obj) -> tuple[str, str, Obj]:
    return obj["metadata"]["name"], obj["metadata"]["namespace"], obj


_OPTIONS = {"field_manager": "bench", "force": True, "field_validation": "Strict", "_content_type": MEDIA}

SIDES = (
    Side(f"fleetui, {PARALLEL} at a time", PARALLEL, Ours),
    Side(f"kubernetes.aio, {PARALLEL} at a time", PARALLEL, Typed),
    Side("fleetui, one by one", 1, Ours),
    Side("kubernetes.aio, one by one", 1, Typed),
    Side("kubernetes, one by one", 1, Synchronous),
)


def report(way: str, found: dict[Side, list[Rate]]) -> None:
    print(f"-- {OBJECTS} applies, {way}")
    medians = []
    for side, rates in found.items():
        rate, cpu = (statistics.median(column) for column in zip(*rates, strict=True))
        medians.append(rate)
        print(f"{side.name:32} {rate:6.0f}/s   {cpu:5.0f} us of this process for each")
    many, typed_many, one, typed, sync = medians
    print(f"ratio to the typed API one by one      {many / typed:.2f} (synchronous: {many / sync:.2f})")
    print(f"ratio at equal concurrency             {many / typed_many:.2f}, and one by one {one / typed:.2f}")


if __name__ == "__main__":
    main()
