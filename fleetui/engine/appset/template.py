"""How a template of an ApplicationSet becomes an Application.

Owns: `ApplicationTemplate` (one template, read once and rendered for many parameters), `render` and `render_text`.
Called by `fleetui.engine.appset.generate` and its generators. Pure. The rules are those of Argo CD v3.6.1
(applicationset/utils/utils.go, `RenderTemplateParams` and `deeplyReplaceWithFilter`;
applicationset/controllers/template/template.go, `GenerateApplications`): each string is a template, and each key of a
map; numbers and booleans stay; where there are no parameters, nothing is rendered at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleetui.engine.appset import template_fast
from fleetui.model.errors import TemplateError
from fleetui.model.objects import Obj

Params = Mapping[str, Any]
_Made = Callable[[Params], Any]
_Compile = Callable[[str], Callable[[Params], str] | None]


def render(template: Obj, params: Params, *, go: bool, options: Sequence[str] = ()) -> Obj:
    """The template with everything in it rendered: a new object, which shares with it what has nothing to render.

    Raises:
        TemplateError: its `field` says where in the template.
    """
    return compiled(template, go=go, options=options)(params) if params else template


def render_text(text: str, params: Params, *, go: bool, options: Sequence[str] = ()) -> str:
    """One text, such as a generator's own field or value, rendered (utils.go, `Replace`).

    Raises:
        TemplateError: without a `field`, since only the caller knows it.
    """
    made = _dialect(go=go, options=options)(text)
    return text if made is None else made(params)


def compiled(template: Obj, *, go: bool, options: Sequence[str] = ()) -> Callable[[Params], Obj]:
    """`render` of one template for many parameters, read once.

    Raises:
        TemplateError: the template itself is wrong; what is returned raises it for what depends on parameters.
    """
    made = _part(template, "", _dialect(go=go, options=options))
    return lambda params: template if made is None or not params else made(params)


def _dialect(*, go: bool, options: Sequence[str]) -> _Compile:
    if not go:
        return template_fast.compiled
    from fleetui.engine.appset.template_go import dialect  # the extra: only where it is needed

    return dialect(tuple(options))


def _part(value: Any, field: str, compile_text: _Compile) -> _Made | None:
    """What renders a part of a template; None where nothing is to be rendered in it."""
    if isinstance(value, str):
        return _text(value, field, compile_text)
    if isinstance(value, Mapping):
        return _map(value, field, compile_text)
    if isinstance(value, list):
        return _list(value, field, compile_text)
    return None


def _text(value: str, field: str, compile_text: _Compile) -> _Made | None:
    try:
        made = compile_text(value)
    except TemplateError as error:
        raise TemplateError(error.reason, error.hint, field=field) from error
    if made is None:
        return None
    known = made

    def text(params: Params) -> str:
        try:
            return known(params)
        except TemplateError as error:
            raise TemplateError(error.reason, error.hint, field=field) from error

    return text


def _list(value: list[Any], field: str, compile_text: _Compile) -> _Made | None:
    parts = [_part(item, f"{field}[{place}]", compile_text) for place, item in enumerate(value)]
    moving = [(place, part) for place, part in enumerate(parts) if part]
    if not moving:
        return None

    def items(params: Params) -> list[Any]:
        found = value.copy()
        for place, part in moving:
            found[place] = part(params)
        return found

    return items


def _map(value: Mapping[str, Any], field: str, compile_text: _Compile) -> _Made | None:
    entries = []
    for key, item in value.items():
        where = f"{field}.{key}" if field else key
        entries.append((key, item, _text(key, where, compile_text), _part(item, where, compile_text)))
    if any(named for _, _, named, _ in entries):
        return _renamed(entries, field)
    moving = [(key, part) for key, _, _, part in entries if part]
    if not moving:
        return None
    whole = dict(value)

    def fields(params: Params) -> Obj:
        found = whole.copy()
        for key, part in moving:
            found[key] = part(params)
        return found

    return fields


def _renamed(entries: Sequence[tuple[str, Any, _Made | None, _Made | None]], field: str) -> _Made:
    """A map with keys to render. Of two that become the same, Go keeps any, so that is an error."""

    def fields(params: Params) -> Obj:
        found: Obj = {}
        for key, item, named, part in entries:
            name = named(params) if named else key
            made = part(params) if part else item
            if name in found and found[name] != made:
                raise TemplateError(f"two keys of this map become {name!r}, with different values", field=field)
            found[name] = made
        return found

    return fields
