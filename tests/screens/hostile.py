"""A fleet in which every text is an attack, as if nobody had looked at it on its way here."""

from __future__ import annotations

from msgspec.structs import replace

from fleetui.fleet.views import (
    ActionKind,
    AppDiff,
    Evidence,
    HistoryRow,
    Link,
    ObjectEvent,
    Outcome,
    Plan,
    PlanEntry,
    PodView,
    PodViews,
    Tree,
    Why,
)
from fleetui.model.app import AppKey, AppResource, Condition, Destination, OperationState, Source
from fleetui.model.change import Blame, Change, ChangeKind, Commit, ObjectDiff
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.rollout import (
    CellPhase,
    CellState,
    Driver,
    Gate,
    GateKind,
    GateState,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    Truth,
)
from fleetui.model.status import ClusterState, Health, HealthStatus, OperationPhase, SyncStatus
from tests.screens.fake_fleet import NOW, FakeFleet, app, node, status
from tests.screens.fake_rollouts import GATES, addon_app, addon_fleet, underway

MARKUP = "[red]x[/red] [/x] [@click=app.exit]q[/] [link=https://x]l[/link] $foo {bar}"
ESCAPES = "\x1b]52;c;cHduZWQ=\x07 \x1b]0;pwned\x1b\\ \x1b[31m\x1b[2J \x9b31m \x07\x08\r\n\t\x00"
WIDE = "漢字 한국어 👩‍👩‍👧 🇩🇪 ❤️ 👍🏽 e\u0301\u0302\u0303\u0304 \u0301 \u202eabc\u200f \u05e9\u05dc\u05d5\u05dd"
TEXTS = (MARKUP, ESCAPES, WIDE, "[", "]", "[[", "[/", "\\[", "")


def hostile_fleet() -> FakeFleet:
    """Eleven applications with such names, and in everything about the first one such texts."""
    text = f"{MARKUP} {ESCAPES} {WIDE}"
    hub = ClusterName("[b]east\x1b[31m")
    names = [text, *TEXTS, "plain"]
    bad = AppResource(ref=_ref(), sync=SyncStatus.OUT_OF_SYNC, health=Health(HealthStatus.DEGRADED, text))
    apps = [
        app(
            f"{number}{name}",
            hub,
            health=HealthStatus.DEGRADED,
            message=text if number else "",
            sync=SyncStatus.OUT_OF_SYNC,
            revision=name,
            project=name,
            source=Source(path=name, target_revision=name),
            resources=(bad,),
            conditions=(Condition(type="ComparisonError", message=text),),
            operation=OperationState(phase=OperationPhase.FAILED, message=text, initiated_by=text, finished_at=NOW),
        )
        for number, name in enumerate(names)
    ]
    fleet = FakeFleet(
        *apps,
        clusters=(
            status(hub, protected=True),
            status(MARKUP, ClusterState.UNREACHABLE, message=text),
            status(WIDE, ClusterState.STALE, message=text),
        ),
    )
    fleet.problems = {hub: text}
    _fill(fleet, apps[0].key, text)
    return fleet


def _ref(kind: str = MARKUP) -> ObjectRef:
    return ObjectRef(group=MARKUP, kind=kind, namespace=ESCAPES, name=f"{MARKUP}{ESCAPES}{WIDE}")


def _fill(fleet: FakeFleet, key: AppKey, text: str) -> None:
    commit = Commit(sha=text, author=text, email=text, time=NOW - 60, subject=text, message=text)
    health = Health(HealthStatus.DEGRADED, text)
    nodes = [
        node(_ref(kind), min(depth, 3), health=health, sync=SyncStatus.OUT_OF_SYNC, info=text)
        for depth, kind in enumerate(TEXTS)
    ]
    fleet.trees[key] = Tree(key=key, nodes=tuple(nodes), problem=text)
    links = tuple(Link(_ref(kind), key.hub, by=f"spec.{text}", said=text) for kind in TEXTS)
    evidence = tuple(Evidence(kind, text, _ref(), NOW - 9) for kind in ("event", "log", text))
    fleet.whys[key] = Why(key, text, text, text, links, evidence, (text,))
    blame = Blame(manager=text, operation=text, time=NOW)
    change = Change(path=("data", text), kind=ChangeKind.CHANGE, before=text, after=f"{text}!", blame=blame)
    found = ObjectDiff(
        ref=_ref(),
        live={"data": {text: text, MARKUP: ESCAPES}},
        desired={"data": {text: f"{text}!", MARKUP: ESCAPES}},
        changes=(change,),
        file=text,
    )
    fleet.diffs[key, None] = AppDiff(key=key, revision=text, commit=commit, objects=(found,))
    row = HistoryRow(
        id=1, revision=text, deployed_at=NOW, initiated_by=text, automated=False, current=True, commit=commit
    )
    older = replace(row, id=0, current=False)
    fleet.histories[key] = (row, older, replace(older, id=2, commit=None, problem=text))
    for each in nodes:
        fleet.manifests[each.ref] = {"kind": text, text: [text, {"a": text}]}
    pods = [
        PodView(key.hub, each.ref, (f"{number}{text}", "b"), f"{number}{text}", (f"{number}{text}", "b"))
        for number, each in enumerate(nodes[:3])
    ]
    fleet.running[key, None] = PodViews(tuple(pods), more=3, problem=text)
    fleet.happened[key, None] = tuple(
        ObjectEvent(each.ref, key.hub, True, text, text, 7, NOW - 60, NOW, text) for each in nodes
    )
    for kind in ActionKind:
        plan = Plan(
            action=None,  # type: ignore[arg-type]  # the fake fleet puts the action in that it was asked with
            from_revision=text,
            to_revision=text,
            from_commit=commit,
            to_commit=commit,
            entries=(PlanEntry(verb=text, ref=_ref(), summary=text),),
            notes=(text,),
            command=text,
        )
        fleet.plans[kind] = plan
    fleet.outcome = Outcome(action=None, accepted=False, message=text)  # type: ignore[arg-type]


def hostile_matrix() -> FakeFleet:
    """Addons, versions, clusters and groups with such names."""
    texts = [*TEXTS[:-1], f"{MARKUP} {ESCAPES} {WIDE}" * 20]
    hub = status("hub")
    places = [
        status(text, origin="hub hub", server=f"https://{n}", labels={"s": text[:3], text: "x"})
        for n, text in enumerate(texts)
    ]
    cells = [
        app(
            f"{row}-{column}",
            "hub",
            labels={"addon": addon, "version": texts[(row + column) % len(texts)]},
            destination=Destination(server=f"https://{row}"),
            message=addon,
        )
        for row in range(len(texts))
        for column, addon in enumerate(texts)
    ]
    return FakeFleet(*cells, clusters=(hub, *places))


def hostile_rollouts() -> FakeFleet:
    """A fleet with a rollout and plans, in which every text is an attack."""
    text = f"{MARKUP} {ESCAPES} {WIDE}"
    fleet = addon_fleet()
    cluster = next(name for name, each in fleet.clusters.items() if each.labels)
    found = addon_app(cluster, "plain", text)
    fleet._apps = {key: replace(each, labels={"addon": MARKUP, "version": text}) for key, each in fleet.apps.items()}
    fleet._apps[found.key] = found
    fleet._clusters[cluster] = replace(fleet.clusters[cluster], labels={text: text, MARKUP: ESCAPES})
    shown = underway(addon_fleet())
    truth = Truth(text, text, text, text, text, text)
    states = [
        CellState(phase, NOW - 60, text, text, found=text)
        for phase in (*CellPhase, *[CellPhase.CHANGED] * len(shown.plan.cells))
    ]
    gates = (
        *GATES,
        Gate(GateKind.METRIC, 60.0, url=text, query=text, condition=text),
        Gate(GateKind.WEBHOOK, url=text),
    )
    plan = replace(
        shown.plan,
        moves={MARKUP: text},
        cells=tuple(
            replace(each, key=replace(each.key, addon=text if number % 2 else MARKUP), truth=truth, to_version=text)
            for number, each in enumerate(shown.plan.cells)
        ),
        created_by=text,
    )
    keys = {before.key: after.key for before, after in zip(shown.plan.cells, plan.cells, strict=True)}
    plan = replace(
        plan,
        waves=tuple(
            replace(wave, name=text, gates=gates, cells=tuple(keys[key] for key in wave.cells)) for wave in plan.waves
        ),
    )
    gate = GateState(failed=True, message=text, by=text)
    state = replace(
        shown.state,
        phase=RolloutPhase.HALTED,
        reason=text,
        cells=tuple(states[: len(plan.cells)]),
        waves=tuple(replace(each, gates=(gate,) * len(gates), change=text) for each in shown.state.waves),
        driver=Driver("x", text, NOW + 60),
        events=tuple(RolloutEvent(NOW, each, who=each, wave=each, cell=plan.cells[0].key) for each in (text, *TEXTS)),
    )
    name = replace(plan.key, name=text)
    fleet.rollouts.stored = {name: Rollout(replace(plan, key=name), state)}
    fleet.rollouts.refusals = fleet.rollouts.notes = (text,)
    return fleet
