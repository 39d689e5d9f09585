"""Which object is named as the cause of an application's health."""

from __future__ import annotations

from fleetui.fleet.cause import cause_of
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


def test_nothing_in_trouble_is_no_cause() -> None:
    assert cause_of(tree(node(1, "ConfigMap", "settings", None), node(1, "Service", "api", HealthStatus.HEALTHY))) == ""


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
    found = cause_of(
        tree(
            node(1, "Deployment", "slow", HealthStatus.PROGRESSING, info="1/2 ready"),
            node(1, "Job", "migrate", HealthStatus.DEGRADED, message="Job has reached the specified backoff limit"),
        )
    )
    assert found == "Job migrate: Job has reached the specified backoff limit. And 1 more."


def test_a_healthy_child_of_a_troubled_parent_is_not_blamed() -> None:
    found = cause_of(
        tree(
            node(1, "Deployment", "api", HealthStatus.PROGRESSING, info="1/2 ready"),
            node(2, "ReplicaSet", "api-1", HealthStatus.HEALTHY),
        )
    )
    assert found == "Deployment api: 1/2 ready."
