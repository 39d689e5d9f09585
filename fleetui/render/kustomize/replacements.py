"""Values copied from one object into others.

Owns: `apply_replacements`. Follows api 0.21.2 (filters/replacement/replacement.go) and kyaml (yaml/match.go for paths
with several matches). Edits within JSON or YAML texts are left to the binary. Called by `target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import FieldOptions, Replacement, Source, Target
from fleetui.render.kustomize.patches import Loader
from fleetui.render.kustomize.resource import Id, Resource, Resources
from fleetui.render.kustomize.selectors import Selector, pattern
from fleetui.render.kustomize.values import (
    EMPTY,
    Untyped,
    copied,
    is_null,
    is_scalar,
    new_key,
    plain,
    retyped,
    text_of,
    untyped,
)
from fleetui.render.yaml import documents

_DEFAULT_PATH = "metadata.name"
_Place = tuple[Any, Any]
"""A container and the key or index of an item of it."""


def apply_replacements(replacements: Sequence[Replacement], resources: Resources, loader: Loader) -> None:
    """The field `replacements`.

    Raises:
        ManifestError, Problem: a source or a field is not there.
    """
    loaded = [each for replacement in replacements for each in _loaded(replacement, loader)]
    for replacement in loaded:
        if (replacement.source is None and replacement.source_value is None) or replacement.targets is None:
            raise Problem("a replacement needs a source and targets")
        value = _source(replacement, resources)
        for target in replacement.targets:
            _apply(target, value, resources)


def _loaded(replacement: Replacement, loader: Loader) -> list[Replacement]:
    if not replacement.path:
        return [replacement]
    if replacement.source is not None or replacement.targets:
        raise Problem("a replacement has both path and what stands in the file itself")
    content, file = loader.load(replacement.path)
    values = list(documents(content, path=file))
    if len(values) != 1:
        raise ManifestError("not one document with replacements", path=file)
    value = values[0].value
    try:
        return msgspec.convert(value if isinstance(value, list) else [value], list[Replacement])
    except msgspec.ValidationError as error:
        raise UnsupportedProblem(f"the replacement in {file} ({error})") from error


# --- the source -----------------------------------------------------------------------------------------------


class _Value:
    """What is copied, looked at anew each time: where a source is among its own targets, later ones see the change.

    `typed` says whether it has a type of its own; a `sourceValue` has none.
    """

    def __init__(self, container: Any, key: Any, *, typed: bool) -> None:
        self._container = container
        self._key = key
        self.typed = typed

    def get(self) -> Any:
        return self._container[self._key]


def _source(replacement: Replacement, resources: Resources) -> _Value:
    if replacement.source_value is not None:
        if replacement.source is not None:
            raise Problem("a replacement has both source and sourceValue")
        return _Value([replacement.source_value], 0, typed=False)
    source = replacement.source
    assert source is not None
    path = source.field_path or _DEFAULT_PATH
    container, key = _lookup(_selected(source, resources).obj, _split(path)) or ([None], 0)
    value = container[key]
    if is_null(value) or value in ({}, []):
        raise Problem(f"the replacement's source has no field {path}")
    if source.options is not None and source.options.delimiter:
        return _Value([_piece(value, source.options)], 0, typed=True)
    return _Value(container, key, typed=True)


def _selected(source: Source, resources: Resources) -> Resource:
    found = [resource for resource in resources if any(_is_selected(each, source) for each in _ids(resource))]
    name = f"{source.kind or 'object'} {source.name}".strip()
    if not found:
        raise Problem(f"the replacement's source {name} does not exist")
    if len(found) > 1:
        raise Problem(f"the replacement's source {name} could be any of {len(found)} objects")
    return found[0]


def _ids(resource: Resource) -> list[Id]:
    """`MakeResIds`: these do not know whether their kind has namespaces."""
    return [resource.id._replace(cluster_scoped=False), *resource.previous_ids]


def _is_selected(known: Id, source: Source) -> bool:
    return (
        source.name in ("", known.name)
        and (not source.namespace or source.namespace == known.effective_namespace)
        and known.gvk.selected_by(source.group, source.version, source.kind)
    )


def _piece(value: Any, options: FieldOptions) -> Any:
    if not isinstance(value, str):
        if is_scalar(value):
            raise UnsupportedProblem("a delimiter within a number")
        raise Problem("the delimiter option works on texts only")
    pieces = value.split(options.delimiter)
    if not 0 <= options.index < len(pieces):
        raise Problem(f"options.index {options.index} is beyond the {len(pieces)} pieces of {value}")
    return retyped(value, pieces[options.index])


# --- targets --------------------------------------------------------------------------------------------------


def _apply(target: Target, value: _Value, resources: Resources) -> None:
    if target.select is None:
        raise Problem("a replacement's target has no select")
    for selector in (target.select, *target.reject):
        selector.compile()
    for resource in resources:
        if _is_target(resource, target, target.select):
            for path in target.field_paths or [_DEFAULT_PATH]:
                _set(resource, path, value, target.options)
            resource.spread_shared()


def _is_target(resource: Resource, target: Target, select: Selector) -> bool:
    if not select.selects_metadata(resource):
        return False
    ids = _ids(resource)
    for reject in target.reject:
        if (reject.annotation_selector or reject.label_selector) and reject.selects_metadata(resource):
            return False
        if _names_something(reject) and any(_selects(reject, each) for each in ids):
            return False
    return any(_selects(select, each) for each in ids)


def _names_something(selector: Selector) -> bool:
    return bool(selector.group or selector.version or selector.kind or selector.name or selector.namespace)


def _selects(selector: Selector, known: Id) -> bool:
    return (
        selector.selects_gvk(known.gvk)
        and selector.selects_name(known.name)
        and selector.selects_namespace(known.namespace)
    )


def _set(resource: Resource, path: str, value: _Value, options: FieldOptions | None) -> None:
    create = _made(value.get()) if options is not None and options.create else None
    places = list(_places((None, None), resource.obj, _split(path), create))
    if not places:
        raise Problem(f"the replacement's target {resource.id} has no field {path}; options.create makes it")
    for container, key in places:
        if container is None:
            raise UnsupportedProblem("a replacement of a whole object")
        old = container[key]
        container[key] = _replaced(old, value.get(), value.typed, options)
        resource.untyped |= old is _FRESH and not isinstance(container[key], str)


class _Fresh:
    """A scalar that was just made: it takes the type that its text reads as."""


_FRESH = _Fresh()


def _made(value: Any) -> Any:
    return {} if isinstance(value, dict) else [] if isinstance(value, list) else _FRESH


def _replaced(old: Any, value: Any, typed: bool, options: FieldOptions | None) -> Any:
    if options is not None and options.delimiter:
        if not is_scalar(old):
            raise Problem("the delimiter option works on texts only")
        if not is_scalar(value) or is_null(old):
            raise UnsupportedProblem("a delimiter between values that are no texts")
        value, typed = _joined("" if old is _FRESH else text_of(old), text_of(value), options), isinstance(value, str)
    if not is_scalar(old):
        return copied(value) if typed else _read(value)
    if not is_scalar(value) or is_null(old):
        raise UnsupportedProblem("a replacement of a scalar by something else")
    if old is _FRESH:
        return _read(text_of(value))
    if isinstance(old, Untyped):
        return untyped(text_of(value))
    if isinstance(old, str):
        return retyped(old, text_of(value))
    new = _read(text_of(value))
    if type(new) is not type(old):
        raise UnsupportedProblem(f"a replacement of {text_of(old)} by {text_of(value)}, which is of another type,")
    return new


def _joined(old: str, value: str, options: FieldOptions) -> str:
    pieces = old.split(options.delimiter)
    if options.index < 0:
        pieces.insert(0, value)
    elif options.index >= len(pieces):
        pieces.append(value)
    else:
        pieces[options.index] = value
    return options.delimiter.join(pieces)


def _read(text: str) -> Any:
    """What is written without a type."""
    value = plain(text)
    if value is EMPTY:
        raise UnsupportedProblem("an empty replacement")
    return Untyped(value) if isinstance(value, str) else value


# --- paths ----------------------------------------------------------------------------------------------------


def _split(path: str) -> list[str]:
    """`SmarterPathSplitter`: parts at dots; what stands in brackets is one part, with them where it holds ``=``."""
    rough: list[str] = []
    for piece in path.removeprefix(".").split("."):
        if rough and rough[-1].endswith("\\"):
            rough[-1] = f"{rough[-1][:-1]}.{piece}"
        else:
            rough.append(piece)
    parts: list[str] = []
    pieces = iter(rough)
    for piece in pieces:
        if not piece.startswith("[") or piece.endswith("]"):
            parts.append(piece)
            continue
        while not piece.endswith("]") and (more := next(pieces, None)) is not None:
            piece = f"{piece}.{more}"
        parts.append(piece if "=" in piece else piece.strip("[]"))
    if any(part != part.strip() or not part for part in parts):
        raise UnsupportedProblem(f"the field path {path!r}")
    return parts


def _lookup(value: Any, parts: Sequence[str]) -> _Place | None:
    """`Lookup`: where the value at the path is; None where the path ends before."""
    place: _Place = ([value], 0)
    for part in parts:
        value = place[0][place[1]]
        if is_null(value):
            return None
        key = _key(value, part)
        if key is None:
            return None
        place = (value, key)
    return place


def _key(value: Any, part: str) -> Any:
    """The key or index of the item that one part of a source's path names; None where there is none."""
    if part == "*":
        raise Problem("a replacement's source can't have * in its path")
    if part == "-" or _is_index(part):
        if not isinstance(value, list):
            raise UnsupportedProblem(f"the index {part} of something that is no list")
        index = len(value) - 1 if part == "-" else int(part)
        return index if 0 <= index < len(value) else None
    if _is_match(part):
        name, wanted = _name_and_value(part)
        if not isinstance(value, list):
            raise Problem(f"the replacement's source has no list at {part}")
        return next((index for index, item in enumerate(value) if _has(item, name, wanted)), None)
    if not isinstance(value, dict):
        raise Problem(f"the replacement's source is no mapping at {part}")
    return part if part in value else None


def _has(item: Any, name: str, wanted: str) -> bool:
    if not name:
        return is_scalar(item) and text_of(item) == wanted
    return isinstance(item, dict) and name in item and (not wanted or text_of(item[name]) == wanted)


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit()


def _is_match(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _name_and_value(part: str) -> tuple[str, str]:
    name, separator, value = part[1:-1].partition("=")
    if not separator:
        raise Problem(f"the path part {part} is not of the form [field=value]")
    return name, value


def _places(place: _Place, value: Any, parts: Sequence[str], create: Any) -> Iterator[_Place]:
    """`PathMatcher`: where the values at the path are; with `create`, what is missing is made on the way."""
    if not parts:
        yield place
        return
    part, rest = parts[0], parts[1:]
    if value is None or value is EMPTY:
        if create is not None:
            raise UnsupportedProblem("a null on the path of a replacement that creates")
        return
    if _is_index(part):
        yield from _at_index(value, int(part), rest, create)
    elif _is_match(part):
        yield from _at_match(value, part, rest, create)
    elif part == "*":
        for index, item in enumerate(_list(value, part)):
            yield from _places((value, index), item, rest, create)
    else:
        yield from _at_field(value, part, rest, create)


def _at_field(value: Any, part: str, rest: Sequence[str], create: Any) -> Iterator[_Place]:
    if not isinstance(value, dict):
        if is_scalar(value):
            raise UnsupportedProblem(f"a replacement within a text (at {part})")
        raise Problem(f"the replacement's target is no mapping at {part}")
    if part not in value:
        if create is None:
            return
        value[new_key(part)] = _next(rest, create)
    yield from _places((value, part), value[part], rest, create)


def _at_index(value: Any, index: int, rest: Sequence[str], create: Any) -> Iterator[_Place]:
    items = _list(value, str(index))
    if index == len(items) and create is not None:
        items.append(_next(rest, create))
    if index >= len(items):
        raise Problem(f"the replacement's target has only {len(items)} items where it names index {index}")
    yield from _places((items, index), items[index], rest, create)


def _at_match(value: Any, part: str, rest: Sequence[str], create: Any) -> Iterator[_Place]:
    name, wanted = _name_and_value(part)
    items = _list(value, part)
    if any(char in wanted for char in "^$'\"\\"):
        raise UnsupportedProblem(f"the path part {part}")
    expression = pattern(wanted)
    found: list[_Place] = []
    for index, item in enumerate(items):
        if name and not isinstance(item, dict):
            raise UnsupportedProblem(f"the path part {part} in a list of texts")
        text = _searched(item.get(name) if name else item) if not name or name in item else None
        if text is not None and expression.search(text):
            found += _places((items, index), item, rest if name else (), create)
    if not found and create is not None:
        items.append({name: _read(wanted)} if name else _read(wanted))
        found += (
            _at_match(value, part, rest, None)
            if not rest
            else _places((items, len(items) - 1), items[-1], rest, create)
        )
    yield from found


def _searched(value: Any) -> str:
    if not is_scalar(value) or is_null(value):
        raise UnsupportedProblem("a replacement that looks for a mapping")
    return text_of(value)


def _list(value: Any, part: str) -> list[Any]:
    if not isinstance(value, list):
        if is_scalar(value):
            raise UnsupportedProblem(f"a replacement within a text (at {part})")
        raise Problem(f"the replacement's target has no list at {part}")
    return value


def _next(rest: Sequence[str], create: Any) -> Any:
    if not rest:
        return copied(create)
    return [] if _is_match(rest[0]) or _is_index(rest[0]) else {}
