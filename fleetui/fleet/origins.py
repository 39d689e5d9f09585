"""Who wrote in Git what differs.

Owns: `with_commits`. Called by the differ, and only when somebody looks at a diff: a file's history may be
long. Which line a field comes from is told by `fleetui.diff.origin` and `fleetui.render.lines`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec

from fleetui.diff.origin import written_at
from fleetui.engine.application import text
from fleetui.engine.sourceset import is_ref_only
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import AppDiff
from fleetui.gitports import Repositories, Repository
from fleetui.model.change import Commit, ObjectDiff
from fleetui.model.errors import FleetError, ManifestError, PathNotFoundError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.render.detect import Tool, detect
from fleetui.render.directory import objects_of
from fleetui.render.lines import lines_of
from fleetui.render.source import folder_of
from fleetui.render.yaml import decode
from fleetui.renderports import Files, Tree


async def with_commits(subject: Subject, repositories: Repositories, diff: AppDiff) -> AppDiff:
    """The diff with the commit of each change that the desired side makes: the latest one that wrote a line of it.

    Changes whose line can't be told for sure stay without; why Git could not be asked is one more note.
    """
    asked = [each for each in diff.objects if each.file and each.line is not None and each.desired is not None]
    if not asked:
        return diff
    known: dict[ObjectRef, ObjectDiff] = {}
    notes = diff.notes
    try:
        folders = await _plain_folders(subject, repositories, diff.revision)
        for file, objects in groupby(sorted(asked, key=lambda each: each.file), key=lambda each: each.file):
            # The same name in two sources may be either's.
            places = [place for place in folders if file in place.names]
            if len(places) == 1:
                known |= {each.ref: each for each in await _of_file(places[0], file, list(objects))}
    except FleetError as error:
        notes = (*notes, f"who wrote it in Git is not known: {error}")
    return msgspec.structs.replace(diff, objects=tuple(known.get(each.ref, each) for each in diff.objects), notes=notes)


class _Folder(NamedTuple):
    """The folder of a source whose files are the manifests themselves; `names` by path from the root."""

    repository: Repository
    sha: str
    files: Files
    names: Mapping[str, str]


async def _plain_folders(subject: Subject, repositories: Repositories, revision: str) -> list[_Folder]:
    """Where lines can be told: what a tool made of files is on no line of any."""
    wanted = subject.sources()
    revisions = subject.revisions(wanted) if wanted.multiple else (revision,)
    found = []
    for source, sha in zip(wanted.sources, revisions, strict=False):
        if source.get("chart") or is_ref_only(source):
            continue
        app = subject.app
        repository = repositories.open(text(source.get("repoURL")), hub=app.key.hub, project=app.project)
        tree = await repository.tree(sha)
        files, names = await asyncio.to_thread(_names, tree, source)
        if names:
            found.append(_Folder(repository, sha, files, names))
    return found


def _names(tree: Tree, source: Mapping[str, Any]) -> tuple[Files, dict[str, str]]:
    folder = folder_of(source)
    files = tree.files(folder)
    if detect(source, files) is not Tool.DIRECTORY:
        return files, {}
    return files, {str(PurePosixPath(folder, name)): name for name in files}


async def _of_file(place: _Folder, file: str, objects: Sequence[ObjectDiff]) -> list[ObjectDiff]:
    try:
        written = await asyncio.to_thread(lambda: _lines(file, place.files[place.names[file]], objects))
        if not any(lines for found in written for lines in found):
            return []
        commits = await place.repository.blame(place.sha, file)
    except (ManifestError, PathNotFoundError):  # a name or a content that only we understand
        return []
    return [_with_commits(each, lines, commits) for each, lines in zip(objects, written, strict=True)]


def _lines(file: str, content: bytes, objects: Sequence[ObjectDiff]) -> list[list[tuple[int, ...]]]:
    """The lines that write each change of each object; none where there are none or they can't be told."""
    manifests: dict[int | None, Obj] = {document.line: document.value for document in objects_of(content, file)}
    # In UTF-16 git counts other lines.
    plain = decode(content) if b"\0" not in content else ""
    return [_lines_of(each, manifests.get(each.line), plain) for each in objects]


def _lines_of(diff: ObjectDiff, manifest: Obj | None, plain: str) -> list[tuple[int, ...]]:
    ref = ref_of(manifest) if manifest is not None else None
    if manifest is None or diff.line is None or ref is None or (ref.kind, ref.name) != (diff.ref.kind, diff.ref.name):
        return [()] * len(diff.changes)
    paths = [written_at(change, diff, manifest) for change in diff.changes]
    return [() if path is None else lines_of(plain, diff.line, path) for path in paths]


def _with_commits(diff: ObjectDiff, lines: Sequence[tuple[int, ...]], commits: Sequence[Commit]) -> ObjectDiff:
    changes = tuple(
        msgspec.structs.replace(change, commit=_latest(found, commits))
        for change, found in zip(diff.changes, lines, strict=True)
    )
    return msgspec.structs.replace(diff, changes=changes)


def _latest(lines: Sequence[int], commits: Sequence[Commit]) -> Commit | None:
    if not lines or max(lines) > len(commits):
        return None
    return max((commits[line - 1] for line in lines), key=lambda commit: commit.time)
