"""`health`: objects in files, judged as the engine judges them.

Owns: `show_health`. One JSON line a document, and no cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from fleetui.health import Customizations, assess, kstatus, load_customizations
from fleetui.model.errors import ExitCode, UsageError
from fleetui.model.objects import ref_of
from fleetui.render.yaml import documents


def show_health(files: Sequence[Path], *, customizations: Path | None, flux: bool) -> int:
    """Prints a line for each object of the files, ``-`` being stdin; the items of a List count one by one.

    Args:
        customizations: a folder with Lua scripts, laid out like Argo CD's ``resource_customizations``.
        flux: by kstatus, as Flux's controllers see it, instead of by Argo CD's rules.

    Raises:
        UsageError: a file or the folder can't be read.
        ManifestError: a file is no manifest; what stands before the flaw has been printed.
    """
    own = load_customizations(customizations) if customizations else None
    for file in files:
        for line, obj in _objects(file):
            told = {"file": str(file), "line": line} | _judged(obj, own, flux=flux)
            click.echo(msgspec.json.encode(told).decode())
    return ExitCode.OK


def _objects(file: Path) -> Iterator[tuple[int, Any]]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    for document in documents(content, path=str(file)):
        value = document.value
        items = value.get("items") if isinstance(value, dict) else None
        if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
            yield from ((document.line, item) for item in items)
        else:
            yield document.line, value


def _judged(obj: Any, customizations: Customizations | None, *, flux: bool) -> dict[str, Any]:
    found = kstatus(obj, waits_for_jobs=True) if flux else assess(obj, customizations)
    health = None if found is None else {"status": found.status, "message": found.message}
    if not isinstance(obj, dict):
        return {"group": "", "kind": "", "namespace": "", "name": "", "health": health}
    ref = ref_of(obj)
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "health": health}
