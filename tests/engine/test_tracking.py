"""Which application an object belongs to (`util/argo/resource_tracking.go`, Argo CD v3.6)."""

from __future__ import annotations

import pytest

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.tracking import (
    BOTH,
    BY_ANNOTATION,
    INSTALLATION_ID,
    INSTANCE_LABEL,
    LABEL,
    Tracking,
    instance_name,
    owner_of,
    tracking_id,
)
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
    assert BY_ANNOTATION.is_own(live) is own
    assert Tracking(LABEL).is_own(live), "a label can't tell"


CONFIG_MAP = ObjectRef("", "ConfigMap", "shop", "a")
ID = "shop:/ConfigMap:shop/a"


@pytest.mark.parametrize(
    ("tracking", "labels", "annotations"),
    [
        (BY_ANNOTATION, {}, {TRACKING_ID: ID}),
        (Tracking("nonsense"), {}, {TRACKING_ID: ID}),
        (Tracking(LABEL), {INSTANCE_LABEL: "shop"}, {}),
        (Tracking(LABEL, "example.com/app"), {"example.com/app": "shop"}, {}),
        (Tracking(LABEL, installation="one"), {INSTANCE_LABEL: "shop"}, {}),
        (Tracking(BOTH), {INSTANCE_LABEL: "shop"}, {TRACKING_ID: ID}),
        (Tracking(installation="one"), {}, {TRACKING_ID: ID, INSTALLATION_ID: "one"}),
    ],
    ids=["annotation", "unknown", "label", "a label of one's own", "label, installation", "both", "installation"],
)
def test_what_the_real_argo_cd_wrote_on_an_object(
    tracking: Tracking, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    marked = tracking.mark({"name": "a"}, CONFIG_MAP, "shop", "dest")
    assert marked.get("labels", {}) == labels
    assert marked.get("annotations", {}) == annotations
    live = {"metadata": marked}
    assert tracking.owner_of(live) == "shop"


def test_a_label_is_cut_where_an_annotation_tells_the_whole_name() -> None:
    name = "a" * 60 + "..--" + "b" * 20
    assert Tracking(BOTH).mark({}, CONFIG_MAP, name, "")["labels"] == {INSTANCE_LABEL: "a" * 60}
    assert Tracking(LABEL).mark({}, CONFIG_MAP, name, "")["labels"] == {INSTANCE_LABEL: name}


def test_another_installations_objects_are_nobodys() -> None:
    theirs = {"metadata": {"annotations": {TRACKING_ID: ID, INSTALLATION_ID: "two"}}}
    assert Tracking(installation="one").owner_of(theirs) == ""
    assert Tracking(installation="two").owner_of(theirs) == "shop"
    written = Tracking().mark({"annotations": {INSTALLATION_ID: "copied", "a": "b"}}, CONFIG_MAP, "shop", "")
    assert written["annotations"] == {"a": "b", TRACKING_ID: ID}


@pytest.mark.parametrize(
    ("tracking", "have", "want", "labels", "annotation"),
    [
        (BY_ANNOTATION, "label", "annotation", {}, ID),
        (BY_ANNOTATION, "label", "both", {INSTANCE_LABEL: "shop"}, ID),
        (BY_ANNOTATION, "both", "annotation", {}, ID),
        (Tracking(BOTH), "annotation", "both", {}, ID),
        (Tracking(LABEL), "both", "label", {INSTANCE_LABEL: "shop"}, ID),
        (Tracking(label="example.com/app"), "label", "annotation", {INSTANCE_LABEL: "shop"}, None),
    ],
)
def test_going_over_to_annotations_makes_nothing_differ(
    tracking: Tracking, have: str, want: str, labels: dict[str, str], annotation: str | None
) -> None:
    def marked(how: str) -> Obj:
        metadata: Obj = {"labels": {INSTANCE_LABEL: "shop"}} if how != "annotation" else {}
        return {"metadata": metadata | ({"annotations": {TRACKING_ID: ID}} if how != "label" else {})}

    seen = tracking.normalized(marked(have), marked(want))["metadata"]
    assert seen.get("labels", {}) == labels
    assert seen.get("annotations", {}).get(TRACKING_ID) == annotation
