"""One application: its tree, each object with health and sync, and beside it what differs from Git.

Owns: `AppScreen`. Live: whenever an object of the tree changed it is asked for again, one question at a time. How a
node is shown is in `screens.tree_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from screens.app_base import AppViewScreen
from screens.base import TALL
from screens.causes import CauseFollower
from screens.cells import Line, Span, width_of, wrap
from screens.glyphs import HEALTH_ROLE, PHASE_ROLE
from screens.host import Refetch
from screens.tree_rows import NodeKey, node_words, nodes_of
from screens.widgets.diff_pane import DiffPane
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import Key, VirtualRows
from screens.widgets.tree import FleetTree
from screens.words import ago, commit_spans, plural, short_revision, who

if TYPE_CHECKING:
    from fleetui.fleet.views import AppDiff, ChangeSet, HistoryRow, Tree, TreeNode
    from fleetui.model.app import App, AppKey
    from fleetui.model.change import Commit
    from fleetui.model.objects import ObjectRef
    from fleetui.ports import Subscription

WIDE = 140
"""The width from which the diff of the node under the cursor stands beside the tree."""
SETTLE = 0.15
"""Seconds that the cursor must rest on a node before its diff is asked for."""


class AppScreen(AppViewScreen):
    """The tree of one application."""

    CSS_PATH = "app_view.tcss"
    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "tree", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.next_problem",
        "rows.open",
        "pods.shell",
        "view.sync",
        "view.refresh",
        "view.rollback",
        "rows.mark",
        "screen.help",
    )
    HERE = "t"

    def __init__(self, key: AppKey, *, at: ObjectRef | None = None) -> None:
        """`at`: the object that the cursor goes to, once it is there."""
        super().__init__(key)
        self._at = at
        self._cause = CauseFollower(self, self.draw_frame)
        self.tree_rows = FleetTree(id="tree")
        self.tree_rows.opens = self._open
        self.pane = DiffPane(id="pane")
        self._found: Tree | None = None
        self._given: tuple[TreeNode, ...] | None = None
        self._refetch = Refetch(self._ask_tree)
        self._synced: HistoryRow | None = None
        self._commits: dict[str, Commit] = {}
        self._history_of: tuple[str, float | None] | None = None
        self._watch: Subscription | None = None
        self._settle: Timer | None = None
        self._beside: NodeKey | None = None

    def body(self) -> ComposeResult:
        yield Bar(least=1, id="operation")
        with Horizontal(id="panes"):
            yield self.tree_rows
            yield self.pane
        yield Bar(least=2, id="why")

    def on_unmount(self) -> None:
        self._cause.close()
        if self._watch is not None:
            self._watch.close()

    def on_screen_suspend(self) -> None:
        self._cause.close()

    def on_screen_resume(self) -> None:
        self._follow_cause()

    # --- asking --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.tree_rows.say([f"Reading the tree{self.host.glyphs.ellipsis}"])
        self._watch = self.host.hold(lambda fleet: fleet.watch_tree(self.key))
        self._refetch.want()
        self._ask_history()

    def _ask_tree(self) -> None:
        self.ask(lambda fleet: fleet.tree(self.key), self._take, doing="reading the tree", failed=self._failed)

    def _take(self, tree: Tree) -> None:
        from msgspec.structs import replace

        from fleetui.fleet.grouping import grouped

        if tree.nodes is not self._given:
            self._given = tree.nodes
            self._found = grouped(tree)
            self.tree_rows.set_nodes(nodes_of(self._found, self.host.glyphs))
            self.go_to(self._at)
        elif self._found is not None:  # an object changed in what no row says
            self._found = replace(self._found, problem=tree.problem)
        if not tree.nodes:
            self.say_in(self.tree_rows, tree.problem or "The application has no objects yet")
        self.draw_frame()
        self._follow()
        self._refetch.done()

    def go_to(self, ref: ObjectRef | None) -> None:
        """Puts the cursor on an object of the tree; where that is not read yet, as soon as it is."""
        self._at = ref if self._found is None else None
        node = next((node for node in self._found.nodes if node.ref == ref), None) if self._found is not None else None
        if node is not None:
            self.tree_rows.reveal(NodeKey(node.cluster, node.ref))

    def _failed(self, message: str) -> None:
        if self._found is None:
            self.say_in(self.tree_rows, message)
        else:
            self.host.tell(message, error=True)
        self._refetch.done()

    def _ask_history(self) -> None:
        app = self.shown_app
        if app is None:
            return
        ended = app.operation.finished_at if app.operation is not None else None
        if (app.revision, ended) != self._history_of:
            self._history_of = app.revision, ended
            self.ask(
                lambda fleet: fleet.history(self.key),
                self._take_history,
                doing="reading the history",
                failed=lambda message: None,  # the head then shows the revision alone
            )

    def _take_history(self, rows: tuple[HistoryRow, ...]) -> None:
        self._synced = next((row for row in rows if row.current), None)
        self._commits |= {row.revision: row.commit for row in rows if row.commit is not None}
        self.draw_frame()

    def picture_changed(self, change: ChangeSet) -> None:
        if self.key in change.trees or self.key in change.apps:
            self._refetch.want()
            self._ask_history()
        self._follow_cause()
        self._cause.touched(change.trees)
        super().picture_changed(change)

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        app = self.shown_app
        return (*self.title_line(), self._commit_line(app), self.views_line()) if app else self.title_line()

    def _commit_line(self, app: App) -> BarLine:
        """From which commit, and what happens without a human."""
        automation = app.automation
        more = ["prune"] * automation.prune + ["self-heal"] * automation.self_heal
        auto = f"auto: {', '.join(more) or 'sync'} " if automation.enabled else "auto: off "
        target = app.source.target_revision
        left = [Span(f" {target}  ", "muted")] if target else [Span(" ")]
        left.append(Span(short_revision(app.revision) or "no revision", "bright"))
        left += self._commit_of(app, self.size.width - width_of(left) - len(auto) - 2)
        return BarLine(tuple(left), (Span(auto, "muted" if automation.enabled else "warning"),))

    def _commit_of(self, app: App, room: int) -> Line:
        """The commit that was compared, where a sync or a diff has told it; without that the one last synced."""
        now, row, ellipsis = self.host.now(), self._synced, self.host.glyphs.ellipsis
        if (commit := self._commits.get(app.revision)) is not None:
            return commit_spans(commit, now, room=room, ellipsis=ellipsis)
        if row is None or row.revision == app.revision:
            return ()
        last = (Span("  last synced ", "muted"), Span(short_revision(row.revision)))
        return (*last, *commit_spans(row.commit, now, room=room - width_of(last), ellipsis=ellipsis))

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        app = self.shown_app
        self.query_one("#operation", Bar).show(BarLine(operation_line(app, self.host.now()) if app else ()))
        self.query_one("#why", Bar).show(*self._why())

    def tick(self) -> None:
        if self._found is not None:
            self.tree_rows.set_nodes(nodes_of(self._found, self.host.glyphs))
        super().tick()

    def _why(self) -> list[BarLine]:
        """The node under the cursor, whole, with its health's words; what the tree lacks comes first."""
        found, node = self._found, self._tree_node()
        width, glyphs = self.size.width - 4, self.host.glyphs
        most = 4 if self.size.height >= TALL else 2
        said: list[BarLine] = []
        if found is not None and found.problem:
            lines = wrap(found.problem, width, most // 2, ellipsis=glyphs.ellipsis)
            said += [BarLine((Span(f" {line}", "warning"),)) for line in lines]
        if node is not None:
            text = self._words(node)
            for number, line in enumerate(wrap(text, width, most - len(said), ellipsis=glyphs.ellipsis)):
                health = node.health
                glyph = glyphs.health(health.status) if health is not None and number == 0 else " "
                role = HEALTH_ROLE[health.status] if health is not None else "muted"
                said.append(BarLine((Span(f" {glyph} ", role), Span(line))))
        return said

    def _words(self, node: TreeNode) -> str:
        app, now = self.shown_app, self.host.now()
        if app is None or node.depth > 0:
            return node_words(node, now)
        from screens.why import why

        return why(app, self.host.picture.clusters.get(self.key.hub), now, told=self._cause.told)

    def _follow_cause(self) -> None:
        """Only where the line says it: on the application itself."""
        node = self._tree_node()
        on_app = self.app.screen is self and node is not None and node.depth == 0
        self._cause.follow(self.shown_app if on_app else None)

    def _tree_node(self) -> TreeNode | None:
        """The node under the cursor."""
        if self._found is None or self.tree_rows.key is None:
            return None
        place = next((i for i, node in enumerate(self.tree_rows.nodes) if node.key == self.tree_rows.key), None)
        return None if place is None else self._found.nodes[place]

    def node(self) -> ObjectRef | None:
        """The object under the cursor; None on the application itself."""
        node = self._tree_node()
        if node is not None and node.group:
            node = self._above(node)
        return node.ref if node is not None and node.depth > 0 else None

    def owner(self) -> AppKey:
        node = self._tree_node()
        return node.app if node is not None and node.app is not None else self.key

    def _above(self, node: TreeNode) -> TreeNode | None:
        """The node below which one stands."""
        if self._found is None:
            return None
        place = next(i for i, other in enumerate(self._found.nodes) if other is node)
        return next((other for other in reversed(self._found.nodes[:place]) if other.depth < node.depth), None)

    # --- the diff beside the tree --------------------------------------------------------------------------------

    @on(VirtualRows.Moved, "#tree")
    def _moved(self) -> None:
        self._follow_cause()
        self.draw_frame()
        self._follow()

    def on_resize(self) -> None:  # the base's own handler is called too, after this one
        self.set_class(self.size.width >= WIDE, "-beside")
        self._follow()

    def _follow(self) -> None:
        """Lets the pane follow the cursor, once it rests."""
        key = cast("NodeKey | None", self.tree_rows.key)
        if not self.has_class("-beside") or key is None:
            return
        if self._settle is not None:
            self._settle.stop()
        self._settle = self.set_timer(SETTLE, self._ask_beside, name="settle")

    def _ask_beside(self) -> None:
        node = self._tree_node()
        if node is None:
            return
        key = cast("NodeKey", self.tree_rows.key)
        if key != self._beside:
            self._beside = key
            self.pane.clear_to(f"Comparing {node.ref.kind} {node.ref.name}{self.host.glyphs.ellipsis}")
        if node.sync is None and node.depth > 0:
            self.pane.clear_to("Git does not list this object")
            return
        ref, owner = self.node(), self.owner()
        self.ask(lambda fleet: fleet.diff(owner, ref), self._take_diff, doing="comparing", failed=self.pane.clear_to)

    def _take_diff(self, diff: AppDiff) -> None:
        self.pane.set_diff(diff)
        if diff.commit is not None and diff.revision not in self._commits:
            self._commits[diff.revision] = diff.commit
            self.draw_frame()

    # --- actions -------------------------------------------------------------------------------------------------

    def _open(self, key: Key) -> None:
        """A row of like objects opens and closes, an Application opens its own tree; what Git lists opens its diff,
        anything else its YAML; the application its own diff."""
        node = self._tree_node()
        if node is not None and node.group:
            self.tree_rows.toggle()
        elif node is not None and (below := self._application(node)) is not None:
            self.app.push_screen(AppScreen(below))
        elif node is not None and (node.sync is not None or node.depth == 0):
            self.action_diff()
        else:
            self.action_yaml()

    def _application(self, node: TreeNode) -> AppKey | None:
        """The application of the fleet that a node below this one is."""
        return self.host.picture.app_at(node.cluster, node.ref) if node.depth > 0 else None

    def resources(self) -> Sequence[ObjectRef]:
        """The marked objects that Git lists, of the application of the one under the cursor; without marks that one, if
        Git lists it."""
        if self._found is None:
            return ()
        owner = self.owner()
        marked = [
            node.ref
            for row, node in zip(self.tree_rows.nodes, self._found.nodes, strict=True)
            if row.key in self.tree_rows.marks and node.depth > 0 and node.sync is not None
            if (node.app or self.key) == owner
        ]
        node = self._tree_node()
        if marked or node is None or node.depth == 0 or node.sync is None:
            return marked
        return (node.ref,)


def operation_line(app: App, now: float) -> Line:
    """The running operation's progress, or how the last one ended."""
    from screens.why import progress

    operation = app.operation
    if app.deleting:
        return (Span(" Being deleted", "warning"),)
    if operation is None:
        return (Span(" A sync was asked for and has not begun", "info"),) if app.pending else ()
    role = PHASE_ROLE[operation.phase]
    if not operation.phase.completed:
        return (Span(f" {progress(operation, now)}", role),)
    by = who(operation.initiated_by, operation.automated)
    dry = "dry run" if operation.dry_run else "sync"
    done = f" Last {dry} {operation.phase.value.lower()} {ago(operation.finished_at, now)}, {by}"
    tries = f", {plural(operation.retry_count, 'retry', 'retries')}" if operation.retry_count else ""
    told = f": {operation.message}" if operation.message and role == "error" else ""
    return (Span(f"{done}{tries}{told}", role),)
