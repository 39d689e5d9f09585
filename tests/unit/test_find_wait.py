"""Finding the application a person means, and waiting until it is as wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, cast

import msgspec
import pytest

from fleetui.fleet.api import Fleet
from fleetui.fleet.find import find_app
from fleetui.fleet.restore import restore_automation
from fleetui.fleet.views import Action, ActionKind, ChangeSet, Outcome
from fleetui.fleet.wait import wait_for
from fleetui.model.app import App, AppKey, OperationState
from fleetui.model.errors import ClusterError, ExitCode, MissingError, UnmetError, UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus, Health, HealthStatus, OperationPhase, SyncStatus
from fleetui.ports import Subscription
from tests.unit.fakes import Closing

HUB = ClusterName("prod-eu-1")
ARN = ClusterName("arn:aws:eks:eu-1:1:cluster/prod")


def key(name: str, *, hub: ClusterName = HUB, namespace: str = "argocd") -> AppKey:
    return AppKey(hub, "argo", namespace, name)


KEYS = [key("payments-service"), key("checkout"), key("checkout", hub=ARN), key("checkout", namespace="team-a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("payments-service", KEYS[0]),
        ("argocd/payments-service", KEYS[0]),
        ("prod-eu-1/payments-service", KEYS[0]),
        ("application/payments-service", KEYS[0]),
        ("prod-eu-1/argocd/checkout", KEYS[1]),
        ("arn:aws:eks:eu-1:1:cluster/prod/argocd/checkout", KEYS[2]),
        ("arn:aws:eks:eu-1:1:cluster/prod/checkout", KEYS[2]),
        ("team-a/checkout", KEYS[3]),
    ],
)
def test_an_application_is_found_by_any_of_its_names(text: str, expected: AppKey) -> None:
    assert find_app(KEYS, text) == expected


def test_of_two_engines_applications_of_one_name_the_kind_tells() -> None:
    both = [AppKey(ClusterName("edge"), dialect, "flux-system", "dns") for dialect in ("flux", "helm")]
    assert find_app(both, "hr/dns") == both[1]
    with pytest.raises(UsageError, match="kustomization/dns, helmrelease/dns"):
        find_app(both, "dns")


def test_a_namespace_narrows_the_search() -> None:
    assert find_app(KEYS, "checkout", namespace="team-a") == KEYS[3]


def test_several_are_all_listed() -> None:
    with pytest.raises(UsageError) as caught:
        find_app(KEYS, "checkout")
    for each in KEYS[1:]:
        assert str(each) in str(caught.value)


def test_none_comes_with_the_nearest() -> None:
    with pytest.raises(MissingError, match="nearest: prod-eu-1/argocd/payments-service"):
        find_app(KEYS, "stage/payment-service")
    with pytest.raises(MissingError, match="no application is known"):
        find_app([], "x")


# --- wait -----------------------------------------------------------------------------------------------------------


class FakeFleet:
    """As much of a fleet as waiting needs."""

    def __init__(self) -> None:
        self._apps: dict[AppKey, App] = {}
        self.apps = MappingProxyType(self._apps)
        self.clusters = {HUB: ClusterStatus(HUB, ClusterState.LIVE, 0.0)}
        self.loading: frozenset[ClusterName] = frozenset()
        self.problems: dict[ClusterName, str] = {}
        self.listeners: list[Callable[[ChangeSet], None]] = []

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        self.listeners.append(listener)
        listener(ChangeSet(apps=dict(self._apps), loading=self.loading, problems=self.problems))
        return Closing(lambda: self.listeners.remove(listener))

    def becomes(self, app: App) -> None:
        self._apps[app.key] = app
        self.tell(ChangeSet(apps={app.key: app}))

    def goes(self, gone: AppKey) -> None:
        del self._apps[gone]
        self.tell(ChangeSet(removed=frozenset({gone})))

    def tell(self, change: ChangeSet) -> None:
        for listener in tuple(self.listeners):
            listener(change)

    def wait(self, **wanted: Any) -> asyncio.Task[App]:
        return asyncio.create_task(wait_for(cast(Fleet, self), KEYS[0], **wanted))


GOOD = App(key=KEYS[0], sync=SyncStatus.SYNCED, health=Health(HealthStatus.HEALTHY))
RUNNING = msgspec.structs.replace(GOOD, operation=OperationState(OperationPhase.RUNNING))


async def test_waits_until_everything_holds() -> None:
    fleet = FakeFleet()
    fleet.becomes(msgspec.structs.replace(GOOD, sync=SyncStatus.OUT_OF_SYNC))
    waiting = fleet.wait(sync=True, health=True)
    await asyncio.sleep(0)
    fleet.becomes(msgspec.structs.replace(GOOD, health=Health(HealthStatus.PROGRESSING)))
    await asyncio.sleep(0)
    assert not waiting.done()
    fleet.becomes(GOOD)
    assert await waiting == GOOD
    assert fleet.listeners == []


async def test_an_operation_is_waited_for_from_the_asking_to_its_end() -> None:
    fleet = FakeFleet()
    fleet.becomes(msgspec.structs.replace(GOOD, pending=True))
    waiting = fleet.wait(operation=True, sync=True)
    await asyncio.sleep(0)
    fleet.becomes(RUNNING)
    await asyncio.sleep(0)
    assert not waiting.done()
    failed = OperationState(OperationPhase.FAILED, "nope")
    fleet.becomes(msgspec.structs.replace(GOOD, operation=failed, sync=SyncStatus.OUT_OF_SYNC))
    assert (await waiting).operation == failed


async def test_an_application_that_goes_ends_the_waiting() -> None:
    fleet = FakeFleet()
    fleet.becomes(RUNNING)
    waiting = fleet.wait(operation=True)
    await asyncio.sleep(0)
    fleet.goes(KEYS[0])
    with pytest.raises(MissingError, match="is gone"):
        await waiting


async def test_an_application_that_is_not_there_is_waited_for_only_while_its_cluster_may_still_show_it() -> None:
    fleet = FakeFleet()
    with pytest.raises(MissingError, match="there is no application"):
        await fleet.wait(sync=True)
    fleet.problems = {HUB: "prod-eu-1: may not list applications"}
    with pytest.raises(ClusterError, match="may not list"):
        await fleet.wait(sync=True)
    fleet.problems, fleet.loading = {}, frozenset({HUB})
    waiting = fleet.wait(sync=True)
    await asyncio.sleep(0)
    fleet.becomes(GOOD)
    assert await waiting == GOOD


@pytest.mark.parametrize(
    ("phase", "said"),
    [(OperationPhase.SUCCEEDED, "not Synced"), (OperationPhase.RUNNING, "not Synced (waiting for a hook)")],
)
async def test_too_late_repeats_no_success(phase: OperationPhase, said: str) -> None:
    fleet = FakeFleet()
    operation = OperationState(phase=phase, message="waiting for a hook", started_at=1.0)
    fleet.becomes(msgspec.structs.replace(GOOD, sync=SyncStatus.OUT_OF_SYNC, operation=operation))
    with pytest.raises(UnmetError) as caught:
        await fleet.wait(sync=True, timeout=0.001)
    assert str(caught.value).endswith(said)


async def test_too_late_says_what_was_missing() -> None:
    fleet = FakeFleet()
    fleet.becomes(msgspec.structs.replace(GOOD, health=Health(HealthStatus.DEGRADED, "0 of 3 ready")))
    with pytest.raises(UnmetError, match=r"it is Degraded, not Healthy \(0 of 3 ready\)") as caught:
        await fleet.wait(health=True, sync=True, timeout=0.001)
    assert caught.value.exit_code is ExitCode.DIFFERS
    assert fleet.listeners == []


# --- automated sync after a rollback --------------------------------------------------------------------------------


class Rolling(FakeFleet):
    """A fleet that notes what is done."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Action] = []

    async def execute(self, action: Action) -> Outcome:
        self.done.append(action)
        return Outcome(action, accepted=True, message="done")

    def restore(self, **more: Any) -> asyncio.Task[Outcome]:
        return asyncio.create_task(restore_automation(cast(Fleet, self), KEYS[0], away_from="bad", **more))


ROLLED_BACK = msgspec.structs.replace(GOOD, revision="bad", operation=OperationState(OperationPhase.SUCCEEDED))


async def test_automated_sync_is_resumed_when_git_has_moved_on() -> None:
    fleet = Rolling()
    fleet.becomes(msgspec.structs.replace(RUNNING, revision="bad"))
    restoring = fleet.restore()
    await asyncio.sleep(0)
    for app in (ROLLED_BACK, msgspec.structs.replace(ROLLED_BACK, revision="")):
        fleet.becomes(app)
        await asyncio.sleep(0)
        assert not restoring.done()
    fleet.becomes(msgspec.structs.replace(ROLLED_BACK, revision="good"))
    assert (await restoring).message == "done"
    assert fleet.done == [Action(kind=ActionKind.RESUME, app=KEYS[0])]


async def test_automated_sync_stays_off_after_a_rollback_that_failed_or_where_time_is_over() -> None:
    fleet = Rolling()
    fleet.becomes(msgspec.structs.replace(ROLLED_BACK, operation=OperationState(OperationPhase.FAILED)))
    with pytest.raises(UnmetError, match=r"the rollback Failed, so .* \(fleetui resume prod-eu-1/argocd/payments"):
        await fleet.restore()
    fleet.becomes(ROLLED_BACK)
    with pytest.raises(UnmetError, match=r"Git still leads to bad; automated sync stays off \(fleetui resume"):
        await fleet.restore(timeout=0.0)
    assert fleet.done == []
