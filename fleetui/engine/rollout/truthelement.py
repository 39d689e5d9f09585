"""A version in an element of an ApplicationSet's list generator, also where many clusters share the element.

Owns: `Element`, `element_versions`, `with_elements`: which element gives a cell its version, and what is to be there
instead. How that is written into the text is in ``truthwrap``. Called by `fleetui.engine.rollout.truth`. Pure.

Where only some of the clusters that share an element move, the generator becomes the base of a ``merge`` whose second
generator lists the cells that moved; the merge keys are what tells the cells apart. When no cell wants the element's
own version any more, the element is changed, and the wrapping goes. Valid for Argo CD 3.6 (applicationset/generators/
merge.go: two generators or more, unique merge keys in each, later ones win; matrix.go and merge.go: what is nested in a
nested matrix or merge may be neither; a nested generator's own template does not count).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import yaml

from fleetui.engine.application import mapping, mappings, strings
from fleetui.engine.rollout.truthtext import (
    Document,
    Path,
    Splice,
    checked,
    rewritten,
    said,
    spliced,
    value_at,
    with_value,
)
from fleetui.engine.rollout.truthwrap import Wrapping, listed, unwrapped, wrapped, wrapping_of
from fleetui.model.errors import ManifestError

_GENERATORS: Path = ("spec", "generators")
_NESTED = ("matrix", "merge")
_WHERE, _IN = " where ", " in "

_Keys = tuple[tuple[str, str], ...]


class Element(NamedTuple):
    """A cell as an ApplicationSet knows it: the parameters that tell it from every other, as ``name`` and ``addon``,
    and the parameter that is its version. `generator`: the index of the generator that makes it, where several could.
    """

    field: str
    keys: _Keys
    generator: int | None = None

    def __str__(self) -> str:
        """As `fleetui.model.rollout.Truth.field` has it: ``version where name=seoul-1,addon=cert-manager``."""
        keys = ",".join(f"{_quoted(key)}={_quoted(value)}" for key, value in self.keys)
        return f"{self.field}{_WHERE}{keys}{'' if self.generator is None else f'{_IN}{self.generator}'}"


def _quoted(text: str) -> str:
    return quote(text, safe="/:@+*()")


def element_of(text: str) -> Element:
    """Reads what ``str(Element)`` writes.

    Raises:
        ManifestError: it is something else.
    """
    field, where, rest = text.partition(_WHERE)
    keys, within, generator = rest.partition(_IN)
    pairs = [each.partition("=") for each in keys.split(",")]
    if not where or not all(equals for _, equals, _ in pairs) or (within and not generator.isdecimal()):
        raise ManifestError(f"{text!r} names no element", hint="write it as version where name=CLUSTER,addon=ADDON")
    named = tuple((unquote(key), unquote(value)) for key, _, value in pairs)
    return Element(field, named, int(generator) if within else None)


# --- which element --------------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """An element that gives versions; `rank` says which of two in one generator wins."""

    generator: int
    rank: tuple[int, ...]
    path: Path
    version: str


class _Index:
    """The elements of a document's list generators, by what they say of the cells' keys."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.generators = mappings(value_at(document.value, _GENERATORS))
        self._elements: list[tuple[int, tuple[int, ...], Path, Mapping[str, Any]]] = []
        for number, generator in enumerate(self.generators):
            for rank, path, element in _elements(generator, (*_GENERATORS, number), ()):
                self._elements.append((number, rank, path, element))
        self._known: dict[tuple[str, tuple[str, ...]], dict[_Keys, list[_Place]]] = {}

    def places(self, cell: Element) -> list[_Place]:
        """The elements that give a cell its version, the one that counts last.

        Raises:
            ManifestError: two of them would count, or several generators could make it.
        """
        known = self._about(cell.field, tuple(key for key, _ in cell.keys))
        found = [
            place
            for count in range(1, len(cell.keys) + 1)
            for some in combinations(cell.keys, count)
            for place in known.get(some, ())
            if cell.generator in {None, place.generator}
        ]
        found.sort(key=lambda place: (place.generator, place.rank))
        for one, other in pairwise(found):
            if one[:2] == other[:2] or one.generator != other.generator:
                node = self._document.at(other.path)
                raise self._document.refusal(f"the version of {_named(cell)} stands in several elements", node)
        return found

    def _about(self, field: str, names: tuple[str, ...]) -> dict[_Keys, list[_Place]]:
        known = self._known.get((field, names))
        if known is None:
            known = self._known[field, names] = {}
            for number, rank, path, element in self._elements:
                version = said(value_at(element, field.split(".")))
                keys = _keys_of(element, names)
                if version is not None and keys:
                    known.setdefault(keys, []).append(_Place(number, rank, path, version))
        return known


def _elements(
    generator: Mapping[str, Any], path: Path, rank: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Path, Mapping[str, Any]]]:
    elements = mapping(generator.get("list")).get("elements")
    for number, element in enumerate(elements if isinstance(elements, list) else []):
        yield rank, (*path, "list", "elements", number), mapping(element)
    for kind in _NESTED:
        below = mapping(generator.get(kind)).get("generators")
        for number, inner in enumerate(below if isinstance(below, list) else []):
            deeper = (*rank, number) if kind == "merge" else rank
            yield from _elements(mapping(inner), (*path, kind, "generators", number), deeper)


def element_versions(document: Document, cells: Iterable[Element]) -> dict[Element, str]:
    """The version of each cell that some element gives one.

    Raises:
        ManifestError: several elements do.
    """
    index = _Index(document)
    return {cell: places[-1].version for cell in dict.fromkeys(cells) if (places := index.places(cell))}


# --- other versions -------------------------------------------------------------------------------------------------


def with_elements(document: Document, wanted: Mapping[Element, str], known: Collection[Element]) -> str:
    """See `fleetui.engine.rollout.truth.with_versions`.

    Raises:
        ManifestError: no element gives a cell its version, or Argo CD would not take the generator wrapped.
    """
    ways = {(cell.field, tuple(key for key, _ in cell.keys)) for cell in wanted}
    if len(ways) != 1:
        raise document.refusal("its cells are told apart in different ways")
    ((field, keys),) = ways
    draft = _Draft(document, field, keys)
    shared: dict[_Place, dict[Element, str]] = {}
    for cell in dict.fromkeys((*wanted, *known)):
        base = draft.base_of(cell)
        if base is None:
            if cell in wanted:
                raise document.refusal(f"no element of a list generator gives {_named(cell)} its {cell.field}")
            continue
        version = wanted.get(cell, draft.version_of(cell))
        if all(key in value_at(document.value, base.path) for key in keys):
            draft.set(base, version)
        else:
            shared.setdefault(base, {})[cell] = version
    for place, cells in shared.items():
        if any(version != draft.version_of(cell) for cell, version in cells.items()):
            draft.move(place, cells)
    return draft.text()


class _Draft:
    """A document that becomes another one: which elements get another version, and which cells stand beside which
    generator."""

    def __init__(self, document: Document, field: str, keys: tuple[str, ...]) -> None:
        self._document = document
        self._field, self._keys = field, keys
        self._index = _Index(document)
        self._value = document.value
        self._splices: list[Splice] = []
        paths = [(*_GENERATORS, number) for number in range(len(self._index.generators))]
        found = (wrapping_of(document, path, keys, field) for path in paths)
        self._wraps = {number: each for number, each in enumerate(found) if each is not None}
        self._beside = {number: self._listed(wrap) for number, wrap in self._wraps.items()}
        self._moved: set[int] = set()

    def _listed(self, wrap: Wrapping) -> dict[_Keys, str]:
        elements = [mapping(each) for each in value_at(self._document.value, wrap.elements)]
        field = self._field.split(".")
        return {_keys_of(each, self._keys): said(value_at(each, field)) or "" for each in elements}

    def version_of(self, cell: Element) -> str:
        """The version that a cell has before anything is changed."""
        return self._index.places(cell)[-1].version

    def base_of(self, cell: Element) -> _Place | None:
        """The element that gives a cell its version where it does not stand beside the generator."""
        places = self._index.places(cell)
        wrap = self._wraps.get(places[-1].generator) if places else None
        inside = [place for place in places if wrap is None or place.path[:-1] != wrap.elements]
        if places and not inside:
            raise self._document.refusal("a cell stands beside a generator that does not make it", self._at(places[-1]))
        return inside[-1] if inside else None

    def _at(self, place: _Place) -> yaml.Node:
        return self._document.at(place.path)

    def set(self, place: _Place, version: str) -> None:
        """Writes another version into an element."""
        if version != place.version:
            path = (*place.path, *self._field.split("."))
            self._splices.append(rewritten(self._document, path, version))
            self._value = with_value(self._value, path, version)

    def move(self, place: _Place, cells: Mapping[Element, str]) -> None:
        """Decides what becomes of a shared element, and which of its cells stand beside the generator."""
        counted = Counter(cells.values())
        base = place.version if place.version in counted else counted.most_common(1)[0][0]
        self.set(place, base)
        beside = self._beside.setdefault(place.generator, {})
        self._moved.add(place.generator)
        for cell, version in cells.items():
            if version == base:
                beside.pop(cell.keys, None)
            else:
                beside[cell.keys] = version

    def text(self) -> str:
        """The file's text as it then is.

        Raises:
            ManifestError: it can't be edited so.
        """
        for number in sorted(self._moved):
            self._write(number, self._beside[number])
        if not self._splices:
            return self._document.text
        return checked(self._document, self._value, spliced(self._document.text, self._splices))

    def _write(self, number: int, beside: Mapping[_Keys, str]) -> None:
        document, path = self._document, (*_GENERATORS, number)
        wrap = self._wraps.get(number)
        if wrap is not None and not beside:
            self._splices += unwrapped(document, wrap)
            self._value = with_value(self._value, path, value_at(self._value, wrap.base))
        elif wrap is not None:
            self._list_anew(wrap, beside)
        elif beside:
            self._list(number, path, [self._element(keys, version) for keys, version in beside.items()])

    def _list_anew(self, wrap: Wrapping, beside: Mapping[_Keys, str]) -> None:
        """Has other cells in the list that is there."""
        there = list(self._listed(wrap).items())
        gone = {number for number, (keys, _) in enumerate(there) if keys not in beside}
        known = dict(there)
        new = [self._element(keys, version) for keys, version in beside.items() if keys not in known]
        for number, (keys, version) in enumerate(there):
            if keys in beside:
                self.set(_Place(0, (), (*wrap.elements, number), version), beside[keys])
        if gone or new:
            self._splices += listed(self._document, wrap.elements, new, gone=gone)
        kept = [each for number, each in enumerate(value_at(self._value, wrap.elements)) if number not in gone]
        self._value = with_value(self._value, wrap.elements, [*kept, *new])

    def _list(self, number: int, path: Path, elements: list[dict[str, Any]]) -> None:
        """Lists cells where none have been: in a merge that somebody else has made, or in one around the generator."""
        generator = self._index.generators[number]
        there = _overrides(generator, path, self._keys)
        if there is not None:
            self._splices += listed(self._document, there, elements)
            self._value = with_value(self._value, there, [*value_at(self._value, there), *elements])
            return
        _refuse_unwrappable(self._document, generator, path)
        self._splices += wrapped(self._document, path, self._keys, elements)
        generators = [value_at(self._value, path), {"list": {"elements": elements}}]
        merge = {"mergeKeys": [*self._keys], "generators": generators}
        self._value = with_value(self._value, path, {"merge": merge})

    def _element(self, keys: _Keys, version: str) -> dict[str, Any]:
        value: Any = version
        for part in reversed(self._field.split(".")):
            value = {part: value}
        return {**dict(keys), **value}


def _keys_of(element: Mapping[str, Any], names: Sequence[str]) -> _Keys:
    return tuple((name, text) for name in names if (text := said(element.get(name))) is not None)


def _named(cell: Element) -> str:
    return " and ".join(value for _, value in cell.keys)


def _overrides(generator: Mapping[str, Any], path: Path, keys: Sequence[str]) -> Path | None:
    """The list of a merge that somebody else has made, and to which cells can be added."""
    merge = mapping(generator.get("merge"))
    below = merge.get("generators")
    if not isinstance(below, list) or len(below) < 2 or set(strings(merge.get("mergeKeys"))) != set(keys):
        return None
    elements = mapping(mapping(below[-1]).get("list")).get("elements")
    if not isinstance(elements, list) or not elements:
        return None
    return (*path, "merge", "generators", len(below) - 1, "list", "elements")


def _refuse_unwrappable(document: Document, generator: Mapping[str, Any], path: Path) -> None:
    for kind, inner in generator.items():
        if mapping(inner).get("template"):
            why, hint = "the generator has a template of its own", "put it into spec.template"
        elif kind in _NESTED and any(each in below for below in mappings(inner.get("generators")) for each in _NESTED):
            why, hint = "its generators are nested too deeply", "take the version from a list per cluster"
        else:
            continue
        hint += ", or move all clusters of this element at once"
        raise document.refusal(f"some clusters alone can't move: {why}", document.at(path), hint)
