"""The Pods that a person may look into, and the shell that is opened in one.

Owns: `pods_of_tree`, `shell_in`. Called by `fleetui.fleet.fleet`. What a Pod writes is followed in
`fleetui.fleet.podlogs`; whether a shell may be had is `fleetui.fleet.podaccess`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

from fleetui.engine.application import mapping, mappings, text
from fleetui.fleet.podaccess import POD, PodAccess, PodTarget
from fleetui.fleet.views import PodView, PodViews, Tree, TreeNode
from fleetui.model.errors import MissingError, NotFoundError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.text import one_line
from fleetui.podports import ExecSession
from fleetui.ports import Cluster

MOST = 10
"""Pods that are looked into side by side."""
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash || exec sh")
"""What a shell is, as k9s has it (k9s 0.50 internal/view/exec.go): bash where the image has it."""

_DEFAULT = "kubectl.kubernetes.io/default-container"


async def pods_of_tree(tree: Tree, cluster: Callable[[ClusterName], Cluster], ref: ObjectRef | None = None) -> PodViews:
    """The Pods of a tree, or at and below one object of it, in the tree's order; those that went meanwhile are left
    out.

    Raises:
        MissingError: `ref` is nothing of the tree.
        ClusterError: they can't be read.
    """
    found = list(dict.fromkeys((node.cluster, node.ref) for node in _below(tree, ref) if _is_pod(node)))
    views = await asyncio.gather(*(_view(cluster(name), pod) for name, pod in found[:MOST]))
    known = tuple(view for view in views if view is not None)
    return PodViews(known, more=max(0, len(found) - MOST), problem=tree.problem)


def shell_in(access: PodAccess, api: Cluster, pod: PodView, container: str) -> AbstractAsyncContextManager[ExecSession]:
    """A shell in a container of `pod`, on a terminal; raises as `PodAccess.exec`."""
    target = PodTarget(pod.ref.namespace, pod.ref.name, container)
    return access.exec(api, target, SHELL, tty=True, stdin=True)


def _is_pod(node: TreeNode) -> bool:
    return node.ref.group_kind == POD.group_kind


def _below(tree: Tree, ref: ObjectRef | None) -> Iterator[TreeNode]:
    """The nodes at and below `ref`, wherever it stands in the tree."""
    if ref is None:
        yield from tree.own
        return
    depth: int | None = None
    seen = False
    for node in tree.nodes:
        if depth is not None and node.depth <= depth:
            depth = None
        if depth is None and node.ref == ref:
            depth, seen = node.depth, True
        if depth is not None:
            yield node
    if not seen:
        raise MissingError(f"{tree.key} has no {ref}")


async def _view(api: Cluster, ref: ObjectRef) -> PodView | None:
    try:
        return view_of(await api.get(POD, ref.name, ref.namespace), ref, cluster=api.name)
    except NotFoundError:
        return None


def view_of(pod: Obj, ref: ObjectRef, *, cluster: ClusterName) -> PodView:
    """A Pod as the API server has it; its default container is the one that kubectl takes (kubectl 0.37
    pkg/cmd/util/podcmd/podcmd.go FindOrDefaultContainerByName)."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    kinds = ("containers", "initContainers", "ephemeralContainers")
    names = [one_line(text(each.get("name"))) for kind in kinds for each in mappings(spec.get(kind))]
    statuses = [each for kind in kinds for each in mappings(status.get(_STATUSES[kind]))]
    running = {text(each.get("name")) for each in statuses if mapping(each.get("state")).get("running") is not None}
    annotated = text(mapping(mapping(pod.get("metadata")).get("annotations")).get(_DEFAULT))
    default = annotated if annotated in names else next(iter(names), "")
    return PodView(
        cluster,
        ref,
        tuple(names),
        default,
        running=tuple(name for name in names if name in running),
        uid=text(mapping(pod.get("metadata")).get("uid")),
    )


_STATUSES = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
