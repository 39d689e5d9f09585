"""A scripted cluster that answers reviews: its user may do what a test says.

Owns: `GuardedCluster`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetui.fleet.rules import Attributes
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ClusterName, Obj
from tests.unit.fakes import FakeCluster, manifest

Grant = tuple[str, str]
"""A namespace (empty: all of them) and a resource, ``secrets``, that may be read there."""


class GuardedCluster(FakeCluster):
    """A cluster on which its user may read what is in `grants`, and nothing else.

    `reviews` has each review that was asked for: ``rules shop``, ``list secrets shop``. With `incomplete` the server
    can't list its rules; with `mute` it answers no review at all. `verbs` are what reading is allowed to be.
    """

    def __init__(self, *grants: Grant, name: str = "hub", namespaces: Iterable[str] = ()) -> None:
        super().__init__(name)
        self.grants = set(grants)
        self.namespaces = list(namespaces)
        self.reviews: list[str] = []
        self.lists = 0
        self.incomplete = False
        self.mute = False
        self.verbs = {"get", "list", "watch"}
        self.answer = self._review

    def refuse(self, kind: str, namespace: str = "") -> None:
        """What an API server answers to the newest watch of a kind."""
        watch = self.watch_of(kind, namespace)
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        words = f'{watch.resource.full_name} is forbidden: User "ann" cannot list resource "{watch.resource.plural}"'
        watch.sink.failed(ForbiddenError(f"{words} {where}", cluster=self.name, code=403))

    def watched(self, kind: str = "Application") -> list[str]:
        """The namespaces in which a kind is watched at this moment."""
        return [watch.namespace for watch in self.watches if watch.open and watch.resource.kind == kind]

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        self.lists += 1
        if not self.allows(Attributes("list", "", "v1", resource.plural)):
            raise ForbiddenError(f"{resource.full_name} is forbidden", cluster=self.name, code=403)
        return [manifest("Namespace", each, namespace="") for each in self.namespaces]

    def allows(self, asked: Attributes) -> bool:
        if asked.verb not in self.verbs:
            return asked.verb == "patch"
        granted = {"", asked.namespace}
        return any(namespace in granted and resource == asked.resource for namespace, resource in self.grants)

    def _review(self, verb: str, name: str, body: Any) -> Obj:
        if self.mute:
            raise ForbiddenError("no reviews for you", cluster=ClusterName(self.name), code=403)
        if verb == "patch":
            return {"metadata": {"resourceVersion": "1"}}
        if name.startswith("selfsubjectrulesreviews"):
            return self._rules(body["spec"]["namespace"])
        given = body["spec"]["resourceAttributes"]
        asked = Attributes(**{key: given.get(key, "") for key in Attributes.__struct_fields__})
        self.reviews.append(" ".join(filter(None, (asked.verb, asked.resource, asked.namespace, asked.name))))
        return {"status": {"allowed": self.allows(asked)}}

    def _rules(self, namespace: str) -> Obj:
        self.reviews.append(f"rules {namespace}")
        mine = sorted(resource for where, resource in self.grants if where in {"", namespace})
        groups = {resource.plural: resource.group for resource in self.served}
        rules = [
            {"verbs": sorted(self.verbs), "apiGroups": [groups.get(each, "")], "resources": [each]} for each in mine
        ]
        status: Obj = {"incomplete": self.incomplete, "nonResourceRules": [], "resourceRules": rules}
        return {"status": status | ({"resourceRules": []} if self.incomplete else {})}
