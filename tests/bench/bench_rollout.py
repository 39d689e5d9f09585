"""How long a rollout's plan takes over 200 clusters x 30 addons: 6,000 cells, every one rendered before and after.

Run: ``python tests/bench/bench_rollout.py``. Prints seconds and the memory of the process; the target with remembered
renderings is 5 s. The repository is a real one, the clusters are a script.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from pathlib import Path

from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from tests.unit import addon_fleet
from tests.unit.addon_fleet import APPSET, AddonFleet

CLUSTERS, ADDONS, OBJECTS = 200, 30, 10
MOVES = {f"addon-{number}": "1.15" for number in range(ADDONS)}


def fleet_in(folder: Path) -> AddonFleet:
    before, after = (
        APPSET.split('                - {addon: cert-manager, version: "1.14"}')[0],
        APPSET[APPSET.index("  template") :],
    )
    elements = "".join(f'                - {{addon: {addon}, version: "1.14"}}\n' for addon in MOVES)
    addon_fleet.VERSIONS.clear()
    addon_fleet.VERSIONS.update(dict.fromkeys(MOVES, "1.14"))
    fleet = AddonFleet(folder, appset=before + elements + after, clusters=[f"c-{n:03}" for n in range(CLUSTERS)])
    for addon in MOVES:
        for version in ("1.14", "1.15"):
            documents = (
                f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {addon}-{n}}}\ndata: {{version: '{version}'}}\n"
                for n in range(OBJECTS)
            )
            fleet.git.put(f"addons/{addon}/{version}/all.yaml", "---\n".join(documents).encode())
    fleet.git.commit("addons")
    return fleet


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        fleet = fleet_in(Path(folder))
        planner = fleet.planner()
        waves = (WaveRule("canary", count=2), WaveRule("half", percent=50), WaveRule("rest", rest=True))
        for what in ("nothing remembered", "remembered", "again"):
            start = time.perf_counter()
            found = await planner.plan(RolloutRequest(MOVES, waves=waves))
            taken = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            assert not found.refusals, found.refusals[0]
            cells = len(found.plan.cells)
            print(f"{what}: {cells} cells in {len(found.groups)} groups in {taken:.1f} s ({peak} MiB at most)")
        plan = found.plan
        for wave in plan.waves:
            mine = [cell for cell in plan.cells if cell.key in set(wave.cells)]
            start = time.perf_counter()
            await fleet.truths.write(
                plan,
                wave.name,
                {cell.key: cell.to_version for cell in mine},
                expected={cell.key: cell.from_version for cell in mine},
            )
            print(f"wave {wave.name}: {len(mine)} cells written in {time.perf_counter() - start:.1f} s")
        await fleet.close()


if __name__ == "__main__":
    asyncio.run(main())
