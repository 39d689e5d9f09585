"""What nobody manages: Argo CD's rule over every engine, and what is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import TRACKING_ID
from fleetui.fleet.orphans import is_orphaned
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, Discovery, Obj, ObjectRef
from tests.unit.fakes import SERVED, FakeCluster, manifest, resource
from tests.unit.test_fleet import application, running

MANAGED = frozenset({ObjectRef("", "ConfigMap", "shop", "settings")})
FLUX = {f"kustomize.toolkit.fluxcd.io/{field}": "apps" for field in ("name", "namespace")}
IGNORED = [{"group": "acme.io", "kind": "*", "name": "cache-*"}, {"group": "", "kind": "Secret", "name": ""}]


def tracked(of: str) -> Obj:
    return {"annotations": {TRACKING_ID: f"shop:/ConfigMap:shop/{of}"}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (manifest("ConfigMap", "stray", namespace="shop"), True),
        (manifest("ConfigMap", "settings", namespace="shop"), False),
        (manifest("ConfigMap", "kube-root-ca.crt", namespace="shop"), False),
        (manifest("ServiceAccount", "default", namespace="shop"), False),
        (manifest("ServiceAccount", "robot", namespace="shop"), True),
        (manifest("Service", "kubernetes", namespace="default"), False),
        (manifest("Service", "kubernetes", namespace="shop"), True),
        (manifest("ClusterRole", "x", namespace=""), False),
        (manifest("Pod", "x", namespace="shop", metadata={"ownerReferences": [{"uid": "1"}]}), False),
        (manifest("ConfigMap", "a", namespace="shop", metadata=tracked("a")), False),
        (manifest("ConfigMap", "copy", namespace="shop", metadata=tracked("a")), True),
        (
            manifest("ConfigMap", "a", namespace="shop", metadata={"labels": FLUX}),
            False,
        ),
        (manifest("Secret", "ignored", namespace="shop"), False),
        (manifest("Cache", "cache-1", namespace="shop", api_version="acme.io/v1"), False),
        (manifest("Cache", "other", namespace="shop", api_version="acme.io/v1"), True),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": 3}, False),
    ],
)
def test_what_belongs_to_nobody(obj: Obj, expected: bool) -> None:
    assert is_orphaned(obj, MANAGED, IGNORED) is expected


TOKEN = {"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": "1"}


@pytest.mark.parametrize(
    ("kind", "name", "annotations", "expected"),
    [
        ("PersistentVolumeClaim", "data-db-0", {}, False),
        ("PersistentVolumeClaim", "data-db-old", {}, True),
        ("PersistentVolumeClaim", "data-web-0", {}, True),
        ("ConfigMap", "data-db-0", {}, True),
        ("Secret", "robot-token", TOKEN, False),
        ("Secret", "robot-token", {"kubernetes.io/service-account.name": "robot"}, True),
        ("ConfigMap", "robot-token", TOKEN, True),
    ],
)
def test_what_belongs_to_an_object_that_no_owner_reference_names(
    kind: str, name: str, annotations: dict[str, str], expected: bool
) -> None:
    obj = manifest(kind, name, namespace="shop", metadata={"annotations": annotations})
    assert is_orphaned(obj, (), (), claims={"data-db"}) is expected


class Listed(FakeCluster):
    """A cluster whose objects are given; it keeps what was listed."""

    def __init__(self, *objects: Obj) -> None:
        super().__init__("hub")
        projects = resource("AppProject", group="argoproj.io", version="v1alpha1")
        events = ApiResource("", "v1", "Event", "events", namespaced=True, verbs=frozenset({"list"}))
        self.served = Discovery([*SERVED, projects, events])
        self.given = objects
        self.listed: list[tuple[str, str]] = []

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        assert metadata_only is (resource.kind != "StatefulSet"), "only its spec says how its claims are called"
        self.listed.append((resource.kind, namespace))
        if resource.kind == "Secret":
            raise ForbiddenError("secrets is forbidden", cluster=self.name, code=403)
        found: list[Any] = [obj for obj in self.given if obj["kind"] == resource.kind]
        return found


async def test_every_kind_of_the_namespace_is_listed_once_and_the_project_s_exceptions_count() -> None:
    names = ("settings", "stray", "cache-1")
    hub = Listed(*[manifest("ConfigMap", name, namespace="payments-prod") for name in names])
    project = ObjectRef("argoproj.io", "AppProject", "argocd", "default")
    ignored = [{"group": "", "kind": "ConfigMap", "name": "cache-*"}]
    hub.objects[project] = {"spec": {"orphanedResources": {"ignore": ignored}}}
    async with running(hub) as run:
        run.lists(application())
        found = await run.fleet.orphans(run.key())
        assert [one.ref.name for one in found.objects] == ["stray"]
        assert found.problem == "hub: secrets were not looked at: you may not list them"
        kinds = [kind for kind, _ in hub.listed]
        assert len(kinds) == len(set(kinds))
        assert {namespace for _, namespace in hub.listed} == {"payments-prod"}
        assert not {"Event", "Namespace", "EndpointSlice"} & set(kinds)


async def test_without_a_project_nothing_is_ignored() -> None:
    hub = Listed(manifest("ConfigMap", "cache-1", namespace="payments-prod"))
    async with running(hub) as run:
        run.lists(application())
        assert [one.ref.name for one in (await run.fleet.orphans(run.key())).objects] == ["cache-1"]


async def test_claims_of_a_statefulset_are_its_own() -> None:
    claims = [manifest("PersistentVolumeClaim", f"{name}-0", namespace="payments-prod") for name in ("data-db", "old")]
    spec = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    database = manifest("StatefulSet", "db", namespace="payments-prod", api_version="apps/v1", spec=spec)
    hub = Listed(database, *claims)
    hub.served = Discovery(
        [
            *hub.served,
            resource("StatefulSet", group="apps", version="v1"),
            resource("PersistentVolumeClaim", group="", version="v1"),
        ]
    )
    async with running(hub) as run:
        run.lists(application())
        assert [one.ref.name for one in (await run.fleet.orphans(run.key())).objects] == ["old-0", "db"]
