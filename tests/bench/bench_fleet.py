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
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.servers import Servers

if TYPE_CHECKING:
    from backends.kube.context import ContextConfig
    from fleetui.fleet.views import ChangeSet

Figures = tuple[float, float]
"""Seconds on the clock and of the processor."""
Round = dict[str, dict[str, Figures]]
CLUSTERS, OBJECTS, RUNS = 100, 1_000, 7
RATIO = 1.5


def main() -> None:
    servers = Servers(CLUSTERS, OBJECTS, "Application", dead=1, hanging=1)
    with servers, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kubeconfig"
        file.write_text(json.dumps(kubeconfig(servers.contexts)))
        names = [context.name for context in servers.contexts]
        live, away = names[:CLUSTERS], names[CLUSTERS:]
        opened = {"alone": live[:1], f"of {CLUSTERS}": live, "and 2 away": [*away, *live]}
        for chosen in opened.values():
            run(file, chosen, until="each")  # the servers prepare their answers
        rounds = [{what: run(file, chosen) for what, chosen in opened.items()} for _ in range(RUNS)]
        every = {what: run(file, chosen, until="each") for what, chosen in opened.items()}
    print("first rows of any, of the first, of half of them, of each; milliseconds on the clock / of the processor")
    alone = best(rounds, "alone", "first")
    for what in opened:
        soon = "   ".join(compared(best(rounds, what, key), alone) for key in ("any", "first"))
        later = "   ".join(shown(every[what][key]) for key in ("half", "each"))
        print(f"{what:12}{soon}   {later}")
    print(f"wanted: x{RATIO} at most")


def best(rounds: list[Round], what: str, key: str) -> Figures:
    """The quickest run by the clock, and the one that worked least."""
    figures = [found[what][key] for found in rounds]
    return min(took for took, _ in figures), min(worked for _, worked in figures)


def compared(found: Figures, alone: Figures) -> str:
    return f"{shown(found)}  x{found[0] / alone[0]:.2f} / {found[1] / alone[1]:.2f}"


def shown(found: Figures) -> str:
    return f"{found[0] * 1000:6.0f} / {found[1] * 1000:5.0f}"


def run(file: Path, names: list[str], *, until: str = "first") -> dict[str, Figures]:
    order = json.dumps([str(file), names, until, time.monotonic()])
    command = [sys.executable, "-m", "tests.bench.bench_fleet", order]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Figures] = json.loads(answer)
    return found


def kubeconfig(contexts: list[ContextConfig]) -> dict[str, Any]:
    """Uncompressed: to compress costs the servers more than all else they do."""
    plain = {"disable-compression": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": c.name, "cluster": {"server": c.server} | plain} for c in contexts],
        "contexts": [{"name": c.name, "context": {"cluster": c.name, "user": c.name}} for c in contexts],
        "users": [{"name": c.name, "user": {"token": c.token}} for c in contexts],
    }


# --- in the process that is measured --------------------------------------------------------------------------------


async def look(kubeconfig: Path, names: list[str], *, until: str, began: float) -> dict[str, Figures]:
    """Opens the clusters until there are rows of the one called cluster-000 ("first"), or of "each".

    Returns seconds since the process was started, on the clock and of the processor: of the first rows of any, of that
    one, of half of those that have some then, and of the last of them.
    """
    from fleetui.cli.connect import Connection
    from fleetui.cli.options import Scope

    connection = Connection(Scope(kubeconfig=kubeconfig, contexts=tuple(names)))
    fleet = connection.fleet()
    there: dict[str, Figures] = {}
    enough = asyncio.Event()
    live = sum(name.startswith("cluster-") for name in names)

    def changed(change: ChangeSet) -> None:
        for key in change.apps:
            there.setdefault(key.hub, (time.monotonic() - began, time.process_time()))
        if len(there) == live or (until == "first" and "cluster-000" in there):
            enough.set()

    fleet.subscribe(changed)
    await fleet.start()
    await enough.wait()
    await fleet.close()
    await connection.close()
    in_order = sorted(there.values())
    first, half = there["cluster-000"], in_order[len(in_order) // 2]
    return {"any": in_order[0], "first": first, "half": half, "each": in_order[-1]}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        file, known, end, start = json.loads(sys.argv[1])
        print(json.dumps(asyncio.run(look(Path(file), known, until=end, began=start))))
    else:
        main()
