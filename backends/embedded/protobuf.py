"""Request bodies in protobuf, which kubectl's typed commands send: ``create namespace``, ``auth can-i``.

Owns: `decode`. Pure. Called by `bodies`. Answers are JSON always, which such clients accept. The envelope is
``runtime.Unknown`` (apimachinery v0.37 pkg/runtime/serializer/protobuf/protobuf.go); the fields' numbers come from
``data/protobuf.json``, their types from the schemas.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from backends.embedded.schemas import GO, Type, named_type, schema_name

MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ZEROS = ("", 0, False, None)
Raw = int | bytes
Fields = dict[str, list[Raw]]


def decode(body: bytes) -> dict[str, Any]:
    """The object in `body`, as the same object would come in JSON.

    Fields that Go holds by value and that are zero are left out: JSON would not have them, and protobuf always does.

    Raises:
        ValueError: `body` is no such message, or of a kind that is not known.
    """
    if not body.startswith(MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = _fields(body[len(MAGIC) :])
    meta = _fields(_bytes(envelope.get("1", [b""])[-1]))
    api_version, kind = _text(meta.get("1", [b""])[-1]), _text(meta.get("2", [b""])[-1])
    name = schema_name(api_version, kind) or (_DELETE_OPTIONS if kind == "DeleteOptions" else None)
    if name is None:
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}"')
    raw = _bytes(envelope.get("2", [b""])[-1])
    return {"apiVersion": api_version, "kind": kind} | _message(named_type(name), raw, _numbers()[name])


_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


@cache
def _numbers() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = msgspec.json.decode(
        Path(__file__).with_name("data").joinpath("protobuf.json").read_bytes()
    )
    return found


def _message(type_: Type, raw: bytes, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """A struct; under the number of an embedded one stand the numbers of its fields."""
    found: dict[str, Any] = {}
    for number, values in _fields(raw).items():
        name = numbers.get(number)
        if isinstance(name, dict):
            found |= _message(type_, b"".join(_bytes(value) for value in values), name)
            continue
        field = type_.field(name) if name else None
        if name is None or field is None:
            continue
        value = _value(field, values)
        if value is not None and (value not in _ZEROS or type_.names[name].get(GO) not in ("o", "a")):
            found[name] = value
    return found


def _value(type_: Type, values: list[Raw]) -> Any:
    """A field's value from all that was sent under its number: repeated fields come one by one."""
    if type_.kind == "list":
        return [_single(type_.element, value) for value in values]
    if type_.kind == "map" and not type_.names:
        return dict(_entry(type_, _fields(_bytes(value))) for value in values)
    return _single(type_, values[-1])


def _entry(type_: Type, fields: Fields) -> tuple[str, Any]:
    element = type_.element
    key, value = _text(fields.get("1", [b""])[-1]), fields.get("2", [b""])[-1]
    if element is not None and element.kind == "list":  # protobuf has no maps of lists: a message of one list holds it
        return key, _value(element, _fields(_bytes(value)).get("1", []))
    return key, _single(element, value)


def _single(type_: Type | None, value: Raw) -> Any:
    if type_ is None or type_.kind == "any":  # RawExtension and FieldsV1 hold JSON
        raw = _fields(_bytes(value)).get("1")
        return msgspec.json.decode(_bytes(raw[-1])) if raw else None
    if type_.kind == "scalar":
        return _scalar(type_, value)
    numbers = _numbers().get(type_.name)
    if numbers is None:
        raise ValueError(f"{type_.name or 'a field'} can't be read from protobuf here: send JSON")
    return _message(type_, _bytes(value), numbers)


def _scalar(type_: Type, value: Raw) -> Any:
    special = _SPECIAL.get(type_.name)
    if special is not None:
        return special(_fields(_bytes(value)))
    if isinstance(value, int):
        return bool(value) if type_.scalar == "boolean" else value
    return base64.b64encode(value).decode() if type_.schema.get("format") == "byte" else value.decode()


def _time(fields: Fields, timespec: str) -> str | None:
    """Nothing in it is Go's zero time, which JSON has as null."""
    if not fields:
        return None
    seconds, nanos = fields.get("1", [0])[-1], fields.get("2", [0])[-1]
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise ValueError("a time is no number")
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000, tzinfo=None)
    return moment.isoformat(timespec=timespec) + "Z"


def _int_or_string(fields: Fields) -> Any:
    return _text(fields.get("3", [b""])[-1]) if fields.get("1", [0])[-1] else fields.get("2", [0])[-1]


_SPECIAL: Mapping[str, Callable[[Fields], Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda fields: _text(fields.get("1", [b""])[-1]) or None,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": lambda fields: _time(fields, "seconds"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": lambda fields: _time(fields, "microseconds"),
}


def _fields(raw: bytes) -> Fields:
    """What a message holds, by field number: numbers signed, everything else as bytes."""
    found: Fields = {}
    for number, value in _read(raw):
        found.setdefault(str(number), []).append(value)
    return found


def _read(raw: bytes) -> Iterator[tuple[int, Raw]]:
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        wire = tag & 7
        if wire == _VARINT:
            number, at = _varint(raw, at)
            yield tag >> 3, number - (1 << 64) if number >> 63 else number
            continue
        if wire == _BYTES:
            size, at = _varint(raw, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"proto: illegal wireType {wire}")
        if at + size > len(raw):
            raise ValueError("unexpected EOF")
        yield tag >> 3, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        if at >= len(raw):
            raise ValueError("unexpected EOF")
        if shift >= 64:
            raise ValueError("proto: integer overflow")
        byte = raw[at]
        found |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return found & (1 << 64) - 1, at


def _bytes(value: Raw) -> bytes:
    if isinstance(value, int):
        raise ValueError("proto: wrong wireType for a message")
    return value


def _text(value: Raw) -> str:
    return _bytes(value).decode()
