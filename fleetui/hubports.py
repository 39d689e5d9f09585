"""The Protocols about clusters that hubs register: which there are, and how they are connected to.

Owns: what the engine and the fleet ask of a directory of clusters, and a directory of what reads hubs' objects.
Implemented by `fleetui.fleet.clusters` and in `backends`; as in `fleetui.ports`, all runs on the engine's event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from fleetui.model.objects import ApiResource, ClusterName, Obj, StoredObject
from fleetui.model.servers import ServerIdentity
from fleetui.ports import Cluster, LiveCluster, Subscription


class Site(NamedTuple):
    """A cluster as a destination: what of it may be touched for who named it.

    `namespaces`: only these, and all where it is empty; objects of the cluster itself only with `cluster_resources`.
    `server`, `name` and `project` are those of its registration; empty for a hub that has not registered itself.
    """

    live: LiveCluster
    namespaces: tuple[str, ...] = ()
    cluster_resources: bool = True
    server: str = ""
    name: str = ""
    project: str = ""


class Directory(Protocol):
    """The clusters that the Applications of a hub may name (implemented by `fleetui.fleet.clusters`)."""

    async def ready(self, hub: ClusterName) -> None:
        """Returns when it is known which clusters the hub has registered, or that this can't be known."""
        ...

    def find(self, hub: ClusterName, *, server: str, name: str) -> Site:
        """The cluster that a destination names.

        Raises:
            MissingError: there is none, or several; the message is Argo CD's.
        """
        ...

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever another cluster may be found than before."""
        ...

    def registrations(self, hub: ClusterName) -> Sequence[Registration] | None:
        """What the hub's own objects register, in a fixed order; None where that is not known (yet)."""
        ...

    def on_registrations(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever `registrations` is another, if only in a label."""
        ...


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as one object of a hub registers it."""

    source: str
    """That object, as ``Secret argocd/edge``."""
    by: str = "hub"
    """Who reads it: ``hub`` for Argo CD, else the controller's name."""
    name: str
    """Empty where it has none."""
    server: str
    identity: ServerIdentity
    namespaces: tuple[str, ...] = ()
    cluster_resources: bool = True
    project: str = ""
    """The project to which the cluster is bound; empty where it is bound to none."""
    labels: dict[str, str] = {}
    """Those of the object that registers it, and its annotations."""
    annotations: dict[str, str] = {}
    problem: str = ""
    """Why it can't be connected to, in a sentence; empty where it can."""
    access: Any = None
    """How, for `Registrar.connect` alone; it is equal to another where nothing changed."""


class Reference(NamedTuple):
    """A kubeconfig in a Secret; without a `key`, the defaults of who refers to it hold."""

    namespace: str
    name: str
    key: str = ""


class Connector(Protocol):
    """Connects to what was registered."""

    def connect(self, registration: Registration, name: ClusterName) -> Cluster:
        """The cluster, under the name that the fleet knows it by. Connects to nothing yet, and never fails: what can't
        be used is a cluster that says why."""
        ...


class Referrer(Connector, Protocol):
    """Reads the kubeconfigs to which objects of a hub refer."""

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """Group and kind of these objects."""
        ...

    def reference(self, obj: StoredObject) -> Reference | None:
        """The kubeconfig that an object refers to; None where it refers to none."""
        ...

    def read(self, reference: Reference, secret: Obj | None, *, problem: str = "") -> Registration:
        """The cluster behind a kubeconfig; `problem` says why there is no Secret."""
        ...


class Registrar(Connector, Protocol):
    """Reads the objects by which hubs register clusters."""

    @property
    def resource(self) -> ApiResource: ...

    @property
    def labels(self) -> str:
        """The label selector of these objects."""
        ...

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where they are believed: whoever may write there decides where this hub's Applications go."""
        ...

    def read(self, obj: StoredObject) -> Registration: ...
