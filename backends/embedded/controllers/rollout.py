"""How a Deployment goes from one ReplicaSet to the next. Pure.

Owns: the arithmetic of rolling updates. Called by `deployments` and `progress`. After kubernetes
`pkg/controller/deployment/{rolling,recreate,sync}.go` and `util/deployment_util.go`. Left out: proportional scaling of
several ReplicaSets when `spec.replicas` changes in the middle of a roll-out (the roll-out absorbs it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.model.objects import Obj

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"

Scales = dict[str, int]
"""Name of a ReplicaSet -> the replicas that it shall have."""


def replicas_of(obj: Mapping[str, Any]) -> int:
    """`spec.replicas`, 1 where it is not given."""
    value = (obj.get("spec") or {}).get("replicas")
    return 1 if value is None else int(value)


def status_of(obj: Mapping[str, Any], field: str) -> int:
    """A number of the status; absent is 0."""
    return int((obj.get("status") or {}).get(field) or 0)


def share(value: Any, total: int, *, up: bool) -> int:
    """An int-or-percent of `total`, rounded `up` or down."""
    if isinstance(value, str) and value.endswith("%"):
        part = int(value[:-1]) * total / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value)


def recreates(deployment: Obj) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type") == "Recreate")


def fenceposts(deployment: Obj) -> tuple[int, int]:
    """How many Pods there may be above, and missing below, `spec.replicas` (``ResolveFenceposts``)."""
    total = replicas_of(deployment)
    if recreates(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", "25%"), total, up=True)
    missing = share(rolling.get("maxUnavailable", "25%"), total, up=False)
    return (surge, missing) if surge or missing else (0, 1)


def max_unavailable(deployment: Obj) -> int:
    total = replicas_of(deployment)
    return 0 if recreates(deployment) or total == 0 else min(fenceposts(deployment)[1], total)


def same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two Pod templates are equal but for the hash label (``EqualIgnoreHash``)."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.pop("labels", None) or {}).items() if key != HASH}
    meta.pop("creationTimestamp", None)
    return {"labels": labels, "meta": meta, "spec": template.get("spec")}


def revision_of(obj: Mapping[str, Any]) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def next_step(deployment: Obj, new: Obj, old: Sequence[Obj]) -> Scales:
    """The next scaling of a roll-out; empty where it must wait or is done."""
    if recreates(deployment):
        return stops(old) or (_scale_new(deployment, new, old) if stopped(old) else {})
    return _scale_new(deployment, new, old) or _scale_old(deployment, new, old)


def first_size(deployment: Obj, new: Obj, old: Sequence[Obj]) -> int:
    """The replicas that a ReplicaSet is made with; `new` has none yet."""
    return _scale_new(deployment, new, old).get(new["metadata"]["name"], 0)


def stops(old: Sequence[Obj]) -> Scales:
    """All of `old` scaled to nothing."""
    return {rs["metadata"]["name"]: 0 for rs in old if replicas_of(rs)}


def stopped(old: Sequence[Obj]) -> bool:
    """Whether none of `old` wants or has Pods."""
    return not any(replicas_of(rs) or status_of(rs, "replicas") for rs in old)


def resize(deployment: Obj, sets: Sequence[Obj]) -> Scales:
    """The scaling that follows from a change of `spec.replicas` alone, the one ReplicaSet in use scaled to it."""
    active = [rs for rs in sets if replicas_of(rs)]
    target = active or sorted(sets, key=revision_of)[-1:]
    wanted = replicas_of(deployment)
    if len(target) != 1 or replicas_of(target[0]) == wanted:
        return {}
    return {target[0]["metadata"]["name"]: wanted}


def _scale_new(deployment: Obj, new: Obj, old: Sequence[Obj]) -> Scales:
    wanted, current = replicas_of(deployment), replicas_of(new)
    name = new["metadata"]["name"]
    if current >= wanted:
        return {name: wanted} if current > wanted else {}
    if recreates(deployment):
        return {name: wanted}
    room = wanted + fenceposts(deployment)[0] - current - sum(map(replicas_of, old))
    grow = min(room, wanted - current)
    return {name: current + grow} if grow > 0 else {}


def _scale_old(deployment: Obj, new: Obj, old: Sequence[Obj]) -> Scales:
    floor = replicas_of(deployment) - max_unavailable(deployment)
    pods = replicas_of(new) + sum(map(replicas_of, old))
    missing_new = replicas_of(new) - status_of(new, "availableReplicas")
    budget = pods - floor - missing_new
    if budget <= 0:
        return {}
    sizes = {rs["metadata"]["name"]: replicas_of(rs) for rs in old}
    before = dict(sizes)
    for rs in old:  # what was never healthy goes first: it keeps nobody served
        name = rs["metadata"]["name"]
        cut = min(budget, max(0, sizes[name] - status_of(rs, "availableReplicas")))
        sizes[name] -= cut
        budget -= cut
    available = sum(status_of(rs, "availableReplicas") for rs in (new, *old))
    spare = available - floor
    for rs in old:
        name = rs["metadata"]["name"]
        cut = max(0, min(spare, sizes[name]))
        sizes[name] -= cut
        spare -= cut
    return {name: size for name, size in sizes.items() if size != before[name]}
