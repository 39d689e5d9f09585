"""What an object costs to hold, in what can be counted: containers for the collector, and bytes beside its text."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest

from backends.kube import decode
from fleetui.fleet.store import LiveStore
from fleetui.model.objects import ApiResource, StoredObject
from tests.bench.bench_core import deployment
from tests.unit.fakes import FakeCluster

OBJECTS = 400
CONTAINERS = 0.05
"""That the collector visits, for each object: those of tables that grow."""
OVERHEAD = 1_900
"""Bytes beside the text: 10,000 objects of 4 KB stay below 60 MB."""
DEPLOYMENTS = ApiResource("apps", "v1", "Deployment", "deployments", namespaced=True)


@pytest.fixture
def quiet() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def texts() -> list[bytes]:
    found = []
    for number in range(OBJECTS):
        obj = deployment()
        uid = f"{number:08}-0000-4000-8000-000000000000"
        owner = {"apiVersion": "example.com/v1", "kind": "App", "name": f"app-{number}", "uid": uid, "controller": True}
        obj["metadata"] |= {
            "name": f"app-{number}",
            "uid": uid,
            "resourceVersion": str(number + 1),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [owner],
            "finalizers": ["example.com/held"],
        }
        found.append(json.dumps(obj).encode())
    return found


def fill(store: LiveStore, cluster: FakeCluster, bodies: list[bytes]) -> None:
    sink = cluster.watch_of("Deployment").sink
    sink.listing()
    sink.upsert([decode.stored(DEPLOYMENTS, msgspec.Raw(body)) for body in bodies])
    sink.listed()
    assert len(tuple(store.of_kind("apps", "Deployment"))) == OBJECTS


@pytest.mark.usefixtures("quiet")
def test_an_object_is_nothing_to_the_collector() -> None:
    cluster = FakeCluster()
    store, bodies = LiveStore(cluster), texts()
    store.want(DEPLOYMENTS)
    before = len(gc.get_objects())
    fill(store, cluster, bodies)
    gc.collect()  # only then it sees that a tuple of strings is none of its business
    assert (len(gc.get_objects()) - before) / OBJECTS <= CONTAINERS


@pytest.mark.usefixtures("quiet")
def test_an_object_costs_little_more_than_its_text() -> None:
    cluster = FakeCluster()
    store, bodies = LiveStore(cluster), texts()
    store.want(DEPLOYMENTS)
    tracemalloc.start()
    fill(store, cluster, bodies)
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    objects: list[StoredObject] = list(store.of_kind("apps", "Deployment"))
    assert took / OBJECTS - sum(len(obj.raw) for obj in objects) / OBJECTS <= OVERHEAD
