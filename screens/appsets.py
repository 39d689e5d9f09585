"""The ApplicationSets of all hubs in one table, and what one of them would do.

Owns: `AppSetsScreen` and `PreviewScreen`. What a row or a line says is in `screens.appset_rows`. The sets are read when
the screen opens, and again when asked for; a preview writes nothing.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from screens import actions, appset_rows
from screens.base import FleetScreen
from screens.cells import Span, wrap
from screens.prompt import PromptScreen
from screens.widgets.lines import Bar, BarLine, Pager
from screens.widgets.rows import VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.engine.appset.preview import Preview
    from fleetui.fleet.api import Fleet
    from fleetui.fleet.appsets import AppSetKey, AppSets, AppSetView
    from fleetui.model.objects import Obj


class AppSetsScreen(FleetScreen):
    """All ApplicationSets, by cluster and name."""

    SCOPES: ClassVar[tuple[str, ...]] = ("appsets", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "appsets.preview",
        "appsets.edited",
        "appsets.again",
        "screen.copy_command",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("appsets")

    def __init__(self) -> None:
        super().__init__()
        self._views: dict[AppSetKey, AppSetView] = {}
        self._said = "Reading the ApplicationSets"
        self.table = FleetTable(appset_rows.COLUMNS, self._row, problem=self._problem, id="appsets")
        self.table.opens = lambda _: self.action_preview()

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="about")

    # --- what is shown -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.action_again()

    def action_again(self) -> None:
        self.ask(lambda fleet: fleet.appsets(), self._take, doing="reading the ApplicationSets")

    def action_wide(self) -> None:
        self.table.toggle_wide()

    def _take(self, found: AppSets) -> None:
        self._views = {view.key: view for view in found.rows}
        self._said = "; ".join(found.problems) or "No ApplicationSets"
        if found.problems and found.rows:
            self.host.tell(self._said, error=True)
        self.table.grow(appset_rows.widths(found.rows))
        self.table.set_rows(list(self._views), now=True)
        self.table.touch_all()
        self.draw_frame()

    def _row(self, key: Any) -> Row:
        return appset_rows.row(self._views[key])

    def _problem(self, key: Any) -> bool:
        return appset_rows.needs_human(self._views[key])

    def head(self) -> Sequence[BarLine]:
        left = (Span(" ApplicationSets  ", "title"), Span(plural(len(self._views), "set"), "bright"))
        return (BarLine(left, (*self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        view = self.current()
        said = wrap(view.said, self.size.width - 3, 2, ellipsis=self.host.glyphs.ellipsis) if view else []
        self.query_one("#about", Bar).show(*(BarLine((Span(f" {line}"),)) for line in said))
        if not self._views:
            self.table.say(wrap(self._said, self.size.width - 4, 6))

    # --- what is under the cursor --------------------------------------------------------------------------------

    def current(self) -> AppSetView | None:
        """The ApplicationSet under the cursor."""
        return self._views.get(cast("AppSetKey", self.table.key))

    def name_under_cursor(self) -> str:
        view = self.current()
        return view.key.name if view is not None else ""

    def command_line(self) -> str:
        return shlex.join(["fleetui", "get", "appsets", *(f"--context={name}" for name in self.host.contexts)])

    @on(VirtualRows.Moved, "#appsets")
    def _moved(self) -> None:
        self.draw_frame()

    def action_preview(self) -> None:
        view = self.current()
        if view is not None:
            self.app.push_screen(PreviewScreen(view.key))

    def action_edited(self) -> None:
        view = self.current()
        if view is not None:
            key = view.key
            self.app.push_screen(PromptScreen("file:"), lambda path: self._open_edited(key, path))

    def _open_edited(self, key: AppSetKey, path: str | None) -> None:
        if path and path.strip():
            self.app.push_screen(PreviewScreen(key, Path(path.strip()).expanduser()))


class PreviewScreen(FleetScreen):
    """What an ApplicationSet would do to its Applications now: as it is, or as a file has it."""

    SCOPES: ClassVar[tuple[str, ...]] = ("preview", "rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.next_problem",
        "preview.fold",
        "preview.again",
        "screen.copy_command",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("preview")

    def __init__(self, key: AppSetKey, file: Path | None = None) -> None:
        super().__init__()
        self._key = key
        self._file = file
        self._preview: Preview | None = None
        self._folded = True
        self.pager = Pager(id="preview")

    def body(self) -> ComposeResult:
        yield self.pager

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.action_again()

    def action_again(self) -> None:
        self.pager.say([f"Generating{self.host.glyphs.ellipsis}"])
        self.ask(self._question, self._take, doing="generating", failed=self._failed)

    def action_fold(self) -> None:
        self._folded = not self._folded
        self._draw()

    async def _question(self, fleet: Fleet) -> Preview:
        edited = None if self._file is None else await asyncio.to_thread(_appset_in, self._file, self._key.name)
        return await fleet.preview(self._key, edited)

    def _take(self, found: Preview) -> None:
        self._preview = found
        self._draw()
        self.draw_frame()

    def _failed(self, message: str) -> None:
        self._preview = None
        self.pager.set_lines([])
        self.pager.say(wrap(message, self.size.width - 4, 8))
        self.draw_frame()

    def _draw(self) -> None:
        if self._preview is None:
            return
        lines = appset_rows.preview_lines(self._preview, self.host.glyphs, self.pager.inner_width, folded=self._folded)
        self.pager.set_lines(lines)
        if not lines:
            self.pager.say(["Nothing would be changed"])

    def head(self) -> Sequence[BarLine]:
        from fleetui.engine.appset.preview import Fate

        what = f" as {self._file} has it" if self._file else " as it is"
        left = (Span(" ApplicationSet  ", "title"), Span(self._key.name, "bright"), Span(what, "muted"))
        preview = self._preview
        counted = [f"{n} {fate.value}" for fate in Fate if preview is not None and (n := preview.count(fate))]
        return (BarLine(left, (Span(", ".join(counted), "muted"), *self.lock_spans(), Span(" "))),)

    def name_under_cursor(self) -> str:
        key = self.pager.key
        return str(key[0]) if isinstance(key, tuple) and key[0] != "problem" else self._key.name

    def command_line(self) -> str:
        what = [self._key.name] if self._file is None else ["-f", str(self._file)]
        place = [f"--context={self._key.hub}", "-n", self._key.namespace]
        return shlex.join(["fleetui", "appset", "diff", *place, *what])


def _appset_in(file: Path, name: str) -> Obj:
    """The ApplicationSet that a file has: the one with this name, or the only one.

    Raises:
        UsageError: the file can't be read.
        ManifestError: it is no manifest, or has no such ApplicationSet.
    """
    from fleetui.model.errors import ManifestError, UsageError
    from fleetui.render.yaml import documents

    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    found: list[Obj] = [
        each.value
        for each in documents(content, path=str(file))
        if isinstance(each.value, dict) and each.value.get("kind") == "ApplicationSet"
    ]
    named = [each for each in found if (each.get("metadata") or {}).get("name") == name]
    if len(named) == 1 or (not named and len(found) == 1):
        return (named or found)[0]
    raise ManifestError(f"has no ApplicationSet {name}", path=str(file))
