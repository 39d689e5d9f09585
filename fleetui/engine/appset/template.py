"""How a template of an ApplicationSet becomes an Application.

Owns: `Templating` (what an ApplicationSet says of its templates), `render` and `render_text`. Called by
`fleetui.engine.appset.generate` and its generators. Pure. The rules are those of Argo CD v3.6.1
(applicationset/utils/utils.go, `RenderTemplateParams` and `deeplyReplaceWithFilter`;
applicationset/controllers/template/template.go, `GenerateApplications`): each string is a template, and each key of a
map; numbers and booleans stay; where there are no parameters, nothing is rendered at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import FINALIZER, mapping, strings, text
from fleetui.engine.appset import template_fast, template_patch
from fleetui.engine.appset.template_shape import typed
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


@dataclass(frozen=True)
class Templating:
    """What an ApplicationSet says of its templates.

    Args:
        namespace: that of the set, in which all its Applications are.
        go: `spec.goTemplate`.
        options: `spec.goTemplateOptions`.
        patch: `spec.templatePatch`, or None.
        preserves: `spec.syncPolicy.preserveResourcesOnDeletion`: Applications get no finalizer of their own.
    """

    namespace: str
    go: bool = False
    options: tuple[str, ...] = ()
    patch: str | None = None
    preserves: bool = False

    @classmethod
    def of(cls, appset: Obj) -> Templating:
        spec = mapping(appset.get("spec"))
        patch = spec.get("templatePatch")
        return cls(
            namespace=text(mapping(appset.get("metadata")).get("namespace")),
            go=spec.get("goTemplate") is True,
            options=strings(spec.get("goTemplateOptions")),
            patch=patch if isinstance(patch, str) else None,
            preserves=mapping(spec.get("syncPolicy")).get("preserveResourcesOnDeletion") is True,
        )

    def maker(self, template: Mapping[str, Any]) -> Callable[[Params], Obj]:
        """What makes an Application of each set of parameters, by one template, which is read once.

        Raises:
            TemplateError: the template has a field of a wrong type, or one that is never closed; what is returned
                raises it for what comes of parameters. `field` is relative to the Application.
            ToolMissingError: it needs the extra for Go templates.
        """
        app = typed(_as_go_reads(template))
        app["metadata"].pop("namespace", None)
        rendered = compiled(app, go=self.go, options=self.options)
        patch = self._patch()

        def make(params: Params) -> Obj:
            made = typed(rendered(params))
            metadata = made["metadata"]
            if params and not self.preserves and not metadata.get("finalizers"):
                metadata["finalizers"] = [FINALIZER]
            if patch is not None:
                made = template_patch.patched(made, patch(params))
            made["metadata"]["namespace"] = self.namespace
            return made

        return make

    def _patch(self) -> Callable[[Params], str] | None:
        if self.patch is None:
            return None
        whole = self.patch
        made = _text(whole, template_patch.FIELD, _dialect(go=self.go, options=self.options))
        return made or (lambda params: whole)


def _as_go_reads(value: Any) -> Any:
    """A template as Go has it: without nulls in maps, and with whole numbers where JSON has no others."""
    if isinstance(value, Mapping):
        return {key: _as_go_reads(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_as_go_reads(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


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
