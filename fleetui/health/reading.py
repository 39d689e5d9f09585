"""Reading the fields that health rules need from objects that may be odd.

Owns: the readers and `OddObjectError`. They take what Kubernetes' converter from unstructured objects takes
(apimachinery v0.37, runtime/converter.go): null is the zero value, a float that is whole is an integer, nothing else
is converted. Called by the rules of `fleetui.health`; `assessment` turns `OddObjectError` into Unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.model.objects import is_surely_shallow, json_flaw

Section = Mapping[str, Any]
"""A map inside an object, such as its `status`."""

_EMPTY: Section = {}
_ABSENT = object()


class OddObjectError(ValueError):
    """A field has not the type that its kind gives it; the text says which and what is there. Stays in this package."""


def refuse_unreadable(obj: object) -> None:
    """Refuses what no rule can read at all.

    Raises:
        OddObjectError: no map, metadata that is none, nested deeper than any kind is, or keys that are no text in it or
            its sections; deeper ones no rule reads.
    """
    if not isinstance(obj, Mapping):
        raise OddObjectError(f"the object is {type_name(obj)}, not a map")
    metadata = section(obj, "metadata")
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    read = (obj, metadata, labels, annotations, obj.get("spec"), obj.get("status"))
    try:
        for each in read:
            if type(each) is dict:
                "".join(each)
    except TypeError:
        raise OddObjectError(f"the object {json_flaw(each)}") from None
    if "managedFields" in metadata:  # half of an object, and no rule reads them
        obj = {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    if not is_surely_shallow(obj) and (flaw := json_flaw(obj)):
        raise OddObjectError(f"the object {flaw}")


def refuse_nameless(obj: Section) -> None:
    """Refuses what no API server would take or give for any kind.

    Raises:
        OddObjectError: no apiVersion, no kind or no metadata.
    """
    for key in ("apiVersion", "kind"):
        if not text(obj, key):
            raise OddObjectError(f"{key} is missing")
    if obj.get("metadata") is None:
        raise OddObjectError("metadata is missing")


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


def needed_section(parent: Section, key: str) -> Section:
    """The map at `key`, without which a script of Argo CD's fails."""
    if parent.get(key) is None:
        raise OddObjectError(f"{key} is missing")
    return section(parent, key)


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


def needed(parent: Section, key: str) -> str:
    """The string at `key`, without which a script of Argo CD's fails."""
    if parent.get(key) is None:
        raise OddObjectError(f"{key} is missing")
    return text(parent, key)


def flag(parent: Section, key: str) -> bool:
    """The boolean at `key`; False where it is absent or null."""
    value = parent.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise OddObjectError(f"{key} is {type_name(value)}, not a boolean")


def sections(parent: Section, key: str) -> list[Section]:
    """The list of maps at `key`; empty where it is absent or null, with an empty map for an item that is null."""
    value = parent.get(key)
    return [] if value is None else _maps(value, key)


def conditions(status: Section) -> list[Section]:
    """`status.conditions`; empty where absent. No API server writes null there, so null is odd."""
    value = status.get("conditions", _ABSENT)
    return [] if value is _ABSENT else _maps(value, "status.conditions")


def _maps(value: object, name: str) -> list[Section]:
    if not isinstance(value, list):
        raise OddObjectError(f"{name} is {type_name(value)}, not a list")
    for item in value:
        if type(item) is not dict and not isinstance(item, Mapping):
            if item is not None:
                raise OddObjectError(f"an item of {name} is {type_name(item)}, not a map")
            return _maps([_EMPTY if each is None else each for each in value], name)
    return value


def condition(status: Section, kind: str) -> Section | None:
    """The first condition of type `kind`; None where there is none."""
    for entry in conditions(status):
        if text(entry, "type") == kind:
            return entry
    return None


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
