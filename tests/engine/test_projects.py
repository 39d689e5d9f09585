"""Projects and sync windows on an embedded cluster: what is refused, in which words, and what lets it go on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetui.engine.application import FINALIZER, TRACKING_ID
from fleetui.engine.controller import RESYNC
from fleetui.engine.settings import Settings
from fleetui.engine.tracking import INSTANCE_LABEL
from fleetui.model.errors import GitError
from fleetui.model.objects import Obj
from tests.engine.bench import (
    URL,
    Hub,
    Repo,
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
from tests.unit.repository_secrets import HandBook, secret

ANY = [{"group": "*", "kind": "*"}]
NIGHT = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
EVENING = datetime(2027, 3, 2, 23, tzinfo=UTC).timestamp()
TO_SIX = 7 * 3600.0


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as found:
        yield found


@pytest.fixture
def repo() -> Repo:
    repo = Repo()
    repo.push(config())
    return repo


def config(name: str = "a") -> Obj:
    return obj("ConfigMap", name, namespace="", data={"value": "1"})


def project(**spec: Any) -> Obj:
    """The AppProject `team` that permits everything; `spec` says otherwise."""
    everything = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": ANY,
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "team", "namespace": "argocd"},
        "spec": everything | spec,
    }


def conditions(app: Any) -> list[tuple[str, str]]:
    return [(each["type"], each["message"]) for each in app.get("status", {}).get("conditions", ())]


def by_hand() -> Obj:
    return {"operation": {"initiatedBy": {"username": "ann"}, "sync": {"syncOptions": ["CreateNamespace=true"]}}}


async def test_what_a_project_does_not_permit_is_told_until_it_does(hub: Hub, repo: Repo) -> None:
    await hub.create(project(sourceRepos=["https://other.example/*"], destinations=[{"server": "*", "namespace": "x"}]))
    await hub.create(application(project="team"))
    async with running(hub, repo):
        app = await hub.until(conditions, "it is refused")
        assert conditions(app) == [
            ("InvalidSpecError", message)
            for message in (
                "application destination server 'https://kubernetes.default.svc' and namespace 'shop' do not match any "
                "of the allowed destinations in project 'team'",
                "application repo https://git.example/shop.git is not permitted in project 'team'",
            )
        ]
        assert (app["status"]["sync"]["status"], app["status"]["health"]["status"]) == ("Unknown", "Unknown")
        await hub.patch("AppProject", "team", {"spec": project()["spec"]}, namespace="argocd")
        assert not conditions(await hub.until(synced, "what the project permits now is synced"))


async def test_an_operation_that_the_project_does_not_permit_names_its_commit(hub: Hub, repo: Repo) -> None:
    """`SyncAppState` resolves the revision before it looks at the conditions, and a retry is kept."""
    await hub.create(project(sourceRepos=["https://other.example/*"]))
    asked = by_hand()
    asked["operation"]["retry"] = {"limit": 1, "backoff": {"duration": "1s"}}
    clock = FakeClock()
    await hub.create(application(project="team") | asked)
    async with running(hub, repo, clock=clock):
        app = await hub.until(lambda app: bool(message(app)), "the first attempt ends")
        says = f"InvalidSpecError: application repo {URL} is not permitted in project 'team'"
        assert message(app).startswith(f"{says}. Retrying attempt #1 at ")
        clock.advance(2)
        app = await hub.until(lambda app: phase(app) == "Error", "the operation ends")
        assert message(app) == f"{says} (retried 1 times)."
        result = app["status"]["operationState"]["syncResult"]
        assert result == {"revision": repo.head, "source": app["spec"]["source"]}


async def test_a_repository_secret_of_a_project_permits_its_repository_to_it(hub: Hub, repo: Repo) -> None:
    await hub.create(project(sourceRepos=[]))
    await hub.create(application(project="team"))
    book = HandBook(secret(url=URL, project="other"))
    async with running(hub, repo, own_repositories=book):
        refused = conditions(await hub.until(conditions, "it is refused"))
        assert refused == [("InvalidSpecError", f"application repo {URL} is not permitted in project 'team'")]
        book.says(secret(url=URL, project="team"))
        assert not conditions(await hub.until(synced, "what the hub gives to the project is synced"))


async def test_an_application_whose_project_does_not_exist(hub: Hub, repo: Repo) -> None:
    await hub.create(application(project="team", metadata={"finalizers": [FINALIZER]}) | by_hand())
    async with running(hub, repo):
        app = await hub.until(lambda app: phase(app) == "Error", "the operation ends")
        assert conditions(app) == [
            ("InvalidSpecError", "Application referencing project team which does not exist"),
        ]
        unknown = 'error getting app project "team": appproject.argoproj.io "team" not found'
        assert message(app) == f"Failed to load application project: {unknown}"

        await hub.delete("Application", "shop", "argocd")
        app = await hub.until(lambda app: len(conditions(app)) == 2, "it can't be deleted either")
        assert conditions(app)[0] == ("DeletionError", unknown)

        await hub.create(project())
        await eventually(lambda: _gone(hub), "it goes when the project is there")


async def _gone(hub: Hub) -> bool:
    return not await hub.app()


async def test_an_application_elsewhere_needs_to_be_let_in(hub: Hub, repo: Repo) -> None:
    await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}})
    await hub.create(project())
    await hub.create(application(project="team", metadata={"namespace": "team-a"}))

    async def status() -> Any:
        return (await hub.get("Application", "shop", "team-a") or {}).get("status", {})

    async def refused() -> bool:
        return bool(conditions({"status": await status()}))

    async def is_synced() -> bool:
        return synced({"status": await status()})

    async with running(hub, repo):
        await eventually(refused, "it is refused")
        assert conditions({"status": await status()}) == [
            ("UnknownError", "application 'shop' in namespace 'team-a' is not permitted to use project 'team'")
        ]
        await hub.patch("AppProject", "team", {"spec": {"sourceNamespaces": ["team-*"]}}, namespace="argocd")
        await eventually(is_synced, "it is let in")


async def test_a_kind_that_is_not_permitted_keeps_everything_from_being_applied(hub: Hub, repo: Repo) -> None:
    repo.push(config(), obj("Secret", "s", namespace=""))
    await hub.create(project(namespaceResourceBlacklist=[{"group": "", "kind": "Secret"}]))
    policy = {"automated": {}, "syncOptions": ["CreateNamespace=true"], "retry": {"limit": 0}}
    await hub.create(application(project="team", syncPolicy=policy))
    async with running(hub, repo):
        app = await hub.until(lambda app: phase(app) == "Failed", "the sync fails")
        reason = "resource :Secret is not permitted in project team"
        assert message(app) == f"one or more synchronization tasks are not valid: {reason}"
        (row,) = app["status"]["operationState"]["syncResult"]["resources"]
        assert (row["kind"], row["status"], row["message"]) == ("Secret", "SyncFailed", reason)
        rows = {row["kind"]: row["status"] for row in app["status"]["resources"]}
        assert rows == {"ConfigMap": "OutOfSync", "Secret": "Unknown"}
        assert await hub.get("ConfigMap", "a") is None


async def test_what_is_no_longer_permitted_is_neither_pruned_nor_deleted(hub: Hub, repo: Repo) -> None:
    repo.push(config(), obj("Secret", "s", namespace=""))
    await hub.create(project())
    policy = {"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]}
    await hub.create(application(project="team", syncPolicy=policy, metadata={"finalizers": [FINALIZER]}))
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        denied = {"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]}
        await hub.patch("AppProject", "team", {"spec": denied}, namespace="argocd")
        await hub.until(lambda app: "OutOfSync" in str(app["status"]["sync"]), "it counts as not there")
        second = repo.push(config())
        app = await hub.until(lambda app: app["status"]["sync"].get("revision") == second and synced(app), "the second")
        assert [row["kind"] for row in app["status"]["resources"]] == ["ConfigMap"]
        await hub.delete("Application", "shop", "argocd")
        await eventually(lambda: _gone(hub), "the application goes")
        assert await hub.get("Secret", "s")
        assert not await hub.get("ConfigMap", "a")


async def test_an_automated_sync_waits_for_its_window_and_wakes_with_it(hub: Hub, repo: Repo) -> None:
    clock = FakeClock(EVENING)
    await hub.create(project(syncWindows=[NIGHT]))
    await hub.create(application(project="team"))
    async with running(hub, repo, clock=clock) as engine:
        await hub.until(lambda app: "sync" in app.get("status", {}), "it is compared")
        await engine.idle()
        app = await hub.app()
        assert (app["status"]["sync"]["status"], phase(app), conditions(app)) == ("OutOfSync", "", [])
        before = engine.engine.reconciles
        clock.advance(1.2 * RESYNC)
        await engine.idle()
        assert engine.engine.reconciles > before, "it is looked at all the same, should an event have been lost"
        clock.advance(TO_SIX - 1.2 * RESYNC - 1)
        await engine.idle()
        assert not phase(await hub.app())
        clock.advance(1)
        await hub.until(synced, "the window has closed")


async def test_what_can_not_be_read_is_tried_again_though_a_window_is_open(hub: Hub, repo: Repo) -> None:
    clock = FakeClock(EVENING)
    repo.down = GitError("a broken pack", url=URL)
    await hub.create(project(syncWindows=[NIGHT]))
    await hub.create(application(project="team"))
    async with running(hub, repo, clock=clock) as engine:
        await hub.until(conditions, "it is told")
        await engine.idle()
        repo.down = None
        clock.advance(Settings().poll)
        app = await hub.until(lambda app: not conditions(app), "it can be read again")
        assert app["status"]["sync"]["status"] == "OutOfSync"


async def test_a_sync_by_hand_waits_for_its_window(hub: Hub, repo: Repo) -> None:
    clock = FakeClock(EVENING)
    await hub.create(project(syncWindows=[NIGHT]))
    await hub.create(application(project="team", syncPolicy={}) | by_hand())
    async with running(hub, repo, clock=clock):
        app = await hub.until(message, "the operation is told why it waits")
        assert (phase(app), message(app)) == ("Running", "Sync operation blocked by sync window")
        assert await hub.get("ConfigMap", "a") is None
        clock.advance(TO_SIX)
        await hub.until(synced, "the window has closed")


async def test_a_window_may_let_people_through(hub: Hub, repo: Repo) -> None:
    await hub.create(project(syncWindows=[NIGHT | {"manualSync": True}]))
    await hub.create(application(project="team", syncPolicy={}) | by_hand())
    async with running(hub, repo, clock=FakeClock(EVENING)):
        await hub.until(synced, "a sync by hand is allowed")


async def test_an_operation_that_a_window_blocks_can_be_terminated(hub: Hub, repo: Repo) -> None:
    await hub.create(project(syncWindows=[NIGHT | {"schedule": "x"}]))
    await hub.create(application(project="team", syncPolicy={}) | by_hand())
    async with running(hub, repo, clock=FakeClock(EVENING)):
        app = await hub.until(message, "the operation is told why it waits")
        assert message(app) == (
            "Sync operation blocked by sync window: invalid sync windows: cannot parse schedule 'x': "
            "expected exactly 5 fields, found 1: [x]"
        )
        await hub.patch(
            "Application", "shop", {"status": {"operationState": {"phase": "Terminating"}}}, namespace="argocd"
        )
        await hub.until(lambda app: phase(app) == "Failed", "it ends")


async def test_a_project_that_demands_signed_commits_is_not_synced(hub: Hub, repo: Repo) -> None:
    await hub.create(project(signatureKeys=[{"keyID": "4AEE18F83AFDEB23"}]))
    await hub.create(application(project="team"))
    async with running(hub, repo) as engine:
        app = await hub.until(conditions, "it is told")
        await engine.idle()
        assert conditions(app)[0][1].startswith("project 'team' demands signed commits (signatureKeys)")
        assert not phase(await hub.app())


async def test_service_accounts_are_refused_by_name_where_the_hub_impersonates(hub: Hub, repo: Repo) -> None:
    label = {"app.kubernetes.io/part-of": "argocd"}
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": label},
        "data": {"application.sync.impersonation.enabled": "true"},
    }
    account = {"server": "*", "namespace": "*", "defaultServiceAccount": "deployer"}
    for each in (settings, project(destinationServiceAccounts=[account]), application(project="team")):
        await hub.create(each)
    async with running(hub, repo):
        app = await hub.until(conditions, "it is told")
        assert "destinationServiceAccounts" in conditions(app)[0][1]
        await hub.patch("ConfigMap", "argocd-cm", {"data": None}, namespace="argocd")
        await hub.until(synced, "without impersonation they mean nothing")


async def test_a_global_project_gives_its_rules_to_those_it_selects(hub: Hub, repo: Repo) -> None:
    everywhere = project(namespaceResourceBlacklist=[{"group": "", "kind": "ConfigMap"}])
    everywhere["metadata"]["name"] = "everywhere"
    ours = project()
    ours["metadata"]["labels"] = {"tier": "test"}
    selector = {"matchLabels": {"tier": "test"}, "matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {"globalProjects": json.dumps([{"projectName": "everywhere", "labelSelector": selector}])},
    }
    for each in (everywhere, ours, settings, application(project="team", syncPolicy={})):
        await hub.create(each)
    async with running(hub, repo):
        app = await hub.until(lambda app: app.get("status", {}).get("resources"), "it is compared")
        assert [row["status"] for row in app["status"]["resources"]] == ["Unknown"]
        await hub.patch("AppProject", "everywhere", {"spec": {"namespaceResourceBlacklist": []}}, namespace="argocd")
        await hub.until(lambda app: app["status"]["resources"][0]["status"] == "OutOfSync", "its change counts")


async def test_by_labels_the_label_tells_what_somebody_manages(hub: Hub, repo: Repo) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {"application.resourceTrackingMethod": "label"},
    }
    for each in (settings, project(orphanedResources={"warn": True}), application("other", project="team")):
        await hub.create(each)
    await hub.create(application(project="team"))
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        await hub.create(obj("ConfigMap", "theirs", namespace="shop", metadata={"labels": {INSTANCE_LABEL: "other"}}))
        await hub.create(obj("ConfigMap", "nobodys", namespace="shop", metadata={"annotations": {TRACKING_ID: "x"}}))

        def orphans(app: Obj) -> list[tuple[str, str]]:
            # Both applications have the same files: of that they may be told, too.
            return [each for each in conditions(app) if each[0] != "SharedResourceWarning"]

        told = await hub.until(orphans, "an orphan is told")
        assert orphans(told) == [("OrphanedResourceWarning", "Application has 1 orphaned resources")]


async def test_what_nobody_manages_is_warned_of_where_the_project_asks(hub: Hub, repo: Repo) -> None:
    ignore = [{"kind": "ConfigMap", "name": "ignored-*"}]
    await hub.create(project(orphanedResources={"warn": True, "ignore": ignore}))
    await hub.create(application(project="team"))

    def warned(app: Any) -> str:
        return dict(conditions(app)).get("OrphanedResourceWarning", "")

    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await engine.idle()
        assert not warned(await hub.app())

        await hub.create(obj("ConfigMap", "ignored-1", namespace="shop"))
        left = await hub.create(obj("Secret", "left", namespace="shop"))
        owner = {"apiVersion": "v1", "kind": "Secret", "name": "left", "uid": left["metadata"]["uid"]}
        await hub.until(lambda app: warned(app) == "Application has 1 orphaned resources", "an orphan is told")
        await hub.create(obj("ConfigMap", "its", namespace="shop", metadata={"ownerReferences": [owner]}))
        await hub.until(lambda app: warned(app) == "Application has 2 orphaned resources", "with what it owns")
        await engine.idle()
        before = dict(engine.api.requests)
        repo.moved()
        await engine.idle()
        assert dict(engine.api.requests) == before, "to look again asks nobody"

        await hub.delete("ConfigMap", "its")
        await hub.delete("Secret", "left")
        await hub.until(lambda app: not warned(app), "the orphans went")
        await hub.patch("AppProject", "team", {"spec": {"orphanedResources": None}}, namespace="argocd")
        await hub.create(obj("Secret", "again", namespace="shop"))
        await engine.idle()
        assert not warned(await hub.app())
