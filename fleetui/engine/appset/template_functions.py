"""The functions that Argo CD adds to sprig for its Go templates, and how YAML is written there.

Owns: `slugify`, `to_yaml`, `from_yaml`, `from_yaml_array`. Called by `fleetui.engine.appset.template_go`.
Pure. The rules are those of Argo CD v3.6.1 (applicationset/utils/template_functions.go; utils.go, `SlugifyName`) over
gosimple/slug v1.15.0 and sigs.k8s.io/yaml v1.6.0. What is raised is a ValueError, which the template's error quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from fleetui.engine.appset.params import as_go_decodes, sanitized_name
from fleetui.engine.appset.slug import slug
from fleetui.model.errors import ManifestError
from fleetui.render import scalars
from fleetui.render.yaml import documents

_LONGEST_SLUG = 50
_TIME = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d))|( \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?))?"
    r"|[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?"
)
"""A time, or a number of base 60."""
_DIGITS = re.compile(r"(\d+)")


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
        return as_go_decodes(next((each.value for each in documents(text.encode())), None))
    except ManifestError as error:
        raise ValueError(str(error)) from error


def _jsonlike(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonlike(value[key]) for key in sorted(value, key=_natural)}
    if isinstance(value, list | tuple):
        return [_jsonlike(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value if isinstance(value, str | int | float | bool) else None


def _natural(key: object) -> list[tuple[bool, int, str]]:
    """Keys in the order of yaml.v2 (sorter.go): numbers within them count as numbers, and letters after the rest."""
    return [(part[:1].isalpha(), int(part) if part.isdigit() else -1, part) for part in _DIGITS.split(str(key)) if part]


class _Dumper(yaml.SafeDumper):
    """What yaml.v2 writes (encode.go): double quotes for what would be read as no text, blocks for several lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] not in ("timestamp", "value", "merge")]
    for first, known in yaml.SafeDumper.yaml_implicit_resolvers.items()
}


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    ambiguous = not text or not isinstance(scalars.resolve(text), str) or _TIME.fullmatch(text)
    style = '"' if ambiguous else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
