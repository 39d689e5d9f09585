"""The dialog before anything is changed: what will happen, to which object of which cluster, at which commit.

Owns: `ConfirmScreen` for every action on an application. It shows a plan and asks; the fleet's dispatcher then
does it once, and never again by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from screens import actions
from screens.asking import Asking
from screens.cells import Line, Span, width_of
from screens.deliberate import DeliberateScreen
from screens.plan_lines import command_lines, plan_lines, title_spans, verb_of
from screens.prompt import RESTORING
from screens.widgets.lines import Bar, BarLine, Pager, Text
from screens.widgets.rows import VirtualRows
from screens.widgets.typing import Typed

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    from fleetui.fleet.views import Action, Plan
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef
    from screens.host import Host

LEAST, MOST = 58, 110


class PlanPager(Pager):
    """The plan; it scrolls, and has no cursor."""

    @property
    def shows_cursor(self) -> bool:
        return False

    def action_open(self) -> None:
        self.post_message(self.Opened(self, ""))  # whether it has lines or not: enter confirms

    def action_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)


class ConfirmScreen(Asking, DeliberateScreen[bool]):
    """Shows the plan of an action; returns whether the action is to be done. `place` is ``2 of 3``, or empty."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("dialog")

    def __init__(self, action: Action, place: str = "") -> None:
        super().__init__()
        self.asked = action
        self.plan: Plan | None = None
        self.failure = ""
        self._place = place
        self._typing = False

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Bar(state="panel", id="title")
            yield PlanPager(id="plan", state="panel")
            yield Bar(state="panel", least=0, id="switches")
            yield Bar(state="panel", least=0, id="type")
            yield Typed(id="typed", compact=True)
            yield Bar(state="panel", id="buttons")

    def on_mount(self) -> None:
        self.query_one("#typed", Input).display = False
        self.query_one("#plan").focus()
        self._ask_plan()

    def on_resize(self) -> None:
        self.draw()

    # --- the plan ------------------------------------------------------------------------------------------------

    def _ask_plan(self) -> None:
        asked = self.asked
        self.failure = ""
        self.draw()
        self.ask(lambda fleet: fleet.plan(asked), self._take, doing="planning", failed=self._failed)

    def _take(self, plan: Plan) -> None:
        self.plan = plan
        if plan.type_to_confirm and not self._typing:
            self._typing = True
            typed = self.query_one("#typed", Input)
            typed.display = True
            typed.focus()
        self.draw()

    def _failed(self, message: str) -> None:
        self.plan, self.failure = None, message
        self.draw()

    @property
    def current_plan(self) -> Plan | None:
        """The plan, where it is that of the action as it is asked for now."""
        return self.plan if self.plan is not None and self.plan.action == self.asked else None

    @property
    def offered(self) -> bool:
        """Whether the action can be confirmed: planned, not refused, and the name typed where one is asked for."""
        plan = self.current_plan
        if plan is None or plan.refusals:
            return False
        return self.query_one("#typed", Input).value.strip() == plan.type_to_confirm

    # --- what is shown -------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Everything as it is now."""
        if not self.is_mounted:
            return
        width = max(LEAST, min(MOST, self.size.width - 4))
        self.query_one("#dialog").styles.width = width
        title = (Span(" "), *title_spans(self.asked, self.host))
        self.query_one("#title", Bar).show(BarLine(title, (Span(f"{self._place} ", "muted"),)))
        inner = width - 5  # border, padding, scroll bar
        lines = self._lines(inner)
        around = {"#switches": self._switches(inner), "#type": self._type(), "#buttons": self._buttons(inner)}
        taken = 5 + self._typing + sum(map(len, around.values()))  # border, title, margins
        pager = self.query_one("#plan", PlanPager)
        pager.styles.height = max(1, min(len(lines), self.size.height - taken))
        pager.set_lines(lines)
        for name, bars in around.items():
            self.query_one(name, Bar).show(*bars)

    def _lines(self, width: int) -> list[Text]:
        if self.failure:
            from screens.cells import wrap

            return [Text((Span(f" {line}", "error"),)) for line in wrap(self.failure, width, 8)]
        if self.plan is None:
            return [Text((Span(f" Working out what will happen{self.host.glyphs.ellipsis}", "muted"),))]
        return plan_lines(self.plan, self.host.now(), width, glyphs=self.host.glyphs)

    def _switches(self, width: int) -> list[BarLine]:
        switches = self._offered_switches()
        if not switches or self.failure:
            return []
        glyphs = self.host.glyphs
        lines: list[Line] = [()]
        for name, on_now in switches.items():
            action = actions.by_id(name)
            box = Span(f" {glyphs.on if on_now else glyphs.off} {action.label}", "bright" if on_now else "")
            switch = (Span(action.key, "key"), box)
            longer = (*lines[-1], Span("    " if lines[-1] else " "), *switch)
            if width_of(longer) <= width:
                lines[-1] = longer
            else:
                lines.append((Span(" "), *switch))
        waiting = "" if self.current_plan else f"planning anew{glyphs.ellipsis} "
        return [BarLine(line, (Span(waiting if line is lines[-1] else "", "muted"),)) for line in lines]

    def _offered_switches(self) -> dict[str, bool]:
        """The switches that the action has, by their ids, and whether each is on."""
        asked, kind = self.asked, self.asked.kind.value
        switches = (
            {"dialog.prune": asked.prune, "dialog.dry_run": asked.dry_run} if kind in {"sync", "rollback"} else {}
        )
        if kind == "rollback" and not asked.dry_run and self._is_automated():
            switches["dialog.restore"] = asked.restore
        if kind in {"rollback", "revert"}:
            switches["dialog.revert"] = kind == "revert"
        return switches

    def _is_automated(self) -> bool:
        app = self.host.picture.apps.get(self.asked.app)
        return app is not None and app.automation.enabled

    def _type(self) -> list[BarLine]:
        plan = self.plan
        if plan is None or not plan.type_to_confirm or plan.refusals:
            return []
        line = (Span(" Type ", "warning"), Span(plan.type_to_confirm, "bright"), Span(" to go on", "warning"))
        hint = "tab: to the switches " if self._offered_switches() else ""
        return [BarLine(line, (Span(hint, "muted"),))]

    def _buttons(self, width: int) -> list[BarLine]:
        plan = self.current_plan
        right = [Span("esc", "key"), Span(" cancel ", "muted")]
        if plan is not None and not plan.refusals:
            verb = verb_of(self.asked)
            role = ("key", "title") if self.offered else ("faint", "faint")
            right += [Span("   enter", role[0]), Span(f" {verb} ", role[1])]
        command = command_lines(plan.command if plan is not None else "", width) or [()]
        return [BarLine((), tuple(right)), *map(BarLine, command)]

    # --- keys ----------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _typed(self) -> None:
        self.draw()

    @on(Input.Submitted)
    @on(VirtualRows.Opened)
    def action_confirm(self) -> None:
        if self.offered:
            self.dismiss(True)
        else:
            self.app.bell()

    def action_cancel(self) -> None:
        self.dismiss(False)

    def action_prune(self) -> None:
        self._switch("dialog.prune", prune=not self.asked.prune)

    def action_dry_run(self) -> None:
        self._switch("dialog.dry_run", dry_run=not self.asked.dry_run, restore=False)

    def action_restore(self) -> None:
        self._switch("dialog.restore", restore=not self.asked.restore)

    def action_revert(self) -> None:
        from fleetui.fleet.views import ActionKind

        reverts = self.asked.kind is ActionKind.REVERT
        kind = ActionKind.ROLLBACK if reverts else ActionKind.REVERT
        self._switch("dialog.revert", kind=kind, prune=False, dry_run=False, restore=False)

    def _switch(self, name: str, **changed: Any) -> None:
        if name not in self._offered_switches():
            return
        from msgspec.structs import replace

        self.asked = replace(self.asked, **changed)
        self._ask_plan()


# --- what screens call --------------------------------------------------------------------------------------------


def sync_each(screen: Screen[None], keys: Sequence[AppKey], *, resources: tuple[ObjectRef, ...] = ()) -> None:
    """Asks for a sync of each of `keys`, one dialog after the other; esc ends it."""
    from fleetui.fleet.views import Action, ActionKind

    _each(screen, [Action(kind=ActionKind.SYNC, app=key, resources=resources) for key in keys])


def refresh_each(screen: Screen[None], keys: Sequence[AppKey], *, hard: bool = False) -> None:
    """Asks for a refresh of each of `keys`, as `sync_each`."""
    from fleetui.fleet.views import Action, ActionKind

    _each(screen, [Action(kind=ActionKind.REFRESH, app=key, hard=hard) for key in keys])


def roll_back(screen: Screen[None], key: AppKey, history_id: int) -> None:
    """Asks whether to go back to an entry of the history."""
    from fleetui.fleet.views import Action, ActionKind

    _each(screen, [Action(kind=ActionKind.ROLLBACK, app=key, history_id=history_id)])


def suspend_each(screen: Screen[None], keys: Sequence[AppKey]) -> None:
    """Asks whether to suspend the automated sync of each of `keys`, or to resume it where it is off."""
    from fleetui.fleet.views import Action, ActionKind

    apps = cast("Host", screen.app).picture.apps
    on = [key in apps and apps[key].automation.enabled for key in keys]
    kinds = [ActionKind.SUSPEND if each else ActionKind.RESUME for each in on]
    _each(screen, [Action(kind=kind, app=key) for kind, key in zip(kinds, keys, strict=True)])


def terminate_each(screen: Screen[None], keys: Sequence[AppKey]) -> None:
    """Asks whether to end the operation of each of `keys`."""
    from fleetui.fleet.views import Action, ActionKind

    _each(screen, [Action(kind=ActionKind.TERMINATE, app=key) for key in keys])


def _each(screen: Screen[None], wanted: Sequence[Action], done: int = 0) -> None:
    host = cast("Host", screen.app)
    if not wanted:
        screen.app.bell()
        return
    if host.read_only:
        host.tell("Read-only: nothing can be changed from here", error=True)
        return
    count = len(wanted) + done
    first, *rest = wanted
    dialog = ConfirmScreen(first, f"{done + 1} of {count}" if count > 1 else "")

    def closed(confirmed: bool | None) -> None:
        if confirmed:
            execute(screen.app, dialog.asked)
            if rest:
                _each(screen, rest, done + 1)

    screen.app.push_screen(dialog, closed)


def execute(app: App[None], action: Action) -> None:
    """Has the fleet carry an action out, once. It goes on when the screen is left; how it ended is told."""
    work = _execute(cast("Host", app), action)
    if action.restore:
        app.run_worker(work, name=action.app.name, group=RESTORING, exit_on_error=False)
    else:
        app.run_worker(work, name=f"{action.kind} {action.app}", exit_on_error=False)


async def _execute(host: Host, action: Action) -> None:
    from fleetui.model.errors import FleetError

    if host.fleet is None:
        return
    app = host.picture.apps.get(action.app)
    try:
        outcome = await host.on_engine(host.fleet.execute(action))
        if action.restore and outcome.accepted and app is not None:
            from fleetui.fleet.restore import restore_automation

            host.tell(outcome.message)
            outcome = await host.on_engine(restore_automation(host.fleet, action.app, away_from=app.revision))
    except FleetError as error:
        host.tell(str(error), error=True)
    except Exception as error:
        host.tell(host.tell_unexpected(error, f"asking for the {action.kind} of {action.app}"), error=True)
    else:
        host.tell(outcome.message, error=not outcome.accepted)
