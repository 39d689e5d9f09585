"""What nobody manages in the namespace of an application whose project wants to know.

Owns: the rule which objects are never orphans, `orphans_among` and `Monitors` (Argo CD v3.6.1
controller/appcontroller.go, `getResourceTree`, `isKnownOrphanedResourceExclusion` and `handleObjectUpdated`). Pure.
Called by `fleetui.engine.reconcile`, by what wakes applications, and by `fleetui.fleet.orphans` for the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fleetui.engine.application import TRACKING_ID, mapping, mappings, strings, text
from fleetui.model.globs import glob_matches
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, StoredObject

if TYPE_CHECKING:
    from fleetui.engine.projects import Permits

STATEFUL_SET = ("apps", "StatefulSet")
CLAIM = ("", "PersistentVolumeClaim")
_MADE_BY_KUBERNETES = frozenset({("", "ServiceAccount", "default"), ("", "ConfigMap", "kube-root-ca.crt")})
_NOBODY_S = frozenset(
    {
        ("", "Event"), ("events.k8s.io", "Event"), ("coordination.k8s.io", "Lease"), ("", "Endpoints"),
        ("discovery.k8s.io", "EndpointSlice"), ("apps", "ControllerRevision"),
        ("metrics.k8s.io", "PodMetrics"), ("cilium.io", "CiliumIdentity"), ("cilium.io", "CiliumEndpoint"),
        ("cert-manager.io", "CertificateRequest"),
    }
)  # fmt: skip
"""Kinds whose objects controllers make for themselves (argo-cd v3.6.1, `resource.exclusions` as it is shipped, and what
is built in)."""
_TOKEN_OF = frozenset({"kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"})

K = TypeVar("K")
_Where = tuple[ClusterName, str]


def is_looked_at(resource: ApiResource) -> bool:
    """Whether orphans of a kind are looked for."""
    listable = not resource.verbs or "list" in resource.verbs
    return resource.namespaced and listable and resource.group_kind not in _NOBODY_S


def is_exempt(ref: ObjectRef, ignored: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an object is never called an orphan: Kubernetes makes it itself, or the project's
    `orphanedResources.ignore` names it by globs of group, kind and name."""
    if (ref.group, ref.kind, ref.name) in _MADE_BY_KUBERNETES:
        return True
    if (ref.group, ref.kind, ref.namespace, ref.name) == ("", "Service", "default", "kubernetes"):
        return True
    return any(_is_ignored(ref, item) for item in ignored)


def is_child(ref: ObjectRef, annotations: Mapping[str, Any], claims: Container[str]) -> bool:
    """Whether it belongs to another object that no owner reference names (argo-cd v3.6.1,
    gitops-engine/pkg/cache/references.go): a StatefulSet's claim, a ServiceAccount's token.

    Args:
        ref: the object.
        annotations: its own.
        claims: see `claims_of`.
    """
    base, _, ordinal = ref.name.rpartition("-")
    if ref.group_kind == CLAIM:
        return ordinal.isdecimal() and base in claims
    return ref.group_kind == ("", "Secret") and annotations.keys() >= _TOKEN_OF


def claim_templates(obj: Obj) -> tuple[str, ...]:
    """The names of a StatefulSet's volumeClaimTemplates."""
    templates = mappings(mapping(obj.get("spec")).get("volumeClaimTemplates"))
    return strings([mapping(each.get("metadata")).get("name") for each in templates])


def orphans_among(
    objects: Collection[StoredObject],
    managed: Container[ObjectRef],
    permits: Permits,
    *,
    is_known: Callable[[str], bool],
) -> int:
    """How many objects of a namespace are orphans, with all that they own.

    Args:
        objects: what there is in the namespace.
        managed: what the application has.
        permits: its project, which says what is ignored and what it may hold.
        is_known: whether there is an application of an instance name.
    """
    orphaned = permits.project.orphaned
    if orphaned is None:
        return 0
    sets = [each for each in objects if each.ref.group_kind == STATEFUL_SET]
    claims = {f"{template}-{each.ref.name}" for each in sets for template in claim_templates(each.decode())}
    owned: dict[str, list[StoredObject]] = {}
    tops: list[StoredObject] = []
    for each in objects:
        for owner in each.meta.owner_references or ():
            owned.setdefault(owner.uid, []).append(each)
        if each.meta.owner_references or each.ref in managed or is_exempt(each.ref, orphaned.ignore):
            continue
        if not is_child(each.ref, each.meta.annotations or {}, claims):
            tops.append(each)
    found: set[ObjectRef] = set()
    while tops:
        each = tops.pop()
        instance = (each.meta.annotations or {}).get(TRACKING_ID, "").partition(":")[0]
        if each.ref not in found and not (instance and is_known(instance)) and permits.live(each.ref):
            found.add(each.ref)
            tops += owned.get(each.meta.uid, [])
    return len(found)


class Monitors(Generic[K]):
    """Which applications want to know of orphans in which namespace, and what was there when they last looked."""

    def __init__(self) -> None:
        self._of: dict[K, _Where] = {}
        self._keys: dict[_Where, set[K]] = {}
        self._seen: dict[_Where, frozenset[ObjectRef]] = {}

    def looked(self, key: K, cluster: ClusterName, namespace: str, seen: frozenset[ObjectRef]) -> None:
        """Notes that an application has looked into a namespace of a cluster, which had these objects."""
        where = cluster, namespace
        if self._of.get(key) != where:
            self.drop(key)
        self._of[key] = where
        self._keys.setdefault(where, set()).add(key)
        self._seen[where] = seen

    def drop(self, key: K) -> None:
        """Forgets an application that does not look any more."""
        where = self._of.pop(key, None)
        if where is None:
            return
        self._keys[where].discard(key)
        if not self._keys[where]:
            del self._keys[where]
            del self._seen[where]

    def woken_by(self, cluster: ClusterName, ref: ObjectRef, *, deleted: bool) -> Collection[K]:
        """The applications that want to look again because of an object: one that came, or one that went."""
        where = cluster, ref.namespace
        seen = self._seen.get(where)
        return self._keys[where] if seen is not None and (ref in seen) is deleted else ()


def _is_ignored(ref: ObjectRef, item: Mapping[str, Any]) -> bool:
    group, kind, name = (text(item.get(field)) for field in ("group", "kind", "name"))
    return (
        (not kind or glob_matches(kind, ref.kind))
        and glob_matches(group, ref.group)
        and (not name or glob_matches(name, ref.name))
    )
