"""How operations begin, are retried, end and are remembered (`appcontroller.go`, `types.go`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import Retry
from fleetui.engine.effects import Recorded
from fleetui.engine.operation import (
    begin,
    begin_retry,
    finish,
    in_progress,
    is_waiting_for_retry,
    next_history,
    phase_of,
    recorded_results,
    retry_delay,
    retry_due,
    stored_results,
)
from fleetui.engine.tasks import ResultCode
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase
from tests.engine.objects import application

NOW = 1_800_000_000.0
AT = "2027-01-15T08:00:00Z"
FAILED, ERROR, SUCCEEDED, RUNNING = (
    OperationPhase.FAILED,
    OperationPhase.ERROR,
    OperationPhase.SUCCEEDED,
    OperationPhase.RUNNING,
)


@pytest.mark.parametrize(
    ("retry", "delays"),
    [
        (Retry(), [5, 10, 20, 40, 80, 160, 180, 180]),
        (Retry(duration="1m"), [60, 120, 180]),
        (Retry(duration="7"), [7, 14]),
        (Retry(duration="10s", factor=3, max_duration="1m"), [10, 30, 60, 60]),
        (Retry(duration="10s", factor=1), [10, 10, 10]),
        (Retry(duration="10s", factor=0), [10, 1, 1]),
        (Retry(duration="0"), [1, 1, 1]),
        (Retry(duration="-5s"), [1, 1, 1]),
        (Retry(duration="10s", factor=-2), [10, 1, 40]),
        (Retry(duration="100s", factor=10, max_duration="0"), [100, 1000, 10_000]),
        (Retry(duration="1h", max_duration="30s"), [30]),
    ],
)
def test_delays_grow_to_their_bound(retry: Retry, delays: list[float]) -> None:
    assert [retry_delay(retry, attempt) for attempt in range(len(delays))] == delays


@pytest.mark.parametrize("retry", [Retry(factor=10, max_duration="0"), Retry(factor=10)])
def test_a_delay_never_overflows(retry: Retry) -> None:
    assert 0 < retry_delay(retry, 100_000) <= 366 * 86400
    state = running(retry={"limit": -1, "backoff": {"factor": 10, "maxDuration": "0"}}, retryCount=100_000)
    assert is_waiting_for_retry(finish(state, FAILED, "x", now=NOW))


def running(*, retry: Any = None, **rest: Any) -> Obj:
    operation: Obj = {"sync": {"revision": "abc"}}
    return {"phase": "Running", "operation": operation | ({"retry": retry} if retry else {}), "startedAt": AT, **rest}


def test_an_operation_begins_with_what_argo_cd_always_writes() -> None:
    assert begin({"sync": {}}, NOW) == {
        "phase": "Running",
        "operation": {"initiatedBy": {}, "retry": {}, "sync": {}},
        "startedAt": AT,
    }
    own = {"sync": {}, "initiatedBy": {"username": "alice"}, "retry": {"limit": 1}}
    assert begin(own, NOW)["operation"] == own
    chosen = {"group": "", "kind": "ConfigMap", "name": "a", "namespace": ""}
    written = {"sync": {"resources": [chosen], "prune": False, "revision": "", "dryRun": True, "syncOptions": []}}
    kept = {"resources": [{"kind": "ConfigMap", "name": "a"}], "dryRun": True}
    assert begin(written, NOW)["operation"]["sync"] == kept


def test_the_end_of_an_operation_without_retries() -> None:
    ended = finish(running(), FAILED, "no way", now=NOW)
    assert (ended["phase"], ended["message"], ended["finishedAt"]) == ("Failed", "no way", AT)
    assert "retryCount" not in ended
    assert retry_due(ended) is None
    assert not is_waiting_for_retry(ended)


def test_a_step_that_is_no_end_leaves_the_operation_running() -> None:
    assert finish(running(), RUNNING, "waiting", now=NOW) == running(message="waiting")


@pytest.mark.parametrize("phase", [FAILED, ERROR])
def test_retries_up_to_the_limit(phase: OperationPhase) -> None:
    state = running(retry={"limit": 2, "backoff": {"duration": "10s", "factor": 3}})
    first = finish(state, phase, "no way", now=NOW)
    assert (first["phase"], first["retryCount"], first["finishedAt"]) == ("Running", 1, AT)
    assert first["message"] == "no way. Retrying attempt #1 at 2027-01-15T08:00:10Z."
    assert retry_due(first) == NOW + 10
    assert is_waiting_for_retry(first)

    again = begin_retry(first)
    assert again["message"] == "Retrying operation. Attempt #1"
    assert not is_waiting_for_retry(again)
    second = finish(again, phase, "no way", now=NOW)
    assert (second["phase"], second["retryCount"]) == ("Running", 2)
    assert retry_due(second) == NOW + 30

    last = finish(begin_retry(second), phase, "no way", now=NOW)
    assert (last["phase"], last["message"]) == (phase.value, "no way (retried 2 times).")
    assert last["retryCount"] == 2
    assert retry_due(last) is None


def test_a_negative_limit_retries_for_ever() -> None:
    assert finish(running(retry={"limit": -1}, retryCount=900), FAILED, "x", now=NOW)["retryCount"] == 901


def test_success_ends_the_retries() -> None:
    ended = finish(running(retry={"limit": 5}, retryCount=2), SUCCEEDED, "fine", now=NOW)
    assert (ended["phase"], ended["message"]) == ("Succeeded", "fine")


def test_a_terminated_operation_is_not_retried() -> None:
    ended = finish(running(retry={"limit": 5}, retryCount=2), FAILED, "Operation terminated", now=NOW, terminating=True)
    assert (ended["phase"], ended["message"]) == ("Failed", "Operation terminated (retried 2 times).")


def test_a_back_off_that_cannot_be_read_ends_the_operation() -> None:
    ended = finish(running(retry={"limit": 5, "backoff": {"duration": "soon"}}), FAILED, "no way", now=NOW)
    assert ended["phase"] == "Error"
    assert ended["message"].startswith("no way (failed to retry: 'soon' is no duration")
    assert not is_waiting_for_retry(ended)


def test_a_retry_keeps_the_revision_unless_it_is_to_be_refreshed() -> None:
    waiting = running(retry={"limit": 1}, retryCount=1, finishedAt=AT, syncResult={"revision": "abc"})
    again = begin_retry(waiting)
    assert again["operation"]["sync"] == {"revision": "abc"}
    assert "syncResult" not in again
    assert "finishedAt" not in again

    fresh = {
        **waiting,
        "operation": {"sync": {"revision": "abc", "prune": True}, "retry": {"limit": 1, "refresh": True}},
    }
    again = begin_retry(fresh)
    assert again["operation"]["sync"] == {"prune": True}
    assert again["message"] == "Retrying operation with latest revisions. Attempt #1"


@pytest.mark.parametrize(
    ("state", "phase", "going"),
    [
        (None, None, False),
        ({}, None, False),
        ({"phase": "Fantasy"}, None, False),
        ({"phase": 3}, None, False),
        ({"phase": "Running"}, RUNNING, True),
        ({"phase": "Terminating"}, OperationPhase.TERMINATING, True),
        ({"phase": "Error"}, ERROR, False),
    ],
)
def test_phases(state: Any, phase: OperationPhase | None, going: bool) -> None:
    assert phase_of(state) is phase
    assert in_progress(state) is going


def test_a_terminating_operation_waits_for_no_retry() -> None:
    state = running(retry={"limit": 5}, finishedAt=AT, retryCount=1) | {"phase": "Terminating"}
    assert retry_due(state) is None
    assert not is_waiting_for_retry(state)


# --- results ----------------------------------------------------------------------------------------------------


def test_results_survive_the_status() -> None:
    results = [
        Recorded(
            ref=ObjectRef("apps", "Deployment", "shop", "api"),
            version="v1",
            status=ResultCode.SYNCED,
            message="deployment.apps/api created",
            sync_phase="Sync",
            hook_phase=RUNNING,
            images=("api:1", "sidecar:2"),
        ),
        Recorded(ObjectRef("batch", "Job", "shop", "j"), "v1", None, "", "PreSync", ERROR, "PreSync"),
        Recorded(ObjectRef("", "ConfigMap", "shop", "c"), "v1", ResultCode.SYNC_FAILED, "no", "Sync", None),
    ]
    rows = stored_results(results)
    assert recorded_results({"syncResult": {"resources": rows}}) == results
    assert rows[1] == {
        "group": "batch",
        "version": "v1",
        "kind": "Job",
        "namespace": "shop",
        "name": "j",
        "hookType": "PreSync",
        "hookPhase": "Error",
        "syncPhase": "PreSync",
    }
    assert rows[2]["group"] == ""


@pytest.mark.parametrize(
    "rows", [None, 3, "x", {}, [3, "x", None], [{"status": "Odd"}], [{"hookPhase": "Odd"}], [{"images": 3}]]
)
def test_odd_results_do_no_harm(rows: Any) -> None:
    assert all(isinstance(each, Recorded) for each in recorded_results({"syncResult": {"resources": rows}}))


# --- history ----------------------------------------------------------------------------------------------------


def synced(**result: Any) -> Obj:
    return running() | {"syncResult": result or {"revision": "abc", "source": {"repoURL": "r"}}}


def history(count: int) -> list[Obj]:
    return [{"id": index + 3, "revision": f"r{index}"} for index in range(count)]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(None, list(range(4, 14))), (3, [11, 12, 13]), (1, [13]), (0, []), (-1, []), (50, list(range(3, 14)))],
)
def test_history_is_cut_to_its_limit_oldest_first(limit: int | None, kept: list[int]) -> None:
    spec = {} if limit is None else {"revisionHistoryLimit": limit}
    app = application(spec=spec, status={"history": history(10)})
    entries = next_history(app, synced(), NOW)
    assert [entry["id"] for entry in entries] == kept


def test_an_entry_of_the_history() -> None:
    state = synced() | {"operation": {"initiatedBy": {"username": "alice"}, "sync": {}}}
    assert next_history(application(), state, NOW + 5) == [
        {
            "id": 0,
            "revision": "abc",
            "source": {"repoURL": "r"},
            "deployStartedAt": AT,
            "deployedAt": "2027-01-15T08:00:05Z",
            "initiatedBy": {"username": "alice"},
        }
    ]


def test_an_entry_of_several_sources() -> None:
    sources = [{"repoURL": "r", "path": "a"}, {"repoURL": "s", "ref": "values"}]
    state = synced(revision="", revisions=["abc", "def"], source={"repoURL": ""}, sources=sources)
    assert (
        next_history(application(), state, NOW)[0].items()
        >= {
            "revisions": ["abc", "def"],
            "source": {"repoURL": ""},
            "sources": sources,
        }.items()
    )
    assert "revision" not in next_history(application(), state, NOW)[0]


@pytest.mark.parametrize("odd", [None, 3, "x", [3, None], [{"id": "seven"}]])
def test_an_odd_history_is_carried_on(odd: Any) -> None:
    entries = next_history(application(status={"history": odd}), synced(), NOW)
    assert entries[-1]["revision"] == "abc"
