"""Changes, made: what `compare` told becomes the desired object again.

Owns: `apply_changes`, `json_patch`, and the order in which changes can be made one after the other. Pure; on decoded
objects alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fleetui.diff.structure import copy_tree
from fleetui.model.change import Change, ChangeKind, Path
from fleetui.model.objects import Obj


def apply_changes(live: Mapping[str, Any] | None, changes: Iterable[Change]) -> Obj | None:
    """The object that `live` becomes by all of `changes` (those of `compare`); `live` itself stays as it is."""
    pending = list(changes)
    if any(not change.path for change in pending):
        after = pending[0].after
        return None if after is None else dict(copy_tree(after))
    result: Obj = copy_tree(dict(live or {}))
    fields, lists = _in_turn(pending)
    for change in fields:
        node = _at(result, change.path[:-1])
        key = _key(node, change.path[-1])
        if change.kind is ChangeKind.REMOVE:
            del node[key]
        else:
            node[key] = copy_tree(change.after)
    for path, reordering in lists:
        reordering.of(_at(result, path))
    return result


class _Coming(NamedTuple):
    """An item that is put at `place` of the desired list: from `source` in the live one, or a new `value`."""

    place: int
    source: int | None
    value: Any


class _Reordering(NamedTuple):
    """What is done to the items of one list: positions in the live list that go, and what comes, by rising place."""

    removed: list[int]
    coming: list[_Coming]

    def of(self, items: list[Any]) -> None:
        """Reorders a live list in place."""
        new = [copy_tree(each.value) if each.source is None else items[each.source] for each in self.coming]
        sources = [each.source for each in self.coming if each.source is not None]
        for position in sorted([*self.removed, *sources], reverse=True):
            del items[position]
        for each, item in zip(self.coming, new, strict=True):
            items.insert(each.place, item)

    def operations(self, pointer: str, size: int) -> list[Obj]:
        """The same as a JSON patch for the list of `size` items at `pointer`.

        Each operation counts positions in what the ones before have left, so all of it is played through. What has yet
        to move still lies in between: an item comes right behind the one that will be before it.
        """
        done: list[Obj] = []
        now: list[int | _Coming] = list(range(size))  # live items by their position
        for position in sorted(self.removed, reverse=True):
            done.append({"op": "remove", "path": f"{pointer}/{position}"})
            del now[position]
        sources = {each.source for each in self.coming}
        wanted = [each for each in now if each not in sources]
        for each in self.coming:
            wanted.insert(each.place, each if each.source is None else each.source)
        for each in self.coming:
            start = None if each.source is None else now.index(each.source)
            if start is not None:
                del now[start]
            end = now.index(wanted[each.place - 1]) + 1 if each.place else 0
            now.insert(end, wanted[each.place])
            if start is None:
                done.append({"op": "add", "path": f"{pointer}/{end}", "value": each.value})
            elif start != end:
                done.append({"op": "move", "from": f"{pointer}/{start}", "path": f"{pointer}/{end}"})
        return done


def _in_turn(changes: Iterable[Change]) -> tuple[list[Change], list[tuple[Path, _Reordering]]]:
    """Changes in an order in which each path is still true when its turn comes; none of the paths is empty.

    First what leaves the items of every list where they are, then what reorders each list, the deepest lists first.
    """
    fields: list[Change] = []
    lists: dict[Path, _Reordering] = {}
    for change in changes:
        *parents, position = change.path
        if isinstance(position, str) or change.kind is ChangeKind.CHANGE:
            fields.append(change)
            continue
        reordering = lists.setdefault(tuple(parents), _Reordering([], []))
        if change.kind is ChangeKind.REMOVE:
            reordering.removed.append(position)
        elif change.kind is ChangeKind.ADD:
            reordering.coming.append(_Coming(position, None, change.after))
        else:
            reordering.coming.append(_Coming(change.after, position, None))
    for reordering in lists.values():
        reordering.coming.sort(key=lambda each: each.place)
    return fields, sorted(lists.items(), key=lambda each: -len(each[0]))


# --- for others to make ---------------------------------------------------------------------------------------------


def json_patch(live: Mapping[str, Any] | None, changes: Iterable[Change]) -> list[Obj]:
    """The changes of `compare` as a JSON patch (RFC 6902) that makes the desired object of `live`.

    Operations are `add`, `remove`, `replace` and `move`. An object that is to come is added at the empty pointer, one
    that is to go removed there. Values are shared with the changes.
    """
    pending = list(changes)
    for change in pending:
        if not change.path:
            return [_operation(change, "")]
    fields, lists = _in_turn(pending)
    operations = [_operation(change, _pointer(change.path)) for change in fields]
    for path, reordering in lists:
        operations += reordering.operations(_pointer(path), len(_at(live, path)))
    return operations


def _operation(change: Change, pointer: str) -> Obj:
    if change.kind is ChangeKind.REMOVE:
        return {"op": "remove", "path": pointer}
    return {"op": "add" if change.kind is ChangeKind.ADD else "replace", "path": pointer, "value": change.after}


def _pointer(path: Path) -> str:
    """A path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _at(root: Any, path: Path) -> Any:
    """What lies at `path`, which leads somewhere."""
    node = root
    for part in path:
        node = node[_key(node, part)]
    return node


def _key(node: Any, part: str | int) -> Any:
    """The key or position that a part of a path stands for: in a path every key is text."""
    if isinstance(node, dict) and part not in node:
        return next((key for key in node if str(key) == part), part)
    return part
