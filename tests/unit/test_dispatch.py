"""The dispatcher: in which order an action is checked, that it is written once, and what is on record."""

from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from fleetui.fleet.audit import Audit, AuditRecord, Ending, FileJournal, Operator
from fleetui.fleet.dispatch import Dispatcher
from fleetui.fleet.permissions import KEPT, Permissions
from fleetui.fleet.views import Action, ActionKind, Outcome
from fleetui.model.app import App
from fleetui.model.errors import (
    ConflictError,
    FleetError,
    ForbiddenError,
    InvalidError,
    MissingError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from fleetui.model.objects import Discovery, Obj, ObjectRef
from tests.unit.fakes import APPLICATION, PROJECT, FakeClock, FakeCluster, manifest, stored
from tests.unit.test_history import FakeRepositories, FakeRepository

ARGO = ArgoDialect()
REF = ObjectRef("argoproj.io", "Application", "argocd", "payments")


class Pages:
    """A journal in memory; `full` makes the disk full."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.full = False

    def append(self, line: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)

    def tail(self) -> bytes:
        return b"\n".join(self.lines)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class Desk:
    """A dispatcher with everything around it."""

    def __init__(self, *, read_only: bool = False, **spec: Any) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster("prod-eu-1")
        self.pages = Pages()
        self.repository = FakeRepository("main")
        operator = Operator(user="ann", host="bastion", origin="ssh 10.0.0.7")
        audit = Audit(self.pages, operator, now=self.clock.now)
        self.permissions = Permissions(self.clock)
        self.dispatcher = Dispatcher(
            self.permissions, audit, self.clock, repositories=FakeRepositories(self.repository), read_only=read_only
        )
        self.allowed: bool | None = True
        self.refused_with: Exception | None = None
        self.cluster.answer = self._answer
        self.cluster.objects[REF] = self._application(spec)

    @staticmethod
    def _application(spec: Obj) -> Obj:
        source = {"repoURL": "https://git.example/k8s", "path": "apps"}
        history = [{"id": 0, "revision": "a" * 40, "source": source}, {"id": 1, "revision": "b" * 40}]
        return manifest(
            "Application",
            "payments",
            namespace="argocd",
            api_version="argoproj.io/v1alpha1",
            spec={"source": source, **spec},
            status={"sync": {"revision": "c" * 40}, "history": history},
        )

    def _answer(self, verb: str, name: str, body: Any) -> Obj:
        if name.startswith("selfsubjectaccessreviews"):
            if self.allowed is None:
                raise NotFoundError("the server could not find the requested resource", code=404)
            return {"status": {"allowed": self.allowed, "reason": "" if self.allowed else "no role for ann"}}
        if self.refused_with is not None:
            raise self.refused_with
        return self.cluster.objects[REF]

    @property
    def app(self) -> App:
        return ARGO.app(self.cluster.name, stored(self.cluster.objects[REF]))

    def action(self, kind: ActionKind = ActionKind.SYNC, **fields: Any) -> Action:
        return Action(kind=kind, app=self.app.key, **fields)

    async def execute(self, action: Action) -> Outcome:
        outcome, _ = await self.dispatcher.execute(
            action, self.app, api=self.cluster, dialect=ARGO, resource=APPLICATION
        )
        return outcome

    @property
    def patches(self) -> list[Any]:
        return [body for verb, _, body in self.cluster.writes if verb == "patch"]

    @property
    def reviews(self) -> list[Any]:
        return [body for verb, _, body in self.cluster.writes if verb == "create"]


async def test_an_action_is_written_once_and_recorded() -> None:
    desk = Desk()
    outcome = await desk.execute(desk.action(prune=True, revision="c" * 40, resources=(REF,)))
    assert outcome.accepted
    assert outcome.message == "prod-eu-1/argocd/payments: sync to ccccccc asked for"
    assert len(desk.patches) == 1
    assert desk.patches[0][-1]["value"]["initiatedBy"] == {"username": "ann"}
    assert desk.pages.records == [
        {
            "time": "1970-01-12T13:46:40Z",
            "who": "ann@bastion",
            "origin": "ssh 10.0.0.7",
            "action": "sync",
            "app": "argocd/payments",
            "cluster": "prod-eu-1",
            "ending": "accepted",
            "from_revision": "b" * 40,
            "to_revision": "c" * 40,
            "prune": True,
            "resources": ["argoproj.io/Application argocd/payments"],
        }
    ]


async def test_a_read_only_console_asks_nobody() -> None:
    desk = Desk(read_only=True)
    with pytest.raises(RefusedError, match="read-only"):
        await desk.execute(desk.action(ActionKind.REFRESH))
    assert desk.cluster.writes == []
    assert [record["ending"] for record in desk.pages.records] == ["refused"]


NIGHT = {"kind": "deny", "schedule": "0 0 * * *", "duration": "24h", "applications": ["*"]}


def in_a_project(desk: Desk, *windows: Obj) -> None:
    """Gives the application's project these sync windows."""
    desk.cluster.served = Discovery((*desk.cluster.served, PROJECT), version="v1.37.2")
    ref = ObjectRef("argoproj.io", "AppProject", "argocd", "default")
    project = manifest("AppProject", "default", namespace="argocd", api_version="argoproj.io/v1alpha1")
    desk.cluster.objects[ref] = project | {"spec": {"syncWindows": list(windows)}}


async def test_a_sync_window_refuses_until_it_ends() -> None:
    desk = Desk()
    in_a_project(desk, NIGHT)
    message = r"a sync by hand is blocked by a deny window of project default until 00:00 UTC \(in 10 h 13 min\)"
    with pytest.raises(RefusedError, match=message):
        await desk.execute(desk.action())
    assert not desk.patches
    assert desk.pages.records[0]["ending"] == "refused"
    assert (await desk.execute(desk.action(ActionKind.REFRESH))).accepted, "to compare is no sync"
    in_a_project(desk, NIGHT | {"manualSync": True})
    assert (await desk.execute(desk.action())).accepted


async def test_what_rbac_forbids_is_not_tried() -> None:
    desk = Desk()
    desk.allowed = False
    with pytest.raises(
        RefusedError, match=r"prod-eu-1: you may not patch .* argocd/payments \(RBAC: no role for ann\)"
    ):
        await desk.execute(desk.action())
    assert desk.patches == []
    assert desk.reviews[0]["spec"]["resourceAttributes"] == {
        "group": "argoproj.io",
        "version": "v1alpha1",
        "resource": "applications",
        "verb": "patch",
        "namespace": "argocd",
        "name": "payments",
    }


async def test_a_permission_is_asked_once_a_minute() -> None:
    desk = Desk()
    await desk.execute(desk.action())
    await desk.execute(desk.action())
    assert len(desk.reviews) == 1
    desk.clock.advance(KEPT)
    await desk.execute(desk.action())
    assert len(desk.reviews) == 2


async def test_a_server_that_can_not_be_asked_decides_when_the_write_comes() -> None:
    desk = Desk()
    desk.allowed = None
    desk.refused_with = ForbiddenError("ann may not patch", code=403)
    with pytest.raises(RefusedError, match="ann may not patch"):
        await desk.execute(desk.action())
    assert len(desk.patches) == 1


@pytest.mark.parametrize(
    ("fields", "spec", "error"),
    [
        ({"kind": ActionKind.SUSPEND}, {"syncPolicy": {"automated": {"enabled": False}}}, RefusedError),
        ({"kind": ActionKind.RESUME}, {}, RefusedError),
        ({"kind": ActionKind.TERMINATE}, {}, RefusedError),
        ({"kind": ActionKind.REVERT, "history_id": 7}, {}, MissingError),
        ({"kind": ActionKind.REVERT}, {}, RefusedError),
        ({"kind": ActionKind.ROLLBACK, "history_id": 7}, {}, MissingError),
        ({"kind": ActionKind.ROLLBACK}, {}, RefusedError),
        ({"kind": ActionKind.SYNC, "revision": "v1"}, {"syncPolicy": {"automated": {}}}, RefusedError),
    ],
)
async def test_the_applications_own_rules_come_before_the_write(
    fields: Any, spec: Obj, error: type[FleetError]
) -> None:
    desk = Desk(**spec)
    with pytest.raises(error):
        await desk.execute(desk.action(**fields))
    assert desk.patches == []
    assert len(desk.pages.records) == 1


async def test_a_failed_write_is_not_tried_again() -> None:
    desk = Desk()
    desk.refused_with = UnreachableError("the connection to https://ann:secret@hub was lost\nsomehow")
    with pytest.raises(UnreachableError):
        await desk.execute(desk.action())
    assert len(desk.patches) == 1
    (record,) = desk.pages.records
    assert record["ending"] == "failed"
    assert record["message"] == "the connection to https://***@hub was lost somehow"


async def test_a_race_with_the_controller_is_told_as_one() -> None:
    desk = Desk()

    def overtaken(verb: str, name: str, body: Any) -> Obj:
        if verb == "patch":
            desk.cluster.objects[REF]["metadata"]["resourceVersion"] = "99"
            raise InvalidError("the server rejected our request due to an error in our request", code=422)
        return {"status": {"allowed": True}}

    desk.cluster.answer = overtaken
    with pytest.raises(ConflictError, match="changed at that very moment, and nothing was written"):
        await desk.execute(desk.action())
    assert len(desk.patches) == 1


async def test_an_invalid_patch_keeps_the_servers_own_words() -> None:
    desk = Desk()
    desk.refused_with = InvalidError("spec.source: Required value", code=422)
    with pytest.raises(InvalidError, match="Required value"):
        await desk.execute(desk.action())


async def test_an_action_that_is_cancelled_is_on_record() -> None:
    desk = Desk()

    def cancelled(verb: str, name: str, body: Any) -> Obj:
        raise asyncio.CancelledError

    desk.cluster.answer = cancelled
    with pytest.raises(asyncio.CancelledError):
        await desk.execute(desk.action())
    assert [record["ending"] for record in desk.pages.records] == ["failed"]


async def test_a_record_that_can_not_be_written_is_told_and_undoes_nothing() -> None:
    desk = Desk()
    desk.pages.full = True
    outcome = await desk.execute(desk.action(ActionKind.REFRESH, hard=True))
    assert outcome.accepted
    assert outcome.message == (
        "prod-eu-1/argocd/payments: hard refresh asked for; "
        "the audit record could not be written: No space left on device"
    )


def test_the_journal_is_the_owners_alone_and_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    FileJournal(path).append(b"one\n")
    FileJournal(path).append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("environ", "origin"),
    [({"SSH_CONNECTION": "10.0.0.7 50000 10.0.0.1 22"}, "ssh 10.0.0.7"), ({"SSH_CLIENT": "::1 5 22"}, "ssh ::1")],
)
def test_where_the_operator_comes_from(environ: dict[str, str], origin: str) -> None:
    assert Operator.current(environ).origin == origin


async def test_a_rollback_in_git_writes_to_git_alone_and_is_on_record() -> None:
    desk = Desk()
    outcome = await desk.execute(desk.action(kind=ActionKind.REVERT, history_id=0))
    assert outcome.accepted
    assert desk.patches == []
    [(branch, path, revision, message, author)] = desk.repository.put
    assert (branch, path, revision, author) == ("HEAD", "apps", "a" * 40, ("ann", "ann@bastion"))
    assert message.startswith("Roll apps back to aaaaaaa\n\n")
    assert "Asked for by ann@bastion (ssh 10.0.0.7)" in message
    [record] = desk.pages.records
    assert (record["action"], record["ending"], record["to_revision"]) == ("revert", "accepted", "a" * 40)


async def test_a_rollback_switches_automated_sync_off_in_the_same_write() -> None:
    desk = Desk(syncPolicy={"automated": {"prune": True}})
    await desk.execute(desk.action(kind=ActionKind.ROLLBACK, history_id=0))
    [patch] = desk.patches
    assert patch[-1] == {"op": "add", "path": "/spec/syncPolicy/automated/enabled", "value": False}


def test_what_was_asked_of_an_application_is_found_again(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "audit.jsonl")
    audit = Audit(journal, Operator("ann", "bastion", "tty"), now=lambda: 5.0)
    assert audit.records(cluster="hub", app="argocd/payments") == []
    journal.append(b"no record\n")
    for app in ("argocd/payments", "argocd/other"):
        audit.write(lambda time, operator, app=app: record_of(time, operator, app))  # type: ignore[misc]
    [found] = audit.records(cluster="hub", app="argocd/payments")
    assert (found.who, found.origin) == ("ann@bastion", "tty")


def record_of(time: str, operator: Operator, app: str) -> AuditRecord:
    who, origin = operator.who, operator.origin
    return AuditRecord(time=time, who=who, origin=origin, action="sync", app=app, cluster="hub", ending=Ending.ACCEPTED)
