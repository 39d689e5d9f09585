"""Nothing from a cluster or from Git is ever markup, an escape sequence, or wider than it says."""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import cast

import pytest
from rich.cells import cell_len

from fleetui.fleet.rolloutpick import cells_by_addon
from fleetui.model.app import AppKey
from fleetui.model.rollout import CellKey
from screens.rollout_wizard import open_wizard
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, stamped
from tests.screens.hostile import ESCAPES, MARKUP, TEXTS, WIDE, hostile_fleet, hostile_matrix, hostile_rollouts

pytestmark = pytest.mark.usefixtures("curious")


def check(found: Console) -> str:
    """Every line is as wide as the screen, and holds nothing that a terminal obeys."""
    width = found.app.size.width
    for line in found.lines:
        assert cell_len(line) == width, line
        assert not [char for char in line if unicodedata.category(char) in {"Cc", "Cf", "Cs"}], line
        assert "\u200d" not in line
    return found.text


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_every_screen_shows_hostile_text_as_plain_text(size: tuple[int, int]) -> None:
    async with console(hostile_fleet(), size=size) as found:
        await found.shows("[red]x[/")
        check(found)
        column = found.lines[2].index("HEALTH")
        for line in found.lines[3:14]:
            assert at_cell(line, column) == "✖", line
        for keys, sign in (
            (("enter",), "[t tree]"),
            (("d",), "[d diff]"),
            (("f", "o"), "[d diff]"),
            (("h",), "[h history]"),
            (("y",), "[y YAML]"),
            (("t", "j", "j", "y"), "[y YAML]"),
            (("w",), "[w why]"),
            (("j", "j", "G"), "[w why]"),
            (("escape", "escape"), "Apps"),
            (("escape", "question_mark"), "Help"),
        ):
            await found.press(*keys)
            await found.shows(sign)
            await found.still()
            check(found)
        assert found.app.is_running


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_the_matrix_shows_hostile_text_as_plain_text(size: tuple[int, int]) -> None:
    async with console(hostile_matrix(), size=size) as found:
        for key in ("m", "b", "ctrl+w", "dollar_sign", "G", "H", "o", "ctrl+w", "dollar_sign", "v", "j", "escape"):
            await found.press(key)
            await found.still()
            check(found)
        assert found.app.is_running
        assert "matrix" in {type(screen).__name__.lower()[:6] for screen in found.app.screen_stack}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_what_pods_write_and_events_tell_is_plain_text(size: tuple[int, int]) -> None:
    text = f"{MARKUP} {ESCAPES} {WIDE}"
    async with console(hostile_fleet(), size=size) as found:
        await found.shows("[red]x[/")
        await found.press("e")
        await found.shows("Warning about")
        await found.still()
        check(found)
        await found.press("escape", "l")
        fleet = cast(FakeFleet, found.app.fleet)
        await found.until(lambda: len(fleet.followed) == 3, "followed")
        for _, sink in tuple(fleet.followed):
            lines = [text.replace("\n", ""), "\x9b2J" + WIDE * 60, "漢" * 300, *TEXTS[3:]]
            found.app._runtime.post(partial(sink.take, stamped(*lines) + b"\xff\xfe\x00\x1b[2J\r\x1b]0;x\x07\n"))
            found.app._runtime.post(partial(sink.say, text))
        await found.shows(lambda shown: "Following  the last" in shown and "and of" in shown)
        for keys in (("w",), ("T",), ("w",), ("right", "right"), ("g",), ("p",), ("o",)):
            await found.press(*keys)
            await found.still()
            check(found)
        await found.press("slash")
        await found.enter("[red]")
        await found.still()
        check(found)
        await found.press("escape", "escape", "x")
        await found.shows("Shell in Pod")
        await found.still()
        check(found)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_rollouts_show_hostile_text_as_plain_text(size: tuple[int, int]) -> None:
    async with console(hostile_rollouts(), size=size, contexts=("hub",)) as found:
        await found.press("colon")
        await found.enter("rollouts")
        await found.shows("[red]x[/")
        for keys, sign in (
            (("enter",), "Rollout"),
            (("n",), "Halted"),
            (("j", "j", "j"), "Halted"),
            (("s",), "enter Skip"),
            (("escape", "D"), "enter Take over"),
            (("escape", "escape", "escape"), "Apps"),
        ):
            await found.press(*keys)
            await found.shows(sign)
            await found.still()
            check(found)
        await found.press("colon")
        await found.enter(f"rollout {MARKUP.partition(' ')[0]}")
        await found.until(lambda: found.toasts(), "told")
        open_wizard(found.app, hostile_cells(cast(FakeFleet, found.app.fleet)))
        await found.shows("Nothing to do")
        await found.still()
        check(found)
        assert found.app.is_running


def hostile_cells(fleet: FakeFleet) -> list[tuple[AppKey, CellKey, str]]:
    """Every cell, each with its own name for its version."""
    found = cells_by_addon(fleet)[MARKUP]
    return [(key, cell, f"{number}{ESCAPES}{WIDE}") for number, (key, cell) in enumerate(found.items())]


async def test_dialogs_and_toasts_show_hostile_text_as_plain_text() -> None:
    async with console(hostile_fleet(), size=(120, 40)) as found:
        for key in ("S", "R"):
            await found.press(key)
            await found.shows("enter")
            await found.shows("same as")
            await found.still()
            check(found)
            await found.press("enter")
        await found.until(lambda: len(found.toasts()) == 2, "told")
        await found.still()
        text = check(found)
        assert "[@click=app.exit]" in text
        assert found.app.is_running


async def test_clicking_on_hostile_text_does_nothing_but_move_the_cursor() -> None:
    async with console(hostile_fleet(), size=(120, 40)) as found:
        await found.press("S")
        await found.shows("enter Sync")
        await found.press("enter")
        await found.until(lambda: found.toasts(), "told")
        for y in (0, 1, 5, 20, 34, 36, 38):
            for x in (10, 100):
                await found.pilot.click(offset=(x, y))
        assert found.app.is_running
        assert len(found.app.screen_stack) <= 2


def at_cell(line: str, column: int) -> str:
    """The character that begins at a cell of a line."""
    used = 0
    for char in line:
        if used == column and cell_len(char):
            return char
        used += cell_len(char)
    return ""
