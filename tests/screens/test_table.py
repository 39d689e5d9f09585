"""The table: what it repaints, and what holds still under the hand."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from screens.cells import Cell
from screens.widgets.columns import Column
from screens.widgets.rows import VirtualRows
from screens.widgets.table import FleetTable, Row, held
from tests.screens.console import painted
from tests.waiting import await_until

COLUMNS = (
    Column("name", "NAME", least=8, most=20, flash=False, name=True),
    Column("state", "STATE", least=8, most=8),
)


class TableApp(App[None]):
    """A table of `data`, which maps keys to states."""

    def __init__(self, data: dict[str, str]) -> None:
        super().__init__()
        self.data = data
        self.frames = 0
        self.moved: list[object] = []
        self.opened: list[object] = []
        self.table = FleetTable(COLUMNS, self._row, problem=lambda key: data[str(key)] == "bad")

    def _row(self, key: Any) -> Row:
        return Row((Cell(str(key)), Cell(self.data[key])))

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.set_rows(list(self.data))

    def on_virtual_rows_moved(self, event: VirtualRows.Moved) -> None:
        self.moved.append(event.key)

    def on_virtual_rows_opened(self, event: VirtualRows.Opened) -> None:
        self.opened.append(event.key)

    def post_display_hook(self) -> None:
        self.frames += 1


def at(app: TableApp) -> object:
    """The row under the cursor."""
    return app.table.key


def many(count: int) -> dict[str, str]:
    return {f"app-{number:04}": "fine" for number in range(count)}


def test_a_held_order_keeps_what_is_shown_drops_what_went_and_adds_at_the_end() -> None:
    assert held(["c", "a", "b"], ["a", "b", "d", "c"]) == ["c", "a", "b", "d"]
    assert held(["c", "a"], ["a", "b"]) == ["a", "b"]
    assert held([], ["b", "a"]) == ["b", "a"]


async def test_a_change_that_is_not_seen_paints_nothing() -> None:
    app = TableApp(many(5000))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        with painted(app.table) as lines:
            frames = app.frames
            app.data["app-4000"] = "bad"
            app.table.touch({"app-4000"})
            await pilot.pause()
        assert lines == []
        assert app.frames == frames


async def test_a_visible_change_paints_its_row_alone_and_marks_the_cell() -> None:
    app = TableApp(many(5000))
    app.table.FLASH = 0.2  # type: ignore[misc]
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        with painted(app.table) as lines:
            app.data["app-0003"] = "bad"
            app.table.touch({"app-0003", "app-4000"})
            await await_until(lambda: lines, 5, "the row is painted")
            assert lines == [4]
            assert app.table._flashes
            await await_until(lambda: len(lines) > 1, 5, "the mark is taken away")
            await pilot.pause()
        assert lines == [4, 4]
        assert not app.table._flashes


async def test_of_a_row_only_what_changed_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(many(10))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        asked: list[Region] = []
        monkeypatch.setattr(app.table, "refresh", lambda *regions: asked.extend(regions))
        app.data["app-0003"] = "bad"
        app.table.touch_all()
        (region,) = asked
        line = app.table.render_line(4).text
    assert (region.y, region.height) == (4, 1)
    assert line[region.x : region.right].strip() == "bad"
    assert "app-0003" in line[: region.x]


async def test_an_unchanged_row_is_not_painted_again() -> None:
    app = TableApp(many(100))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        with painted(app.table) as lines:
            app.table.touch_all()
            await pilot.pause()
        assert lines == []


async def test_moving_the_cursor_paints_two_rows() -> None:
    app = TableApp(many(100))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        with painted(app.table) as lines:
            await pilot.press("j")
            await pilot.pause()
        assert sorted(lines) == [1, 2]
        assert app.moved[-1] == "app-0001"


async def test_before_a_hand_touches_it_the_table_follows_the_order() -> None:
    app = TableApp({"a": "fine", "b": "fine", "c": "fine"})
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.set_rows(["c", "a", "b"])
        await pilot.pause()
        assert app.table.order == ["c", "a", "b"]
        assert at(app) == "c"


async def test_under_the_hand_nothing_moves_until_it_rests() -> None:
    app = TableApp({"a": "fine", "b": "fine", "c": "fine", "new": "fine"})
    app.table.HOLD = 0.4  # type: ignore[misc]
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.set_rows(["a", "b", "c"])
        await pilot.press("j")
        app.table.set_rows(["new", "c", "b", "a"])
        assert app.table.order == ["a", "b", "c", "new"]
        assert at(app) == "b"
        await await_until(lambda: app.table.order == ["new", "c", "b", "a"], 5, "the new order is taken over")
        assert at(app) == "b"


async def test_the_cursors_row_stays_on_its_line_of_the_screen_when_the_order_changes() -> None:
    app = TableApp(many(200))
    async with app.run_test(size=(40, 12)) as pilot:
        for _ in range(30):
            app.table.action_down()
        app.table.touched()
        await pilot.pause()
        line = app.table.cursor - app.table.top
        app.table.set_rows(list(reversed(app.data)), now=True)
        await pilot.pause()
        assert at(app) == "app-0030"
        assert app.table.cursor - app.table.top == line


async def test_the_cursor_goes_to_the_neighbour_of_a_row_that_went() -> None:
    app = TableApp({"a": "fine", "b": "fine", "c": "fine"})
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("j")
        app.table.set_rows(["a", "c"])
        assert at(app) == "c"
        app.table.set_rows(["a"])
        assert at(app) == "a"
        app.table.set_rows([])
        assert at(app) is None
        await pilot.press("j", "enter", "space", "G", "n")


async def test_marks_go_with_the_rows_and_problems_are_found() -> None:
    app = TableApp({"a": "fine", "b": "bad", "c": "fine", "d": "bad"})
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("n")
        assert at(app) == "b"
        await pilot.press("n")
        assert at(app) == "d"
        await pilot.press("N", "space")
        assert app.table.marks == {"b"}
        assert at(app) == "c"
        app.table.set_rows(["a", "c"], now=True)
        assert app.table.marks == set()


async def test_paging_and_ends() -> None:
    app = TableApp(many(100))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("G")
        assert (app.table.cursor, app.table.top) == (99, 89)
        await pilot.press("g")
        assert (app.table.cursor, app.table.top) == (0, 0)
        await pilot.press("pagedown")
        assert (app.table.cursor, app.table.top) == (11, 11)
        await pilot.press("pageup", "pageup")
        assert (app.table.cursor, app.table.top) == (0, 0)


async def test_columns_grow_with_their_content_and_never_shrink() -> None:
    app = TableApp({"a": "fine"})
    async with app.run_test(size=(60, 12)):
        app.table.grow({"name": 15, "state": 4})
        before = app.table.laid_out
        app.table.grow({"name": 9, "state": 2})
        assert app.table.laid_out == before
        assert before[0][1] == 15


async def test_a_click_moves_and_a_double_click_opens() -> None:
    app = TableApp(many(100))
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.click(FleetTable, offset=(3, 4))
        assert at(app) == "app-0003"
        await pilot.click(FleetTable, offset=(3, 4), times=2)
        await await_until(lambda: app.opened == ["app-0003"], 5, "the row is opened")


async def test_without_rows_it_says_why() -> None:
    app = TableApp({})
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.say(["No application matches x", "esc takes the filter away"])
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "No application matches x" in text
        assert "esc takes the filter away" in text
