"""Who wrote in Git what differs.

Owns: `with_commits`. Called by the differ, and only when somebody looks at a diff: a file's history may be
long. Which line a field comes from is told by `fleetui.diff.origin` and `fleetui.render.lines`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePosixPath

import msgspec

from fleetui.diff.origin import written_at
from fleetui.engine.application import text
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import AppDiff
from fleetui.model.change import Commit, ObjectDiff
from fleetui.model.errors import FleetError, ManifestError, PathNotFoundError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.ports import Repositories, Repository
from fleetui.render.directory import objects_of
from fleetui.render.lines import lines_of
from fleetui.render.yaml import decode


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
        source = subject.source()
        app = subject.app
        repository = repositories.open(text(source.get("repoURL")), hub=app.key.hub, project=app.project)
        path = text(source.get("path")).strip("/")
        folder = "" if path == "." else path
        files = await repository.files(diff.revision, folder)
        names = {str(PurePosixPath(folder, name)): name for name in files}
        for file, objects in groupby(sorted(asked, key=lambda each: each.file), key=lambda each: each.file):
            if file in names:
                found = await _of_file(repository, diff.revision, file, files[names[file]], list(objects))
                known |= {each.ref: each for each in found}
    except FleetError as error:
        notes = (*notes, f"who wrote it in Git is not known: {error}")
    return msgspec.structs.replace(diff, objects=tuple(known.get(each.ref, each) for each in diff.objects), notes=notes)


async def _of_file(
    repository: Repository, sha: str, file: str, content: bytes, objects: Sequence[ObjectDiff]
) -> list[ObjectDiff]:
    try:
        written = await asyncio.to_thread(_lines, file, content, objects)
        if not any(lines for found in written for lines in found):
            return []
        commits = await repository.blame(sha, file)
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
