"""OpenAPI v2 as client-go reads it: in protobuf alone.

Owns: `encode`, from the JSON document to gnostic's messages. Called by `documents`. Field numbers: gnostic-models
v0.7 openapiv2/OpenAPIv2.proto (`Document`, `Schema`). Definitions are encoded; paths are not, since nobody reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for."""

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What they are told: Go takes no @ there (kube-openapi pkg/handler)."""

Obj = Mapping[str, Any]
_TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_COUNTS = {"maxLength": 11, "minLength": 12, "maxItems": 14, "minItems": 15, "maxProperties": 17, "minProperties": 18}
_FLAGS = {"exclusiveMaximum": 8, "exclusiveMinimum": 10, "uniqueItems": 16}


def encode(document: Obj) -> bytes:
    """The document with its definitions."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    schemas = b"".join(_message(1, _named(name, _schema(s))) for name, s in document["definitions"].items())
    return _text(1, document["swagger"]) + _message(2, info) + _message(8, b"") + _message(9, schemas)


def _schema(schema: Obj) -> bytes:
    parts = [_text(number, schema[key]) for key, number in _TEXTS.items() if key in schema]
    parts += [_number(number, int(schema[key])) for key, number in {**_COUNTS, **_FLAGS}.items() if schema.get(key)]
    parts += [_text(19, name) for name in schema.get("required") or ()]
    parts += [_message(20, _any(value)) for value in schema.get("enum") or ()]
    if "default" in schema:
        parts.append(_message(5, _any(schema["default"])))
    if isinstance(schema.get("additionalProperties"), Mapping):
        parts.append(_message(21, _message(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _schema(schema["items"]))))
    if "properties" in schema:
        children = schema["properties"].items()
        parts.append(_message(25, b"".join(_message(1, _named(name, _schema(child))) for name, child in children)))
    own = [(key, value) for key, value in schema.items() if key.startswith("x-")]
    parts += [_message(31, _named(key, _any(value))) for key, value in own]
    return b"".join(parts)


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _any(value: Any) -> bytes:
    """A value as YAML, of which JSON is a part."""
    return _text(2, msgspec.json.encode(value).decode() + "\n")


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
