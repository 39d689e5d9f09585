"""Field by field, ApplicationSets come to what the real Argo CD v3.6.1 made of them (set_verdicts.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.argocd_clusters import ClusterSecrets
from backends.jq import JqWorker
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.engine.application import GROUP, KIND
from fleetui.engine.appset.asking import NoAnswers
from fleetui.engine.appset.controller import ApplicationSets
from fleetui.engine.clock import SystemClock
from fleetui.engine.destination import Destinations
from fleetui.engine.hubprojects import HubProjects
from fleetui.engine.overrides import Overrides
from fleetui.engine.projects import PROJECT_KIND
from fleetui.engine.recorder import EventRecorder
from fleetui.engine.settings import Settings
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.store import LiveStore
from fleetui.runtime import Runtime
from tests.e2e.client import Client
from tests.e2e.embedded_plane import EmbeddedPlane
from tests.e2e.set_verdicts import NAMESPACE, PATIENCE, RECORDED, STORIES, SetTeller
from tests.e2e.story import bootstrap
from tests.waiting import wait_until


async def reconcile_sets(kubeconfig: Path) -> None:
    """ApplicationSets alone, without the engine that would reconcile what they make."""
    clock, settings = SystemClock(), Settings(rollout_grace=0.0)
    store = LiveStore(KubeCluster(load([kubeconfig]).context()))
    clusters = Clusters([store], ClusterSecrets())
    hub = Destinations(store, clusters, clock, on_hub=lambda *_: None, elsewhere=lambda *_: None).hub
    projects = HubProjects(
        store.api,
        namespace=settings.namespace,
        overrides=Overrides,
        clock=clock,
        changed=lambda _: sets.projects_changed(),
    )
    recorder, jq = EventRecorder(store.api, clock), JqWorker()
    sets = ApplicationSets(
        hub,
        directory=clusters,
        projects=projects,
        answers=NoAnswers(),
        clock=clock,
        settings=settings,
        listener=recorder,
        jq=jq,
    )
    discovery = await store.api.discover()
    resource = discovery.by_kind(GROUP, KIND)
    assert resource is not None
    store.want(resource)
    projects.start(discovery.by_kind(GROUP, PROJECT_KIND))
    await clusters.ready(store.api.name)
    await projects.known()
    try:
        await asyncio.gather(recorder.run(), sets.run())
    finally:
        projects.close()
        hub.close()
        await clusters.close()
        jq.close()
        store.close()
        await store.api.close()


@pytest.fixture(scope="module")
def client(embedded_plane: EmbeddedPlane) -> Iterator[Client]:
    bootstrap(embedded_plane.kubeconfig())
    with Runtime() as runtime:
        runtime.submit(reconcile_sets(embedded_plane.kubeconfig()))
        yield Client(embedded_plane.kubeconfig())


@pytest.mark.parametrize("title", STORIES)
def test_it_comes_to_what_argo_cd_makes_of_it(title: str, client: Client) -> None:
    teller = SetTeller(client, title)
    try:
        STORIES[title](teller)
    finally:
        teller.close()


@pytest.mark.parametrize("name", ["-", "{{nothing}}", "same"])
def test_names_that_say_nothing_of_the_elements_delete_nothing(name: str, client: Client) -> None:
    """Argo CD deletes what it made before."""
    teller = SetTeller(client, "")
    try:
        teller.apply({"name": "alpha"}, {"name": "beta"})
        wait_until(lambda: len(client.all("application", NAMESPACE)) == 2, PATIENCE, "both are made")
        teller.apply({"name": "alpha"}, {"name": "beta"}, template={**teller.template(), "metadata": {"name": name}})

        def said() -> str:
            conditions = teller.verdict()["set"]["status"].get("conditions", ())
            return next((each["message"] for each in conditions if each["type"] == "ErrorOccurred"), "")

        wait_until(lambda: "both Applications get the same name" in said(), PATIENCE, "the set says what is wrong")
        assert teller.verdict()["applications"].keys() == {"alpha", "beta"}
    finally:
        teller.close()


def test_every_story_has_been_told_to_argo_cd() -> None:
    assert RECORDED.keys() == STORIES.keys()
