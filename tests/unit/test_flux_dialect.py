"""Flux's objects as apps: what is read from them, what is asked of them, and clusters that have none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.flux import REQUESTED, FluxKustomizations, FluxReleases
from fleetui.fleet.appwatch import OPTIONAL_LOOK
from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.cells import CellRules, cell_of, version_of
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Action, ActionKind
from fleetui.model import selectors
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError, ForbiddenError, NotFoundError, RefusedError
from fleetui.model.objects import ClusterName, Discovery, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus, HealthStatus, OperationPhase, SyncStatus
from tests.unit.fakes import SERVED, FakeClock, FakeCluster, manifest, resource, stored
from tests.unit.test_dispatch import Pages
from tests.unit.test_fleet import Running, application
from tests.unit.test_history import FakeRepositories, FakeRepository

HUB = ClusterName("hub")
SHA = "4e1f07a" + "0" * 33
KUSTOMIZATION = FluxKustomizations.app_resource
OLD = resource("HelmRelease", group="helm.toolkit.fluxcd.io", version="v2beta2")


def ready(status: str = "True", reason: str = "ReconciliationSucceeded", message: str = "Applied revision") -> Any:
    when = "2026-01-02T03:04:05Z"
    return {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": when}


def kustomization(name: str = "dns", *, spec: Any = None, status: Any = None, **metadata: Any) -> StoredObject:
    given = {"path": "./addons/dns/1.15.0", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "addons"}}
    stands = {
        "observedGeneration": 2,
        "conditions": [ready()],
        "lastAppliedRevision": f"main@sha1:{SHA}",
        "lastAttemptedRevision": f"main@sha1:{SHA}",
        "inventory": {"entries": [{"id": "kube-system_dns_apps_Deployment", "v": "v1"}, {"id": "odd"}, 7]},
    }
    return stored(
        manifest(
            "Kustomization",
            name,
            namespace="flux-system",
            api_version="kustomize.toolkit.fluxcd.io/v1",
            metadata={"generation": 2, **metadata},
            spec=given | (spec or {}),
            status=stands | (status or {}),
        )
    )


def release(*, spec: Any = None, status: Any = None, **metadata: Any) -> StoredObject:
    given = {"chart": {"spec": {"chart": "cert-manager", "version": "1.x"}}, "targetNamespace": "cert-manager"}
    latest = {
        "version": 3,
        "chartName": "cert-manager",
        "chartVersion": "1.15.0",
        "status": "deployed",
        "configDigest": "a",
    }
    stands = {
        "conditions": [ready()],
        "history": [latest, {"version": 2, "chartVersion": "1.14.5", "lastDeployed": "2026-01-01T00:00:00Z"}],
        "lastAttemptedRevision": "1.15.0",
        "lastAttemptedConfigDigest": "a",
    }
    return stored(
        manifest(
            "HelmRelease",
            "cert-manager",
            namespace="flux-system",
            api_version="helm.toolkit.fluxcd.io/v2",
            metadata=metadata,
            spec=given | (spec or {}),
            status=stands | (status or {}),
        )
    )


def ks(**given: Any) -> App:
    return FluxKustomizations().app(HUB, kustomization(**given))


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_kustomization_is_an_app() -> None:
    app = ks()
    assert app.key == AppKey(HUB, "flux", "flux-system", "dns")
    assert app.key.ref == ObjectRef("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "dns")
    assert (app.source.path, app.source.target_revision, app.revision) == ("addons/dns/1.15.0", "main", SHA)
    assert (app.health.status, app.sync) == (HealthStatus.HEALTHY, SyncStatus.SYNCED)
    assert [each.ref for each in app.resources] == [ObjectRef("apps", "Deployment", "kube-system", "dns")]
    assert app.automation.prune
    assert version_of(app) == "1.15.0"
    assert version_of(ks(spec={"path": "dns", "postBuild": {"substitute": {"version": "2.0"}}})) == "2.0"
    tag = {"lastAppliedRevision": f"v3.1.0@sha1:{SHA}", "lastAttemptedRevision": f"v3.1.0@sha1:{SHA}"}
    assert version_of(ks(spec={"path": "dns"}, status=tag)) == "v3.1.0"


def test_a_release_is_an_app_with_its_chart_s_version() -> None:
    app = FluxReleases().app(HUB, release())
    assert app.key == AppKey(HUB, "helm", "flux-system", "cert-manager")
    assert (app.source.chart, app.revision, version_of(app)) == ("cert-manager", "1.15.0", "1.15.0")
    assert (app.health.status, app.sync, app.destination.namespace) == (
        HealthStatus.HEALTHY,
        SyncStatus.SYNCED,
        "cert-manager",
    )
    assert [(entry.id, entry.revision) for entry in app.history] == [(2, "1.14.5"), (3, "1.15.0")]
    by_reference = release(
        spec={"chart": None, "chartRef": {"kind": "OCIRepository", "name": "podinfo"}}, status={"history": None}
    )
    assert FluxReleases().app(HUB, by_reference).source.chart == "podinfo"


@pytest.mark.parametrize(
    ("given", "health", "sync", "phase"),
    [
        ({}, HealthStatus.HEALTHY, SyncStatus.SYNCED, OperationPhase.SUCCEEDED),
        ({"spec": {"suspend": True}}, HealthStatus.SUSPENDED, SyncStatus.SYNCED, OperationPhase.SUCCEEDED),
        (
            {"status": {"conditions": [ready("False", "BuildFailed", "no such file")], "lastAttemptedRevision": "x"}},
            HealthStatus.DEGRADED,
            SyncStatus.OUT_OF_SYNC,
            OperationPhase.FAILED,
        ),
        (
            {"status": {"conditions": [ready("False", "DependencyNotReady", "crds is not ready")]}},
            HealthStatus.PROGRESSING,
            SyncStatus.SYNCED,
            OperationPhase.RUNNING,
        ),
        (
            {"status": {"conditions": [ready("Unknown", "Progressing", "Building")]}},
            HealthStatus.PROGRESSING,
            SyncStatus.SYNCED,
            OperationPhase.RUNNING,
        ),
        (
            {"status": {"conditions": [ready("Unknown", "Odd")]}},
            HealthStatus.UNKNOWN,
            SyncStatus.SYNCED,
            OperationPhase.RUNNING,
        ),
        ({"generation": 3}, HealthStatus.PROGRESSING, SyncStatus.OUT_OF_SYNC, OperationPhase.SUCCEEDED),
        (
            {"status": {"conditions": None, "lastAppliedRevision": None, "lastAttemptedRevision": None}},
            HealthStatus.PROGRESSING,
            SyncStatus.UNKNOWN,
            None,
        ),
    ],
)
def test_its_conditions_say_how_it_is(given: Any, health: HealthStatus, sync: SyncStatus, phase: Any) -> None:
    app = ks(**given)
    assert (app.health.status, app.sync) == (health, sync)
    assert (app.operation.phase if app.operation is not None else None) == phase


@pytest.mark.parametrize(
    "body", [{"spec": 7, "status": []}, {"spec": {"kubeConfig": 1, "postBuild": "x"}, "status": {"history": {}}}]
)
def test_odd_objects_are_unknown_and_never_an_error(body: Any) -> None:
    for dialect, kind in ((FluxKustomizations(), "Kustomization"), (FluxReleases(), "HelmRelease")):
        odd = stored(manifest(kind, "odd", api_version=f"{dialect.app_kind[0]}/v1", **body))
        assert dialect.app(HUB, odd).health.status is HealthStatus.PROGRESSING


def test_flux_s_apps_are_cells_where_an_operator_says_so_on_the_cluster_of_their_kubeconfig() -> None:
    app = ks(spec={"kubeConfig": {"secretRef": {"name": "edge"}}}, labels={"tier": "addon"})
    edge = ClusterStatus(ClusterName("edge"), ClusterState.LIVE, 0.0, server="https://edge", origin="flux hub")
    cell = cell_of(app, ClusterNames([edge]), CellRules(selector=selectors.parse("tier=addon")))
    assert str(cell) == "edge/dns"


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_reconciliation_is_asked_for_by_another_token() -> None:
    dialect = FluxKustomizations()
    patch = dialect.sync_patch(kustomization(), username="ann")
    assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    assert [each["path"] for each in patch[1:]] == [
        "/metadata/annotations",
        "/metadata/annotations/reconcile.fluxcd.io~1requestedAt",
    ]
    asked = kustomization(annotations={REQUESTED: "then"}, status={"lastHandledReconcileAt": "before"})
    assert len(dialect.sync_patch(asked, username="ann")) == 2
    assert dialect.app(HUB, asked).pending
    assert not ks(annotations={REQUESTED: "then"}, status={"lastHandledReconcileAt": "then"}).pending
    first, second = (dialect.refresh_patch(asked, now=now)["metadata"]["annotations"][REQUESTED] for now in (1.25, 1.5))
    assert first != second


def test_what_flux_has_not_is_refused_in_a_sentence() -> None:
    dialect, one = FluxKustomizations(), kustomization()
    with pytest.raises(RefusedError, match="Kustomization flux-system/dns: Flux has no sync with a dry run or single"):
        dialect.sync_patch(one, dry_run=True, resources=[one.ref], username="ann")
    with pytest.raises(RefusedError, match="Flux has no rollback"):
        dialect.rollback_patch(one, history_id=1, username="ann")
    suspended = kustomization(spec={"suspend": True})
    for ask in (lambda: dialect.refresh_patch(suspended, now=0.0), lambda: dialect.sync_patch(suspended, username="a")):
        with pytest.raises(RefusedError, match="is suspended"):
            ask()
    assert dialect.automation_patch(suspended, on=True)[1] == {"op": "remove", "path": "/spec/suspend"}
    assert dialect.automation_patch(one, on=False)[1] == {"op": "add", "path": "/spec/suspend", "value": True}
    with pytest.raises(RefusedError, match="is not suspended already"):
        dialect.automation_patch(one, on=True)


# --- in a fleet -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(*clusters: FakeCluster) -> AsyncIterator[Running]:
    clock = FakeClock()
    fleet = LiveFleet(
        [LiveStore(cluster) for cluster in clusters],
        [ArgoDialect(), FluxKustomizations(), FluxReleases()],
        FakeRepositories(FakeRepository()),
        audit=Audit(Pages(), Operator("ann", "bastion", "no terminal"), now=clock.now),
        clock=clock,
    )
    await fleet.start()
    try:
        yield Running(fleet, list(clusters), clock)
    finally:
        await fleet.close()


def kinds(cluster: FakeCluster) -> list[str]:
    return sorted(watch.resource.kind for watch in cluster.watches if watch.open)


def missing(cluster: FakeCluster, kind: str) -> None:
    cluster.watch_of(kind).sink.failed(NotFoundError("no such kind", cluster=cluster.name, code=404))


async def test_the_first_rows_wait_for_nothing_of_flux_and_a_cluster_without_it_is_fine() -> None:
    cluster = FakeCluster()
    async with running(cluster) as run:
        assert kinds(cluster) == ["Application"]
        run.lists(application("a"))
        assert kinds(cluster) == ["Application", "HelmRelease", "Kustomization"]
        assert {key.name for key in run.fleet.apps} == {"a"}
        for kind in ("HelmRelease", "Kustomization"):
            missing(cluster, kind)
        await run.fleet.loaded()
        assert (run.fleet.problems, run.fleet.narrowed, kinds(cluster)) == ({}, {}, ["Application"])
        asked = cluster.discoveries
        run.clock.advance(OPTIONAL_LOOK - 1)
        assert cluster.discoveries == asked, "it is looked at again seldom"


async def test_whoever_waits_gets_flux_s_apps_beside_the_others() -> None:
    cluster = FakeCluster()
    async with running(cluster) as run:
        waiting = run.fleet.loaded()
        task = asyncio.ensure_future(waiting)
        await run.until(lambda: len(kinds(cluster)) == 3, "all are asked for side by side")
        run.lists(application("a"))
        cluster.watch_of("Kustomization").lists(kustomization())
        cluster.watch_of("HelmRelease").lists(release())
        await task
        assert {(key.dialect, key.name) for key in run.fleet.apps} == {
            ("argo", "a"),
            ("flux", "dns"),
            ("helm", "cert-manager"),
        }


async def test_an_older_flux_is_found_by_what_the_server_serves_and_a_forbidden_one_is_no_news() -> None:
    cluster = FakeCluster()
    cluster.served = Discovery((*SERVED, OLD), version="v1.37.2")
    async with running(cluster) as run:
        run.lists(application("a"))
        missing(cluster, "HelmRelease")
        cluster.watch_of("Kustomization").sink.failed(ForbiddenError("no", cluster=cluster.name, code=403))
        await run.until(lambda: "HelmRelease" in kinds(cluster), "the served version is watched")
        assert cluster.watch_of("HelmRelease").resource.version == "v2beta2"
        cluster.watch_of("HelmRelease").lists(release())
        await run.fleet.loaded()
        assert (run.fleet.problems, run.fleet.narrowed) == ({}, {})
        assert len(run.fleet.apps) == 2


async def test_a_cluster_with_flux_alone_has_no_problem_and_one_with_neither_says_what_it_lacks() -> None:
    cluster, bare = FakeCluster(), FakeCluster("bare", server="https://bare.example")
    async with running(cluster, bare) as run:
        for each in (cluster, bare):
            missing(each, "Application")
        cluster.watch_of("Kustomization").lists(kustomization())
        missing(bare, "Kustomization")
        for each in (cluster, bare):
            missing(each, "HelmRelease")
        await run.fleet.loaded()
        assert set(run.fleet.problems) == {"bare"}
        assert "no applications.argoproj.io definition here" in run.fleet.problems[ClusterName("bare")]


async def test_a_tree_of_flux_is_its_inventory_and_its_diff_says_that_it_is_not_known() -> None:
    cluster = FakeCluster()
    assert KUSTOMIZATION is not None
    cluster.served = Discovery((*SERVED, KUSTOMIZATION), version="v1.37.2")
    async with running(cluster) as run:
        run.lists()
        cluster.watch_of("Kustomization").lists(kustomization())
        key = AppKey(HUB, "flux", "flux-system", "dns")
        with closing(run.fleet.watch_tree(key)):
            task = asyncio.ensure_future(run.fleet.tree(key))
            await run.until(lambda: "Deployment" in kinds(cluster), "what it lists is watched")
            for kind in ("Deployment", "ReplicaSet", "Pod"):
                cluster.watch_of(kind, "kube-system").lists()
            nodes = (await task).nodes
            assert [node.ref.kind for node in nodes] == ["Kustomization", "Deployment"]
            assert nodes[0].ref == key.ref
            plan = await run.fleet.plan(Action(ActionKind.SYNC, key))
            assert plan.refusals == ()
            assert any("what a Kustomization of Flux renders to is not known here yet" in note for note in plan.notes)
            with pytest.raises(FleetError, match="what a Kustomization of Flux renders to is not known here yet"):
                await run.fleet.diff(key)
            assert (await run.fleet.manifest(key, key.ref))["kind"] == "Kustomization"
            assert await run.fleet.history(key) == ()
            assert (await run.fleet.why(key)).words == "Deployment dns: not in the cluster."
            suspend = await run.fleet.plan(Action(ActionKind.SUSPEND, key))
            assert suspend.notes == ("Flux leaves it alone until it is resumed: nothing is applied, healed or pruned",)
