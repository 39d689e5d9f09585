"""Many like objects of a tree as one row: the forty Pods of a ReplicaSet.

Owns: `grouped`. Called by whoever shows a tree to people. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.status import HealthStatus

GROUP_FROM = 10
"""From how many on they are one row, as in Argo CD's own tree."""
_INFOS = 3
_CALM = frozenset({HealthStatus.HEALTHY, HealthStatus.SUSPENDED})


def grouped(tree: Tree) -> Tree:
    """The tree with a row for every ten or more objects of one kind below one object, and these one step deeper.

    Only what grew is grouped, has nothing below itself, and needs nobody: what is in trouble stands before the row,
    by itself. What Git lists stays as it is. A row is a node whose `group` says how many it stands
    for; it has the name of the object above it.
    """
    if all(node.children < GROUP_FROM for node in tree.nodes):
        return tree
    nodes: list[TreeNode] = []
    newest: dict[int, TreeNode] = {}
    for run in _runs(tree.nodes):
        newest[run[-1].depth] = run[-1]
        calm = [node for node in run if _is_calm(node)] if len(run) >= GROUP_FROM else []
        if len(calm) < GROUP_FROM:
            nodes += run
            continue
        nodes += [node for node in run if not _is_calm(node)]
        nodes.append(_row(calm, newest[calm[0].depth - 1]))
        nodes += [msgspec.structs.replace(node, depth=node.depth + 1) for node in calm]
    return msgspec.structs.replace(tree, nodes=tuple(nodes))


def _runs(nodes: Sequence[TreeNode]) -> Iterator[Sequence[TreeNode]]:
    """The nodes cut where one is not of a kind with the one before: not below the same, or not to be grouped."""
    start = 0
    for place in range(1, len(nodes) + 1):
        if place == len(nodes) or not _is_alike(nodes[place - 1], nodes[place]):
            yield nodes[start:place]
            start = place


def _is_alike(one: TreeNode, other: TreeNode) -> bool:
    # Between children of two objects stands the second object, which is less deep: a run never crosses it.
    return (
        one.depth == other.depth
        and one.ref.group_kind == other.ref.group_kind
        and not (one.children or other.children)
        and one.sync is None
        and other.sync is None
    )


def _is_calm(node: TreeNode) -> bool:
    return node.health is None or node.health.status in _CALM


def _row(calm: Sequence[TreeNode], above: TreeNode) -> TreeNode:
    first = calm[0]
    healths = [node.health for node in calm if node.health is not None]
    infos = Counter(node.info for node in calm if node.info).most_common(_INFOS + 1)
    alike = len(infos) == 1 and infos[0][1] == len(calm)
    told = [info if alike else f"{count} {info}" for info, count in infos[:_INFOS]]
    return TreeNode(
        ref=msgspec.structs.replace(first.ref, name=above.ref.name),
        cluster=first.cluster,
        depth=first.depth,
        health=max(healths, key=lambda health: health.status is HealthStatus.SUSPENDED, default=None),
        info=", ".join([*told, *(["…"] if len(infos) > _INFOS else [])]),
        children=len(calm),
        app=first.app,
        group=len(calm),
    )
