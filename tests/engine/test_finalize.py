"""What goes, in which order, when an Application is deleted (`finalizeApplicationDeletion`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import DELETION_APPROVED, FINALIZER, HOOK_FINALIZER, TRACKING_ID, Application
from fleetui.engine.destination import Destination
from fleetui.engine.finalize import finalize
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import ConflictError, NotFoundError
from fleetui.model.objects import Obj
from fleetui.model.times import format_time
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import STARTED, application, obj
from tests.unit.fakes import CONFIG_MAP, SERVED, FakeCluster, resource, stored

JOB = resource("Job", group="batch")
OWN = ("x.io/keep",)


class Deletion:
    """A cluster with these objects, and an Application on its way out."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.served = type(self.cluster.served)([*SERVED, JOB])
        self.store = LiveStore(self.cluster)
        self.wanted = [self.store.want(kind) for kind in (CONFIG_MAP, JOB)]
        self.destination = Destination(Site(self.store), FakeClock(), lambda obj, deleted: None)

    def holds(self, *objects: Obj) -> None:
        for kind in ("ConfigMap", "Job"):
            self.cluster.watch_of(kind).lists(*(stored(each) for each in objects if each["kind"] == kind))

    async def goes_on(self, app: Application) -> tuple[str, ...] | None:
        return await finalize(app, self.destination, "shop")

    @property
    def written(self) -> list[str]:
        """What was written since the last look."""
        writes, self.cluster.writes = self.cluster.writes, []
        return [f"{verb} {name.partition('/')[2]}" for verb, name, _ in writes]


@pytest.fixture
async def deletion() -> Deletion:
    return Deletion()


def leaving(*finalizers: str, approved: str = "", options: tuple[str, ...] = ()) -> Application:
    rows = [{"kind": "ConfigMap"}, {"group": "batch", "kind": "Job"}]
    metadata: Obj = {"deletionTimestamp": format_time(STARTED), "finalizers": [*(finalizers or (FINALIZER,)), *OWN]}
    metadata |= {"annotations": {DELETION_APPROVED: approved}} if approved else {}
    policy = {"syncPolicy": {"syncOptions": list(options)}}
    return application(metadata=metadata, status={"resources": rows}, spec=policy)


def ours(name: str, kind: str = "ConfigMap", *, going: bool = False, held: bool = False, **rest: Any) -> Obj:
    found = obj(kind, name, **rest)
    group = "batch" if kind == "Job" else ""
    annotations = {**found["metadata"].get("annotations", {}), TRACKING_ID: f"shop:{group}/{kind}:shop/{name}"}
    found["metadata"] |= {"annotations": annotations, "uid": f"uid-{name}", "resourceVersion": "2" if going else "1"}
    found["metadata"] |= {"deletionTimestamp": format_time(STARTED)} if going else {}
    found["metadata"] |= {"finalizers": [HOOK_FINALIZER]} if held else {}
    return found


async def test_the_highest_wave_goes_first_and_the_next_when_it_is_gone(deletion: Deletion) -> None:
    first, second, third = ours("first", wave=-1), ours("second"), ours("third", wave=2)
    deletion.holds(first, second, third, ours("third-too", wave=2))
    assert await deletion.goes_on(leaving()) is None
    assert sorted(deletion.written) == ["delete third", "delete third-too"]

    deletion.holds(first, second, ours("third", wave=2, going=True))
    assert await deletion.goes_on(leaving()) is None
    assert deletion.written == []

    deletion.holds(first, second)
    assert await deletion.goes_on(leaving()) is None
    assert deletion.written == ["delete second"]

    deletion.holds()
    assert await deletion.goes_on(leaving()) == OWN
    assert deletion.written == []


@pytest.mark.parametrize(
    "kept",
    [
        ours("a", options="Delete=false"),
        ours("a", metadata={"annotations": {"helm.sh/resource-policy": "keep"}}),
        ours("a", metadata={"ownerReferences": [{"uid": "x"}]}),
        obj("ConfigMap", "a", metadata={"annotations": {TRACKING_ID: "shop:/ConfigMap:shop/other"}, "uid": "a"}),
        obj("ConfigMap", "a", metadata={"annotations": {TRACKING_ID: "else:/ConfigMap:shop/a"}, "uid": "a"}),
    ],
    ids=["unwanted", "kept by Helm", "owned", "copied", "another application's"],
)
async def test_what_stays(kept: Obj, deletion: Deletion) -> None:
    deletion.holds(kept)
    assert await deletion.goes_on(leaving()) == OWN
    assert deletion.written == []


async def test_an_option_of_the_application_holds_for_all_that_say_nothing(deletion: Deletion) -> None:
    deletion.holds(ours("a"), ours("b", options="Delete=true"))
    assert await deletion.goes_on(leaving(options=("Delete=false",))) is None
    assert deletion.written == ["delete b"]


async def test_without_our_finalizer_nothing_is_deleted(deletion: Deletion) -> None:
    deletion.holds(ours("a"))
    assert await deletion.goes_on(leaving("post-delete-finalizer.argocd.argoproj.io")) == (
        "post-delete-finalizer.argocd.argoproj.io",
        *OWN,
    )
    assert deletion.written == []


async def test_an_unknown_destination_lets_the_application_go() -> None:
    assert await finalize(leaving(), None, "shop") == OWN


@pytest.mark.parametrize(
    ("approved", "goes"), [("", False), (format_time(STARTED - 1), False), (format_time(STARTED), True), ("x", False)]
)
async def test_a_deletion_that_wants_a_human_waits_for_one(approved: str, goes: bool, deletion: Deletion) -> None:
    deletion.holds(ours("a"), ours("b", options="Delete=confirm"))
    assert await deletion.goes_on(leaving(approved=approved)) is None
    assert bool(deletion.written) is goes


async def test_a_hook_that_nobody_else_lets_go_of_does_not_hold_the_deletion_up(deletion: Deletion) -> None:
    deletion.holds(ours("hook", "Job", held=True, hook="PreSync"))
    assert await deletion.goes_on(leaving()) is None
    assert deletion.written == ["delete hook"]
    deletion.holds(ours("hook", "Job", held=True, going=True, hook="PreSync"))
    assert await deletion.goes_on(leaving()) is None
    assert deletion.written == ["patch hook"]


@pytest.mark.parametrize(("finalizer", "way"), [(FINALIZER, "Foreground"), (f"{FINALIZER}/background", "Background")])
async def test_the_finalizer_says_how(finalizer: str, way: str, deletion: Deletion) -> None:
    deletion.holds(ours("a"))
    asked: list[Any] = []

    async def delete(*args: Any, **kwargs: Any) -> None:
        asked.append((kwargs["propagation"], kwargs["uid"]))

    deletion.cluster.delete = delete  # type: ignore[method-assign]
    await deletion.goes_on(leaving(finalizer))
    assert asked == [(way, "uid-a")]


async def test_what_went_by_itself_is_gone_and_what_refuses_is_told(deletion: Deletion) -> None:
    deletion.holds(ours("a"))
    errors: list[Exception] = [ConflictError("another one of that name", code=409), NotFoundError("gone", code=404)]

    def answer(verb: str, name: str, body: Any) -> Obj:
        raise errors.pop(0)

    deletion.cluster.answer = answer
    with pytest.raises(ConflictError):
        await deletion.goes_on(leaving())
    assert await deletion.goes_on(leaving()) is None
    assert await deletion.goes_on(leaving()) == OWN, "the watch need not have told yet"


@pytest.mark.parametrize("rows", [None, 3, {}, [3, None]])
async def test_an_odd_status_does_no_harm(rows: Any, deletion: Deletion) -> None:
    metadata = {"deletionTimestamp": "x", "finalizers": [FINALIZER]}
    app = application(metadata=metadata, status={"resources": rows, "operationState": {"syncResult": rows}})
    deletion.holds()
    assert await deletion.goes_on(app) == ()
