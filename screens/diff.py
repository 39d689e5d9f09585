"""What differs from Git: of one object, or of a whole application.

Owns: `DiffScreen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from screens import actions
from screens.app_base import AppViewScreen
from screens.cells import Span
from screens.host import Refetch
from screens.widgets.diff_pane import DiffPane
from screens.widgets.lines import Bar, BarLine

if TYPE_CHECKING:
    from fleetui.fleet.views import AppDiff, ChangeSet
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef


class DiffScreen(AppViewScreen):
    """The object of `ref` compared with Git; without one every object that differs. Live."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "diff", "rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.next_problem",
        "rows.previous_problem",
        "diff.columns",
        "diff.fold",
        "view.sync",
        "view.refresh",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("diff")
    HERE = "d"

    def __init__(self, key: AppKey, ref: ObjectRef | None = None) -> None:
        super().__init__(key)
        self._ref = ref
        self.pane = DiffPane(id="diff")
        self._refetch = Refetch(self._ask_diff)
        self._told: tuple[AppDiff, AppDiff] | None = None

    def body(self) -> ComposeResult:
        yield self.pane
        yield Bar(least=1, id="legend")

    def load(self) -> None:
        self.pane.clear_to(f"Comparing with Git{self.host.glyphs.ellipsis}")
        self._draw_legend()
        self._refetch.want()

    def _draw_legend(self) -> None:
        legend = (
            Span(" + a sync adds", "add"),
            Span("   - a sync removes", "remove"),
            Span("   ~ it changes", "warning"),
        )
        beside = f"Git {self.host.glyphs.arrow} live " if self.pane.two else ""
        self.query_one("#legend", Bar).show(BarLine(legend, (Span(beside, "muted"),)))

    def _ask_diff(self) -> None:
        self.ask(
            lambda fleet: fleet.diff(self.key, self._ref), self._take, doing="comparing with Git", failed=self._failed
        )

    def _take(self, diff: AppDiff) -> None:
        first = self.pane.diff is None
        if self._told is not None and self._told[0] == diff:
            self.pane.set_diff(self._told[1])
        else:
            self.pane.set_diff(diff)
            self._ask_git(diff)
        if first and diff.objects:
            self.pane.action_next_problem()
        self.draw_frame()
        self._refetch.done()

    def _ask_git(self, diff: AppDiff) -> None:
        """The diff is shown at once; who wrote it in Git may take long, and comes after."""

        def take(told: AppDiff) -> None:
            if self.pane.diff is diff:
                self._told = diff, told
                self.pane.set_diff(told)

        self.ask(lambda fleet: fleet.with_commits(diff), take, doing="asking Git who wrote it", failed=lambda _: None)

    def _failed(self, message: str) -> None:
        self.pane.clear_to("")
        self.say_in(self.pane, message)
        self.draw_frame()
        self._refetch.done()

    def picture_changed(self, change: ChangeSet) -> None:
        if self.key in change.trees or self.key in change.apps:
            self._refetch.want()
        super().picture_changed(change)

    def head(self) -> Sequence[BarLine]:
        from screens.diff_lines import differences

        what = Span(f"{self._ref.kind} {self._ref.name}", "bright") if self._ref else Span("")
        found = differences(self.pane.diff) if self.pane.diff is not None else "diff"
        return (*self.title_line(*([what] if what.text else [])), self.views_line(Span(found, "muted")))

    def node(self) -> ObjectRef | None:
        return self._ref

    def resources(self) -> Sequence[ObjectRef]:
        return (self._ref,) if self._ref else ()

    def action_columns(self) -> None:
        self.pane.two = not self.pane.two
        self._draw_legend()
        self.pane.draw_lines()

    def action_fold(self) -> None:
        self.pane.folded = not self.pane.folded
        self.pane.draw_lines()
