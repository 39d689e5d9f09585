"""What goes, in which order, when an Application is deleted (`finalizeApplicationDeletion`, Argo CD v3.6)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fleetui.engine.application import DELETION_APPROVED, FINALIZER, HOOK_FINALIZER, TRACKING_ID, Application
from fleetui.engine.application import POST_DELETE_FINALIZER as POST
from fleetui.engine.application import PRE_DELETE_FINALIZER as PRE
from fleetui.engine.deletehooks import CLEANUP, kept_finalizers
from fleetui.engine.desired import Target
from fleetui.engine.destination import Destination
from fleetui.engine.finalize import DeletionFailedError, finalize, needs_hooks
from fleetui.engine.projects import Permits, project_of
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError
from fleetui.model.objects import Obj, ref_of
from fleetui.model.status import HealthStatus
from fleetui.model.times import format_time
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import STARTED, application, judge, obj
from tests.unit.fakes import CONFIG_MAP, SERVED, FakeCluster, resource, stored

JOB = resource("Job", group="batch")
OWN = ("x.io/keep",)


class Deletion:
    """A cluster with these objects, and an Application on its way out."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.answer = lambda verb, name, body: (
            {**body, "metadata": {**body["metadata"], "uid": f"uid-{verb}", "resourceVersion": "0"}} if body else {}
        )
        self.cluster.served = type(self.cluster.served)([*SERVED, JOB])
        self.store = LiveStore(self.cluster)
        self.wanted = [self.store.want(kind) for kind in (CONFIG_MAP, JOB)]
        self.destination = Destination(Site(self.store), FakeClock(), lambda *_: None)

    def holds(self, *objects: Obj) -> None:
        for kind in ("ConfigMap", "Job"):
            self.cluster.watch_of(kind).lists(*(stored(each) for each in objects if each["kind"] == kind))

    async def goes_on(self, app: Application, *hooks: Obj, permits: Permits | None = None) -> tuple[str, ...] | None:
        wanted = [Target(ref_of(hook), hook) for hook in hooks]
        return await finalize(app, self.destination, "shop", permits, hooks=wanted, judge=judge)

    @property
    def written(self) -> list[str]:
        """What was written since the last look, sorted."""
        writes, self.cluster.writes = self.cluster.writes, []
        named = [(verb, name if verb != "create" else body["metadata"]["name"]) for verb, name, body in writes]
        return sorted(f"{verb} {name.rpartition('/')[2]}" for verb, name in named)


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


def ended(hook: Obj, state: HealthStatus, **rest: Any) -> Obj:
    """The live object of a hook, in some health."""
    return ours(hook["metadata"]["name"], "Job", metadata=hook["metadata"], health=[state.value, ""], **rest)


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


async def test_without_a_finalizer_of_ours_nothing_is_deleted(deletion: Deletion) -> None:
    deletion.holds(ours("a"))
    assert await deletion.goes_on(leaving("else.io/x")) == ("else.io/x", *OWN)
    assert deletion.written == []


async def test_an_unknown_destination_lets_the_application_go() -> None:
    app = leaving(FINALIZER, PRE, PRE + CLEANUP, POST, POST + CLEANUP)
    assert await finalize(app, None, "shop", judge=judge) == OWN


@pytest.mark.parametrize("option", ["Delete=confirm", "Prune=confirm"])
@pytest.mark.parametrize(
    ("approved", "goes"), [("", False), (format_time(STARTED - 1), False), (format_time(STARTED), True), ("x", False)]
)
async def test_a_deletion_that_wants_a_human_waits_for_one(
    approved: str, goes: bool, option: str, deletion: Deletion
) -> None:
    deletion.holds(ours("a"), ours("b", options=option))
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
    with pytest.raises(DeletionFailedError, match=r"^another one of that name$") as told:
        await deletion.goes_on(leaving())
    assert isinstance(told.value.__cause__, ConflictError)
    assert await deletion.goes_on(leaving()) is None
    assert await deletion.goes_on(leaving()) == OWN, "the watch need not have told yet"


@pytest.mark.parametrize("rows", [None, 3, {}, [3, None]])
async def test_an_odd_status_does_no_harm(rows: Any, deletion: Deletion) -> None:
    metadata = {"deletionTimestamp": "x", "finalizers": [FINALIZER]}
    app = application(metadata=metadata, status={"resources": rows, "operationState": {"syncResult": rows}})
    deletion.holds()
    assert await deletion.goes_on(app) == ()


# --- hooks of the deletion ------------------------------------------------------------------------------------------

BEFORE, AFTER = obj("Job", "before", hook="PreDelete"), obj("Job", "after", hook="PostDelete")
HELMS = obj("Job", "helms", metadata={"annotations": {"helm.sh/hook": "post-install, pre-delete"}})
HEALTHY, PROGRESSING, DEGRADED, SUSPENDED = (
    HealthStatus.HEALTHY,
    HealthStatus.PROGRESSING,
    HealthStatus.DEGRADED,
    HealthStatus.SUSPENDED,
)


@pytest.mark.parametrize(
    ("before", "hooks", "after"),
    [
        ((), [], ()),
        (OWN, [BEFORE], (*OWN, PRE, PRE + CLEANUP)),
        (OWN, [HELMS], (*OWN, PRE, PRE + CLEANUP)),
        ((FINALIZER,), [AFTER, BEFORE], (FINALIZER, PRE, PRE + CLEANUP, POST, POST + CLEANUP)),
        ((POST + CLEANUP,), [AFTER], (POST + CLEANUP, POST)),
        ((PRE, *OWN, PRE + CLEANUP, POST, POST + CLEANUP), [AFTER], (*OWN, POST, POST + CLEANUP)),
        ((PRE, FINALIZER, PRE + CLEANUP), [obj("Job", "x", hook="PreSync")], (FINALIZER,)),
    ],
)
def test_an_application_has_finalizers_for_the_hooks_that_it_has(
    before: tuple[str, ...], hooks: list[Obj], after: tuple[str, ...]
) -> None:
    assert kept_finalizers(before, [Target(ref_of(hook), hook) for hook in hooks]) == after


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"namespaceResourceBlacklist": [{"group": "batch", "kind": "Job"}]},
            "resource batch:Job is not permitted in project team",
        ),
        (
            {"destinations": [{"server": "*", "namespace": "shop"}]},
            "namespace kube-system is not permitted in project 'team'",
        ),
        ({"signatureKeys": [{"keyID": "ABC"}]}, "demands signed commits"),
    ],
)
@pytest.mark.parametrize("finalizer", [PRE, POST])
async def test_hooks_that_the_project_does_not_permit_are_not_created(
    finalizer: str, spec: Any, message: str, deletion: Deletion
) -> None:
    phase = "PreDelete" if finalizer == PRE else "PostDelete"
    far = obj("Job", "far", namespace="kube-system", hook=phase)
    everywhere = {"destinations": [{"server": "*", "namespace": "*"}], "sourceRepos": ["*"]}
    project = project_of({"metadata": {"name": "team"}, "spec": {**everywhere, **spec}})
    permits = Permits(project, deletion.destination.place)
    deletion.holds()
    with pytest.raises(DeletionFailedError) as told:
        await deletion.goes_on(leaving(finalizer), BEFORE, AFTER, far, permits=permits)
    assert message in str(told.value)
    if "signatureKeys" not in spec:
        assert f"{phase} hook batch/Job/" in str(told.value)
    assert deletion.written == [], "not those that are permitted either"
    open_to_all = Permits(project_of({"metadata": {"name": "team"}, "spec": everywhere}), permits.place)
    assert await deletion.goes_on(leaving(finalizer), BEFORE, AFTER, far, permits=open_to_all) is None
    assert "create far" in deletion.written


@pytest.mark.parametrize(("finalizer", "hook"), [(PRE, BEFORE), (PRE, HELMS), (POST, AFTER)])
async def test_hooks_are_created_once_and_waited_for(finalizer: str, hook: Obj, deletion: Deletion) -> None:
    app, name = leaving(finalizer, FINALIZER) if finalizer == PRE else leaving(finalizer), hook["metadata"]["name"]
    kept = tuple(each for each in app.finalizers if each != finalizer)
    deletion.holds(ours("a"))
    assert needs_hooks(app)
    others = [obj("Job", "else", hook="PreSync"), AFTER if finalizer == PRE else BEFORE]
    assert await deletion.goes_on(app, hook, *others) is None
    assert deletion.written == [f"create {name}"]
    for state in (PROGRESSING, HEALTHY):
        found = ended(hook, state)
        found["metadata"]["resourceVersion"] = str(3 if state is HEALTHY else 2)
        deletion.holds(ours("a"), found)
        assert await deletion.goes_on(app, hook, *others) == (None if state is PROGRESSING else kept)
        assert deletion.written == []


async def test_a_hook_without_a_name_is_created_once_in_a_deletion(deletion: Deletion) -> None:
    deletion.holds()
    hook = obj("Job", "before-", hook="PreDelete")
    name = f"before-{int(STARTED)}-predelete"
    assert await deletion.goes_on(leaving(PRE), hook) is None
    assert deletion.written == [f"create {name}"]
    deletion.holds(ended(obj("Job", name, hook="PreDelete"), PROGRESSING))
    assert await deletion.goes_on(leaving(PRE), hook) is None
    assert deletion.written == []


def tracked(hook: Obj) -> Obj:
    """A hook as Git's are: with the tracking id."""
    return ours(hook["metadata"]["name"], "Job", metadata={"annotations": dict(hook["metadata"]["annotations"])})


@pytest.mark.parametrize(("there", "goes_on"), [(obj("Job", "before"), True), (ours("before", "Job"), False)])
async def test_an_object_of_that_name_is_waited_for_if_it_is_the_applications_own(
    there: Obj, goes_on: bool, deletion: Deletion
) -> None:
    deletion.holds()
    deletion.cluster.objects[ref_of(there)] = there

    def answer(verb: str, name: str, body: Any) -> Obj:
        raise AlreadyExistsError("already exists", code=409)

    deletion.cluster.answer = answer
    assert await deletion.goes_on(leaving(PRE), tracked(BEFORE)) == (OWN if goes_on else None)


@pytest.mark.parametrize(
    ("finalizer", "hook", "told"),
    [
        (PRE, BEFORE, "error executing pre-delete hooks: PreDelete hook(s) failed: shop/before"),
        (POST, AFTER, "PostDelete hook(s) failed: shop/after"),
    ],
)
async def test_a_hook_that_fails_is_told_deleted_and_run_again(
    finalizer: str, hook: Obj, told: str, deletion: Deletion
) -> None:
    app, name = leaving(finalizer), hook["metadata"]["name"]
    deletion.holds(ended(hook, DEGRADED), ours("a"))
    for going, written in ((False, [f"delete {name}"]), (True, [])):
        deletion.holds(ended(hook, DEGRADED, going=going), ours("a"))
        with pytest.raises(DeletionFailedError, match=f"^{re.escape(told)}$"):
            await deletion.goes_on(app, hook)
        assert deletion.written == written
    deletion.holds(ours("a"))
    assert await deletion.goes_on(app, hook) is None
    assert deletion.written == [f"create {name}"]


async def test_what_the_server_refuses_is_told_in_its_words(deletion: Deletion) -> None:
    deletion.holds()

    def answer(verb: str, name: str, body: Any) -> Obj:
        raise InvalidError("Job.batch is invalid", "hint", code=422)

    deletion.cluster.answer = answer
    with pytest.raises(DeletionFailedError, match=r"^error executing pre-delete hooks: Job\.batch is invalid$"):
        await deletion.goes_on(leaving(PRE), BEFORE)


async def test_the_hooks_before_are_run_before_anything_goes_and_go_with_the_rest(deletion: Deletion) -> None:
    app = leaving(FINALIZER, PRE, PRE + CLEANUP)
    deletion.holds(ours("a"), ended(BEFORE, HEALTHY))
    assert await deletion.goes_on(app, BEFORE) == (FINALIZER, PRE + CLEANUP, *OWN)
    assert await deletion.goes_on(leaving(FINALIZER, PRE + CLEANUP)) is None
    assert sorted(deletion.written) == ["delete a", "delete before"]
    deletion.holds()
    assert await deletion.goes_on(leaving(FINALIZER, PRE + CLEANUP)) == (PRE + CLEANUP, *OWN)
    assert await deletion.goes_on(leaving(PRE + CLEANUP)) == OWN


@pytest.mark.parametrize(
    ("policy", "states", "goes"),
    [
        ("", [HEALTHY], False),
        ("BeforeHookCreation", [HEALTHY], False),
        ("HookSucceeded", [HEALTHY], True),
        ("HookSucceeded", [HEALTHY, DEGRADED], False),
        ("HookSucceeded", [SUSPENDED], False),
        ("HookFailed", [HEALTHY], False),
        ("HookFailed", [HEALTHY, DEGRADED], True),
        ("HookFailed,HookSucceeded", [HEALTHY], True),
    ],
)
@pytest.mark.parametrize(("finalizer", "kind"), [(PRE, "PreDelete"), (POST, "PostDelete")])
async def test_what_is_left_of_hooks_goes_as_their_policy_says(
    policy: str, states: list[HealthStatus], goes: bool, finalizer: str, kind: str, deletion: Deletion
) -> None:
    hooks = [obj("Job", f"hook-{number}", hook=kind, policy=policy) for number in range(len(states))]
    other = ours("other", "Job", hook="PreSync", policy="HookSucceeded,HookFailed")
    deletion.holds(other, *(ended(hook, state) for hook, state in zip(hooks, states, strict=True)))
    app = leaving(finalizer + CLEANUP)
    assert not needs_hooks(app)
    assert await deletion.goes_on(app) == (None if goes else OWN)
    assert deletion.written == [f"delete {hook['metadata']['name']}" for hook in hooks if goes]
    deletion.holds(other, *(ended(hook, state, going=True) for hook, state in zip(hooks, states, strict=True)))
    assert await deletion.goes_on(app) == (None if goes else OWN)
    deletion.holds(other)
    assert await deletion.goes_on(app) == OWN
    assert deletion.written == []
