"""Which applications a push concerns.

Owns: `concerned_urls`, `names_repository` and `moves`. Pure. Called by the engine for its Applications (Argo CD v3.6:
util/webhook/webhook.go, `HandleEvent`; util/app/path/path.go).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from fleetui.engine.application import PREFIX, mapping, text
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.webhook import Push, revision_of
from fleetui.model.pathglobs import path_matches
from fleetui.versions import Constraint, VersionError

MANIFEST_GENERATE_PATHS = PREFIX + "manifest-generate-paths"
_USER = r"[\w\.][\w\.-]{0,30}[\w\.\$-]?"


def names_repository(push: Push, url: str) -> bool:
    """Whether a push was to the repository at `url`."""
    return any(_same_repository(pushed, url) for pushed in push.urls)


def moves(push: Push, url: str, revision: str) -> bool:
    """Whether a push may have moved what a revision of the repository at `url` is."""
    return names_repository(push, url) and _moved(revision, push)


def concerned_urls(push: Push, application: Mapping[str, Any]) -> tuple[str, ...]:
    """The `repoURL` of each source of an Application that a push concerns; none where it is nothing to it."""
    spec, metadata = mapping(application.get("spec")), mapping(application.get("metadata"))
    watched = text(mapping(metadata.get("annotations")).get(MANIFEST_GENERATE_PATHS))
    found = [
        url
        for source in SourceSet.of(spec).sources
        if moves(push, url := text(source.get("repoURL")), text(source.get("targetRevision")))
        and files_concern(refresh_paths(watched, text(source.get("path"))), push.changed)
    ]
    return tuple(dict.fromkeys(found))


def _moved(target: str, push: Push) -> bool:
    """Whether the revision that a source follows may be another now (`sourceRevisionHasChanged`)."""
    if revision_of(target) in ("", "HEAD"):
        return push.touched_head
    if not push.revisions:
        return push.touched_head
    if target.startswith(("refs/heads/", "refs/tags/")):
        target = revision_of(target)
    return any(_allows(target, revision) for revision in push.revisions)


def _allows(target: str, revision: str) -> bool:
    """Whether a revision is the wanted one, or within the wanted range of versions (`CompareRevisions`)."""
    if revision == target:
        return True
    try:
        return Constraint(target).check(revision)
    except VersionError:
        return False


def _same_repository(pushed: str, url: str) -> bool:
    pattern = _pattern(pushed)
    return url != "" and pattern is not None and pattern.fullmatch(url) is not None


@lru_cache(maxsize=256)
def _pattern(pushed: str) -> re.Pattern[str] | None:
    """What addresses of a repository look like, from the one that its host names (`GetWebURLRegex`)."""
    try:
        parts = urlsplit(pushed)
        host = parts.hostname or ""
    except ValueError:
        return None
    path = quote(parts.path.removeprefix("/"), safe="/%:@!$&'()*+,;=~-._")
    expression = rf"((https?|ssh)://)?({_USER}@)?((alt)?ssh\.)?{re.escape(host)}(:\d+)?[:/]{re.escape(path)}(\.git)?"
    return re.compile(expression, re.IGNORECASE | re.ASCII)


def refresh_paths(annotation: str, path: str) -> tuple[str, ...]:
    """The files and folders that an application is made of, from the repository's root (`GetSourceRefreshPaths`).

    `annotation`: those that its `manifest-generate-paths` names, relative to `path` or absolute; `path`: the source's.
    """
    items = [item.strip() for item in annotation.split(";") if item.strip()]
    return tuple(item[1:] if item.startswith("/") else posixpath.normpath(posixpath.join(path, item)) for item in items)


def files_concern(paths: Sequence[str], changed: Sequence[str]) -> bool:
    """Whether a changed file is one of, or below one of, some paths or patterns; also where there are no paths, or the
    files are not known (`AppFilesHaveChanged`)."""
    if not paths or not changed:
        return True
    items = [_absolute(path) for path in paths]
    return any(_is_below(item, file) or path_matches(item, file) for file in map(_absolute, changed) for item in items)


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _is_below(item: str, file: str) -> bool:
    """`security.EnforceToCurrentRoot`."""
    if file == item:
        return True
    root = posixpath.normpath(item).replace("//", "/")
    folder = posixpath.normpath(posixpath.dirname(file)).replace("//", "/")
    return root == "/" or f"{folder}/".startswith(f"{root}/")
