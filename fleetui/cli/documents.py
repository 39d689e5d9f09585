"""The JSON that commands print: stable names, documented in docs/cli.md.

Owns: one function for each kind of document, from the model to plain data. Times are RFC 3339, absent ones null.
"""

from __future__ import annotations

from typing import Any

from fleetui.fleet.views import (
    AppDiff,
    Deployed,
    HistoryRow,
    Narrowed,
    ObjectEvent,
    Orphans,
    Tree,
    TreeNode,
    Why,
)
from fleetui.model.app import App
from fleetui.model.change import Change, Commit, ObjectDiff
from fleetui.model.objects import ObjectRef
from fleetui.model.status import ClusterStatus, Health
from fleetui.model.times import format_time

Document = dict[str, Any]


def at_time(seconds: float | None) -> str | None:
    """A time as documents have it."""
    return None if seconds is None else format_time(seconds)


def ref(value: ObjectRef) -> Document:
    """An object's reference."""
    return {"group": value.group, "kind": value.kind, "namespace": value.namespace, "name": value.name}


def _health(value: Health | None) -> Document | None:
    return None if value is None else {"status": value.status.value, "message": value.message}


def _commit(value: Commit | None) -> Document | None:
    if value is None:
        return None
    return {"sha": value.sha, "author": value.author, "time": at_time(value.time), "subject": value.subject}


def app(value: App) -> Document:
    """One application."""
    return {
        "context": value.key.hub,
        "namespace": value.key.namespace,
        "name": value.key.name,
        "engine": value.key.dialect,
        "project": value.project,
        "labels": value.labels,
        "applicationSet": value.application_set,
        "health": _health(value.health),
        "sync": {"status": value.sync.value, "revision": value.revision, "outOfSync": value.out_of_sync},
        "source": {
            "repoURL": value.source.repo_url,
            "path": value.source.path,
            "targetRevision": value.source.target_revision,
            "chart": value.source.chart,
        },
        "destination": {
            "server": value.destination.server,
            "name": value.destination.name,
            "namespace": value.destination.namespace,
        },
        "automated": {
            "enabled": value.automation.enabled,
            "prune": value.automation.prune,
            "selfHeal": value.automation.self_heal,
        },
        "operation": _operation(value),
        "conditions": [{"type": one.type, "message": one.message} for one in value.conditions],
        "images": list(value.images),
        "createdAt": at_time(value.created_at),
        "reconciledAt": at_time(value.reconciled_at),
    }


def _operation(value: App) -> Document | None:
    state = value.operation
    if state is None:
        return None
    return {
        "phase": state.phase.value,
        "message": state.message,
        "startedAt": at_time(state.started_at),
        "finishedAt": at_time(state.finished_at),
        "initiatedBy": state.initiated_by,
        "automated": state.automated,
        "revision": state.revision,
        "retryCount": state.retry_count,
    }


def cluster(value: ClusterStatus, apps: int, narrowed: Narrowed | None = None) -> Document:
    """One cluster; `latency` in seconds, null where it is not known, `namespaces` null where all are shown."""
    return {
        "name": value.name,
        "state": value.state.value,
        "since": at_time(value.since),
        "message": value.message,
        "server": value.server,
        "version": value.version,
        "protected": value.protected,
        "insecure": value.insecure,
        "latency": None if value.latency is None else round(value.latency, 4),
        "namespaces": None if narrowed is None else list(narrowed.namespaces),
        "from": value.origin,
        "aliases": list(value.aliases),
        "labels": value.labels,
        "apps": apps,
    }


def tree(value: Tree) -> Document:
    """An application's tree, flat, in display order; `depth` says where a node hangs."""
    return {"app": str(value.key), "problem": value.problem, "nodes": [_node(node) for node in value.nodes]}


def _node(node: TreeNode) -> Document:
    return {
        **ref(node.ref),
        "context": node.cluster,
        "depth": node.depth,
        "health": _health(node.health),
        "sync": node.sync.value if node.sync else None,
        "info": node.info,
        "hook": node.hook,
        "requiresPruning": node.requires_pruning,
        "forbidden": node.forbidden,
        "createdAt": at_time(node.created_at),
        "app": str(node.app) if node.app is not None else None,
    }


def orphans(value: Orphans) -> Document:
    """What nobody manages in an application's namespace."""
    return {
        "app": str(value.key),
        "context": value.cluster,
        "namespace": value.namespace,
        "problem": value.problem,
        "objects": [{**ref(one.ref), "createdAt": at_time(one.created_at)} for one in value.objects],
    }


def diff(value: AppDiff) -> Document:
    """What differs between Git and the cluster; secrets are masked."""
    return {
        "app": str(value.key),
        "revision": value.revision,
        "commit": _commit(value.commit),
        "notes": list(value.notes),
        "objects": [object_diff(one) for one in value.objects],
    }


def object_diff(one: ObjectDiff) -> Document:
    """What differs in one object."""
    return {
        **ref(one.ref),
        "file": one.file,
        "line": one.line,
        "missing": one.live is None,
        "extra": one.desired is None,
        "changes": [_change(change) for change in one.changes],
    }


def _change(change: Change) -> Document:
    blame = change.blame
    return {
        "path": change.dotted,
        "kind": change.kind.value,
        "live": change.before,
        "desired": change.after,
        "liveBy": None
        if blame is None
        else {"manager": blame.manager, "operation": blame.operation, "time": at_time(blame.time)},
        "desiredBy": _commit(change.commit),
    }


def history_row(value: HistoryRow, changed: Deployed | None = None) -> Document:
    """One entry of the history, with what it changed where that was asked for."""
    document = {
        "id": value.id,
        "revision": value.revision,
        "deployedAt": at_time(value.deployed_at),
        "initiatedBy": value.initiated_by,
        "automated": value.automated,
        "current": value.current,
        "commit": _commit(value.commit),
        "problem": value.problem,
        "origin": value.origin,
    }
    if changed is not None:
        document["changes"] = [
            {"verb": entry.verb, "ref": ref(entry.ref), "summary": entry.summary} for entry in changed.entries
        ]
        document["changesProblem"] = changed.problem
    return document


def event(value: ObjectEvent) -> Document:
    """One thing that happened to an object."""
    return {
        **ref(value.ref),
        "context": value.cluster,
        "type": "Warning" if value.warning else "Normal",
        "reason": value.reason,
        "message": value.message,
        "count": value.count,
        "firstSeen": at_time(value.first),
        "lastSeen": at_time(value.last),
        "source": value.source,
    }


def why(value: Why) -> Document:
    """What an application waits for."""
    return {
        "app": str(value.key),
        "cause": value.cause,
        "words": value.words,
        "remedy": value.remedy,
        "object": None if value.culprit is None else ref(value.culprit.ref),
        "chain": [{**ref(one.ref), "context": one.cluster, "by": one.by, "said": one.said} for one in value.chain],
        "evidence": [
            {
                "kind": one.kind,
                "text": one.text,
                "object": None if one.ref is None else ref(one.ref),
                "time": at_time(one.time),
            }
            for one in value.evidence
        ],
        "notes": list(value.notes),
    }
