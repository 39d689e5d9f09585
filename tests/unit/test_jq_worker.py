"""jq path expressions that compute, evaluated by a real jq in another process: what they name, what they can't do."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from backends import jq as backend
from backends.jq import JqWorker
from fleetui.diff import Ignored, IgnoreRule, ignore, jq
from fleetui.diff.jqpaths import remove_paths
from fleetui.model.errors import ExpressionError
from fleetui.ports import PathExpressions
from tests.waiting import await_until, wait_until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jq") is None, reason="jq is an extra: pip install 'fleetui[jq]'"
)

PATIENCE = 20.0
FOREVER = "last(range(1e12))"
WEB: dict[str, Any] = {
    "metadata": {
        "labels": {"app": "web", "helm.sh/chart": "web-1.2"},
        "annotations": {"a.io/x": "1", "b.io/y": "2"},
    },
    "spec": {
        "replicas": 3,
        "containers": [
            {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "TOKEN_2", "value": "x"}]},
            {"name": "istio-proxy", "image": "proxy:9"},
            {"name": "vault", "image": "v:1", "env": []},
        ],
        "init": None,
        "numbers": [1, 2.5, -3, 0],
        "deep": [[1, [2, [3]]], [4]],
    },
}


@pytest.fixture(scope="module")
def shared() -> Iterator[JqWorker]:
    worker = JqWorker()
    yield worker
    worker.close()


@pytest.fixture
def own() -> Iterator[JqWorker]:
    worker = JqWorker()
    yield worker
    worker.close()


def ignored(worker: JqWorker, expression: str, obj: Any = WEB) -> Ignored:
    rule = IgnoreRule(kind="*", group="*", jq_path_expressions=(expression,))
    return ignore([rule], None, obj, evaluate=worker.paths)


def sentence(worker: JqWorker, expression: str, obj: Any = WEB) -> str:
    with pytest.raises(ExpressionError) as caught:
        worker.paths(expression, obj)
    return str(caught.value)


def left(expression: str) -> Any:
    """What an expression leaves that only names places."""
    query = jq.parse(expression)
    assert query is not None, expression
    result = copy.deepcopy(WEB)
    remove_paths(result, jq.paths(query, result))
    assert result != WEB, expression
    return result


# --- what they give -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "plainly"),
    [
        ('.spec.containers[] | select(.name | test("^istio"))', ".spec.containers[1]"),
        ('.spec.containers[] | select(.name | test("^ISTIO"; "i")).image', ".spec.containers[1].image"),
        (
            '.spec.containers[].env[]? | select(.name | test("TOKEN_\\\\d+")) | .value',
            ".spec.containers[0].env[1].value",
        ),
        (
            '.spec.containers[].env[]? | select(.name | capture("(?<n>\\\\d)$") | .n == "2")',
            ".spec.containers[0].env[1]",
        ),
        ('.spec.containers[] | select(.name | ltrimstr("istio-") == "proxy")', ".spec.containers[1]"),
        ('.spec.containers[] | select(.name | split("-") | length > 1)', ".spec.containers[1]"),
        ('.spec.containers[] | select(.name | IN("vault", "x"))', ".spec.containers[2]"),
        ('.spec.containers[] | select(.name as $n | ["x", "vault"] | index($n))', ".spec.containers[2]"),
        ('.spec.containers[] | select(any(.env[]?; .name == "A"))', ".spec.containers[0]"),
        ('.spec.containers[] | select(all(.env[]?; .name == "A"))', ".spec.containers[1], .spec.containers[2]"),
        (".spec.containers[] | select(.env | length == 0)", ".spec.containers[1], .spec.containers[2]"),
        (".spec.containers | first", ".spec.containers[0]"),
        (".spec.containers[-1:]", ".spec.containers[2]"),
        (".spec.containers[1:]", ".spec.containers[1], .spec.containers[2]"),
        (".spec.containers[:-1][0].image", ".spec.containers[0].image"),
        (".spec.containers[1:][:1]", ".spec.containers[1]"),
        (".spec.containers[1:][1].image", ".spec.containers[2].image"),
        (".spec.containers[0.5:1.5]", ".spec.containers[0], .spec.containers[1]"),
        (".spec.containers[1.9]", ".spec.containers[1]"),
        (".spec.containers[-1.5]", ".spec.containers[2]"),
        (".spec.containers[(0, -1)]", ".spec.containers[0], .spec.containers[2]"),
        (".spec.containers[-1, 2, 0]", ".spec.containers[0], .spec.containers[2]"),
        (".spec.containers[range(2)].image", ".spec.containers[0].image, .spec.containers[1].image"),
        ("limit(2; .spec.containers[])", ".spec.containers[0], .spec.containers[1]"),
        ('until(type == "array"; .spec.containers)', ".spec.containers"),
        (".. | .image?", ".spec.containers[].image"),
        ('.. | select(type == "object" and has("image")) | .image', ".spec.containers[].image"),
        ('getpath(["spec", "replicas"])', ".spec.replicas"),
        ('getpath(paths | select(.[-1] == "image"))', ".spec.containers[].image"),
        ('getpath(["spec", "containers", {"start": 1, "end": null}])', ".spec.containers[1], .spec.containers[2]"),
        ('.metadata.labels | .[keys[] | select(startswith("helm"))]', '.metadata.labels["helm.sh/chart"]'),
        ('.metadata.labels | .[to_entries[] | select(.value == "web") | .key]', ".metadata.labels.app"),
        (".metadata.labels | first(.[])", ".metadata.labels.app"),
        ('.metadata.annotations | .["b.io/" + "y"]', '.metadata.annotations["b.io/y"]'),
        ('.metadata["lab\\("els")"]', ".metadata.labels"),
        ("if .spec.replicas > 2 then .spec.replicas else .metadata end", ".spec.replicas"),
        (".spec.none // .spec.replicas", ".spec.replicas"),
        (".spec.replicas // .metadata", ".spec.replicas"),
        (".spec | try .replicas catch .", ".spec.replicas"),
        ("(.spec.replicas - 2) as $at | .spec.numbers[$at]", ".spec.numbers[1]"),
        ("label $done | .spec.replicas, break $done, .metadata", ".spec.replicas"),
        ("def f(g): g | .replicas; f(.spec)", ".spec.replicas"),
        (".spec.numbers[] | select(. > 1 and . < 100)", ".spec.numbers[1]"),
        (".spec.numbers[] | select(floor != .)", ".spec.numbers[1]"),
        (".spec.numbers | .[length - 1]", ".spec.numbers[3]"),
        (".spec.deep[0][1] | .[1:] | .[0] | .[0]", ".spec.deep[0][1][1][0]"),
        ("select(.spec.deep | flatten == [1, 2, 3, 4]) | .spec.deep", ".spec.deep"),
        ('select(.spec.containers | map(.name) | sort | join(",") == "istio-proxy,vault,web") | .spec', ".spec"),
        ("select($ENV == {} and (env | length == 0)) | .spec", ".spec"),
    ],
)
def test_what_computes_names_the_same_places_as_with_gojq(shared: JqWorker, expression: str, plainly: str) -> None:
    """Each leaves what gojq 0.12.19 leaves, which Argo CD 3.6 evaluates ``del(EXPRESSION)`` with."""
    assert jq.parse(expression) is None
    assert ignored(shared, expression) == (None, left(plainly), (), ())


@pytest.mark.parametrize(
    "expression",
    [
        ".spec.containers[] | select(.env | length > 9)",
        ".spec.init[0:1]",
        ".spec.containers[9:]",
        ".spec.containers[2:1]",
        ".spec.containers[:1][1]",
        ".spec.containers[:1][-3]",
        'getpath(["spec", "none", "deeper"])',
        'getpath(["spec", "replicas", "x"])',
        ".spec.containers | map(.image)",
        ".spec | keys",
        ".spec.replicas |= 1",
        '.spec.containers | .[map(.name) | index("istio-proxy")] | .image | .x',
        ".spec.replicas, (.spec | error)",
        ".spec.replicas, .spec.numbers[0:1].x",
        "..",
        "[.spec]",
        "path(.spec)",
        'reduce ("spec", "replicas") as $key (.; .[$key])',
        ".spec.containers[nan]",
        "limit(-1; .spec.containers[])",
    ],
)
def test_what_names_nothing_or_does_not_fit_removes_nothing(shared: JqWorker, expression: str) -> None:
    assert jq.parse(expression) is None
    assert ignored(shared, expression) == (None, WEB, (), ())


def test_an_expression_sees_what_those_before_it_left(shared: JqWorker) -> None:
    rule = IgnoreRule(
        kind="*",
        group="*",
        json_pointers=("/spec/containers/0",),
        jq_path_expressions=(".spec.containers | last", ".spec.containers[0].image", ".spec.containers | first(.[])"),
    )
    sides = ignore([rule], WEB, WEB, evaluate=shared.paths)
    assert sides.desired == sides.live
    assert sides.live is not None
    assert sides.live["spec"]["containers"] == []


def test_what_only_names_places_never_leaves_the_process() -> None:
    asked: list[str] = []

    def evaluate(expression: str, obj: Any) -> list[list[Any]]:
        asked.append(expression)
        return [["spec", "numbers", {"start": 1, "end": None}]]

    rule = IgnoreRule(kind="*", group="*", jq_path_expressions=(".spec.replicas", ".spec.numbers[1:]", ".metadata"))
    sides = ignore([rule], None, WEB, evaluate=evaluate)
    assert asked == [".spec.numbers[1:]"]
    assert sides.live is not None
    assert sides.live["spec"]["numbers"] == [1]
    assert "metadata" not in sides.live


# --- what they can't do ---------------------------------------------------------------------------------------------


def test_the_environment_is_not_there(own: JqWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETUI_TEST_TOKEN", "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    for expression in ('$ENV.FLEETUI_TEST_TOKEN // "none"', '$ENV | keys | .[0] // "none"', "env | tojson"):
        assert own.paths(f".[{expression}]", {})[0][0] in {"none", "{}"}


@pytest.mark.parametrize("expression", ["def f: f; f", FOREVER, "until(false; .)", "[repeat(1) | select(. == 2)]"])
def test_what_does_not_end_is_ended(shared: JqWorker, expression: str) -> None:
    assert sentence(shared, expression) == f"{expression!r} did not end within 1 s and was stopped"
    assert shared.paths(".spec | .[keys[0]]", WEB) == [["spec", "containers"]]


@pytest.mark.parametrize("expression", ['reduce range(40) as $i ("a"; . + .)', "[range(1e12)]", "def f: 1 + f; f"])
def test_what_wants_too_much_memory_is_ended(shared: JqWorker, expression: str) -> None:
    told = sentence(shared, expression)
    # Which of the two limits comes first is the machine's.
    assert "may need more than 512 MB of memory" in told or "did not end within 1 s" in told
    assert shared.paths(".spec | .[keys[0]]", WEB) == [["spec", "containers"]]


@pytest.mark.parametrize(
    "expression",
    [
        *("input", "try input catch .", "[inputs]", "debug", 'debug("x")', "stderr", "input_filename"),
        *("halt", '"x" | halt_error', '"x" | modulemeta', ".spec.replicas, halt", "get_search_list"),
    ],
)
def test_what_argo_cd_has_not_is_refused(shared: JqWorker, expression: str) -> None:
    assert "asks for input, debug, halt or the like" in sentence(shared, expression)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", 'Top-level program not given (try ".")'),
        (".spec |", "syntax error, unexpected end of file"),
        (".spec # all of it", "syntax error, unexpected end of file, expecting ';' or ')'"),
        (".spec) | (.metadata", "syntax error"),
        (".spec)] | [.metadata #", "syntax error"),
        (".spec\0", "it has a NUL character in it"),
        ("$nope", "$nope is not defined"),
        ("nope(1)", "nope/1 is not defined"),
        ('import "a" as a; .spec', "module not found: a"),
        ('include "a"; .spec', "module not found: a"),
        ("\x1b[31m\n.x", "syntax error"),
    ],
)
def test_what_is_no_jq_is_told_in_one_line(shared: JqWorker, expression: str, why: str) -> None:
    told = sentence(shared, expression)
    assert f" is no jq: {why}" in told
    assert told.isprintable()
    assert ignored(shared, expression) == (None, WEB, (), (f"ignoreDifferences: {told}",))


def test_what_jq_cannot_follow_and_gojq_can_is_told(shared: JqWorker) -> None:
    assert "takes a value apart" in sentence(shared, ". as {spec: {replicas: $r}} | .spec.numbers[$r]")
    assert shared.paths(".spec.deep[] | select(. as [$a] | $a == 4)", WEB) == [["spec", "deep", 1]]


def test_more_places_than_can_be_told_are_refused(shared: JqWorker) -> None:
    assert "names more places than" in sentence(shared, 'getpath(range(3e4) | ["' + "a" * 600 + '", .])')


# --- odd objects ----------------------------------------------------------------------------------------------------


def test_an_object_of_ten_megabytes(shared: JqWorker) -> None:
    annotations = {f"{number:04}": "x" * 10_000 for number in range(1000)}
    found = shared.paths(
        '.metadata.annotations | .[keys[] | select(test("^00"))]', {"metadata": {"annotations": annotations}}
    )
    assert found == [["metadata", "annotations", f"{number:04}"] for number in range(100)]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value", [float("nan"), float("-inf"), 2**70, 1e300, "\0\x1b\u2028", nested(800), [[]] * 9, None]
)
def test_odd_values_are_gone_through(shared: JqWorker, value: Any) -> None:
    assert shared.paths(".[keys[]]", {"kind": value}) == [["kind"]]


@pytest.mark.parametrize(
    "obj", [{"a": "\ud800"}, {1: 2}, {"a": object()}, nested(100_000)], ids=["half", "key", "object", "deep"]
)
def test_what_is_no_json_is_told(shared: JqWorker, obj: Any) -> None:
    assert "on an object that is no JSON" in sentence(shared, ".[keys[]]", obj)


# --- the other process ----------------------------------------------------------------------------------------------


def test_nothing_is_started_before_it_is_needed(own: JqWorker) -> None:
    ignored(own, ".spec.replicas")
    assert own.pid is None
    ignored(own, ".spec.numbers[1:]")
    assert own.pid is not None


def test_one_that_was_killed_while_idle_is_replaced_without_a_word(own: JqWorker) -> None:
    own.paths(".[keys[0]]", WEB)
    assert own.pid is not None
    first = own.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert own.paths(".[keys[0]]", WEB) == [["metadata"]]
    assert own.pid != first


def test_one_that_is_killed_at_work_is_told_and_replaced(own: JqWorker) -> None:
    told: list[str] = []
    working = threading.Thread(target=lambda: told.append(sentence(own, FOREVER)))
    working.start()
    wait_until(lambda: own.pid is not None, PATIENCE, "it works")
    os.kill(own.pid or 0, signal.SIGKILL)
    working.join()
    assert "ended the process that evaluates it (signal 9)" in told[0]
    assert own.paths(".[keys[0]]", WEB) == [["metadata"]]


def test_one_that_is_silent_is_given_up(own: JqWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    own.paths(".[keys[0]]", WEB)
    monkeypatch.setattr(backend, "PATIENCE", 0.2)
    os.kill(own.pid or 0, signal.SIGSTOP)
    assert "gave no answer within 0.2 s and was stopped" in sentence(own, ".[keys[0]]", {"a": "x" * 2_000_000})
    monkeypatch.setattr(backend, "PATIENCE", PATIENCE)
    assert own.paths(".[keys[0]]", WEB) == [["metadata"]]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("busy", [False, True])
def test_it_ends_with_its_parent(busy: bool) -> None:
    work = f"worker.paths({FOREVER!r}, {{}})" if busy else "signal.pause()"
    script = f"""
import signal, threading, time
from backends.jq import JqWorker
worker = JqWorker()
worker.paths(".[keys[]]", {{}})
print(worker.pid, flush=True)
{work}
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    wait_until(lambda: not is_running(child), PATIENCE, "the worker has ended")


def test_without_the_package_it_is_told_what_to_install(own: JqWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    sides = ignored(own, ".spec | .[keys[0]]")
    assert sides.live == WEB
    assert sides.unevaluated == (
        "ignoreDifferences: '.spec | .[keys[0]]' computes, and jq is not installed (pip install 'fleetui[jq]')",
    )


async def test_work_waits_its_turn_without_keeping_the_loop(own: JqWorker) -> None:
    done: list[str] = []
    gate = threading.Event()

    def first(evaluate: PathExpressions) -> None:
        gate.wait(PATIENCE)
        done.append("first")

    async def named(name: str) -> None:
        await own.run(lambda evaluate: done.append(f"{name}: {evaluate('.[keys[0]]', WEB)}"))

    working = [asyncio.create_task(own.run(first)), *(asyncio.create_task(named(name)) for name in ("gone", "last"))]
    await asyncio.sleep(0)
    working[1].cancel()
    await asyncio.gather(working[1], return_exceptions=True)
    gate.set()
    await asyncio.gather(working[0], working[2])
    assert done == ["first", "last: [['metadata']]"]


async def test_closing_ends_what_is_at_work_and_what_waits(own: JqWorker) -> None:
    at_work = asyncio.create_task(own.run(lambda evaluate: sentence(own, FOREVER)))
    waiting = asyncio.create_task(own.run(lambda evaluate: evaluate(".[keys[0]]", WEB)))
    pid = await await_until(lambda: own.pid, PATIENCE, "it works") or 0
    own.close()
    assert "(signal 9)" in await at_work
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not is_running(pid)
    assert "fleetui is ending" in sentence(own, ".[keys[0]]")
    with pytest.raises(ExpressionError, match="fleetui is ending"):
        await own.run(lambda evaluate: evaluate(".[keys[0]]", WEB))
