"""The functions that Argo CD adds to sprig for its Go templates, and how YAML is written there.

Owns: `slugify`, `to_yaml`, `from_yaml`, `from_yaml_array`. Called by `fleetui.engine.appset.template_go`.
Pure. The rules are those of Argo CD v3.6.1 (applicationset/utils/template_functions.go; utils.go, `SlugifyName`) over
gosimple/slug v1.15.0 and sigs.k8s.io/yaml v1.6.0. What is raised is a ValueError, which the template's error quotes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import yaml

from fleetui.engine.appset.params import as_go_decodes, size_of
from fleetui.engine.appset.slug import slug
from fleetui.model.gotext import go_text
from fleetui.model.names import sanitized_name
from fleetui.render import scalars
from fleetui.render.events import Flaw, build

_LONGEST_SLUG = 50
_MOST_BYTES = 1_000_000
"""Of a YAML text, as JSON."""
_TIME = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d))|( \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?))?"
    r"|[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?"
)
"""A time, or a number of base 60."""
_DIGITS = re.compile(r"\d+")


def slugify(*args: object) -> str:
    """A slug: ``slugify [longest [smart]] text``; where it is smart, it is cut between words (`SlugifyName`)."""
    *settings, last = args or ("",)
    longest, smart = (*settings, *(_LONGEST_SLUG, True)[len(settings) :])[:2]
    if not isinstance(last, str) or type(longest) is not int or type(smart) is not bool:
        raise ValueError("slugify takes a whole number, true or false, and a text")
    name = sanitized_name(last)
    return slug(name, max(longest, 0)) if smart else slug(name[:longest], 0)


def to_yaml(value: object) -> str:
    """A value as sigs.k8s.io/yaml writes it, without the last line's end."""
    try:
        written: str = yaml.dump(_jsonlike(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    except yaml.YAMLError as error:
        raise ValueError(f"can't be written as YAML: {error}") from error
    return written.removesuffix("...\n").removesuffix("\n")


def from_yaml(text: str) -> dict[str, Any]:
    """The map that a YAML text says; numbers are floats, as JSON's are in Go."""
    value = _read(text)
    if value is not None and not isinstance(value, dict):
        raise ValueError("fromYaml was given something else than a map")
    return value or {}


def from_yaml_array(text: str) -> list[Any]:
    """The list that a YAML text says."""
    value = _read(text)
    if value is not None and not isinstance(value, list):
        raise ValueError("fromYamlArray was given something else than a list")
    return value or []


def _read(text: str) -> Any:
    try:
        built = build(text)
    except Flaw as flaw:
        raise ValueError(flaw.told) from flaw
    value = None if built is None else built[0]
    if size_of(value) > _MOST_BYTES:
        raise ValueError("the YAML says more than a template may make")
    return as_go_decodes(value)


def _jsonlike(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonlike(value[key]) for key in sorted(value, key=functools.cmp_to_key(_before))}
    if isinstance(value, list | tuple):
        return [_jsonlike(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value if isinstance(value, str | int | float | bool) else None


def _before(one: str, other: str) -> int:
    """The order in which yaml.v2 writes keys (sorter.go, `Less`), as Python's comparisons have it: letters after all
    else, and numbers within keys by their value."""
    place = next((i for i, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), -1)
    if place < 0:
        return len(one) - len(other)
    mine, its = one[place], other[place]
    if mine.isalpha() != its.isalpha():
        return 1 if mine.isalpha() else -1
    if not mine.isalpha():
        # Within a longer number a 0 counts.
        lead = "1" if "0" in (mine, its) and re.search(r"[1-9]\d*$", one[:place]) else ""
        ours, theirs = _number(one[place:]), _number(other[place:])
        if (found := int(lead + ours or "0") - int(lead + theirs or "0") or len(ours) - len(theirs)) != 0:
            return found
    return -1 if mine < its else 1


def _number(text: str) -> str:
    found = _DIGITS.match(text)
    return found[0] if found else ""


class _Dumper(yaml.SafeDumper):
    """What yaml.v2 writes (encode.go): double quotes for what would be read as no text, blocks for several lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def check_simple_key(self) -> bool:
        """An empty key is one too."""
        return bool(super().check_simple_key()) or (isinstance(self.event, yaml.ScalarEvent) and not self.event.value)


_Dumper.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] not in ("timestamp", "value", "merge")]
    for first, known in yaml.SafeDumper.yaml_implicit_resolvers.items()
}


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    ambiguous = not text or not isinstance(scalars.resolve(text), str) or _TIME.fullmatch(text)
    style = '"' if ambiguous else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    written = go_text(value)
    # As what PyYAML itself would read it, so that it writes no tag: to it, 1e-07 is no number.
    tag = dumper.resolve(yaml.ScalarNode, written, (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(tag, written)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
