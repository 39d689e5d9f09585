"""Whether a difference is synced without a human (`appcontroller.go`, `autoSync`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import Application, mapping
from fleetui.engine.autosync import Decision, decide
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import SyncStatus
from fleetui.model.times import format_time
from tests.engine.objects import application

NOW = 1_800_000_000.0
NEW, OLD = "a" * 40, "b" * 40
CHANGED: Obj = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "api", "status": "OutOfSync"}
SAME: Obj = {"kind": "ConfigMap", "namespace": "shop", "name": "same", "status": "Synced"}
EXTRA: Obj = {"kind": "ConfigMap", "namespace": "shop", "name": "old", "status": "OutOfSync", "requiresPruning": True}
HOOK: Obj = {"group": "batch", "kind": "Job", "namespace": "shop", "name": "hook", "hook": True}
RESTING = Decision()
SOURCE = mapping(application().spec.get("source"))


def app(automated: Any = ..., *, state: Obj | None = None, policy: Any = None, **rest: Any) -> Application:
    sync_policy: Obj = {"automated": {} if automated is ... else automated, **(policy or {})}
    status = {"operationState": state} if state is not None else None
    return application(spec={"syncPolicy": sync_policy}, status=status, **rest)


def tried(revision: str = NEW, phase: str = "Succeeded", *, ago: float = 0.0, attempts: int = 0, **rest: Any) -> Obj:
    sync: Obj = {"revision": revision} | ({"autoHealAttemptsCount": attempts} if attempts else {})
    return {
        "phase": phase,
        "message": "it broke",
        "operation": {"sync": sync},
        "finishedAt": format_time(NOW - ago),
        "syncResult": {"revision": revision, "source": dict(SOURCE)},
        **rest,
    }


def decided(it: Application, *rows: Obj, status: SyncStatus = SyncStatus.OUT_OF_SYNC, **kwargs: Any) -> Decision:
    return decide(it, status=status, revisions=(NEW,), resources=rows or (CHANGED, SAME), now=NOW, **kwargs)


# --- when nothing is to be done ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "it",
    [
        application(),
        application(spec={"syncPolicy": 3}),
        app(None),
        app({"enabled": False}),
        app(operation={"sync": {}}),
        app(metadata={"deletionTimestamp": format_time(NOW)}),
    ],
    ids=["no policy", "odd policy", "manual", "switched off", "an operation is there", "being deleted"],
)
def test_left_alone(it: Application) -> None:
    assert decided(it) == RESTING


@pytest.mark.parametrize("status", [SyncStatus.SYNCED, SyncStatus.UNKNOWN])
def test_only_out_of_sync_is_synced(status: SyncStatus) -> None:
    assert decided(app(), status=status) == RESTING


def test_prunes_alone_need_prune() -> None:
    assert decided(app(), EXTRA, SAME) == RESTING
    assert decided(app({"prune": True}), EXTRA, SAME).operation is not None
    assert decided(app(), EXTRA, CHANGED).operation is not None


def test_what_is_being_deleted_already_starts_nothing() -> None:
    leaving = {ObjectRef("", "ConfigMap", "shop", "old")}
    assert decided(app({"prune": True}), EXTRA, SAME, leaving=leaving) == RESTING
    assert decided(app({"prune": True}), EXTRA, CHANGED, leaving=leaving).operation is not None


# --- a new revision ---------------------------------------------------------------------------------------------


def test_a_new_revision_is_synced() -> None:
    assert decided(app()).operation == {
        "sync": {"source": dict(SOURCE), "revision": NEW},
        "initiatedBy": {"automated": True},
        "retry": {"limit": 5},
    }


def test_what_the_policy_says_goes_into_the_operation() -> None:
    retry = {"limit": 3, "backoff": {"duration": "5s"}}
    it = app({"prune": True}, policy={"syncOptions": ["CreateNamespace=true"], "retry": retry})
    operation = decided(it).operation
    assert operation is not None
    assert operation["sync"] == {
        "source": dict(SOURCE),
        "revision": NEW,
        "prune": True,
        "syncOptions": ["CreateNamespace=true"],
    }
    assert operation["retry"] == retry


def test_enabled_may_be_said_aloud() -> None:
    assert decided(app({"enabled": True})).operation is not None


def test_an_attempt_at_another_revision_does_not_count() -> None:
    assert decided(app(state=tried(OLD, "Failed"))).operation is not None


@pytest.mark.parametrize("change", [{"path": "other"}, {"targetRevision": "v2"}])
def test_an_attempt_at_another_source_does_not_count(change: Obj) -> None:
    state = tried(phase="Failed")
    state["syncResult"]["source"] |= change
    assert decided(app(state=state)).operation is not None


# --- the same revision again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["Failed", "Error", "Running"])
@pytest.mark.parametrize("automated", [{}, {"selfHeal": True}])
def test_a_failed_attempt_is_told_and_not_repeated(phase: str, automated: Obj) -> None:
    decision = decided(app(automated, state=tried(phase=phase, ago=10_000)))
    assert decision == Decision(error=f"Failed last sync attempt to [{NEW}]: it broke")


def test_an_attempt_without_a_result_is_not_repeated_for_ever() -> None:
    state = tried(phase="Error")
    del state["syncResult"]
    assert decided(app({"selfHeal": True}, state=state)) == Decision(error="Failed last sync attempt to []: it broke")


def test_a_drift_is_left_without_self_heal() -> None:
    assert decided(app(state=tried())) == RESTING


def test_a_drift_is_healed_by_a_sync_of_what_drifted() -> None:
    operation = decided(app({"selfHeal": True}, state=tried()), CHANGED, SAME, HOOK).operation
    assert operation is not None
    assert operation["sync"] == {
        "source": dict(SOURCE),
        "revision": NEW,
        "autoHealAttemptsCount": 1,
        "resources": [
            {"group": "apps", "kind": "Deployment", "name": "api"},
            {"group": "batch", "kind": "Job", "name": "hook"},
        ],
    }


def test_a_difference_that_is_in_no_object_is_healed_as_a_whole() -> None:
    operation = decided(app({"selfHeal": True, "prune": True}, state=tried()), SAME).operation
    assert operation is not None
    assert "resources" not in operation["sync"]


@pytest.mark.parametrize(
    ("attempts", "wait"), [(1, 2), (2, 6), (3, 18), (4, 54), (5, 162), (6, 300), (7, 300), (999, 300)]
)
def test_heals_come_ever_more_rarely(attempts: int, wait: float) -> None:
    early = decided(app({"selfHeal": True}, state=tried(attempts=attempts, ago=wait - 1)))
    assert early == Decision(retry_in=1.0)
    due = decided(app({"selfHeal": True}, state=tried(attempts=attempts, ago=wait)))
    assert due.operation is not None
    assert due.operation["sync"]["autoHealAttemptsCount"] == attempts + 1


def test_the_first_heal_comes_at_once() -> None:
    assert decided(app({"selfHeal": True}, state=tried(ago=0))).operation is not None


def test_an_attempt_that_never_ended_is_waited_for_in_full() -> None:
    state = tried(attempts=3)
    del state["finishedAt"]
    assert decided(app({"selfHeal": True}, state=state)) == Decision(retry_in=18.0)


# --- never empty ------------------------------------------------------------------------------------------------


def test_an_application_is_never_emptied_unasked() -> None:
    decision = decided(app({"prune": True}), EXTRA)
    assert decision == Decision(error=f"Skipping sync attempt to [{NEW}]: auto-sync will wipe out all resources")
    assert decided(app({"prune": True, "allowEmpty": False}), EXTRA) == decision
    assert decided(app({"prune": True, "allowEmpty": True}), EXTRA).operation is not None
    assert decided(app({"prune": True}), EXTRA, SAME).operation is not None


@pytest.mark.parametrize("odd", [3, "x", [], {"phase": 3}, {"phase": "Succeeded", "syncResult": 3, "operation": "x"}])
def test_an_odd_state_does_no_harm(odd: Any) -> None:
    assert isinstance(decided(app({"selfHeal": True}, state=odd)), Decision)
