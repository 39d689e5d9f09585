"""The live fleet beside a running engine: what an operator sees and does, on a real kube-apiserver and a real
repository."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.fleet.audit import Audit, FileJournal, Operator
from fleetui.fleet.find import find_app
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.restore import restore_automation
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Action, ActionKind, ChangeSet
from fleetui.fleet.wait import wait_for
from fleetui.model.app import AppKey
from fleetui.model.errors import RefusedError
from fleetui.model.objects import ObjectRef
from fleetui.model.status import HealthStatus, OperationPhase, SyncStatus
from tests.controlplane.server import ControlPlane
from tests.e2e.manifests import FOLDER, article, deployment, files
from tests.e2e.story import EngineProcess, Repository, Story, bootstrap
from tests.waiting import await_until

pytestmark = pytest.mark.real

PATIENCE = 40.0


class View:
    """A fleet over the story's control plane."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.journal = folder / "audit.jsonl"
        self.cluster = KubeCluster(load([story.plane.kubeconfig()]).context())
        self.store = LiveStore(self.cluster)
        self.repositories = GitRepositories(cache=folder / "mirrors")
        audit = Audit(FileJournal(self.journal), Operator("ann", "bastion", "ssh 10.0.0.7"), now=time.time)
        self.fleet = LiveFleet([self.store], [ArgoDialect()], self.repositories, audit=audit)

    @property
    def key(self) -> AppKey:
        return find_app(self.fleet.apps, self.story.name)

    async def execute(self, kind: ActionKind, **fields: Any) -> None:
        await self.fleet.execute(Action(kind, self.key, **fields))
        app = await wait_for(self.fleet, self.key, operation=True, timeout=PATIENCE)
        assert app.operation is not None
        assert app.operation.phase is OperationPhase.SUCCEEDED, app.operation.message

    async def shows(self, description: str, sync: SyncStatus) -> None:
        await await_until(lambda: self.fleet.apps[self.key].sync is sync, PATIENCE, description)


@asynccontextmanager
async def looking_at(story: Story, folder: Path) -> AsyncIterator[View]:
    view = View(story, folder)
    await view.fleet.start()
    try:
        await view.fleet.loaded()
        yield view
    finally:
        await view.fleet.close()
        view.store.close()
        await view.cluster.close()
        await view.repositories.close()


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    bootstrap(control_plane.kubeconfig())
    return control_plane


@pytest.fixture(scope="module")
def engine(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    process = EngineProcess(plane.kubeconfig(), tmp_path_factory.mktemp("engine"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def story(plane: ControlPlane, engine: EngineProcess, unique: str, tmp_path: Path) -> Iterator[Story]:
    told = Story(plane, Repository(tmp_path), engine, name=f"shop-{unique}", namespace=f"shop-{unique}")
    try:
        yield told
    finally:
        plane.kubectl("-n", "argocd", "delete", "applications.argoproj.io", told.name, "--ignore-not-found")
        plane.kubectl("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=false")


async def test_an_operator_sees_and_undoes_what_was_done_by_hand(story: Story, tmp_path: Path) -> None:
    first = story.repository.commit(article(), "initial manifests")
    options = {"syncOptions": ["CreateNamespace=true"]}
    await asyncio.to_thread(story.apply, story.application(syncPolicy=options))
    async with looking_at(story, tmp_path) as view:
        fleet = view.fleet
        await await_until(lambda: any(key.name == story.name for key in fleet.apps), PATIENCE, "the application")
        await view.shows("compared with Git", SyncStatus.OUT_OF_SYNC)
        plan = await fleet.plan(Action(ActionKind.SYNC, view.key))
        assert {(entry.verb, entry.ref.kind) for entry in plan.entries} == {
            ("create", "ConfigMap"),
            ("create", "Deployment"),
            ("create", "Service"),
        }
        assert plan.to_commit is not None
        assert (plan.to_revision, plan.to_commit.author, plan.refusals) == (first, "Ann Lee", ())

        await view.execute(ActionKind.SYNC)
        await wait_for(fleet, view.key, sync=True, health=True, timeout=PATIENCE)
        (row,) = await fleet.history(view.key)
        assert row.commit is not None
        assert (row.revision, row.commit.subject, row.initiated_by, row.current) == (
            first,
            "initial manifests",
            "ann",
            True,
        )
        assert (await fleet.diff(view.key)).objects == ()

        fleet.watch_tree(view.key)
        tree = await fleet.tree(view.key)
        assert tree.problem == ""
        assert [(node.depth, node.ref.kind) for node in tree.nodes] == [
            (0, "Application"),
            (1, "Deployment"),
            (2, "ReplicaSet"),
            (3, "Pod"),
            (3, "Pod"),
            (1, "Service"),
            (2, "EndpointSlice"),
            (1, "ConfigMap"),
        ]
        assert tree.nodes[1].info == "2/2 ready"
        assert {node.health.status for node in tree.nodes if node.health} == {HealthStatus.HEALTHY}

        assert (await fleet.orphans(view.key)).objects == ()
        stray = ("-n", story.namespace, "create", "configmap", "stray")
        await asyncio.to_thread(story.plane.kubectl, *stray)
        orphans = await fleet.orphans(view.key)
        assert ([one.ref.name for one in orphans.objects], orphans.problem) == (["stray"], "")

        edit = json.dumps({"data": {"color": "red"}})
        await asyncio.to_thread(
            story.kubectl, "patch", "configmap", "settings", "--field-manager=kubectl-edit", "--type=merge", "-p", edit
        )
        await view.shows("drifted", SyncStatus.OUT_OF_SYNC)
        diff = await fleet.diff(view.key)
        (drifted,) = diff.objects
        (change,) = drifted.changes
        assert (change.dotted, change.before, change.after) == ("data.color", "red", "blue")
        assert change.blame is not None
        assert (change.blame.manager, drifted.file, diff.notes) == ("kubectl-edit", f"{FOLDER}/settings.yaml", ())
        (entry,) = (await fleet.plan(Action(ActionKind.SYNC, view.key))).entries
        assert entry.summary == "color red → blue (undoes kubectl-edit)"
        await view.execute(ActionKind.SYNC)
        await view.shows("undone", SyncStatus.SYNCED)

        second = story.repository.commit(
            files(deployment=deployment(image="registry.example.com/payments:1.99")), "bump to 1.99"
        )
        await fleet.execute(Action(ActionKind.REFRESH, view.key))
        await await_until(lambda: fleet.apps[view.key].revision == second, PATIENCE, "the new commit seen")
        (entry,) = (await fleet.plan(Action(ActionKind.SYNC, view.key))).entries
        assert entry.summary == "image 1.98 → 1.99"
        await view.execute(ActionKind.SYNC)
        await wait_for(fleet, view.key, sync=True, health=True, timeout=PATIENCE)

        rows = await fleet.history(view.key)
        assert [row.revision for row in rows] == [second, first, first]
        await view.execute(ActionKind.ROLLBACK, history_id=rows[-1].id)
        await view.shows("rolled back, and so out of sync", SyncStatus.OUT_OF_SYNC)
        manifest = await fleet.manifest(view.key, ObjectRef("apps", "Deployment", story.namespace, "payments-api"))
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        assert container["image"].endswith(":1.98")
        assert "managedFields" not in manifest["metadata"]

        actions = [json.loads(line) for line in view.journal.read_text().splitlines()]
        assert [each["action"] for each in actions] == ["sync", "sync", "refresh", "sync", "rollback"]
        assert {each["ending"] for each in actions} == {"accepted"}
        assert (actions[-1]["from_revision"], actions[-1]["to_revision"]) == (second, first)


async def test_a_rollback_of_an_automated_application_holds_until_git_moves_on(story: Story, tmp_path: Path) -> None:
    first, second = await two_commits(story)
    async with looking_at(story, tmp_path) as view:
        fleet = view.fleet
        rollback = Action(ActionKind.ROLLBACK, view.key, history_id=0, restore=True)
        assert "switches automated sync off" in (await fleet.plan(rollback)).notes[0]
        await fleet.execute(rollback)
        restoring = asyncio.create_task(restore_automation(fleet, view.key, away_from=second, timeout=PATIENCE))
        await await_until(lambda: image(story).endswith(":1.98"), PATIENCE, "the former image")
        await view.shows("rolled back, and so out of sync", SyncStatus.OUT_OF_SYNC)
        assert not fleet.apps[view.key].automation.enabled
        third = story.repository.commit(
            files(deployment=deployment(image="registry.example.com/payments:1.99.1")), "mend"
        )
        await fleet.execute(Action(ActionKind.REFRESH, view.key))
        assert (await restoring).accepted
        await await_until(lambda: image(story).endswith(":1.99.1"), PATIENCE, "Git is followed again")
        await wait_for(fleet, view.key, sync=True, health=True, timeout=PATIENCE)
        rows = await fleet.history(view.key)
        assert [row.revision for row in rows] == [third, first, second, first]
        assert [row.automated for row in rows] == [True, False, True, True]
        assert rows[1].origin.startswith("ann@bastion, ")
        changed = await fleet.deployed(view.key, rows[0].id)
        assert [(each.verb, each.ref.name, each.summary) for each in changed.entries] == [
            ("change", "payments-api", "image 1.98 → 1.99.1")
        ]


async def test_a_rollback_in_git_is_a_commit_that_is_followed(story: Story, tmp_path: Path) -> None:
    first, second = await two_commits(story)
    async with looking_at(story, tmp_path) as view:
        fleet = view.fleet
        revert = Action(ActionKind.REVERT, view.key, history_id=0)
        (entry,) = (await fleet.plan(revert)).entries
        assert entry.summary == "image 1.99 → 1.98"
        assert (await fleet.execute(revert)).accepted
        await await_until(lambda: image(story).endswith(":1.98"), PATIENCE, "the former image")
        app = await wait_for(fleet, view.key, sync=True, health=True, timeout=PATIENCE)
        assert app.automation.enabled
        assert app.revision not in {first, second}
        (newest, *_) = await fleet.history(view.key)
        assert newest.commit is not None
        assert newest.commit.subject == f"Roll {FOLDER} back to {first[:7]}"
        with pytest.raises(RefusedError, match="nothing to put back"):
            await fleet.execute(revert)


async def two_commits(story: Story) -> tuple[str, str]:
    """An automated application that has lived through two commits; the second one bumps the image."""
    first = story.repository.commit(article(), "initial manifests")
    await asyncio.to_thread(story.apply, story.application())
    await asyncio.to_thread(story.until_settled, first)
    second = story.repository.commit(files(deployment=deployment(image="registry.example.com/payments:1.99")), "bump")
    await asyncio.to_thread(story.until_settled, second)
    return first, second


def image(story: Story) -> str:
    (container,) = story.there("deployment", "payments-api")["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


async def test_an_idle_fleet_asks_nothing(story: Story, tmp_path: Path) -> None:
    first = story.repository.commit(article(), "initial manifests")
    await asyncio.to_thread(story.apply, story.application())
    await asyncio.to_thread(story.until_settled, first)
    async with looking_at(story, tmp_path) as view:
        fleet = view.fleet
        fleet.watch_tree(view.key)
        await fleet.tree(view.key)
        heard: list[ChangeSet] = []
        subscription = fleet.subscribe(heard.append)
        before = dict(view.cluster.requests)
        await asyncio.to_thread(story.kubectl, "scale", "deployment", "payments-api", "--replicas=3")
        await await_until(lambda: any(view.key in change.trees for change in heard), PATIENCE, "the tree told of")
        after = dict(view.cluster.requests)
        subscription.close()
        asked = {verb: after.get(verb, 0) - before.get(verb, 0) for verb in ("LIST", "GET", "DISCOVER")}
        assert asked == {"LIST": 0, "GET": 0, "DISCOVER": 0}
