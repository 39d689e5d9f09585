"""What the addon matrix costs with 200 clusters and 30 addons: ``python -m tests.bench.bench_matrix``.

Prints milliseconds, of 7 runs the middle one; wanted: the first paint within 100 from the store, and that a change of a
cell paints that cell and its totals.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable
from typing import cast

from msgspec.structs import replace
from textual.strip import Strip

from fleetui.fleet.matrix import Matrix
from fleetui.model.status import Health, HealthStatus
from screens.matrix import MatrixScreen
from screens.widgets.matrix import MatrixGrid
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import FakeFleet
from tests.screens.matrix_fleet import large

RUNS = 7
SIZE = (200, 50)


def measured(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def middle(work: Callable[[], object]) -> float:
    return statistics.median(measured(work) for _ in range(RUNS))


async def first_paint(run: Console) -> float:
    """Milliseconds from the key to the last line of the first frame that has all lines."""
    painted_at: dict[int, float] = {}
    render_line = MatrixGrid.render_line

    def noting(grid: MatrixGrid, y: int) -> Strip:
        strip = render_line(grid, y)
        painted_at.setdefault(y, time.perf_counter())
        return strip

    MatrixGrid.render_line = noting  # type: ignore[method-assign, assignment]
    try:
        began = time.perf_counter()
        await run.pilot.press("m")
        await run.still()
        height = cast(MatrixScreen, run.app.screen).table.size.height
        assert painted_at.keys() >= set(range(height))
        await run.pilot.press("q")
    finally:
        MatrixGrid.render_line = render_line  # type: ignore[method-assign]
    return (max(painted_at.values()) - began) * 1000


async def main() -> None:
    apps, clusters = large()
    matrix = Matrix()
    print(f"all cells placed            {middle(lambda: Matrix().update(apps, clusters=clusters)):7.2f} ms")
    matrix.update(apps, clusters=clusters)
    labels = itertools.cycle(["stage", ""])
    print(f"grouped anew                {middle(lambda: matrix.group(next(labels))):7.2f} ms")
    sick = replace(apps[7], health=Health(HealthStatus.DEGRADED))
    print(
        f"one cell                    {middle(lambda: (matrix.update([sick]), matrix.update([apps[7]]))) / 2:7.2f} ms"
    )
    async with console(FakeFleet(*apps, clusters=clusters), size=SIZE) as run:
        firsts = [await first_paint(run) for _ in range(RUNS)]
        print(f"m pressed, all painted      {statistics.median(firsts):7.2f} ms")

        def opened() -> None:
            MatrixScreen(run.app)

        print(f"  of which the matrix       {middle(opened):7.2f} ms")
        await run.pilot.press("m")
        screen = cast(MatrixScreen, run.app.screen)
        print(f"  of which rows, columns    {middle(screen._reshape):7.2f} ms")
        grid = screen.table
        whole = middle(lambda: [grid.render_line(y) for y in range(grid.size.height)])
        print(f"  of which all lines        {whole:7.2f} ms")
        await run.still()
        with painted(grid) as lines:
            took = measured(lambda: screen._show(screen.matrix.update([sick])))
            await run.still()
        print(f"a cell that is seen         {took:7.2f} ms, lines painted: {sorted(set(lines))}")


if __name__ == "__main__":
    asyncio.run(main())
