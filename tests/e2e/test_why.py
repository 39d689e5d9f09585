"""What an application waits for, found on an API server: the way to the culprit, its log, and who is missing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.fleet.audit import Audit, FileJournal, Operator
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Why
from fleetui.model.app import AppKey
from fleetui.model.objects import Obj
from tests.e2e.conftest import PLANES
from tests.e2e.plane import Plane
from tests.e2e.story import bootstrap
from tests.waiting import await_until

PATIENCE = 20.0
KUSTOMIZATION, GIT = "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"


@pytest.fixture(scope="module", params=PLANES)
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    plane: Plane = request.getfixturevalue(request.param)
    bootstrap(plane.kubeconfig())
    return plane.kubeconfig()


with_containers = pytest.mark.parametrize("kubeconfig", PLANES[:1], indirect=True, scope="module")
"""For a test whose containers must run, and die: those on the node of the real control plane don't end."""
with_unbound_claims = pytest.mark.parametrize("kubeconfig", PLANES[1:], indirect=True, scope="module")
"""For a test whose claims must wait: the embedded cluster has a volume for each."""


class Stand:
    """A live fleet on the embedded cluster, and a hand that puts objects there."""

    def __init__(self, cluster: KubeCluster, fleet: LiveFleet) -> None:
        self._cluster = cluster
        self.fleet = fleet

    async def put(self, *objects: Obj) -> None:
        for obj in objects:
            discovery = await self._cluster.discover()
            resource = discovery.of(obj) or (await self._cluster.discover(refresh=True)).of(obj)
            assert resource is not None, obj["kind"]
            made = await self._cluster.apply(resource, obj, field_manager="test")
            if "status" in resource.subresources and "status" in obj:
                name, namespace = made["metadata"]["name"], made["metadata"].get("namespace", "")
                await self._cluster.replace(
                    resource, {**made, "status": obj["status"]}, field_manager="test", subresource="status"
                )
                assert (await self._cluster.get(resource, name, namespace))["status"] == obj["status"]

    async def delete(self, obj: Obj) -> None:
        resource = (await self._cluster.discover()).of(obj)
        assert resource is not None
        await self._cluster.delete(resource, obj["metadata"]["name"], obj["metadata"].get("namespace", ""))

    async def why(self, name: str, fits: Callable[[Why], bool]) -> Why:
        """What `name` waits for, once that fits."""
        key, found = AppKey(self._cluster.name, "argo", "argocd", name), list[Why]()
        await await_until(lambda: key in self.fleet.apps, PATIENCE, f"the application {name}")

        deadline = time.monotonic() + PATIENCE
        while not (found and fits(found[-1])):
            assert time.monotonic() < deadline, found[-1]
            found.append(await self.fleet.why(key))
        return found[-1]


@pytest.fixture
async def stand(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Stand]:
    cluster = KubeCluster(load([kubeconfig]).context())
    store, repositories = LiveStore(cluster), GitRepositories(cache=tmp_path / "mirrors")
    audit = Audit(FileJournal(tmp_path / "audit"), Operator("ann", "bastion", "test"), now=time.time)
    fleet = LiveFleet([store], [ArgoDialect()], repositories, audit=audit)
    await fleet.start()
    try:
        await fleet.loaded()
        yield Stand(cluster, fleet)
    finally:
        await fleet.close()
        store.close()
        await cluster.close()
        await repositories.close()


def manifest(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Obj:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def namespace(name: str) -> Obj:
    return manifest("v1", "Namespace", name)


def application(name: str, *members: Obj, health: str = "Degraded", sync: str = "Synced") -> Obj:
    """An Application as Argo CD leaves it, which manages `members`."""
    resources = [
        {
            "group": one["apiVersion"].rpartition("/")[0],
            "version": one["apiVersion"].rpartition("/")[2],
            "kind": one["kind"],
            "name": one["metadata"]["name"],
            "namespace": one["metadata"].get("namespace", ""),
            "status": "Synced",
        }
        for one in members
    ]
    return manifest(
        "argoproj.io/v1alpha1",
        "Application",
        name,
        "argocd",
        spec={
            "project": "default",
            "source": {"repoURL": "file:///none", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc"},
        },
        status={"health": {"status": health}, "sync": {"status": sync}, "resources": resources},
    )


def definition(group: str, kind: str) -> Obj:
    plural = f"{kind.lower()}s" if not kind.endswith("y") else f"{kind.lower()[:-1]}ies"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec=spec)


def not_ready(reason: str, message: str) -> Obj:
    at = "2026-01-01T00:00:00Z"
    return {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": at}
        ]
    }


def kinds(found: Why) -> list[tuple[str, str]]:
    return [(link.ref.kind, link.ref.name) for link in found.chain]


@with_containers
async def test_a_crash_loop_is_told_with_the_last_lines_of_the_log(stand: Stand) -> None:
    labels = {"app": "till"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "shop/till-crashes:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    web = manifest("apps/v1", "Deployment", "till", "crash", spec=spec)
    await stand.put(namespace("crash"), web, application("till", web))
    found = await stand.why("till", lambda one: one.cause == "CrashLoop" and any(e.kind == "log" for e in one.evidence))
    assert [kind for kind, _ in kinds(found)] == ["Application", "Deployment", "ReplicaSet", "Pod"]
    assert "container main ends with exit code 1 again and again" in found.words
    assert f"fleetui logs crash/{found.chain[-1].ref.name} -c main --previous" in found.remedy
    log = [one for one in found.evidence if one.kind == "log"]
    assert 1 <= len(log) <= 10
    assert all(one.time is not None and one.text for one in log)
    assert found.notes == ()


async def test_a_chain_of_dependencies_is_followed_to_the_source_that_can_not_be_fetched(stand: Stand) -> None:
    await stand.put(
        namespace("flux-system"),
        definition("kustomize.toolkit.fluxcd.io", "Kustomization"),
        definition("source.toolkit.fluxcd.io", "GitRepository"),
    )
    source = {"kind": "GitRepository", "name": "platform"}
    waits = "dependency 'flux-system/infra' is not ready"
    fetch = "failed to checkout and determine revision: unable to clone 'https://git.acme.io/p': repository not found"
    apps = manifest(
        KUSTOMIZATION,
        "Kustomization",
        "apps",
        "flux-system",
        spec={"dependsOn": [{"name": "infra"}], "sourceRef": source},
        status=not_ready("DependencyNotReady", waits),
    )
    infra = manifest(
        KUSTOMIZATION,
        "Kustomization",
        "infra",
        "flux-system",
        spec={"sourceRef": source},
        status=not_ready("ArtifactFailed", "Source artifact not found, retrying in 30s"),
    )
    git = manifest(
        GIT,
        "GitRepository",
        "platform",
        "flux-system",
        spec={"url": "https://git.acme.io/p"},
        status=not_ready("GitOperationFailed", fetch),
    )
    await stand.put(git, infra, apps, application("clusters", apps))
    found = await stand.why("clusters", lambda one: len(one.chain) == 4)
    assert kinds(found)[1:] == [("Kustomization", "apps"), ("Kustomization", "infra"), ("GitRepository", "platform")]
    assert found.cause == "SourceUnreachable"
    assert [link.by for link in found.chain] == ["", "", "spec.dependsOn", "spec.sourceRef"]
    assert found.words.startswith(
        "Kustomization apps waits for Kustomization infra (dependsOn), which waits for GitRepository platform "
        "(sourceRef). GitRepository platform: the source can't be fetched: "
    )
    assert [one.text.partition(":")[0] for one in found.evidence if one.kind == "condition"] == [
        "Ready, DependencyNotReady",
        "Ready, ArtifactFailed",
        "Ready, GitOperationFailed",
    ]


@with_containers
async def test_an_application_of_applications_waits_for_what_its_child_waits_for(stand: Stand) -> None:
    job = manifest(
        "batch/v1",
        "Job",
        "migrate",
        "child",
        spec={
            "backoffLimit": 0,
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "shop/migrate-fails:1"}]}
            },
        },
    )
    child = application("child", job)
    await stand.put(namespace("child"), job, child, application("parent", child))
    found = await stand.why("parent", lambda one: one.cause == "ContainerFailed")
    assert kinds(found)[:3] == [("Application", "parent"), ("Application", "child"), ("Job", "migrate")]
    assert found.words.startswith("It waits for the Application child. Pod migrate-")
    assert [one.kind for one in found.evidence].count("log") >= 1


async def test_a_parent_that_is_fine_tells_of_the_child_that_nobody_syncs(stand: Stand) -> None:
    child = application("manual", health="Healthy", sync="OutOfSync")
    await stand.put(child, application("fine", child, health="Healthy"))
    found = await stand.why("fine", lambda one: bool(one.cause))
    assert (found.cause, kinds(found)) == ("ManualSync", [("Application", "fine"), ("Application", "manual")])


async def test_a_finalizer_whose_controller_is_gone_is_named(stand: Stand) -> None:
    held = manifest("v1", "ConfigMap", "lease", "held", metadata={"finalizers": ["acme.example/drain"]})
    await stand.put(namespace("held"), held, application("leases", held))
    await stand.delete(held)
    found = await stand.why("leases", lambda one: one.cause == "Finalizer")
    assert kinds(found)[-1] == ("ConfigMap", "lease")
    assert "stays until the finalizer acme.example/drain is removed" in found.words
    assert "The controller of acme.example seems to be gone: nothing here serves kinds of acme.example" in found.words
    assert found.remedy.startswith("Bring that controller back, or take acme.example/drain away by hand")
    assert [one.text for one in found.evidence if one.kind == "finalizer"] == [
        "acme.example/drain, removed by the controller of acme.example, which seems to be gone"
    ]


async def test_a_namespace_that_can_not_go_says_what_keeps_it(stand: Stand) -> None:
    held = manifest("v1", "ConfigMap", "lease", "doomed", metadata={"finalizers": ["acme.example/drain"]})
    doomed = namespace("doomed")
    await stand.put(doomed, held, application("doomed", doomed))
    await stand.delete(doomed)
    found = await stand.why("doomed", lambda one: "finalizers remaining" in one.words)
    assert (found.cause, kinds(found)[-1]) == ("NamespaceTerminating", ("Namespace", "doomed"))
    assert "acme.example/drain in 1 resource instances" in found.words
    assert "nothing here serves kinds of acme.example" in found.words
    assert [one.text.partition(",")[0] for one in found.evidence if one.kind == "condition"] == [
        "NamespaceFinalizersRemaining"
    ]


@with_unbound_claims
async def test_a_claim_waits_for_a_storage_class_that_nobody_made(stand: Stand) -> None:
    size = {"requests": {"storage": "1Gi"}}
    spec = {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "resources": size}
    claim = manifest("v1", "PersistentVolumeClaim", "data", "claims", spec=spec)
    await stand.put(namespace("claims"), claim, application("claims", claim))
    found = await stand.why("claims", lambda one: one.cause == "MissingObject")
    assert found.words == (
        "PersistentVolumeClaim data waits for StorageClass fast (storageClassName). StorageClass fast does not exist."
    )
