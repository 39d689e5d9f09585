"""What `get clusters` prints of a cluster."""

from __future__ import annotations

import msgspec
import pytest

from fleetui.cli import documents, tables
from fleetui.fleet.views import Narrowed
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus

EAST = ClusterStatus(
    ClusterName("east"), ClusterState.LIVE, since=0.0, server="https://east:6443", version="v1.37.2", latency=0.03149
)
PART = Narrowed(("team-a", "team-b"), "you may not list applications.argoproj.io in all namespaces")


@pytest.mark.parametrize(
    ("status", "narrowed", "row"),
    [
        (EAST, {}, "east live 60s 3 v1.37.2 31ms kubeconfig https://east:6443"),
        (
            msgspec.structs.replace(EAST, latency=None, insecure=True),
            {},
            "east live 60s 3 v1.37.2 kubeconfig https://east:6443 (insecure)",
        ),
        (
            msgspec.structs.replace(EAST, latency=0.0001),
            {EAST.name: PART},
            "east live 60s 3 v1.37.2 1ms kubeconfig https://east:6443 namespaces team-a, team-b only",
        ),
    ],
)
def test_the_table(status: ClusterStatus, narrowed: dict[ClusterName, Narrowed], row: str) -> None:
    printed = tables.clusters({"east": 3}, narrowed, now=60.0)([status])
    assert " ".join(printed.splitlines()[1].split()) == row


def test_the_document() -> None:
    found = documents.cluster(msgspec.structs.replace(EAST, insecure=True), 3, PART)
    assert (found["insecure"], found["latency"], found["namespaces"]) == (True, 0.0315, ["team-a", "team-b"])
    found = documents.cluster(msgspec.structs.replace(EAST, latency=None), 3)
    assert (found["insecure"], found["latency"], found["namespaces"]) == (False, None, None)
