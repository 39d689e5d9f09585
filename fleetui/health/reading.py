"""Reading the fields that health rules need from objects that may be odd.

Owns: the readers and `OddObjectError`. They take what Kubernetes' converter from unstructured objects takes
(apimachinery v0.37, runtime/converter.go): null is the zero value, a float that is whole is an integer, nothing else
is converted. Called by the rules of `fleetui.health`; `assessment` turns `OddObjectError` into Unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Section = Mapping[str, Any]
"""A map inside an object, such as its `status`."""

_EMPTY: Section = {}
_ABSENT = object()


class OddObjectError(ValueError):
    """A field has not the type that its kind gives it; the text says which and what is there. Stays in this package."""


def section(parent: Section, key: str) -> Section:
    """The map at `key`; empty where it is absent or null."""
    value = parent.get(key)
    if type(value) is dict:  # what JSON gives, and much faster asked than a Mapping
        return value
    if value is None:
        return _EMPTY
    if isinstance(value, Mapping):
        return value
    raise OddObjectError(f"{key} is {type_name(value)}, not a map")


def optional_section(parent: Section, key: str) -> Section | None:
    """The map at `key`; None where it is absent or null (a nil pointer in Go)."""
    return None if parent.get(key) is None else section(parent, key)


def number(parent: Section, key: str) -> int:
    """The integer at `key`; 0 where it is absent or null."""
    value = parent.get(key)
    if type(value) is int:
        return value
    return 0 if value is None else _whole(value, key)


def optional_number(parent: Section, key: str) -> int | None:
    """The integer at `key`; None where it is absent or null."""
    return None if parent.get(key) is None else number(parent, key)


def _whole(value: object, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise OddObjectError(f"{key} is {type_name(value)}, not a whole number")


def text(parent: Section, key: str) -> str:
    """The string at `key`; empty where it is absent or null."""
    value = parent.get(key)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise OddObjectError(f"{key} is {type_name(value)}, not a string")


def flag(parent: Section, key: str) -> bool:
    """The boolean at `key`; False where it is absent or null."""
    value = parent.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise OddObjectError(f"{key} is {type_name(value)}, not a boolean")


def sections(parent: Section, key: str) -> list[Section]:
    """The list of maps at `key`; empty where it is absent or null."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise OddObjectError(f"{key} is {type_name(value)}, not a list")
    for item in value:
        if type(item) is not dict and not isinstance(item, Mapping):
            raise OddObjectError(f"an item of {key} is {type_name(item)}, not a map")
    return value


def conditions(status: Section) -> list[Section]:
    """`status.conditions`; empty where absent. No API server writes null there, so null is odd."""
    value = status.get("conditions", _ABSENT)
    if value is _ABSENT:
        return []
    if value is None:
        raise OddObjectError("conditions is null, not a list")
    return sections(status, "conditions")


def condition(status: Section, kind: str) -> Section | None:
    """The first condition of type `kind`; None where there is none."""
    for entry in conditions(status):
        if text(entry, "type") == kind:
            return entry
    return None


def is_map(value: object) -> bool:
    """Whether a decoded value is a map, asked of what a signature only promises."""
    return isinstance(value, Mapping)


def type_name(value: object) -> str:
    """What a decoded value is, in words: ``a string``, ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a map" if isinstance(value, Mapping) else "a list"
