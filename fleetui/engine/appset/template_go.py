"""The templates of an ApplicationSet with `goTemplate`: Go's text/template with sprig, as Argo CD exposes it.

Owns: `dialect`. Called by `fleetui.engine.appset.template`, which walks through objects, and imported only where a
template is one of Go: what renders it is the extra `gotemplate` (gotpl). Pure. The rules are those of Argo CD v3.6.1
(applicationset/utils/utils.go, `Replace`; template_functions.go). A template is a stranger's, so what it may write,
repeat and call is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from fleetui.model.errors import TemplateError, ToolMissingError
from fleetui.model.text import one_line

Rendered = Callable[[Mapping[str, Any]], str]

_Missing = Literal["default", "zero", "error"]

_OPTIONS: dict[str, _Missing] = {
    "missingkey=default": "default",
    "missingkey=invalid": "default",
    "missingkey=zero": "zero",
    "missingkey=error": "error",
}
_HIDDEN = ("env", "expandenv", "getHostByName")


@lru_cache(maxsize=16)
def dialect(options: tuple[str, ...]) -> Callable[[str], Rendered | None]:
    """What reads one text: it gives what renders it, or None where there is nothing to render.

    Args:
        options: `spec.goTemplateOptions`; the last of them wins.

    Raises:
        TemplateError: there is no such option; what is returned raises it for a text that is no template.
        ToolMissingError: the extra is not installed.
    """
    missing: _Missing = "default"
    for option in options:
        if option not in _OPTIONS:
            raise TemplateError(f"spec.goTemplateOptions: there is no option {option!r}", "use missingkey=error")
        missing = _OPTIONS[option]
    try:
        import gotpl
        from gotpl.funcs.sprig import generic_func_map
    except ImportError as error:
        raise ToolMissingError(
            "spec.goTemplate of an ApplicationSet needs the extra gotemplate", "pip install fleetui[gotemplate]"
        ) from error
    functions = {name: made for name, made in generic_func_map().items() if name not in _HIDDEN}
    environment = gotpl.Environment(functions=functions, missing_key=missing, budget=gotpl.ExecutionBudget.strict())

    @lru_cache(maxsize=4096)
    def read(text: str) -> Rendered | None:
        if "{{" not in text:
            return None
        try:
            template = environment.from_string(text)
        except gotpl.TemplateError as error:
            raise TemplateError(one_line(str(error))) from error

        def render(params: Mapping[str, Any]) -> str:
            try:
                return str(template.render(params))
            except (gotpl.TemplateError, RecursionError, ValueError, TypeError) as error:
                raise TemplateError(one_line(str(error))) from error

        return render

    return read
