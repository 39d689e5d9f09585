"""Which versions Git has of an addon, beside those that the fleet runs.

Owns: `versions_in_git`, and the pure `beside`. Called by `fleetui.fleet.rollouts`. What a chart's repository or tags
have is not asked: a form must not wait for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from fleetui.fleet.cells import version_of
from fleetui.gitports import Repository
from fleetui.model.app import App
from fleetui.renderports import Tree
from fleetui.versions import Version, VersionError


async def versions_in_git(apps: Iterable[App], opened: Callable[[App], Repository]) -> frozenset[str]:
    """The versions whose folders stand beside those that applications are made from, at the revision that they follow.

    Args:
        apps: an addon's; those from charts, and whose path names no version, have none.
        opened: their repository.

    Raises:
        GitError: a repository does not answer.
    """
    places = {
        (app.source.repo_url, app.source.target_revision, before, after): app
        for app in apps
        if not app.source.chart and app.source.repo_url
        for before, after in _around(app.source.path, version_of(app))
    }
    found: set[str] = set()
    for (_, revision, before, after), app in places.items():
        repository = opened(app)
        tree = await repository.tree(await repository.resolve(revision or "HEAD"))
        found |= await asyncio.to_thread(_in_tree, tree, before, after)
    return frozenset(found)


def beside(files: Iterable[str], before: str, after: str) -> set[str]:
    """The versions for which there are files below ``before/VERSION/after``; `before` and `after` may be empty.

    Args:
        files: paths within a repository.
    """
    start, end = (f"{before}/" if before else ""), (f"{after}/" if after else "")
    below = (path.removeprefix(start).partition("/") for path in files if path.startswith(start))
    return {name for name, _, rest in below if rest.startswith(end) and rest and _is_version(name)}


def _in_tree(tree: Tree, before: str, after: str) -> set[str]:
    return beside(tree.files(""), before, after)  # reads, and so belongs into a thread


def _around(path: str, version: str) -> list[tuple[str, str]]:
    """What stands before and behind the last part of a path that is the version; nothing where none is."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if version not in parts:
        return []
    place = len(parts) - 1 - parts[::-1].index(version)
    return [("/".join(parts[:place]), "/".join(parts[place + 1 :]))]


def _is_version(name: str) -> bool:
    try:
        Version.loose(name)
    except VersionError:
        return False
    return True
