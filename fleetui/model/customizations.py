"""How a hub's ``argocd-cm`` writes down what it changes about kinds of objects.

Owns: `customizations_of`, from the ConfigMap's data to one list, whichever of the two ways it is written in. What a
value says is its reader's: `fleetui.health.lua.library` (health, actions), `fleetui.engine.overrides`
(ignoreDifferences). Rules: argo-cd v3.6.1 util/settings/settings.go (`GetResourceOverrides`,
`appendResourceOverridesFromSplitKeys`). What can't be read is left out and said; Argo CD then reads nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fleetui.model.errors import UsageError
from fleetui.model.text import one_line

CONFIG_MAP = "argocd-cm"
EVERYTHING = "*/*"
"""The key of all kinds."""
MAX_DEPTH = 100
"""Deepest nesting of a value."""
MAX_MERGED = 16
"""Aliases in a value that merges any (``<<``): ten that merge ten of each other would be billions."""
HEALTH, ACTIONS, IGNORE_DIFFERENCES = "health", "actions", "ignoreDifferences"

_PREFIX = "resource.customizations"
_KINDS = frozenset({HEALTH, ACTIONS, IGNORE_DIFFERENCES, "ignoreResourceUpdates", "knownTypeFields", "useOpenLibs"})
_FIELDS = {"health.lua": HEALTH, "actions": ACTIONS, "ignoreDifferences": IGNORE_DIFFERENCES}
"""What an entry of the one big map may have, and which kind of customization that is."""


class Customization(NamedTuple):
    """One value: `what` it customizes, of the kinds that `key` (``group/Kind``, or ``Kind`` of the core group; both
    may be patterns) names."""

    what: str
    key: str
    value: str


class Unread(NamedTuple):
    """What is left out, in a sentence; `what` and `key` as far as they are known, empty where they are not."""

    sentence: str
    what: str = ""
    key: str = ""


def customizations_of(data: Mapping[str, str]) -> tuple[list[Customization], list[Unread]]:
    """The customizations in the data of ``argocd-cm``, at most one for each `what` and `key`, and what is left out."""
    found: dict[tuple[str, str], Customization] = {}
    unread: list[Unread] = []
    for each in (*_mapped(data.get(_PREFIX, "")), *_split(data)):
        if isinstance(each, Unread):
            unread.append(each)
        else:
            found[each.what, each.key] = each
    return list(found.values()), unread


def is_customization(key: str) -> bool:
    """Whether a key of the data is about customizations."""
    return key == _PREFIX or key.startswith(f"{_PREFIX}.")


def yaml_map(text: str, where: str) -> dict[str, Any]:
    """The map that a value holds as YAML; empty where it holds nothing.

    Raises:
        UsageError: it is no YAML or no map; the message begins with `where`.
    """
    found = yaml_value(text, where)
    if found is not None and not isinstance(found, Mapping):
        raise UsageError(f"{where} is not a map")
    return {str(key): value for key, value in (found or {}).items()}


def yaml_value(text: str, where: str) -> Any:
    """What a value holds as YAML; None where it holds nothing.

    Raises:
        UsageError: it is no YAML; the message begins with `where`.
    """
    import yaml

    try:
        # Composed first, it would overflow the stack of libyaml's loader, which ends the process.
        _check(yaml.parse(text, Loader=yaml.CSafeLoader))
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise UsageError(f"{where} is not YAML: {line}{one_line(error.problem or error.context or '')}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{where} is not YAML: {one_line(str(error))}") from error


def _check(events: Iterable[object]) -> None:
    from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

    depth = aliases = merges = 0
    for event in events:
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        aliases += isinstance(event, AliasEvent)
        merges += isinstance(event, ScalarEvent) and event.value == "<<"
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if merges and aliases > MAX_MERGED:
            raise ValueError(f"it merges, and has more than {MAX_MERGED} aliases")


def _mapped(text: str) -> Iterator[Customization | Unread]:
    """The one big map that ``resource.customizations`` used to be; `ignoreDifferences` in it is text once more."""
    where = f"{CONFIG_MAP}: {_PREFIX}"
    try:
        entries = yaml_map(text, where)
    except UsageError as error:
        yield Unread(str(error), key=EVERYTHING)
        return
    for key, entry in entries.items():
        if not isinstance(entry, Mapping):
            yield Unread(f"{where} is not a map of maps: {key} is left out", key=key)
            continue
        for field, what in _FIELDS.items():
            value = entry.get(field)
            if isinstance(value, str) and value:
                yield Customization(what, key, value)
            elif value:
                yield Unread(f"{where}: {field} of {key} is no text, and is left out", what, key)


def _split(data: Mapping[str, str]) -> Iterator[Customization | Unread]:
    """``resource.customizations.WHAT.GROUP_KIND``."""
    for name, value in data.items():
        parts = name.split(".", 3)
        if not is_customization(name) or len(parts) < 4:
            continue
        what, group_kind = parts[2], parts[3].split("_")
        where = f"{CONFIG_MAP}: {name}"
        if what not in _KINDS:
            yield Unread(f"{where}: resource customization type {what} not supported", what)
        elif len(group_kind) > 2 or group_kind == [""]:
            yield Unread(f"{where}: a group and kind is written GROUP_KIND, or KIND for the core group", what)
        else:
            key = "/".join(group_kind)
            yield Customization(what, EVERYTHING if key == "all" else key, value)
