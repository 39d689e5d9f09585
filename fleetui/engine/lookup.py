"""Which of a hub's clusters a destination names.

Owns: `registered_as`, Argo CD's rule (v3.6 util/argo/argo.go, `GetDestinationServer` and `GetDestinationCluster`;
util/db/cluster.go, `GetClusterServersByName` and `GetCluster`), for the engine and the console alike. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.engine.application import IN_CLUSTER
from fleetui.hubports import Registration
from fleetui.model.errors import MissingError

IN_CLUSTER_NAME = "in-cluster"


def server_of(server: str, name: str, registered: Sequence[Registration]) -> str:
    """The URL of the server that a destination means, without a trailing slash; empty where only `name` is given and
    nobody has registered it.

    Raises:
        MissingError: both are given, neither is, or several clusters have the name; the message is Argo CD's.
    """
    if server and name:
        raise MissingError(f"application destination can't have both name and server defined: {name} {server}")
    if server:
        return server.rstrip("/")
    if not name:
        raise MissingError("Destination server missing from app spec")
    found = sorted(each.server for each in registered if each.name == name)
    if len(found) > 1:
        raise MissingError(f"there are {len(found)} clusters with the same name: [{' '.join(found)}]")
    if not found and name == IN_CLUSTER_NAME:
        return IN_CLUSTER
    return found[0] if found else ""


def by_server(server: str, registered: Sequence[Registration]) -> Registration | None:
    """The registration of a server; the first where several Secrets have it."""
    return next((each for each in registered if server and each.server == server), None)


def no_such_name(name: str) -> MissingError:
    """Argo CD's error for a name that no cluster has."""
    return MissingError(f"there are no clusters with this name: {name}")


def no_such_server(asked: str) -> MissingError:
    """Argo CD's error for a server that is not registered: it looks clusters up over gRPC, whose words come with it."""
    lookup = f'rpc error: code = NotFound desc = cluster "{asked.rstrip("/")}" not found'
    return MissingError(f'error getting cluster by server "{asked}": {lookup}')
