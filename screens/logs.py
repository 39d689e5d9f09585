"""What the Pods of an application, or of one object of it, write.

Owns: `LogsScreen`: which Pods and containers are followed, what is said about them, and saving. The lines are kept in
`screens.widgets.log_pane`; how they get here is in `screens.logbox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.timer import Timer

from screens import actions
from screens.app_base import AppViewScreen
from screens.cells import Line, Span, wrap
from screens.host import Refetch
from screens.logbox import LogBox, Source
from screens.theme import cluster_role
from screens.widgets.lines import Bar, BarLine
from screens.widgets.log_pane import LogPane, Name
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet, PodView, PodViews
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef
    from fleetui.ports import Subscription

OFTEN, PAGES = 0.1, 0.3
"""Seconds between two updates of the screen, however many lines come; and where they come by the page, of which each is
all of the screen on the way through a slow line."""
AT_ONCE, AT_ONCE_WRAPPED = 2_000, 600
"""Lines that one update takes."""
AGAIN = 5.0
"""Seconds after which a tree that has changed is asked which Pods it has now."""
MOST_TOLD = 4
"""Lines that say why nothing comes of a log."""
TAIL = 1_000
"""Lines of one Pod that are shown at first; of several together no more."""


class Followed(NamedTuple):
    """One log that is followed."""

    pod: PodView
    container: str
    source: Source
    subscription: Subscription


class LinesCame(Message):
    """Something waits in the letterbox for lines."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LinesCame)


class LogsScreen(AppViewScreen):
    """The logs of the Pods at and below `ref`; without one those of the whole application. Live."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "logs", "rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = (
        "logs.follow",
        "logs.search",
        "logs.wrap",
        "logs.times",
        "logs.container",
        "logs.previous",
        "logs.save",
        "pods.shell",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("logs")
    HERE = "l"

    def __init__(self, key: AppKey, ref: ObjectRef | None = None) -> None:
        super().__init__(key)
        self._ref = ref
        self.pane = LogPane(self.draw_frame, id="logs")
        self.box = LogBox(lambda: self.post_message(LinesCame()))
        self.container = ""
        self.previous = False
        self._pods: PodViews | None = None
        self._followed: dict[object, Followed] = {}
        self._refetch = Refetch(self._ask_pods)
        self._watch: Subscription | None = None
        self._due: Timer | None = None
        self._touched = False

    def body(self) -> ComposeResult:
        yield self.pane
        yield Bar(least=1, id="state")

    def node(self) -> ObjectRef | None:
        return self._ref

    # --- which Pods ----------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.pane.say([f"Looking for Pods{self.host.glyphs.ellipsis}"])
        self._watch = self.host.hold(lambda fleet: fleet.watch_tree(self.key))
        self.set_interval(AGAIN, self._look_again, name="pods")
        self._refetch.want()

    def on_unmount(self) -> None:
        self._stop()
        if self._watch is not None:
            self._watch.close()

    def _ask_pods(self) -> None:
        self.ask(
            lambda fleet: fleet.pods(self.key, self._ref),
            self._take_pods,
            doing="looking for Pods",
            failed=self._failed,
        )

    def _take_pods(self, found: PodViews) -> None:
        self._pods = found
        self._follow(found)
        self._say_nothing()
        self.draw_frame()
        self._refetch.done()

    def _failed(self, message: str) -> None:
        if self._pods is None:
            self.say_in(self.pane, message)
        else:
            self.host.tell(message, error=True)
        self._refetch.done()

    def picture_changed(self, change: ChangeSet) -> None:
        self._touched = self._touched or self.key in change.trees
        super().picture_changed(change)

    def _look_again(self) -> None:
        if self._touched:
            self._touched = False
            self._refetch.want()

    def _follow(self, found: PodViews) -> None:
        """Follows what is new, and no more what is gone; what it wrote stays."""
        wanted = {}
        for pod in found.pods:
            container = self.container or pod.default
            if container in pod.containers:
                wanted[pod.cluster, pod.ref, pod.uid, container] = (pod, container)
        for key in self._followed.keys() - wanted.keys():
            followed = self._followed.pop(key)
            followed.subscription.close()
            followed.source.closed, followed.source.problem = True, ""
        several = len({pod.ref.name for pod in found.pods}) > 1
        for key, (pod, container) in wanted.items():
            if key not in self._followed:
                self._begin(key, pod, container, tail=max(20, TAIL // len(wanted)))
        known = self.pane.names
        for followed in self._followed.values() if several else ():
            known.setdefault(followed.pod.ref, Name(followed.pod.ref.name, cluster_role(len(known))))
        self.pane.named()

    def _begin(self, key: object, pod: PodView, container: str, *, tail: int) -> None:
        from fleetui.fleet.views import PodLog

        log = PodLog(pod.cluster, pod.ref, container, previous=self.previous, tail=tail)
        source = self.box.add(pod.ref)
        subscription = self.host.hold(lambda fleet: fleet.follow_log(log, source))
        self._followed[key] = Followed(pod, container, source, subscription)

    def _stop(self) -> None:
        for followed in self._followed.values():
            followed.subscription.close()
        self._followed.clear()
        self.box.clear()

    def _anew(self) -> None:
        """Another container, or another life: nothing of the one before stays."""
        self._stop()
        self.pane.clear()
        if self._pods is not None:
            self._follow(self._pods)
        self._say_nothing()
        self.draw_frame()

    # --- lines ---------------------------------------------------------------------------------------------------

    def on_lines_came(self) -> None:
        if self._due is None:
            self._take_and_rest()

    def _take_and_rest(self) -> None:
        shown = self._take_lines()
        self._due = self.set_timer(OFTEN if shown < self.pane.page else PAGES, self._rested, name="lines")

    def _rested(self) -> None:
        self._due = None
        if self.box.has_more:
            self._take_and_rest()

    def _take_lines(self) -> int:
        """Shows what has come; how many lines that were."""
        lines = self.box.take(AT_ONCE_WRAPPED if self.pane.wrapped else AT_ONCE)
        if lines:
            self.pane.add(lines)
        self._say_nothing()
        self.draw_frame()
        return len(lines)

    def _say_nothing(self) -> None:
        """What stands there while there are no lines."""
        found = self._pods
        if found is None or self.pane.log_lines:
            return
        if not found.pods:
            what = f"{self._ref.kind} {self._ref.name}" if self._ref else f"Application {self.key.name}"
            self.say_in(self.pane, f"{what} has no Pods. {found.problem}" if found.problem else f"{what} has no Pods")
        elif not self._followed:
            self.say_in(self.pane, f"None of these Pods has a container {self.container}")
        elif self._problems():
            self.pane.say(["Nothing to show"])
        else:
            self.pane.say(["Nothing was written yet"])

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        what = [Span(f"{self._ref.kind} {self._ref.name}", "bright")] if self._ref is not None else []
        return (*self.title_line(*what), self.views_line(*self._which()))

    def _which(self) -> Line:
        """Which of the Pods' containers, in which life."""
        found = self._pods
        if found is None or not found.pods:
            return ()
        count = plural(len(found.pods), "Pod") if len(found.pods) > 1 else ""
        many = f" of {len(found.pods) + found.more}" if found.more else ""
        names = {followed.container for followed in self._followed.values()}
        container = next(iter(names)) if len(names) == 1 else "their containers" if names else self.container
        past = (Span("  previous", "warning"),) if self.previous else ()
        return (Span(f"{count}{many} ".lstrip(), "muted"), Span(container), *past)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#state", Bar).show(*self._problems(), self._state_line())

    def _state_line(self) -> BarLine:
        pane = self.pane
        count = plural(len(pane.log_lines), "line")
        if pane.following:
            left: Line = (Span(" Following", "info"), Span(f"  the last {count}" if pane.log_lines else "", "muted"))
        else:
            newer = f", {plural(pane.unseen, 'newer line')} below" if pane.unseen else ""
            left = (Span(f" Paused{newer}", "warning"), Span("  f", "key"), Span(" follows again", "muted"))
        look = (Span("/", "key"), Span(pane.wanted, "accent"), Span(" ")) if pane.wanted else ()
        return BarLine(left, look)

    def _problems(self) -> list[BarLine]:
        """Why nothing comes of a log, for as many of them as there is room."""
        ellipsis = self.host.glyphs.ellipsis
        told = [source for source in self.box.sources if source.problem]
        lines: list[BarLine] = []
        for place, source in enumerate(told):
            pod = source.key.name
            name = f"{pod}: " if len(self._followed) > 1 and pod not in source.problem else ""
            parts = wrap(f"{name}{source.problem}", self.size.width - 2, 2, ellipsis=ellipsis)
            if len(lines) + len(parts) > MOST_TOLD:
                lines.append(BarLine((Span(f" and of {len(told) - place} more", "muted"),)))
                break
            lines += [BarLine((Span(f" {part}", "warning"),)) for part in parts]
        return lines

    def _pod(self) -> Followed | None:
        """The log of the line under the cursor, or the first."""
        line = self.pane.current
        every = list(self._followed.values())
        mine = (each for each in every if line is not None and each.pod.ref == line.source)
        return next(mine, every[0] if every else None)

    def name_under_cursor(self) -> str:
        followed = self._pod()
        return followed.pod.ref.name if followed else super().name_under_cursor()

    def command_line(self) -> str:
        import shlex

        followed = self._pod()
        if followed is None:
            return ""
        pod = followed.pod
        words = ["fleetui", "logs", f"{pod.cluster}/{pod.ref.namespace}/{pod.ref.name}", "-c", followed.container]
        return shlex.join([*words, "--previous" if self.previous else "--follow"])

    # --- actions -------------------------------------------------------------------------------------------------

    def action_follow(self) -> None:
        self.pane.follow(not self.pane.following)

    def action_container(self) -> None:
        pods = self._pods.pods if self._pods else ()
        names = list(dict.fromkeys(name for pod in pods for name in pod.containers))
        if len(names) < 2:
            self.host.tell("There is but one container")
            return
        now = self.container or next(iter(pod.default for pod in pods))
        self.container = names[(names.index(now) + 1) % len(names)] if now in names else names[0]
        self._anew()

    def action_shell(self) -> None:
        from screens.shell import open_shell

        followed = self._pod()
        open_shell(self, self.key, followed.pod.ref if followed else self._ref)

    def action_previous(self) -> None:
        self.previous = not self.previous
        self._anew()

    def action_times(self) -> None:
        self.pane.timed = not self.pane.timed
        self.pane.make_rows()

    def action_wrap(self) -> None:
        self.pane.wrapped = not self.pane.wrapped
        self.pane.make_rows()

    def action_search(self) -> None:
        from screens.prompt import PromptScreen

        self.app.push_screen(PromptScreen("/", self.pane.wanted), self._search)

    def _search(self, text: str | None) -> None:
        if text is None:
            return
        if not self.pane.look_for(text):
            self.host.tell(f"None of the {plural(len(self.pane.log_lines), 'line')} has {text}")
        self.draw_frame()

    def action_back(self) -> None:
        if self.pane.wanted:
            self._search("")
        else:
            super().action_back()

    def action_leave(self) -> None:
        super().action_back()

    def action_save(self) -> None:
        from screens.saving import save

        several = len(self.pane.names) > 1
        lines = [
            " ".join(filter(None, (line.stamp, line.source.name if several and line.source else "", line.text)))
            for line in self.pane.log_lines
        ]
        what = self._ref.name if self._ref else self.key.name
        save(self.host, f"{self.key.name}-{what}" if what != self.key.name else what, lines, "log")
