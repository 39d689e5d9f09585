"""Visiting and setting the fields that specifications name.

Owns: `visit`. Follows api 0.21.2 (filters/fieldspec/fieldspec.go): a path goes through every item of the lists on its
way. Called by `transform`, `references`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from fleetui.render.kustomize.errors import Problem
from fleetui.render.kustomize.resource import Gvk, Resource
from fleetui.render.kustomize.tables import FieldSpec
from fleetui.render.kustomize.values import is_null

Setter = Callable[[Any, Any], None]
"""Changes the item of a mapping or a list: it is given the container and the key or index."""


@lru_cache(maxsize=2048)
def parts_of(path: str) -> tuple[str, ...]:
    """`PathSplitter`: the parts of a path; ``\\/`` is a slash within one."""
    parts: list[str] = []
    for part in path.removeprefix("/").split("/"):
        if parts and parts[-1].endswith("\\"):
            parts[-1] = f"{parts[-1][:-1]}/{part}"
        else:
            parts.append(part)
    return tuple(parts)


@lru_cache(maxsize=4096)
def applicable(specs: tuple[FieldSpec, ...], gvk: Gvk) -> Sequence[FieldSpec]:
    """The specifications that are for objects of this kind."""
    return [spec for spec in specs if gvk.selected_by(spec.group, spec.version, spec.kind)]


def visit(resource: Resource, spec: FieldSpec, setter: Setter, make: Callable[[], Any] | None = None) -> None:
    """Calls `setter` for each field at the path; where the specification says so, `make` gives a missing one its value.

    Raises:
        Problem: the path leads through a scalar.
    """
    if resource.gvk.selected_by(spec.group, spec.version, spec.kind):
        _Visit(spec.path, parts_of(spec.path), setter, make if spec.create else None).mapping(resource.obj, 0)


def leads_somewhere(obj: dict[str, Any], parts: Sequence[str]) -> bool:
    """Whether the path goes as far as to a list or its end; cheap, since most paths that are asked for do not."""
    value: Any = obj
    for part in parts:
        if not isinstance(value, dict):
            return True
        if part not in value:
            return False
        value = value[part]
    return True


class _Visit:
    def __init__(self, path: str, parts: Sequence[str], setter: Setter, make: Callable[[], Any] | None) -> None:
        self._path = path
        self._parts = parts
        self._setter = setter
        self._make = make

    def mapping(self, mapping: dict[str, Any], index: int) -> None:
        name, last = self._parts[index], index + 1 == len(self._parts)
        field = name.removesuffix("[]")
        if not field:
            raise Problem(f"the field path {self._path!r} has an empty part")
        if field != name:
            if field not in mapping:
                return
            if is_null(mapping[field]):
                mapping[field] = []
        elif self._make is not None:
            if is_null(mapping.get(field)):
                mapping[field] = self._make() if last else {}
        elif field not in mapping:
            return
        self._below(mapping, field, index + 1)

    def _below(self, container: Any, key: Any, index: int) -> None:
        if index == len(self._parts):
            self._setter(container, key)
            return
        value = container[key]
        if isinstance(value, dict):
            self.mapping(value, index)
        elif isinstance(value, list):
            for position in range(len(value)):
                self._below(value, position, index)
        elif not is_null(value):
            raise Problem(f"{self._path} leads through {self._parts[index - 1]}, which is no mapping")
