"""Asking why: what is read for an answer, and what is said where it can't be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fleetui.fleet.asking import BELOW, LINES, why
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Tree, TreeNode, Why
from fleetui.model.app import App, AppKey, Automation, Condition, OperationState
from fleetui.model.errors import ForbiddenError, InvalidError, MissingError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj, ObjectRef, ref_of
from fleetui.model.status import ClusterState, ClusterStatus, Health, HealthStatus, OperationPhase, SyncStatus
from fleetui.podports import PodStreams
from fleetui.ports import Subscription
from tests.unit.fakes import SERVED, Closing, FakeCluster, resource

HUB = ClusterName("hub")
NOW = datetime(2027, 3, 2, 23, tzinfo=UTC).timestamp()
KEY = AppKey(HUB, "argo", "argocd", "shop")
APPLICATION = ("argoproj.io", "Application")
POD = ObjectRef("", "Pod", "shop", "web-1")
SERVED_HERE = (
    *SERVED,
    resource("Event"),
    resource("StatefulSet", group="apps"),
    resource("AppProject", group="argoproj.io", version="v1alpha1"),
    resource("Kustomization", group="kustomize.toolkit.fluxcd.io"),
)


class Logs:
    """A node that answers each request for a log as the test says, and keeps what was asked for."""

    def __init__(self, answer: list[bytes] | Exception) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    @asynccontextmanager
    async def logs(self, namespace: str, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append({"pod": pod, **options})
        if isinstance(self.answer, Exception):
            raise self.answer
        yield _pieces(self.answer)


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Place(FakeCluster):
    """A cluster that keeps which lists were asked for, and refuses those of `refused` kinds."""

    def __init__(self, *objects: Obj, logs: Logs | None = None, refused: tuple[str, ...] = ()) -> None:
        super().__init__("hub")
        self.served = Discovery(SERVED_HERE)
        self.objects = {ref_of(obj): obj for obj in objects}
        self.listed: list[tuple[str, str]] = []
        self.node = logs or Logs([])
        self._refused = refused

    @property
    def pods(self) -> PodStreams:
        return self.node  # type: ignore[return-value]

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        self.listed.append((resource.kind, fields))
        if resource.kind in self._refused:
            raise ForbiddenError("hub: you may not list events", cluster=self.name, code=403, reason="Forbidden")
        name = fields.removeprefix("metadata.name=") if fields.startswith("metadata.name=") else ""
        found = await super().list(resource, namespace, labels=labels, fields=fields)
        return [one for one in found if not name or one["metadata"]["name"] == name]


class Fleet:
    """What `why` asks of a fleet: applications and their trees."""

    def __init__(self, *apps: App, state: ClusterState = ClusterState.LIVE) -> None:
        self.apps = {app.key: app for app in apps}
        self.clusters = {HUB: ClusterStatus(HUB, state, 0.0, "no route")}
        self.trees: dict[AppKey, Tree] = {}
        self.asked: list[AppKey] = []
        self.watched = 0

    def below(self, app: App, *nodes: TreeNode, problem: str = "") -> Fleet:
        root = TreeNode(ObjectRef(*APPLICATION, app.key.namespace, app.key.name), HUB, 0)
        self.trees[app.key] = Tree(app.key, (root, *nodes), problem)
        return self

    def watch_tree(self, key: AppKey) -> Subscription:
        self.watched += 1

        def release() -> None:
            self.watched -= 1

        return Closing(release)

    async def tree(self, key: AppKey) -> Tree:
        self.asked.append(key)
        return self.trees[key]


def app(name: str = "shop", health: HealthStatus = HealthStatus.DEGRADED, **rest: Any) -> App:
    key = msgspec.structs.replace(KEY, name=name)
    return App(key, health=Health(health), **({"sync": SyncStatus.SYNCED} | rest))


def node(ref: ObjectRef, health: HealthStatus | None = HealthStatus.DEGRADED) -> TreeNode:
    return TreeNode(ref, HUB, 1, health=Health(health) if health is not None else None)


def child(name: str, health: HealthStatus | None = None) -> TreeNode:
    return node(ObjectRef(*APPLICATION, "argocd", name), health)


async def asked(fleet: Fleet, place: Place | None, name: str = "shop") -> Why:
    def store(cluster: ClusterName) -> LiveStore:
        if place is None:
            raise MissingError(f"there is no cluster {cluster}")
        return LiveStore(place)

    found = await why(fleet, msgspec.structs.replace(KEY, name=name), stores=store, now=NOW)  # type: ignore[arg-type]
    assert fleet.watched == 0
    return found


def crashing(**state: Any) -> Obj:
    default = {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {
        "name": "web",
        "state": state or default,
        "lastState": {"terminated": {"exitCode": 2}},
        "restartCount": 3,
    }
    metadata = {"name": "web-1", "namespace": "shop", "uid": "u"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [container]}}


async def test_the_last_lines_of_the_life_that_ended_are_read_once_and_are_harmless() -> None:
    written = b"".join(b"2026-01-01T00:00:%02dZ line %d \x1b[31m\n" % (n, n) for n in range(15))
    place = Place(crashing(), logs=Logs([written[:50], written[50:], b"2026-01-01T00:00:59Z " + b"x" * 5000]))
    found = await asked(Fleet(app()).below(app(), node(POD)), place)
    log = [one for one in found.evidence if one.kind == "log"]
    assert len(log) == LINES
    assert log[0].text == "line 6 \ufffd[31m"
    assert log[0].time == 1767225606.0
    assert log[-1].text.startswith("xxx")
    assert len(log[-1].text) < 500
    (request,) = place.node.asked
    assert (request["previous"], request["follow"], request["tail"], request["container"]) == (
        True,
        False,
        LINES,
        "web",
    )
    assert found.notes == ()


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (
            ForbiddenError("hub: you may not get pods/log", cluster="hub", code=403, reason="Forbidden"),
            "The log of web in Pod web-1 is missing: hub: you may not get pods/log",
        ),
        (
            InvalidError("previous terminated container not found", cluster="hub", code=400, reason="BadRequest"),
            "The log of web in Pod web-1 is missing: previous terminated container not found",
        ),
        ([], "The log of web in Pod web-1 is empty"),
    ],
)
async def test_a_log_that_can_not_be_had_is_said(answer: Any, note: str) -> None:
    found = await asked(Fleet(app()).below(app(), node(POD)), Place(crashing(), logs=Logs(answer)))
    assert (found.cause, found.notes) == ("CrashLoop", (note,))


async def test_a_container_that_is_not_started_again_is_read_as_it_is() -> None:
    place = Place(crashing(terminated={"exitCode": 1}), logs=Logs([b"2026-01-01T00:00:00Z bye\n"]))
    found = await asked(Fleet(app()).below(app(), node(POD)), place)
    assert found.cause == "ContainerFailed"
    assert place.node.asked[0]["previous"] is False


async def test_only_the_events_of_the_culprit_are_listed_and_it_is_said_where_they_may_not_be() -> None:
    place = Place(crashing(), refused=("Event",), logs=Logs([b"x y\n"]))
    found = await asked(Fleet(app()).below(app(), node(POD), problem="hub: no secrets"), place)
    assert place.listed == [("Event", "involvedObject.uid=u")]
    assert found.notes == ("hub: no secrets", "Events are missing: hub: you may not list events")


async def test_a_hub_that_is_down_is_asked_for_nothing() -> None:
    fleet, place = Fleet(app(), state=ClusterState.UNREACHABLE), Place()
    found = await asked(fleet, place)
    assert (found.cause, fleet.asked, place.listed) == ("ClusterUnreachable", [], [])


async def test_a_place_that_is_not_at_hand_leaves_what_the_tree_says() -> None:
    sick = TreeNode(
        POD, ClusterName("edge"), 1, health=Health(HealthStatus.DEGRADED, "0/1 nodes are available: 1 full.")
    )
    fleet = Fleet(app()).below(app(), sick, problem="edge is not at hand")
    found = await asked(fleet, None)
    assert (found.cause, found.words) == ("Unschedulable", "Pod web-1: no node takes it: 1 full.")
    assert found.notes == ("edge is not at hand",)


async def test_an_application_that_is_gone_is_missing() -> None:
    with pytest.raises(MissingError, match="gone"):
        await asked(Fleet(), Place())


# --- Applications of Applications -----------------------------------------------------------------------------------


async def test_the_worst_child_is_looked_into_where_the_parent_says_little() -> None:
    broken = app("broken", conditions=(Condition("ComparisonError", "no such path"),))
    manual = app("manual", HealthStatus.HEALTHY, sync=SyncStatus.OUT_OF_SYNC)
    fine = app("fine", HealthStatus.HEALTHY)
    parent = app()
    fleet = Fleet(parent, broken, manual, fine)
    fleet.below(parent, child("fine"), child("manual"), child("broken")).below(broken).below(manual).below(fine)
    found = await asked(fleet, Place())
    assert (found.cause, found.words) == (
        "ComparisonError",
        "It waits for the Application broken. ComparisonError: no such path.",
    )
    assert [link.ref.name for link in found.chain] == ["shop", "broken"]


async def test_applications_that_manage_each_other_end() -> None:
    one, other = app("one"), app("other")
    fleet = Fleet(one, other).below(one, child("other", HealthStatus.DEGRADED)).below(other, child("one"))
    found = await asked(fleet, Place(), "one")
    assert found.cause == "Unhealthy"
    assert fleet.asked.count(one.key) == 1


async def test_a_child_of_which_nothing_is_known_is_an_object_like_others() -> None:
    found = await asked(Fleet(app()).below(app(), child("gone", HealthStatus.MISSING)), Place())
    assert found.chain[-1].ref.name == "gone"


async def test_a_service_without_endpoints_is_told_where_nothing_else_is() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "uid": "s"}}
    place = Place({**service, "spec": {"selector": {"app": "web"}}})
    fine = app(health=HealthStatus.HEALTHY)
    silent = TreeNode(ref_of(service), HUB, 1, info="0 endpoints")
    found = await asked(Fleet(fine).below(fine, silent), place)
    assert found.words == "It is Healthy and Synced, but Service web has no endpoints: no Pod has the labels app=web."
    assert [link.ref.name for link in found.chain] == ["shop", "web"]
    place = Place({**service, "spec": {}})
    assert (await asked(Fleet(fine).below(fine, silent), place)).cause == "", "it is not meant to have any"
    answered = msgspec.structs.replace(silent, info="1 endpoint")
    place = Place()
    assert (await asked(Fleet(fine).below(fine, answered), place)).cause == ""
    assert place.listed == []


# --- finalizers and windows -----------------------------------------------------------------------------------------


def deleted(finalizer: str) -> Obj:
    metadata = {
        "name": "apps",
        "namespace": "shop",
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": [finalizer],
    }
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata}


KUSTOMIZATION = ObjectRef("kustomize.toolkit.fluxcd.io", "Kustomization", "shop", "apps")


@pytest.mark.parametrize("runs", [True, False])
async def test_the_controller_of_a_finalizer_is_looked_for_by_its_name(runs: bool) -> None:
    metadata = {"name": "kustomize-controller", "namespace": "flux-system"}
    controller = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    place = Place(deleted("finalizers.fluxcd.io"), *([controller] if runs else []))
    found = await asked(Fleet(app()).below(app(), node(KUSTOMIZATION)), place)
    assert ("Deployment", "metadata.name=kustomize-controller") in place.listed
    assert ("seems to be gone" in found.words) is not runs


@pytest.mark.parametrize(("finalizer", "gone"), [("nobody.io/x", True), ("kustomize.toolkit.fluxcd.io/x", False)])
async def test_a_finalizer_of_a_domain_that_serves_nothing_any_more(finalizer: str, gone: bool) -> None:
    found = await asked(Fleet(app()).below(app(), node(KUSTOMIZATION)), Place(deleted(finalizer)))
    assert ("seems to be gone" in found.words) is gone


async def test_an_application_that_nobody_syncs_names_the_windows_of_its_project() -> None:
    window: Obj = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "payments", "namespace": "argocd"},
        "spec": {"syncWindows": [window]},
    }
    behind = app(health=HealthStatus.HEALTHY, sync=SyncStatus.OUT_OF_SYNC, project="payments",
                 automation=Automation(enabled=True, self_heal=True))  # fmt: skip
    found = await asked(Fleet(behind).below(behind), Place(project))
    assert (found.cause, found.remedy) == ("SyncWindow", "")
    assert found.words.endswith(
        "an automated sync is blocked by a deny window of project payments until 06:00 UTC (in 7 h)."
    )
    window["manualSync"] = True
    assert (await asked(Fleet(behind).below(behind), Place(project))).remedy == "Sync it by hand to go on."
    del window["manualSync"]
    line = "deny from 0 22 * * * (UTC) for 8h, open until 06:00 UTC (in 7 h)"
    assert [(one.kind, one.text) for one in found.evidence] == [("window", line)]
    assert (await asked(Fleet(behind).below(behind), Place())).cause == "OutOfSync"


async def test_of_many_applications_below_that_tell_nothing_some_are_looked_into_however_they_are_nested() -> None:
    failed = OperationState(phase=OperationPhase.FAILED)
    apps = [app("shop", HealthStatus.HEALTHY)]
    apps += [app(f"{level}-{at}", HealthStatus.HEALTHY, operation=failed) for level in range(4) for at in range(8)]
    fleet = Fleet(*apps).below(apps[0], *(child(f"0-{at}") for at in range(8)))
    for level in range(4):
        for at in range(8):
            below = [child(f"{level + 1}-{each}") for each in range(8)] if level < 3 else []
            fleet.below(apps[1 + level * 8 + at], *below)
    found = await asked(fleet, Place())
    assert found.cause == ""
    assert len(fleet.asked) == 1 + BELOW
