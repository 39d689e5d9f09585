"""ApplicationSets in an engine: what it leaves alone, what it would do, and whom it makes way for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetui.engine.appset.questions import Answer, GitDirectories, Question
from fleetui.engine.rehearsal import Rehearsal, SetVerdict
from fleetui.engine.settings import Settings
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.ports import Subscription
from tests.engine.bench import URL, Hub, Repo, embedded_hub, eventually, running, synced
from tests.unit.fakes import Closing
from tests.waiting import await_until

PATIENCE = 10.0


class Folders:
    """Answers with folders, and tells when they are others."""

    def __init__(self, *paths: str) -> None:
        self.answer_with = Answer(value=paths)
        self.asked: list[bool] = []
        self._listeners: list[Any] = []

    def become(self, answer: Answer) -> None:
        self.answer_with = answer
        for listener in tuple(self._listeners):
            listener()

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        assert isinstance(question, GitDirectories)
        self.asked.append(fresh)
        return self.answer_with

    def subscribe(self, question: Question, listener: Any, *, hub: ClusterName, namespace: str) -> Subscription:
        self._listeners.append(listener)
        return Closing(lambda: self._listeners.remove(listener))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as hub:
        yield hub


def appset(*names: str, generators: Sequence[Obj] = (), **spec: Any) -> Obj:
    """One that makes an Application, which nobody syncs, for each name, or what `generators` say."""
    elements = [{"path": {"basename": name}} for name in names]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "addons", "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "generators": [*generators] or [{"list": {"elements": elements}}],
            "template": {
                "metadata": {"name": "{{.path.basename}}"},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": URL, "path": "shop", "directory": {"recurse": False}},
                    "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
                    "syncPolicy": {"syncOptions": []},
                },
            },
            **spec,
        },
    }


GIT = {"git": {"repoURL": URL, "revision": "main", "directories": [{"path": "*"}]}}


async def names(hub: Hub) -> list[str]:
    apps = await hub.api.list(await hub.resource("Application"), "argocd")
    return sorted(app["metadata"]["name"] for app in apps)


async def until(hub: Hub, *wanted: str) -> None:
    async def there() -> bool:
        return await names(hub) == [*wanted]

    await eventually(there, f"the applications are {wanted}")


async def condition(hub: Hub, kind: str) -> tuple[str, str]:
    found = await hub.get("ApplicationSet", "addons", "argocd") or {}
    for each in found.get("status", {}).get("conditions", ()):
        if each["type"] == kind:
            return each["status"], each["message"]
    return "", ""


async def until_error(hub: Hub, message: str) -> None:
    async def told() -> bool:
        status, said = await condition(hub, "ErrorOccurred")
        return status == "True" and message in said

    await eventually(told, f"an error is told: {message}")


def a_repo() -> Repo:
    repo = Repo()
    repo.push()
    return repo


async def test_what_is_as_it_should_be_is_not_written_again(hub: Hub) -> None:
    async with running(hub, a_repo()) as process:
        await hub.create(appset("a", "b"))
        await until(hub, "a", "b")
        await process.idle()
        written = {name: (await hub.app(name))["metadata"]["generation"] for name in ("a", "b")}
        before = process.engine.sets.reconciles
        await hub.patch("ApplicationSet", "addons", {"metadata": {"labels": {"x": "y"}}}, namespace="argocd")
        await await_until(lambda: process.engine.sets.reconciles > before, PATIENCE, "it was looked at again")
        await process.idle()
        assert {name: (await hub.app(name))["metadata"]["generation"] for name in ("a", "b")} == written


async def test_a_commit_is_seen_at_once_and_a_generator_that_fails_changes_nothing(hub: Hub) -> None:
    folders = Folders("a", "b")
    async with running(hub, a_repo(), answers=folders) as process:
        await hub.create(appset(generators=[GIT]))
        await until(hub, "a", "b")
        folders.become(Answer(value=("b", "c")))
        await until(hub, "b", "c")
        folders.become(Answer(problem="git.example does not answer"))
        await until_error(hub, "git.example does not answer")
        await process.idle()
        assert await names(hub) == ["b", "c"]
        assert (await condition(hub, "ParametersGenerated"))[0] == "False"
        annotation = {"argocd.argoproj.io/application-set-refresh": "true"}
        folders.answer_with = Answer(value=("c",))
        await hub.patch("ApplicationSet", "addons", {"metadata": {"annotations": annotation}}, namespace="argocd")
        await until(hub, "c")
        assert folders.asked[-1] or folders.asked[-2], "whoever wants a refresh has everything asked anew"
    assert not folders._listeners, "nobody listens any more"


class SlowFolders(Folders):
    """Answers when it may."""

    def __init__(self, *paths: str) -> None:
        super().__init__(*paths)
        self.may = asyncio.Event()

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        answer = await super().answer(question, hub=hub, namespace=namespace, fresh=fresh)
        await self.may.wait()
        return answer


async def test_what_is_answered_to_a_set_that_says_something_else_by_then_makes_nothing(hub: Hub) -> None:
    folders = SlowFolders("old")
    async with running(hub, a_repo(), answers=folders) as process:
        await hub.create(appset(generators=[GIT]))
        await await_until(lambda: folders.asked, PATIENCE, "it asks")
        # What it made by now would stay.
        spec = appset("new", syncPolicy={"applicationsSync": "create-only"})["spec"]
        await hub.patch("ApplicationSet", "addons", {"spec": spec}, namespace="argocd")
        ref = ObjectRef("argoproj.io", "ApplicationSet", "argocd", "addons")

        def seen() -> bool:
            known = process.store.get(ref)
            return known is not None and known.decode()["spec"].get("syncPolicy") == spec["syncPolicy"]

        await await_until(seen, PATIENCE, "the edit is seen")
        folders.may.set()
        await until(hub, "new")
        await process.idle()
        assert await names(hub) == ["new"]


async def test_nothing_is_changed_as_long_as_it_is_not_known_which_clusters_there_are(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(hub, a_repo()) as process:
        await hub.create(appset("a"))
        await until(hub, "a")
        monkeypatch.setattr(process.clusters, "registrations", lambda _: None)
        await hub.patch("ApplicationSet", "addons", {"spec": appset("b")["spec"]}, namespace="argocd")
        await until_error(hub, "the clusters that hub registers are not known (yet)")
        await process.idle()
        assert await names(hub) == ["a"]


async def test_a_dry_run_says_what_would_become_of_the_applications(hub: Hub) -> None:
    async with running(hub, a_repo()):
        await hub.create(appset("a", "b"))
        await until(hub, "a", "b")
    await hub.patch(
        "ApplicationSet",
        "addons",
        {"spec": appset("b", "c", templatePatch="spec: {project: default, info: [{name: x, value: z}]}")["spec"]},
        namespace="argocd",
    )
    rehearsal = Rehearsal()
    async with running(hub, a_repo(), rehearsal=rehearsal) as process:
        await await_until(lambda: rehearsal.sets, PATIENCE, "it was looked at")
        await process.idle()
    verdict = rehearsal.sets["argocd", "addons"]
    assert verdict == SetVerdict("argocd", "addons", create=("c",), change=("b",), delete=("a",))
    assert verdict.told == "create c; change b; delete a"
    assert await names(hub) == ["a", "b"]
    assert "info" not in (await hub.app("b"))["spec"]


async def test_a_rolling_sync_goes_on_by_itself_and_syncs_each_once(hub: Hub) -> None:
    repo = Repo()
    repo.push({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"version": "1"}})
    await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    steps = [{"matchExpressions": [{"key": "step", "operator": "In", "values": [name]}]} for name in ("one", "two")]
    elements = [{"name": "one"}, {"name": "two"}]
    strategy = {"type": "RollingSync", "rollingSync": {"steps": steps}}
    made = appset(generators=[{"list": {"elements": elements}}], goTemplate=False, strategy=strategy)
    template = made["spec"]["template"]
    template["metadata"] = {"name": "{{name}}", "labels": {"step": "{{name}}"}}
    template["spec"] |= {"syncPolicy": {"automated": {"prune": True}}}

    def rolled_out(app: Any) -> bool:
        return synced(app) and app["status"]["sync"].get("revision") == repo.head

    async def complete() -> bool:
        return (await condition(hub, "RolloutProgressing"))[0] == "False"

    async with running(hub, repo, settings=Settings(wave_delay=0.0, poll=0.2, rollout_grace=0.0)) as process:
        await hub.create(made)
        for turn, version in enumerate("12", start=1):
            for name in ("one", "two"):
                await hub.until(rolled_out, f"{name} has version {version}", app=name)
            await eventually(complete, "the rollout is complete")
            await process.idle()
            starts = {name: (await hub.app(name))["status"] for name in ("one", "two")}
            assert [len(starts[name]["history"]) for name in ("one", "two")] == [turn, turn], "each is synced once"
            times = [starts[name]["operationState"] for name in ("one", "two")]
            assert times[0]["finishedAt"] <= times[1]["startedAt"], "and the second after the first"
            repo.push({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"version": "2"}})


async def test_it_makes_way_for_argo_cds_controller(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    labels = {"app.kubernetes.io/name": "argocd-applicationset-controller"}
    pod = {"containers": [{"name": "controller", "image": "quay.example/argocd"}]}
    await hub.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "argocd-applicationset-controller", "namespace": "argocd", "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        }
    )
    await hub.patch(
        "Deployment",
        "argocd-applicationset-controller",
        {"status": {"readyReplicas": 1}},
        namespace="argocd",
        subresource="status",
    )
    await hub.create(appset("a"))
    with caplog.at_level(logging.WARNING):
        async with running(hub, a_repo()) as process:
            await await_until(lambda: process.engine.sets.begun, PATIENCE, "it has looked")
            assert process.running
            await process.idle()
    assert await names(hub) == []
    said = [record.getMessage() for record in caplog.records if "ApplicationSet" in record.getMessage()]
    assert said == [
        "Argo CD's ApplicationSet controller is at work on cluster hub (Deployment "
        "argocd/argocd-applicationset-controller): ApplicationSets are left to it"
    ]


async def test_one_outside_of_the_control_plane_is_left_alone(hub: Hub) -> None:
    await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    async with running(hub, a_repo()) as process:
        elsewhere = appset("theirs")
        elsewhere["metadata"]["namespace"] = "team"
        await hub.create(elsewhere)
        await hub.create(appset("ours"))
        await until(hub, "ours")
        await process.idle()
        assert process.engine.sets.failures == {}
        assert await hub.get("Application", "theirs", "team") is None
