"""The tree: opening, closing, the cursor's node, and what is painted."""

from __future__ import annotations

from textual.app import App, ComposeResult

from screens.cells import Span
from screens.widgets.tree import FleetTree, Node, ancestors, open_places
from tests.screens.console import painted


def node(key: str, depth: int, *, problem: bool = False, calm: bool = True, info: str = "") -> Node:
    return Node(key, depth, "Pod", Span(key), info=Span(info), problem=problem, calm=calm)


NODES = [
    node("app", 0, calm=False),
    node("api", 1, calm=False),
    node("old", 2),
    node("old-1", 3),
    node("new", 2, calm=False),
    node("new-1", 3, problem=True, calm=False),
    node("config", 1),
]


class TreeApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.tree_rows = FleetTree()

    def compose(self) -> ComposeResult:
        yield self.tree_rows

    def on_mount(self) -> None:
        self.tree_rows.set_nodes(NODES)

    @property
    def shown(self) -> list[object]:
        return [self.tree_rows.key_of(row) for row in range(self.tree_rows.row_count)]


def at(app: TreeApp) -> object:
    """The node under the cursor."""
    return app.tree_rows.key


def test_a_closed_node_hides_all_below_it() -> None:
    assert [NODES[place].key for place in open_places(NODES, {"api"})] == ["app", "api", "config"]
    assert [NODES[place].key for place in open_places(NODES, {"old", "new"})] == ["app", "api", "old", "new", "config"]
    assert open_places(NODES, set()) == list(range(len(NODES)))


def test_ancestors_from_the_nearest_to_the_root() -> None:
    assert [NODES[place].key for place in ancestors(NODES, 5)] == ["new", "api", "app"]


async def test_left_closes_then_goes_up_right_opens_then_goes_down() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("j", "left")
        assert app.shown == ["app", "api", "config"]
        await pilot.press("left")
        assert at(app) == "app"
        await pilot.press("right", "right")
        assert app.shown == [each.key for each in NODES]
        assert at(app) == "api"


async def test_the_next_problem_is_found_behind_a_closed_node() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("left", "n")
        assert at(app) == "new-1"


async def test_the_cursor_stays_on_its_node_while_nodes_come_and_go() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("G")
        app.tree_rows.set_nodes([NODES[0], node("another", 1), *NODES[1:]])
        assert at(app) == "config"
        app.tree_rows.set_nodes(NODES[:-1])
        assert at(app) == "new-1"


async def test_a_node_that_changed_is_painted_alone() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        with painted(app.tree_rows) as lines:
            changed = [*NODES[:5], NODES[5]._replace(info=Span("12 restarts")), NODES[6]]
            app.tree_rows.set_nodes(changed)
            await pilot.pause()
        assert lines == [5]


async def test_a_hidden_node_that_changed_paints_nothing() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("j", "left")
        await pilot.pause()
        with painted(app.tree_rows) as lines:
            app.tree_rows.set_nodes([*NODES[:5], NODES[5]._replace(info=Span("12 restarts")), NODES[6]])
            await pilot.pause()
        assert lines == []


async def test_in_a_large_tree_calm_branches_start_closed_and_stay_as_the_hand_left_them() -> None:
    app = TreeApp()
    async with app.run_test(size=(60, 12)) as pilot:
        large = [*NODES, *(node(f"extra-{number}", 1) for number in range(30))]
        app.tree_rows.set_nodes([])
        app.tree_rows.set_nodes(large)
        assert "old-1" not in app.shown
        assert "new-1" in app.shown
        app.tree_rows.move_to(app.shown.index("old"))
        await pilot.press("right")
        app.tree_rows.set_nodes([*large, node("late", 1)])
        assert "old-1" in app.shown
