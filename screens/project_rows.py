"""A project as a row of the projects table, and what is said of it below.

Owns: the columns, what each cell says, the order. Pure: project and time in, cells out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fleetui.fleet.projects import ProjectView
from fleetui.fleet.windows import WindowState, moment, states_of, words_of
from screens.cells import Cell
from screens.widgets.columns import Column
from screens.widgets.table import Row

COLUMNS = (
    Column("project", "PROJECT", least=12, most=40, flash=False, name=True),
    Column("hub", "CLUSTER", least=8, most=30, flash=False),
    Column("windows", "WINDOWS", least=14, most=44),
    Column("sources", "SOURCES", least=8, most=50, priority=1, flash=False),
    Column("roles", "ROLES", least=5, most=30, priority=2, flash=False),
    Column("orphans", "ORPHANS", least=7, most=8, priority=3, flash=False),
    Column("destinations", "DESTINATIONS", least=20, most=60, priority=4, wide=True, flash=False),
    Column("from", "APPS FROM", least=10, most=30, priority=5, wide=True, flash=False),
)


def row(view: ProjectView, now: float) -> Row:
    """The row of a project, a cell for each of `COLUMNS`."""
    project = view.project
    words, role = windows_cell(states_of(project.windows, now), now)
    orphans = "" if project.orphaned is None else "warned" if project.orphaned.warn else "shown"
    return Row(
        (
            Cell(project.name, "error" if project.unserved else ""),
            Cell(view.hub, "muted"),
            Cell(words, role),
            Cell(", ".join(project.source_repos), "muted"),
            Cell(", ".join(each.name for each in project.roles), "muted"),
            Cell(orphans, "muted"),
            Cell(", ".join(destinations(view)), "muted"),
            Cell(", ".join((view.namespace, *project.source_namespaces)), "muted"),
        )
    )


def destinations(view: ProjectView) -> list[str]:
    """``server/namespace`` of each destination."""
    return [f"{each.server or each.name}/{each.namespace}" for each in view.project.destinations]


def windows_cell(states: Sequence[WindowState], now: float) -> tuple[str, str]:
    """What matters of the windows now: one that can't be read, one that is open, or when the next one opens."""
    for state in states:
        if state.problem:
            return "can't be read", "error"
    for kind in ("deny", "allow"):
        found = [state for state in states if state.is_open and state.window.kind == kind]
        if found:
            until = found[0].until
            # How long that is stands below the table; the cell has to hold the time.
            when = moment(until, found[0].window.time_zone, now).partition(" (")[0] if until is not None else ""
            lasts = f" until {when}" if when else ""
            return f"{kind}{lasts}", "warning" if kind == "deny" else "success"
    return (f"{len(states)} closed" if states else ""), "muted"


def needs_human(view: ProjectView, now: float) -> bool:
    """Whether `n` stops here: a window can't be read, or the engine can't do what the project demands."""
    return bool(view.project.unserved) or any(state.problem for state in states_of(view.project.windows, now))


def widths(views: Iterable[ProjectView], now: float) -> Mapping[str, int]:
    """How wide the widest content of each column is."""
    wanted = {column.id: 0 for column in COLUMNS}
    for view in views:
        for column, cell in zip(COLUMNS, row(view, now).cells, strict=True):
            wanted[column.id] = max(wanted[column.id], cell.width)
    return wanted


def about(view: ProjectView, now: float) -> list[str]:
    """What there is to say of a project, in lines: its description, what it demands in vain, windows and roles."""
    project = view.project
    lines = [project.description, project.unserved]
    lines += [f"window: {words_of(state, now)}" for state in states_of(project.windows, now)]
    for role in project.roles:
        groups = f" (groups {', '.join(role.groups)})" if role.groups else ""
        policies = f"{len(role.policies)} {'policy' if len(role.policies) == 1 else 'policies'}"
        what = f": {role.description}" if role.description else ""
        lines.append(f"role {role.name}{groups}, {policies}{what}")
    return [line for line in lines if line]
