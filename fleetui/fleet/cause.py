"""What in an application's tree is behind its health, in one sentence.

Owns: `path_of`, `others_of`, `alike_of`, `hidden_in` and `words_of`. Pure. Called by `fleetui.fleet.why`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.objects import ObjectRef
from fleetui.model.status import PROBLEM_ORDER, HealthStatus

_TROUBLE = frozenset({HealthStatus.DEGRADED, HealthStatus.MISSING, HealthStatus.PROGRESSING})


def words_of(path: Sequence[TreeNode]) -> str:
    """The trouble at the top and what lies at its bottom: ``Deployment api: 0/3 ready. Pod api-x: Back-off pulling …``.

    Where the last is known, the first says its count alone: the line is short, and what matters is at its end.
    """
    top, culprit = path[0], path[-1]
    if culprit is top:
        return f"{_words(top)}."
    return f"{f'{top.ref.kind} {top.ref.name}: {top.info}' if top.info else _words(top)}. {_words(culprit)}."


def path_of(tree: Tree, below: ObjectRef | None = None) -> tuple[TreeNode, ...]:
    """The objects from the managed one that is worst down to the deepest that is as bad; empty where nothing below the
    application is in trouble. With `below`, only that object and what grew from it is looked at, in trouble or not."""
    if below is not None:
        tops = [index for index, node in enumerate(tree.nodes) if node.ref == below][:1]
    else:
        tops = _tops(tree)
    if not tops:
        return ()
    top = min(tops, key=lambda index: _rank(tree.nodes[index]))
    under = [(index, tree.nodes[index]) for index in _below(tree.nodes, top) if _trouble(tree.nodes[index])]
    last, culprit = min(under, key=lambda found: (_rank(found[1]), -found[1].depth), default=(top, tree.nodes[top]))
    if _rank(culprit) > _rank(tree.nodes[top]):
        last = top
    return _way_to(tree.nodes, last)


def others_of(tree: Tree) -> int:
    """How many managed objects are in trouble besides the worst."""
    return max(0, len(_tops(tree)) - 1)


def alike_of(path: Sequence[TreeNode], tree: Tree) -> int:
    """How many objects beside the last of `path`, below the one before it, are of its kind and in the same trouble."""
    if len(path) < 2:
        return 0
    above, culprit = path[-2:]
    place = next((index for index, node in enumerate(tree.nodes) if node is above), None)
    beside = [tree.nodes[index] for index in _below(tree.nodes, place)] if place is not None else []
    return sum(_says(node) == _says(culprit) for node in beside if node is not culprit)


def _says(node: TreeNode) -> tuple[object, ...]:
    return node.ref.group_kind, node.depth, node.info.partition(",")[0], node.health and node.health.status


def _tops(tree: Tree) -> list[int]:
    return [index for index, node in enumerate(tree.nodes) if node.depth == 1 and _trouble(node)]


def _way_to(nodes: Sequence[TreeNode], index: int) -> tuple[TreeNode, ...]:
    way = [nodes[index]]
    for node in reversed(nodes[:index]):
        if 0 < node.depth < way[0].depth:
            way.insert(0, node)
    return tuple(way)


def hidden_in(tree: Tree) -> str:
    """That the trouble may lie in what the user may not read; empty where there is no such thing."""
    hidden = [node for node in tree.nodes if node.forbidden and node.health is not None]
    if not hidden:
        return ""
    count = f"{len(hidden)} of its objects" if len(hidden) > 1 else f"{hidden[0].ref.kind} {hidden[0].ref.name}"
    return f"{count} may not be read, and what is behind it may lie there."


def _below(nodes: Sequence[TreeNode], top: int) -> list[int]:
    found = []
    for index in range(top + 1, len(nodes)):
        if nodes[index].depth <= nodes[top].depth:
            break
        found.append(index)
    return found


def _trouble(node: TreeNode) -> bool:
    return node.health is not None and node.health.status in _TROUBLE


def _rank(node: TreeNode) -> int:
    return PROBLEM_ORDER[node.health.status] if node.health is not None else len(PROBLEM_ORDER)


def _words(node: TreeNode) -> str:
    message = node.health.message.strip().rstrip(".") if node.health is not None else ""
    info = node.info.strip()
    parts = [part for part in (info, message) if part]
    if len(parts) == 2 and parts[0] in parts[1]:
        parts = parts[1:]
    status = node.health.status.value if node.health is not None else ""
    return f"{node.ref.kind} {node.ref.name}: {', '.join(parts) or status}"
