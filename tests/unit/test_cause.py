"""Which object is named as the cause of an application's health."""

from __future__ import annotations

from fleetui.fleet.cause import others_of, path_of, words_of
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import Health, HealthStatus

CLUSTER = ClusterName("prod")
KEY = AppKey(CLUSTER, "argo", "argocd", "shop")


def node(
    depth: int, kind: str, name: str, status: HealthStatus | None, *, info: str = "", message: str = ""
) -> TreeNode:
    health = None if status is None else Health(status, message)
    return TreeNode(ObjectRef("", kind, "ns", name), CLUSTER, depth, health=health, info=info)


def tree(*nodes: TreeNode) -> Tree:
    return Tree(KEY, (node(0, "Application", "shop", HealthStatus.DEGRADED), *nodes))


def cause_of(found: Tree) -> str:
    return words_of(path_of(found))


def test_nothing_in_trouble_is_no_cause() -> None:
    calm = tree(node(1, "ConfigMap", "settings", None), node(1, "Service", "api", HealthStatus.HEALTHY))
    assert (path_of(calm), others_of(calm)) == ((), 0)


def test_the_pod_at_the_bottom_is_named_with_what_it_says() -> None:
    message = 'Back-off pulling image "shop:1.99"'
    found = cause_of(
        tree(
            node(1, "Service", "api", HealthStatus.HEALTHY),
            node(1, "Deployment", "api", HealthStatus.PROGRESSING, info="0/3 ready"),
            node(2, "ReplicaSet", "api-7c9", HealthStatus.PROGRESSING, info="0/3"),
            node(3, "Pod", "api-7c9-x", HealthStatus.DEGRADED, info="ImagePullBackOff", message=message),
        )
    )
    assert found == f"Deployment api: 0/3 ready. Pod api-7c9-x: ImagePullBackOff, {message}."


def test_the_worst_managed_object_comes_first_and_the_others_are_counted() -> None:
    found = tree(
        node(1, "Deployment", "slow", HealthStatus.PROGRESSING, info="1/2 ready"),
        node(1, "Job", "migrate", HealthStatus.DEGRADED, message="Job has reached the specified backoff limit"),
    )
    assert cause_of(found) == "Job migrate: Job has reached the specified backoff limit."
    assert others_of(found) == 1


def test_a_healthy_child_of_a_troubled_parent_is_not_blamed() -> None:
    found = cause_of(
        tree(
            node(1, "Deployment", "api", HealthStatus.PROGRESSING, info="1/2 ready"),
            node(2, "ReplicaSet", "api-1", HealthStatus.HEALTHY),
        )
    )
    assert found == "Deployment api: 1/2 ready."


def test_the_way_is_that_of_the_tree_and_begins_anywhere() -> None:
    found = tree(
        node(1, "Job", "migrate", HealthStatus.DEGRADED),
        node(1, "Deployment", "api", HealthStatus.PROGRESSING),
        node(2, "ReplicaSet", "api-1", HealthStatus.PROGRESSING),
        node(3, "Pod", "api-1-x", HealthStatus.PROGRESSING),
        node(2, "ReplicaSet", "api-0", HealthStatus.HEALTHY),
    )
    assert [each.ref.name for each in path_of(found)] == ["migrate"]
    below = ObjectRef("", "Deployment", "ns", "api")
    assert [each.ref.name for each in path_of(found, below)] == ["api", "api-1", "api-1-x"]
    idle = ObjectRef("", "ReplicaSet", "ns", "api-0")
    assert [each.ref.name for each in path_of(found, idle)] == ["api", "api-0"]
    assert path_of(found, ObjectRef("", "Pod", "ns", "gone")) == ()
