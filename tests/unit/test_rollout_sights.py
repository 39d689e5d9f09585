"""What a rollout sees of its applications, and what it asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from backends.argocd import ArgoDialect
from fleetui.fleet.rolloutsights import FleetSights
from fleetui.fleet.views import Action, ActionKind, ChangeSet, Outcome
from fleetui.model.app import App, AppResource, Automation, Condition, OperationState, Source
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.rollout import CellPlan, Rollout, RolloutState, Truth
from fleetui.model.status import ClusterState, ClusterStatus, Health, HealthStatus, OperationPhase, SyncStatus
from fleetui.ports import Subscription
from tests.engine.rollout_world import HUB, plan
from tests.trees import DictTree
from tests.unit.fakes import Closing, manifest, stored

PLAN = plan((1, 1))
CELL = msgspec.structs.replace(PLAN.cells[0], truth=Truth("element", "https://git.example/f.git", "main", "set.yaml"))
HEALTHY = Health(HealthStatus.HEALTHY)


def app(**fields: Any) -> App:
    known: dict[str, Any] = {
        "key": CELL.app,
        "source": Source("https://charts.example", target_revision="1.15", chart="cert-manager"),
        "revision": "1.15",
        "sync": SyncStatus.SYNCED,
        "health": HEALTHY,
    }
    return App(**known | fields)


def operation(phase: OperationPhase, revision: str = "1.15") -> OperationState:
    return OperationState(phase, message="one object was not applied", revision=revision)


class FakePicture:
    def __init__(self, *apps: App) -> None:
        self.apps = {each.key: each for each in apps}
        self.clusters = {
            name: ClusterStatus(name, ClusterState.LIVE, 0.0) for name in (HUB, CELL.key.cluster, ClusterName("c01"))
        }
        self.problems: dict[ClusterName, str] = {}
        self.actions: list[Action] = []
        self.probed: list[ClusterName] = []
        self.refuse: Callable[[], Exception] | None = None
        self.listeners: list[Callable[[ChangeSet], None]] = []

    async def loaded(self) -> None:
        pass

    def probe(self, cluster: ClusterName) -> None:
        self.probed.append(cluster)

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        self.listeners.append(listener)
        return Closing(lambda: self.listeners.remove(listener))

    async def execute(self, action: Action) -> Outcome:
        self.actions.append(action)
        if self.refuse is not None:
            raise self.refuse()
        return Outcome(action, accepted=True, message="")


class Values:
    """A repository whose file says another version at each commit; every URL is it."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.read = 0

    def open(self, url: str, **_: str) -> Values:
        return self

    async def resolve(self, revision: str) -> str:
        return revision

    async def tree(self, sha: str) -> DictTree:
        self.read += 1
        return DictTree({"c00.yaml": f"chart:\n  version: {self.versions[sha]}\n".encode()}, sha)


def look(picture: FakePicture, cell: CellPlan = CELL, values: Values | None = None) -> Any:
    return asyncio.run(FleetSights(picture, values or Values()).look(cell))  # type: ignore[arg-type]


def test_an_application_at_its_version() -> None:
    sight = look(FakePicture(app(automation=Automation(enabled=True))))
    assert (sight.version, sight.synced, sight.health, sight.automated) == ("1.15", True, HealthStatus.HEALTHY, True)
    assert not any((sight.busy, sight.failed, sight.error, sight.away, sight.missing))


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        # Its status is still about the version before.
        ({"compared": False}, {"version": ""}),
        ({"sync": SyncStatus.OUT_OF_SYNC}, {"synced": False}),
        ({"pending": True}, {"busy": True, "synced": False}),
        ({"operation": operation(OperationPhase.RUNNING)}, {"busy": True}),
        ({"operation": operation(OperationPhase.FAILED)}, {"failed": "one object was not applied"}),
        ({"operation": operation(OperationPhase.FAILED, "1.14")}, {"failed": ""}),
        ({"operation": operation(OperationPhase.SUCCEEDED)}, {"failed": ""}),
        ({"deleting": True}, {"missing": True}),
        (
            {"sync": SyncStatus.UNKNOWN, "conditions": (Condition("ComparisonError", "no such chart"),)},
            {"error": "no such chart", "synced": False},
        ),
        ({"conditions": (Condition("SharedResourceWarning", "two want it"),)}, {"error": ""}),
        ({"conditions": (Condition("SyncError", "it failed"),)}, {"error": ""}),
    ],
)
def test_what_an_application_says(fields: dict[str, Any], seen: dict[str, Any]) -> None:
    sight = look(FakePicture(app(**fields)))
    assert {name: getattr(sight, name) for name in seen} == seen


def test_what_does_not_answer_is_away_and_what_is_not_there_is_missing() -> None:
    assert look(FakePicture()).missing
    picture = FakePicture()
    picture.problems[HUB] = "hub: applications.argoproj.io is forbidden"
    assert look(picture).away == "hub: applications.argoproj.io is forbidden"
    picture = FakePicture(app())
    picture.clusters[HUB] = ClusterStatus(HUB, ClusterState.STALE, 0.0, "connection refused")
    assert look(picture).away == "cluster hub: connection refused"
    failing = app(sync=SyncStatus.UNKNOWN, conditions=(Condition("ComparisonError", "dial tcp: timeout"),))
    picture = FakePicture(failing)
    there = CELL.key.cluster
    picture.clusters[there] = ClusterStatus(there, ClusterState.UNREACHABLE, 0.0, "no route to host")
    sight = look(picture)
    assert (sight.away, sight.error) == ("cluster c00: dial tcp: timeout", "")


def test_a_cluster_that_nobody_has_asked_is_asked_before_its_error_counts() -> None:
    there = CELL.key.cluster
    failing = app(sync=SyncStatus.UNKNOWN, conditions=(Condition("ComparisonError", "dial tcp: timeout"),))
    picture = FakePicture(failing)
    picture.clusters[there] = ClusterStatus(there, ClusterState.REGISTERED, 0.0)
    assert look(picture).away == "cluster c00: dial tcp: timeout"
    assert picture.probed == [there]
    picture.clusters[there] = ClusterStatus(there, ClusterState.LIVE, 0.0)
    assert (look(picture).away, look(picture).error) == ("", "dial tcp: timeout")


def test_what_git_holds_wrongly_is_no_clusters_fault() -> None:
    there = CELL.key.cluster
    message = "Failed to load target state: settings.yaml:3: not a valid manifest"
    picture = FakePicture(app(sync=SyncStatus.UNKNOWN, conditions=(Condition("ComparisonError", message),)))
    picture.clusters[there] = ClusterStatus(there, ClusterState.UNREACHABLE, 0.0, "no route to host")
    assert (look(picture).away, look(picture).error) == ("", message)


def test_a_version_in_a_values_file_is_read_at_the_commit_that_was_compared() -> None:
    truth = Truth("values", "https://git.example/fleet.git", "main", "c00.yaml", field="chart.version")
    cell = msgspec.structs.replace(CELL, truth=truth)
    values = Values(aaaa="1.14", bbbb="1.15")
    picture = FakePicture(app(source=Source("https://git.example/fleet", path="addons"), revision="aaaa"))
    sights = FleetSights(picture, values)  # type: ignore[arg-type]

    async def test() -> None:
        assert (await sights.look(cell)).version == "1.14"
        assert (await sights.look(cell)).version == "1.14"
        assert values.read == 1
        # Of several sources, it is the one in which the file lies.
        picture.apps[CELL.app] = app(revision="1.15.0", revisions={"https://git.example/fleet.git": "bbbb"})
        assert (await sights.look(cell)).version == "1.15"
        picture.apps[CELL.app] = app(revision="")
        assert (await sights.look(cell)).version == ""

    asyncio.run(test())


def test_a_commit_is_read_once_for_all_cells_and_a_broken_file_is_its_own_cells_error() -> None:
    truths = [Truth("values", "https://git.example/fleet.git", "main", f"c0{n}.yaml", field="v") for n in range(2)]
    cells = [msgspec.structs.replace(cell, truth=truth) for cell, truth in zip(PLAN.cells, truths, strict=True)]
    files = {"c00.yaml": b"v: '1.14'\n", "c01.yaml": b"v: '1.13'\n"}

    class Folder(Values):
        async def tree(self, sha: str) -> DictTree:
            self.read += 1
            return DictTree(dict(files), sha)

    source = Source("https://git.example/fleet", path="addons")
    apps = [app(key=cell.app, source=source, revision="aaaa") for cell in cells]
    picture, folder = FakePicture(*apps), Folder()
    sights = FleetSights(picture, folder)  # type: ignore[arg-type]

    async def test() -> None:
        watching = sights.subscribe(cells, lambda: None)
        assert [(await sights.look(cell)).version for cell in cells] == ["1.14", "1.13"]
        assert folder.read == 1
        files["c01.yaml"] = b"v: [\n"
        picture.apps = {each.key: app(key=each.key, source=source, revision="bbbb") for each in apps}
        assert (await sights.look(cells[0])).version == "1.14"
        assert "c01.yaml" in (await sights.look(cells[1])).away
        watching.close()
        assert picture.listeners == []

    asyncio.run(test())


def test_a_sync_names_the_rollout_and_one_that_runs_already_is_none() -> None:
    async def test() -> None:
        picture = FakePicture(app(sync=SyncStatus.OUT_OF_SYNC))
        sights = FleetSights(picture, Values())  # type: ignore[arg-type]
        rollout = Rollout(PLAN, RolloutState())
        await sights.sync(CELL, rollout)
        await sights.refresh(CELL)
        assert picture.actions == [
            Action(ActionKind.SYNC, CELL.app, rollout="certs"),
            Action(ActionKind.REFRESH, CELL.app),
        ]

        picture.refuse = lambda: RefusedError("blocked by a window")
        with pytest.raises(RefusedError, match="window"):
            await sights.sync(CELL, rollout)

        def somebody_was_quicker() -> Exception:
            picture.apps[CELL.app] = app(pending=True)
            return RefusedError("another operation is already in progress")

        picture.refuse = somebody_was_quicker
        await sights.sync(CELL, rollout)
        asked = len(picture.actions)
        await sights.sync(CELL, rollout)
        assert len(picture.actions) == asked
        picture.apps.clear()
        with pytest.raises(MissingError, match="no application"):
            await sights.sync(CELL, rollout)

    asyncio.run(test())


def test_what_brings_many_cells_is_refreshed_once_for_all() -> None:
    async def test() -> None:
        mine = [app(key=cell.app, application_set="addons") for cell in PLAN.cells]
        brings = ObjectRef("argoproj.io", "ApplicationSet", "argocd", "addons")
        root = app(key=msgspec.structs.replace(CELL.app, name="root"), resources=(AppResource(brings),))
        picture = FakePicture(root, *mine)
        sights = FleetSights(picture, Values())  # type: ignore[arg-type]
        cells = [msgspec.structs.replace(cell, truth=CELL.truth) for cell in PLAN.cells]
        await asyncio.gather(*map(sights.refresh, cells))
        assert picture.actions == [Action(ActionKind.REFRESH, root.key)]
        # What lies in its own source is compared there.
        await sights.refresh(PLAN.cells[0])
        assert picture.actions[1:] == [Action(ActionKind.REFRESH, CELL.app)]

    asyncio.run(test())


def test_only_what_concerns_the_rollout_wakes_it() -> None:
    picture = FakePicture(app())
    woken: list[int] = []
    subscription = FleetSights(picture, Values()).subscribe(PLAN.cells, lambda: woken.append(1))  # type: ignore[arg-type]
    (tell,) = picture.listeners
    other = app(key=msgspec.structs.replace(CELL.app, name="other"))
    tell(ChangeSet(apps={other.key: other}))
    assert not woken
    tell(ChangeSet(apps={CELL.app: app()}))
    tell(ChangeSet(removed=frozenset({CELL.app})))
    tell(ChangeSet(clusters={HUB: picture.clusters[HUB]}))
    tell(ChangeSet(problems={HUB: "forbidden"}))
    assert len(woken) == 4
    tell(ChangeSet(problems={HUB: "forbidden"}))
    assert len(woken) == 4
    subscription.close()
    assert not picture.listeners


def test_argo_cds_status_is_about_the_source_that_it_was_compared_with() -> None:
    def read(compared: Any, **spec: Any) -> App:
        source = {"repoURL": "https://charts.example", "chart": "cert-manager", "targetRevision": "1.15"}
        body = manifest(
            "Application",
            "certs",
            api_version="argoproj.io/v1alpha1",
            spec={"source": source, "destination": {}, **spec},
            status={"sync": {"status": "Synced", "comparedTo": compared, "revisions": ["1.15", "abc"]}},
        )
        return ArgoDialect().app(HUB, stored(body))

    chart = {"repoURL": "https://charts.example", "chart": "cert-manager"}
    assert read({"source": {**chart, "targetRevision": "1.15"}, "destination": {}}).compared
    assert not read({"source": {**chart, "targetRevision": "1.14"}, "destination": {}}).compared
    assert read(None).compared
    parameter = {"helm": {"parameters": [{"name": "version", "value": "2"}]}}
    assert not read({"source": {**chart, "targetRevision": "1.15", **parameter}}).compared
    several = [{**chart, "targetRevision": "1.15"}, {"repoURL": "https://git.example/f.git", "ref": "values"}]
    two = read({"sources": several}, sources=several)
    assert (two.compared, two.revisions) == (
        True,
        {"https://charts.example": "1.15", "https://git.example/f.git": "abc"},
    )
