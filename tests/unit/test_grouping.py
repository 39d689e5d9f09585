"""Many like objects of a tree as one row."""

from __future__ import annotations

from typing import Any

from fleetui.cli import tables
from fleetui.fleet.grouping import GROUP_FROM, grouped
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import Health, HealthStatus, SyncStatus

HUB = ClusterName("hub")
KEY = AppKey(HUB, "argo", "argocd", "shop")
ROOT = TreeNode(ObjectRef("argoproj.io", "Application", "argocd", "shop"), HUB, 0)
HEALTHY, BROKEN = Health(HealthStatus.HEALTHY), Health(HealthStatus.DEGRADED, "no image")


def node(depth: int, kind: str, name: str, **more: Any) -> TreeNode:
    return TreeNode(ObjectRef("", kind, "shop", name), HUB, depth, **more)


def pods(
    count: int, *, info: str = "Running", health: Health = HEALTHY, of: str = "web", **more: Any
) -> list[TreeNode]:
    return [node(2, "Pod", f"{of}-{info.lower()}-{i}", info=info, health=health, **more) for i in range(count)]


def tree(*nodes: TreeNode) -> Tree:
    counted = []
    for place, each in enumerate(nodes):
        below = nodes[place + 1 :]
        end = next((i for i, other in enumerate(below) if other.depth <= each.depth), len(below))
        counted.append(sum(other.depth == each.depth + 1 for other in below[:end]))
    return Tree(KEY, tuple(TreeNode(**{**fields(one), "children": n}) for one, n in zip(nodes, counted, strict=True)))


def fields(one: TreeNode) -> dict[str, Any]:
    return {field: getattr(one, field) for field in one.__struct_fields__}


def shape(found: Tree) -> list[tuple[int, int, str]]:
    return [(each.depth, each.group, each.info) for each in found.nodes]


def test_ten_like_ones_are_a_row_and_stand_below_it() -> None:
    found = grouped(tree(ROOT, node(1, "ReplicaSet", "web"), *pods(GROUP_FROM), node(1, "ConfigMap", "settings")))
    assert shape(found) == [
        (0, 0, ""),
        (1, 0, ""),
        (2, 10, "Running"),
        *[(3, 0, "Running")] * 10,
        (1, 0, ""),
    ]
    row = found.nodes[2]
    assert (row.ref.kind, row.ref.name, row.health, row.children) == ("Pod", "web", HEALTHY, 10)


def test_fewer_are_not() -> None:
    few = tree(
        ROOT, node(1, "ReplicaSet", "web"), *pods(GROUP_FROM - 1), node(1, "ReplicaSet", "api"), *pods(9, of="api")
    )
    assert grouped(few) is few
    with_broken = tree(ROOT, node(1, "ReplicaSet", "web"), *pods(5, health=BROKEN), *pods(9))
    assert [each.group for each in grouped(with_broken).nodes] == [0] * 16


def test_what_is_in_trouble_stands_before_the_row() -> None:
    broken = pods(2, info="ImagePullBackOff", health=BROKEN)
    found = grouped(tree(ROOT, node(1, "ReplicaSet", "web"), broken[0], *pods(12), broken[1]))
    assert shape(found)[2:5] == [(2, 0, "ImagePullBackOff"), (2, 0, "ImagePullBackOff"), (2, 12, "Running")]


def test_a_row_says_how_many_are_how() -> None:
    found = grouped(tree(ROOT, node(1, "Job", "web"), *pods(3, info="Completed"), *pods(9)))
    assert found.nodes[2].info == "9 Running, 3 Completed"


def test_what_git_lists_or_has_something_below_is_not_grouped() -> None:
    listed = tree(ROOT, *[node(1, "ConfigMap", f"c{i}", sync=SyncStatus.SYNCED) for i in range(12)])
    assert [each.group for each in grouped(listed).nodes] == [0] * 13
    nested = [each for i in range(12) for each in (node(1, "ReplicaSet", f"r{i}"), node(2, "Pod", f"p{i}"))]
    assert [each.group for each in grouped(tree(ROOT, *nested)).nodes] == [0] * 25


def test_the_table_shows_the_row_alone_and_all_of_them_when_it_is_wide() -> None:
    found = tree(ROOT, node(1, "ReplicaSet", "web"), *pods(12), node(1, "ConfigMap", "settings"))
    lines = tables.tree(found).splitlines()
    assert [line.split()[:4] for line in lines[3:]] == [
        ["Pod", "(12", "alike)", "shop"],
        ["ConfigMap", "settings", "shop"],
    ]
    assert len(tables.tree(found, wide=True).splitlines()) == 16
