"""What an application ignores by jq path expressions that compute, from the Application to its status."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fleetui.diff import Ignored, IgnoreRule, ignore
from fleetui.engine.ignoring import MOST_FAILED, Ignoring
from fleetui.model.errors import ExpressionError
from fleetui.model.objects import Obj
from fleetui.ports import PathExpressions
from tests.engine.bench import PATIENCE, Hub, Repo, application, embedded_hub, eventually, running, synced
from tests.engine.objects import obj
from tests.waiting import await_until

T = TypeVar("T")

needs_jq = pytest.mark.skipif(
    importlib.util.find_spec("jq") is None, reason="jq is an extra: pip install 'fleetui[jq]'"
)
COMPUTES = '.data | .[keys[] | select(test("^(?:replicas|limit)-"))]'


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as found:
        yield found


def config(**data: str) -> Obj:
    return obj("ConfigMap", "a", namespace="", data=data)


def ignoring(*expressions: str) -> Obj:
    return {"ignoreDifferences": [{"kind": "ConfigMap", "jqPathExpressions": list(expressions)}]}


def conditions(app: Any) -> dict[str, str]:
    return {each["type"]: each["message"] for each in app.get("status", {}).get("conditions", [])}


@needs_jq
async def test_what_an_expression_computes_is_no_drift(hub: Hub) -> None:
    repo = Repo()
    repo.push(config(**{"replicas-web": "2", "color": "blue"}))
    await hub.create(application(**ignoring(COMPUTES)))
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await engine.idle()
        assert engine.jq.pid is None, "nothing differs, so there is nothing to evaluate"
        before = engine.engine.reconciles
        await hub.patch("ConfigMap", "a", {"data": {"replicas-web": "9", "limit-web": "7"}})
        await await_until(lambda: engine.engine.reconciles > before, PATIENCE, "the engine has looked")
        await engine.idle()
        app = await hub.app()
        assert synced(app)
        assert len(app["status"]["history"]) == 1
        assert (await hub.get("ConfigMap", "a") or {})["data"]["replicas-web"] == "9"

        await hub.patch("ConfigMap", "a", {"data": {"color": "red"}})

        async def healed() -> bool:
            return bool((await hub.get("ConfigMap", "a") or {})["data"]["color"] == "blue")

        await eventually(healed, "what is not ignored is healed")


@needs_jq
@pytest.mark.parametrize(
    ("expression", "why"),
    [("def f: f; f", "did not end within 1 s and was stopped"), (".data |", "is no jq: syntax error")],
)
async def test_what_cannot_be_evaluated_is_told_and_nothing_is_overwritten(hub: Hub, expression: str, why: str) -> None:
    repo = Repo()
    repo.push(config(color="blue"))
    await hub.create(application(**ignoring(expression)))
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await hub.patch("ConfigMap", "a", {"data": {"color": "red"}})
        app = await hub.until(conditions, "it is told")
        told = conditions(app)["ComparisonError"]
        assert told.startswith("Failed to compare desired state to live state: ConfigMap shop/a: ignoreDifferences: ")
        assert repr(expression) in told
        assert why in told
        assert app["status"]["sync"]["status"] == "Unknown"
        await engine.idle()
        assert (await hub.get("ConfigMap", "a") or {})["data"]["color"] == "red"
        await hub.patch("Application", "shop", {"spec": ignoring(COMPUTES)}, namespace="argocd")
        await hub.until(lambda app: synced(app) and not conditions(app), "a better expression makes it good")


async def test_a_manifest_brings_its_own_rule_along(hub: Hub) -> None:
    repo = Repo()
    manifest = config(replicas="2", color="blue")
    rule = "jsonPointers:\n- /data/replicas\n"
    manifest["metadata"]["annotations"] = {"argocd.argoproj.io/ignore-differences": rule}
    repo.push(manifest)
    await hub.create(application())
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await engine.idle()
        before = engine.engine.reconciles
        await hub.patch("ConfigMap", "a", {"data": {"replicas": "9"}})
        await await_until(lambda: engine.engine.reconciles > before, PATIENCE, "the engine has looked")
        await engine.idle()
        assert synced(await hub.app())
        assert (await hub.get("ConfigMap", "a") or {})["data"]["replicas"] == "9"
        await hub.patch("ConfigMap", "a", {"data": {"color": "red"}})

        async def healed() -> bool:
            return bool((await hub.get("ConfigMap", "a") or {})["data"]["color"] == "blue")

        await eventually(healed, "what is not ignored is healed")


class CountingJq:
    """A jq that can evaluate nothing, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def run(self, work: Callable[[PathExpressions], T]) -> T:
        return work(self._paths)

    def _paths(self, expression: str, obj: Any) -> Any:
        self.asked.append(expression)
        raise ExpressionError(f"{expression!r} did not end")


async def test_what_failed_once_is_not_tried_on_every_object() -> None:
    jq = CountingJq()
    rules = IgnoreRule(kind="ConfigMap", jq_path_expressions=(".data | keys", ".data.x")), IgnoreRule(kind="Secret")
    whole = Ignoring(rules, jq)

    async def applied(live: Obj) -> Ignored:
        about = whole.about(live, live)
        return await about.run(lambda evaluate: ignore(about.rules, None, live, evaluate=evaluate))

    for name in "abc":
        sides = await applied(obj("ConfigMap", name, data={"x": "1"}))
        assert sides.unevaluated == ("ignoreDifferences: '.data | keys' did not end",)
        assert sides.live is not None
        assert not sides.live["data"]
    assert jq.asked == [".data | keys"]
    assert await whole.about(obj("Secret", "s"), {}).run(lambda evaluate: evaluate) is None


async def test_of_many_expressions_that_fail_a_few_are_tried() -> None:
    jq = CountingJq()
    expressions = tuple(f".data | keys[{number}]" for number in range(50))
    ignoring = Ignoring((IgnoreRule(kind="ConfigMap", jq_path_expressions=expressions),), jq)
    live = obj("ConfigMap", "a", data={"x": "1"})
    sides = await ignoring.run(lambda evaluate: ignore(ignoring.rules, None, live, evaluate=evaluate))
    assert len(sides.unevaluated) == 50
    assert jq.asked == list(expressions[:MOST_FAILED])
