"""Argo CD's scripts: where they are found, what they may do, and how they are stopped.

Compared with Argo CD v3.6.1 on its own scripts and test data: 1,395 objects, the same status and message for each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetui.health import assess, load_customizations
from fleetui.health.lua.customizations import Action, Impact, LuaCustomizations
from fleetui.health.lua.library import read_config, read_folder
from fleetui.health.lua.sandbox import Judged, Sandbox, ScriptError
from fleetui.model.errors import MissingError, UsageError
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus

SANDBOX = Sandbox()
WIDGET: Obj = {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"ready": True}}


def judged(source: str, obj: Obj | None = None) -> Judged:
    return SANDBOX.judge(SANDBOX.compile("it.lua", source), obj or WIDGET)


def value(expression: str) -> Any:
    """What an expression is, as text."""
    return judged(f"return {{status = tostring({expression})}}")[1]


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


# --- the sandbox --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "absent",
    "io os.execute os.getenv os.remove os.exit package load loadstring loadfile dofile debug getfenv setfenv xpcall "
    "coroutine string.rep string.dump python jit ffi newproxy collectgarbage module math.random".split(),
)
def test_what_a_script_has_not(absent: str) -> None:
    assert value(absent) == "nil"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("obj.metadata.name", "w"),
        ("#obj.metadata.name", "1"),
        ("os.date('!%Y', 0)", "1970"),
        ("require('os').time() > 0", "true"),
        ("table.getn({1, 2})", "2"),
        ("table.concat({1, 2}, '-')", "1-2"),
        ("math.huge > 1", "true"),
        ("('A-1'):lower():gsub('%-', '+')", "a+1"),
        ("tonumber('0x10')", "16"),
        ("select('#', pcall(error))", "2"),
        ("_G.obj == obj", "true"),
        ("1234567890123456", "1234567890123456"),
        ("0.1 * 3", "0.30000000000000004"),
        ("1e21", "1e+21"),
        ("1 / 0", "inf"),
        ("os.time({year = '2024', month = '01', day = 2, hour = 0}) > os.time({})", "true"),
        ("getmetatable('')", "nil"),
        ("getmetatable(setmetatable({}, {__index = 1})).__index", "1"),
    ],
)
def test_what_a_script_has(expression: str, result: str) -> None:
    assert value(expression) == result


def test_goto_works_as_in_argo_cd() -> None:
    assert judged("goto on do return {status = 'no'} end ::on:: return {status = 'yes'}")[1] == "yes"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while true do end", "more than 2000000 instructions"),
        ("while true do pcall(function() while true do end end) end", "more than 2000000 instructions"),
        ("setmetatable(obj, {__index = function() while true do end end}) return obj.x", "more than 2000000 instr"),
        ("local s = 'x' while true do s = s .. s end", "not enough memory"),
        ("local s = 'x' for i = 1, 22 do s = s .. s end while true do local x = s:lower() end", "more than 1 s"),
        ("return ('" + "a" * 60 + "'):find('" + "a-" * 20 + "b')", "more than 2000000 instructions"),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
    ],
)
def test_a_script_that_does_not_end_is_stopped_and_named(source: str, reason: str) -> None:
    with pytest.raises(ScriptError, match=reason) as caught:
        judged(source)
    assert caught.value.message.startswith("the script it.lua:")
    assert judged("return {status = 'fine'}")[1] == "fine"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("return (", "the script it.lua:1: unexpected symbol near '<eof>'"),
        ("\nreturn obj.a.b", "the script it.lua:2: attempt to index field 'a' (a nil value)"),
        ("error('no such luck')", "the script it.lua:1: no such luck"),
        ("require('io')", "the script it.lua:1: module io is not available"),
        ("\x1bLJ", "the script it.lua: byte code"),
        ("return {status = '\\255'}", "the script it.lua: text that is no UTF-8"),
    ],
)
def test_a_script_that_fails_says_where(source: str, sentence: str) -> None:
    with pytest.raises(ScriptError) as caught:
        judged(source)
    assert caught.value.message == sentence


def test_a_script_leaves_nothing_behind() -> None:
    judged("string.find = nil table.insert = nil _G.tostring = nil obj.metadata = nil here = 1 return {}")
    assert value("string.find('a', 'a') == 1 and table.insert ~= nil and here == nil") == "true"
    assert WIDGET["metadata"] == {"name": "w"}


PATTERN = st.lists(
    st.sampled_from(
        [*"ab.*+-?^$()", "%a", "%d", "%w", "%%", "[ab]", "[^a]", "[a-c]", "[%d_]", "%1", "%b()", "%f[%w]", "()"]
    ),
    max_size=8,
).map("".join)
SUBJECT = st.text(alphabet="ab1( )_%", max_size=12)


@given(SUBJECT, PATTERN, st.integers(-3, 4), st.sampled_from(["", "x", "%0%0", "<%1>", "%%"]))
def test_patterns_in_lua_fit_as_those_in_c(subject: str, pattern: str, start: int, replacement: str) -> None:
    both = [run(subject, pattern, start, replacement) for run in (IN_C, IN_LUA)]
    assert both[0] == both[1]


def _four_calls(*, in_c: bool) -> Any:
    """A function that calls find, match, gmatch and gsub, and tells all that came of it."""
    from lupa.luajit21 import LuaRuntime

    from fleetui.health.lua import sandbox

    lua = LuaRuntime(unpack_returned_tuples=True)
    slow = lua.execute(sandbox._text("patterns.lua"))
    c_ones = lua.execute("return string.find, string.match, string.gmatch, string.gsub")
    find, match, gmatch, gsub = c_ones if in_c else slow
    call = lua.execute(
        """return function(find, match, gmatch, gsub, s, p, from, with)
          local function said(ok, ...)
            if not ok then return "error: " .. tostring((...)) end
            local made = {}
            for i = 1, select("#", ...) do made[i] = tostring((select(i, ...))) end
            return table.concat(made, "|")
          end
          local function all()
            local made = {}
            for a, b in gmatch(s, p) do
              made[#made + 1] = tostring(a) .. "," .. tostring(b)
              if #made > 30 then break end
            end
            return table.concat(made, ";")
          end
          return table.concat({said(pcall(find, s, p, from)), said(pcall(match, s, p, from)), said(pcall(all)),
                               said(pcall(gsub, s, p, with))}, "\\n")
        end"""
    )
    return lambda *arguments: _words(call(find, match, gmatch, gsub, *arguments))


def _words(text: str) -> str:
    """Errors are told in slightly other words."""
    return re.sub(r"error: .*", "error", text)


IN_C, IN_LUA = _four_calls(in_c=True), _four_calls(in_c=False)


# --- health -------------------------------------------------------------------------------------------------------


MIXED = "the script x.io/Widget/health.lua: it returned a table with mixed keys"
NO_JSON = "the script x.io/Widget/health.lua: it returned what is no JSON"


@pytest.mark.parametrize(
    ("source", "health"),
    [
        ("return {status = 'Degraded', message = 'broken'}", Health(HealthStatus.DEGRADED, "broken")),
        ("return {status = 'Healthy'}", Health(HealthStatus.HEALTHY)),
        ("return {status = 'Splendid'}", Health(HealthStatus.UNKNOWN, "Lua returned an invalid health status")),
        ("return {message = 'm'}", Health(HealthStatus.UNKNOWN, "Lua returned an invalid health status")),
        ("return {status = 'Healthy', message = 5}", None),
        ("return {'Healthy', 'm'}", None),
        ("return {Status = 'Healthy', MESSAGE = 'm', more = {1}}", Health(HealthStatus.HEALTHY, "m")),
        ("return 1, {status = 'Healthy'}", Health(HealthStatus.HEALTHY)),
        ("return", None),
        ("return {status = 'Healthy', [1] = 2}", Health(HealthStatus.UNKNOWN, MIXED)),
        ("return {status = 'Healthy', more = 0/0}", Health(HealthStatus.UNKNOWN, NO_JSON)),
        ("return 'Healthy'", Health(HealthStatus.UNKNOWN, "expect table output from Lua script, not string")),
        ("error('x')", Health(HealthStatus.UNKNOWN, "the script x.io/Widget/health.lua:1: x")),
        ("return nil", None),
        ("return {}", None),
    ],
)
def test_what_a_health_script_returns(tmp_path: Path, source: str, health: Health | None) -> None:
    folder = written(tmp_path, {"x.io/Widget/health.lua": source})
    assert assess(WIDGET, load_customizations(folder)) == health


@pytest.mark.parametrize(
    ("source", "health"),
    [
        ("return {status = 'Healthy'}", Health(HealthStatus.PROGRESSING, "Pending deletion")),
        ("return {}", Health(HealthStatus.PROGRESSING, "Pending deletion")),
        ("return {status = 'Odd'}", Health(HealthStatus.PROGRESSING, "Pending deletion")),
        (
            "return {status = 'Degraded', message = 'm', deletionMessage = 'held by a bucket'}",
            Health(HealthStatus.DEGRADED, "held by a bucket"),
        ),
        ("error('x')", Health(HealthStatus.UNKNOWN, "the script x.io/Widget/health.lua:1: x")),
        ("return 1", Health(HealthStatus.UNKNOWN, "expect table output from Lua script, not number")),
    ],
)
def test_an_object_that_is_being_deleted(tmp_path: Path, source: str, health: Health) -> None:
    folder = written(tmp_path, {"x.io/Widget/health.lua": source})
    going = WIDGET | {"metadata": {"name": "w", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert assess(going, load_customizations(folder)) == health


def test_a_script_that_knows_no_health_leaves_nothing_to_the_conditions(tmp_path: Path) -> None:
    folder = written(tmp_path, {"x.io/Widget/health.lua": "if obj.spec then return {} end"})
    ready = WIDGET | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert assess(ready, load_customizations(folder)) == Health(HealthStatus.HEALTHY)
    assert assess(ready | {"spec": {}}, load_customizations(folder)) is None


SAYS = "return {{status = 'Healthy', message = '{}'}}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("x.io/v1/Widget", "exact"),
        ("x.io/v2/Gadget", "any of x.io"),
        ("a.crossplane.io/v1/Bucket", "crossplane"),
        ("b.a.crossplane.io/v1beta1/Bucket", "crossplane"),
        ("v1/Secret", "core"),
        ("crossplane.io/v1/Bucket", None),
        ("y.io/v1/Widget", None),
        ("v1/ConfigMap", None),
    ],
)
def test_which_script_of_a_folder_is_taken(tmp_path: Path, kind: str, message: str | None) -> None:
    files = {"x.io/Widget": "exact", "x.io/_": "any of x.io", "_.crossplane.io/_": "crossplane", "Secret": "core"}
    folder = written(tmp_path, {f"{name}/health.lua": SAYS.format(said) for name, said in files.items()})
    api_version, _, name = kind.rpartition("/")
    found = assess({"apiVersion": api_version, "kind": name, "metadata": {}}, load_customizations(folder))
    assert (found and found.message) == message


def test_a_hub_comes_before_a_folder(tmp_path: Path) -> None:
    folder = written(tmp_path, {f"x.io/{kind}/health.lua": SAYS.format("folder") for kind in ("A", "B", "C", "D")})
    config = {
        "resource.customizations.health.x.io_A": SAYS.format("key"),
        "resource.customizations": 'x.io/B: {health.lua: "' + SAYS.format("map") + '"}\n'
        "'*.io/C': {health.lua: \"" + SAYS.format("pattern") + '"}\n',
        "resource.customizations.ignoreDifferences.x.io_A": "jsonPointers: [/spec]",
        "resource.customizations.health.Secret": SAYS.format("core"),
    }
    customizations = load_customizations(folder, config=config)
    found = [assess({"apiVersion": "x.io/v1", "kind": kind}, customizations) for kind in "ABCD"]
    assert [health and health.message for health in found] == ["key", "map", "pattern", "folder"]
    assert assess({"apiVersion": "v1", "kind": "Secret"}, customizations) == Health(HealthStatus.HEALTHY, "core")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"resource.customizations": "a: [b"}, "argocd-cm: resource.customizations is not YAML"),
        ({"resource.customizations": "[a]"}, "argocd-cm: resource.customizations is not a map"),
        ({"resource.customizations": "a: b"}, "argocd-cm: resource.customizations is not a map of maps"),
        ({"resource.customizations.helth.a_b": ""}, "resource customization type helth not supported"),
        ({"resource.customizations.health.a_b_c": ""}, "a group and kind is written GROUP_KIND"),
        ({"resource.customizations.actions.a_b": "definitions: x"}, "definitions is not a list of maps"),
    ],
)
def test_a_config_map_that_is_wrong(config: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        read_config(config)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        read_folder(tmp_path / "absent")


def test_a_script_that_has_to_be_stopped_again_and_again_is_given_up(tmp_path: Path) -> None:
    folder = written(tmp_path, {"x.io/Widget/health.lua": "while obj.status.ready do end return {status = 'Healthy'}"})
    customizations = load_customizations(folder)
    stopped = [assess(WIDGET, customizations) for _ in range(4)]
    assert [health and health.status for health in stopped] == ["Unknown"] * 4
    fine = WIDGET | {"status": {"ready": False}}
    assert (assess(fine, customizations) or Health(HealthStatus.HEALTHY)).message.endswith("; it is not run any more")


# --- actions ------------------------------------------------------------------------------------------------------

DISCOVERY = "return {pause = {disabled = obj.spec.paused, displayName = 'Pause it', iconClass = 'fa'}, resume = {}}"
PAUSE = "obj.spec.paused = true return obj"
SPAWN = """
return {{operation = 'create', resource = {kind = actionParams.kind or 'Job'}}, {operation = 'patch', resource = obj}}
"""


@pytest.fixture
def acting(tmp_path: Path) -> LuaCustomizations:
    files = {
        "discovery.lua": DISCOVERY,
        "pause/action.lua": PAUSE,
        "spawn/action.lua": SPAWN,
        "odd/action.lua": "return 5",
    }
    folder = written(tmp_path, {f"x.io/Widget/actions/{name}": text for name, text in files.items()})
    return LuaCustomizations([read_folder(folder)])


THING: Obj = {
    "apiVersion": "x.io/v1",
    "kind": "Widget",
    "metadata": {"labels": {}},
    "spec": {"list": [], "items": [{"map": {}}], "paused": False},
}


def test_which_actions_there_are(acting: LuaCustomizations) -> None:
    assert acting.actions(THING) == [Action("pause", False, "Pause it", "fa"), Action("resume")]
    assert acting.actions({"apiVersion": "x.io/v1", "kind": "Other"}) == []


def test_an_action_changes_the_object_and_nothing_else(acting: LuaCustomizations) -> None:
    # An empty table was a map or a list: it is what it was before.
    assert acting.act(THING, "pause") == [Impact("patch", THING | {"spec": THING["spec"] | {"paused": True}})]


def test_an_action_may_create_something(acting: LuaCustomizations) -> None:
    created, patched = acting.act(THING, "spawn", {"kind": "Pod"})
    assert (created, patched.operation) == (Impact("create", {"kind": "Pod"}), "patch")


def test_an_action_that_is_none(acting: LuaCustomizations) -> None:
    with pytest.raises(MissingError, match="a Widget has no action explode"):
        acting.act(THING, "explode")
    with pytest.raises(ScriptError, match="it returned no object"):
        acting.act(THING, "odd")


def test_a_hubs_actions_stand_alone_or_beside_those_of_the_folder(acting: LuaCustomizations) -> None:
    actions = "discovery.lua: return {own = {}}\ndefinitions: [{name: own, action.lua: return obj}]\n"
    name = "resource.customizations.actions.x.io_Widget"
    alone = LuaCustomizations([read_config({name: actions}), *acting._libraries])
    assert [action.name for action in alone.actions(THING)] == ["own"]
    beside = LuaCustomizations([read_config({name: actions + "mergeBuiltinActions: true"}), *acting._libraries])
    assert [action.name for action in beside.actions(THING)] == ["own", "pause", "resume"]
    assert beside.act(THING, "own") == [Impact("patch", THING)]
