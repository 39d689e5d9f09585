"""The registry of keys: it is whole, it is true, and the docs say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from screens import actions
from screens.app import FleetApp
from screens.app_base import AppViewScreen
from screens.app_view import AppScreen
from screens.apps import AppsScreen
from screens.appsets import AppSetsScreen, PreviewScreen
from screens.base import FleetScreen
from screens.clusters import ClustersScreen
from screens.confirm import ConfirmScreen
from screens.diff import DiffScreen
from screens.events import EventsScreen
from screens.help import HelpScreen
from screens.history import HistoryScreen
from screens.logs import LogsScreen
from screens.manifest import ManifestScreen
from screens.matrix import MatrixScreen
from screens.projects import ProjectsScreen
from screens.prompt import QuitScreen
from screens.rollout import RolloutScreen, RolloutWaves
from screens.rollout_wizard import RolloutWizard
from screens.rollouts import RolloutsScreen
from screens.shell import ShellScreen
from screens.versions import VersionsScreen
from screens.why_view import WhyScreen
from screens.widgets.lines import Pager
from screens.widgets.matrix import MatrixGrid
from screens.widgets.rows import VirtualRows
from screens.widgets.tree import FleetTree

OWNERS: dict[str, tuple[type[Any], ...]] = {
    "everywhere": (FleetApp,),
    "screen": (FleetScreen,),
    "rows": (VirtualRows,),
    "apps": (AppsScreen,),
    "clusters": (ClustersScreen,),
    "projects": (ProjectsScreen,),
    "appsets": (AppSetsScreen,),
    "preview": (PreviewScreen,),
    "matrix": (MatrixScreen,),
    "grid": (MatrixGrid,),
    "versions": (VersionsScreen,),
    "rollouts": (RolloutsScreen,),
    "rollout": (RolloutScreen,),
    "wizard": (RolloutWizard,),
    "view": (AppsScreen, AppViewScreen),
    "pods": (AppsScreen, AppViewScreen),
    "why": (AppsScreen, AppViewScreen),
    "tree": (FleetTree, RolloutWaves),
    "pager": (Pager,),
    "diff": (DiffScreen,),
    "logs": (LogsScreen,),
    "shell": (ShellScreen,),
    "dialog": (ConfirmScreen,),
    "quit": (QuitScreen,),
}
SCREENS: tuple[type[FleetScreen], ...] = (
    AppsScreen,
    AppScreen,
    ClustersScreen,
    ProjectsScreen,
    AppSetsScreen,
    PreviewScreen,
    MatrixScreen,
    VersionsScreen,
    DiffScreen,
    EventsScreen,
    HistoryScreen,
    LogsScreen,
    ManifestScreen,
    WhyScreen,
    RolloutsScreen,
    RolloutScreen,
    RolloutWizard,
    HelpScreen,
)


@pytest.mark.parametrize("action", actions.ACTIONS, ids=lambda action: action.id)
def test_each_action_is_done_by_a_method_and_bound_where_it_says(action: actions.Action) -> None:
    for owner in OWNERS[action.scope]:
        assert callable(getattr(owner, f"action_{action.name}"))
        bound = {each.id: each.key for each in owner.BINDINGS if isinstance(each, Binding)}
        inherited = {each.id: each.key for cls in owner.__mro__ for each in getattr(cls, "BINDINGS", ())}
        assert (bound | inherited)[action.id] == ",".join(action.keys)


def test_ids_are_unique_and_every_scope_has_a_title() -> None:
    ids = [action.id for action in actions.ACTIONS]
    assert len(ids) == len(set(ids))
    assert {action.scope for action in actions.ACTIONS} == set(actions.SCOPES)


def test_changing_is_on_upper_case_and_reading_on_lower() -> None:
    for action in actions.of_scope("view"):
        key = action.keys[0]
        assert action.changes == (key.isupper() or key == "ctrl+r"), action.id


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_means_two_things_on_one_screen(screen: type[FleetScreen]) -> None:
    scopes = ("everywhere", "screen", *screen.SCOPES)
    keys = [key for scope in dict.fromkeys(scopes) for action in actions.of_scope(scope) for key in action.keys]
    doubled = {key for key in keys if keys.count(key) > 1}
    assert not doubled


@pytest.mark.parametrize("screen", SCREENS)
def test_what_the_hint_line_shows_works_on_that_screen(screen: type[FleetScreen]) -> None:
    for name in screen.HINTS:
        assert actions.by_id(name).scope in {"screen", *screen.SCOPES}
    assert screen.HINTS[-1] in {"screen.help", "screen.back"}


def test_keys_reach_a_program_over_ssh_and_in_tmux() -> None:
    for action in actions.ACTIONS:
        for key in action.keys:
            assert key not in {"ctrl+m", "ctrl+i", "ctrl+h", "ctrl+left_square_bracket"}
            assert not key.startswith(("ctrl+shift+", "alt+", "super+"))


def test_the_docs_list_the_same_keys() -> None:
    path = Path(__file__).parents[2] / "docs" / "keys.md"
    assert path.read_text(encoding="utf-8") == actions.as_markdown(), "run python -m screens.actions"
