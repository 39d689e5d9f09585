"""From manifests to what should be in the cluster (`controller/state.go`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.desired import Targets, targets_of
from fleetui.engine.served import not_found, unserved
from fleetui.model.objects import Discovery, Obj, ObjectRef
from fleetui.render.directory import Manifest
from tests.engine.objects import obj
from tests.unit.fakes import SERVED, resource

DISCOVERY = Discovery(
    [
        *SERVED,
        resource("ClusterRole", group="rbac.authorization.k8s.io", namespaced=False),
        resource("CustomResourceDefinition", group="apiextensions.k8s.io", namespaced=False),
        resource("Widget", group="example.com", version="v2"),
    ]
)


def desired(*objects: Obj, namespace: str = "dest") -> Targets:
    manifests = [Manifest(each, "shop/all.yaml", line) for line, each in enumerate(objects, start=1)]
    return targets_of(manifests, DISCOVERY, app="shop", namespace=namespace)


def tracking(target: Any) -> str:
    return str(target.obj["metadata"]["annotations"][TRACKING_ID])


def test_namespaces_are_filled_in_where_they_belong() -> None:
    targets = desired(
        obj("ConfigMap", "a", namespace=""),
        obj("ConfigMap", "b", namespace="own"),
        obj("ClusterRole", "r", metadata={"namespace": "nonsense"}),
        obj("Namespace", "n"),
    ).objects
    assert [(each.ref.name, each.ref.namespace, each.namespaced) for each in targets] == [
        ("a", "dest", True),
        ("b", "own", True),
        ("r", "", False),
        ("n", "", False),
    ]
    assert [each.obj["metadata"].get("namespace") for each in targets] == ["dest", "own", None, None]
    assert [tracking(each) for each in targets] == [
        "shop:/ConfigMap:dest/a",
        "shop:/ConfigMap:own/b",
        "shop:rbac.authorization.k8s.io/ClusterRole:dest/r",
        "shop:/Namespace:dest/n",
    ]


def test_a_kind_that_is_not_served_counts_as_namespaced() -> None:
    (target,) = desired(obj("Gadget", "g", namespace="")).objects
    assert target.ref == ObjectRef("", "Gadget", "dest", "g")


def test_a_version_that_is_not_served_is_as_namespaced_as_the_one_that_is() -> None:
    (target,) = desired(obj("ClusterRole", "r") | {"apiVersion": "rbac.authorization.k8s.io/v1beta1"}).objects
    assert not target.namespaced


def test_definitions_are_not_tracked() -> None:
    (target,) = desired(obj("CustomResourceDefinition", "widgets.example.com")).objects
    assert "annotations" not in target.obj["metadata"]


def test_the_manifest_itself_is_left_as_it_is() -> None:
    manifest = obj("ConfigMap", "a", namespace="", metadata={"annotations": {"own": "x"}})
    (target,) = desired(manifest).objects
    assert manifest == obj("ConfigMap", "a", namespace="", metadata={"annotations": {"own": "x"}})
    assert target.obj["metadata"]["annotations"]["own"] == "x"
    assert (target.file, target.line) == ("shop/all.yaml", 1)


def test_the_last_of_several_wins_and_a_warning_tells() -> None:
    targets = desired(
        obj("ConfigMap", "a", namespace="", data={"n": "1"}),
        obj("ConfigMap", "a", namespace="dest", data={"n": "2"}),
        obj("ConfigMap", "a", namespace="else"),
    )
    assert [each.obj.get("data") for each in targets.objects] == [{"n": "2"}, None]
    assert targets.warnings == ("Resource /ConfigMap/dest/a appeared 2 times among application resources.",)


def test_hooks_are_set_apart_and_generated_names_never_clash() -> None:
    targets = desired(
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "seed-", hook="PreSync"),
        obj("Job", "seed-", hook="PreSync"),
        obj("ConfigMap", "skipped", hook="Skip"),
        obj("ConfigMap", "nameless-"),
    )
    assert [each.ref.name for each in targets.hooks] == ["migrate", "", ""]
    assert tracking(targets.hooks[1]) == "shop:batch/Job:shop/"
    assert [each.ref.name for each in targets.objects] == ["skipped", ""]
    assert [ref.name for ref in targets.by_ref] == ["skipped"]
    assert targets.warnings == ()


# --- kinds that are not served ----------------------------------------------------------------------------------


def test_what_is_served_is_no_problem() -> None:
    assert unserved(obj("ConfigMap", "a"), DISCOVERY) is None


def test_a_group_that_is_not_served() -> None:
    gadget = obj("Gadget", "g", namespace="") | {"apiVersion": "toys.io/v1"}
    raw, shown = unserved(gadget, DISCOVERY, namespace="dest") or ("", "")
    assert raw == (
        "failed to discover server resources for group version toys.io/v1: "
        "the server could not find the requested resource"
    )
    assert shown == (
        "The Kubernetes API could not find toys.io/Gadget for requested resource dest/g. "
        'Make sure the "Gadget" CRD is installed on the destination cluster.'
    )


def test_another_version_of_a_kind_that_is_served() -> None:
    _, shown = unserved(obj("Widget", "w"), DISCOVERY) or ("", "")
    assert shown == (
        'The Kubernetes API could not find version "v1" of example.com/Widget for requested resource shop/w. '
        'Version "v2" of example.com/Widget is installed on the destination cluster.'
    )
    assert shown == not_found(ObjectRef("example.com", "Widget", "shop", "w"), "v1", DISCOVERY)


def test_another_kind_of_a_group_that_is_served() -> None:
    gadget = obj("Gadget", "g") | {"apiVersion": "example.com/v2"}
    assert unserved(gadget, DISCOVERY) == ('Gadget.example.com "" not found',) * 2
    assert unserved(obj("Gadget", "g"), DISCOVERY) == ('Gadget "" not found',) * 2
