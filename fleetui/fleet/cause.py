"""What in an application's tree is behind its health, in one sentence.

Owns: `cause_of` and `culprit_of`. Pure. Called by the console for the row under the cursor, where the application
itself says no more than that it is degraded, and by `fleetui.fleet.asking`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.status import PROBLEM_ORDER, HealthStatus

_TROUBLE = frozenset({HealthStatus.DEGRADED, HealthStatus.MISSING, HealthStatus.PROGRESSING})


def cause_of(tree: Tree) -> str:
    """The trouble at the top and what lies at its bottom: ``Deployment api: 0/3 ready. Pod api-x: Back-off pulling …``.

    The managed object that is worst comes first, and below it the deepest object that is as bad; empty where nothing
    below the application is in trouble, as far as it may be seen. Where the bottom is known, the top says its count
    alone: the line is short, and what matters is at its end.
    """
    tops = _tops(tree)
    if not tops:
        return _hidden(tree)
    top, culprit = _worst(tree, tops)
    if culprit is top:
        told = [_words(top)]
    else:
        told = [f"{top.ref.kind} {top.ref.name}: {top.info}" if top.info else _words(top), _words(culprit)]
    more = f" And {len(tops) - 1} more." if len(tops) > 1 else ""
    return ". ".join(told) + "." + more


def culprit_of(tree: Tree) -> TreeNode | None:
    """The object at the bottom of the trouble; None where nothing below the application is in trouble."""
    tops = _tops(tree)
    return _worst(tree, tops)[1] if tops else None


def _tops(tree: Tree) -> list[int]:
    return [index for index, node in enumerate(tree.nodes) if node.depth == 1 and _trouble(node)]


def _worst(tree: Tree, tops: Sequence[int]) -> tuple[TreeNode, TreeNode]:
    first = min(tops, key=lambda index: _rank(tree.nodes[index]))
    top = tree.nodes[first]
    below = [node for node in _below(tree.nodes, first) if _trouble(node)]
    culprit = min(below, key=lambda node: (_rank(node), -node.depth), default=top)
    return top, top if _rank(culprit) > _rank(top) else culprit


def _hidden(tree: Tree) -> str:
    """That the trouble may lie in what the user may not read."""
    hidden = [node for node in tree.nodes if node.forbidden and node.health is not None]
    if not hidden:
        return ""
    count = f"{len(hidden)} of its objects" if len(hidden) > 1 else f"{hidden[0].ref.kind} {hidden[0].ref.name}"
    return f"{count} may not be read, and what is behind it may lie there."


def _below(nodes: Sequence[TreeNode], index: int) -> list[TreeNode]:
    found = []
    for node in nodes[index + 1 :]:
        if node.depth <= nodes[index].depth:
            break
        found.append(node)
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
