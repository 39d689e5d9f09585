"""Parameters of generators: how they are written, flattened and put together.

Owns: what Go makes of values on their way into a template. Called by the generators of this package. Pure. Follows Argo
CD v3.6.1 (applicationset/utils/map.go, template_functions.go; applicationset/generators/matrix.go,
generator_spec_processor.go, value_interpolation.go), jeremywohl/flatten v1.0.2 and mergo v1.0.2.

Values are JSON as Go decodes it: each number that comes from a file or an object is a `float`. A `tuple` is a list that
Go keeps in a type of its own, into which flattening does not go (``[]string``, ``[]map[string]any``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fleetui.model.gotext import go_text
from fleetui.model.text import one_line

Params = dict[str, Any]

_SHOWN, _SHOWN_LENGTH = 4, 40


def as_go_decodes(value: Any) -> Any:
    """JSON-like values with each number a `float`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {key: as_go_decodes(item) for key, item in value.items()}
    return [as_go_decodes(item) for item in value] if isinstance(value, list) else value


def size_of(value: Any) -> int:
    """Bytes that a value has as JSON, with what an alias of YAML repeats counted each time: a copy, which Python would
    make value by value, is not needed to find that it is too large."""
    return len(msgspec.json.encode(value))


def flattened(params: Mapping[str, Any]) -> dict[str, str]:
    """The parameters with a key for each value within, its steps joined by dots, and each value as text. A map or a
    list with nothing in it has no key."""
    return {key: go_text(value) for key, value in _leaves(params, "")}


def _leaves(value: Mapping[str, Any] | list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(item, Mapping | list):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def merged(base: Params, over: Mapping[str, Any]) -> Params:
    """`base` with the values of `over` in their place, map for map; a new map (mergo's `Merge`, `WithOverride`)."""
    found = dict(base)
    for key, value in over.items():
        under = found.get(key)
        found[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return found


def shown(params: Mapping[str, Any]) -> str:
    """A few of the parameters, to tell one set of them from another in a sentence."""
    short = [(key, one_line(value)) for key, value in sorted(params.items(), key=_plainest) if isinstance(value, str)]
    said = [f"{one_line(key)}={value}" for key, value in short if value and len(value) <= _SHOWN_LENGTH]
    return ", ".join(said[:_SHOWN])


def _plainest(item: tuple[str, Any]) -> tuple[bool, bool, str]:
    key, _ = item
    return key != "name", "." in key or "Normalized" in key, key


def texts(value: Any) -> Sequence[str]:
    """The texts of a list that was answered, in the form that stays whole where parameters are flattened."""
    return tuple(str(item) for item in value or ())
