"""A directory source: the plain manifests of a folder.

Owns: `manifests`, `objects_of` and `Manifest`. The rules are Argo CD's (3.6, reposerver/repository/repository.go:
`findManifests`, `getPotentiallyValidManifestFile`, `getObjsFromYAMLOrJSON`, `GenerateManifests`). Called by
`fleetui.render.source` and by `fleetui.fleet.origins`. Pure, but for a memory of what was parsed before.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from fleetui.model.errors import ManifestError
from fleetui.model.globs import glob_matches
from fleetui.model.objects import Obj
from fleetui.render.cache import ByteCache
from fleetui.render.lines import items_with_lines
from fleetui.render.shape import check_shape
from fleetui.render.yaml import Document, decode, documents, single_json

MAX_COMBINED = 10_000_000
"""Bytes that the manifests of one source may have together (Argo CD: --max-combined-directory-manifests-size, 10M)."""

_SUFFIXES = (".yaml", ".yml", ".json", ".jsonnet")
_SKIP_MARKER = b"+argocd:skip-file-rendering"
_MARKERS = (b"apiVersion:", b"kind:", b"metadata:")
_ENOUGH = 2
"""So many of these words make a file that is no YAML a broken manifest."""

_parsed: ByteCache[tuple[tuple[bytes, int], ...]] = ByteCache(64 * 1024 * 1024)


class Manifest(msgspec.Struct, frozen=True):
    """One object as a file says it; `obj` is the caller's own, `line` (1-based) is where it begins in `file`."""

    obj: Obj
    file: str
    line: int


def manifests(
    files: Mapping[str, bytes],
    *,
    root: str = "",
    recurse: bool = False,
    include: str = "",
    exclude: str = "",
    any_name: bool = False,
) -> list[Manifest]:
    """The objects that the files of a folder hold, in the order of `filepath.Walk`.

    Args:
        files: content by path relative to the folder.
        root: the folder's own path; the files in manifests and errors are named from the repository's root.
        recurse: whether sub-folders count.
        include, exclude: patterns on the path relative to the folder; `exclude` wins.
        any_name: whether files count whose names don't end as those of manifests do.

    Raises:
        ManifestError: a file that looks like a manifest can't be read, or the files are too large together.
    """
    chosen: dict[str, bytes] = {}
    size = 0
    for path in sorted(files, key=lambda path: path.split("/")):
        if not (any_name or path.endswith(_SUFFIXES)) or not (recurse or "/" not in path):
            continue
        if (exclude and glob_matches(exclude, path)) or (include and not glob_matches(include, path)):
            continue
        content = files[path]
        if _SKIP_MARKER in content:
            continue
        chosen[path] = content
        size += len(content)
        if size > MAX_COMBINED:
            message = f"exceeded max combined manifest file size: more than {MAX_COMBINED // 1_000_000} MB together"
            raise ManifestError(message, path=root or ".", hint="point the application at a smaller folder")
    found: list[Manifest] = []
    for path, content in chosen.items():
        file = str(PurePosixPath(root, path))
        found.extend(Manifest(document.value, file, document.line) for document in objects_of(content, file))
    return found


def objects_of(content: bytes, file: str) -> list[Document]:
    """The objects of one file, each with the line that it begins at; a list's items in place of the list.

    Raises:
        ManifestError: `file`, which looks like a manifest, can't be read.
    """
    key = hashlib.blake2b(content, digest_size=16).digest() + PurePosixPath(file).suffix.encode()
    known = _parsed.get(key)
    if known is None:
        known = tuple((msgspec.json.encode(doc.value), doc.line) for doc in _parse(content, file))
        _parsed.put(key, known, size=sum(len(raw) for raw, _ in known) + 200)
    return [Document(msgspec.json.decode(raw), line) for raw, line in known]


def printed_objects(content: bytes, file: str) -> list[Document]:
    """The objects of what a tool printed, likewise; here every document that is not empty has to be one.

    Raises:
        ManifestError: `file`, which is named as their origin, became something else.
    """
    read = (_object(document, file) for document in documents(content, path=file))
    return [item for document in read for item in _expand(document, content, file)]


def _parse(content: bytes, file: str) -> Iterator[Document]:
    text = ""
    for document in _read(content, file):
        for each in _expand(document, content, file):
            text = text or decode(content, path=file)
            check_shape(each.value, text, line=each.line, path=file)
            yield each


def _read(content: bytes, file: str) -> list[Document]:
    if file.endswith(".jsonnet"):
        raise ManifestError("Jsonnet is not supported yet", path=file, hint="commit the YAML that it gives")
    if file.endswith(".json"):
        return [_object(single_json(content, path=file), file)]
    found: list[Document] = []
    words = sum(marker in content for marker in _MARKERS)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        words = len(_MARKERS)  # their bytes are others
    reading = documents(content, path=file)
    while True:
        # A file that begins with no object and lacks the words of a manifest is some other YAML: ignored. Argo CD wants
        # all three of them; a manifest of which one can't be read any more, and that was ignored, would be pruned.
        try:
            document = next(reading, None)
        except ManifestError:
            if found or words >= _ENOUGH:
                raise
            return found
        if document is None:
            return found
        try:
            found.append(_object(document, file))
        except ManifestError:
            if found or words == len(_MARKERS):
                raise
            return found


def _object(document: Document, file: str) -> Document:
    if not isinstance(document.value, dict):
        hint = "write apiVersion, kind and metadata, or keep it out of the application's folder"
        raise ManifestError("the document is not a Kubernetes object", path=file, line=document.line, hint=hint)
    kind = document.value.get("kind")
    if not isinstance(kind, str) or not kind:
        hint = "write one, such as kind: ConfigMap"
        raise ManifestError("the object has no kind", path=file, line=document.line, hint=hint)
    return document


def _expand(document: Document, content: bytes, file: str) -> Iterator[Document]:
    """A list's items in place of the list: any object with `items` is one (unstructured.IsList)."""
    obj: Obj = document.value
    items = obj.get("items")
    if isinstance(items, list):
        for item, line in items_with_lines(items, decode(content, path=file), document.line):
            yield _object(Document(item, line), file)
    elif "items" not in obj or items is not None or "spec" in obj or "status" in obj:
        yield document
