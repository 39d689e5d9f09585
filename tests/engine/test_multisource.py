"""Applications with several sources, from their spec to their history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Remotes, Repo, application, embedded_hub, message, running, synced

ONE = {"repoURL": "ours", "path": "shop", "targetRevision": "main"}
TWO = {"repoURL": "theirs", "path": "shop", "targetRevision": "main", "name": "second"}
VALUES = {"repoURL": "theirs", "ref": "values"}
NOTHING = {"repoURL": ""}


def config(name: str, value: str = "1") -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}


def app(*sources: Obj, **spec: Any) -> Obj:
    return application(sources=list(sources), **spec)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as running_hub:
        yield running_hub


async def test_from_the_spec_to_the_history(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    first, other = ours.push(config("a")), theirs.push(config("b"))
    await hub.create(app(ONE, TWO, VALUES))
    async with running(hub, Remotes(ours=ours, theirs=theirs)):
        found = await hub.until(synced, "both sources are synced")
        sources, revisions = [ONE, TWO, VALUES], [first, other, other]
        status = found["status"]
        assert (await hub.get("ConfigMap", "a"), await hub.get("ConfigMap", "b")) != (None, None)
        assert status["sync"]["comparedTo"]["sources"] == sources
        assert status["sync"]["comparedTo"]["source"] == NOTHING
        assert status["sync"]["revisions"] == revisions
        assert "revision" not in status["sync"]
        assert status["sourceTypes"] == ["Directory", "Directory", ""]
        assert "sourceType" not in status
        state = status["operationState"]
        assert state["operation"]["sync"].items() >= {"sources": sources, "revisions": revisions}.items()
        assert not {"source", "revision"} & state["operation"]["sync"].keys()
        assert state["syncResult"].items() >= {"sources": sources, "revisions": revisions}.items()
        assert (state["syncResult"]["source"], state["syncResult"]["revision"]) == (NOTHING, "")
        entry = status["history"][0]
        assert (entry["sources"], entry["revisions"], entry["source"]) == (sources, revisions, NOTHING)
        assert "revision" not in entry

        newer = theirs.push(config("b", "2"))
        found = await hub.until(
            lambda app: synced(app) and app["status"]["sync"]["revisions"] == [first, newer, newer],
            "a commit to the second repository wakes it",
        )
        assert [each["revisions"][1] for each in found["status"]["history"]] == [other, newer]
        b = await hub.get("ConfigMap", "b")
        assert b is not None
        assert b["data"] == {"value": "2"}


async def test_back_to_an_entry_of_the_history(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    ours.push(config("a"))
    old = theirs.push(config("b"))
    await hub.create(app(ONE, TWO))
    async with running(hub, Remotes(ours=ours, theirs=theirs)) as process:
        await hub.until(synced, "it is synced")
        await hub.patch("Application", "shop", {"spec": {"syncPolicy": {"automated": None}}}, namespace="argocd")
        await process.idle()
        theirs.push(config("b", "2"))
        found = await hub.until(lambda app: app["status"]["sync"]["status"] == "OutOfSync", "it is behind")
        entry = found["status"]["history"][0]
        sync = {"sources": entry["sources"], "revisions": entry["revisions"], "syncStrategy": {"apply": {}}}
        # A newer commit than the entry's is what the spec follows.
        theirs.push(config("b", "3"))
        await hub.patch("Application", "shop", {"operation": {"sync": sync}}, namespace="argocd")
        found = await hub.until(lambda app: len(app["status"].get("history", [])) == 2, "it has rolled back")
        await process.idle()
        assert found["status"]["history"][1]["revisions"][1] == old
        b = await hub.get("ConfigMap", "b")
        assert b is not None
        assert b["data"] == {"value": "1"}
        assert (await hub.app())["status"]["sync"]["status"] == "OutOfSync"


async def test_a_sync_that_names_no_sources_takes_those_of_the_spec(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    revisions = [ours.push(config("a")), theirs.push(config("b"))]
    await hub.create(app(ONE, TWO, syncPolicy={"syncOptions": ["CreateNamespace=true"]}))
    sync = {"syncOptions": ["CreateNamespace=true"]}
    await hub.patch("Application", "shop", {"operation": {"sync": sync}}, namespace="argocd")
    async with running(hub, Remotes(ours=ours, theirs=theirs)):
        found = await hub.until(synced, "the sync ends")
        result = found["status"]["operationState"]["syncResult"]
        assert result["revisions"] == revisions
        assert (result["sources"], result["source"], result["revision"]) == ([ONE, TWO], ONE, "")


async def test_the_last_source_wins_and_it_is_said(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    ours.push(config("a", "ours"))
    theirs.push(config("a", "theirs"))
    await hub.create(app(ONE, TWO))
    async with running(hub, Remotes(ours=ours, theirs=theirs)):
        found = await hub.until(synced, "it is synced")
        a = await hub.get("ConfigMap", "a")
        assert a is not None
        assert a["data"] == {"value": "theirs"}
        conditions = [(each["type"], each["message"]) for each in found["status"]["conditions"]]
        text = "Resource /ConfigMap/shop/a appeared 2 times among application resources."
        assert conditions == [("RepeatedResourceWarning", text)]


async def test_which_source_fails_is_said_and_nothing_is_pruned(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    ours.push(config("a"))
    theirs.push(config("b"))
    await hub.create(app(ONE, TWO))
    async with running(hub, Remotes(ours=ours, theirs=theirs)):
        await hub.until(synced, "it is synced")
        theirs.push(b="apiVersion: v1\nkind: [\nmetadata: {}\n")
        found = await hub.until(lambda app: app["status"]["sync"]["status"] == "Unknown", "it can't be read")
        status = found["status"]
        assert "revisions" not in status["sync"]
        assert "sourceTypes" not in status
        text = "Failed to load target state: failed to generate manifest for source 2 of 2: shop/b.yaml:"
        assert status["conditions"][0]["message"].startswith(text)
        assert await hub.get("ConfigMap", "b") is not None


async def test_what_fails_is_tried_once_for_the_revisions_it_failed_at(hub: Hub) -> None:
    ours, theirs = Repo(), Repo()
    first = ours.push(config("a"))
    bad = theirs.push({"apiVersion": "v1", "kind": "Nonesuch", "metadata": {"name": "x"}})
    policy = {"automated": {}, "retry": {"limit": 0}, "syncOptions": ["CreateNamespace=true"]}
    await hub.create(app(ONE, TWO, syncPolicy=policy))
    async with running(hub, Remotes(ours=ours, theirs=theirs)) as process:

        def refused(app: Obj) -> bool:
            conditions = app.get("status", {}).get("conditions", [])
            return any(f"[{first} {bad}]" in each["message"] for each in conditions if each["type"] == "SyncError")

        found = await hub.until(refused, "the failure is told")
        await process.idle()
        started = found["status"]["operationState"]["startedAt"]
        assert (await hub.app())["status"]["operationState"]["startedAt"] == started, message(found)
        theirs.push(config("b"))
        await hub.until(synced, "another commit is another attempt")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"sources": [{**ONE, "path": ""}]},
            "spec.source.repoURL and either source.path, source.chart, or source.ref are required for source "
            "{ours  main nil nil nil nil    }",
        ),
        (
            {"source": {"repoURL": "ours"}},
            "spec.source.repoURL and either spec.source.path or spec.source.chart are required",
        ),
        (
            {"source": {"repoURL": "ours", "chart": "x"}},
            "spec.source.targetRevision is required if the manifest source is a helm chart",
        ),
        (
            {"sourceHydrator": {"drySource": {"repoURL": "ours", "path": "x", "targetRevision": "main"}}},
            "spec.sourceHydrator is not supported by this engine; give spec.source the branch that it writes",
        ),
    ],
)
async def test_what_can_not_be_a_source_is_said(hub: Hub, spec: Obj, said: str) -> None:
    if "sourceHydrator" in spec:
        spec["sourceHydrator"]["syncSource"] = {"targetBranch": "live", "path": "x"}
    await hub.create(application(**spec))
    async with running(hub, Remotes(ours=Repo())):
        found = await hub.until(lambda app: app.get("status", {}).get("conditions"), "it is refused")
        assert [(each["type"], each["message"]) for each in found["status"]["conditions"]] == [
            ("InvalidSpecError", said)
        ]


async def test_one_commit_for_many_applications_renders_one_and_syncs_one(hub: Hub) -> None:
    repo = Repo()
    names = [f"app-{number}" for number in range(20)]
    manifest = "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: {}}}\n"
    files = {f"{name}/a.yaml": manifest.format(name).encode() for name in names}
    first = repo.push()
    repo.commits[first] = files
    for name in names:
        await hub.create(application(name, source={"repoURL": "ours", "path": name, "targetRevision": "main"}))
    async with running(hub, Remotes(ours=repo)) as process:
        for name in names:
            await hub.until(synced, f"{name} is synced", app=name)
        await process.idle()
        assert process.engine.renders == len(names)
        second = repo.push()
        repo.commits[second] = files | {"app-3/a.yaml": f"{manifest.format('app-3')}data: {{x: '1'}}\n".encode()}
        repo.moved()
        found = await asyncio.gather(
            *(
                hub.until(
                    lambda app: synced(app) and app["status"]["sync"]["revision"] == second, f"{name} follows", app=name
                )
                for name in names
            )
        )
        assert process.engine.renders == len(names) + 1
        ran = [each["status"]["operationState"]["syncResult"]["revision"] for each in found]
        assert ran == [second if name == "app-3" else first for name in names]
