"""When the first rows of one cluster are there, while a hundred are opened: ``python -m tests.bench.bench_fleet``.

A hundred embedded clusters of 1,000 Applications each, in another process that has prepared its answers, opened as the
console opens them. Wanted: the first rows of a live one after at most 1.5 times what it takes alone, also where one
cluster is dead and one hangs. Each run is a process of its own, the three in turn, and the best of several counts: the
machine may be busy otherwise. The processor's time is what the whole process has worked by then, for all clusters.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

from backends.kube.context import ContextConfig
from tests.bench.servers import Servers

Context = dict[str, Any]
CLUSTERS, OBJECTS, RUNS = 100, 1_000, 7
RATIO = 1.5


def main() -> None:
    with Servers(CLUSTERS, OBJECTS, "Application", dead=1, hanging=1) as servers:
        everyone = [_plain(context) for context in servers.contexts]
        live, away = everyone[:CLUSTERS], everyone[CLUSTERS:]
        opened = {"alone": live[:1], f"of {CLUSTERS}": live, "and 2 away": [*away, *live]}
        for contexts in opened.values():
            run(contexts, whole=True)  # the servers prepare their answers
        rounds = [{what: run(contexts) for what, contexts in opened.items()} for _ in range(RUNS)]
        every = {what: run(contexts, whole=True) for what, contexts in opened.items()}
    print("first rows of any, of the first, of half of them, of each; milliseconds on the clock / of the processor")
    alone = min(found["alone"]["first"] for found in rounds)[0]
    for what in opened:
        best = [min(found[what][key] for found in rounds) for key in ("any", "first")]
        soon = "   ".join(f"{shown(found)}  x{found[0] / alone:.2f}" for found in best)
        later = "   ".join(shown(every[what][key]) for key in ("half", "each"))
        print(f"{what:12}{soon}   {later}")
    print(f"wanted: x{RATIO} at most")


def _plain(context: ContextConfig) -> Context:
    """What the other process makes it of. Uncompressed: to compress costs the servers more than all else they do."""
    return {"name": context.name, "server": context.server, "token": context.token, "compression": False}


def shown(found: tuple[float, float]) -> str:
    return f"{found[0] * 1000:6.0f} / {found[1] * 1000:5.0f}"


def run(contexts: list[Context], *, whole: bool = False) -> dict[str, tuple[float, float]]:
    command = [sys.executable, "-m", "tests.bench.bench_fleet", json.dumps(contexts), "each" if whole else "first"]
    found: dict[str, tuple[float, float]]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


# --- in the process that is measured --------------------------------------------------------------------------------


async def look(given: list[Context], until: str) -> dict[str, tuple[float, float]]:
    """Opens the clusters until there are rows of the one called cluster-000 ("first"), or of "each".

    Returns seconds since the fleet was started, on the clock and of the processor: of the first rows of any, of that
    one, of half of those that have some then, and of the last of them.
    """
    from backends.argocd import ArgoDialect
    from backends.git import GitRepositories
    from backends.kube.cluster import KubeCluster
    from fleetui.fleet.fleet import LiveFleet
    from fleetui.fleet.store import LiveStore
    from fleetui.fleet.views import ChangeSet

    clusters = [KubeCluster(ContextConfig(**one)) for one in given]
    repositories = GitRepositories()
    fleet = LiveFleet([LiveStore(cluster) for cluster in clusters], [ArgoDialect()], repositories)
    there: dict[str, tuple[float, float]] = {}
    enough = asyncio.Event()
    live = sum(str(one["name"]).startswith("cluster-") for one in given)

    def changed(change: ChangeSet) -> None:
        for key in change.apps:
            there.setdefault(key.hub, (time.perf_counter() - began, time.process_time() - used))
        if len(there) == live or (until == "first" and "cluster-000" in there):
            enough.set()

    began, used = time.perf_counter(), time.process_time()
    fleet.subscribe(changed)
    await fleet.start()
    await enough.wait()
    await fleet.close()
    for cluster in clusters:
        await cluster.close()
    await repositories.close()
    in_order = sorted(there.values())
    return {
        "any": in_order[0],
        "first": there["cluster-000"],
        "half": in_order[len(in_order) // 2],
        "each": in_order[-1],
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(look(json.loads(sys.argv[1]), sys.argv[2]))))
    else:
        main()
