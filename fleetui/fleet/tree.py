"""An application's resource tree: what Git lists, and what grew from it.

Owns: `build`, `facts_of`, and the table of which kinds grow from which. Pure; called by `fleetui.fleet.trees` with a
store to read from. Never here: watching, and which nodes a screen folds.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

import msgspec

from fleetui.fleet.facts import describe, endpoints, is_idle_replica_set, ready_endpoints
from fleetui.fleet.views import Tree, TreeNode
from fleetui.health import assess
from fleetui.model.app import App, AppResource, ResourceResult
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.model.status import Health, HealthStatus, OperationPhase
from fleetui.model.text import one_line, sanitize
from fleetui.model.times import parse_time

GroupKind = tuple[str, str]

_POD = ("", "Pod")
_REPLICA_SET = ("apps", "ReplicaSet")
_ENDPOINT_SLICE = ("discovery.k8s.io", "EndpointSlice")
_SERVICE = ("", "Service")

GROWS: dict[GroupKind, tuple[GroupKind, ...]] = {
    ("apps", "Deployment"): (_REPLICA_SET,),
    _REPLICA_SET: (_POD,),
    ("apps", "StatefulSet"): (_POD,),
    ("apps", "DaemonSet"): (_POD,),
    ("", "ReplicationController"): (_POD,),
    ("batch", "CronJob"): (("batch", "Job"),),
    ("batch", "Job"): (_POD,),
    ("argoproj.io", "Rollout"): (_REPLICA_SET, ("argoproj.io", "AnalysisRun"), ("argoproj.io", "Experiment")),
    _SERVICE: (_ENDPOINT_SLICE,),
}
"""The kinds whose objects name one of the key's kind as their owner."""

# What runs first, then how it is reached, then what it reads, then what is around it; unknown kinds before RBAC.
_ORDER = (
    *("Application", "ApplicationSet", "Deployment", "StatefulSet", "DaemonSet", "Rollout", "ReplicaSet"),
    *("ReplicationController", "CronJob", "Job", "Pod", "Service", "EndpointSlice", "Ingress", "HTTPRoute"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap", "Secret", "PersistentVolumeClaim", ""),
    *("NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ResourceQuota", "LimitRange", "StorageClass", "PersistentVolume", "CustomResourceDefinition", "Namespace"),
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
_DEEPEST = 30
_REVISION = "deployment.kubernetes.io/revision"
_OLD = "(old, 0 pods)"
FORBIDDEN = "forbidden"
"""What stands behind the name of an object that the user may not see."""


class Objects(Protocol):
    """What a tree reads; a `fleetui.ports.LiveCluster` is one."""

    def get(self, ref: ObjectRef) -> StoredObject | None: ...

    def owned(self, uid: str) -> Iterable[StoredObject]: ...


class Facts(msgspec.Struct, frozen=True):
    """What a node takes from its object's content; the same for one uid and resourceVersion."""

    health: Health | None = None
    info: str = ""
    endpoints: int = 0
    idle: bool = False
    forbidden: bool = False


class Blind(Protocol):
    """What the user may not see: says why, in a sentence, of a kind in a namespace; nothing where it may be seen."""

    def __call__(self, kind: GroupKind, namespace: str) -> str: ...


def _sees_all(kind: GroupKind, namespace: str) -> str:
    return ""


def child_kinds(kinds: Iterable[GroupKind]) -> frozenset[GroupKind]:
    """The kinds that grow, at any depth, from objects of `kinds`."""
    found: set[GroupKind] = set()
    open_kinds = list(kinds)
    while open_kinds:
        for child in GROWS.get(open_kinds.pop(), ()):
            if child not in found:
                found.add(child)
                open_kinds.append(child)
    return frozenset(found)


def facts_of(stored: StoredObject) -> Facts:
    """Decodes and judges one object. Never raises; text is sanitised."""
    try:
        obj = stored.decode()
    except RecursionError:
        return Facts(health=Health(HealthStatus.UNKNOWN, "the object is nested too deeply to be read"))
    health = assess(obj)
    return Facts(
        health=Health(health.status, sanitize(health.message)) if health else None,
        info=one_line(describe(obj)),
        endpoints=ready_endpoints(obj) if stored.ref.group_kind == _ENDPOINT_SLICE else 0,
        idle=stored.ref.group_kind == _REPLICA_SET and is_idle_replica_set(obj),
    )


def build(
    app: App,
    *,
    cluster: ClusterName,
    objects: Objects,
    facts: Callable[[StoredObject], Facts] = facts_of,
    unseen: Container[GroupKind] = frozenset(),
    blind: Blind = _sees_all,
    problem: str = "",
) -> Tree:
    """The tree of `app` as `objects` has it.

    Args:
        app: the application; its own object stays in its hub.
        cluster: where its resources are.
        objects: the watched objects of that cluster.
        facts: `facts_of`, or a memo of it.
        unseen: kinds that could not be listed: an absent object of such a kind is Unknown, not Missing.
        blind: what may not be listed: an absent object of such a kind is forbidden.
        problem: why the tree may be incomplete, handed through.
    """
    return _Builder(app, cluster, objects, facts, unseen, blind).build(problem)


class _Builder:
    def __init__(
        self,
        app: App,
        cluster: ClusterName,
        objects: Objects,
        facts: Callable[[StoredObject], Facts],
        unseen: Container[GroupKind],
        blind: Blind,
    ) -> None:
        self._app = app
        self._cluster = cluster
        self._objects = objects
        self._facts = facts
        self._unseen = unseen
        self._blind = blind
        self._members = {member.ref: member for member in members(app)}
        self._nodes: list[TreeNode] = []
        self._visited: set[ObjectRef] = set()

    def build(self, problem: str) -> Tree:
        root = ObjectRef("argoproj.io", "Application", self._app.key.namespace, self._app.key.name)
        if self._cluster == self._app.key.hub:
            self._visited.add(root)  # an app of apps may manage itself
        for ref in self._roots():
            self._visit_member(ref)
        # Objects that own each other in a ring have no root: they are shown all the same.
        for ref in sorted(self._members.keys() - self._visited, key=_kind_then_name):
            self._visit_member(ref)
        return Tree(key=self._app.key, nodes=(self._root(root), *self._nodes), problem=problem)

    def _root(self, ref: ObjectRef) -> TreeNode:
        app = self._app
        return TreeNode(
            ref=ref,
            cluster=app.key.hub,
            depth=0,
            uid=app.uid,
            health=app.health,
            sync=app.sync,
            children=sum(node.depth == 1 for node in self._nodes),
            created_at=app.created_at,
        )

    def _roots(self) -> list[ObjectRef]:
        live = {ref: self._objects.get(ref) for ref in self._members}
        uids = {obj.uid for obj in live.values() if obj is not None and obj.uid}
        roots = [ref for ref, obj in live.items() if obj is None or not (_owners(obj) & uids)]
        return sorted(roots, key=_kind_then_name)

    def _visit_member(self, ref: ObjectRef) -> None:
        if ref not in self._visited:
            self._visited.add(ref)
            self._visit(ref, self._objects.get(ref), 1, old=False)

    def _visit(self, ref: ObjectRef, obj: StoredObject | None, depth: int, *, old: bool) -> None:
        children = self._take_children(obj) if obj is not None and depth < _DEEPEST else []
        self._nodes.append(self._node(ref, obj, depth, children=children, old=old))
        superseded = _superseded(children, self._facts)
        for child in sorted(children, key=lambda child: (child.ref in superseded, *_child_order(child))):
            self._visit(child.ref, child, depth + 1, old=child.ref in superseded)

    def _take_children(self, obj: StoredObject) -> list[StoredObject]:
        # Taken before they are visited: an object with two owners must stand, and count, below the first alone.
        owned = self._objects.owned(obj.uid) if obj.uid else ()
        children = [child for child in owned if child.ref not in self._visited]
        self._visited.update(child.ref for child in children)
        return children

    def _node(
        self, ref: ObjectRef, obj: StoredObject | None, depth: int, *, children: list[StoredObject], old: bool
    ) -> TreeNode:
        member = self._members.get(ref)
        facts = self._facts(obj) if obj is not None else self._absent(ref, member)
        return TreeNode(
            ref=ref,
            cluster=self._cluster,
            depth=depth,
            uid=obj.uid if obj is not None else "",
            health=facts.health,
            sync=member.sync if member else None,
            info=_OLD if old else facts.info or self._service_info(obj, children),
            hook=bool(member and member.hook),
            requires_pruning=bool(member and member.requires_pruning),
            forbidden=facts.forbidden,
            children=len(children),
            created_at=parse_time(obj.meta.creation_timestamp) if obj is not None else None,
        )

    def _absent(self, ref: ObjectRef, member: AppResource | None) -> Facts:
        told = member.health if member else None
        if why := self._blind(ref.group_kind, ref.namespace):
            return Facts(health=told or Health(HealthStatus.UNKNOWN, why), info=FORBIDDEN, forbidden=True)
        if ref.group_kind in self._unseen:
            return Facts(health=told or Health(HealthStatus.UNKNOWN, f"{ref.kind} objects can't be listed here"))
        if member is None or member.hook or member.requires_pruning:
            return Facts(info=_hook_end(self._app, ref))
        return Facts(health=Health(HealthStatus.MISSING, "not in the cluster"))

    def _service_info(self, obj: StoredObject | None, children: list[StoredObject]) -> str:
        if obj is None or obj.ref.group_kind != _SERVICE or _ENDPOINT_SLICE in self._unseen:
            return ""
        if self._blind(_ENDPOINT_SLICE, obj.ref.namespace):
            return ""
        slices = [child for child in children if child.ref.group_kind == _ENDPOINT_SLICE]
        return endpoints(sum(self._facts(child).endpoints for child in slices))


def members(app: App) -> list[AppResource]:
    """What the application manages: `status.resources`, and hooks of an operation that runs or went wrong, which
    Argo CD lists there only as long as they live."""
    listed = {resource.ref for resource in app.resources}
    operation = app.operation
    if operation is None or operation.phase is OperationPhase.SUCCEEDED:
        return list(app.resources)
    hooks = [result for result in operation.results if result.hook_type and result.ref not in listed]
    return [*app.resources, *(AppResource(ref=result.ref, hook=True) for result in hooks)]


def _hook_end(app: App, ref: ObjectRef) -> str:
    results: Iterable[ResourceResult] = app.operation.results if app.operation else ()
    return next((one_line(f"{each.hook_type} {each.hook_phase}") for each in results if each.ref == ref), "")


def _owners(obj: StoredObject) -> set[str]:
    return {owner.uid for owner in obj.meta.owner_references or () if owner.uid != obj.uid}


def _superseded(children: list[StoredObject], facts: Callable[[StoredObject], Facts]) -> set[ObjectRef]:
    """The ReplicaSets without pods that are not their Deployment's newest."""
    sets = [child for child in children if child.ref.group_kind == _REPLICA_SET]
    newest = max((_revision(child) for child in sets), default=0)
    return {child.ref for child in sets if _revision(child) < newest and facts(child).idle}


def _revision(obj: StoredObject) -> int:
    text = (obj.meta.annotations or {}).get(_REVISION, "")
    # An int64 at most: Python itself refuses to read thousands of digits, which anybody may write there.
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _child_order(child: StoredObject) -> tuple[int, str, int, str, str]:
    rank, kind, name, namespace = _kind_then_name(child.ref)
    return rank, kind, -_revision(child), name, namespace


def _kind_then_name(ref: ObjectRef) -> tuple[int, str, str, str]:
    return _RANK.get(ref.kind, _RANK[""]), ref.kind, ref.name, ref.namespace
