"""The nodes of an application's tree as the widget takes them, and one in a sentence.

Owns: `nodes_of`, `NodeKey`, `node_words`. Called by `screens.app_view`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fleetui.model.text import one_line
from screens.cells import Line, Span
from screens.glyphs import HEALTH_ROLE, SYNC_ROLE, Glyphs
from screens.widgets.tree import Node
from screens.words import ago

if TYPE_CHECKING:
    from fleetui.fleet.views import Tree, TreeNode
    from fleetui.model.objects import ObjectRef


class NodeKey(NamedTuple):
    """Identifies a node; `nth` tells apart an object that stands in the tree more than once."""

    cluster: str
    ref: ObjectRef
    nth: int = 0


def nodes_of(tree: Tree, glyphs: Glyphs) -> list[Node]:
    """The tree's nodes as the widget takes them."""
    seen: dict[tuple[str, ObjectRef], int] = {}
    nodes: list[Node] = []
    calm = calm_branches(tree.nodes)
    for place, node in enumerate(tree.nodes):
        nth = seen[node.cluster, node.ref] = seen.get((node.cluster, node.ref), -1) + 1
        nodes.append(
            Node(
                key=NodeKey(node.cluster, node.ref, nth),
                depth=node.depth,
                kind=node.ref.kind,
                row=bool(node.group),
                name=Span(_name(node), "bright" if needs_human(node) else ""),
                glyphs=_glyphs(node, glyphs),
                info=Span(_info(node), "muted"),
                problem=needs_human(node),
                calm=calm[place],
            )
        )
    return nodes


def _name(node: TreeNode) -> str:
    """What a node is called in its row."""
    return f"{node.group} alike" if node.group else node.ref.name


def needs_human(node: TreeNode) -> bool:
    """Whether `n` stops at this node."""
    bad = node.health is not None and node.health.status.value not in {"Healthy", "Suspended"}
    return bad or (node.sync is not None and node.sync.value == "OutOfSync")


def calm_branches(nodes: Sequence[TreeNode]) -> list[bool]:
    """For each node whether nothing at or below it needs a human."""
    calm = [not needs_human(node) for node in nodes]
    above: list[int] = []
    for place, node in enumerate(nodes):
        above = above[: node.depth]
        if not calm[place]:
            for parent in above:
                calm[parent] = False
        above.append(place)
    return calm


def _glyphs(node: TreeNode, glyphs: Glyphs) -> Line:
    health = node.health
    first = Span(" ") if health is None else Span(glyphs.health(health.status), HEALTH_ROLE[health.status])
    second = Span(" ") if node.sync is None else Span(glyphs.sync(node.sync), SYNC_ROLE[node.sync])
    return first, Span(" "), second


def _info(node: TreeNode) -> str:
    more = ["hook"] * node.hook + ["to be pruned"] * (node.requires_pruning and not node.hook)
    health = node.health
    said = node.info or (one_line(health.message) if health is not None and needs_human(node) else "")
    return ", ".join([*([said] if said else []), *more])


def node_words(node: TreeNode, now: float) -> str:
    """A node in a sentence: what it is and how it is, its place in Git, where and since when."""
    parts = []
    if node.health is not None and node.health.message:
        parts.append(node.health.message.rstrip("."))
    if node.requires_pruning and not node.hook:
        parts.append("no longer in Git")
    elif node.sync is not None and node.sync.value == "OutOfSync":
        parts.append("differs from Git")
    if not any(node.info in part for part in parts):
        parts.append(node.info)
    said = ", ".join(part for part in parts if part)
    where = [f"in {node.ref.namespace}"] if node.ref.namespace else []
    where += [f"created {ago(node.created_at, now)}"] if node.created_at else []
    called = f"{node.group} {node.ref.kind}s" if node.group else f"{node.ref.kind} {node.ref.name}"
    told = called + (f": {said}" if said else "")
    if not where or not said:
        return ", ".join([told, *where])
    place = ", ".join(where)
    return f"{told}. {place[0].upper()}{place[1:]}."
