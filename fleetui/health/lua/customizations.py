"""Health and actions by Argo CD's scripts.

Owns: `LuaCustomizations`, the `fleetui.health.Customizations` that runs them. Made from libraries in their order of
precedence: a hub's ``argocd-cm`` first, then a folder. Rules: argo-cd v3.6.1 util/lua/lua.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetui.health.assessment import Verdict
from fleetui.health.lua.library import Library, Source
from fleetui.health.lua.sandbox import Judged, Sandbox, Script, ScriptError
from fleetui.health.verdicts import unknown
from fleetui.model.errors import MissingError
from fleetui.model.objects import Obj, split_api_version
from fleetui.model.status import Health, HealthStatus

_INVALID = "Lua returned an invalid health status"
_STATUSES = frozenset(HealthStatus)
_STRIKES = 3
"""After how many runs that had to be stopped a script is not run any more."""


class Action(msgspec.Struct, frozen=True, rename="camel"):
    """Something that a script can do to an object."""

    name: str
    disabled: bool = False
    display_name: str = ""
    icon_class: str = ""
    params: tuple[Mapping[str, Any], ...] = ()


class Impact(msgspec.Struct, frozen=True):
    """What an action wants written: `operation` is ``patch`` (the object itself, changed) or ``create``."""

    operation: str
    obj: Obj


class LuaCustomizations:
    """Runs the scripts of some libraries; the first library that has one for a kind is asked."""

    def __init__(self, libraries: Sequence[Library]) -> None:
        self._libraries = tuple(libraries)
        self._sandbox: Sandbox | None = None
        self._scripts: dict[Source, Script | ScriptError] = {}
        self._found: dict[str, Source | None] = {}
        self._strikes: dict[Source, int] = {}

    def verdict(self, obj: Mapping[str, Any]) -> Verdict | None:
        """What the script for the object's kind says; None where there is none, or it returns nothing.

        Unknown, with the script's name, where it fails or had to be stopped.
        """
        source = self._health_source(_key(obj))
        if source is None:
            return None
        try:
            told = self._judged(source, obj)
        except ScriptError as error:
            return Verdict(unknown(error.message), failed=True)
        if told.kind == "nil":
            return None
        if told.kind == "empty":
            return Verdict(None)
        if told.kind != "table":
            return Verdict(unknown(f"expect table output from Lua script, not {told.kind}"), failed=True)
        if told.status not in _STATUSES:
            return Verdict(unknown(_INVALID))
        return Verdict(Health(HealthStatus(told.status), told.message or ""), told.going or "")

    def actions(self, obj: Mapping[str, Any]) -> list[Action]:
        """What can be done to an object, by name.

        Raises:
            ScriptError: a script fails or had to be stopped.
        """
        found: dict[str, Action] = {}
        for library in self._libraries:
            scripts = library.actions(_key(obj))
            if scripts is None or scripts.discovery is None:
                continue
            for action in _discovered(self._ran(scripts.discovery, obj), scripts.discovery):
                found.setdefault(action.name, action)
            if not scripts.with_built_in:
                break
        return [found[name] for name in sorted(found)]

    def act(self, obj: Mapping[str, Any], name: str, parameters: Mapping[str, Any] | None = None) -> list[Impact]:
        """What the action `name` wants written; nothing is written here.

        Raises:
            MissingError: there is no such action.
            ScriptError: the script fails or had to be stopped, or returns what is no object.
        """
        for library in self._libraries:
            scripts = library.actions(_key(obj))
            source = scripts.actions.get(name) if scripts else None
            if source is not None:
                return _impacts(self._ran(source, obj, parameters), obj, source)
        raise MissingError(f"a {obj.get('kind')} has no action {name}")

    # --- running --------------------------------------------------------------------------------------------------

    def _health_source(self, key: str) -> Source | None:
        if key not in self._found:
            sources = (library.health(key) for library in self._libraries)
            self._found[key] = next(filter(None, sources), None)
        return self._found[key]

    def _judged(self, source: Source, obj: Mapping[str, Any]) -> Judged:
        script = self._script(source)
        try:
            return self._lua().judge(script, obj)
        except ScriptError as error:
            raise self._noted(source, error) from error

    def _ran(self, source: Source, obj: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Any:
        return self._lua().run(self._script(source), obj, parameters)

    def _script(self, source: Source) -> Script:
        found = self._scripts.get(source)
        if found is None:
            try:
                found = self._lua().compile(source.name, source.text)
            except ScriptError as error:
                found = error
            self._scripts[source] = found
        if isinstance(found, ScriptError):
            raise ScriptError(found.message)
        return found

    def _noted(self, source: Source, error: ScriptError) -> ScriptError:
        """A script that has to be stopped for each of a thousand objects would hold everything up."""
        if error.stopped:
            self._strikes[source] = self._strikes.get(source, 0) + 1
            if self._strikes[source] >= _STRIKES:
                self._scripts[source] = ScriptError(f"{error.message}; it is not run any more")
        return error

    def _lua(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox()
        return self._sandbox


def _key(obj: Mapping[str, Any]) -> str:
    group = split_api_version(str(obj.get("apiVersion") or ""))[0]
    kind = str(obj.get("kind") or "")
    return f"{group}/{kind}" if group else kind


def _discovered(result: Any, source: Source) -> list[Action]:
    if result == []:
        return []
    if not isinstance(result, dict):
        raise ScriptError(f"the script {source.name}: it did not return a table of actions")
    return [_action(name, told if isinstance(told, dict) else {}, source) for name, told in result.items()]


def _action(name: str, told: Mapping[str, Any], source: Source) -> Action:
    try:
        return msgspec.convert({"name": name} | {key: value for key, value in told.items() if value != []}, Action)
    except msgspec.ValidationError as error:
        raise ScriptError(f"the script {source.name}: action {name}: {error}") from error


def _impacts(result: Any, obj: Mapping[str, Any], source: Source) -> list[Impact]:
    """An object that the action has changed (the old way), or a list of operations with their objects."""
    if isinstance(result, dict):
        result = [{"operation": "patch", "resource": result}]
    if not isinstance(result, list):
        raise ScriptError(f"the script {source.name}: it returned no object")
    impacts = []
    for each in result:
        operation, made = (each.get("operation"), each.get("resource")) if isinstance(each, dict) else (None, None)
        if operation not in ("patch", "create") or not isinstance(made, dict):
            raise ScriptError(f"the script {source.name}: unsupported operation: {operation}")
        impacts.append(Impact(operation, _restored(made, obj) if operation == "patch" else made))
    return impacts


def _restored(new: Obj, old: Mapping[str, Any]) -> Obj:
    """Lua has one empty table for both; where the object had a map it is one again (`cleanReturnedObj`)."""
    return {key: _restored_value(value, old.get(key)) for key, value in new.items()}


def _restored_value(new: Any, old: Any) -> Any:
    if isinstance(new, dict):
        return _restored(new, old) if isinstance(old, Mapping) else new
    if isinstance(new, list):
        if isinstance(old, Mapping):
            return new or {}
        if isinstance(old, list):
            known = zip(new, old, strict=False)
            # In an array, an empty one stays what Lua made of it.
            cleaned = [_restored_value(item, was) if type(item) is type(was) else item for item, was in known]
            return cleaned + new[len(old) :]
    return new
