"""OpenAPI v2 in protobuf: what client-go would read."""

from __future__ import annotations

from collections.abc import Iterator

from backends.embedded import openapi, openapiv2
from backends.embedded.registry import Registry


def fields(body: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message: numbers and lengths of bytes alone, which is all that is written."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(body):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = varint()
            yield key >> 3, body[at : at + size]
            at += size


def first(body: bytes, number: int) -> bytes:
    return next(value for found, value in fields(body) if found == number and isinstance(value, bytes))


def every(body: bytes, number: int) -> list[bytes]:
    return [value for found, value in fields(body) if found == number and isinstance(value, bytes)]


def test_definitions_can_be_read_and_lead_to_each_other() -> None:
    document = openapiv2.encode(openapi.definitions(Registry()))
    assert first(document, 1) == b"2.0"
    named = {first(entry, 1).decode(): first(entry, 2) for entry in every(first(document, 9), 1)}
    configmap = named["io.k8s.api.core.v1.ConfigMap"]
    properties = {first(entry, 1).decode(): first(entry, 2) for entry in every(first(configmap, 25), 1)}
    assert set(properties) == {"apiVersion", "binaryData", "data", "immutable", "kind", "metadata"}
    assert first(first(properties["data"], 22), 1) == b"object"
    assert first(first(first(first(properties["data"], 21), 1), 22), 1) == b"string"
    reference = first(properties["metadata"], 1).decode()
    assert reference.removeprefix("#/definitions/") in named
    assert first(properties["immutable"], 4).startswith(b"Immutable, if set to true")
    extensions = {first(entry, 1): first(first(entry, 2), 2) for entry in every(configmap, 31)}
    assert b'"kind":"ConfigMap"' in extensions[b"x-kubernetes-group-version-kind"]


def test_numbers_enums_and_defaults() -> None:
    schema = {"type": "string", "maxLength": 300, "enum": ["a", "b"], "default": "a", "required": ["x"]}
    document = {"swagger": "2.0", "info": {"title": "t", "version": "v"}, "definitions": {"n": schema}}
    body = first(first(first(openapiv2.encode(document), 9), 1), 2)
    assert dict(fields(body))[11] == 300
    assert [first(value, 2) for value in every(body, 20)] == [b'"a"\n', b'"b"\n']
    assert first(first(body, 5), 2) == b'"a"\n'
    assert first(body, 19) == b"x"
