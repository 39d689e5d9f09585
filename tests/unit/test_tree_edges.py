"""The edges of a tree that no owner gives: inventories, claims, sources, Applications below an Application."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import TRACKING_ID
from fleetui.fleet.edges import came_from, listed
from fleetui.fleet.items import Grown
from fleetui.fleet.tree import ResourceTree
from fleetui.fleet.views import TreeNode
from fleetui.model.app import App, AppKey, AppResource
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject, inventory_ref
from fleetui.model.status import Health, HealthStatus, SyncStatus
from tests.unit.fakes import manifest, stored
from tests.unit.test_tree_increments import Held

HUB, EDGE = ClusterName("hub"), ClusterName("edge")
FLUX = "kustomize.toolkit.fluxcd.io/v1"
SOURCES = "source.toolkit.fluxcd.io/v1"
HELM = "helm.toolkit.fluxcd.io/v2"


def obj(api_version: str, kind: str, name: str, *, namespace: str = "shop", **rest: Any) -> StoredObject:
    metadata = {"uid": f"{kind}-{name}"} | rest.pop("metadata", {})
    return stored(manifest(kind, name, namespace=namespace, api_version=api_version, metadata=metadata, **rest))


def owner(kind: str, name: str, *, controller: bool = True) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": f"{kind}-{name}", "controller": controller}


def grown(objects: dict[ObjectRef, Grown]) -> Any:
    return lambda stored: objects.get(stored.ref)


class Story:
    """An application, the objects of its cluster, and the tree of both."""

    def __init__(self, *objects: StoredObject, manages: tuple[StoredObject | ObjectRef, ...], **more: Any) -> None:
        self.held = Held()
        self.held.objects = {each.ref: each for each in objects}
        refs = [each if isinstance(each, ObjectRef) else each.ref for each in manages]
        app = App(
            key=AppKey(HUB, "argo", "argocd", "shop"),
            resources=tuple(AppResource(ref=ref, sync=SyncStatus.SYNCED) for ref in refs),
        )
        self.tree = ResourceTree(app, cluster=HUB, objects=self.held, tracking="shop", **more)

    def put(self, *objects: StoredObject) -> None:
        for each in objects:
            self.held.objects[each.ref] = each
            self.tree.touch(each.ref)

    def drop(self, *objects: StoredObject) -> None:
        for each in objects:
            del self.held.objects[each.ref]
            self.tree.touch(each.ref)

    @property
    def nodes(self) -> tuple[TreeNode, ...]:
        return self.tree.shown().nodes

    @property
    def lines(self) -> list[str]:
        return [f"{'  ' * (node.depth - 1)}{node.ref.kind} {node.ref.name}" for node in self.nodes[1:]]


# --- Crossplane -----------------------------------------------------------------------------------------------------

XDB = obj(
    "db.acme.io/v1",
    "XDatabase",
    "orders-x1",
    namespace="",
    spec={"resourceRefs": [{"apiVersion": "rds.aws.upbound.io/v1beta1", "kind": "Instance", "name": "orders-i"}]},
)
CLAIM = obj(
    "db.acme.io/v1",
    "Database",
    "orders",
    spec={"resourceRef": {"apiVersion": "db.acme.io/v1", "kind": "XDatabase", "name": "orders-x1"}},
)
INSTANCE = obj(
    "rds.aws.upbound.io/v1beta1",
    "Instance",
    "orders-i",
    namespace="",
    metadata={"ownerReferences": [owner("XDatabase", "orders-x1")]},
    status={"conditions": [{"type": "Ready", "status": "False", "reason": "Creating", "message": "9m"}]},
)


def test_a_claim_leads_to_its_composite_and_that_to_what_it_is_made_of() -> None:
    story = Story(CLAIM, XDB, INSTANCE, manages=(CLAIM,))
    assert story.lines == ["Database orders", "  XDatabase orders-x1", "    Instance orders-i"]
    assert set(story.tree.kinds()) == {
        (("db.acme.io", "Database"), "shop"),
        (("db.acme.io", "XDatabase"), ""),
        (("rds.aws.upbound.io", "Instance"), ""),
    }


def test_what_a_composite_names_and_is_not_there_is_missing() -> None:
    story = Story(CLAIM, XDB, manages=(CLAIM,))
    assert story.nodes[-1].health == Health(HealthStatus.MISSING, "not in the cluster")
    story.put(INSTANCE)
    assert story.nodes[-1].uid == "Instance-orders-i"
    story.drop(XDB)
    assert story.lines == ["Database orders", "  XDatabase orders-x1"]


def test_the_resources_of_a_namespaced_composite_are_in_its_namespace() -> None:
    refs = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "made"}]
    composite = manifest(
        "App", "web", namespace="shop", api_version="acme.io/v1", spec={"crossplane": {"resourceRefs": refs}}
    )
    assert listed(composite) == (ObjectRef("", "ConfigMap", "shop", "made"),)


@pytest.mark.parametrize(
    "spec",
    [
        3,
        {"resourceRefs": "x"},
        {"resourceRefs": [{"name": "x"}, 3, None]},
        {"resourceRef": {"kind": 1}},
        # Config Connector's IAMPolicyMember: what it is about, and not what it owns.
        {"resourceRef": {"apiVersion": "resourcemanager.example/v1", "kind": "Project", "name": "shop"}},
        {"crossplane": []},
    ],
)
def test_odd_references_lead_nowhere(spec: Any) -> None:
    assert listed({"apiVersion": "acme.io/v1", "kind": "App", "metadata": {"name": "x"}, "spec": spec}) == ()


# --- Flux -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("shop_web_apps_Deployment", ObjectRef("apps", "Deployment", "shop", "web")),
        ("_shop__Namespace", ObjectRef("", "Namespace", "", "shop")),
        ("shop_settings__ConfigMap", ObjectRef("", "ConfigMap", "shop", "settings")),
        (
            "_system__node_rbac.authorization.k8s.io_ClusterRole",
            ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:node"),
        ),
        ("nonsense", None),
        ("", None),
        ("a_b_c", None),
    ],
)
def test_an_entry_of_an_inventory(entry: str, expected: ObjectRef | None) -> None:
    assert inventory_ref(entry) == expected


GIT = obj(SOURCES, "GitRepository", "infra")
APPS = obj(
    FLUX,
    "Kustomization",
    "apps",
    spec={"sourceRef": {"kind": "GitRepository", "name": "infra"}},
    status={"inventory": {"entries": [{"id": "shop_settings__ConfigMap"}, {"id": "shop_gone__ConfigMap"}]}},
)
SETTINGS = obj("v1", "ConfigMap", "settings")


def test_a_source_leads_to_a_kustomization_and_that_to_its_inventory() -> None:
    story = Story(GIT, APPS, SETTINGS, manages=(APPS, GIT, SETTINGS))
    assert story.lines == [
        "GitRepository infra",
        "  Kustomization apps",
        "    ConfigMap gone",
        "    ConfigMap settings",
    ]
    by_name = {node.ref.name: node for node in story.nodes}
    assert by_name["gone"].health == Health(HealthStatus.MISSING, "not in the cluster")
    assert [by_name[name].sync for name in ("infra", "apps", "settings", "gone")] == [SyncStatus.SYNCED] * 3 + [None]
    story.drop(GIT)
    assert story.lines[:2] == ["Kustomization apps", "  ConfigMap gone"]


def test_an_inventory_in_another_cluster_is_told_with_that_cluster() -> None:
    remote = obj(
        FLUX,
        "Kustomization",
        "edge",
        spec={"kubeConfig": {"secretRef": {"name": "edge-login"}}},
        status={"inventory": {"entries": [{"id": "shop_settings__ConfigMap"}]}},
    )
    story = Story(remote, SETTINGS, manages=(remote,), remote=lambda namespace, secret: EDGE)
    assert [(node.cluster, node.uid, node.health) for node in story.nodes[2:]] == [(EDGE, "", None)]
    assert Story(remote, manages=(remote,)).nodes[-1].cluster == "shop/edge-login"


def test_what_flux_applied_says_so_by_its_labels() -> None:
    label = {f"helm.toolkit.fluxcd.io/{key}": value for key, value in (("name", "web"), ("namespace", "flux"))}
    labelled = obj("v1", "ConfigMap", "made", metadata={"labels": label})
    assert came_from(labelled) == (ObjectRef("helm.toolkit.fluxcd.io", "HelmRelease", "flux", "web"),)
    release = obj(HELM, "HelmRelease", "web", namespace="flux", status={"helmChart": "flux/flux-web"})
    story = Story(release, labelled, manages=(release,))
    assert story.lines == ["HelmRelease web", "  ConfigMap made", "  HelmChart flux-web"]


def test_a_kustomization_that_applies_itself_and_its_source_is_shown_once() -> None:
    label = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", "sys"), ("namespace", "shop"))}
    source = obj(SOURCES, "GitRepository", "sys", metadata={"labels": label})
    itself = obj(
        FLUX,
        "Kustomization",
        "sys",
        metadata={"labels": label},
        spec={"sourceRef": {"kind": "GitRepository", "name": "sys"}},
        status={"inventory": {"entries": [{"id": "shop_sys_kustomize.toolkit.fluxcd.io_Kustomization"}]}},
    )
    story = Story(source, itself, manages=(source, itself))
    assert story.lines == ["Kustomization sys", "  GitRepository sys"]
    story.drop(source)
    assert story.lines == ["Kustomization sys", "GitRepository sys"]
    story.put(source)
    assert story.lines == ["Kustomization sys", "  GitRepository sys"]


# --- Kubernetes -----------------------------------------------------------------------------------------------------


def test_a_claim_stands_below_the_stateful_set_with_its_template() -> None:
    made = obj("apps/v1", "StatefulSet", "db", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})
    other = obj("apps/v1", "StatefulSet", "my-db", spec={"volumeClaimTemplates": [{"metadata": {"name": "wal"}}]})
    claims = [obj("v1", "PersistentVolumeClaim", name) for name in ("data-db-0", "data-my-db-0", "stray")]
    story = Story(made, other, *claims, manages=(made, other))
    assert story.lines == ["StatefulSet db", "  PersistentVolumeClaim data-db-0", "StatefulSet my-db"]
    story.put(obj("apps/v1", "StatefulSet", "my-db", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}))
    assert story.lines[2:] == ["StatefulSet my-db", "  PersistentVolumeClaim data-my-db-0"]


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        (
            obj("v1", "Secret", "token", metadata={"annotations": {"kubernetes.io/service-account.name": "robot"}}),
            [ObjectRef("", "ServiceAccount", "shop", "robot")],
        ),
        (
            obj("v1", "Secret", "tls", metadata={"annotations": {"cert-manager.io/certificate-name": "web"}}),
            [ObjectRef("cert-manager.io", "Certificate", "shop", "web")],
        ),
        (
            obj(
                "discovery.k8s.io/v1", "EndpointSlice", "x", metadata={"labels": {"kubernetes.io/service-name": "web"}}
            ),
            [ObjectRef("", "Service", "shop", "web")],
        ),
        (
            obj("image.toolkit.fluxcd.io/v1", "ImagePolicy", "web", spec={"imageRepositoryRef": {"name": "web"}}),
            [ObjectRef("image.toolkit.fluxcd.io", "ImageRepository", "shop", "web")],
        ),
        (
            obj(
                HELM,
                "HelmRelease",
                "web",
                spec={"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "h", "namespace": "flux"}}}},
            ),
            [ObjectRef("source.toolkit.fluxcd.io", "HelmRepository", "flux", "h")],
        ),
        (
            obj("v1", "PersistentVolumeClaim", "a-b-c-0"),
            [ObjectRef("apps", "StatefulSet", "shop", "b-c"), ObjectRef("apps", "StatefulSet", "shop", "c")],
        ),
        (obj("v1", "PersistentVolumeClaim", "plain"), []),
        (obj(FLUX, "Kustomization", "odd", spec=3), []),
    ],
)
def test_what_an_object_says_it_came_from(child: StoredObject, expected: list[ObjectRef]) -> None:
    assert list(came_from(child)) == expected


def test_the_controller_goes_before_other_owners() -> None:
    first, second = obj("v1", "ConfigMap", "a"), obj("v1", "ConfigMap", "b")
    references = [owner("ConfigMap", "a", controller=False), owner("ConfigMap", "b")]
    child = obj("v1", "Secret", "child", metadata={"ownerReferences": references})
    story = Story(first, second, child, manages=(first, second))
    assert story.lines == ["ConfigMap a", "ConfigMap b", "  Secret child"]
    story.drop(second)
    assert story.lines == ["ConfigMap a", "  Secret child", "ConfigMap b"]


# --- Argo CD --------------------------------------------------------------------------------------------------------


def tracked(name: str, of: str = "", app: str = "shop") -> StoredObject:
    return obj("v1", "ConfigMap", name, metadata={"annotations": {TRACKING_ID: f"{app}:/ConfigMap:shop/{of or name}"}})


def test_an_object_tracked_as_the_application_s_is_there_before_its_engine_lists_it() -> None:
    story = Story(tracked("new"), tracked("copy", of="new"), tracked("other", app="else"), manages=())
    assert [(node.ref.name, node.sync) for node in story.nodes[1:]] == [("new", None)]


def test_an_application_below_an_application_shows_what_it_manages_elsewhere() -> None:
    child = obj("argoproj.io/v1alpha1", "Application", "web", namespace="argocd")
    broken = Health(HealthStatus.DEGRADED, "crashes")
    deployment = ObjectRef("apps", "Deployment", "web", "web")
    resource = AppResource(ref=deployment, sync=SyncStatus.OUT_OF_SYNC, health=broken)
    app = App(key=AppKey(HUB, "argo", "argocd", "web"), resources=(resource,), health=broken)
    story = Story(child, manages=(child,), grown=grown({child.ref: Grown(app, EDGE, "web")}))
    assert [(node.cluster, node.depth, node.ref.kind) for node in story.nodes] == [
        (HUB, 0, "Application"),
        (HUB, 1, "Application"),
        (EDGE, 2, "Deployment"),
    ]
    assert [node.health for node in story.nodes[1:]] == [broken, broken]
    assert [node.app for node in story.nodes] == [None, None, app.key]
    assert [node.info for node in story.nodes[1:]] == ["", "on edge"]
    assert story.nodes[2].sync is SyncStatus.OUT_OF_SYNC
    assert story.tree.kinds() == ((("argoproj.io", "Application"), "argocd"),), (
        "what its own engine tells is not watched"
    )


def test_two_applications_that_list_one_object_let_the_tracked_one_have_it() -> None:
    shared = tracked("shared", app="b")
    children = [obj("argoproj.io/v1alpha1", "Application", name, namespace="argocd") for name in "ab"]
    apps = {
        child.ref: Grown(
            App(key=AppKey(HUB, "argo", "argocd", child.ref.name), resources=(AppResource(ref=shared.ref),)),
            HUB,
            child.ref.name,
        )
        for child in children
    }
    story = Story(*children, shared, manages=tuple(children), grown=grown(apps))
    assert story.lines == ["Application a", "Application b", "  ConfigMap shared"]
