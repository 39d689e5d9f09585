"""An application's resource tree: what Git lists, what grew from it, and what each object says.

Owns: `ResourceTree`, which takes one changed object in at the cost of the path above it, and `build`, the same at once.
Pure but for the objects that it is lent to read from; called by `fleetui.fleet.trees`. Which item stands below which is
in `fleetui.fleet.structure`, what leads to an object in `fleetui.fleet.leads`, which kinds grow from which in
`fleetui.fleet.edges`, what an object says in `fleetui.fleet.facts`. Never here: watching, and which nodes a screen
folds.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from itertools import chain
from typing import Protocol

from fleetui.fleet.edges import ENDPOINT_SLICE, REPLICA_SET, SERVICE, GroupKind
from fleetui.fleet.facts import Facts, endpoints, facts_of
from fleetui.fleet.items import Grown, Item, listing_of, revision
from fleetui.fleet.leads import Leads, Objects
from fleetui.fleet.structure import Structure
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.app import App, AppResource
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.model.status import Health, HealthStatus
from fleetui.model.text import one_line
from fleetui.model.times import parse_time

DEEPEST = 30
"""What stands deeper is not shown."""
FORBIDDEN = "forbidden"
"""What stands behind the name of an object that the user may not see."""
_OLD = "(old, 0 pods)"
_UNLISTED = AppResource(ObjectRef("", "", "", ""))
"""What is said of an object that no Application lists."""


class Blind(Protocol):
    """What the user may not see: says why, in a sentence, of a kind in a namespace; nothing where it may be seen."""

    def __call__(self, kind: GroupKind, namespace: str) -> str: ...


def _sees_all(kind: GroupKind, namespace: str) -> str:
    return ""


def _no_app(stored: StoredObject) -> Grown | None:
    return None


def _by_its_secret(namespace: str, secret: str) -> ClusterName:
    return ClusterName(f"{namespace}/{secret}")


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
    """The tree of `app` as `objects` has it, made at once; the arguments are those of `ResourceTree`."""
    tree = ResourceTree(app, cluster=cluster, objects=objects, facts=facts)
    tree.see(unseen, blind)
    return tree.shown(problem)


class ResourceTree:
    """One application's tree, kept as objects change.

    Args:
        app: the application; its own object stays in its hub.
        cluster: where its resources are.
        objects: the watched objects of that cluster.
        tracking: the application's name within tracking ids; nothing is found by them where it is empty.
        facts: `facts_of`, or another judge's.
        grown: what an Application among its objects manages, and where; None where that is not known.
        remote: the cluster behind the kubeconfig in a Secret (namespace, name) that a Flux object syncs into.
    """

    def __init__(
        self,
        app: App,
        *,
        cluster: ClusterName,
        objects: Objects,
        tracking: str = "",
        facts: Callable[[StoredObject], Facts] = facts_of,
        grown: Callable[[StoredObject], Grown | None] = _no_app,
        remote: Callable[[str, str], ClusterName] = _by_its_secret,
    ) -> None:
        self._unseen: Container[GroupKind] = frozenset()
        self._blind: Blind = _sees_all
        self._kinds: tuple[tuple[GroupKind, str], ...] = ()
        self._kinds_at = -1
        root = Item((app.key.hub, app.key.ref), None)
        root.grown = Grown(app, cluster, tracking)
        root.listed = listing_of(root.grown)
        self._leads = Leads(cluster, objects, facts=facts, grown=grown, remote=remote)
        self._structure = Structure(root, self._leads)
        self._structure.grow()

    @property
    def _root(self) -> Item:
        return self._structure.root

    # --- what changes -----------------------------------------------------------------------------------------------

    def take(self, app: App) -> None:
        """The application is another by now."""
        grown = self._root.grown
        assert grown is not None
        if app == grown.app:
            return
        grown = grown._replace(app=app)
        self._structure.relist(grown, listing_of(grown))
        self._renew(self._root)

    def touch(self, ref: ObjectRef) -> bool:
        """An object changed, came or went; returns whether it stands in the tree, or did, or may by now."""
        stood = self._structure.stands(ref)
        item = self._structure.touch(ref)
        if item is not None:
            self._renew(item)
        return stood or item is not None or self._structure.is_stale

    def see(self, unseen: Container[GroupKind], blind: Blind) -> None:
        """Looks again at what is not there, and at what depends on what may be seen.

        Args:
            unseen: kinds that could not be listed: an absent object of such a kind is Unknown, not Missing.
            blind: what may not be listed: an absent object of such a kind is forbidden.
        """
        self._unseen, self._blind = unseen, blind
        for item in self._structure.items.values():
            if item.obj is None or item.kind == SERVICE:
                self._renew(item)

    def judge(self, facts: Callable[[StoredObject], Facts]) -> None:
        """Judges every object anew, by other rules."""
        self._leads.facts = facts
        for item in self._structure.items.values():
            item.facts = None
            self._renew(item)

    # --- what is there ----------------------------------------------------------------------------------------------

    def shown(self, problem: str = "") -> Tree:
        """The tree as of now; `problem` says why it may be incomplete, and is handed through."""
        root = self._structure.items[self._root.key]  # asked for, so that all have their places
        return Tree(key=self._app.key, nodes=self._flat(root), problem=problem)

    def kinds(self) -> tuple[tuple[GroupKind, str], ...]:
        """The kinds of its objects, each with the namespaces where they are: what must be watched to see it live; those
        that stand nearest to the root first.

        Not what hangs on an Application below it: that one's own engine says how it stands.
        """
        structure = self._structure
        items = structure.items
        if self._kinds_at != structure.moves:
            self._kinds_at = structure.moves
            depths: dict[tuple[GroupKind, str], int] = {}
            for item in items.values():
                if item is not self._root and _is_own(item, structure.cluster):
                    kind = item.kind, item.ref.namespace
                    depths[kind] = min(item.depth, depths.get(kind, item.depth))
            self._kinds = tuple(sorted(depths, key=lambda kind: (depths[kind], kind)))
        return self._kinds

    def of_kind(self, group: str, kind: str) -> list[ObjectRef]:
        """Those of its objects that are of a kind, in the cluster where it is watched."""
        cluster = self._structure.cluster
        keys = [key for key, item in self._structure.items.items() if item is not self._root]
        return [ref for where, ref in keys if where == cluster and ref.group_kind == (group, kind)]

    # --- nodes ------------------------------------------------------------------------------------------------------

    @property
    def _app(self) -> App:
        assert self._root.grown is not None
        return self._root.grown.app

    def _renew(self, item: Item) -> None:
        """Makes an item's node anew, and what is shown of it where it is another by that."""
        above = item.parent
        if above is not None and item.kind == REPLICA_SET:  # which of its siblings are old may be another matter now
            above.look_at_sets(item)
            self._sort(above)
        if item.node is not None:
            node = self._node(item)
            if node == item.node:
                return
            item.node = node
            item.spoil()
        if above is not None and item.kind == ENDPOINT_SLICE and above.kind == SERVICE:
            self._renew(above)

    def _flat(self, item: Item) -> tuple[TreeNode, ...]:
        """The nodes of an item and of all below it, in display order."""
        if item.flat is not None:
            return item.flat
        if item.node is None:
            item.node = self._node(item)
        if not item.children or item.depth >= DEEPEST:
            item.flat = (item.node,)
        else:
            self._sort(item)
            item.flat = (item.node, *chain.from_iterable(map(self._flat, item.children)))
        return item.flat

    def _sort(self, item: Item) -> None:
        if item.sorted:
            return
        item.sorted = True
        sets = [child for child in item.children if child.kind == REPLICA_SET]
        newest = max((revision(child.obj) for child in sets if child.obj is not None), default=0)
        for child in sets:
            old = child.obj is not None and revision(child.obj) < newest and self._leads.said(child, child.obj).idle
            if old != child.old:
                child.old, child.node = old, None
                child.spoil()
        item.children.sort(key=_place)

    def _node(self, item: Item) -> TreeNode:
        if item is self._root:
            return self._root_node(item)
        obj, found = item.obj, self._leads.member(item)
        app, member = found if found is not None else (self._app, _UNLISTED)
        facts = self._leads.said(item, obj) if obj is not None else self._absent(item, app, member)
        cluster, ref = item.key
        return TreeNode(
            ref=ref,
            cluster=cluster,
            depth=item.depth,
            uid=obj.meta.uid if obj is not None else "",
            health=facts.health or _told_by_itself(item),
            sync=member.sync,
            info=self._info(item, facts),
            hook=member.hook,
            requires_pruning=member.requires_pruning,
            forbidden=facts.forbidden,
            children=len(item.children) if item.depth < DEEPEST else 0,
            created_at=parse_time(obj.meta.creation_timestamp) if obj is not None else None,
            app=item.within,
        )

    def _info(self, item: Item, facts: Facts) -> str:
        info = _OLD if item.old else facts.info
        if not info and item.kind == SERVICE:
            info = self._service_info(item)
        place = _elsewhere(item)
        return f"{info}, {place}" if info and place else info or place

    def _root_node(self, root: Item) -> TreeNode:
        app = self._app
        return TreeNode(
            ref=root.ref,
            cluster=app.key.hub,
            depth=0,
            uid=app.uid,
            health=app.health,
            sync=app.sync,
            children=len(root.children),
            created_at=app.created_at,
        )

    def _absent(self, item: Item, app: App, member: AppResource) -> Facts:
        ref, told = item.ref, member.health
        if not _is_own(item, self._structure.cluster):
            return Facts(health=told)
        if why := self._blind(ref.group_kind, ref.namespace):
            return Facts(health=told or Health(HealthStatus.UNKNOWN, why), info=FORBIDDEN, forbidden=True)
        if ref.group_kind in self._unseen:
            return Facts(health=told or Health(HealthStatus.UNKNOWN, f"{ref.kind} objects can't be listed here"))
        if member.hook or member.requires_pruning:
            return Facts(info=_hook_end(app, ref))
        return Facts(health=Health(HealthStatus.MISSING, "not in the cluster"))

    def _service_info(self, item: Item) -> str:
        if item.obj is None or ENDPOINT_SLICE in self._unseen:
            return ""
        if self._blind(ENDPOINT_SLICE, item.ref.namespace) or (item.within is not None and not item.children):
            return ""
        slices = [child for child in item.children if child.kind == ENDPOINT_SLICE]
        return endpoints(sum(self._leads.said(child, child.obj).endpoints for child in slices if child.obj is not None))


def _is_own(item: Item, cluster: ClusterName) -> bool:
    """Whether an item is watched for this tree, not for that of an Application below it."""
    return item.within is None and item.key[0] == cluster


def _told_by_itself(item: Item) -> Health | None:
    """An Application's own health: Argo CD's rules give the object none, so that it does not count in its parent's."""
    return item.grown.app.health if item.grown is not None else None


def _elsewhere(item: Item) -> str:
    """Says where an object is that is not in the cluster of the one above it; the application's own view says where
    that is."""
    above = item.parent
    if above is None or above.key[0] == item.key[0] or above.parent is None:
        return ""
    return f"on {item.key[0]}"


def _place(item: Item) -> tuple[object, ...]:
    return item.old, item.order


def _hook_end(app: App, ref: ObjectRef) -> str:
    results = app.operation.results if app.operation is not None else ()
    return next((one_line(f"{each.hook_type} {each.hook_phase}") for each in results if each.ref == ref), "")
