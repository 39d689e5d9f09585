"""Which objects belong to an owner: by owner reference, and by selector where nobody owns them.

Owns: `claim`. Called by the controllers of workloads. After kubernetes `pkg/controller/controller_ref_manager.go`: what
was orphaned and fits is adopted, what no longer fits is let go.
"""

from __future__ import annotations

from collections.abc import Callable

from backends.embedded.controllers.world import Kind, World, deleting, matches, owner_reference
from fleetui.model.objects import Obj


def claim(world: World, owner: Obj, kind: Kind, *, fits: Callable[[Obj], bool] = lambda _: True) -> list[Obj]:
    """The objects of `kind` that `owner` controls, after adopting and releasing; oldest first.

    `fits` says of an orphan whether it may be adopted, beside its labels.
    """
    selector = owner["spec"].get("selector")
    if deleting(owner):
        return world.owned(owner, kind)
    for obj in world.owned(owner, kind):
        if not matches(selector, obj["metadata"].get("labels")) and not deleting(obj):
            _release(world, owner, obj)
    for obj in world.orphans(kind, owner["metadata"]["namespace"]):
        if matches(selector, obj["metadata"].get("labels")) and not deleting(obj) and fits(obj):
            references = [*(obj["metadata"].get("ownerReferences") or ()), owner_reference(owner)]
            world.change({**obj, "metadata": {**obj["metadata"], "ownerReferences": references}})
    return world.owned(owner, kind)


def _release(world: World, owner: Obj, obj: Obj) -> None:
    meta = dict(obj["metadata"])
    meta["ownerReferences"] = [each for each in meta["ownerReferences"] if each["uid"] != owner["metadata"]["uid"]]
    world.change({**obj, "metadata": meta})
