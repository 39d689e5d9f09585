"""The engine on an embedded cluster: what it brings about, what it leaves alone, and how it takes being killed."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.faults import Fault, Kind
from fleetui.engine.application import FINALIZER, HOOK_FINALIZER
from fleetui.engine.predict import Predictor
from fleetui.engine.settings import Settings
from fleetui.model.errors import FleetError, OverloadedError, RepositoryUnreachableError
from fleetui.model.objects import ApiResource, Obj
from tests.engine.bench import (
    URL,
    Hub,
    Repo,
    Running,
    application,
    embedded_hub,
    eventually,
    message,
    phase,
    running,
    synced,
)
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import obj
from tests.waiting import await_until


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as found:
        yield found


@pytest.fixture
def repo() -> Repo:
    return Repo()


def config(name: str = "a", value: str = "1", **rest: Any) -> Obj:
    return obj("ConfigMap", name, namespace="", data={"value": value}, **rest)


def job(name: str, **rest: Any) -> Obj:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "job:1"}]}
    return obj("Job", name, namespace="", spec={"template": {"spec": pod}}, **rest)


async def test_from_a_commit_to_the_cluster_and_then_silence(hub: Hub, repo: Repo) -> None:
    first = repo.push(config())
    await hub.create(application())
    async with running(hub, repo) as engine:
        app = await hub.until(synced, "the first sync")
        await engine.idle()
        status = app["status"]
        assert [entry["revision"] for entry in status["history"]] == [first]
        assert status["operationState"]["operation"]["initiatedBy"] == {"automated": True}
        rows = status["operationState"]["syncResult"]["resources"]
        assert [(row["kind"], row["hookPhase"]) for row in rows] == [("Namespace", "Running"), ("ConfigMap", "Running")]

        before, reconciles, version = dict(engine.api.requests), engine.engine.reconciles, app["metadata"]
        for _ in range(3):
            repo.moved()
            await engine.idle()
        assert engine.engine.reconciles == reconciles + 3
        assert dict(engine.api.requests) == before, "a reconcile with nothing new makes no request"
        assert (await hub.app())["metadata"]["resourceVersion"] == version["resourceVersion"]

    async with running(hub, repo) as engine:
        await await_until(lambda: engine.engine.reconciles >= 1, 10, "the restarted engine has looked")
        await engine.idle()
        assert not {"PATCH", "CREATE", "UPDATE", "DELETE"} & engine.api.requests.keys(), "a restart writes nothing"


async def test_commits_drifts_and_prunes(hub: Hub, repo: Repo) -> None:
    repo.push(config("a"), config("b"))
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(synced, "the first sync")

        second = repo.push(config("a", "2"))
        app = await hub.until(lambda app: synced(app) and app["status"]["sync"]["revision"] == second, "the second")
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"value": "2"}
        await eventually(lambda: _gone(hub, "ConfigMap", "b"), "what left Git leaves the cluster")
        assert len(app["status"]["history"]) == 2

        await hub.patch("ConfigMap", "a", {"data": {"value": "drifted", "theirs": "x"}})

        async def healed() -> bool:
            return bool((await hub.get("ConfigMap", "a") or {})["data"] == {"value": "2", "theirs": "x"})

        await eventually(healed, "the drift is put back, what others own stays")
        app = await hub.until(synced, "the heal is over")
        assert app["status"]["operationState"]["operation"]["sync"]["resources"] == [{"kind": "ConfigMap", "name": "a"}]
        assert len(app["status"]["history"]) == 2, "a partial sync is no entry of the history"

        repo.push()
        app = await hub.until(lambda app: app["status"].get("conditions"), "emptying is refused")
        (condition,) = app["status"]["conditions"]
        assert condition["type"] == "SyncError"
        assert condition["message"].endswith("auto-sync will wipe out all resources")
        assert await hub.get("ConfigMap", "a")


@pytest.mark.parametrize(("options", "left"), [([], "git-2"), (["RespectIgnoreDifferences=true"], "theirs")])
async def test_what_is_ignored_is_left_alone_by_a_sync_that_respects_it(
    options: list[str], left: str, hub: Hub, repo: Repo
) -> None:
    def settings(number: int) -> Obj:
        return obj("ConfigMap", "a", namespace="", data={"scale": f"git-{number}", "color": f"git-{number}"})

    repo.push(settings(1))
    await hub.create(
        application(
            ignoreDifferences=[{"group": "", "kind": "ConfigMap", "jsonPointers": ["/data/scale"]}],
            syncPolicy={"automated": {"selfHeal": True}, "syncOptions": ["CreateNamespace=true", *options]},
        )
    )
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        await hub.patch("ConfigMap", "a", {"data": {"scale": "theirs"}})
        second = repo.push(settings(2))
        await hub.until(lambda app: synced(app) and app["status"]["sync"]["revision"] == second, "the second")
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"scale": left, "color": "git-2"}


async def test_a_rule_that_is_not_understood_keeps_a_sync_from_overwriting(hub: Hub, repo: Repo) -> None:
    repo.push(config("a"))
    rule = {"group": "", "kind": "ConfigMap", "jqPathExpressions": ["input | reduce"]}
    options = ["CreateNamespace=true", "RespectIgnoreDifferences=true"]
    await hub.create(application(ignoreDifferences=[rule], syncPolicy={"automated": {}, "syncOptions": options}))
    async with running(hub, repo):
        await hub.until(synced, "the first sync, which overwrites nothing")
        repo.push(config("a", "2"))
        app = await hub.until(lambda app: app["status"].get("conditions"), "what can't be compared")
        (condition,) = app["status"]["conditions"]
        assert condition["type"] == "ComparisonError"
        assert "'input | reduce' is no jq" in condition["message"]
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"value": "1"}


async def test_an_object_that_is_too_deep_to_be_compared_is_told_and_not_only_logged(
    hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_deep(*_: object, **__: object) -> bool:
        raise FleetError("an object is nested too deeply to be compared")

    repo.push(config("a"))
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        monkeypatch.setattr(Predictor, "modified", too_deep)
        repo.push(config("a", "2"))
        app = await hub.until(lambda app: app["status"].get("conditions"), "what can't be compared")
        (condition,) = app["status"]["conditions"]
        assert condition["type"] == "ComparisonError"
        assert condition["message"].endswith("an object is nested too deeply to be compared")


async def _gone(hub: Hub, kind: str, name: str) -> bool:
    return await hub.get(kind, name) is None


async def test_a_broken_manifest_is_told_and_mended_by_the_next_commit(hub: Hub, repo: Repo) -> None:
    repo.push(config())
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        repo.push(config(), broken="apiVersion: v1\nkind: ConfigMap\nmetadata: [")
        app = await hub.until(lambda app: app["status"].get("conditions"), "the error")
        assert app["status"]["conditions"][0]["type"] == "ComparisonError"
        assert "shop/broken.yaml" in app["status"]["conditions"][0]["message"]
        assert app["status"]["sync"]["status"] == "Unknown"
        assert app["status"]["health"]["status"] == "Healthy"
        repo.push(config("a", "3"))
        app = await hub.until(lambda app: synced(app) and "conditions" not in app["status"], "it recovers")


async def test_an_unreachable_repository_changes_nothing_at_first(hub: Hub, repo: Repo) -> None:
    repo.push(config())
    await hub.create(application())
    async with running(hub, repo) as engine:
        before = await hub.until(synced, "the first sync")
        await engine.idle()
        repo.down = RepositoryUnreachableError("no route to git.example", url=repo.url)
        repo.moved()
        await engine.idle()
        assert (await hub.app())["status"] == before["status"]
        await hub.patch("Application", "shop", {"operation": {"sync": {}}}, namespace="argocd")
        app = await hub.until(lambda app: phase(app) == "Error", "a sync by hand says so at once")
        assert message(app).startswith("ComparisonError: Failed to load target state")
        repo.down = None
        repo.moved()
        await hub.until(lambda app: app["status"]["sync"]["status"] == "Synced", "and it is found again by itself")


async def test_killed_while_a_hook_runs_it_goes_on_and_runs_it_once(hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config(), job("notify", hook="PostSync", policy="HookSucceeded"))
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook runs")
        made = await hub.get("Job", "migrate") or {}
        assert made["metadata"]["finalizers"] == [HOOK_FINALIZER]
        assert await _gone(hub, "ConfigMap", "a")

    await hub.complete("migrate")
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/notify" in message(app), "the next phase")
        again = await hub.get("Job", "migrate") or {}
        assert again["metadata"]["uid"] == made["metadata"]["uid"]
        assert "finalizers" not in again["metadata"]
        await hub.complete("notify")
        app = await hub.until(synced, "the end")
        await eventually(lambda: _gone(hub, "Job", "notify"), "the hook is deleted")
        assert message(app) == "successfully synced (no more tasks)"
        assert len(app["status"]["history"]) == 1


async def test_killed_before_a_step_was_written_down(hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config())
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook runs")
    made = await hub.get("Job", "migrate") or {}
    lost = {"syncResult": None, "message": None}
    await hub.patch("Application", "shop", {"status": {"operationState": lost}}, namespace="argocd")
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook is taken over")
        await hub.complete("migrate")
        app = await hub.until(synced, "the end")
        assert (await hub.get("Job", "migrate") or {})["metadata"]["uid"] == made["metadata"]["uid"]
        rows = app["status"]["operationState"]["syncResult"]["resources"]
        assert {row["kind"]: row["status"] for row in rows} == dict.fromkeys(
            ("Namespace", "Job", "ConfigMap"), "Synced"
        )


@pytest.mark.parametrize("nth", [2, 3])
@pytest.mark.parametrize("lost", [False, True], ids=["refused", "made, and the answer lost"])
async def test_a_hub_that_fails_every_few_writes(nth: int, lost: bool, hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config(), job("notify", hook="PostSync", policy="HookSucceeded"))
    await hub.create(application())
    # Far behind the server's, so that what the engine makes is never older than its operations.
    clock = FakeClock(time.time() - 1_000_000)
    async with running(hub, repo, clock=clock) as engine:
        fails_every(engine, nth, lost=lost)
        uids: dict[str, set[str]] = {"migrate": set(), "notify": set()}

        async def over() -> bool:
            clock.advance(1.0)
            for name, seen in uids.items():
                found = await hub.get("Job", name)
                if found is not None:
                    seen.add(found["metadata"]["uid"])
                    if "conditions" not in found.get("status", {}):
                        await hub.complete(name)
            return synced(await hub.app())

        await eventually(over, "the sync is over")
        app = await hub.app()
        assert {name: len(seen) for name, seen in uids.items()} == {"migrate": 1, "notify": 1}
        assert len(app["status"]["history"]) == 1
        assert await hub.get("ConfigMap", "a")


def fails_every(engine: Running, nth: int, *, lost: bool) -> None:
    """Lets every nth write of an Application fail, before it is made or (`lost`) after."""
    patch, count = engine.api.patch, itertools.count(1)

    async def faulty(resource: ApiResource, *args: Any, **kwargs: Any) -> Obj:
        fails = resource.kind == "Application" and next(count) % nth == 0
        made = await patch(resource, *args, **kwargs) if lost or not fails else {}
        if fails:
            raise OverloadedError("etcdserver: request timed out", code=500)
        return made

    engine.api.patch = faulty  # type: ignore[method-assign]


async def test_a_kind_that_cant_be_listed_just_now_is_asked_for_again_soon(hub: Hub, repo: Repo) -> None:
    """As one whose definition came a second ago ("storage is (re)initializing")."""
    repo.push(obj("Service", "a", namespace="", spec={"ports": [{"port": 80}]}))
    busy = hub.cluster.faults.add(Fault(kind=Kind.STATUS, code=429, resource="services"))
    await hub.create(application())
    clock = FakeClock()
    async with running(hub, repo, clock=clock, settings=Settings(poll=3600.0)) as engine:
        await hub.until(lambda app: "conditions" in app.get("status", {}), "it says why it can't look")
        await engine.idle()
        looked = engine.engine.reconciles
        for _ in range(10):
            clock.advance(3.0)
            await engine.idle()
        assert 3 <= engine.engine.reconciles - looked <= 7, "after 0.5, 1, 2, 4 … seconds, give or take a fifth"
        busy.clear()

        async def over() -> bool:
            clock.advance(1.0)
            return synced(await hub.app())

        await eventually(over, "it is synced, long before its next turn")


async def test_a_failing_hook_is_retried_and_then_given_up(hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config())
    retry = {"limit": 1, "backoff": {"duration": "0s"}}
    await hub.create(application(syncPolicy={"automated": {}, "syncOptions": ["CreateNamespace=true"], "retry": retry}))
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook runs")
        first = (await hub.get("Job", "migrate") or {})["metadata"]["uid"]
        await hub.complete("migrate", failed=True)

        async def other() -> bool:
            found = await hub.get("Job", "migrate") or {"metadata": {"uid": first}}
            return bool(found["metadata"]["uid"] != first)

        await eventually(other, "the second attempt runs the hook anew")
        await hub.complete("migrate", failed=True)
        app = await hub.until(lambda app: phase(app) == "Failed", "it is given up")
        assert message(app) == "one or more synchronization tasks completed unsuccessfully (retried 1 times)."
        app = await hub.until(lambda app: app["status"].get("conditions"), "and told")
        assert app["status"]["conditions"][0]["message"].startswith("Failed last sync attempt to [")
        assert "history" not in app["status"]


async def test_a_human_ends_an_operation(hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config())
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook runs")
        terminating = {"status": {"operationState": {"phase": "Terminating"}}}
        await hub.patch("Application", "shop", terminating, namespace="argocd")
        app = await hub.until(lambda app: phase(app) == "Failed", "the end")
        assert message(app) == "Operation terminated"
        assert "operation" not in app
        await eventually(lambda: _gone(hub, "Job", "migrate"), "the hook is gone")


async def test_deletion_takes_what_was_made_with_it(hub: Hub, repo: Repo) -> None:
    repo.push(config("first"), config("last", wave=5), config("kept", options="Delete=false"))
    await hub.create(application(metadata={"finalizers": [FINALIZER]}))
    async with running(hub, repo):
        await hub.until(synced, "the sync")
        await hub.delete("Application", "shop", "argocd")
        await hub.until(lambda app: not app, "the application goes")
        assert await _gone(hub, "ConfigMap", "first")
        assert await _gone(hub, "ConfigMap", "last")
        assert await hub.get("ConfigMap", "kept")
        assert await hub.get("Namespace", "shop")

        await hub.create(application())
        app = await hub.until(synced, "one of the same name starts afresh")
        assert [entry["id"] for entry in app["status"]["history"]] == [0]


async def test_deletion_waits_for_the_operation(hub: Hub, repo: Repo) -> None:
    repo.push(job("migrate", hook="PreSync"), config())
    await hub.create(application(metadata={"finalizers": [FINALIZER]}))
    async with running(hub, repo):
        await hub.until(lambda app: "hook batch/Job/migrate" in message(app), "the hook runs")
        await hub.delete("Application", "shop", "argocd")
        await hub.until(lambda app: app["metadata"].get("deletionTimestamp"), "it is to go")
        assert await hub.get("Job", "migrate")
        await hub.complete("migrate")
        await hub.until(lambda app: not app, "then it goes")
        assert await _gone(hub, "Job", "migrate")


async def test_an_application_made_by_an_application_is_reconciled(hub: Hub, repo: Repo) -> None:
    child = application("child", syncPolicy={})
    child["spec"]["destination"]["namespace"] = "default"
    repo.push(child)
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(synced, "the parent is synced")
        await hub.until(lambda app: app.get("status", {}).get("sync"), "the child is compared", app="child")


async def test_a_refresh_is_honoured_and_taken_off(hub: Hub, repo: Repo) -> None:
    repo.push(config())
    await hub.create(application(syncPolicy={}))
    async with running(hub, repo) as engine:
        await hub.until(lambda app: app.get("status", {}).get("sync"), "compared")
        await engine.idle()
        asked = {"argocd.argoproj.io/refresh": "hard", "argocd.argoproj.io/refresh-timestamp": "x"}
        await hub.patch("Application", "shop", {"metadata": {"annotations": asked}}, namespace="argocd")
        app = await hub.until(lambda app: not app["metadata"].get("annotations"), "honoured")
        assert app["status"]["sync"]["status"] == "OutOfSync"


@pytest.mark.parametrize(
    ("operation", "ends", "says"),
    [
        ({}, "Error", "Invalid operation request: no operation specified"),
        ({"sync": {"revision": "nowhere"}}, "Error", "ComparisonError: Failed to load target state"),
        ({"sync": {"manifests": ["{}"]}}, "Error", "operation.sync.manifests is not supported: "),
        ({"sync": {"dryRun": True}}, "Succeeded", "successfully synced (no more tasks)"),
        (
            {"sync": {"resources": [{"kind": "ConfigMap", "name": "b"}]}},
            "Succeeded",
            "successfully synced (all tasks run)",
        ),
    ],
)
async def test_operations_by_hand(operation: Obj, ends: str, says: str, hub: Hub, repo: Repo) -> None:
    repo.push(config("a"), config("b"))
    await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await hub.create(application(syncPolicy={}) | {"operation": operation})
    async with running(hub, repo):
        app = await hub.until(lambda app: phase(app) == ends, "the end")
        assert message(app).startswith(says)
        assert "operation" not in app
        assert "history" not in app["status"]
        assert app["status"]["operationState"]["operation"] == {"initiatedBy": {}, "retry": {}} | operation
        assert await _gone(hub, "ConfigMap", "a")


async def test_what_holds_up_a_deletion_is_seen_in_the_status(hub: Hub, repo: Repo) -> None:
    repo.push(config("a"), config("held", metadata={"finalizers": ["example.com/hold"]}))
    await hub.create(application(metadata={"finalizers": [FINALIZER]}))
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        await hub.delete("Application", "shop", "argocd")
        app = await hub.until(lambda app: app["status"]["sync"]["status"] == "OutOfSync", "the deletion is told")
        rows = {row["name"]: row["status"] for row in app["status"]["resources"]}
        assert rows == {"a": "OutOfSync", "held": "Synced"}
        await hub.until(lambda app: app["status"]["health"]["status"] == "Progressing", "the held one is waited for")
        await hub.patch("ConfigMap", "held", {"metadata": {"finalizers": None}})
        await hub.until(lambda app: not app, "then it goes")


NO_PATH = "spec.source.repoURL and either spec.source.path or spec.source.chart are required"


@pytest.mark.parametrize(
    ("spec", "says", "told", "found"),
    [
        ({"destination": {"namespace": "x"}}, "Destination server missing from app spec", "", False),
        ({"destination": {"name": "nowhere"}}, "there are no clusters with this name: nowhere", "", False),
        ({"source": {"repoURL": URL}}, NO_PATH, f"InvalidSpecError: {NO_PATH}", True),
    ],
)
async def test_a_spec_that_cannot_be_worked_with(
    spec: Obj, says: str, told: str, found: bool, hub: Hub, repo: Repo
) -> None:
    """The operation's result names what it was at; a commit where there is a destination (`SyncAppState`)."""
    head = repo.push(config("a"))
    await hub.create(application(**spec) | {"operation": {"sync": {}}})
    async with running(hub, repo):
        app = await hub.until(lambda app: phase(app) == "Error", "the operation is refused")
        assert message(app) == (told or says)
        result = app["status"]["operationState"]["syncResult"]
        assert result == {"revision": head if found else "", "source": app["spec"]["source"]}
        assert "operation" not in app
        (condition,) = app["status"]["conditions"]
        assert (condition["type"], condition["message"]) == ("InvalidSpecError", says)
        assert app["status"]["sync"] == {"status": "Unknown"}
        assert app["status"]["health"]["status"] == "Unknown"
