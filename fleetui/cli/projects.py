"""`get projects`: what projects permit, and how their sync windows are now.

Owns: the table and the document of a project. Called by `fleetui.cli.commands`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fleetui.cli.connect import with_fleet
from fleetui.cli.documents import Document, at_time
from fleetui.cli.options import Scope
from fleetui.cli.output import aligned, emit_rows
from fleetui.cli.report import say
from fleetui.cli.waiting import loaded
from fleetui.engine.projects import Listed, Project
from fleetui.fleet.projects import ProjectView
from fleetui.fleet.windows import WindowState, state_words, states_of, words_of
from fleetui.model.errors import ExitCode

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet


def show_projects(scope: Scope, output: str) -> int:
    """`get projects`."""

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        found, now = await fleet.projects(), time.time()
        rows = [row for row in found.rows if scope.namespace in {"", row.namespace}]
        emit_rows(
            rows,
            output,
            document=lambda row: document(row, now),
            name=lambda row: f"appproject.argoproj.io/{row.project.name}",
            table=table(wide=output == "wide", now=now),
            empty="No projects found." if not found.problems else "No projects on the clusters that answer.",
        )
        for problem in found.problems:
            say(f"fleetui: {problem}")
        return ExitCode.FAILED if found.problems else ExitCode.OK

    return with_fleet(scope, work)


def table(*, wide: bool, now: float) -> Callable[[Sequence[ProjectView]], str]:
    """Projects as a table; `wide` lists what else is a number."""
    titles = ["CONTEXT", "NAMESPACE", "NAME", "SOURCES", "DESTINATIONS", "WINDOWS", "ROLES", "ORPHANS"]
    titles += ["DESCRIPTION"] if wide else []

    def row(view: ProjectView) -> list[str]:
        project = view.project
        destinations = [f"{each.server or each.name}/{each.namespace}" for each in project.destinations]
        windows = states_of(project.windows, now)
        cells = [view.hub, view.namespace, project.name, _some(project.source_repos, wide), _some(destinations, wide)]
        cells += [
            "; ".join(words_of(each, now) for each in windows) if wide else _windows(windows, now),
            ", ".join(role.name for role in project.roles) if wide else str(len(project.roles)),
            orphans_words(project),
        ]
        return [*cells, *([project.description] if wide else [])]

    return lambda rows: aligned(titles, [row(view) for view in rows])


def orphans_words(project: Project) -> str:
    """What a project does about objects that nobody manages."""
    if project.orphaned is None:
        return ""
    ignored = len(project.orphaned.ignore)
    return ("warn" if project.orphaned.warn else "show") + (f", {ignored} ignored" if ignored else "")


def _some(values: Sequence[str], everything: bool) -> str:
    return ", ".join(values) if everything or len(values) < 2 else f"{values[0]}, {len(values) - 1} more"


def _windows(states: Sequence[WindowState], now: float) -> str:
    """The open windows, or else how many there are."""
    telling = [each for each in states if each.is_open or each.problem]
    if telling:
        return "; ".join(f"{each.window.kind} {state_words(each, now)}" for each in telling)
    return f"{len(states)} closed" if states else ""


def document(view: ProjectView, now: float) -> Document:
    """One project as JSON has it (docs/cli.md)."""
    project = view.project
    orphaned = project.orphaned
    return {
        "context": view.hub,
        "namespace": view.namespace,
        "name": project.name,
        "description": project.description,
        "sourceRepos": list(project.source_repos),
        "sourceNamespaces": list(project.source_namespaces),
        "destinations": [
            {"server": each.server, "name": each.name, "namespace": each.namespace} for each in project.destinations
        ],
        "permitOnlyProjectScopedClusters": project.only_scoped_clusters,
        "clusterResources": {"allow": _kinds(project.cluster_whitelist), "deny": _kinds(project.cluster_blacklist)},
        "namespaceResources": {
            "allow": None if project.namespace_whitelist is None else _kinds(project.namespace_whitelist),
            "deny": _kinds(project.namespace_blacklist),
        },
        "orphanedResources": None
        if orphaned is None
        else {"warn": orphaned.warn, "ignore": [dict(each) for each in orphaned.ignore]},
        "windows": [_window(each) for each in states_of(project.windows, now)],
        "roles": [
            {
                "name": role.name,
                "description": role.description,
                "policies": list(role.policies),
                "groups": list(role.groups),
                "tokens": role.tokens,
            }
            for role in project.roles
        ],
        "unserved": project.unserved,
    }


def _kinds(listed: Sequence[Listed]) -> list[Document]:
    return [{"group": each.group, "kind": each.kind, "name": each.name} for each in listed]


def _window(state: WindowState) -> Document:
    window = state.window
    return {
        "kind": window.kind,
        "schedule": window.schedule,
        "duration": window.duration,
        "timeZone": window.time_zone,
        "applications": list(window.applications),
        "namespaces": list(window.namespaces),
        "clusters": list(window.clusters),
        "manualSync": window.manual_sync,
        "andOperator": window.and_operator,
        "syncOverrun": window.overrun,
        "description": window.description,
        "open": state.is_open,
        "until": at_time(state.until),
        "problem": state.problem,
    }
