"""A tree over edges that no owner gives, on a real kube-apiserver beside a running engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetui.fleet.views import TreeNode
from fleetui.model.status import HealthStatus
from tests.controlplane.server import ControlPlane
from tests.e2e.client import Json
from tests.e2e.manifests import config_map, files
from tests.e2e.story import EngineProcess, Repository, Story, bootstrap
from tests.e2e.test_fleet_real import PATIENCE, View, looking_at
from tests.waiting import await_until

pytestmark = pytest.mark.real

GROUP = "trees.example.com"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    bootstrap(control_plane.kubeconfig())
    for kind, scope in (("Database", "Namespaced"), ("XDatabase", "Cluster"), ("Instance", "Cluster")):
        control_plane.kubectl("apply", "-f", "-", input=json.dumps(loose(kind, scope)))
        name = f"crd/{kind.lower()}s.{GROUP}"
        control_plane.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
    return control_plane


def loose(kind: str, scope: str) -> Json:
    """A definition whose objects may hold anything."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def engine(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    process = EngineProcess(plane.kubeconfig(), tmp_path_factory.mktemp("engine"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def story(plane: ControlPlane, engine: EngineProcess, unique: str, tmp_path: Path) -> Iterator[Story]:
    told = Story(plane, Repository(tmp_path), engine, name=f"shop-{unique}", namespace=f"shop-{unique}")
    try:
        yield told
    finally:
        plane.kubectl("-n", "argocd", "delete", "applications.argoproj.io", told.name, child_of(told))
        plane.kubectl("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=false")


def child_of(story: Story) -> str:
    return f"{story.name}-below"


def applied(story: Story, kind: str, name: str, **body: object) -> None:
    """What Crossplane would write."""
    manifest = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, **body}
    story.kubectl("apply", "-f", "-", input=json.dumps(manifest))


async def test_a_tree_goes_from_application_to_application_and_from_claim_to_managed_resource(
    story: Story, tmp_path: Path
) -> None:
    composite, instance = f"x-{story.name}", f"i-{story.name}"
    below = story.application(syncPolicy={"automated": {}})
    below["metadata"]["name"] = child_of(story)
    below["spec"]["source"]["path"] = "below"
    claim = {"apiVersion": f"{GROUP}/v1", "kind": "Database", "metadata": {"name": "orders"}, "spec": {"size": "small"}}
    revision = story.repository.commit(
        files(claim=claim, below=below) | {"below/settings.yaml": json.dumps(config_map("settings", a="1"))},
        "an application below, and a claim",
    )
    policy = {"automated": {}, "syncOptions": ["CreateNamespace=true"]}
    await asyncio.to_thread(story.apply, story.application(syncPolicy=policy))
    async with looking_at(story, tmp_path) as view:
        await await_until(
            lambda: any(key.name == child_of(story) for key in view.fleet.apps), PATIENCE, "the one below"
        )
        await await_until(lambda: view.fleet.apps[view.key].revision == revision, PATIENCE, "compared")
        watched = view.fleet.watch_tree(view.key)
        await shows(view, [("Application", 0), ("Application", 1), ("ConfigMap", 2), ("Database", 1)])
        assert (await nodes(view))[2].app == next(key for key in view.fleet.apps if key.name == child_of(story))

        refused = {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "AccessDenied"}
        status = {"conditions": [refused | {"lastTransitionTime": "2026-11-25T21:00:00Z"}]}
        await asyncio.to_thread(applied, story, "Instance", instance, status=status)
        refs = [{"apiVersion": f"{GROUP}/v1", "kind": "Instance", "name": instance}]
        await asyncio.to_thread(applied, story, "XDatabase", composite, spec={"resourceRefs": refs})
        reference = {"apiVersion": f"{GROUP}/v1", "kind": "XDatabase", "name": composite}
        bound = json.dumps({"spec": {"resourceRef": reference}})
        await asyncio.to_thread(story.kubectl, "patch", f"databases.{GROUP}", "orders", "--type=merge", "-p", bound)
        await shows(
            view,
            [
                ("Application", 0),
                ("Application", 1),
                ("ConfigMap", 2),
                ("Database", 1),
                ("XDatabase", 2),
                ("Instance", 3),
            ],
        )
        last = (await nodes(view))[-1]
        assert last.health is not None
        assert (last.health.status, last.health.message) == (HealthStatus.DEGRADED, "AccessDenied")

        await asyncio.to_thread(story.plane.kubectl, "delete", f"instances.{GROUP}", instance)
        await await_until_last(view, HealthStatus.MISSING)
        watched.close()
    await asyncio.to_thread(story.plane.kubectl, "delete", f"xdatabases.{GROUP}", composite)


async def nodes(view: View) -> tuple[TreeNode, ...]:
    return (await view.fleet.tree(view.key)).nodes


async def shows(view: View, wanted: list[tuple[str, int]]) -> None:
    """Asks for the tree whenever it changes, until it is the wanted one."""
    await changing(view, lambda found: [(node.ref.kind, node.depth) for node in found] == wanted, f"a tree of {wanted}")


async def await_until_last(view: View, status: HealthStatus) -> None:
    await changing(view, lambda found: found[-1].health is not None and found[-1].health.status is status, status)


async def changing(view: View, fits: Callable[[tuple[TreeNode, ...]], bool], what: str) -> None:
    told = asyncio.Event()
    told.set()
    subscription = view.fleet.subscribe(lambda change: told.set() if view.key in change.trees else None)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                await told.wait()
                told.clear()
                if fits(await nodes(view)):
                    return
    except TimeoutError:
        raise AssertionError(f"{what}; it is {await nodes(view)}") from None
    finally:
        subscription.close()
