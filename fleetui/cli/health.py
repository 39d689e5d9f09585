"""`health`: objects in files, judged as the engine judges them.

Owns: `show_health`. One JSON line a document, and no cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from fleetui.cli.files import files_in, objects_in
from fleetui.health import Customizations, assess, kstatus, load_customizations
from fleetui.model.errors import ExitCode, ManifestError, UsageError
from fleetui.model.objects import ref_of

_NAMELESS = {"group": "", "kind": "", "namespace": "", "name": ""}


def show_health(files: Sequence[Path], *, customizations: Path | None, flux: bool) -> int:
    """Prints a line for each object of the files, ``-`` being stdin; the items of a List count one by one, a folder
    stands for the manifests in it. What can't be read has a line, too, with no more than what is wrong.

    Args:
        customizations: a folder with Lua scripts, laid out like Argo CD's ``resource_customizations``.
        flux: by kstatus, as Flux's controllers see it, instead of by Argo CD's rules.

    Raises:
        UsageError: a file or a folder can't be read, or kstatus is to go by scripts.
        ManifestError: a file is no manifest, told when all the others have been printed.
    """
    if flux and customizations is not None:
        raise UsageError("kstatus knows no scripts", "name --customizations or --flux")
    own = load_customizations(customizations) if customizations else None
    flaw: ManifestError | None = None
    for file in files_in(files):
        try:
            for obj, line in objects_in(file):
                _print(file, line, _judged(obj, own, flux=flux))
        except ManifestError as error:
            _print(file, error.line, _NAMELESS | {"health": {"status": "Unknown", "message": error.message}})
            flaw = flaw or error
    if flaw is not None:
        raise flaw
    return ExitCode.OK


def _print(file: Path, line: int | None, told: dict[str, Any]) -> None:
    click.echo(msgspec.json.encode({"file": str(file), "line": line} | told).decode())


def _judged(obj: Any, customizations: Customizations | None, *, flux: bool) -> dict[str, Any]:
    found = kstatus(obj, waits_for_jobs=True) if flux else assess(obj, customizations)
    health = None if found is None else {"status": found.status, "message": found.message}
    if not isinstance(obj, dict):
        return _NAMELESS | {"health": health}
    ref = ref_of(obj)
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "health": health}
