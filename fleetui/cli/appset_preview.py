"""`get appsets` and `appset diff`: ApplicationSets, and what they would do to their Applications.

Owns: the tables and the documents of both. Called by `fleetui.cli.commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleetui.cli import diffs, documents
from fleetui.cli.connect import with_fleet
from fleetui.cli.documents import Document
from fleetui.cli.files import files_in, objects_in
from fleetui.cli.options import Scope
from fleetui.cli.output import aligned, emit, emit_rows
from fleetui.cli.report import say
from fleetui.cli.waiting import loaded
from fleetui.engine.appset.preview import Fate, Preview
from fleetui.fleet.appsets import AppSetKey, AppSetView
from fleetui.fleet.projects import CONTROL_PLANE
from fleetui.model.errors import ExitCode, ManifestError, MissingError, UsageError
from fleetui.model.objects import ClusterName, Obj

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet

_MARKS = {Fate.CREATED: "+", Fate.DELETED: "-", Fate.CHANGED: "~", Fate.HELD: "!"}


def show_appsets(scope: Scope, output: str) -> int:
    """`get appsets`."""

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        found = await fleet.appsets()
        emit_rows(
            [row for row in found.rows if scope.namespace in {"", row.key.namespace}],
            output,
            document=document,
            name=lambda row: f"applicationset.argoproj.io/{row.key.name}",
            table=table,
            empty="No ApplicationSets found."
            if not found.problems
            else "No ApplicationSets on the clusters that answer.",
        )
        for problem in found.problems:
            say(f"fleetui: {problem}")
        return ExitCode.FAILED if found.problems else ExitCode.OK

    return with_fleet(scope, work)


def table(rows: Sequence[AppSetView]) -> str:
    """ApplicationSets as a table."""
    titles = ["CONTEXT", "NAMESPACE", "NAME", "GENERATORS", "APPLICATIONS", "STATUS", "MESSAGE"]
    cells = [
        [
            row.key.hub,
            row.key.namespace,
            row.key.name,
            ", ".join(row.generators),
            "" if row.applications is None else str(row.applications),
            row.state,
            row.said,
        ]
        for row in rows
    ]
    return aligned(titles, cells)


def document(row: AppSetView) -> Document:
    """One ApplicationSet as JSON has it (docs/cli.md)."""
    return {
        "context": row.key.hub,
        "namespace": row.key.namespace,
        "name": row.key.name,
        "generators": list(row.generators),
        "applications": row.applications,
        "status": row.state,
        "message": row.said,
        "applicationsSync": row.policy,
    }


def show_preview(scope: Scope, name: str, files: Sequence[Path], output: str) -> int:
    """`appset diff`: what the named set, or those of files, would do now.

    Returns:
        4 where anything would be created, changed or deleted, or is wrong, 1 where a set can't be generated.

    Raises:
        UsageError: neither or both are given, or it is not clear on which cluster a set of a file is meant to be.
        ManifestError: a file has something else than ApplicationSets.
    """
    if bool(name) == bool(files):
        raise UsageError(
            "it takes the name of an ApplicationSet, or files", "write appset diff NAME or appset diff -f FILE"
        )
    edited = _edited(files)

    async def work(fleet: LiveFleet) -> list[tuple[AppSetKey, Preview]]:
        await loaded(fleet)
        found = await fleet.appsets()
        for problem in found.problems:
            say(f"fleetui: {problem}")
        known = [row.key for row in found.rows]
        if name:
            keys = [key for key in known if key.name == name and scope.namespace in {"", key.namespace}]
            if not keys:
                raise MissingError(
                    f"there is no ApplicationSet {name}", "fleetui get appsets lists those that there are"
                )
            return [(key, await fleet.preview(key)) for key in keys]
        placed = [(_place(obj, known, found.hubs, scope.namespace), obj) for obj in edited]
        return [(key, await fleet.preview(key, obj)) for key, obj in placed]

    found = with_fleet(scope, work)
    if output in {"json", "yaml"}:
        emit([preview_document(key, preview) for key, preview in found], output)
    else:
        emit("\n\n".join(_told(key, preview) for key, preview in found))
        every = [each for _, preview in found for each in preview.applications]
        # A table names what is created and deleted; the other forms are for reading all of it.
        fates = {Fate.CHANGED} if output == "table" else {Fate.CHANGED, Fate.CREATED, Fate.DELETED}
        shown = [each.diff for each in every if each.diff is not None and each.fate in fates]
        if shown:
            emit("")
            diffs.show(shown, output, of_appset=True)
    if any(_failed(preview) for _, preview in found):
        return ExitCode.FAILED
    return ExitCode.DIFFERS if any(preview.differs for _, preview in found) else ExitCode.OK


def _failed(preview: Preview) -> bool:
    return bool(preview.problems) and not preview.applications


def _edited(files: Sequence[Path]) -> list[Obj]:
    found: list[Obj] = []
    for file in files_in(files):
        for value, line in objects_in(file):
            if not isinstance(value, dict) or value.get("kind") != "ApplicationSet":
                raise ManifestError("the document is no ApplicationSet", path=str(file), line=line)
            if not (value.get("metadata") or {}).get("name"):
                raise ManifestError("the ApplicationSet has no name", path=str(file), line=line)
            found.append(value)
    return found


def _place(obj: Obj, known: Sequence[AppSetKey], hubs: Sequence[ClusterName], namespace: str) -> AppSetKey:
    """Which set an edited one is: the one that is there, or a new one on the one cluster that is looked at."""
    metadata = obj["metadata"]
    name, wanted = metadata["name"], metadata.get("namespace") or namespace
    keys = [key for key in known if key.name == name and wanted in {"", None, key.namespace}]
    if len(keys) == 1:
        return keys[0]
    if not keys and len(hubs) == 1:
        return AppSetKey(hubs[0], wanted or CONTROL_PLANE, name)
    there = ", ".join(map(str, keys)) or "none"
    raise UsageError(
        f"it is not clear which ApplicationSet {name} is meant: there is {there}", "name one with --context and -n"
    )


# --- what would be done --------------------------------------------------------------------------------------------


def _told(key: AppSetKey, preview: Preview) -> str:
    counted = [f"{count} {fate.value}" for fate in Fate if (count := preview.count(fate))]
    lines = [f"{key}: {', '.join(counted) or 'no Applications'}", *(f"! {problem}" for problem in preview.problems)]
    for each in preview.applications:
        if each.fate is not Fate.SAME:
            why = f": {each.why}" if each.why else ""
            lines.append(f"{_MARKS.get(each.fate, '=')} {each.name} is {each.fate.value}{why}")
    return "\n".join(lines)


def preview_document(key: AppSetKey, preview: Preview) -> Document:
    """What one ApplicationSet would do, as JSON has it (docs/cli.md)."""
    return {
        "context": key.hub,
        "namespace": key.namespace,
        "name": key.name,
        "problems": list(preview.problems),
        "applications": [
            {
                "name": each.name,
                "fate": each.fate.value,
                "why": each.why,
                "diff": None if each.diff is None else documents.object_diff(each.diff),
            }
            for each in preview.applications
        ],
    }
