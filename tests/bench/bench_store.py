"""What ten thousand objects cost to hold: ``python -m tests.bench.bench_store``.

Deployments of 4 KB with their managedFields, from an embedded server in another process, through the real informer
into a store. Wanted: at most 60 MB more than at the start, and at most 30 ms for a full collection.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from pathlib import Path

from backends.kube.cluster import KubeCluster
from fleetui.fleet.store import LiveStore
from fleetui.model.objects import ApiResource
from tests.bench.servers import Servers

OBJECTS = 10_000
MEGABYTES, MILLISECONDS = 60.0, 30.0
DEPLOYMENTS = ApiResource(
    "apps", "v1", "Deployment", "deployments", namespaced=True, verbs=frozenset({"list", "watch"})
)


def main() -> None:
    with Servers(1, OBJECTS, "Deployment") as servers:
        asyncio.run(hold(servers))


async def hold(servers: Servers) -> None:
    import screens.app  # noqa: F401  # what the console has imported by then is no cost of an object

    cluster = KubeCluster(servers.contexts[0])
    await cluster.discover()
    store = LiveStore(cluster)
    gc.collect()
    gc.freeze()  # as `fleetui.cli.console` does with what it has imported
    before, collecting = resident(), collection()
    began = time.perf_counter()
    taken = store.want(DEPLOYMENTS)
    await store.listed(DEPLOYMENTS)
    took = time.perf_counter() - began
    held = tuple(store.of_kind("apps", "Deployment"))
    size = statistics.mean(len(obj.raw) for obj in held)
    peak = resident() - before
    now = collection()
    kept = resident() - before
    print(f"{len(held):,} Deployments of {size:,.0f} bytes, listed in {took:.2f} s")
    print(f"memory over the start  {kept:6.1f} MB  (right after the list {peak:.1f}; wanted: at most {MEGABYTES:.0f})")
    print(f"  of it their bytes    {size * len(held) / 1e6:6.1f} MB")
    print(f"full collection        {now:6.1f} ms  (before {collecting:.1f}; wanted: at most {MILLISECONDS:.0f})")
    taken.close()
    await cluster.close()


def resident() -> float:
    """Megabytes of this process that are in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def collection() -> float:
    """Milliseconds of processor that a full collection takes, the median of seven."""

    def once() -> float:
        began = time.thread_time()
        gc.collect()
        return (time.thread_time() - began) * 1000

    return statistics.median(once() for _ in range(7))


if __name__ == "__main__":
    main()
