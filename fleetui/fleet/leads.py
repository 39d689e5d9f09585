"""Which items of a resource tree lead to an object, and how well.

Owns: `Leads` and the ranks. Called by `fleetui.fleet.structure`, which puts an object below the best. Pure but for the
objects that it is lent to read from.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.tracking import names_itself
from fleetui.fleet.edges import APPLICATION, STATEFUL_SET, came_from, is_from, may_be_named
from fleetui.fleet.facts import Facts
from fleetui.fleet.index import Index
from fleetui.fleet.items import NOTHING, Grown, Item, Key, Order, listing_of
from fleetui.model.app import App, AppResource
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject

_CONTROLLER, _OWNER, _ORIGIN, _INVENTORY, _TRACKED_AND_LISTED, _LISTED, _TRACKED = range(7)


class Objects(Protocol):
    """What a tree reads of the cluster where its objects are; a `fleetui.fleet.store.LiveStore` is one."""

    def get(self, ref: ObjectRef) -> StoredObject | None: ...

    def owned(self, uid: str) -> Iterable[StoredObject]: ...

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]: ...

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        """The objects that say they came from `ref` (`fleetui.fleet.edges.came_from`)."""
        ...


class Leads:
    """The items of a tree by what leads from them to others.

    Args:
        cluster: where objects are watched.
        objects: the watched ones.
        facts: what an object says of itself; asked only of those that may list others.
        grown: what an Application that stands in the tree is; None where that is not known.
        remote: the cluster that a Flux object reaches by the kubeconfig in a Secret: namespace and name.
    """

    def __init__(
        self,
        cluster: ClusterName,
        objects: Objects,
        *,
        facts: Callable[[StoredObject], Facts],
        grown: Callable[[StoredObject], Grown | None],
        remote: Callable[[str, str], ClusterName],
    ) -> None:
        self.cluster = cluster
        self._objects = objects
        self.facts = facts
        self._grown = grown
        self._remote = remote

    def clear(self, root: Item) -> None:
        """Nothing but the root is in the tree."""
        self.items: dict[Key, Item] = {root.key: root}
        self._by_uid: Index[str, Item] = Index()
        self._listers: dict[Key, dict[Key, Item]] = {}
        self._trackers: Index[str, Item] = Index()
        self.enlist(root)

    def get(self, key: Key) -> StoredObject | None:
        """The object itself, where it is there and watched."""
        return self._objects.get(key[1]) if key[0] == self.cluster else None

    # --- what leads where -------------------------------------------------------------------------------------------

    def leads_to(self, item: Item) -> list[Key]:
        """The objects to which an item leads, wherever they stand."""
        keys = list(item.listed) if item.listed else []
        obj = item.obj
        if obj is not None:
            if owned := self._objects.owned(obj.meta.uid):
                keys += self._keys(owned)
            if may_be_named(item.kind):
                keys += self.named_after(item)
        if item.grown is not None:
            keys += self.tracked_by(item.grown)
        return keys

    def named_after(self, item: Item) -> list[Key]:
        """The objects that say they came from an item's."""
        return self._keys(self._objects.named(item.key[1]))

    def tracked_by(self, grown: Grown | None) -> list[Key]:
        """The objects that say they are an Application's, in the cluster that is watched."""
        here = grown is not None and grown.place == self.cluster
        return self._keys(self._objects.tracked(grown.tracking)) if grown is not None and here else []

    def _keys(self, objects: Iterable[StoredObject]) -> list[Key]:
        return [(self.cluster, obj.ref) for obj in objects]

    def best(self, key: Key, obj: StoredObject | None, among: Container[Key] | None = None) -> Item | None:
        """The best item of the tree, or of those `among` it, that leads to an object."""
        if among is None and obj is not None and (owners := obj.meta.owner_references) and len(owners) == 1:
            # Nothing is better than a controller, and most objects have just that.
            items = self._by_uid.get(owners[0].uid) if owners[0].controller else None
            if items and len(items) == 1 and items[0].obj is not obj:
                return items[0]
        leading = self._leading(key, obj)
        if among is not None:
            leading = [found for found in leading if found[1].key in among]
        if len(leading) > 1:
            return min(leading, key=_rank_and_order)[1]
        return leading[0][1] if leading else None

    def _leading(self, key: Key, obj: StoredObject | None) -> list[tuple[int, Item]]:
        """Every item of the tree that leads to an object, with how well it does."""
        found: list[tuple[int, Item]] = []
        tracker = ""
        if obj is not None:
            owners = obj.meta.owner_references
            for owner in owners or ():
                rank = _CONTROLLER if owner.controller else _OWNER
                for item in self._by_uid.get(owner.uid):
                    found.append((rank, item))
            for ref in came_from(obj):
                origin = self.items.get((self.cluster, ref))
                if origin is not None and origin.obj is not None and self._is_from(key[1], origin):
                    found.append((_ORIGIN, origin))
            tracker = tracker_of(obj)
            if tracker and not owners:
                found += [(_TRACKED, item) for item in self._trackers.get(tracker)]
        if (listers := self._listers.get(key)) is not None:
            for item in listers.values():
                if item.grown is None:
                    found.append((_INVENTORY, item))
                else:
                    found.append((_TRACKED_AND_LISTED if item.grown.tracking == tracker else _LISTED, item))
        if len(found) == 1 and found[0][1].key[1] != key[1]:
            return found
        return [each for each in found if each[1].key != key]

    def _is_from(self, child: ObjectRef, parent: Item) -> bool:
        if parent.kind != STATEFUL_SET or parent.obj is None:
            return is_from(child, parent.ref, ())
        return is_from(child, parent.ref, self.said(parent, parent.obj).templates)

    # --- what is known of an item -----------------------------------------------------------------------------------

    def said(self, item: Item, obj: StoredObject) -> Facts:
        """What an item's object says of itself, asked once for each of its versions."""
        if item.facts is None:
            item.facts = self.facts(obj)
        return item.facts

    def know(self, item: Item, former: str = "") -> None:
        """Finds an item by its object's uid, and no longer by a former one."""
        if former:
            self._by_uid.discard(former, item)
        if item.obj is not None and item.obj.uid:
            self._by_uid.add(item.obj.uid, item)

    def read(self, item: Item) -> None:
        """What an item's object says that it manages."""
        obj = item.obj
        item.grown, item.listed = None, NOTHING
        if obj is None:
            return
        if item.kind == APPLICATION:
            item.grown = self._grown(obj)
            item.listed = listing_of(item.grown) if item.grown is not None else NOTHING
            return
        facts = self.said(item, obj)
        place = self._remote(item.ref.namespace, facts.elsewhere) if facts.elsewhere else self.cluster
        item.listed = {(place, ref): None for ref in facts.listed}

    def enlist(self, item: Item) -> None:
        """Finds an item by what it lists, and by the name in which its objects are tracked; `delist` no longer."""
        for key in item.listed:
            self._listers.setdefault(key, {})[item.key] = item
        if item.grown is not None and item.grown.place == self.cluster:
            self._trackers.add(item.grown.tracking, item)

    def delist(self, item: Item) -> None:
        for key in item.listed:
            listers = self._listers[key]
            del listers[item.key]
            if not listers:
                del self._listers[key]
        if item.grown is not None:
            self._trackers.discard(item.grown.tracking, item)

    def member(self, item: Item) -> tuple[App, AppResource] | None:
        """What an Application says of an item that it lists, and which one does: the best where there are several."""
        listers = self._listers.get(item.key)
        if not listers:
            return None
        tracker = tracker_of(item.obj) if item.obj is not None else ""
        apps = [
            (each.grown.tracking != tracker, each.order, each.grown.app, member)
            for each in listers.values()
            if each.grown is not None and (member := each.listed[item.key]) is not None
        ]
        return min(apps, key=lambda found: found[:2])[2:] if apps else None


def _rank_and_order(found: tuple[int, Item]) -> tuple[int, Order]:
    return found[0], found[1].order


def tracker_of(obj: StoredObject) -> str:
    """The application, as tracking ids name it, that an object says it belongs to; empty where it says nothing, or was
    copied from the one that does."""
    value = (obj.meta.annotations or {}).get(TRACKING_ID)
    return value.partition(":")[0] if value and names_itself(value, obj.ref) else ""
