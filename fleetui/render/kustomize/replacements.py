"""Values copied from one object into others.

Owns: `apply_replacements`. Follows api 0.21.2 (filters/replacement/replacement.go). Where paths lead is in
`fieldpaths`. Edits within JSON or YAML texts are left to the binary. Called by `target`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.fieldpaths import lookup, places, read_plain, split
from fleetui.render.kustomize.kustomization import FieldOptions, Replacement, Source, Target
from fleetui.render.kustomize.patches import Loader
from fleetui.render.kustomize.resource import Id, Resource, Resources
from fleetui.render.kustomize.selectors import Selector
from fleetui.render.kustomize.values import (
    Untyped,
    copied,
    is_null,
    is_scalar,
    retyped,
    text_of,
    untyped,
)
from fleetui.render.yaml import documents

_DEFAULT_PATH = "metadata.name"


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
    container, key = lookup(_selected(source, resources).obj, split(path)) or ([None], 0)
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
    found = list(places((None, None), resource.obj, split(path), create))
    if not found:
        raise Problem(f"the replacement's target {resource.id} has no field {path}; options.create makes it")
    for container, key in found:
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
        return copied(value) if typed else read_plain(value)
    if not is_scalar(value) or is_null(old):
        raise UnsupportedProblem("a replacement of a scalar by something else")
    if old is _FRESH:
        return read_plain(text_of(value))
    if isinstance(old, Untyped):
        return untyped(text_of(value))
    if isinstance(old, str):
        return retyped(old, text_of(value))
    new = read_plain(text_of(value))
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
