"""Fields of an ApplicationSet's generators, read with an error that names them.

Owns: `Flaw`, which is how generators of this package fail, and how each field is read. Never leaves the package:
`fleetui.engine.appset.generate` makes a `Problem` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetui.model.names import is_label_value, is_qualified_name
from fleetui.model.selectors import LabelSelector, of_label_selector

_WITH_VALUES, _WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")


class Flaw(Exception):  # noqa: N818 - not an error of fleetui's tree: it never leaves this package
    """A generator that makes no parameters: the field, from the ApplicationSet's root, what is wrong, what to do."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__()
        self.field = field
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def text(spec: Mapping[str, Any], key: str, at: str) -> str:
    """The text of a field; empty where there is none."""
    return _read(spec, key, at, str, "a text") or ""


def flag(spec: Mapping[str, Any], key: str, at: str) -> bool:
    """The yes or no of a field; no where there is none."""
    return bool(_read(spec, key, at, bool, "true or false"))


def mapping(spec: Mapping[str, Any], key: str, at: str) -> dict[str, Any]:
    """The map of a field; empty where there is none."""
    return _read(spec, key, at, dict, "a map") or {}


def items(spec: Mapping[str, Any], key: str, at: str) -> list[Any]:
    """The list of a field; empty where there is none."""
    return _read(spec, key, at, list, "a list") or []


def maps(spec: Mapping[str, Any], key: str, at: str) -> list[dict[str, Any]]:
    """The list of maps of a field; empty where there is none."""
    found = items(spec, key, at)
    for number, item in enumerate(found):
        if not isinstance(item, dict):
            raise Flaw(f"{at}.{key}[{number}]", "is not a map")
    return found


def text_map(spec: Mapping[str, Any], key: str, at: str) -> dict[str, str]:
    """The map of texts of a field; empty where there is none."""
    found = mapping(spec, key, at)
    for name, value in found.items():
        if not isinstance(value, str):
            raise Flaw(f"{at}.{key}.{name}", "is not a text", "write it in quotes")
    return found


def text_list(spec: Mapping[str, Any], key: str, at: str) -> list[str]:
    """The list of texts of a field; empty where there is none."""
    found = items(spec, key, at)
    for number, value in enumerate(found):
        if not isinstance(value, str):
            raise Flaw(f"{at}.{key}[{number}]", "is not a text", "write it in quotes")
    return found


def _read(spec: Mapping[str, Any], key: str, at: str, kind: type, what: str) -> Any:
    value = spec.get(key)
    if value is not None and not isinstance(value, kind):
        raise Flaw(f"{at}.{key}".removeprefix("."), f"is not {what}")
    return value


def selector(spec: Mapping[str, Any], key: str, at: str, *, of_labels: bool) -> LabelSelector | None:
    """The label selector of a field; None where there is none.

    Args:
        of_labels: it selects labels, which have few characters; parameters may have any
            (argo-cd v3.6.1, applicationset/utils/selector.go).
    """
    if spec.get(key) is None:
        return None
    where = f"{at}.{key}"
    given = mapping(spec, key, at)
    fits = is_label_value if of_labels else _anything
    for name, value in text_map(given, "matchLabels", where).items():
        _check_requirement(name, [value], fits, f"{where}.matchLabels.{name}")
    for number, expression in enumerate(maps(given, "matchExpressions", where)):
        entry = f"{where}.matchExpressions[{number}]"
        values = text_list(expression, "values", entry)
        operator = text(expression, "operator", entry)
        if operator not in _WITH_VALUES + _WITHOUT_VALUES:
            raise Flaw(f"{entry}.operator", f"there is no operator {operator!r}", "In, NotIn, Exists or DoesNotExist")
        if (operator in _WITH_VALUES) != bool(values):
            raise Flaw(f"{entry}.values", f"{operator} needs {'some' if operator in _WITH_VALUES else 'none'}")
        _check_requirement(text(expression, "key", entry), values, fits, f"{entry}.key")
    return of_label_selector(given)


def _check_requirement(key: str, values: list[str], fits: Callable[[str], bool], at: str) -> None:
    if not is_qualified_name(key):
        raise Flaw(at, f"{key!r} is no key of a label")
    for value in values:
        if not fits(value):
            raise Flaw(at, f"{value!r} is no value of a label")


def _anything(_: str) -> bool:
    return True
