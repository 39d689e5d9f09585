"""The tree of one application, flattened: only what is open and seen is made.

Owns: opening and closing, the cursor kept on its node while nodes come and go, the repaint of nodes that changed.
Takes nodes in display order with their depth; nothing here knows what a node is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual.binding import BindingType

from screens import actions
from screens.cells import Line, Span, cell_len, clean, cut_end, fit, pad, width_of
from screens.widgets.rows import Key, VirtualRows


class Node(NamedTuple):
    """One node: its kind and name, the glyphs of its health and sync, the text behind them.

    `calm` says that nothing at or below it needs a human: such branches may start closed. A `row` stands for the many
    below it, and always starts closed.
    """

    key: Key
    depth: int
    kind: str
    name: Span
    glyphs: Line = ()
    info: Span = Span("")
    problem: bool = False
    calm: bool = False
    row: bool = False


MARGIN, GLYPHS, INFO, KIND = 1, 5, 12, 24
CALM_FROM = 30
"""In a tree with more nodes than this, calm branches below the roots start closed."""


class FleetTree(VirtualRows):
    """A tree that is given as a whole, again and again, and repaints what differs."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("tree")

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self._all: list[Node] = []
        self._places: list[int] = []
        self._shut: set[Key] = set()
        self._label = 0
        self._kinds: dict[int, int] = {}

    # --- what VirtualRows asks -----------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        return len(self._places)

    def key_of(self, index: int) -> Key:
        return self.node(index).key

    def node(self, index: int) -> Node:
        """The node on the row at `index`."""
        return self._all[self._places[index]]

    def is_problem(self, index: int) -> bool:
        return self.node(index).problem

    def paint(self, index: int, width: int) -> list[Segment]:
        place = self._places[index]
        node, state, style = self._all[place], self.state_of(index), self.palette.style
        label = max(8, min(self._label, width - MARGIN - GLYPHS - INFO))
        mark = self.glyphs.marked if node.key in self.marks else ""
        left = cut_end(self._lead(place), label, self.glyphs.ellipsis)
        room = label - cell_len(left)
        used = width_of(node.glyphs)
        info = cut_end(node.info.text, max(0, width - MARGIN - label - GLYPHS - 2), self.glyphs.ellipsis)
        return [
            Segment(pad(mark, MARGIN), style("accent" if mark else "muted", state)),
            Segment(left, style("muted", state)),
            Segment(fit(node.name.text, room, ellipsis=self.glyphs.ellipsis) + "  ", style(node.name.role, state)),
            *self.plain(node.glyphs, state),
            Segment(" " * max(1, GLYPHS - used) + info, style(node.info.role, state)),
        ]

    def _lead(self, place: int) -> str:
        """What stands before the name: the indent, whether it is open, its kind, as wide as its neighbours'."""
        node = self._all[place]
        twig = ""
        if self._has_children(place):
            twig = self.glyphs.closed if node.key in self._shut else self.glyphs.opened
        kind = fit(node.kind, self._kinds.get(node.depth, 0), ellipsis=self.glyphs.ellipsis)
        return "  " * node.depth + pad(twig, 2) + (f"{kind}  " if kind else "")

    # --- nodes ---------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes, in display order, the hidden ones too."""
        return self._all

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """The whole tree as it is now. Same nodes in the same places: only the rows that differ are repainted."""
        before, key = self._all, self.key
        if not before and len(nodes) > CALM_FROM:
            self._shut = {node.key for node in nodes if node.calm and node.depth > 0}
        known = {node.key for node in before}
        self._shut |= {node.key for node in nodes if node.row and node.key not in known}
        self._all = list(nodes)
        if not self._grow() and [(node.key, node.depth) for node in before] == [
            (node.key, node.depth) for node in nodes
        ]:
            self.repaint_rows(row for row, place in enumerate(self._places) if before[place] != nodes[place])
        else:
            self._rebuild(key)

    def _grow(self) -> bool:
        """Makes the columns as wide as the nodes need, never narrower than before; whether one of them grew."""
        before = self._label, dict(self._kinds)
        for node in self._all:
            kind = min(KIND, cell_len(clean(node.kind)))
            self._kinds[node.depth] = max(self._kinds.get(node.depth, 0), kind)
        for node in self._all:
            kind = self._kinds[node.depth]
            self._label = max(self._label, 2 * node.depth + 2 + (kind + 2 if kind else 0) + width_of([node.name]))
        return before != (self._label, self._kinds)

    def _has_children(self, place: int) -> bool:
        return place + 1 < len(self._all) and self._all[place + 1].depth > self._all[place].depth

    def _rebuild(self, key: Key | None) -> None:
        """Lists the open nodes anew; the cursor stays on the node of `key`, or on the nearest one above it."""
        line, count = self.cursor - self.top, self.row_count
        self._places = open_places(self._all, self._shut)
        row = next((row for row, place in enumerate(self._places) if self._all[place].key == key), None)
        self.cursor = self.cursor if row is None else row
        self.resized_rows()
        if row is not None and count:
            self.set_top(row - line)
        self.keep_in_view()
        self.say_moved()

    # --- actions -------------------------------------------------------------------------------------------------

    def action_expand(self) -> None:
        if self.key in self._shut:
            self._shut.discard(self.key)
            self._rebuild(self.key)
        elif self.row_count and self._has_children(self._places[self.cursor]):
            self.move_to(self.cursor + 1)

    def action_collapse(self) -> None:
        if not self.row_count:
            return
        place = self._places[self.cursor]
        if self._has_children(place) and self.key not in self._shut:
            self._shut.add(self.key)
            self._rebuild(self.key)
        else:
            depth = self._all[place].depth
            above = (row for row in range(self.cursor - 1, -1, -1) if self.node(row).depth < depth)
            self.move_to(next(above, self.cursor))

    def toggle(self) -> None:
        """Opens or closes the node under the cursor."""
        if self.key in self._shut:
            self.action_expand()
        else:
            self.action_collapse()

    def action_next_problem(self) -> None:
        self._reveal(range(self._place() + 1, len(self._all)))

    def action_previous_problem(self) -> None:
        self._reveal(range(self._place() - 1, -1, -1))

    def _place(self) -> int:
        return self._places[self.cursor] if self.row_count else 0

    def reveal(self, key: Key) -> None:
        """Goes to the node of `key`, if it is here, opening what hides it."""
        place = next((place for place, node in enumerate(self._all) if node.key == key), None)
        if place is not None:
            self._go_to(place)

    def _reveal(self, places: range) -> None:
        """Goes to the first problem of `places`, opening what hides it."""
        place = next((place for place in places if self._all[place].problem), None)
        if place is None:
            self.app.bell()
        else:
            self._go_to(place)

    def _go_to(self, place: int) -> None:
        self._shut -= {self._all[parent].key for parent in ancestors(self._all, place)}
        self._rebuild(self.key)
        self.move_to(self._places.index(place))


def open_places(nodes: Sequence[Node], closed: set[Key]) -> list[int]:
    """The places in `nodes` of those that no closed node hides."""
    places: list[int] = []
    hidden_below: int | None = None
    for place, node in enumerate(nodes):
        if hidden_below is not None and node.depth > hidden_below:
            continue
        hidden_below = node.depth if node.key in closed else None
        places.append(place)
    return places


def ancestors(nodes: Sequence[Node], place: int) -> list[int]:
    """The places of all nodes above the one at `place`, nearest first."""
    found: list[int] = []
    depth = nodes[place].depth
    for above in range(place - 1, -1, -1):
        if nodes[above].depth < depth:
            depth = nodes[above].depth
            found.append(above)
    return found
