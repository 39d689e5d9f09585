"""What an application waits for: from everything known of it to one paragraph with evidence.

Owns: `begin`, which says where to look, and `explain`, which judges what was found there: what keeps the engine from
comparing, then from syncing, then the object at the end of the way. How a cause is told from words is in
`fleetui.fleet.causes`, from an object in `fleetui.fleet.stuck`. Called by `fleetui.fleet.asking`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from fleetui.fleet.cause import alike_of, hidden_in, others_of, path_of
from fleetui.fleet.causes import LONGEST, Cause, told_by
from fleetui.fleet.trail import Trail, evidence_of, judge, links_of, of_events, way_of
from fleetui.fleet.views import Evidence, Link, Tree, TreeNode, Why
from fleetui.fleet.waits import Need, named_in
from fleetui.model.app import App, Condition, OperationState, ResourceResult
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import AWAY, ClusterState, ClusterStatus, HealthStatus, OperationPhase, SyncStatus
from fleetui.model.text import one_line

_AWAITED = re.compile(r"waiting for (?:completion of hook|healthy state of|deletion of(?: hook)?) (\S+)/([^\s/]+)")


class Start(msgspec.Struct, frozen=True):
    """Where to look: at the last of `nodes`, which lead there from the managed object down; or, where a message names
    what is waited for, at `needs`. `about` is the object that the message is about."""

    nodes: tuple[TreeNode, ...] = ()
    needs: tuple[Need, ...] = ()
    about: ObjectRef | None = None


def is_away(cluster: ClusterStatus | None) -> bool:
    """Whether a hub can't be asked now: what is known of its applications is old."""
    return cluster is not None and cluster.state not in (ClusterState.LIVE, ClusterState.REGISTERED)


def begin(app: App, tree: Tree) -> Start:
    """Where to look for what `app` waits for; nowhere where its own object says it all."""
    if _errors_of(app):
        return Start()
    if app.deleting:
        return Start(_deleted_of(tree))
    for text, about in _said_by_sync(app):
        if awaited := _AWAITED.search(text[:LONGEST]):
            path = next((path_of(tree, node.ref) for node in tree.nodes[1:] if _is_called(node, *awaited.groups())), ())
            if path:
                return Start(path)
        if told_by(text) is not None:
            needs = named_in(text, about.namespace if about is not None else app.destination.namespace)
            return Start(needs=needs, about=about)
    failed = _failed_of(app)
    if failed is not None:
        return Start(path_of(tree, failed.ref) if failed.hook_type else (), about=failed.ref)
    return Start(path_of(tree) or _at_rest_of(app, tree))


def explain(
    app: App,
    *,
    cluster: ClusterStatus | None,
    place: ClusterStatus | None = None,
    tree: Tree,
    trail: Trail,
    child: Why | None = None,
) -> Why:
    """The first thing that holds `app` up.

    Args:
        cluster: its hub's state, None where nothing is known of it.
        place: that of the cluster where it runs, where this is another one.
        tree: its objects.
        trail: what was found where `begin` says to look.
        child: what holds the Application up that was found there, where it is one.
    """
    where = tree.nodes[1].cluster if len(tree.nodes) > 1 else app.key.hub
    found = (
        _of_cluster(app, cluster)
        or _of_conditions(app)
        or _of_deletion(app, trail)
        or _of_operation(app, trail, child, where)
        or _of_place(app, place)
        or _of_child(app, child)
        or _and_others(_of_object(app, trail), trail, tree)
        or _of_sync(app, where, hidden_in(tree))
        or Why(app.key, "", f"{app.key.name} waits for nothing: it is {app.health.status} and {app.sync}.")
    )
    return msgspec.structs.replace(found, chain=_from_root(app, tree, found))


def through_child(app: App, tree: Tree, node: TreeNode, child: Why) -> Why:
    """An application that waits for nothing itself, but whose `child`, an Application at `node`, does."""
    root = Link(tree.nodes[0].ref, app.key.hub, said=_state_of(app))
    found = _of_child(app, child)
    assert found is not None
    return msgspec.structs.replace(found, chain=(root, *(found.chain or (Link(node.ref, node.cluster),))))


def in_silence(app: App, tree: Tree, trail: Trail) -> Why | None:
    """An application that waits for nothing, but has a Service behind which nothing stands; None where `trail`, which
    ends at the Service, does not say so."""
    cause = judge(trail)
    if cause is None or cause.name != "NoEndpoints":
        return None
    words = sentences(f"It is {app.health.status} and {app.sync}, but {cause.words}")
    told = Why(app.key, cause.name, words, sentences(cause.remedy), links_of(trail), evidence_of(trail))
    return msgspec.structs.replace(told, chain=_from_root(app, tree, told))


def sentences(*texts: str) -> str:
    """Texts as sentences on one line, one after the other; empty ones are left out."""
    told = " ".join(text.rstrip(".:,") + "." for text in map(one_line, texts) if text)
    return told[:1].upper() + told[1:]


def _from_root(app: App, tree: Tree, found: Why) -> tuple[Link, ...]:
    if not found.chain:
        return ()
    root = Link(tree.nodes[0].ref, app.key.hub, said=_state_of(app))
    return (root, *(link for link in found.chain if link.ref != root.ref))


def _state_of(app: App) -> str:
    return f"{app.health.status}, {app.sync}"


# --- what the application itself says -------------------------------------------------------------------------------


def _of_cluster(app: App, cluster: ClusterStatus | None) -> Why | None:
    if cluster is None or not is_away(cluster):
        return None
    words = f"{_away('The cluster', cluster)}. What is known of it is from before that."
    return Why(app.key, "ClusterUnreachable", words, evidence=(Evidence("cluster", cluster.message),))


def _of_place(app: App, place: ClusterStatus | None) -> Why | None:
    """The cluster where it runs is away. What its hub says of it comes before that."""
    if place is None or place.name == app.key.hub or place.state not in AWAY | {ClusterState.FORBIDDEN}:
        return None
    words = sentences(_away("The cluster that it runs on,", place), "Its objects can't be looked at")
    return Why(app.key, "ClusterUnreachable", words, evidence=(Evidence("cluster", place.message),))


def _away(what: str, cluster: ClusterStatus) -> str:
    reason = f": {cluster.message.rstrip('.')}" if cluster.message else ""
    comma = "," if what.endswith(",") else ""
    return f"{what} {cluster.name}{comma} is {cluster.state.value}{reason}"


def _of_conditions(app: App) -> Why | None:
    for condition in _errors_of(app):
        said = f"{condition.type}: {condition.message}"
        cause = told_by(condition.message) or Cause(condition.type, said)
        evidence = (Evidence("condition", said, time=condition.since),)
        return Why(app.key, cause.name, sentences(cause.words), sentences(cause.remedy), evidence=evidence)
    return None


def _errors_of(app: App) -> list[Condition]:
    """The conditions that are errors. That automated sync has failed is only repeated by one (argo-cd v3.6
    controller/appcontroller.go, `autoSync`): the operation says which object it was."""
    failed = app.operation is not None and app.operation.phase.completed and any(_said_by_sync(app))
    return [one for one in app.conditions if one.is_error and not (failed and one.type == "SyncError")]


def _of_deletion(app: App, trail: Trail) -> Why | None:
    if not app.deleting:
        return None
    found = _of_object(app, trail)
    if found is None:
        return Why(app.key, "Deleting", "It is being deleted, and its engine has yet to end that.")
    return msgspec.structs.replace(found, words=f"It is being deleted. {found.words}")


def _of_operation(app: App, trail: Trail, child: Why | None, where: ClusterName) -> Why | None:
    operation = app.operation
    said = list(_said_by_sync(app))
    if operation is None or not said:
        return None
    evidence = [Evidence("operation", f"{operation.phase}: {operation.message}", time=operation.finished_at)]
    below = _of_child(app, child) or _of_object(app, trail)
    for text, ref in said:
        cause = told_by(text)
        if cause is None and below is not None and _AWAITED.search(text[:LONGEST]):
            cause = Cause("Syncing", f"the sync is {text}")
        if cause is not None:
            if ref is not None:
                evidence.append(Evidence("result", text, ref))
                evidence += of_events(trail.events, ref)
            subject = f"{ref.kind} {ref.name}: " if ref is not None else ""
            here = (Link(ref, where, said=text),) if ref is not None else ()
            told = Why(app.key, cause.name, sentences(subject + cause.words), sentences(cause.remedy), here)
            return _and(msgspec.structs.replace(told, evidence=tuple(evidence)), below)
    if not operation.phase.completed:
        return None
    ended, failed = f"The last sync {operation.phase.value.lower()}", _failed_of(app)
    if failed is None:
        return Why(app.key, "SyncFailed", sentences(f"{ended}: {operation.message}"), evidence=tuple(evidence))
    evidence += [Evidence("result", failed.message, failed.ref), *of_events(trail.events, failed.ref)]
    words = sentences(f"{ended}: {failed.ref.kind} {failed.ref.name}: {failed.message}")
    here = (Link(failed.ref, where, said=failed.message),) if below is None else ()
    return _and(Why(app.key, "SyncFailed", words, chain=here, evidence=tuple(evidence)), below)


def _and(told: Why, below: Why | None) -> Why:
    """What a sync says, and after it what the object waits for that it names."""
    if below is None:
        return told
    return Why(
        told.key,
        told.cause if below.cause == "Unhealthy" else below.cause,
        f"{told.words} {below.words}",
        below.remedy or told.remedy,
        (*told.chain, *below.chain),
        (*told.evidence, *below.evidence),
        below.notes,
    )


def _said_by_sync(app: App) -> Iterator[tuple[str, ObjectRef | None]]:
    """What the sync that runs, or that has failed since, says: object by object first, its own message repeats one."""
    operation = app.operation
    if operation is None or operation.phase is OperationPhase.SUCCEEDED:
        return
    if operation.phase.completed and app.sync is SyncStatus.SYNCED:
        return
    yield from _texts(operation)


def _failed_of(app: App) -> ResourceResult | None:
    """The first object that the sync which has failed since could not apply, or the hook that failed."""
    if app.operation is None or not app.operation.phase.completed or not any(_said_by_sync(app)):
        return None
    bad = (one for one in app.operation.results if one.status == "SyncFailed" or one.hook_phase in ("Failed", "Error"))
    return next((one for one in bad if one.message), None)


def _texts(operation: OperationState) -> Iterator[tuple[str, ObjectRef | None]]:
    yield from ((one.message, one.ref) for one in operation.results if one.message)
    yield operation.message, None


def _is_called(node: TreeNode, kind: str, name: str) -> bool:
    return node.ref.name == name and kind in (node.ref.kind, f"{node.ref.group}/{node.ref.kind}")


def _deleted_of(tree: Tree) -> tuple[TreeNode, ...]:
    """The deepest object that is going, or else the application's own."""
    going = [node for node in tree.nodes[1:] if "Terminating" in node.info or _pends_deletion(node)]
    deepest = max(going, key=lambda node: node.depth, default=None)
    return path_of(tree, deepest.ref) if deepest is not None else tree.nodes[:1]


def _at_rest_of(app: App, tree: Tree) -> tuple[TreeNode, ...]:
    """What is suspended, or can't be judged, where that alone is why the application is."""
    status = app.health.status
    at_rest = status is HealthStatus.SUSPENDED and app.sync is SyncStatus.SYNCED
    if not at_rest and status is not HealthStatus.UNKNOWN:
        return ()
    held = (node for node in tree.nodes[1:] if node.health is not None and node.health.status is status)
    return next((path_of(tree, node.ref) for node in held), ())


def _pends_deletion(node: TreeNode) -> bool:
    return node.health is not None and node.health.message == "Pending deletion"


# --- what its objects say -------------------------------------------------------------------------------------------


def _of_child(app: App, child: Why | None) -> Why | None:
    if child is None or not child.cause:
        return None
    words = f"It waits for the Application {child.key.name}. {child.words}"
    return Why(app.key, child.cause, words, child.remedy, child.chain, child.evidence, child.notes)


def _of_object(app: App, trail: Trail) -> Why | None:
    cause = judge(trail)
    if cause is None:
        return None
    words, remedy = sentences(way_of(trail.steps), cause.words), sentences(cause.remedy)
    return Why(app.key, cause.name, words, remedy, links_of(trail), evidence_of(trail))


def _and_others(found: Why | None, trail: Trail, tree: Tree) -> Why | None:
    if found is None:
        return None
    more = []
    if alike := alike_of(trail.nodes, tree):
        above, culprit = trail.nodes[-2].ref, trail.nodes[-1].ref
        kinds = culprit.kind if alike == 1 else f"{culprit.kind}s"
        more.append(f"It is the same with {alike} more {kinds} of {above.kind} {above.name}")
    if others := others_of(tree):
        more.append(f"{others} more of its objects {'is' if others == 1 else 'are'} in trouble")
    return msgspec.structs.replace(found, words=sentences(found.words, *more)) if more else found


def _of_sync(app: App, where: ClusterName, hidden: str) -> Why | None:
    operation = app.operation
    if operation is not None and not operation.phase.completed:
        words = f"A sync is running: {operation.message}" if operation.message else "A sync is running"
        return Why(app.key, "Syncing", sentences(words), evidence=(Evidence("operation", operation.message),))
    if app.pending:
        return Why(app.key, "OperationPending", "A sync was asked for, and no engine has begun it.")
    if app.sync is SyncStatus.OUT_OF_SYNC and not app.automation.enabled:
        count = app.out_of_sync or "Some"
        words = f"{count} of its objects {'differs' if count == 1 else 'differ'} from Git, and automated sync is off."
        return Why(app.key, "ManualSync", words, "Sync it to go on.")
    if app.sync is SyncStatus.OUT_OF_SYNC:
        return _of_automation(app, where)
    if app.health.status is HealthStatus.SUSPENDED:
        reason = f": {app.health.message}" if app.health.message else ""
        return Why(app.key, "Suspended", sentences(f"It is suspended until somebody resumes it{reason}"))
    if app.health.status is not HealthStatus.HEALTHY:
        said = f": {app.health.message}" if app.health.message else ""
        return Why(app.key, "Unhealthy", sentences(f"It is {app.health.status}{said}", hidden))
    return None


def _of_automation(app: App, where: ClusterName) -> Why:
    prune = [one for one in app.resources if one.requires_pruning]
    if prune and not app.automation.prune:
        ref = prune[0].ref
        words = f"{ref.kind} {ref.name} is no longer in Git, and automated prune is off."
        return Why(app.key, "PruneDisabled", words, "Sync with prune to delete it.", (Link(ref, where),))
    if not app.automation.self_heal:
        words = "It differs from Git, this commit was synced already, and self-heal is off."
        return Why(app.key, "SelfHealDisabled", words, "Sync it to put it back.")
    return Why(app.key, "OutOfSync", "It differs from Git, and the engine has yet to sync it.")
