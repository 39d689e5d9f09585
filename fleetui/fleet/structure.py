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

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from fleetui.fleet.edges import STATEFUL_SET, came_from, may_list
from fleetui.fleet.items import NOTHING, Grown, Item, Key, Listing, Order, order_of
from fleetui.fleet.leads import Leads, tracker_of
from fleetui.model.objects import ObjectRef, StoredObject

_UNLISTED = object()


class _RingError(Exception):
    """The best of what leads to an item stands below it."""


class Structure:
    """The items below one application.

    `root` is the application: what it lists is in `root.listed`, and `root.grown` says where that is. `leads` tells
    what leads to an object; of clusters other than its own only what is listed is known.
    """

    def __init__(self, root: Item, leads: Leads) -> None:
        self.root = root
        self.leads = leads
        self.cluster = leads.cluster
        self.moves = 0
        """How often an item has come, gone or moved."""
        self._ringed = False
        self._stale = False
        self._clear()

    def _clear(self) -> None:
        self.root.children = []
        self.leads.clear(self.root)

    @property
    def items(self) -> dict[Key, Item]:
        """Every item of the tree, in its place."""
        if self._stale:
            self.make_anew()
        return self.leads.items

    @property
    def is_stale(self) -> bool:
        """Whether anything may have another place than it had: the tree has a ring, and was not looked at since."""
        return self._stale

    # --- what changes -----------------------------------------------------------------------------------------------

    def grow(self) -> None:
        """Takes in all that the root leads to."""
        self._settle(self.leads.leads_to(self.root))

    def relist(self, grown: Grown, listed: Listing) -> None:
        """The application lists other objects than before; it stays where it is."""
        before = self.root.listed
        self.leads.delist(self.root)
        self.root.grown, self.root.listed = grown, listed
        self.leads.enlist(self.root)
        if unlike := self._unlike(before, listed):
            self._settle(unlike)

    def stands(self, ref: ObjectRef) -> bool:
        """Whether an object, there or not, has its place in the tree."""
        return (self.cluster, ref) in self.leads.items

    def touch(self, ref: ObjectRef) -> Item | None:
        """An object changed, came or went; returns its item where it has one now, or had when it was last looked at."""
        key = (self.cluster, ref)
        item, obj = self.leads.items.get(key), self.leads.get(key)
        if item is None:
            if obj is not None:
                self._settle([key])
        elif item is not self.root and obj is not item.obj:
            before, item.obj, item.facts = item.obj, obj, None
            affected = self._affected(item, before)
            if affected:
                self._settle(affected)
        return self.leads.items.get(key)

    def _affected(self, item: Item, before: StoredObject | None) -> list[Key]:
        """Whose place may be another, after an item's object changed from `before`."""
        obj, keys = item.obj, []
        uid, was = obj.uid if obj is not None else "", before.uid if before is not None else ""
        if obj is None or before is None or uid != was:
            self.leads.know(item, was)
            keys += [item.key, *(child.key for child in item.children), *self.leads.leads_to(item)]
        elif _says(obj) != _says(before):
            keys.append(item.key)
        if item.kind == STATEFUL_SET:  # its templates say which claims are its
            keys += self.leads.named_after(item)
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
        self.leads.delist(item)
        self.leads.read(item)
        self.leads.enlist(item)
        keys = self._unlike(listed, item.listed)
        for each in (grown, item.grown) if grown != item.grown else ():
            keys += self.leads.tracked_by(each)
        return keys

    def _unlike(self, before: Listing, now: Listing) -> list[Key]:
        """Which objects are listed no more, newly, or otherwise than before."""
        unlike = [key for key in before.keys() | now.keys() if before.get(key, _UNLISTED) != now.get(key, _UNLISTED)]
        for key in unlike:
            if (item := self.leads.items.get(key)) is not None:
                item.node = None
                item.spoil()
        return unlike

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
        item = self.leads.items.get(key)
        obj = item.obj if item is not None else self.leads.get(key)
        parent = self.leads.best(key, obj)
        if item is None:
            if parent is None:
                return ()
            item = self._admit(Item(key, obj))
            self._hang(item, parent)
            if item.listed:
                self._unlike(NOTHING, item.listed)
            return self.leads.leads_to(item)
        if parent is None:
            return self._uproot(item)
        if parent is not item.parent:
            if item.children and _stands_below(parent, item):
                raise _RingError
            self._hang(item, parent)
        return ()

    def _admit(self, item: Item) -> Item:
        self.leads.items[item.key] = item
        self.leads.know(item)
        if may_list(item.kind):
            self.leads.read(item)
            self.leads.enlist(item)
        return item

    def _uproot(self, item: Item) -> list[Key]:
        """Takes an item out that nothing leads to; returns what it led to."""
        keys = [*(child.key for child in item.children), *self._unlike(item.listed, NOTHING)]
        for child in item.children:
            child.parent = None
        self._unhang(item)
        self.leads.delist(item)
        del self.leads.items[item.key]
        if item.obj is not None:
            was, item.obj = item.obj.uid, None
            self.leads.know(item, was)
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

    # --- the whole tree at once -------------------------------------------------------------------------------------

    def make_anew(self) -> None:
        """Takes in all that the root leads to, as if nothing had stood there."""
        known = self.leads.items
        self._stale = False
        self._clear()
        self._admit_all(known)
        best: dict[Key, list[Item]] = {}
        for item in self.leads.items.values():
            if item is not self.root:
                parent = self.leads.best(item.key, item.obj)
                assert parent is not None
                best.setdefault(parent.key, []).append(item)
        reached = {self.root.key}
        self._hang_below(self.root, best, reached)
        self._ringed = len(reached) < len(self.leads.items)
        if self._ringed:
            self._hang_rings(best, reached)
        self.root.node = None
        self.root.spoil()

    def _admit_all(self, known: Mapping[Key, Item]) -> None:
        """Admits all that the root leads to, wherever it will hang."""
        waiting = self.leads.leads_to(self.root)
        while waiting:
            key = waiting.pop()
            obj = self.leads.get(key)
            if key not in self.leads.items and self.leads.best(key, obj) is not None:
                item = Item(key, obj)
                if (former := known.get(key)) is not None and former.obj is obj:
                    item.facts = former.facts
                waiting += self.leads.leads_to(self._admit(item))

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
                for key in self.leads.leads_to(item):
                    if key in self.leads.items and key not in reached:
                        heappush(waiting, (self.leads.items[key].order, key))

        look_from([self.leads.items[key] for key in reached])
        while waiting:
            _, key = heappop(waiting)
            item = self.leads.items[key]
            parent = self.leads.best(key, item.obj, among=reached) if key not in reached else None
            if parent is not None:
                reached.add(key)
                self._hang(item, parent)
                look_from(self._hang_below(item, best, reached))


def _stands_below(item: Item | None, other: Item) -> bool:
    while item is not None:
        if item is other:
            return True
        item = item.parent
    return False


def _says(obj: StoredObject) -> tuple[object, ...]:
    """What an object says of where it belongs."""
    return obj.meta.owner_references, came_from(obj), tracker_of(obj)
