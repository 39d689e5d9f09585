"""Metrics and webhooks of gates, against a server that answers as the test says."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from backends.charts_http import Timeouts
from backends.rollout_gates import HttpGates, condition
from fleetui.engine.rollout.ports import Verdict
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import Gate, GateKind, Rollout, RolloutState
from tests.engine.rollout_world import plan

Ask = Callable[[HttpGates, str], Awaitable[Verdict]]


async def _asked(answer: web.Response | None, ask: Ask) -> tuple[Verdict, list[tuple[str, str, Any]]]:
    """What is made of an answer (None: there never is one), and what the server was asked."""
    requests: list[tuple[str, str, Any]] = []
    never = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        text = await request.text()
        requests.append((request.method, request.path_qs, json.loads(text) if text else None))
        if answer is None:
            await never.wait()
        assert answer is not None
        return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    gates = HttpGates(Timeouts(connect=1.0, read=0.3, total=0.5))
    try:
        verdict = await ask(gates, f"http://127.0.0.1:{port}")
    finally:
        await gates.close()
        never.set()
        await runner.cleanup()
    message = verdict.message.replace(f"http://127.0.0.1:{port}", "URL")
    return Verdict(verdict.holds, message), requests


def _metric(words: str) -> Ask:
    query = 'sum(rate(errors{code="500"}[5m]))'

    async def ask(gates: HttpGates, url: str) -> Verdict:
        return await gates.metric(Gate(GateKind.METRIC, url=f"{url}/prom/", query=query, condition=words))

    return ask


def _result(kind: str, result: Any) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})


def _vector(*values: str) -> web.Response:
    return _result("vector", [{"metric": {"n": str(n)}, "value": [1.5, value]} for n, value in enumerate(values)])


@pytest.mark.parametrize(
    ("answer", "words", "holds", "said"),
    [
        (_vector("0.004"), "< 0.01", True, "it is 0.004"),
        (_vector("0.02"), "< 0.01", False, "it is 0.02"),
        (_vector("1", "2", "3"), ">= 1", True, "3 values hold"),
        (_vector("1", "2", "3"), "<1", False, "it is 1 and 2 more"),
        (_result("scalar", [1.5, "7"]), "== 7", True, "it is 7"),
        (_vector(), "< 1", None, "the query finds nothing"),
        (_vector("NaN"), "< 1", None, "the value is NaN"),
        (_vector("+Inf"), "< 1", False, "it is inf"),
        (_result("matrix", []), "< 1", None, "URL/prom/: the query gives a matrix, and neither a vector nor a scalar"),
        (_result("vector", [{"metric": {}}]), "< 1", None, "URL/prom/: a sample has no value"),
        (_result("vector", "x"), "< 1", None, "URL/prom/: the query gives a vector, and neither a vector nor a scalar"),
        (
            web.json_response({"status": "error", "error": "1:5: parse error"}, status=400),
            "< 1",
            None,
            "URL/prom/: 1:5: parse error",
        ),
        (web.Response(text="<html>", status=502), "< 1", None, "URL/prom/: answers 502, and not as Prometheus does"),
        (web.json_response([1]), "< 1", None, "URL/prom/: answers 200, and not as Prometheus does"),
        (None, "< 1", None, "URL/prom/api/v1/query"),
    ],
)
def test_a_metric_says(answer: web.Response | None, words: str, holds: bool | None, said: str) -> None:
    verdict, requests = asyncio.run(_asked(answer, _metric(words)))
    assert verdict.holds is holds
    assert verdict.message.startswith(said)
    assert requests == [("GET", "/prom/api/v1/query?query=sum(rate(errors%7Bcode%3D%22500%22%7D%5B5m%5D))", None)]


@pytest.mark.parametrize("words", ["", "0.01", "< x", "~ 1", "< 1; drop", "<< 1"])
def test_a_condition_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(RefusedError, match="is no condition"):
        condition(words)


async def _post(gates: HttpGates, url: str) -> Verdict:
    rollout = Rollout(plan((1, 2)), RolloutState(wave=1))
    return await gates.webhook(Gate(GateKind.WEBHOOK, url=f"{url}/gate"), rollout, "wave-1")


@pytest.mark.parametrize(
    ("answer", "holds", "said"),
    [
        (web.Response(status=200), True, "URL/gate answers 200"),
        (web.json_response({"message": "fine\x1b[31m"}, status=201), True, "URL/gate answers 201: fine"),
        (web.Response(status=202), None, "URL/gate answers 202"),
        (web.Response(status=425, text="soak"), None, "URL/gate answers 425: soak"),
        (web.Response(status=503), None, "URL/gate answers 503"),
        (web.json_response({"message": "error budget spent"}, status=403), False, "URL/gate answers 403: error budget"),
        (web.Response(status=302, headers={"Location": "/yes"}), False, "URL/gate answers 302"),
        (None, None, "URL/gate did not answer in time"),
    ],
)
def test_a_webhook_says(answer: web.Response | None, holds: bool | None, said: str) -> None:
    verdict, requests = asyncio.run(_asked(answer, _post))
    assert verdict.holds is holds
    assert verdict.message.startswith(said)
    ((method, path, body),) = requests
    assert (method, path) == ("POST", "/gate")
    assert (body["rollout"], body["wave"], body["waveIndex"], body["waves"]) == ("certs", "wave-1", 1, 2)
    assert body["cells"][0] == {
        "cluster": "c01",
        "addon": "cert-manager",
        "from": "1.14",
        "to": "1.15",
        "phase": "waiting",
    }


def test_a_server_that_is_not_there_is_not_yet() -> None:
    async def test() -> None:
        gates = HttpGates()
        with socket.socket() as nobody:  # bound, and listened to by none
            nobody.bind(("127.0.0.1", 0))
            verdict = await _metric("< 1")(gates, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert verdict.holds is None
        assert "can't be read" in verdict.message
        assert (await gates.webhook(Gate(GateKind.WEBHOOK, url="gate"), Rollout(plan(), RolloutState()), "wave-0")) == (
            Verdict(None, "'gate' is no http or https address")
        )
        await gates.close()

    asyncio.run(test())
