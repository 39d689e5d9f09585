"""Takes the pictures of the README from the demo itself: ``python tools/pictures.py``.

Runs the console without a terminal over `fleetui demo`'s fleet, waits until its story has been told, and exports
Textual's SVG screenshots into docs/img.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleetui.cli.demo import opening_of
from fleetui.cli.options import Scope
from fleetui.runtime import Runtime
from screens.app import FleetApp

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "img"
SIZE = (118, 30)
PATIENCE = 60.0
MARKS = 3.0
"""Seconds for which a cell that has changed is marked, and a little more."""
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


async def wait_for(pilot: object, predicate: Callable[[], bool]) -> None:
    """Waits until the fleet looks as the picture wants it."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not predicate():
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit("the demo did not come to what the picture shows")
        await asyncio.sleep(0.1)


def text_of(app: FleetApp) -> str:
    """What stands on the screen."""
    svg = app.export_screenshot()
    return re.sub(r"<[^>]+>", " ", svg).replace("&#160;", " ")


def plain(svg: str) -> str:
    """The picture without what Rich takes from elsewhere: it names no host, and shows in a font that is at hand."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: (?:Fira Code|arial)[^;]*;", f"font-family: {FONTS};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


async def take(app: FleetApp, name: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / name).write_text(plain(app.export_screenshot(title="fleetui")), encoding="utf-8")


async def pictures(folder: Path, runtime: Runtime) -> None:
    opened: list[Callable[[], Awaitable[None]]] = []

    async def start() -> object:
        fleet, close = await opening_of(folder, Scope(), clusters=4, apps=None, seed=1)
        opened.append(close)
        return fleet

    app = FleetApp(start, runtime, contexts=())  # type: ignore[arg-type]
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: all(word in text_of(app) for word in ("Degraded", "differs", "Suspended")))
        await wait_for(pilot, lambda: "Pod recommendations" in text_of(app))  # the line that says why
        await asyncio.sleep(MARKS)
        await take(app, "apps.svg")
        await pilot.press("slash", *"recommendations", "enter", "w")
        await wait_for(pilot, lambda: "Evidence" in text_of(app))
        await take(app, "why.svg")
        await pilot.press("escape", "slash", *["backspace"] * 15, *"storefront", "enter", "enter")
        await wait_for(pilot, lambda: "storefront-settings" in text_of(app))
        await pilot.press("d")
        await wait_for(pilot, lambda: "kubectl-edit" in text_of(app))
        await take(app, "diff.svg")
        await pilot.press("escape", "escape", "slash", *["backspace"] * 10, *"payments-service", "enter", "l")
        await wait_for(pilot, lambda: text_of(app).count("payments-api") > 20)
        await take(app, "logs.svg")
        await pilot.press("escape", "colon", *":rollout cert-manager 1.15.0"[1:], "enter")
        await wait_for(pilot, lambda: "cells of cert-manager" in text_of(app))
        await pilot.press("down", "down", "enter", "ctrl+u", *"synced; healthy:20s", "enter")
        await wait_for(pilot, lambda: "5 cells on 5 clusters" in text_of(app))
        await pilot.press("S")
        await wait_for(pilot, lambda: "to go on" in text_of(app))
        await pilot.press(*"prod-eu-1", "enter")
        await wait_for(pilot, lambda: "wave 2 of 3" in text_of(app) and " left" in text_of(app))
        await take(app, "rollout.svg")
        await pilot.press("escape", "m", "b")
        await wait_for(pilot, lambda: "by stage" in text_of(app) and "behind" in text_of(app))
        await asyncio.sleep(MARKS)
        await take(app, "matrix.svg")
    for close in opened:
        await runtime.call(_done(close))


async def _done(close: Callable[[], Awaitable[None]]) -> None:
    await close()


def main() -> None:
    os.environ |= {"COLORTERM": "truecolor", "TERM": "xterm-256color"}
    os.environ.pop("NO_COLOR", None)
    folder = Path(tempfile.mkdtemp(prefix="fleetui-pictures-"))
    try:
        with Runtime() as runtime:
            asyncio.run(pictures(folder, runtime))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
