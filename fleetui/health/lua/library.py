"""Where Argo CD's scripts come from: a folder, or a hub's ConfigMap.

Owns: `Library`, `read_folder`, `read_config` and `library_of`. Called by whoever wants customizations
(`fleetui.health`, `fleetui.engine`). Nothing is run here. Rules: argo-cd v3.6.1 util/lua/lua.go (which script, in which
order).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleetui.model.customizations import ACTIONS, CONFIG_MAP, HEALTH, Customization, customizations_of, yaml_map
from fleetui.model.errors import UsageError
from fleetui.model.globs import glob_matches

_LARGEST = 2**20
"""Bytes of a script."""


@dataclass(frozen=True, slots=True)
class Source:
    """A script's text, and what it is called in messages."""

    name: str
    text: str = field(repr=False)


@dataclass(slots=True)
class Scripts:
    """The scripts for one kind, or for all kinds that fit a pattern."""

    health: Source | None = None
    discovery: Source | None = None
    actions: dict[str, Source] = field(default_factory=dict)
    with_built_in: bool = True
    """Whether the actions of the next library count too (``mergeBuiltinActions``)."""


class Library:
    """Scripts by key: ``group/Kind``, or ``Kind`` of the core group.

    Args:
        by_key: as they are written, patterns among them.
        fits: whether a pattern fits a key.
    """

    def __init__(self, by_key: Mapping[str, Scripts], *, fits: Callable[[str, str], bool]) -> None:
        self._by_key = dict(by_key)
        self._patterns = sorted(by_key)
        self._fits = fits

    def health(self, key: str) -> Source | None:
        """The health script for a key: its own, else that of the first pattern, by name, that fits."""
        found = self._by_key.get(key)
        if found is not None and found.health is not None:
            return found.health
        for pattern in self._patterns:
            health = self._by_key[pattern].health
            if health is not None and self._fits(pattern, key):
                return health
        return None

    def actions(self, key: str) -> Scripts | None:
        """The scripts that may hold a key's actions; patterns don't count."""
        return self._by_key.get(key)


# --- a folder laid out like Argo CD's resource_customizations ------------------------------------------------------


def read_folder(folder: Path) -> Library:
    """The scripts of ``GROUP/KIND/health.lua``, ``…/actions/discovery.lua`` and ``…/actions/NAME/action.lua``.

    In a folder's name, ``_`` stands for any text.

    Raises:
        UsageError: the folder or a script can't be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with health scripts")
    by_key: dict[str, Scripts] = {}
    for path in sorted(folder.rglob("*.lua")):
        steps = path.relative_to(folder).parts
        match steps:
            case (*key, "health.lua") if len(key) in (1, 2):
                by_key.setdefault("/".join(key), Scripts()).health = _read(path, folder)
            case (*key, "actions", "discovery.lua") if len(key) in (1, 2):
                by_key.setdefault("/".join(key), Scripts()).discovery = _read(path, folder)
            case (*key, "actions", name, "action.lua") if len(key) in (1, 2):
                by_key.setdefault("/".join(key), Scripts()).actions[name] = _read(path, folder)
    return Library(by_key, fits=_fits_path)


def _read(path: Path, folder: Path) -> Source:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"the script {path} is larger than {_LARGEST // 1024} KiB")
        return Source(str(path.relative_to(folder)), path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the script {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the script {path} is no UTF-8") from error


def _fits_path(pattern: str, key: str) -> bool:
    """``_`` is a star that does not cross a slash (doublestar v4, PathMatchUnvalidated)."""
    if "_" not in pattern:
        return False
    return re.fullmatch("[^/]*".join(map(re.escape, pattern.split("_"))), key) is not None


# --- argocd-cm -----------------------------------------------------------------------------------------------------


def read_config(data: Mapping[str, str]) -> Library:
    """The scripts in the data of a hub's ``argocd-cm``.

    Raises:
        UsageError: something in it can't be read.
    """
    found, unread = customizations_of(data)
    library, problems = library_of(found)
    for problem in (*(each.sentence for each in unread), *problems):
        raise UsageError(problem)
    return library


def library_of(customizations: Iterable[Customization]) -> tuple[Library, list[str]]:
    """The scripts among customizations, and a sentence for each that is left out."""
    by_key: dict[str, Scripts] = {}
    problems: list[str] = []
    for what, key, value in customizations:
        if what == HEALTH and value:
            by_key.setdefault(key, Scripts()).health = Source(f"{CONFIG_MAP} {key}", value)
        elif what == ACTIONS and value:
            try:
                _take_actions(by_key.setdefault(key, Scripts()), value, f"{CONFIG_MAP} {key}")
            except UsageError as error:
                problems.append(str(error))
    return Library(by_key, fits=glob_matches), problems


def _take_actions(scripts: Scripts, text: str, name: str) -> None:
    found = yaml_map(text, f"{name}: actions")
    discovery, definitions = found.get("discovery.lua"), found.get("definitions") or []
    if not isinstance(definitions, list) or not all(isinstance(each, Mapping) for each in definitions):
        raise UsageError(f"{name}: actions: definitions is not a list of maps")
    named = [(each.get("name") or "", each.get("action.lua") or "") for each in definitions]
    if not all(isinstance(text, str) for pair in [*named, (discovery or "",)] for text in pair):
        raise UsageError(f"{name}: actions: a name or a script is no text")
    scripts.discovery = Source(f"{name} discovery", discovery or "")
    scripts.actions = {each: Source(f"{name} {each}", text) for each, text in named}
    scripts.with_built_in = found.get("mergeBuiltinActions") is True
