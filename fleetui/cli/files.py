"""Objects in files named on the command line.

Owns: `files_in`, `content_of` and `objects_in`. Called by `health`, `diff -f`, `render -f` and `appset generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fleetui.model.errors import UsageError
from fleetui.render.lines import items_with_lines
from fleetui.render.yaml import Document, decode, documents

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant, ``-`` being stdin: a folder stands for the manifests in it and below, by name, but for
    hidden ones.

    Raises:
        UsageError: a folder has none, or stdin is named twice.
    """
    found: list[Path] = []
    for path in paths:
        if str(path) == "-" and path in found:
            raise UsageError("stdin can be read once", "write one of them to a file")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(each for each in path.rglob("*") if _is_manifest(each.relative_to(path)) and each.is_file())
        if not inside:
            raise UsageError(f"the folder {path} has no .yaml, .yml or .json file")
        found += inside
    return found


def _is_manifest(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not any(step.startswith(".") for step in path.parts)


def content_of(file: Path) -> bytes:
    """What is in a file, ``-`` being stdin.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error


def objects_in(file: Path) -> Iterator[Document]:
    """`objects_of` a file, ``-`` being stdin.

    Raises:
        UsageError: the file can't be read.
        ManifestError: while iterating, after the documents before the flaw.
    """
    return objects_of(content_of(file), path=str(file))


def objects_of(content: bytes, *, path: str) -> Iterator[Document]:
    """The documents of YAML or JSON, with the line that each begins at; the items of a List stand in its place. A
    document need not be an object. `path` is named in errors.

    Raises:
        ManifestError: while iterating, after the documents before the flaw.
    """
    for document in documents(content, path=path):
        value = document.value
        items = value.get("items") if isinstance(value, dict) else None
        if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
            for item, line in items_with_lines(items, decode(content, path=path), document.line):
                yield Document(_of_list(item, value), line)
        else:
            yield document


def _of_list(item: Any, parent: dict[str, Any]) -> Any:
    """An item of what an API server lists says neither apiVersion nor kind (apimachinery v0.37,
    pkg/apis/meta/v1/unstructured/helpers.go, `decodeToList`)."""
    kind = str(parent["kind"]).removesuffix("List")
    if not isinstance(item, dict) or not kind or item.get("kind"):
        return item
    return item | {"apiVersion": item.get("apiVersion") or parent.get("apiVersion"), "kind": kind}
