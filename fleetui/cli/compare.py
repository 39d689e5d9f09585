"""`diff -f`: files compared with files, as the engine compares Git with a cluster.

Owns: `show_files_diff`. No cluster is asked: what an apply would leave is told from the managers of the live objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from fleetui.cli import diffs, documents
from fleetui.cli.files import files_in, objects_in
from fleetui.cli.output import emit
from fleetui.cli.report import say
from fleetui.diff import object_diff
from fleetui.fleet.differ import harmless_diff
from fleetui.model.change import ObjectDiff
from fleetui.model.errors import ExitCode, FleetError, ManifestError, UsageError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.text import one_line


class _Written(NamedTuple):
    obj: Obj
    file: str
    line: int


def show_files_diff(desired: Sequence[Path], live: Sequence[Path], output: str) -> int:
    """Compares the objects of files with live ones of others, as ``kubectl get -o yaml`` prints them.

    An object that says no namespace is the live one of its kind and name, where there is but one.

    Returns:
        4 where something differs: a field, or an object that only one side has.

    Raises:
        UsageError: a file or folder can't be read, or stdin is named twice.
        ManifestError: a file is no manifest, or says one object twice.
    """
    if Path("-") in desired and Path("-") in live:
        raise UsageError("stdin can be read once", "write one of the sides to a file")
    running = _read(live)
    wanted = _placed(_read(desired), running)
    found: list[ObjectDiff] = []
    notes: list[str] = []
    for ref in sorted(wanted.keys() | running.keys()):
        one, problems = _compared(wanted.get(ref), running.get(ref))
        found.append(one)
        notes.extend(problems)
    differing = [one for one in found if one.differs]
    if output in {"json", "yaml"}:
        emit({"notes": notes, "objects": [documents.object_diff(one) for one in differing]}, output)
    else:
        diffs.show(differing, output, of_files=True)
    for note in notes:
        say(f"fleetui: {note}")
    return ExitCode.DIFFERS if differing else ExitCode.OK


def _compared(wanted: _Written | None, running: _Written | None) -> tuple[ObjectDiff, tuple[str, ...]]:
    at = wanted or running
    file, line = (at.file, at.line) if at else ("", None)
    live = running.obj if running else None
    notes: tuple[str, ...] = ()
    if wanted and live and wanted.obj.get("apiVersion") != live.get("apiVersion"):
        live, notes = _as_version(live, wanted.obj)
    try:
        diff, problems = object_diff(wanted.obj if wanted else None, live, file=file, line=line)
    except FleetError as error:
        raise ManifestError(str(error), path=file, line=line) from error
    return harmless_diff(diff), (*notes, *problems)


def _as_version(live: Obj, wanted: Obj) -> tuple[Obj, tuple[str, ...]]:
    """A live object in the version of the desired one, and that only a server could convert its fields."""
    ours, theirs = wanted.get("apiVersion"), live.get("apiVersion")
    note = (
        f"{ref_of(live)}: desired is {ours}, live is {theirs}; fields are compared as they are written, not converted"
    )
    return {**live, "apiVersion": ours}, (one_line(note),)


def _read(files: Iterable[Path]) -> dict[ObjectRef, _Written]:
    found: dict[ObjectRef, _Written] = {}
    for file in files_in(files):
        for value, line in objects_in(file):
            written = _Written(value, str(file), line)
            if not isinstance(value, dict) or not value.get("kind"):
                raise ManifestError("the document is not a Kubernetes object", path=str(file), line=line)
            ref = ref_of(value)
            if not ref.name:
                raise ManifestError("the object has no name", path=str(file), line=line)
            if ref in found:
                first = found[ref]
                raise ManifestError(f"{ref} is also at {first.file}:{first.line}", path=str(file), line=line)
            found[ref] = written
    return found


def _placed(wanted: dict[ObjectRef, _Written], running: Iterable[ObjectRef]) -> dict[ObjectRef, _Written]:
    """What says no namespace, in the namespace of the one live object that it can be."""
    free: dict[ObjectRef, list[ObjectRef]] = {}
    for ref in running:
        if ref not in wanted:
            free.setdefault(msgspec.structs.replace(ref, namespace=""), []).append(ref)
    places = {ref: free[ref][0] for ref in wanted if len(free.get(ref, ())) == 1}
    return {places.get(ref, ref): written for ref, written in wanted.items()}
