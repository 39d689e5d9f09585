"""A rollout that is being planned: the form, and below it what would happen.

Owns: `RolloutWizard`, `open_wizard` (from cells that were chosen) and `open_for_addon` (from a command). It begins
nothing that was not confirmed, and only what was planned for exactly what stands in the form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import App, ComposeResult
from textual.binding import BindingType

from fleetui.fleet.cells import version_of
from fleetui.fleet.rolloutpick import cells_by_addon, known_versions
from fleetui.model.rollout import Delivery
from screens import actions
from screens.base import FleetScreen
from screens.cells import Span, wrap
from screens.rollout_ask import AskScreen
from screens.rollout_drive import drive
from screens.rollout_form import entered, fields, form_of, informed, turned, typed
from screens.rollout_plan_rows import plan_rows
from screens.widgets.lines import Bar, BarLine, Pager, Text
from screens.widgets.rows import Key, VirtualRows
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet.rolloutapi import PlannedRollout
    from fleetui.model.app import AppKey
    from fleetui.model.rollout import CellKey, Rollout
    from screens.host import Host
    from screens.rollout_form import Form


def open_wizard(app: App[None], cells: Sequence[tuple[AppKey, CellKey, str]], *, version: str = "") -> None:
    """Opens the wizard for chosen cells, each with its application and the version that it has.

    `version` is where they go to; empty: the newest one that the fleet knows is proposed, or Git has.
    """

    host = cast("Host", app)
    if not cells:
        host.tell("No cell is chosen: nothing can be rolled out", error=True)
        return
    picture = host.picture
    every = _matrix(host)
    clusters = {cell.cluster for _, cell, _ in cells}
    labels = [status.labels for name, status in picture.clusters.items() if name in clusters]
    known = {addon: known_versions(picture.apps[key] for key in apps) for addon, apps in every.items()}
    apps: dict[str, list[AppKey]] = {}
    for key, cell, _ in cells:
        apps.setdefault(cell.addon, []).append(key)
    app.push_screen(RolloutWizard(form_of(cells, known, every, labels, version=version), apps))


def open_for_addon(app: App[None], words: str) -> None:
    """Opens the wizard for every cell of an addon: ``ADDON [VERSION]``."""

    host = cast("Host", app)
    addon, _, version = words.partition(" ")
    known = _matrix(host)
    if addon not in known:
        there = f"; there are {', '.join(sorted(known)[:8])}" if known else ""
        said = f"No cluster has an addon {addon}{there}" if addon else f"Write :rollout ADDON [VERSION]{there}"
        host.tell(said, error=True)
        return
    cells = [(key, cell, version_of(host.picture.apps[key])) for key, cell in known[addon].items()]
    open_wizard(app, sorted(cells, key=lambda each: each[1]), version=version.strip())


def _matrix(host: Host) -> dict[str, dict[AppKey, CellKey]]:
    return cells_by_addon(host.picture, host.fleet.cell_rules) if host.fleet is not None else {}


class FormRows(Pager, inherit_bindings=False):
    """The form's fields and the plan below them."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("rows")

    @property
    def shows_cursor(self) -> bool:
        return True


class RolloutWizard(FleetScreen):
    """Plans a rollout, and plans it anew with each change.

    Args:
        form: what it begins with.
        apps: the applications of the chosen cells, by addon; Git is asked which versions it has for them.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("wizard", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "wizard.start",
        "rows.open",
        "wizard.previous",
        "wizard.next",
        "wizard.again",
        "screen.copy_command",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("wizard")

    def __init__(self, form: Form, apps: Mapping[str, Sequence[AppKey]]) -> None:
        super().__init__()
        self.form = form
        self._apps = apps
        self.planned: PlannedRollout | None = None
        self._failure = ""
        self._open: set[str] = set()
        self._starting = False
        self.rows = FormRows(id="form")
        self.rows.opens = lambda _: self._edit()

    def body(self) -> ComposeResult:
        yield self.rows
        yield Bar(least=2, id="about")

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self._plan()
        for addon, apps in self._apps.items():
            self.ask(
                lambda fleet, apps=apps: fleet.rollouts.versions(apps),  # type: ignore[misc]
                partial(self._informed, addon),
                doing=f"reading the versions of {addon}",
                failed=lambda _: None,  # what does not answer is said by the plan
            )

    def _informed(self, addon: str, versions: Iterable[str]) -> None:
        """Git has answered which versions it has."""
        before, self.form = self.form, informed(self.form, addon, versions)
        if self.form.request != before.request:
            self._plan()
        else:
            self.draw_frame()

    # --- the plan ------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        self.planned, self._failure = None, ""
        self.draw_frame()
        if self.form.missing:
            return
        request = self.form.request
        self.ask(
            lambda fleet: fleet.rollouts.plan(request), self._take, doing="planning the rollout", failed=self._failed
        )

    def _take(self, planned: PlannedRollout) -> None:
        self.planned = planned
        self.draw_frame()

    def _failed(self, message: str) -> None:
        self._failure = message
        self.draw_frame()

    @property
    def offered(self) -> bool:
        """Whether it can be started: what stands in the form is planned, and nothing forbids it."""
        planned = self.planned
        return planned is not None and not planned.refusals and bool(planned.plan.cells) and not self.host.read_only

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        addons = ", ".join(move.addon for move in self.form.moves)
        count = sum(count for move in self.form.moves for _, count in move.now)
        left = (
            Span(" Roll out ", "title"),
            Span(addons, "bright"),
            Span(f"   {plural(count, 'cell')} chosen", "muted"),
        )
        return (BarLine(left, (*self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.rows.set_lines([*self._fields(), Text(()), *self._plan_rows()])
        self._draw_about()

    def _fields(self) -> list[Text]:
        rows = fields(self.form, self.host.glyphs.arrow)
        return [Text((Span(f" {row.title:<9} ", "muted"), Span(row.value)), key=row.key) for row in rows]

    def _plan_rows(self) -> list[Text]:
        glyphs = self.host.glyphs
        if self._failure or self.form.missing:
            role = "error" if self._failure else "warning"
            lead = f" {glyphs.degraded} " if self._failure else " - "
            lines = wrap(self._failure or self.form.missing, self.size.width - 6, 6, ellipsis=glyphs.ellipsis)
            return [Text((Span(f"{lead if n == 0 else '   '}{line}", role),)) for n, line in enumerate(lines)]
        if self.planned is None:
            return [Text((Span(f" Working out what will happen{glyphs.ellipsis}", "muted"),))]
        return plan_rows(self.planned, self._open, self.size.width - 2, self.host)

    def _draw_about(self) -> None:
        help_of = {row.key: row.help for row in fields(self.form, "")}
        key = self.rows.key
        said = help_of.get(key, "") if isinstance(key, str) else ""
        command = self.command_line()
        same = f"same as: {command}" if command else "single cells were marked: no command line starts the same"
        same = "" if self.form.missing else same
        width, ellipsis = self.size.width - 3, self.host.glyphs.ellipsis
        lines = [Span(line) for line in wrap(said, width, 2, ellipsis=ellipsis)]
        lines += [Span(line, "muted") for line in wrap(same, width, 3, ellipsis=ellipsis)]
        self.query_one("#about", Bar).show(*(BarLine((Span(f" {span.text}", span.role),)) for span in lines))

    @on(VirtualRows.Moved, "#form")
    def _moved(self) -> None:
        self._draw_about()

    def name_under_cursor(self) -> str:
        return self.form.moves[0].addon

    def command_line(self) -> str:
        return self.form.command(self.host.contexts)

    # --- keys ----------------------------------------------------------------------------------------------------

    def _field(self) -> str:
        """The field under the cursor; empty where it stands on the plan."""
        key: Key | None = self.rows.key
        return str(key) if key in {row.key for row in fields(self.form, "")} else ""

    def _edit(self) -> None:
        from screens.prompt import PromptScreen

        field = self._field()
        if field:
            prompt = PromptScreen(">", typed(self.form, field))
            self.app.push_screen(prompt, lambda text: self._entered(field, text))
        elif isinstance(self.rows.key, tuple):
            self._open ^= {str(self.rows.key[1])}
            self.draw_frame()
        else:
            self.app.bell()

    def _entered(self, field: str, text: str | None) -> None:
        from fleetui.model.errors import UsageError

        if text is None:
            return
        try:
            self._change(entered(self.form, field, text))
        except UsageError as error:
            self.host.tell(str(error), error=True)

    def action_next(self) -> None:
        self._turn(1)

    def action_previous(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        field = self._field()
        changed = turned(self.form, field, by) if field else None
        if changed is None:
            self.app.bell()
        else:
            self._change(changed)

    def _change(self, form: Form) -> None:
        if form != self.form:
            self.form = form
            self._plan()

    def action_again(self) -> None:
        self._plan()

    def action_start(self) -> None:
        planned = self.planned
        if planned is None or not self.offered:
            self.host.tell(self._forbids(), error=True)
            return
        question = AskScreen(
            f"Start the rollout {planned.plan.key.name}",
            [Span(each) for each in _says(planned)],
            verb="Start",
            typed=planned.type_to_confirm,
            command=self.command_line(),
        )
        self.app.push_screen(question, lambda yes: self._start(planned) if yes else None)

    def _forbids(self) -> str:
        """Why it can't be started."""
        if self.host.read_only:
            return "Read-only: nothing can be changed from here"
        if self.planned is None:
            return self._failure or self.form.missing or "It is still being planned"
        return f"It can't be started: {next(iter(self.planned.refusals), 'there is nothing to do')}"

    def _start(self, planned: PlannedRollout) -> None:
        if self._starting:
            return
        self._starting = True
        self.ask(
            lambda fleet: fleet.rollouts.start(planned, drive=False),
            self._started,
            doing="starting the rollout",
            failed=self._not_started,
        )

    def _not_started(self, message: str) -> None:
        self._starting = False
        self.host.tell(message, error=True)

    def _started(self, rollout: Rollout) -> None:
        from screens.rollout import RolloutScreen

        key = rollout.plan.key
        drive(self.app, key)
        self.app.switch_screen(RolloutScreen(key, rollout))


def _says(planned: PlannedRollout) -> list[str]:
    """What starting it does, in sentences."""
    plan = planned.plan
    first = plan.waves[0]
    names = [cell.cluster for cell in first.cells[:4]]
    more = f" and {len(first.cells) - 4} more" if len(first.cells) > 4 else ""
    truths = {(cell.truth.url, cell.truth.branch, cell.truth.path) for cell in plan.cells}
    url, branch, path = sorted(truths)[0]
    others = f" and {len(truths) - 1} more files" if len(truths) > 1 else ""
    how = "commits to" if plan.delivery is Delivery.COMMIT else "opens pull requests for"
    return [
        f"{plural(len(plan.cells), 'cell')} in {plural(len(plan.waves), 'wave')}, first {first.name}:"
        f" {', '.join(names)}{more}.",
        f"It {how} {path} on {branch} of {url}{others}.",
    ]
