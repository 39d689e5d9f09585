"""How Go writes the fields of Kubernetes' types: read from their sources.

Owns: the annotation ``x-go`` of a property, the numbers of the fields in protobuf, and what the printers say of their
columns. Called by `generate` alone.
OpenAPI does not tell a pointer from a value, nor what ``omitempty`` drops; both decide what an API server answers:

- ``o``: a value with omitempty: zero and empty are not written.
- ``a``: a value that is always written, as its zero where nobody set it.
- ``n``: a pointer that is always written, as null where nobody set it.
- none: a pointer with omitempty: written as it was sent, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GO = "x-go"
Struct = dict[str, str]

_PREFIXES = {
    "api": "io.k8s.api",
    "apimachinery": "io.k8s.apimachinery",
    "apiextensions-apiserver": "io.k8s.apiextensions-apiserver",
    "kube-aggregator": "io.k8s.kube-aggregator",
}
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:\"([^\"]*)\"", re.MULTILINE)
_NUMBERED = re.compile(
    r"^\t(?:\w+\s+)?([\w.*\[\]]+)\s+`json:\"([^\",]*)[^\"]*\"[^`\n]*protobuf:\"\w+,(\d+),", re.MULTILINE
)


def go_structs(staging: Path) -> dict[str, Struct]:
    """For each definition, its properties and what ``x-go`` says of them."""
    raw = {name: (package, _FIELD.findall(body)) for name, package, body in _structs(staging)}
    return {name: _flat(raw, name) for name in raw}


def _structs(staging: Path) -> Iterator[tuple[str, str, str]]:
    """Each struct: its definition's name, its package, its body."""
    for module, prefix in _PREFIXES.items():
        for root in [*staging.glob(module), *staging.glob(f"{module}@*")]:
            for path in sorted(root.glob("**/v*/types*.go")):
                package = ".".join([prefix, *path.parent.relative_to(root).parts])
                for name, body in _STRUCT.findall(path.read_text(encoding="utf-8")):
                    yield f"{package}.{name}", package, body


Numbers = dict[str, "str | Numbers"]


def protobuf_numbers(staging: Path) -> dict[str, Numbers]:
    """For each definition, the property behind each field number.

    An embedded struct is a message of its own in protobuf while JSON has its fields among the outer ones: under its
    number stand its own numbers.
    """
    raw = {name: (package, _NUMBERED.findall(body)) for name, package, body in _structs(staging)}
    return {name: _numbers(raw, name) for name in raw}


def _numbers(raw: dict[str, tuple[str, list[tuple[str, str, str]]]], name: str) -> Numbers:
    package, fields = raw.get(name, ("", []))
    found: Numbers = {}
    for type_, key, number in fields:
        if key and key != "-":
            found[number] = key
        elif not key:
            inner = type_.lstrip("*")
            found[number] = _numbers(raw, f"{package}.{inner}" if "." not in inner else _META + inner.partition(".")[2])
    return found


def _flat(raw: dict[str, tuple[str, list[tuple[str, str, str]]]], name: str) -> Struct:
    package, fields = raw.get(name, ("", []))
    found: Struct = {}
    for field, type_, tag in fields:
        key, *options = tag.split(",")
        if not field and not key:  # embedded: its fields are the struct's own
            inner = type_.lstrip("*")
            inner = f"{package}.{inner}" if "." not in inner else _META + inner.partition(".")[2]
            found |= _flat(raw, inner)
        elif key not in ("", "-"):
            found[key] = _how(type_, options)
    return found


_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def _how(type_: str, options: list[str]) -> str:
    if type_.startswith("*"):
        return "" if "omitempty" in options or "omitzero" in options else "n"
    if "omitzero" in options:
        return "o"
    if "omitempty" not in options:
        return "a"
    return "o?"  # a struct is written even so: only the schema knows whether it is one


def annotate(schemas: dict[str, Any], structs: dict[str, Struct]) -> None:
    """Adds ``x-go`` to the properties of `schemas`."""
    for name, schema in schemas.items():
        for key, how in structs.get(name, {}).items():
            prop = schema.get("properties", {}).get(key)
            if prop is None or not how:
                continue
            if how == "o?":
                how = "a" if _is_struct(schemas, prop) else "o"
            prop[GO] = how


def _is_struct(schemas: dict[str, Any], prop: dict[str, Any]) -> bool:
    reference = prop.get("$ref") or next((part["$ref"] for part in prop.get("allOf", ()) if "$ref" in part), "")
    if not reference:
        return False
    name = reference.rpartition("/")[2]
    # Quantities, times and int-or-string are structs, too, whatever JSON makes of them.
    target = schemas.get(name, {})
    return not (target.get("type") in ("array", "object") and "additionalProperties" in target)


_TABLE = re.compile(r"(\w+) := \[\]metav1\.TableColumnDefinition\{\n(.*?)\n\t\}", re.DOTALL)
_PRINTER = re.compile(r"^func print(\w+)\(\w+ \*\w+\.(\w+),", re.MULTILINE)
_HANDLER = re.compile(r"h\.TableHandler\((\w+), print(\w+)\)")
_COLUMN = re.compile(
    r'\{Name: "([^"]+)",.*?Description: (?:(\w+)\.(\w+)\{\}\.SwaggerDoc\(\)\["(\w+)"\]|"((?:[^"\\]|\\.)*)")\}'
)


def printed_columns(source: str, prose: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """For each kind, its columns and what the printers say of them, but for what ObjectMeta says.

    `prose` has the descriptions of definitions, by ``v1.ObjectMeta``: the last two parts of their names.
    """
    tables = {name: _COLUMN.findall(body) for name, body in _TABLE.findall(source)}
    by_struct: dict[str, dict[str, str]] = {}
    for name, found in prose.items():
        by_struct.setdefault(name.rpartition(".")[2], {}).update(found)
    shared = {field: by_struct["ObjectMeta"][field] for field in ("name", "creationTimestamp")}
    made = {"ObjectMeta": shared}
    kinds = dict(_PRINTER.findall(source))
    for table, printer in _HANDLER.findall(source):
        texts = {
            # The older package says no more than this.
            name: text or by_struct.get(struct, {}).get(field, "").removesuffix(" This field is immutable.")
            for name, _, struct, field, text in tables[table]
        }
        made[kinds.get(printer, printer)] = {name: text for name, text in texts.items() if text not in shared.values()}
    return made
