"""Asking a fleet what an application waits for.

Owns: `why`, which gathers what `fleetui.fleet.why` judges: the tree, the objects on the way that `fleetui.fleet.walk`
goes, Events and the log of the last one, whether who is to remove a finalizer is there, the project's sync windows.
Called by `fleetui.fleet.fleet`. What can't be had is a note, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass

import msgspec

from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.engine.projects import project_of
from fleetui.fleet.api import Fleet
from fleetui.fleet.cause import path_of
from fleetui.fleet.edges import POD, SERVICE
from fleetui.fleet.events import Subject, events_of
from fleetui.fleet.facts import endpoints
from fleetui.fleet.finalizers import keeper_of
from fleetui.fleet.podlogs import last_lines
from fleetui.fleet.projects import places_of_project
from fleetui.fleet.store import LiveStore
from fleetui.fleet.stuck_pods import crashed
from fleetui.fleet.trail import Kept, Looked, Trail
from fleetui.fleet.views import Evidence, ObjectEvent, PodLog, Tree, TreeNode, Why
from fleetui.fleet.walk import DEEPEST, Reading, walk, walk_from
from fleetui.fleet.why import Start, begin, explain, in_silence, is_away, through_child
from fleetui.fleet.windows import block_of, windows_of
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, FleetError, MissingError
from fleetui.model.objects import ClusterName, ref_of
from fleetui.model.status import PROBLEM_ORDER, HealthStatus, OperationPhase, SyncStatus

LINES = 10
"""Lines of a log that are evidence."""
BELOW = 20
"""Applications below the one that is asked about that are looked into for one answer."""
_WINDOWED = frozenset({"SyncWindow", "OutOfSync"})
"""What a sync window may be behind."""

_SAYS_LITTLE = frozenset({"", "Unhealthy"})
"""Causes after which the Applications that an application manages are looked into."""

Stores = Callable[[ClusterName], LiveStore]


async def why(fleet: Fleet, key: AppKey, *, stores: Stores, now: float) -> Why:
    """What an application waits for.

    Args:
        fleet: what is known of it.
        stores: the clusters, by name; raises `MissingError` of one that is not at hand.
        now: the time (epoch s).

    Raises:
        MissingError: the application has gone.
    """
    return await _why(fleet, key, stores, (), _Budget(BELOW, now))


@dataclass
class _Budget:
    """What is shared by the questions of one answer: how many Applications may still be looked into, and when it was
    asked for (epoch s)."""

    left: int
    now: float


async def _why(fleet: Fleet, key: AppKey, stores: Stores, above: tuple[AppKey, ...], budget: _Budget) -> Why:
    """As `why`; `above` are the applications that wait for this one, which are not looked into again."""
    app = fleet.apps.get(key)
    if app is None:
        raise MissingError(f"{key} is gone")
    cluster = fleet.clusters.get(key.hub)
    if is_away(cluster):
        root = TreeNode(key.ref, key.hub, 0)
        return explain(app, cluster=cluster, tree=Tree(key, (root,)), trail=Trail())
    with closing(fleet.watch_tree(key)):  # all that follows is of the tree, which would be listed anew each time
        tree = await fleet.tree(key)
        # What hangs on an Application below is that one's question.
        own = msgspec.structs.replace(tree, nodes=tuple(tree.own))
        return await _Question(fleet, app, own, stores, (*above, key), budget).answer()


class _Question:
    """What one application waits for; `above` are those that wait for it, and itself."""

    def __init__(
        self, fleet: Fleet, app: App, tree: Tree, stores: Stores, above: tuple[AppKey, ...], budget: _Budget
    ) -> None:
        self._fleet = fleet
        self._app = app
        self._tree = tree
        self._stores = stores
        self._above = above
        self._budget = budget

    async def answer(self) -> Why:
        app, tree, clusters = self._app, self._tree, self._fleet.clusters
        start = begin(app, tree)
        child = await self._child(start.nodes[-1]) if start.nodes else None
        trail, notes = (Trail(), ()) if child is not None and child.cause else await _look(start, tree, self._stores)
        place = clusters.get(tree.nodes[-1].cluster)
        found = explain(app, cluster=clusters.get(app.key.hub), place=place, tree=tree, trail=trail, child=child)
        if found.cause in _WINDOWED and child is None:
            found = await _with_windows(found, app, self._stores, self._budget.now)
        if found.cause in _SAYS_LITTLE and not found.chain:
            found = await self._through_children() or found
        if not found.cause:
            found = await self._in_silence() or found
        problems = [tree.problem] if tree.problem else []
        return msgspec.structs.replace(found, notes=(*problems, *notes, *found.notes))

    async def _child(self, node: TreeNode) -> Why | None:
        """What the Application at `node` waits for; None where it is none that is known, or the way is too long."""
        key = self._key_at(node)
        if key is None or key in self._above or len(self._above) >= DEEPEST or not self._budget.left:
            return None
        self._budget.left -= 1
        with suppress(MissingError):  # it went meanwhile
            return await _why(self._fleet, key, self._stores, self._above, self._budget)
        return None

    async def _through_children(self) -> Why | None:
        """What the first of the Applications waits for that did not come as far as it should, the worst first. Argo CD
        keeps no health of an Application that another one manages, so the tree need not show it."""
        behind = []
        for node in self._tree.nodes:
            key = self._key_at(node)
            if key is not None and _is_behind(app := self._fleet.apps[key]):
                behind.append((PROBLEM_ORDER[app.health.status], node))
        for _, node in sorted(behind, key=lambda entry: entry[0]):
            below = await self._child(node)
            if below is not None and below.cause:
                return through_child(self._app, self._tree, node, below)
        return None

    async def _in_silence(self) -> Why | None:
        """That the first Service without endpoints has none: its health does not show that."""
        nobody = endpoints(0)
        services = (node for node in self._tree.nodes if node.ref.group_kind == SERVICE)
        node = next((node for node in services if node.info == nobody), None)
        if node is None:
            return None
        trail, _ = await _look(Start(path_of(self._tree, node.ref)), self._tree, self._stores)
        return in_silence(self._app, self._tree, trail)

    def _key_at(self, node: TreeNode) -> AppKey | None:
        """The application whose own object stands at `node`, below the root."""
        key = AppKey.of(node.cluster, node.ref) if node.depth > 0 else None
        return key if key in self._fleet.apps else None


def _is_behind(app: App) -> bool:
    failed = app.operation is not None and app.operation.phase is not OperationPhase.SUCCEEDED
    well = app.health.status is HealthStatus.HEALTHY and app.sync is SyncStatus.SYNCED
    return failed or not well or any(condition.is_error for condition in app.conditions)


async def _look(start: Start, tree: Tree, stores: Stores) -> tuple[Trail, Iterable[str]]:
    """Goes the way from `start`, and reads what its last object has to say."""
    cluster = start.nodes[-1].cluster if start.nodes else tree.nodes[-1].cluster
    trail = Trail(start.nodes)
    if not (start.nodes or start.needs or start.about):
        return trail, ()
    try:
        store = stores(cluster)
    except MissingError:
        return trail, ()  # the tree says so
    if is_away(store.api.status):
        return trail, ()
    reading = Reading(store)
    steps = await walk(reading, start.nodes[-1].ref) if start.nodes else await walk_from(reading, start.needs)
    problems = list(reading.problems)
    events: tuple[ObjectEvent, ...] = ()
    try:
        events = tuple(await events_of(store.api.urgent, _subjects(start, steps)))
    except ClusterError as error:
        problems.append(f"Events are missing: {error}")
    log: tuple[Evidence, ...] = ()
    last = steps[-1] if steps else None
    if last is not None and last.obj is not None and last.ref.group_kind == POD:
        log, problem = await _log(store, last)
        problems += [problem] if problem else []
    kept = tuple([await _kept(reading, last, each) for each in _finalizers(last)]) if last is not None else ()
    return Trail(start.nodes, steps, events, log, kept), problems


def _subjects(start: Start, steps: tuple[Looked, ...]) -> list[Subject]:
    uids = {
        step.ref: text(mapping(step.obj.get("metadata")).get("uid")) if step.obj is not None else "" for step in steps
    }
    wanted = dict.fromkeys(filter(None, (start.about, steps[-1].ref if steps else None)))
    return [Subject(ref, uids.get(ref, "")) for ref in wanted]


async def _log(store: LiveStore, pod: Looked) -> tuple[tuple[Evidence, ...], str]:
    """The last lines of a container that ended badly, and why they can't be had."""
    found = crashed(pod.obj or {})
    if found is None:
        return (), ""
    log = PodLog(pod.cluster, pod.ref, found.container, previous=found.previous, tail=LINES)
    try:
        lines = await last_lines(store.api.urgent, log)
    except FleetError as error:
        return (), f"The log of {found.container} in Pod {pod.ref.name} is missing: {error}"
    if not lines:
        return (), f"The log of {found.container} in Pod {pod.ref.name} is empty"
    return tuple(Evidence("log", line, pod.ref, time) for time, line in lines), ""


# --- finalizers -----------------------------------------------------------------------------------------------------


def _finalizers(last: Looked) -> list[str]:
    """What keeps a deleted object; of a namespace, what keeps its contents as its condition says it."""
    metadata = mapping((last.obj or {}).get("metadata"))
    if not metadata.get("deletionTimestamp"):
        return []
    named = list(strings(metadata.get("finalizers")))
    for condition in mappings(mapping((last.obj or {}).get("status")).get("conditions")):
        if condition.get("type") == "NamespaceFinalizersRemaining" and condition.get("status") == "True":
            named += re.findall(r"(\S+) in \d+ resource instances", text(condition.get("message")))
    return list(dict.fromkeys(named))[:3]


async def _kept(reading: Reading, last: Looked, finalizer: str) -> Kept:
    """Who removes a finalizer, and whether that is on the cluster."""
    keeper = keeper_of(finalizer, ref_of(last.obj or {}).group)
    is_there: bool | None = None
    if keeper.workloads:
        answers = [await reading.is_anywhere(kind, name) for kind, name in keeper.workloads]
        is_there = True if True in answers else None if None in answers else False
    elif keeper.group and await reading.serves_group(keeper.group) is False:
        is_there = False
    return Kept(finalizer, keeper, is_there)


# --- sync windows ---------------------------------------------------------------------------------------------------


async def _with_windows(found: Why, app: App, stores: Stores, now: float) -> Why:
    """With the sync windows of its project that the application falls under."""
    try:
        reading = Reading(stores(app.key.hub))
    except MissingError:
        return found
    for ref in places_of_project(app):
        obj = (await reading.get(ref)).obj
        if obj is not None:
            project = project_of(obj)
            windows = windows_of(project, app, now)
            evidence = (*found.evidence, *(Evidence("window", window, ref) for window in windows))
            block = block_of(project, app, now, by_hand=False)
            if not block:
                return msgspec.structs.replace(found, evidence=evidence)
            if found.cause != "OutOfSync":
                words = f"{found.words} An automated sync is blocked {block}."
                return msgspec.structs.replace(found, words=words, evidence=evidence)
            words = f"It differs from Git, and an automated sync is blocked {block}."
            remedy = "" if block_of(project, app, now, by_hand=True) else "Sync it by hand to go on."
            return msgspec.structs.replace(found, cause="SyncWindow", words=words, remedy=remedy, evidence=evidence)
    return msgspec.structs.replace(found, notes=(*found.notes, *reading.problems))
