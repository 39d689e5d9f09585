"""What is typed after `:`.

Owns: the commands and how they are understood.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from textual.screen import Screen

    from screens.host import Host

Shown = TypeVar("Shown", bound="Screen[None]")

COMMANDS = {
    **dict.fromkeys(("apps", "app", "applications"), "apps"),
    **dict.fromkeys(("clusters", "cluster", "fleet", "ctx", "context", "contexts"), "clusters"),
    **dict.fromkeys(("projects", "project", "proj"), "projects"),
    **dict.fromkeys(("matrix", "addons", "addon"), "matrix"),
    **dict.fromkeys(("appsets", "appset", "applicationsets"), "appsets"),
    **dict.fromkeys(("rollouts", "ro"), "rollouts"),
    "rollout": "rollout",
    "help": "help",
    **dict.fromkeys(("quit", "q"), "quit"),
}


class Command(NamedTuple):
    """A command and the words behind it; `problem` says why it is none."""

    name: str = ""
    words: str = ""
    problem: str = ""


def parse(text: str) -> Command:
    """What a person typed: ``apps health:degraded`` is the command ``apps`` with these words."""
    name, _, words = text.strip().partition(" ")
    if not name:
        return Command()
    known = COMMANDS.get(name.lower())
    if known is not None:
        return Command(known, words.strip())
    near = difflib.get_close_matches(name.lower(), COMMANDS, n=1)
    known_ones = ", ".join(f":{each}" for each in dict.fromkeys(COMMANDS.values()))
    meant = f"; did you mean :{near[0]}?" if near else f"; there are {known_ones}"
    return Command(problem=f"There is no command :{name}{meant}")


def run(screen: Screen[None], text: str | None) -> None:
    """Carries out what was typed on `screen`; None or nothing: nothing."""
    command = parse(text or "")
    host = cast("Host", screen.app)
    if command.problem:
        host.tell(command.problem, error=True)
    elif command.name == "quit":
        screen.app.exit()
    elif command.name == "help":
        from screens.help import HelpScreen

        screen.app.push_screen(HelpScreen(getattr(screen, "SCOPES", ())))
    elif command.name == "clusters":
        _to_clusters(screen)
    elif command.name == "projects":
        _to_projects(screen)
    elif command.name == "appsets":
        _to_appsets(screen)
    elif command.name == "matrix":
        to_matrix(screen, command.words)
    elif command.name == "rollouts":
        _to_rollouts(screen)
    elif command.name == "rollout":
        from screens.rollout_wizard import open_for_addon

        open_for_addon(screen.app, command.words)
    elif command.name == "apps":
        to_apps(screen, command.words)


def _to_clusters(screen: Screen[None]) -> None:
    from screens.clusters import ClustersScreen

    _show(screen, ClustersScreen, lambda: ClustersScreen(cast("Host", screen.app).glyphs))


def _to_projects(screen: Screen[None]) -> None:
    from screens.projects import ProjectsScreen

    _show(screen, ProjectsScreen, ProjectsScreen)


def _to_rollouts(screen: Screen[None]) -> None:
    from screens.rollouts import RolloutsScreen

    _show(screen, RolloutsScreen, RolloutsScreen)


def _to_appsets(screen: Screen[None]) -> None:
    from screens.appsets import AppSetsScreen

    _show(screen, AppSetsScreen, AppSetsScreen)


def _show(screen: Screen[Any], kind: type[Shown], make: Callable[[], Shown]) -> Shown | None:
    """Goes back to the screen of that kind, and returns it; opens one where there is none."""
    app = screen.app
    if not any(isinstance(each, kind) for each in app.screen_stack):
        app.push_screen(make())
        return None
    while not isinstance(app.screen, kind):
        app.pop_screen()
    return app.screen


def to_matrix(screen: Screen[Any], words: str = "") -> None:
    """Shows the addon matrix, with `words` the cells that they let through as a filter."""
    from screens.matrix import MatrixScreen

    shown = _show(screen, MatrixScreen, lambda: MatrixScreen(cast("Host", screen.app), words))
    if shown is not None and words:
        shown.set_filter(words)


def to_apps(screen: Screen[None], words: str) -> None:
    """Shows the applications that the filter `words` lets through."""
    from screens.apps import AppsScreen

    app = screen.app
    while not isinstance(app.screen, AppsScreen) and len(app.screen_stack) > 1:
        app.pop_screen()
    if isinstance(app.screen, AppsScreen):
        app.screen.set_filter(words)
