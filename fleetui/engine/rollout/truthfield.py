"""A version in one field of a file: a file that a git generator reads, Helm values, a manifest.

Owns: `field_of` (how a `Truth` names the field), `field_version`, `with_fields`. Called by `fleetui.engine.rollout.
truth`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fleetui.engine.rollout.truthtext import (
    Document,
    Path,
    checked,
    rewritten,
    said,
    spliced,
    value_at,
    with_value,
)
from fleetui.model.errors import ManifestError

_PART = re.compile(r"((?:\\.|[^.\\])+)(?:\.|$)")
_SEGMENT = re.compile(r"(.*[^\\])#(-?[0-9]+)$")


class Field(NamedTuple):
    """A field by its path. A part may be the index of an item, or ``key=value`` for the item of a list that has this;
    a dot, or an equals sign, within a part is written with a backslash before it.

    `segment`: the version is only that part of the text, where it is cut at ``/`` and the ``?ref=`` of an address.
    """

    parts: tuple[str, ...]
    segment: int | None = None


def field_of(text: str) -> Field:
    r"""Reads ``spec.source.targetRevision``, ``spec.source.helm.parameters.name=version.value``, ``spec.source.path#2``
    or ``addons.cert-manager\.io.version``.

    Raises:
        ManifestError: it is no path.
    """
    cut = _SEGMENT.match(text)
    path = cut[1] if cut else text
    parts = tuple(match[1] for match in _PART.finditer(path))
    if not parts or sum(len(part) + 1 for part in parts) - 1 != len(path):
        raise ManifestError(f"{text!r} is no field", hint="write it with dots, as in spec.source.targetRevision")
    return Field(parts, int(cut[2]) if cut else None)


def field_version(document: Document, field: Field) -> str | None:
    """The version that a document has in a field; None where there is none."""
    path = _path(document.value, field)
    whole = None if path is None else said(value_at(document.value, path))
    if whole is None or field.segment is None:
        return whole
    return _segments(whole).get(field.segment)


def with_fields(document: Document, wanted: Mapping[Field, str]) -> str:
    """The file's text with other versions in these fields of a document.

    Raises:
        ManifestError: a field is not there, or can't be edited in its place.
    """
    value, splices = document.value, []
    texts: dict[Path, str] = {}
    for field, version in wanted.items():
        path = _path(document.value, field)
        if path is None:
            shown = ".".join(field.parts)
            raise document.refusal(f"there is no {shown} in it", hint="write it there once, then it can be moved")
        texts[path] = _with_segment(document, texts.get(path) or said(value_at(document.value, path)), field, version)
    for path, text in texts.items():
        if said(value_at(document.value, path)) != text:
            splices.append(rewritten(document, path, text))
            value = with_value(value, path, text)
    return checked(document, value, spliced(document.text, splices)) if splices else document.text


def _with_segment(document: Document, whole: str | None, field: Field, version: str) -> str:
    if field.segment is None:
        return version
    pieces = re.split(r"(/|\?ref=)", whole or "")
    number = field.segment * 2 if field.segment >= 0 else len(pieces) + 1 + field.segment * 2
    if not 0 <= number < len(pieces):
        raise document.refusal(f"{'.'.join(field.parts)} has no part {field.segment}: {whole}")
    if not version or "/" in version:
        raise document.refusal(f"{version!r} can't be a part of the path {whole}")
    return "".join([*pieces[:number], version, *pieces[number + 1 :]])


def _segments(whole: str) -> dict[int, str]:
    pieces = re.split(r"/|\?ref=", whole)
    return dict(enumerate(pieces)) | {number - len(pieces): piece for number, piece in enumerate(pieces)}


def _path(value: Any, field: Field) -> Path | None:
    """The path of a field within a document; None where there is nothing."""
    path: list[str | int] = []
    for part in field.parts:
        step = _step(value, part)
        if step is None:
            return None
        path.append(step)
        value = value_at(value, (step,))
    return tuple(path)


def _step(value: Any, part: str) -> str | int | None:
    plain = re.sub(r"\\(.)", r"\1", part)
    if isinstance(value, dict):
        return plain if plain in value else None
    if not isinstance(value, list):
        return None
    if plain.isdecimal():
        return int(plain) if int(plain) < len(value) else None
    key, equals, wanted = (re.sub(r"\\(.)", r"\1", each) for each in _halves(part))
    found = [number for number, item in enumerate(value) if isinstance(item, dict) and said(item.get(key)) == wanted]
    return found[0] if equals and len(found) == 1 else None


def _halves(part: str) -> tuple[str, str, str]:
    cut = re.search(r"(?<!\\)=", part)
    return (part[: cut.start()], "=", part[cut.end() :]) if cut else (part, "", "")
