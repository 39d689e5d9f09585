"""Tables: what `kubectl get` prints.

Owns: the Table object, and the columns that definitions declare. Pure functions. Called by `representations` and
`watches`. Rules: apiserver v0.37 pkg/registry/rest/table.go, apiextensions-apiserver v0.37
pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from backends.embedded import conversion, jsonpath
from backends.embedded.registry import ResourceType
from backends.embedded.tablecells import Obj, since
from backends.embedded.tablecolumns import COLUMNS, DEFAULT, NAME, Column


def table(resource: ResourceType, objects: Sequence[Obj], *, now: float, include: str, version: str) -> Obj:
    """The Table object; `include` is None, Metadata or Object: what a row carries of its object."""
    columns = columns_of(resource)
    definitions = [
        {"name": c.name, "type": c.type, "format": c.format, "description": told, "priority": c.priority}
        for c in columns
        for told in [c.description or _description(resource, c.name)]
    ]
    rows = [
        {"cells": [c.cell(stored, now) for c in columns]} | _carried(obj, include, version)
        for obj in objects
        for stored in [conversion.incoming(resource, obj)]  # an Event has its columns in the core group's terms
    ]
    # Where the real server has no printer for a kind, no rows are null.
    shown = rows if rows or columns is not DEFAULT else None
    head = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": {}}
    return head | {"columnDefinitions": definitions, "rows": shown}


@cache
def _prose() -> dict[str, dict[str, str]]:
    """What the printers say of their columns, by kind; ObjectMeta has what all share."""
    body = Path(__file__).with_name("data").joinpath("columns.json").read_bytes()
    return msgspec.json.decode(body, type=dict[str, dict[str, str]])


def _description(resource: ResourceType, column: str) -> str:
    own = {} if resource.custom else _prose().get(resource.kind, {})
    shared = {"Name": "name", "Age": "creationTimestamp", "Created At": "creationTimestamp"}
    return own.get(column) or _prose()["ObjectMeta"].get(shared.get(column, ""), "")


def encode(body: Obj) -> bytes:
    return msgspec.json.encode(body)


def _carried(obj: Obj, include: str, version: str) -> Obj:
    if include == "None":
        return {"object": None}
    if include == "Object":
        return {"object": obj}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}
    return {"object": partial}


def columns_of(resource: ResourceType) -> Sequence[Column]:
    """The columns of a kind: its own, those of its definition, or name and time of creation."""
    if resource.custom:
        return [NAME, *(_custom_column(entry) for entry in resource.columns)]
    return COLUMNS.get(resource.group_kind, DEFAULT)


def _custom_column(entry: Obj) -> Column:
    path_text = entry["jsonPath"]
    path = jsonpath.compile_path(path_text)
    type_ = entry.get("type", "string")

    def cell(obj: Obj, now: float) -> Any:
        found = path(obj)
        if type_ == "date":
            return since(found[0] if found else None, now)
        return jsonpath.cell(found, type_)

    return Column(
        entry["name"],
        cell,
        type=type_,
        format=entry.get("format", ""),
        priority=entry.get("priority", 0),
        description=entry.get("description", f"Custom resource definition column (in JSONPath format): {path_text}"),
    )
