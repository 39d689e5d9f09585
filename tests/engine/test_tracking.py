"""Which application an object belongs to (`util/argo/resource_tracking.go`, Argo CD v3.6)."""

from __future__ import annotations

import pytest

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.tracking import instance_name, is_self_referenced, owner_of, tracking_id
from fleetui.model.objects import Obj, ObjectRef
from tests.engine.objects import obj


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [("argocd", "shop"), ("team-a", "team-a_shop"), ("", "_shop"), ("argo", "argo_shop")],
)
def test_the_name_is_qualified_outside_of_the_control_plane(namespace: str, expected: str) -> None:
    assert instance_name(namespace, "shop") == expected
    assert instance_name(namespace, "shop", namespace) == "shop"


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (ObjectRef("apps", "Deployment", "web", "api"), "shop:apps/Deployment:web/api"),
        (ObjectRef("", "ConfigMap", "web", "a"), "shop:/ConfigMap:web/a"),
        (ObjectRef("", "Namespace", "", "web"), "shop:/Namespace:dest/web"),
        (ObjectRef("batch", "Job", "web", ""), "shop:batch/Job:web/"),
    ],
)
def test_tracking_ids(ref: ObjectRef, expected: str) -> None:
    assert tracking_id("shop", ref, "dest") == expected


def tracked(value: object, kind: str = "ConfigMap", name: str = "a", **rest: str) -> Obj:
    return obj(kind, name, metadata={"annotations": {TRACKING_ID: value}}, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "owner"),
    [("shop:/ConfigMap:shop/a", "shop"), ("team_shop:x", "team_shop"), ("", ""), (3, ""), ("nonsense", "nonsense")],
)
def test_owners(value: object, owner: str) -> None:
    assert owner_of(tracked(value)) == owner
    assert owner_of({}) == ""


@pytest.mark.parametrize(
    ("live", "own"),
    [
        (tracked("shop:/ConfigMap:shop/a"), True),
        (tracked("shop:/ConfigMap:shop/b"), False),
        (tracked("shop:/ConfigMap:other/a"), False),
        (tracked("shop:/Secret:shop/a"), False),
        (tracked("shop:apps/ConfigMap:shop/a"), False),
        (tracked("shop:rbac.authorization.k8s.io/ClusterRole:dest/r", "ClusterRole", "r"), True),
        (tracked("shop:extensions/Deployment:shop/d", "Deployment", "d"), False),
        (tracked("shop:batch/Job:shop/", "Job", "generated-1"), False),
        (tracked("nonsense"), True),
        (obj("ConfigMap", "a"), True),
    ],
    ids=[
        "itself",
        "a copy of another",
        "a copy in another namespace",
        "another kind",
        "another group",
        "cluster-scoped, with the destination's namespace",
        "an older group",
        "a generated name",
        "unreadable",
        "untracked",
    ],
)
def test_a_copied_annotation_makes_nobody_a_member(live: Obj, own: bool) -> None:
    assert is_self_referenced(live) is own
