"""A shell in a container, with the terminal to itself.

Owns: `open_shell`, and `ShellScreen`, which asks for the container where there are several and for the cluster's name
where it is protected. Whether a shell may be had, and the audit record, are the fleet's (`fleetui.fleet.podaccess`).
"""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, ClassVar, TextIO, cast

from textual import on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from screens import actions
from screens.asking import Asking
from screens.cells import Span, clean
from screens.deliberate import DeliberateScreen
from screens.leaving import stays, terminal, write
from screens.theme import cluster_role
from screens.widgets.lines import Bar, BarLine, Pager, Text
from screens.widgets.rows import VirtualRows
from screens.widgets.typing import Typed

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from fleetui.fleet.views import PodView, PodViews
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef
    from fleetui.podports import Output
    from fleetui.terminal import LocalTerminal
    from screens.base import FleetScreen
    from screens.host import Host

GROUP = "shell"
LEAST, MOST = 58, 90


def open_shell(screen: FleetScreen, key: AppKey, ref: ObjectRef | None = None) -> None:
    """Opens a shell in the Pod `ref`, or in the first of the Pods below it that runs; asks which container where there
    are several, and for the name of a protected cluster."""
    host = screen.host
    if host.read_only:
        host.tell("Read-only: no shell is opened from here", error=True)
        return
    what = f"{ref.kind} {ref.name}" if ref else f"Application {key.name}"

    def found(views: PodViews) -> None:
        pod = next((pod for pod in views.pods if pod.running), None)
        if pod is None:
            host.tell(f"{what}: no container of {'its Pods' if views.pods else 'a Pod'} runs", error=True)
        elif len(pod.running) == 1 and not host.picture.protected(pod.cluster):
            run_shell(screen.app, pod, pod.running[0])
        else:
            dialog = ShellScreen(pod)
            screen.app.push_screen(dialog, lambda container: run_shell(screen.app, pod, container or ""))

    screen.ask(lambda fleet: fleet.pods(key, ref), found, doing="looking for a Pod")


class Choice(Pager):
    """The containers; the one under the cursor is meant."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, state="panel")

    @property
    def shows_cursor(self) -> bool:
        return True  # also while the cluster's name is typed


class ShellScreen(Asking, DeliberateScreen[str | None]):
    """Asks for the container of `pod` that a shell is for; returns it, or None."""

    CSS_PATH = "shell.tcss"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("shell")

    def __init__(self, pod: PodView) -> None:
        super().__init__()
        self.pod = pod

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Bar(state="panel", id="title")
            yield Choice(id="containers")
            yield Bar(state="panel", least=0, id="type")
            yield Typed(id="typed", compact=True)
            yield Bar(state="panel", id="buttons")

    @property
    def to_type(self) -> str:
        """What must be typed; empty where nothing has to be."""
        return self.pod.cluster if self.host.picture.protected(self.pod.cluster) else ""

    @property
    def choice(self) -> Choice:
        return self.query_one("#containers", Choice)

    @property
    def typed(self) -> Input:
        return self.query_one("#typed", Input)

    @property
    def container(self) -> str:
        return self.pod.running[self.choice.cursor]

    def on_mount(self) -> None:
        names = self.pod.running
        self.choice.set_lines([Text((Span(f" {name}"),), key=name) for name in names])
        self.choice.styles.height = min(len(names), 8)
        self.choice.move_to(names.index(self.pod.default) if self.pod.default in names else 0)
        self.typed.display = bool(self.to_type)
        (self.typed if self.to_type else self.choice).focus()
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Everything as it is now."""
        pod, picture = self.pod, self.host.picture
        self.query_one("#dialog").styles.width = max(LEAST, min(MOST, self.size.width - 4))
        lock = (Span(f" {self.host.glyphs.protected}", "warning"),) if self.to_type else ()
        where = (Span(" on "), Span(pod.cluster, cluster_role(picture.place(pod.cluster))), *lock)
        self.query_one("#title", Bar).show(
            BarLine((Span(" Shell in Pod "), Span(f"{pod.ref.namespace}/{pod.ref.name}", "title"), *where))
        )
        asked = (Span(" Type ", "warning"), Span(self.to_type, "bright"), Span(" to go on", "warning"))
        self.query_one("#type", Bar).show(*([BarLine(asked)] if self.to_type else []))
        role = ("key", "title") if self.offered else ("faint", "faint")
        keys = (Span("esc", "key"), Span(" cancel    ", "muted"), Span("enter", role[0]), Span(" open ", role[1]))
        same = Span(f" same as: {clean(command_line(pod, self.container))}", "muted")
        self.query_one("#buttons", Bar).show(BarLine((), keys), BarLine((same,)))

    @property
    def offered(self) -> bool:
        """Whether a shell can be opened: the cluster's name is typed where it is asked for."""
        return self.typed.value.strip() == self.to_type

    @on(Input.Changed)
    @on(VirtualRows.Moved)
    def _changed(self) -> None:
        self.draw()

    @on(Input.Submitted)
    @on(VirtualRows.Opened)
    def action_open(self) -> None:
        if self.offered:
            self.dismiss(self.container)
        else:
            self.app.bell()

    def action_down(self) -> None:
        self.choice.action_down()

    def action_up(self) -> None:
        self.choice.action_up()

    def action_copy_command(self) -> None:
        self.host.copy(command_line(self.pod, self.container), "command line")

    def action_cancel(self) -> None:
        self.dismiss(None)


def command_line(pod: PodView, container: str) -> str:
    """The same shell from the command line."""
    from fleetui.fleet.pods import SHELL

    where = f"{pod.cluster}/{pod.ref.namespace}/{pod.ref.name}"
    return shlex.join(["fleetui", "exec", "-it", where, "-c", container, "--", *SHELL])


def run_shell(app: App[None], pod: PodView, container: str) -> None:
    """Leaves the terminal to a shell in `container`; nothing happens without one. One at a time, as with logins."""
    if container and not any(worker.group == GROUP and not worker.is_finished for worker in app.workers):
        app.run_worker(_run(app, pod, container), name=f"shell in {pod.ref}", group=GROUP, exit_on_error=False)


async def _run(app: App[None], pod: PodView, container: str) -> None:
    host = cast("Host", app)
    where = clean(f"{container} of Pod {pod.ref.namespace}/{pod.ref.name} on {pod.cluster}")
    with terminal(app) as out:
        if out is None:
            host.tell("There is no terminal for a shell", error=True)
            return
        write(out, f"fleetui: a shell in {where}; exit or ctrl+d leaves it")
        write(out, f"same as: {clean(command_line(pod, container))}")
        failure = await _tried(host, pod, container, out)
        if failure:
            await stays(out, clean(failure))


async def _tried(host: Host, pod: PodView, container: str, out: TextIO) -> str:
    """Why there was no shell, or how it failed, in a sentence; empty where it didn't."""
    from fleetui.model.errors import FleetError
    from fleetui.terminal import LocalTerminal

    if host.fleet is None:
        return "there is no fleet yet"
    try:
        with LocalTerminal(raw=True, ended_by=()) as local:
            return await host.on_engine(_talk(host.fleet, pod, container, local, out))
    except FleetError as error:
        return str(error)
    except Exception as error:
        return host.tell_unexpected(error, f"opening a shell in {container}")


async def _talk(fleet: Fleet, pod: PodView, container: str, local: LocalTerminal, out: TextIO) -> str:
    """On the engine's loop: the terminal may be slow, which must not hold up the watches."""
    from fleetui.terminal import talk

    silent = True

    async def show(output: Output, data: bytes) -> None:
        nonlocal silent
        silent = False
        await asyncio.to_thread(_write, out.fileno(), data)

    def warn(trouble: str) -> None:
        write(out, f"fleetui: {clean(trouble)}\r")  # the terminal is raw

    async with fleet.shell(pod, container, warn=warn) as session:
        code = await talk(session, local, stdin=True, show=show)
    # What a shell ends with is mostly that of its last command, and no failure of ours.
    return f"the shell ended with {code} and without a word; has the image one?" if code and silent else ""


def _write(file: int, data: bytes) -> None:
    import os

    while data:
        data = data[os.write(file, data) :]
