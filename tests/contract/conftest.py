"""The two API servers that every contract test runs against.

Owns: the `api` fixture. A test that takes it runs twice: against an embedded server, and against a real kube-apiserver
where one can be had. What differs on purpose is listed in docs/embedded.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost
from tests.contract.client import Client, Json
from tests.controlplane.server import ControlPlane

BOTH = ("embedded", pytest.param("real", marks=pytest.mark.real))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "api" in metafunc.fixturenames:
        metafunc.parametrize("api", BOTH, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        real = callspec is not None and "real" in (callspec.params.get("api"), callspec.params.get("place"))
        if real and isinstance(item, pytest.Function):
            # Named here, so that the harness sees who needs it and builds it before the first test. In a list of the
            # item's own: the one it has is shared with the embedded variant.
            item.fixturenames = ["control_plane_assets", *item.fixturenames]


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedCluster]:
    """One embedded cluster for the whole run."""
    cluster = EmbeddedCluster("contract")
    with EmbeddedHost([cluster]):
        yield cluster


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of the embedded server, or of the real one."""
    if request.param == "embedded":
        cluster: EmbeddedCluster = request.getfixturevalue("embedded")
        client = Client(cluster.url, token=cluster.token)
    else:
        plane: ControlPlane = request.getfixturevalue("control_plane")
        client = Client(plane.url, token=plane.admin_token, ca_file=plane.ca_file)
    yield client
    client.close()


@pytest.fixture
def both(embedded: EmbeddedCluster, control_plane: ControlPlane) -> Iterator[tuple[Client, Client]]:
    """A client of the embedded server and one of the real one."""
    mine = Client(embedded.url, token=embedded.token)
    theirs = Client(control_plane.url, token=control_plane.admin_token, ca_file=control_plane.ca_file)
    yield mine, theirs
    mine.close()
    theirs.close()


@pytest.fixture
def ns(api: Client, unique: str) -> str:
    """A namespace of the test's own."""
    api.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}).must(201)
    return unique


@pytest.fixture
def configmaps(ns: str) -> str:
    """The path of the test's ConfigMaps: no controller touches them."""
    return f"/api/v1/namespaces/{ns}/configmaps"


@pytest.fixture
def deployments(ns: str) -> str:
    """The path of the test's Deployments; on a real cluster a controller writes their status."""
    return f"/apis/apps/v1/namespaces/{ns}/deployments"


@pytest.fixture
def define(api: Client, unique: str) -> Callable[..., str]:
    """Makes a definition in a group of the test's own, waits until it is served, and returns the collection's path."""
    from tests.waiting import wait_until

    def make(plural: str, kind: str, schema: Json, *, namespace: str = "", **version: Any) -> str:
        group = f"{unique}.example.com"
        scope = "Namespaced" if namespace else "Cluster"
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": scope,
                "names": {"plural": plural, "kind": kind},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}} | version
                ],
            },
        }
        api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body).must(201)
        path = f"/apis/{group}/v1" + (f"/namespaces/{namespace}" if namespace else "") + f"/{plural}"
        wait_until(lambda: api.get(path).status == 200, 10, f"{plural} are served")
        return path

    return make
