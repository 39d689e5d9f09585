"""The sync windows of a project that an application falls under, in words.

Owns: `windows_of`. Called by `fleetui.fleet.asking`. Pure. Which windows match is Argo CD's rule (v3.6
pkg/apis/application/v1alpha1/types.go, `SyncWindows.Matches`). Whether one is open now is not said here: its schedule,
length and zone are told as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.model.app import App
from fleetui.model.globs import glob_matches
from fleetui.model.text import one_line


def windows_of(project: Mapping[str, Any], app: App) -> tuple[str, ...]:
    """A line for each sync window of `project` (a decoded AppProject) that `app` falls under."""
    windows = mappings(mapping(project.get("spec")).get("syncWindows"))
    return tuple(_words(window) for window in windows if _matches(window, app))


def _matches(window: Mapping[str, Any], app: App) -> bool:
    destination = app.destination
    said = {
        "applications": (app.key.name,),
        "clusters": (destination.name, destination.server),
        "namespaces": (destination.namespace,),
    }
    given = {field: strings(window.get(field)) for field in said if strings(window.get(field))}
    hits = [any(_fits(pattern, said[field]) for pattern in patterns) for field, patterns in given.items()]
    return bool(hits) and (all(hits) if window.get("andOperator") is True else any(hits))


def _fits(pattern: str, values: tuple[str, ...]) -> bool:
    return any(value and glob_matches(pattern, value) for value in values)


def _words(window: Mapping[str, Any]) -> str:
    zone = text(window.get("timeZone")) or "UTC"
    manual = ", a sync by hand is allowed" if window.get("manualSync") is True else ""
    why = f": {text(window.get('description'))}" if text(window.get("description")) else ""
    schedule, length = text(window.get("schedule")), text(window.get("duration"))
    return one_line(f"{text(window.get('kind'))} from {schedule} ({zone}) for {length}{manual}{why}")
