"""Whether the sync windows of its project let an application be synced now.

Owns: `Gate` and `gate_of` (Argo CD v3.6.1 controller/sync.go, `syncWindowPreventsSync`; controller/appcontroller.go,
which asks before automated syncs). Pure. Called by the engine; the windows themselves are in `fleetui.engine.windows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import Application, mapping, text
from fleetui.engine.projects import Project
from fleetui.engine.windows import Operation, Window, blocking, matching, until
from fleetui.model.times import parse_time

AUTOMATED = Operation()


@dataclass(frozen=True)
class Gate:
    """What keeps an application from being synced: the windows that do, and for how long (s; None while no end is in
    sight), or the `problem` with one that can't be read."""

    windows: tuple[Window, ...] = ()
    wait: float | None = None
    problem: str = ""


def gate_of(app: Application, project: Project, now: float, operation: Operation) -> Gate | None:
    """What keeps the application from being synced at `now` (epoch s); None where nothing does."""
    windows = matching(project.windows, app.name, app.destination)
    try:
        found = blocking(windows, now, operation)
        if not found:
            return None
        opens = until(windows, now, operation)
    except ValueError as error:
        return Gate(problem=str(error))
    return Gate(found, None if opens is None else opens - now)


def operation_of(state: Mapping[str, Any]) -> Operation:
    """The operation of a `status.operationState`, as windows look at it."""
    by = mapping(mapping(state.get("operation")).get("initiatedBy"))
    return Operation(manual=by.get("automated") is not True, started=parse_time(text(state.get("startedAt"))))
