"""Secrets, ConfigMaps and projects of a hub, read when somebody names them.

Owns: `HubObjects`. Called by `backends.appset_answers` and `backends.hosts.generators`; what is watched instead is in
`backends.argocd_access`. Nothing of a Secret is ever shown but its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.argocd_repositories import texts_of
from fleetui.fleet.dispatch import stored_of
from fleetui.model.errors import MissingError, NotFoundError, RefusedError
from fleetui.model.objects import ApiResource, Obj, StoredObject
from fleetui.model.secrets import secret_texts
from fleetui.model.text import one_line
from fleetui.ports import Cluster

_SECRET = ApiResource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)
_PROJECT = ApiResource(
    group="argoproj.io", version="v1alpha1", kind="AppProject", plural="appprojects", namespaced=True
)
_CONFIG_MAP = ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)


class HubObjects:
    """Those of one hub.

    Raises, in all methods:
        MissingError: there is no such object, or it has no such key.
        ClusterError: it can't be read.
    """

    def __init__(self, hub: Cluster) -> None:
        self.hub = hub

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        return texts_of(await self._object(_CONFIG_MAP, namespace, name))

    async def config_map_value(self, namespace: str, name: str, key: str) -> str:
        return self._value(await self.config_map(namespace, name), "ConfigMap", namespace, name, key)

    async def secret(self, namespace: str, name: str) -> StoredObject:
        return await self._object(_SECRET, namespace, name)

    async def secret_value(
        self, namespace: str, name: str, key: str, *, labelled: tuple[str, str] | None = None
    ) -> str:
        """One value of a Secret.

        Args:
            labelled: the label and its value that a Secret must have to be read here.

        Raises:
            RefusedError: it does not have it.
        """
        found = await self.secret(namespace, name)
        if labelled is not None and (found.meta.labels or {}).get(labelled[0]) != labelled[1]:
            message = f"Secret {_shown(namespace, name)} may not be used here"
            raise RefusedError(message, f"the hub wants the label {labelled[0]}={labelled[1]} on it")
        texts, _ = secret_texts(found)
        return self._value(texts, "Secret", namespace, name, key)

    async def project(self, namespace: str, name: str) -> Obj:
        return (await self._object(_PROJECT, namespace, name)).decode()

    async def _object(self, resource: ApiResource, namespace: str, name: str) -> StoredObject:
        if not name:
            raise MissingError(f"the name of a {resource.kind} is missing", "see what the generator refers to")
        try:
            found = await self.hub.get(resource, name, namespace)
        except NotFoundError as error:
            where = f"{resource.kind} {_shown(namespace, name)}"
            raise MissingError(f"there is no {where} on {self.hub.name}") from error
        return stored_of(found)

    def _value(self, values: Mapping[str, str], kind: str, namespace: str, name: str, key: str) -> str:
        if key not in values:
            raise MissingError(f"{kind} {_shown(namespace, name)} on {self.hub.name} has no key {one_line(key)!r}")
        return values[key]


def _shown(namespace: str, name: str) -> str:
    return one_line(f"{namespace}/{name}")
