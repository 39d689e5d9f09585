"""Writing Applications beside others who write them too."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fleetui.engine.application import Application
from fleetui.engine.destination import Destination
from fleetui.engine.telling import Listener, Nobody
from fleetui.engine.writer import ApplicationGoneError, ApplicationWriter
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import ConflictError, NotFoundError
from fleetui.model.objects import ApiResource, Obj, ObjectRef
from fleetui.ports import PatchType
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import application
from tests.unit.fakes import APPLICATION, FakeCluster, stored

REF = ObjectRef("argoproj.io", "Application", "argocd", "shop")
REFRESH = "argocd.argoproj.io/refresh"
Change = Callable[[Obj], None]


class Server(FakeCluster):
    """A hub with one Application, where others write just before we do: `others` are what they do, one a try."""

    def __init__(self, app: Application, *others: Change | None) -> None:
        super().__init__()
        self.app: Obj | None = copy.deepcopy(app.obj)
        self.others = list(others)
        self.patches: list[Any] = []

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        if self.app is None:
            raise NotFoundError("gone", code=404)
        return copy.deepcopy(self.app)

    async def patch(
        self,
        resource: ApiResource,
        name: str,
        namespace: str,
        body: Any,
        *,
        kind: PatchType,
        subresource: str = "",
        field_manager: str,
        dry_run: bool = False,
    ) -> Obj:
        self.patches.append(body)
        change = self.others.pop(0) if self.others else None
        if change is not None and self.app is not None:
            change(self.app)
            self.app["metadata"]["resourceVersion"] += "1"
        if self.app is None:
            raise NotFoundError("gone", code=404)
        if body["metadata"]["resourceVersion"] != self.app["metadata"]["resourceVersion"]:
            raise ConflictError("stale", code=409)
        self.app = merged(body, self.app)
        self.app["metadata"]["resourceVersion"] += "1"
        return copy.deepcopy(self.app)


def merged(patch: Any, to: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(to) if isinstance(to, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(value, result.get(key))
    return result


def hub_of(server: Server) -> Destination:
    return Destination(Site(LiveStore(server)), FakeClock(), lambda *_: None)


def writer_to(server: Server, listener: Listener | None = None) -> ApplicationWriter:
    return ApplicationWriter(hub_of(server), APPLICATION, listener or Nobody())


class Heard(Nobody):
    """A listener that remembers the finalizers of what was written."""

    def __init__(self) -> None:
        self.finalizers: list[tuple[str, ...]] = []

    def wrote(self, before: Application, after: Application) -> None:
        self.finalizers.append(after.finalizers)


def change(*way: str, to: Any) -> Change:
    def edit(app: Obj) -> None:
        place: Any = app
        for step in way[:-1]:
            place = place.setdefault(step, {})
        place[way[-1]] = to

    return edit


RUNNING = {"phase": "Running", "message": "step 1"}


async def test_nothing_new_makes_no_request() -> None:
    app = application(status={"sync": {"status": "Synced"}})
    server = Server(app)
    assert await writer_to(server).write(app, dict(app.status), refreshed=True) is app
    assert await writer_to(server).write(app, dict(app.status), operation=None) is app
    assert server.patches == []


async def test_an_application_without_a_status_gets_one() -> None:
    app = application()
    server = Server(app)
    after = await writer_to(server).write(app, {"sync": {"status": "Synced"}})
    assert after.status == {"sync": {"status": "Synced"}}
    assert server.patches == [{"metadata": {"resourceVersion": "1"}, "status": {"sync": {"status": "Synced"}}}]


async def test_only_what_changed_is_sent() -> None:
    app = application(status={"sync": {"status": "Synced", "revision": "a"}, "history": [1], "old": 1})
    server = Server(app)
    await writer_to(server).write(app, {"sync": {"status": "Synced", "revision": "b"}, "history": [1]})
    assert server.patches[0]["status"] == {"sync": {"revision": "b"}, "old": None}


async def test_what_others_wrote_into_the_status_stays() -> None:
    app = application(status={"sync": {"status": "Synced"}})
    server = Server(app, change("status", "theirs", to="x"), change("status", "theirs", to="y"))
    after = await writer_to(server).write(app, {"sync": {"status": "OutOfSync"}})
    assert after.status == {"sync": {"status": "OutOfSync"}, "theirs": "y"}


@pytest.mark.parametrize("others", [(), (change("spec", "project", to="other"),)])
async def test_only_a_write_of_ours_alone_is_no_news(others: tuple[Change, ...]) -> None:
    """A watch that was cut off shows the last version only, which is ours and holds what others wrote."""
    hub, app = hub_of(Server(application(), *others)), application()
    after = await ApplicationWriter(hub, APPLICATION, Nobody()).write(app, {"sync": {"status": "Synced"}})
    assert hub.overlay.seen(stored(after.obj), deleted=False) is not bool(others)


async def test_a_wish_to_terminate_outlives_our_wish_to_go_on() -> None:
    app = application(status={"operationState": RUNNING}, operation={"sync": {}})
    server = Server(app, change("status", "operationState", to={**RUNNING, "phase": "Terminating"}))
    after = await writer_to(server).write(app, {"operationState": {"phase": "Running", "message": "step 2"}})
    assert after.status["operationState"] == {"phase": "Terminating", "message": "operation is terminating"}


async def test_an_operation_that_ended_is_not_terminated_any_more() -> None:
    app = application(status={"operationState": RUNNING}, operation={"sync": {}})
    server = Server(app, change("status", "operationState", "phase", to="Terminating"))
    after = await writer_to(server).write(app, {"operationState": {"phase": "Succeeded"}}, operation=None)
    assert after.status["operationState"] == {"phase": "Succeeded"}
    assert after.operation is None


async def test_an_operation_somebody_asks_for_while_we_write_the_status_stays() -> None:
    app = application(status={})
    server = Server(app, change("operation", to={"sync": {"revision": "theirs"}}))
    after = await writer_to(server).write(app, {"sync": {"status": "Synced"}})
    assert after.operation == {"sync": {"revision": "theirs"}}


async def test_of_two_who_start_an_operation_the_first_wins() -> None:
    app = application(status={})
    server = Server(app, change("operation", to={"sync": {"revision": "theirs"}}))
    with pytest.raises(ApplicationGoneError):
        await writer_to(server).write(app, {"operationState": RUNNING}, operation={"sync": {"revision": "ours"}})
    assert server.app is not None
    assert server.app["operation"] == {"sync": {"revision": "theirs"}}
    assert "operationState" not in server.app.get("status", {})


async def test_the_end_of_one_operation_does_not_take_the_next_one_away() -> None:
    app = application(status={"operationState": RUNNING}, operation={"sync": {"revision": "ours"}})
    server = Server(app, change("operation", to={"sync": {"revision": "theirs"}}))
    after = await writer_to(server).write(app, {"operationState": {"phase": "Succeeded"}}, operation=None)
    assert after.operation == {"sync": {"revision": "theirs"}}
    assert after.status["operationState"] == {"phase": "Succeeded"}


async def test_a_refresh_is_taken_off_once_honoured() -> None:
    app = application(status={}, metadata={"annotations": {REFRESH: "hard", f"{REFRESH}-timestamp": "1", "own": "x"}})
    after = await writer_to(Server(app)).write(app, {"sync": {}}, refreshed=True)
    assert after.annotations == {"own": "x"}


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ({"own": "x"}, {"own": "x", REFRESH: "normal"}),
        ({REFRESH: "normal"}, {REFRESH: "hard"}),
        ({REFRESH: "normal", f"{REFRESH}-timestamp": "1"}, {REFRESH: "normal", f"{REFRESH}-timestamp": "2"}),
    ],
    ids=["asked for since", "asked for harder since", "asked for again"],
)
async def test_a_refresh_that_was_not_honoured_stays(before: Obj, then: Obj) -> None:
    app = application(status={}, metadata={"annotations": before})
    server = Server(app, change("metadata", "annotations", to=then))
    after = await writer_to(server).write(app, {"sync": {"status": "Synced"}}, refreshed=True)
    assert after.annotations == then


async def test_an_application_that_went_is_not_written() -> None:
    app = application(status={})
    server = Server(app)
    server.app = None
    with pytest.raises(ApplicationGoneError):
        await writer_to(server).write(app, {"sync": {}})


async def test_what_was_found_out_about_one_is_not_written_to_its_namesake() -> None:
    app = application(status={"sync": {"status": "Synced"}})
    server = Server(app, change("metadata", "uid", to="another"))
    with pytest.raises(ApplicationGoneError):
        await writer_to(server).write(app, {"sync": {"status": "OutOfSync"}})
    assert server.app is not None
    assert server.app["status"] == {"sync": {"status": "Synced"}}


async def test_who_is_never_let_in_gives_up() -> None:
    app = application(status={})
    server = Server(app, *[change("spec", "x", to=n) for n in range(20)])
    with pytest.raises(ConflictError, match="others keep writing it"):
        await writer_to(server).write(app, {"sync": {"status": "Synced"}})
    assert len(server.patches) == 6


async def test_finalizers_are_written_and_the_last_one_lets_the_application_go() -> None:
    app = application(metadata={"finalizers": ["a", "b"]})
    server = Server(app)
    heard = Heard()
    await writer_to(server, heard).write_finalizers(app, ("b",))
    assert heard.finalizers == [("b",)], "else it would be taken for another controller's write"
    assert server.app is not None
    assert server.app["metadata"]["finalizers"] == ["b"]
    server.app = None
    with pytest.raises(ApplicationGoneError):
        await writer_to(server).write_finalizers(app, ())
