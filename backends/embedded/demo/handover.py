"""What an Argo CD that ran here before would have left: live objects and the status of their Applications. Pure.

Owns: the state in which the crowd is handed to the engine, so that a thousand applications need no thousand syncs
first. Called by `planting`. The fields are those that Argo CD writes after an automated sync
(`pkg/apis/application/v1alpha1/types.go`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from backends.embedded.demo.crowd import Service, manifests
from fleetui.model.objects import Obj, split_api_version
from fleetui.model.times import format_time

TRACKING = "argocd.argoproj.io/tracking-id"
APPLIER, CONTROLLER = "argocd-controller", "argocd-application-controller"


class Past(NamedTuple):
    """One commit that was synced; `when` in seconds since the epoch."""

    sha: str
    when: float


def objects(service: Service, *, level: str) -> list[Obj]:
    """The service's live objects as they were applied, with the annotation by which Argo CD knows them."""
    import yaml

    found: list[Obj] = []
    for text in manifests(service, level=level).values():
        obj: Obj = yaml.load(text or "", Loader=yaml.CSafeLoader)
        meta, group = obj["metadata"], split_api_version(obj["apiVersion"])[0]
        meta["namespace"] = service.namespace
        meta["annotations"] = {TRACKING: f"{service.name}:{group}/{obj['kind']}:{service.namespace}/{meta['name']}"}
        found.append(obj)
    return found


def status(app: Obj, live: Sequence[Obj], *, head: str, past: Sequence[Past]) -> Obj:
    """The Application's status after the last sync.

    Args:
        head: the commit that was compared last.
        past: what was synced, oldest first; at least one.
    """
    source, last = app["spec"]["source"], past[-1]
    stamp = format_time(last.when + 4)
    images = sorted(image for obj in live for image in _images(obj))
    return {
        "sync": {
            "status": "Synced",
            "comparedTo": {"source": source, "destination": app["spec"]["destination"]},
            "revision": head,
        },
        "health": {"status": "Healthy", "lastTransitionTime": stamp},
        "resources": [{**_identity(obj), "status": "Synced"} for obj in live],
        "sourceType": "Directory",
        "controllerNamespace": app["metadata"]["namespace"],
        "resourceHealthSource": "appTree",
        "reconciledAt": stamp,
        "operationState": _operation(source, live, last, stamp=stamp),
        "history": [_entry(number, commit, source) for number, commit in enumerate(past)],
        "summary": {"images": images} if images else {},
    }


def _operation(source: Obj, live: Sequence[Obj], last: Past, *, stamp: str) -> Obj:
    revision = {"source": source, "revision": last.sha}
    return {
        "phase": "Succeeded",
        "message": "successfully synced (all tasks run)",
        "operation": {
            "initiatedBy": {"automated": True},
            "retry": {"limit": 5},
            "sync": {**revision, "prune": True},
        },
        "startedAt": format_time(last.when + 3),
        "finishedAt": stamp,
        "syncResult": {**revision, "resources": [_result(obj) for obj in live]},
    }


def _result(obj: Obj) -> Obj:
    identity, images = _identity(obj), _images(obj)
    kind, group = obj["kind"].lower(), identity.get("group", "")
    result = {
        "group": "",
        **identity,
        "status": "Synced",
        "message": f"{kind}{f'.{group}' if group else ''}/{obj['metadata']['name']} created",
        "hookPhase": "Running",
        "syncPhase": "Sync",
    }
    return {**result, "images": images} if images else result


def _entry(number: int, commit: Past, source: Obj) -> Obj:
    return {
        "id": number,
        "revision": commit.sha,
        "deployStartedAt": format_time(commit.when + 3),
        "deployedAt": format_time(commit.when + 4),
        "source": source,
        "initiatedBy": {"automated": True},
    }


def _identity(obj: Obj) -> dict[str, Any]:
    group, version = split_api_version(obj["apiVersion"])
    meta = obj["metadata"]
    where = {"version": version, "kind": obj["kind"], "namespace": meta["namespace"], "name": meta["name"]}
    return {"group": group, **where} if group else where


def _images(obj: Obj) -> list[str]:
    pod = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [container["image"] for container in pod.get("containers") or ()]
