"""A fleet that says what a test tells it to: no cluster, no Git, no clock of its own.

`FakeFleet` implements `fleetui.fleet.api.Fleet`; each test scripts its answers and publishes its change sets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from threading import get_ident
from typing import Any, TypeVar

from msgspec.structs import replace

from fleetui.engine.appset.preview import Preview
from fleetui.fleet.api import LogSink
from fleetui.fleet.appsets import AppSetKey, AppSets
from fleetui.fleet.cells import DEFAULT
from fleetui.fleet.projects import Projects
from fleetui.fleet.views import (
    Action,
    ActionKind,
    AppDiff,
    ChangeSet,
    Deployed,
    Evidence,
    HistoryRow,
    Link,
    Narrowed,
    ObjectEvent,
    Orphans,
    Outcome,
    Plan,
    PlanEntry,
    PodLog,
    PodView,
    PodViews,
    Tree,
    TreeNode,
    Why,
)
from fleetui.model.app import App, AppKey, AppResource, Automation, Destination, Source
from fleetui.model.change import Blame, Change, ChangeKind, Commit, ObjectDiff
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.status import ClusterState, ClusterStatus, Health, HealthStatus, SyncStatus
from fleetui.podports import ExecSession

T = TypeVar("T")
NOW = 1_760_000_000.0
SHA, OLD_SHA = "a1b2c3d" + "0" * 33, "77aa001" + "1" * 33
COMMIT = Commit(sha=SHA, author="Ann Lee", email="ann@example.com", time=NOW - 240, subject="bump payments to 1.99")
OLD_COMMIT = Commit(sha=OLD_SHA, author="Bo Riis", email="bo@example.com", time=NOW - 90000, subject="initial settings")

COMMITS = {"data.color": OLD_COMMIT, "data.timeout": replace(COMMIT, subject="raise timeout")}
"""Who wrote in Git what `settings_diff` has."""


def key(name: str, hub: str = "prod-eu-1") -> AppKey:
    return AppKey(hub=ClusterName(hub), dialect="argo", namespace="argocd", name=name)


def app(
    name: str,
    hub: str = "prod-eu-1",
    *,
    health: HealthStatus = HealthStatus.HEALTHY,
    message: str = "",
    sync: SyncStatus = SyncStatus.SYNCED,
    since: float = 7200.0,
    **more: Any,
) -> App:
    """An application; `since` is how long it has been in its health, in seconds."""
    given: dict[str, Any] = {
        "project": "default",
        "source": Source(repo_url="https://git.example.com/apps.git", path=f"apps/{name}", target_revision="main"),
        "destination": Destination(server="https://kubernetes.default.svc", namespace=name),
        "revision": SHA,
        "automation": Automation(enabled=True, prune=True, self_heal=True),
        "created_at": NOW - 86400 * 3,
        "health_since": NOW - since,
    }
    return App(key=key(name, hub), health=Health(health, message), sync=sync, **(given | more))


def status(name: str, state: ClusterState = ClusterState.LIVE, *, since: float = 60.0, **more: Any) -> ClusterStatus:
    return ClusterStatus(name=ClusterName(name), state=state, since=NOW - since, version="v1.37", **more)


def ref(kind: str, name: str, group: str = "", namespace: str = "payments") -> ObjectRef:
    return ObjectRef(group=group, kind=kind, namespace=namespace, name=name)


def node(what: ObjectRef, depth: int, hub: str = "prod-eu-1", **more: Any) -> TreeNode:
    return TreeNode(ref=what, cluster=ClusterName(hub), depth=depth, **more)


def healthy() -> Health:
    return Health(HealthStatus.HEALTHY)


def degraded(message: str = "") -> Health:
    return Health(HealthStatus.DEGRADED, message)


class FakeSubscription:
    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def close(self) -> None:
        self._close()


class FakeFleet:
    """A scripted fleet.

    `publish` sends a change set as the engine does; `trees`, `whys`, `diffs`, `histories`, `deployments`, `manifests`
    and `plans` are the answers, by key; an exception there is raised. `executed` collects what was asked to be done,
    `asked` what was asked at all. `gate` holds every answer back until it is set, `git_gate` who wrote what in Git
    (`commits`, by the dotted paths of changes).
    """

    def __init__(self, *apps: App, clusters: tuple[ClusterStatus, ...] = (), read_only: bool = False) -> None:
        self._apps = {each.key: each for each in apps}
        self._clusters = {each.name: each for each in clusters}
        self._read_only = read_only
        self._listeners: list[Callable[[ChangeSet], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cell_rules = DEFAULT
        self.loading: frozenset[ClusterName] = frozenset()
        self.problems: dict[ClusterName, str] = {}
        self.narrowed: dict[ClusterName, Narrowed] = {}
        self.trees: dict[AppKey, Tree | Exception] = {}
        self.whys: dict[AppKey, Why | Exception] = {}
        self.commits: dict[str, Commit] = {}
        self.diffs: dict[tuple[AppKey, ObjectRef | None], AppDiff | Exception] = {}
        self.histories: dict[AppKey, tuple[HistoryRow, ...] | Exception] = {}
        self.deployments: dict[tuple[AppKey, int], Deployed | Exception] = {}
        self.happened: dict[tuple[AppKey, ObjectRef | None], tuple[ObjectEvent, ...] | Exception] = {}
        self.project_list: Projects | Exception = Projects(())
        self.appset_list: AppSets | Exception = AppSets(())
        self.would: Preview | Exception = Preview()
        self.previewed: list[tuple[AppSetKey, Obj | None]] = []
        self.running: dict[tuple[AppKey, ObjectRef | None], PodViews | Exception] = {}
        self.followed: list[tuple[PodLog, LogSink]] = []
        self.shells: list[tuple[PodView, str]] = []
        self.session: ExecSession | Exception | None = None
        self.manifests: dict[ObjectRef, Obj | Exception] = {}
        self.plans: dict[ActionKind, Plan | Exception] = {}
        self.outcome: Outcome | Exception | None = None
        self.retried: list[ClusterName] = []
        self.logins: dict[ClusterName, Exception] = {}
        self.executed: list[Action] = []
        self.planned: list[Action] = []
        self.asked: list[str] = []
        self.watched: list[AppKey] = []
        self.subscribed_on: int = 0
        self.closed = 0
        self.rollouts: Any = None
        """What `tests.screens.fake_rollouts` makes."""
        self.gate: asyncio.Event | None = None
        self.git_gate: asyncio.Event | None = None

    @property
    def read_only(self) -> bool:
        return self._read_only

    @property
    def apps(self) -> Mapping[AppKey, App]:
        return self._apps

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]:
        return self._clusters

    async def open(self) -> FakeFleet:
        """What the console is started with; runs on the engine's loop."""
        self._loop = asyncio.get_running_loop()
        return self

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> FakeSubscription:
        self.subscribed_on = get_ident()
        self._listeners.append(listener)
        listener(
            ChangeSet(
                apps=dict(self._apps),
                clusters=dict(self._clusters),
                loading=self.loading,
                problems=self.problems,
                narrowed=self.narrowed,
            )
        )

        def close() -> None:
            self.closed += 1
            self._listeners.remove(listener)

        return FakeSubscription(close)

    def publish(
        self,
        *changed: App,
        clusters: tuple[ClusterStatus, ...] = (),
        removed: tuple[AppKey, ...] = (),
        trees: tuple[AppKey, ...] = (),
    ) -> None:
        """Sends a change set from the engine's thread; may be called from any other."""
        assert self._loop is not None
        self._apps.update({each.key: each for each in changed})
        self._clusters.update({each.name: each for each in clusters})
        change = ChangeSet(
            apps={each.key: each for each in changed},
            removed=frozenset(removed),
            clusters={each.name: each for each in clusters},
            trees=frozenset(trees),
            loading=self.loading,
            problems=dict(self.problems),
            narrowed=dict(self.narrowed),
        )
        for listener in list(self._listeners):
            self._loop.call_soon_threadsafe(listener, change)

    async def login(self, cluster: ClusterName) -> None:
        await self._answer("login", self.logins.get(cluster))

    async def greet(self) -> None:
        self.asked.append("greet")

    async def retry(self, cluster: ClusterName) -> None:
        self.retried.append(await self._answer("retry", cluster))

    async def loaded(self) -> None:
        return None

    async def registered(self, *, check: bool = False) -> None:
        """All are known."""

    def watch_tree(self, key: AppKey) -> FakeSubscription:
        self.watched.append(key)
        return FakeSubscription(lambda: self.watched.remove(key))

    async def tree(self, key: AppKey) -> Tree:
        default = Tree(key=key, nodes=(node(ref("Application", key.name, "argoproj.io", "argocd"), 0),))
        return await self._answer("tree", self.trees.get(key, default))

    async def orphans(self, key: AppKey) -> Orphans:
        raise NotImplementedError

    async def diff(self, key: AppKey, ref: ObjectRef | None = None, *, revision: str = "") -> AppDiff:
        default = AppDiff(key=key, revision=SHA, commit=COMMIT, objects=())
        return await self._answer("diff", self.diffs.get((key, ref), self.diffs.get((key, None), default)))

    async def with_commits(self, diff: AppDiff) -> AppDiff:
        if self.git_gate is not None:
            await self.git_gate.wait()
        return await self._answer("with_commits", with_commits(diff, self.commits))

    async def history(self, key: AppKey) -> tuple[HistoryRow, ...]:
        return await self._answer("history", self.histories.get(key, ()))

    async def deployed(self, key: AppKey, history_id: int) -> Deployed:
        return await self._answer("deployed", self.deployments.get((key, history_id), Deployed()))

    async def events(self, key: AppKey, ref: ObjectRef | None = None) -> tuple[ObjectEvent, ...]:
        return await self._answer("events", self.happened.get((key, ref), ()))

    async def why(self, key: AppKey) -> Why:
        return await self._answer("why", self.whys.get(key, Why(key, "", f"{key.name} waits for nothing.")))

    async def projects(self) -> Projects:
        return await self._answer("projects", self.project_list)

    async def appsets(self) -> AppSets:
        return await self._answer("appsets", self.appset_list)

    async def preview(self, key: AppSetKey, edited: Obj | None = None) -> Preview:
        self.previewed.append((key, edited))
        return await self._answer("preview", self.would)

    async def pods(self, key: AppKey, ref: ObjectRef | None = None) -> PodViews:
        return await self._answer("pods", self.running.get((key, ref), PodViews(())))

    def follow_log(self, log: PodLog, sink: LogSink) -> FakeSubscription:
        followed = (log, sink)
        self.followed.append(followed)
        sink.began()
        return FakeSubscription(lambda: self.followed.remove(followed))

    @asynccontextmanager
    async def shell(self, pod: PodView, container: str, *, warn: Callable[[str], object]) -> AsyncIterator[ExecSession]:
        self.shells.append((pod, container))
        session = await self._answer("shell", self.session)
        assert session is not None
        yield session

    def writes(self, pod: str, *pieces: bytes) -> None:
        """Has a Pod write into the log that is followed; may be called from any thread."""
        assert self._loop is not None
        sink = next(sink for log, sink in self.followed if log.ref.name == pod)
        for piece in pieces:
            self._loop.call_soon_threadsafe(sink.take, piece)

    def says(self, pod: str, message: str) -> None:
        """Has the log of a Pod say why nothing comes of it."""
        assert self._loop is not None
        sink = next(sink for log, sink in self.followed if log.ref.name == pod)
        self._loop.call_soon_threadsafe(sink.say, message)

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        missing = FleetError(f"{ref} does not exist")
        return await self._answer("manifest", self.manifests.get(ref, missing))

    async def plan(self, action: Action) -> Plan:
        self.planned.append(action)
        plan = await self._answer("plan", self.plans.get(action.kind, Plan(action=action)))
        return Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"action": action})

    async def execute(self, action: Action) -> Outcome:
        self.executed.append(action)
        if self._read_only:
            raise RefusedError("this console is read-only")
        outcome = self.outcome or Outcome(action=action, accepted=True, message=f"{action.kind} of {action.app} begun")
        return await self._answer("execute", outcome)

    async def _answer(self, name: str, answer: T | Exception) -> T:
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


def payments_tree() -> Tree:
    """The tree of the mock-up: a Deployment whose pods cannot pull, a ConfigMap changed by hand."""
    synced, changed = SyncStatus.SYNCED, SyncStatus.OUT_OF_SYNC
    nodes = (
        node(ref("Application", "payments-service", "argoproj.io", "argocd"), 0, health=degraded(), sync=changed),
        node(ref("Deployment", "payments-api", "apps"), 1, health=degraded("0 of 3"), sync=synced, info="0/3 ready"),
        node(ref("ReplicaSet", "payments-api-7c9", "apps"), 2, health=Health(HealthStatus.PROGRESSING), info="0/3"),
        node(ref("Pod", "payments-api-7c9-x2x"), 3, health=degraded(), info="ImagePullBackOff, 12 restarts"),
        node(ref("Pod", "payments-api-7c9-k0p"), 3, health=degraded(), info="ImagePullBackOff, 11 restarts"),
        node(ref("ReplicaSet", "payments-api-5d4", "apps"), 2, health=healthy(), info="0/0"),
        node(ref("Service", "payments-api"), 1, health=healthy(), sync=synced, info="2 endpoints"),
        node(ref("ConfigMap", "settings"), 1, health=None, sync=changed, info="2 fields differ"),
        node(ref("Secret", "credentials"), 1, sync=synced),
    )
    return Tree(key=key("payments-service"), nodes=nodes)


def settings_diff() -> AppDiff:
    """One ConfigMap with a field that was changed by hand and one that was never applied."""
    what = ref("ConfigMap", "settings")
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "payments"}}
    desired = {**head, "data": {"endpoint": "https://api", "color": "blue", "timeout": "30s"}}
    live = {**head, "data": {"endpoint": "https://api", "color": "red"}}
    changes = (
        Change(
            path=("data", "color"),
            kind=ChangeKind.CHANGE,
            before="red",
            after="blue",
            blame=Blame(manager="kubectl-edit", operation="Update", time=NOW - 420),
        ),
        Change(path=("data", "timeout"), kind=ChangeKind.ADD, after="30s"),
    )
    found = ObjectDiff(
        ref=what, live=live, desired=desired, changes=changes, file="apps/payments/settings.yaml", line=7
    )
    return AppDiff(key=key("payments-service"), revision=SHA, commit=COMMIT, objects=(found,))


def with_commits(diff: AppDiff, commits: Mapping[str, Commit]) -> AppDiff:
    """The diff with the commits of its changes, by their dotted paths."""
    objects = tuple(
        replace(found, changes=tuple(replace(each, commit=commits.get(each.dotted)) for each in found.changes))
        for found in diff.objects
    )
    return replace(diff, objects=objects)


def pod_view(name: str, *containers: str, running: tuple[str, ...] | None = None, hub: str = "prod-eu-1") -> PodView:
    """A Pod of these containers, the first of which is the default; all run, unless it is said which."""
    names = containers or ("api",)
    found = names if running is None else running
    return PodView(ClusterName(hub), ref("Pod", name), names, names[0], running=found, uid=f"uid-{name}")


def stamped(*texts: str, at: int = 0) -> bytes:
    """Lines as the API server sends them, one second after the other."""
    return "".join(
        f"2026-01-02T03:{(at + n) // 60:02}:{(at + n) % 60:02}.500000000Z {t}\n" for n, t in enumerate(texts)
    ).encode()


def payments_events() -> tuple[ObjectEvent, ...]:
    """What happened to the Pod that cannot pull, and before."""
    pod, hub = ref("Pod", "payments-api-7c9-x2x"), ClusterName("prod-eu-1")
    pull = "Failed to pull image registry.example.com/payments:1.99: not found"

    def event(what: ObjectRef, reason: str, message: str, ago: float, **more: Any) -> ObjectEvent:
        given: dict[str, Any] = {
            "warning": False,
            "count": 1,
            "first": NOW - ago,
            "last": NOW - ago,
            "source": "kubelet",
        } | more
        return ObjectEvent(ref=what, cluster=hub, reason=reason, message=message, **given)

    replica_set = ref("ReplicaSet", "payments-api-7c9", "apps")
    return (
        event(
            replica_set, "SuccessfulCreate", "Created pod: payments-api-7c9-x2x", 240, source="replicaset-controller"
        ),
        event(
            pod, "Scheduled", "Successfully assigned payments/payments-api-7c9-x2x to node-1", 239, source="scheduler"
        ),
        event(pod, "Failed", pull, 30, warning=True, count=12, first=NOW - 238),
        event(
            pod, "BackOff", "Back-off pulling image registry.example.com/payments:1.99", 12, count=40, first=NOW - 230
        ),
    )


def payments_why() -> Why:
    """What the tree and the Events of the mock-up come to."""
    hub, pod = ClusterName("prod-eu-1"), ref("Pod", "payments-api-7c9-x2x")
    pull = "Failed to pull image registry.example.com/payments:1.99: not found"
    return Why(
        key("payments-service"),
        "ImagePull",
        "Pod payments-api-7c9-x2x can't pull the image registry.example.com/payments:1.99: not found.",
        "Check the image's name and tag, and the registry's login.",
        chain=(
            Link(ref("Application", "payments-service", "argoproj.io", "argocd"), hub, said="Degraded, OutOfSync"),
            Link(ref("Deployment", "payments-api", "apps"), hub, said="0/3 ready"),
            Link(ref("ReplicaSet", "payments-api-7c9", "apps"), hub, said="0/3"),
            Link(pod, hub, said="ImagePullBackOff, 12 restarts"),
        ),
        evidence=(
            Evidence("status", "ImagePullBackOff, 12 restarts", pod),
            Evidence("event", f"Failed: {pull}", pod, NOW - 30),
            Evidence("event", "BackOff: Back-off pulling image registry.example.com/payments:1.99", pod, NOW - 240),
        ),
    )


def payments_history() -> tuple[HistoryRow, ...]:
    return (
        HistoryRow(
            id=7, revision=SHA, deployed_at=NOW - 230, initiated_by="", automated=True, current=True, commit=COMMIT
        ),
        HistoryRow(
            id=6,
            revision=OLD_SHA,
            deployed_at=NOW - 90000,
            initiated_by="ann",
            automated=False,
            current=False,
            commit=OLD_COMMIT,
        ),
    )


def sync_plan() -> Plan:
    action = Action(kind=ActionKind.SYNC, app=key("payments-service"))
    return Plan(
        action=action,
        from_revision=OLD_SHA,
        from_commit=OLD_COMMIT,
        to_revision=SHA,
        to_commit=COMMIT,
        entries=(
            PlanEntry(verb="change", ref=ref("Deployment", "payments-api", "apps"), summary="image 1.98 → 1.99"),
            PlanEntry(verb="change", ref=ref("ConfigMap", "settings"), summary="color red → blue"),
            PlanEntry(verb="keep", ref=ref("Job", "migrate-7", "batch"), summary="prune is off: stays"),
        ),
        notes=("ConfigMap settings: undoes what kubectl-edit set 7m ago.",),
        type_to_confirm="prod-eu-1",
        command="fleetui sync prod-eu-1/argocd/payments-service",
    )


def small_fleet(**more: Any) -> FakeFleet:
    """Three clusters, seven applications, one of everything that a person may meet."""
    bad = AppResource(
        ref=ref("Deployment", "payments-api", "apps"),
        sync=SyncStatus.OUT_OF_SYNC,
        health=degraded("0 of 3 ready. Pod payments-api-7c9-x2x cannot pull registry.example.com/payments:1.99"),
    )
    fleet = FakeFleet(
        app("checkout", "stage-1", since=9000),
        app(
            "payments-service",
            health=HealthStatus.DEGRADED,
            sync=SyncStatus.OUT_OF_SYNC,
            since=240,
            resources=(bad,),
        ),
        app("payments-service", "stage-1", health=HealthStatus.PROGRESSING, since=12),
        app("telemetry", "edge-07", health=HealthStatus.UNKNOWN, sync=SyncStatus.UNKNOWN),
        app("catalog", sync=SyncStatus.OUT_OF_SYNC, automation=Automation()),
        app("orders", health=HealthStatus.MISSING, since=400, message="Deployment orders does not exist"),
        app("mailer", "stage-1", health=HealthStatus.SUSPENDED),
        clusters=(
            status("prod-eu-1", protected=True),
            status("stage-1"),
            status(
                "edge-07", ClusterState.STALE, since=190, message="the watch was closed by the server; reconnecting"
            ),
        ),
        **more,
    )
    what = key("payments-service")
    fleet.trees[what] = payments_tree()
    fleet.whys[what] = payments_why()
    fleet.diffs[what, None] = settings_diff()
    fleet.commits = COMMITS
    fleet.histories[what] = payments_history()
    pods = (pod_view("payments-api-7c9-x2x", "api", "proxy"), pod_view("payments-api-7c9-k0p", "api", "proxy"))
    fleet.running = {(what, None): PodViews(pods), (what, ref("Deployment", "payments-api", "apps")): PodViews(pods)}
    fleet.running |= {(what, pod.ref): PodViews((pod,)) for pod in pods}
    fleet.happened = {(what, None): payments_events(), (what, pods[0].ref): payments_events()[1:]}
    fleet.plans[ActionKind.SYNC] = sync_plan()
    return fleet


def wide_fleet(**more: Any) -> FakeFleet:
    """Clusters in every state that a person may meet."""
    bad = {"health": HealthStatus.DEGRADED, "sync": SyncStatus.OUT_OF_SYNC}
    refused = Narrowed(("team-a",), "you may not list applications.argoproj.io in all namespaces (see kubectl)")
    fleet = FakeFleet(
        *(app(f"app-{number:03}") for number in range(20)),
        app("payments", **bad),  # type: ignore[arg-type]
        app("checkout", health=HealthStatus.PROGRESSING),
        app("telemetry", "edge-07", health=HealthStatus.UNKNOWN),
        app("till", "shared"),
        clusters=(
            status("prod-eu-1", protected=True, latency=0.031, server="https://prod-eu-1.example.com:6443"),
            status("prod-eu-2", latency=0.0002, insecure=True, server="https://10.20.0.4:6443"),
            status("edge-07", ClusterState.STALE, since=190, message="watch closed by the server; reconnecting in 8 s"),
            status("old-lab", ClusterState.UNREACHABLE, since=7300, message="https://old-lab refuses connections"),
            status("stage-1", ClusterState.UNAUTHORIZED, since=70, message="the API server refuses the login"),
            status("shared", latency=0.12),
            status("new-1", ClusterState.CONNECTING, since=2),
        ),
        **more,
    )
    fleet.narrowed = {ClusterName("shared"): refused}
    fleet.loading = frozenset({ClusterName("new-1")})
    return fleet
