"""The URL paths of one API server's objects.

Owns: `Paths`. Called by `backends.kube.cluster`. Pure; a name or a namespace from outside can never lead elsewhere.
"""

from __future__ import annotations

from urllib.parse import quote

from fleetui.model.errors import InvalidError
from fleetui.model.objects import ApiResource, Obj
from fleetui.model.text import one_line


class Paths:
    """Raises, in every method: InvalidError, which names the cluster, for what the API server would not take."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def every(self, resource: ApiResource, namespace: str = "") -> str:
        """The objects of a namespace, or of all where it is empty."""
        return resource.path(self.segment(namespace, "namespace"))

    def collection(self, resource: ApiResource, namespace: str) -> str:
        """Where an object is made."""
        if resource.namespaced and not namespace:
            raise self._invalid(f"a {resource.kind} needs a namespace")
        return self.every(resource, namespace)

    def item(self, resource: ApiResource, namespace: str, name: str, *, subresource: str = "") -> str:
        if not name:
            raise self._invalid(f"a {resource.kind} needs a name")
        tail = f"/{subresource}" if subresource else ""
        return f"{self.collection(resource, namespace)}/{self.segment(name, 'name')}{tail}"

    def itself(self, resource: ApiResource, obj: Obj, *, subresource: str = "") -> str:
        """The path of an object by its own metadata."""
        return self.item(resource, written(obj, "namespace"), written(obj, "name"), subresource=subresource)

    def segment(self, text: str, what: str) -> str:
        """A name as part of a path; what the API server forbids there is refused (path.IsValidPathSegmentName)."""
        if text in {".", ".."} or "/" in text or "%" in text:
            raise self._invalid(f"{one_line(text)} is no {what}")
        return quote(text, safe=":@!$&'()*+,;=~")

    def _invalid(self, message: str) -> InvalidError:
        return InvalidError(message, cluster=self._cluster)


def written(obj: Obj, key: str) -> str:
    """What an object's metadata says under `key`; what is absent or odd is an empty string."""
    metadata = obj.get("metadata")
    return str(metadata.get(key) or "") if isinstance(metadata, dict) else ""
