"""What the views of one application share: which one it is, the keys between them, what can be done with it.

Owns: `AppViewScreen`, the base of tree, diff, history and YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import BindingType

from screens import actions
from screens.base import FleetScreen
from screens.cells import Line, Span, width_of, wrap
from screens.glyphs import HEALTH_ROLE, SYNC_ROLE
from screens.theme import cluster_role
from screens.widgets.lines import BarLine
from screens.widgets.rows import VirtualRows

if TYPE_CHECKING:
    from fleetui.model.app import App, AppKey
    from fleetui.model.objects import ObjectRef

V = TypeVar("V", bound="AppViewScreen")

VIEWS = ("view.tree", "view.diff", "view.history", "pods.events", "pods.logs", "view.yaml")


class AppViewScreen(FleetScreen):
    """A view of one application."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("view", "pods", "why")
    HERE = ""
    """The key of this view."""

    def __init__(self, key: AppKey) -> None:
        super().__init__()
        self.key = key

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.load()

    def load(self) -> None:
        """Asks the fleet for what this view shows."""
        raise NotImplementedError

    @property
    def shown_app(self) -> App | None:
        """The application as it is now; None where it is gone."""
        return self.host.picture.apps.get(self.key)

    def node(self) -> ObjectRef | None:
        """The object that this view is about, or that the cursor is on; None for the application as a whole."""
        return None

    def owner(self) -> AppKey:
        """The application on which that object hangs: another one where it stands below an Application in the tree."""
        return self.key

    def about(self) -> tuple[AppKey, ObjectRef | None]:
        """The application and the object that the other views are opened for."""
        return self.owner(), self.node()

    def say_in(self, rows: VirtualRows, message: str) -> None:
        """Shows a sentence where rows would be."""
        rows.say(wrap(message, self.size.width - 4, 6, ellipsis=self.host.glyphs.ellipsis))

    # --- head ----------------------------------------------------------------------------------------------------

    def title_line(self, *what: Span) -> tuple[BarLine]:
        """``prod-eu-1 ⚿ › payments-service › …`` with the application's health and sync status."""
        host, app = self.host, self.shown_app
        into = Span(f" {host.glyphs.into} ", "muted")
        left = [*self._cluster(app), into, Span(self.key.name, "title")]
        for span in what:
            left += [into, span]
        return (BarLine(tuple(left), (*self._state(app), *self.lock_spans(), Span(" "))),)

    def views_line(self, *right: Span) -> BarLine:
        """The views of the application, this one in brackets; the last of the others are their keys alone where there
        is no room for more."""
        views = (*VIEWS, *(["why.why"] if "why" in self.SCOPES else []))
        room = self.size.width - width_of(right) - 2
        lines = (self._views(views, labels) for labels in range(len(views), -1, -1))
        shown = next((line for line in lines if width_of(line) <= room), self._views(views, 0))
        return BarLine(shown, (*right, Span(" ")))

    def _views(self, views: Sequence[str], labels: int) -> Line:
        spans = [Span(" ")]
        for place, action in enumerate(map(actions.by_id, views)):
            if action.key == self.HERE:
                spans.append(Span(f"[{action.key} {action.label}]", "bright"))
            else:
                label = f" {action.label} " if place < labels else " "
                spans += [Span(f" {action.key}", "key"), Span(label, "muted")]
        if not spans[-1].text.strip():
            spans.append(Span("  "))  # a key without its name is read on into what stands to the right otherwise
        return tuple(spans)

    def _cluster(self, app: App | None) -> Line:
        picture = self.host.picture
        name = picture.cluster_of(app) if app is not None else self.key.hub
        lock = (Span(f" {self.host.glyphs.protected}", "warning"),) if picture.protected(name) else ()
        return (Span(f" {name}", cluster_role(picture.place(name))), *lock)

    def _state(self, app: App | None) -> Line:
        if app is None:
            return (Span("gone", "warning"),)
        from fleetui.model.times import age

        glyphs, health = self.host.glyphs, app.health.status
        stale = self.host.picture.stale_since(self.key)
        old = (Span(f"{glyphs.stale}{age(self.host.now() - stale)}  ", "warning"),) if stale is not None else ()
        return (
            *old,
            Span(f"{glyphs.health(health)} {health.value}", HEALTH_ROLE[health]),
            Span(f"  {glyphs.sync(app.sync)} {app.sync.value}", SYNC_ROLE[app.sync]),
        )

    # --- between the views ---------------------------------------------------------------------------------------

    def go(self, view: FleetScreen) -> None:
        """Shows another view of the same application: above those from which one looks into an object, or in this
        one's place."""
        if self.HERE in {"t", "w"}:
            self.app.push_screen(view)
        else:
            self.app.switch_screen(view)

    def action_tree(self) -> None:
        from screens.app_view import AppScreen

        if self._below(AppScreen) is not None:
            self.app.pop_screen()
        elif self.HERE != "t":
            self.app.switch_screen(AppScreen(self.key))

    def action_why(self) -> None:
        from screens.why_view import WhyScreen

        if self._below(WhyScreen) is not None:
            self.app.pop_screen()
        elif self.HERE != "w":
            self.go(WhyScreen(self.key))

    def show_in_tree(self, key: AppKey, ref: ObjectRef | None) -> None:
        """Goes to an object in the tree of `key`, which is opened above this view where it is not the one below."""
        from screens.app_view import AppScreen

        below = self._below(AppScreen)
        if below is not None and key == self.key:
            self.app.pop_screen()
            below.go_to(ref)
        else:
            self.app.push_screen(AppScreen(key, at=ref))

    def _below(self, kind: type[V]) -> V | None:
        """The view below this one, where it is such a view of the same application."""
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else None
        return below if isinstance(below, kind) and below.key == self.key else None

    def action_diff(self) -> None:
        from screens.diff import DiffScreen

        if self.HERE != "d":
            self.go(DiffScreen(*self.about()))

    def action_history(self) -> None:
        from screens.history import HistoryScreen

        if self.HERE != "h":
            self.go(HistoryScreen(self.key))

    def action_yaml(self) -> None:
        from screens.manifest import ManifestScreen

        if self.HERE != "y":
            self.go(ManifestScreen(*self.about()))

    def action_logs(self) -> None:
        from screens.logs import LogsScreen

        if self.HERE != "l":
            self.go(LogsScreen(*self.about()))

    def action_events(self) -> None:
        from screens.events import EventsScreen

        if self.HERE != "e":
            self.go(EventsScreen(*self.about()))

    def action_shell(self) -> None:
        from screens.shell import open_shell

        open_shell(self, *self.about())

    def name_under_cursor(self) -> str:
        key, node = self.about()
        return node.name if node else key.name

    def command_line(self) -> str:
        import shlex

        word = {"t": "tree", "d": "diff", "h": "history", "w": "why"}.get(self.HERE)
        return shlex.join(["fleetui", word, str(self.key)]) if word else ""

    # --- what can be done ----------------------------------------------------------------------------------------

    def resources(self) -> Sequence[ObjectRef]:
        """The objects that a sync is asked for; none: all."""
        return ()

    def action_sync(self) -> None:
        from screens.confirm import sync_each

        sync_each(self, [self.owner()], resources=tuple(self.resources()))

    def action_refresh(self) -> None:
        from screens.confirm import refresh_each

        refresh_each(self, [self.key])

    def action_hard_refresh(self) -> None:
        from screens.confirm import refresh_each

        refresh_each(self, [self.key], hard=True)

    def action_rollback(self) -> None:
        self.action_history()

    def action_suspend(self) -> None:
        from screens.confirm import suspend_each

        suspend_each(self, [self.key])

    def action_terminate(self) -> None:
        from screens.confirm import terminate_each

        terminate_each(self, [self.key])
