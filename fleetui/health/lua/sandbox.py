"""Scripts that Argo CD's users wrote, run where they can do no harm.

Owns: `Sandbox`: Lua itself, its limits, and the way in and out. Called by `customizations`.
Rules: argo-cd v3.6.1 util/lua/lua.go, which stops a script after a second. Here instructions and memory are counted
too, so that the same script fails in the same way on any machine.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from fleetui.model.errors import FleetError
from fleetui.model.objects import MAX_DEPTH, json_flaw
from fleetui.model.text import one_line

INSTRUCTIONS = 2_000_000
"""Of LuaJIT's interpreter: some 20 ms. Argo CD's own scripts need some thousands."""
SECONDS = 1
"""Of processor time, as in Argo CD."""
WAYS = 1_000_000
"""In which a pattern may fit at most, to be matched where nothing can be counted: some milliseconds."""
MEMORY = 64 * 2**20
"""Bytes for everything that a runtime holds."""
_NO_MEMORY = "not enough memory"
"""What Lua says then, where it can still say it."""
_COLLECT = 16 * 2**20
"""Bytes held from which on a runtime is cleaned before the next run, so that no script pays for those before it."""


class ScriptError(FleetError):
    """A script that can't be compiled, fails, or does not end; the sentence names it.

    `stopped`: it had to be, for the time or the memory that it took.
    """

    def __init__(self, message: str, *, stopped: bool = False) -> None:
        super().__init__(message)
        self.stopped = stopped


class Script:
    """A compiled script; made by `Sandbox.compile`."""

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self.function = function


class Judged(NamedTuple):
    """What a health script returned: `kind` is ``table``, ``empty`` or the type of what is no table."""

    kind: str
    status: str | None = None
    message: str | None = None
    going: str | None = None
    """What is said of an object that is being deleted (``deletionMessage``)."""


class Sandbox:
    """One Lua runtime. May be used by any thread, one at a time."""

    def __init__(self) -> None:
        from lupa.luajit21 import LuaError, LuaMemoryError, LuaRuntime

        self._errors = (LuaError, LuaMemoryError, UnicodeDecodeError, UnicodeEncodeError)
        self._lock = threading.Lock()
        self._lua = LuaRuntime(
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_nothing,
            max_memory=MEMORY,
        )
        patterns = self._lua.execute(_text("patterns.lua"))
        limits = (INSTRUCTIONS, SECONDS, WAYS)
        self._compile, self._run, self._judge = self._lua.execute(_text("host.lua"), *limits, *patterns)

    def compile(self, name: str, source: str) -> Script:
        """A script that can be run often.

        Args:
            name: what it is called in messages, such as its file.

        Raises:
            ScriptError: it is not Lua; the sentence has the line.
        """
        with self._lock:
            try:
                found = self._compile(source, f"={one_line(name)[:200]}")
            except self._errors as error:
                raise self._failed(name, error) from error
        function, problem = found if isinstance(found, tuple) else (found, "")
        if function is None:
            raise ScriptError(f"the script {problem if name in str(problem) else f'{name}: {problem}'}")
        return Script(name, function)

    def judge(self, script: Script, obj: Mapping[str, Any]) -> Judged:
        """Runs a health script.

        Raises:
            ScriptError: it failed, did not end, or returned what is no JSON.
        """
        found = self._called(script, self._judge, obj)
        kind, *told = found if isinstance(found, tuple) else (found,)
        if kind == "error":
            raise self._failed(script.name, str(told[0]))
        if kind == "other":
            return _as_go_reads(_plain(told[0], script.name))
        return Judged(kind, *told)

    def run(self, script: Script, obj: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Any:
        """Runs an action's script; returns what it returned, tables as dicts or lists (an empty one as a list).

        Raises:
            ScriptError: it failed, did not end, or returned what is no JSON.
        """
        found = self._called(script, self._run, obj, parameters or {})
        ok, result = found if isinstance(found, tuple) else (found, None)
        if not ok:
            raise self._failed(script.name, str(result))
        return _plain(result, script.name)

    def _called(self, script: Script, function: Any, *arguments: Mapping[str, Any]) -> Any:
        for argument in arguments:
            # A key that Lua can't have would end the process.
            if flaw := json_flaw(argument):
                raise ScriptError(f"the script {script.name}: the object {flaw}")
        with self._lock:
            if self._lua.get_memory_used() > _COLLECT:
                self._lua.gccollect()
            try:
                return function(script.function, *self._tables(script.name, arguments))
            except OverflowError as error:
                raise ScriptError(f"the script {script.name}: a number that is too large for Lua") from error
            except self._errors as error:
                raise self._failed(script.name, error) from error

    def _tables(self, name: str, values: Sequence[Mapping[str, Any]]) -> list[Any]:
        # To be short of memory here would end the process: lupa protects calls, not the making of tables.
        self._lua.set_max_memory(0)
        try:
            tables = [self._lua.table_from(value, recursive=True) for value in values]
            used = self._lua.get_memory_used()
            if used <= MEMORY // 2:
                return tables
            del tables
            self._lua.gccollect()
        finally:
            self._lua.set_max_memory(MEMORY)
        raise ScriptError(f"the script {name}: the object is too large for it")

    def _failed(self, name: str, error: Exception | str) -> ScriptError:
        if isinstance(error, UnicodeError):
            return ScriptError(f"the script {name}: text that is no UTF-8")
        words = str(error) or _NO_MEMORY
        stopped = words == _NO_MEMORY or words.startswith("it ran for more than ")
        return ScriptError(_sentence(name, words), stopped=stopped)


def _text(name: str) -> str:
    return resources.files("fleetui.health.lua").joinpath(name).read_text(encoding="utf-8")


def _nothing(*_: object) -> object:
    """No script ever gets at an attribute of a Python object."""
    raise AttributeError("not available")


def _as_go_reads(result: Any) -> Judged:
    """A table with more, or other, than the three texts: encoding/json takes names in any case, the last in order
    counts, and a value that is no text makes the whole an empty one (argo-cd v3.6.1 util/lua/lua.go,
    ExecuteHealthLua)."""
    found: dict[str, str] = {}
    for name in sorted(result) if isinstance(result, dict) else ():
        if name.lower() in ("status", "message", "deletionmessage"):
            if not isinstance(result[name], str):
                return Judged("empty")
            found[name.lower()] = result[name]
    if not isinstance(result, dict):
        return Judged("empty")
    return Judged("table", found.get("status"), found.get("message"), found.get("deletionmessage"))


def _sentence(name: str, words: str) -> str:
    """Lua's own messages begin with the script's name and the line."""
    words = one_line(words)[:500]
    return f"the script {words}" if words.startswith(f"{name}:") else f"the script {name}: {words}"


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """A Lua value as JSON has it (layeh.com/gopher-json, encode)."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if depth > MAX_DEPTH or not hasattr(value, "items"):
        raise ScriptError(f"the script {name}: it returned what is no JSON")
    items = list(value.items())
    keys = [key for key, _ in items]
    if all(isinstance(key, int) for key in keys):
        if keys != list(range(1, len(keys) + 1)):
            raise ScriptError(f"the script {name}: it returned a sparse array")
        return [_plain(item, name, depth + 1) for _, item in items]
    if not all(isinstance(key, str) for key in keys):
        raise ScriptError(f"the script {name}: it returned a table with mixed keys")
    return {key: _plain(item, name, depth + 1) for key, item in items}
