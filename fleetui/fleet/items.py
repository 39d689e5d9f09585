"""The items of a resource tree: one for each object that stands in it.

Owns: `Item` and the order of siblings. Made and moved by `fleetui.fleet.structure`, made into nodes by
`fleetui.fleet.tree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from fleetui.fleet.edges import REPLICA_SET
from fleetui.fleet.views import TreeNode
from fleetui.model.app import App, AppKey, AppResource
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.model.status import OperationPhase

if TYPE_CHECKING:
    from fleetui.fleet.facts import Facts

Key = tuple[ClusterName, ObjectRef]
Listing = dict[Key, AppResource | None]
"""What an object lists as its own; with what an Application says of each, None where something else lists it."""
Order = tuple[int, str, int, str, str, str, str]

# What runs first, then how it is reached, then what it reads, then what is around it; unknown kinds before RBAC.
_ORDER = (
    *("Application", "ApplicationSet", "Kustomization", "HelmRelease"),
    *("Deployment", "StatefulSet", "DaemonSet", "Rollout", "ReplicaSet"),
    *("ReplicationController", "CronJob", "Job", "Pod", "Service", "EndpointSlice", "Ingress", "HTTPRoute"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap", "Secret", "PersistentVolumeClaim", ""),
    *("NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ResourceQuota", "LimitRange", "StorageClass", "PersistentVolume", "CustomResourceDefinition", "Namespace"),
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
_OTHERS = _RANK[""]
_REVISION = "deployment.kubernetes.io/revision"


class Grown(NamedTuple):
    """An Application that stands in a tree: what it manages is in `place`, under the name `tracking`."""

    app: App
    place: ClusterName
    tracking: str


def listing_of(grown: Grown) -> Listing:
    """What an Application manages: `status.resources`, and hooks of an operation that runs or went wrong, which Argo CD
    lists there only as long as they live."""
    app = grown.app
    listed: Listing = {(grown.place, resource.ref): resource for resource in app.resources}
    operation = app.operation
    if operation is not None and operation.phase is not OperationPhase.SUCCEEDED:
        for result in operation.results:
            if result.hook_type:
                listed.setdefault((grown.place, result.ref), AppResource(ref=result.ref, hook=True))
    return listed


NOTHING: Listing = {}
"""What most objects list. Most have no children either: a list and a dict for each would be nearly all that the
collector has to look at. Neither is ever changed."""
_NO_ITEMS: list[Item] = []


class Item:
    """One object in a tree, there or only listed.

    `obj` is None where it is not there, or not watched. `flat` is what a screen shows of it and all below it, `node`
    its own part of that: None where something of it has changed. `within` is the Application below the tree's own on
    which it hangs; `old` is a ReplicaSet that another has superseded.
    """

    __slots__ = (
        "children", "depth", "facts", "flat", "grown", "key", "kind", "listed", "node", "obj", "old", "order", "parent",
        "sorted", "within",
    )  # fmt: skip

    def __init__(self, key: Key, obj: StoredObject | None) -> None:
        self.key = key
        self.kind = key[1].group_kind
        self.obj = obj
        self.parent: Item | None = None
        self.children = _NO_ITEMS
        self.listed = NOTHING
        self.grown: Grown | None = None
        self.facts: Facts | None = None
        self.node: TreeNode | None = None
        self.flat: tuple[TreeNode, ...] | None = None
        self.order: Order = order_of(key, obj)
        self.depth = 0
        self.within: AppKey | None = None
        self.sorted = True
        self.old = False

    @property
    def ref(self) -> ObjectRef:
        return self.key[1]

    def take(self, child: Item) -> None:
        """Another item stands below it, the last until they are sorted."""
        if not self.children:
            self.children = [child]
        else:
            self.sorted = self.sorted and self.children[-1].order < child.order
            self.children.append(child)
        self.look_at_sets(child)

    def lose(self, child: Item) -> None:
        """An item does not stand below it any more."""
        self.children.remove(child)
        self.look_at_sets(child)

    def look_at_sets(self, child: Item) -> None:
        """Which ReplicaSets others have superseded may have changed with one of them."""
        if child.kind == REPLICA_SET:
            self.sorted = False

    def below(self) -> Iterator[Item]:
        """The item itself and all below it; at no depth does it recur."""
        waiting = [self]
        while waiting:
            item = waiting.pop()
            yield item
            waiting += item.children

    def spoil(self) -> None:
        """Something at or below it has changed: what is shown of it, and of all above it, is to be made anew."""
        self.flat = None
        above = self.parent
        while above is not None and above.flat is not None:  # above what is to be made anew, all is
            above.flat = None
            above = above.parent


def order_of(key: Key, obj: StoredObject | None) -> Order:
    """What siblings are sorted by: kind, newest revision, name; no two objects have the same."""
    cluster, ref = key
    kind = ref.kind
    newest = -revision(obj) if kind == "ReplicaSet" and obj is not None else 0
    return _RANK.get(kind, _OTHERS), kind, newest, ref.name, ref.namespace, cluster, ref.group


def revision(obj: StoredObject) -> int:
    """Which of its Deployment's revisions a ReplicaSet is; 0 where it does not say."""
    text = (obj.meta.annotations or {}).get(_REVISION, "")
    # An int64 at most: Python itself refuses to read thousands of digits, which anybody may write there.
    return int(text) if text.isdecimal() and len(text) < 20 else 0
