"""Embedded clusters that a hub's Secrets register, as sites of a fleet.

Owns: `Sites`. What runs in them is read from their stores, and not as fleetui reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.errors import ApiError
from backends.embedded.thread import EmbeddedHost
from tests.e2e.client import Json

LABELS = {"argocd.argoproj.io/secret-type": "cluster", "fleet": "edge"}


class Sites:
    """Clusters by name; a context manager. `stages` is the label `stage` that some of their Secrets have."""

    def __init__(self, names: Iterable[str], stages: Mapping[str, str] | None = None) -> None:
        self._stages = stages or {}
        self._clusters = {name: EmbeddedCluster(name, anonymous=False) for name in names}
        self._host = EmbeddedHost(list(self._clusters.values()))

    def __enter__(self) -> Sites:
        self._host.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._host.stop()

    def secret(self, name: str) -> Json:
        """What registers a cluster."""
        cluster = self._clusters[name]
        config = json.dumps({"bearerToken": cluster.token})
        labels = LABELS | ({"stage": self._stages[name]} if name in self._stages else {})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"cluster-{name}", "namespace": "argocd", "labels": labels},
            "stringData": {"name": name, "server": cluster.url, "config": config},
        }

    def version(self, name: str, addon: str) -> str | None:
        """What runs of an addon there."""
        store = self._clusters[name].store
        try:
            found: Any = self._host.run(lambda: store.get("", "ConfigMap", addon, addon))
        except ApiError:
            return None
        return str(found["data"]["version"])

    def config_maps(self, name: str) -> list[Json]:
        """All ConfigMaps there, without what counts changes."""
        store = self._clusters[name].store
        found: Any = self._host.run(lambda: store.list("", "ConfigMap"))
        counted = {"resourceVersion", "managedFields"}
        return [
            each | {"metadata": {key: value for key, value in each["metadata"].items() if key not in counted}}
            for each in found
        ]

    def put(self, name: str, manifest: Json) -> None:
        """Makes an object there by hand."""
        store = self._clusters[name].store
        made: Any = manifest
        self._host.run(lambda: store.create(made, manager="a-person"))

    def take(self, name: str, namespace: str, config_map: str) -> None:
        """Deletes a ConfigMap there by hand."""
        store = self._clusters[name].store
        self._host.run(lambda: store.delete("", "ConfigMap", namespace, config_map))

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Within it the cluster does not answer; its data stay."""
        self._host.stop_server(name)
        try:
            yield
        finally:
            self._host.start_server(name)
