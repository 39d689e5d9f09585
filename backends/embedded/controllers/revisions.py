"""ControllerRevisions: the Pod templates that a StatefulSet or DaemonSet has had.

Owns: making, finding and forgetting them. Called by `statefulsets` and `daemonsets`. After kubernetes
`pkg/controller/history/controller_history.go`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

from backends.embedded.controllers.adoption import claim
from backends.embedded.controllers.naming import safe_hash
from backends.embedded.controllers.world import REVISION, World, owner_reference
from fleetui.model.objects import Obj

LABEL = "controller-revision-hash"
"""On the Pods of both kinds, and on the revisions of a DaemonSet; those of a StatefulSet have another one."""
STATEFUL_LABEL = "controller.kubernetes.io/hash"


def sync(world: World, owner: Obj, *, label: str = LABEL) -> Obj:
    """The revision that holds `owner`'s present template, made or moved to the front where it must be; `label` is where
    a new one keeps its hash."""
    template = owner["spec"]["template"]
    found = claim(world, owner, REVISION)
    newest = max((rev["revision"] for rev in found), default=0)
    for revision in found:
        if template_of(revision) != template:
            continue
        if revision["revision"] < newest:
            return world.change({**revision, "revision": newest + 1})
        return revision
    return _create(world, owner, newest + 1, label=label)


def template_of(revision: Obj) -> Obj:
    """The Pod template that a revision holds."""
    template = {**revision["data"]["spec"]["template"]}
    template.pop("$patch", None)
    return template


def prune(world: World, owner: Obj, used: Collection[str]) -> None:
    """Deletes the oldest revisions that no Pod uses, as far as `spec.revisionHistoryLimit` (10) is exceeded."""
    limit = owner["spec"].get("revisionHistoryLimit")
    idle = [rev for rev in world.owned(owner, REVISION) if rev["metadata"]["name"] not in used]
    surplus = len(idle) - (10 if limit is None else int(limit))
    for revision in sorted(idle, key=lambda rev: int(rev["revision"]))[: max(0, surplus)]:
        world.delete(revision)


def _create(world: World, owner: Obj, number: int, *, label: str) -> Obj:
    template = owner["spec"]["template"]
    meta = owner["metadata"]
    annotations = {"annotations": meta["annotations"]} if meta.get("annotations") else {}
    for salt in ("", *map(str, range(1, 100))):
        digest = safe_hash(template, salt)
        created = world.create(
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "namespace": meta["namespace"],
                    "labels": {**((template.get("metadata") or {}).get("labels") or {}), label: digest},
                    **annotations,
                    "ownerReferences": [owner_reference(owner)],
                },
                "data": {"spec": {"template": {**copy.deepcopy(template), "$patch": "replace"}}},
                "revision": number,
            }
        )
        if created is not None:
            return created
    raise RuntimeError(f"no free name for a revision of {meta['namespace']}/{meta['name']}")
