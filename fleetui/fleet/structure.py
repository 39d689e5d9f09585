"""Which item of a resource tree stands below which.

Owns: `Structure`. Called by `fleetui.fleet.tree`. Pure but for the objects that it is lent to read from.

An object stands in the tree if the root lists it, or something in the tree leads to it; it stands below the best of
what leads to it: its controller, another owner, what it says it came from, what lists it in an inventory, the
Application that lists it, the Application in whose name it is tracked. So its place hangs on the objects alone, never
on the order in which they came.

Objects may lead to each other in a ring. Then the best of what leads to one may stand below it, and the tree is made
anew, from its root down: what nothing reaches by its best is reached by the best that the tree has by then. As long as
there is a ring, the tree is made anew when it is looked at after places have changed; all else takes one path.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from heapq import heappop, heappush
from typing import Protocol

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.tracking import names_itself
from fleetui.fleet.edges import APPLICATION, STATEFUL_SET, came_from, is_from, may_be_named, may_list
from fleetui.fleet.facts import Facts
from fleetui.fleet.index import Index
from fleetui.fleet.items import NOTHING, Grown, Item, Key, Listing, Order, listing_of, order_of
from fleetui.model.app import App, AppResource
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject

_UNLISTED = object()
_CONTROLLER, _OWNER, _ORIGIN, _INVENTORY, _TRACKED_AND_LISTED, _LISTED, _TRACKED = range(7)


class Objects(Protocol):
    """What a tree reads of the cluster where its objects are; a `fleetui.fleet.store.LiveStore` is one."""

    def get(self, ref: ObjectRef) -> StoredObject | None: ...

    def owned(self, uid: str) -> Iterable[StoredObject]: ...

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]: ...

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        """The objects that say they came from `ref` (`fleetui.fleet.edges.came_from`)."""
        ...


class _RingError(Exception):
    """The best of what leads to an item stands below it."""


class Structure:
    """The items below one application.

    Args:
        root: the application; what it lists is in `root.listed`, and `root.grown` says where that is.
        cluster: where objects are watched; of all others only what is listed is known.
        objects: the watched ones.
        facts: what an object says of itself; asked only of those that may list others.
        grown: what an Application that stands in the tree is; None where that is not known.
        remote: the cluster that a Flux object reaches by the kubeconfig in a Secret: namespace and name.
    """

    def __init__(
        self,
        root: Item,
        cluster: ClusterName,
        objects: Objects,
        *,
        facts: Callable[[StoredObject], Facts],
        grown: Callable[[StoredObject], Grown | None],
        remote: Callable[[str, str], ClusterName],
    ) -> None:
        self.root = root
        self.cluster = cluster
        self.moves = 0
        """How often an item has come, gone or moved."""
        self._objects = objects
        self._facts = facts
        self._grown = grown
        self._remote = remote
        self._ringed = False
        self._stale = False
        self._clear()

    def _clear(self) -> None:
        self._items: dict[Key, Item] = {self.root.key: self.root}
        self._by_uid: Index[str, Item] = Index()
        self._listers: dict[Key, dict[Key, Item]] = {}
        self._trackers: Index[str, Item] = Index()
        self.root.children = []
        self._enlist(self.root)

    @property
    def items(self) -> dict[Key, Item]:
        """Every item of the tree, in its place."""
        if self._stale:
            self.make_anew()
        return self._items

    @property
    def is_stale(self) -> bool:
        """Whether anything may have another place than it had: the tree has a ring, and was not looked at since."""
        return self._stale

    def judge(self, facts: Callable[[StoredObject], Facts]) -> None:
        """What an object says of itself is asked of another from now on."""
        self._facts = facts

    # --- what changes -----------------------------------------------------------------------------------------------

    def grow(self) -> None:
        """Takes in all that the root leads to."""
        self._settle(self._leads_to(self.root))

    def relist(self, grown: Grown, listed: Listing) -> None:
        """The application lists other objects than before; it stays where it is."""
        before = self.root.listed
        self._delist(self.root)
        self.root.grown, self.root.listed = grown, listed
        self._enlist(self.root)
        if unlike := self._unlike(before, listed):
            self._settle(unlike)

    def stands(self, ref: ObjectRef) -> bool:
        """Whether an object, there or not, has its place in the tree."""
        return (self.cluster, ref) in self._items

    def touch(self, ref: ObjectRef) -> Item | None:
        """An object changed, came or went; returns its item where it has one now, or had when it was last looked at."""
        key = (self.cluster, ref)
        item, obj = self._items.get(key), self._objects.get(ref)
        if item is None:
            if obj is not None:
                self._settle([key])
        elif item is not self.root and obj is not item.obj:
            before, item.obj, item.facts = item.obj, obj, None
            affected = self._affected(item, before)
            if affected:
                self._settle(affected)
        return self._items.get(key)

    def _affected(self, item: Item, before: StoredObject | None) -> list[Key]:
        """Whose place may be another, after an item's object changed from `before`."""
        obj, keys = item.obj, []
        uid, was = obj.uid if obj is not None else "", before.uid if before is not None else ""
        if obj is None or before is None or uid != was:
            self._know(item, was)
            keys += [item.key, *(child.key for child in item.children), *self._leads_to(item)]
        elif _says(obj) != _says(before):
            keys.append(item.key)
        if item.kind == STATEFUL_SET:  # its templates say which claims are its
            keys += self._keys(self._objects.named(item.ref))
        order = order_of(item.key, obj)
        if order != item.order:
            item.order = order
            if item.parent is not None:
                item.parent.sorted = False
                item.parent.spoil()
        if may_list(item.kind):
            keys += self._read_anew(item)
        return keys

    def _read_anew(self, item: Item) -> list[Key]:
        grown, listed = item.grown, item.listed
        self._delist(item)
        self._read(item)
        self._enlist(item)
        keys = self._unlike(listed, item.listed)
        for each in (grown, item.grown) if grown != item.grown else ():
            keys += self._tracked_by(each)
        return keys

    def _unlike(self, before: Listing, now: Listing) -> list[Key]:
        """Which objects are listed no more, newly, or otherwise than before."""
        unlike = [key for key in before.keys() | now.keys() if before.get(key, _UNLISTED) != now.get(key, _UNLISTED)]
        for key in unlike:
            if (item := self._items.get(key)) is not None:
                item.node = None
                item.spoil()
        return unlike

    # --- what leads where -------------------------------------------------------------------------------------------

    def _leads_to(self, item: Item) -> list[Key]:
        keys = list(item.listed) if item.listed else []
        obj = item.obj
        if obj is not None:
            if owned := self._objects.owned(obj.meta.uid):
                keys += self._keys(owned)
            if may_be_named(item.kind):
                keys += self._keys(self._objects.named(item.key[1]))
        if item.grown is not None:
            keys += self._tracked_by(item.grown)
        return keys

    def _tracked_by(self, grown: Grown | None) -> list[Key]:
        here = grown is not None and grown.place == self.cluster
        return self._keys(self._objects.tracked(grown.tracking)) if grown is not None and here else []

    def _keys(self, objects: Iterable[StoredObject]) -> list[Key]:
        return [(self.cluster, obj.ref) for obj in objects]

    def _best(self, key: Key, obj: StoredObject | None, among: Container[Key] | None = None) -> Item | None:
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
                origin = self._items.get((self.cluster, ref))
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
        if parent.kind == STATEFUL_SET and parent.facts is None and parent.obj is not None:
            parent.facts = self._facts(parent.obj)
        return is_from(child, parent.ref, parent.facts.templates if parent.facts is not None else ())

    # --- places -----------------------------------------------------------------------------------------------------

    def _settle(self, keys: list[Key]) -> None:
        """Puts these objects where they belong, and whatever else has another place by that."""
        if self._ringed:
            self._stale = True
            return
        try:
            while keys:
                keys += self._place(keys.pop())
        except _RingError:
            self.make_anew()

    def _place(self, key: Key) -> Iterable[Key]:
        """Puts one object where it belongs; returns those whose place may be another by that."""
        if key == self.root.key:
            return ()
        item = self._items.get(key)
        obj = item.obj if item is not None else self._get(key)
        parent = self._best(key, obj)
        if item is None:
            if parent is None:
                return ()
            item = self._admit(Item(key, obj))
            self._hang(item, parent)
            if item.listed:
                self._unlike(NOTHING, item.listed)
            return self._leads_to(item)
        if parent is None:
            return self._uproot(item)
        if parent is not item.parent:
            if item.children and _stands_below(parent, item):
                raise _RingError
            self._hang(item, parent)
        return ()

    def _get(self, key: Key) -> StoredObject | None:
        return self._objects.get(key[1]) if key[0] == self.cluster else None

    def _admit(self, item: Item) -> Item:
        self._items[item.key] = item
        self._know(item)
        if may_list(item.kind):
            self._read(item)
            self._enlist(item)
        return item

    def _uproot(self, item: Item) -> list[Key]:
        """Takes an item out that nothing leads to; returns what it led to."""
        keys = [*(child.key for child in item.children), *self._unlike(item.listed, NOTHING)]
        for child in item.children:
            child.parent = None
        self._unhang(item)
        self._delist(item)
        del self._items[item.key]
        if item.obj is not None:
            was, item.obj = item.obj.uid, None
            self._know(item, was)
        return keys

    def _hang(self, item: Item, parent: Item) -> None:
        if item.parent is not None:
            self._unhang(item)
        self.moves += 1
        item.parent = parent
        parent.take(item)
        parent.node = None
        parent.spoil()
        self._stand(item, parent)
        if item.children:
            for each in item.below():
                if each is not item and each.parent is not None:
                    self._stand(each, each.parent)

    def _stand(self, item: Item, above: Item) -> None:
        item.depth = above.depth + 1
        item.within = above.within if above.grown is None or above is self.root else above.grown.app.key
        item.node = item.flat = None

    def _unhang(self, item: Item) -> None:
        parent, item.parent = item.parent, None
        self.moves += 1
        if parent is not None:
            parent.lose(item)
            parent.node = None
            parent.spoil()

    # --- what is known of an item -----------------------------------------------------------------------------------

    def _know(self, item: Item, former: str = "") -> None:
        """Finds an item by its object's uid, and no longer by a former one."""
        if former:
            self._by_uid.discard(former, item)
        if item.obj is not None and item.obj.uid:
            self._by_uid.add(item.obj.uid, item)

    def _read(self, item: Item) -> None:
        """What an item's object says that it manages."""
        obj = item.obj
        item.grown, item.listed = None, NOTHING
        if obj is None:
            return
        if item.kind == APPLICATION:
            item.grown = self._grown(obj)
            item.listed = listing_of(item.grown) if item.grown is not None else NOTHING
            return
        facts = item.facts = item.facts or self._facts(obj)
        place = self._remote(item.ref.namespace, facts.elsewhere) if facts.elsewhere else self.cluster
        item.listed = {(place, ref): None for ref in facts.listed}

    def _enlist(self, item: Item) -> None:
        for key in item.listed:
            self._listers.setdefault(key, {})[item.key] = item
        if item.grown is not None and item.grown.place == self.cluster:
            self._trackers.add(item.grown.tracking, item)

    def _delist(self, item: Item) -> None:
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

    # --- the whole tree at once -------------------------------------------------------------------------------------

    def make_anew(self) -> None:
        """Takes in all that the root leads to, as if nothing had stood there."""
        known = self._items
        self._stale = False
        self._clear()
        self._admit_all(known)
        best: dict[Key, list[Item]] = {}
        for item in self._items.values():
            if item is not self.root:
                parent = self._best(item.key, item.obj)
                assert parent is not None
                best.setdefault(parent.key, []).append(item)
        reached = {self.root.key}
        self._hang_below(self.root, best, reached)
        self._ringed = len(reached) < len(self._items)
        if self._ringed:
            self._hang_rings(best, reached)
        self.root.node = None
        self.root.spoil()

    def _admit_all(self, known: Mapping[Key, Item]) -> None:
        """Admits all that the root leads to, wherever it will hang."""
        waiting = self._leads_to(self.root)
        while waiting:
            key = waiting.pop()
            obj = self._get(key)
            if key not in self._items and self._best(key, obj) is not None:
                item = Item(key, obj)
                if (former := known.get(key)) is not None and former.obj is obj:
                    item.facts = former.facts
                waiting += self._leads_to(self._admit(item))

    def _hang_below(self, top: Item, best: Mapping[Key, list[Item]], reached: set[Key]) -> list[Item]:
        """Hangs on what is reached whatever belongs there by its best; returns what is reached by that, and `top`."""
        found = [top]
        for parent in found:
            for item in best.get(parent.key, ()):
                if item.key not in reached:
                    reached.add(item.key)
                    self._hang(item, parent)
                    found.append(item)
        return found

    def _hang_rings(self, best: Mapping[Key, list[Item]], reached: set[Key]) -> None:
        """Hangs what only rings lead to by their best: the first to which something reached leads, and so on."""
        waiting: list[tuple[Order, Key]] = []

        def look_from(items: Iterable[Item]) -> None:
            for item in items:
                for key in self._leads_to(item):
                    if key in self._items and key not in reached:
                        heappush(waiting, (self._items[key].order, key))

        look_from([self._items[key] for key in reached])
        while waiting:
            _, key = heappop(waiting)
            item = self._items[key]
            parent = self._best(key, item.obj, among=reached) if key not in reached else None
            if parent is not None:
                reached.add(key)
                self._hang(item, parent)
                look_from(self._hang_below(item, best, reached))


def _rank_and_order(found: tuple[int, Item]) -> tuple[int, Order]:
    return found[0], found[1].order


def _stands_below(item: Item | None, other: Item) -> bool:
    while item is not None:
        if item is other:
            return True
        item = item.parent
    return False


def _says(obj: StoredObject) -> tuple[object, ...]:
    """What an object says of where it belongs."""
    return obj.meta.owner_references, came_from(obj), tracker_of(obj)


def tracker_of(obj: StoredObject) -> str:
    """The application, as tracking ids name it, that an object says it belongs to; empty where it says nothing, or was
    copied from the one that does."""
    value = (obj.meta.annotations or {}).get(TRACKING_ID)
    return value.partition(":")[0] if value and names_itself(value, obj.ref) else ""
