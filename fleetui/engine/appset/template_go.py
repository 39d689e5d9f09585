"""The templates of an ApplicationSet with `goTemplate`: Go's text/template with sprig, as Argo CD exposes it.

Owns: `dialect`. Called by `fleetui.engine.appset.template`, which walks through objects, and imported only where a
template is one of Go: what renders it is the extra `gotemplate` (gotpl). Pure. The rules are those of Argo CD v3.6.1
(applicationset/utils/utils.go, `Replace`; template_functions.go).

Known to differ: with ``missingkey=zero``, a field of a field that is not there is no error. Functions that make keys,
certificates and passwords are refused by name.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from fleetui.engine.appset import template_functions
from fleetui.engine.appset.template_budget import Budget, timed
from fleetui.model.errors import TemplateError, ToolMissingError
from fleetui.model.names import sanitized_name
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
_REFUSED = (
    "bcrypt", "buildCustomCert", "decryptAES", "derivePassword", "encryptAES", "genCA", "genCAWithKey",
    "genPrivateKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
    "htpasswd",
)  # fmt: skip
_CHANGE_THEIR_ARGUMENT = ("set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite", "tpl")
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{\{[ \t\r\n]*((?:\.[A-Za-z_][A-Za-z0-9_]*)+)[ \t\r\n]*\}\}")
_DEEPEST_TPL = 3
_LONGEST = 200_000
"""Characters of one template; gotpl reads some 50,000 in a second."""
_READING = 4
"""What a character that `tpl` reads costs, measured by one that a function makes."""
_FIELDS = ("Major", "Minor", "Patch", "Prerelease", "Metadata", "Original")
"""Those of a `semver`: whatever else has fields is a map."""


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
            raise TemplateError(
                f"there is no option {option!r}", "use missingkey=error", field="spec.goTemplateOptions"
            )
        missing = _OPTIONS[option]
    try:
        import gotpl
    except ImportError as error:
        raise ToolMissingError(
            "goTemplate of an ApplicationSet needs the extra gotemplate", "pip install fleetui[gotemplate]"
        ) from error
    budget = Budget()
    functions = _functions(budget)

    def read(text: str) -> Rendered:
        words = set(_WORD.findall(text))
        # gotpl goes through all functions at each rendering: so it gets those that are named alone.
        used = functions if "tpl" in words else {name: functions[name] for name in words & functions.keys()}
        sandbox = gotpl.SandboxPolicy.strict(
            allow_functions=used, allow_attributes=_FIELDS, allow_methods=_FIELDS, max_template_chars=_LONGEST
        )
        try:
            template = gotpl.Environment(functions=used, missing_key=missing, sandbox=sandbox).from_string(text)
        except (gotpl.TemplateError, RecursionError) as error:
            raise _told(error) from error
        changes = not words.isdisjoint(_CHANGE_THEIR_ARGUMENT)

        def render(params: Mapping[str, Any]) -> str:
            budget.renew()
            try:
                with timed():
                    return str(template.render(copy.deepcopy(params) if changes else params))
            except (gotpl.TemplateError, RecursionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise _told(error) from error

        return render

    @lru_cache(maxsize=4096)
    def compiled(text: str) -> Rendered | None:
        if "{{" not in text:
            return None
        return _with_fields_alone(text, functools.cache(lambda: read(text))) or read(text)

    return compiled


def _with_fields_alone(text: str, otherwise: Callable[[], Rendered]) -> Rendered | None:
    """What renders a text that has nothing but fields in it, as nearly all do, at a twentieth of the cost; where one of
    them is no text, `otherwise` decides. None for any other text."""
    if "{{" in _FIELD.sub("", text):
        return None
    literals: list[str] = []
    paths: list[list[str]] = []
    end = 0
    for found in _FIELD.finditer(text):
        literals.append(text[end : found.start()])
        paths.append(found[1].split(".")[1:])
        end = found.end()
    parts, last = list(zip(literals, paths, strict=True)), text[end:]

    def render(params: Mapping[str, Any]) -> str:
        made = ""
        for literal, path in parts:
            value: Any = params
            for key in path:
                if type(value) is not dict or key not in value:
                    return otherwise()(params)
                value = value[key]
            if type(value) is not str:
                return otherwise()(params)
            made += literal + value
        return made + last

    return render


def _told(error: Exception) -> TemplateError:
    if isinstance(error, RecursionError):
        return TemplateError("the template nests too deeply")
    if type(error) is ValueError:
        return TemplateError(str(error))
    said = one_line(str(error)).removeprefix("template: ").replace('executing "template": ', "")
    return TemplateError(f"the Go template is wrong at {said.removeprefix('template:')}")


def _functions(budget: Budget) -> dict[str, Callable[..., object]]:
    """Sprig as Argo CD exposes it, each function within the budget, and Go's own where gotpl's differ."""
    from gotpl import ContextFunction
    from gotpl.funcs.sprig import generic_func_map
    from gotpl.runtime.sync_vm import _builtin_functions
    from gotpl.runtime.values import INVALID, UNTYPED_NIL

    own = dict(_builtin_functions("go"))  # not public there, and pinned in pyproject.toml
    nothing = (INVALID, UNTYPED_NIL)

    def eq(first: object, *others: object) -> bool:
        """Go's `eq`: what is nil differs from what is not, and that is no error."""
        if first is None or first in nothing:
            return any(each is None or each in nothing for each in others)
        there = [each for each in others if each is not None and each not in nothing]
        return bool(own["eq"](first, *there)) if there or not others else False

    def ne(first: object, second: object) -> bool:
        return not eq(first, second)

    def with_nil(function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def printed(*args: object) -> object:
            return function(*[UNTYPED_NIL if each is None or each in nothing else each for each in args])

        return printed

    def as_null(function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def written(value: object) -> object:
            return function(None if value in nothing else value)

        return written

    def refused(name: str) -> Callable[..., object]:
        def refuse(*_: object) -> object:
            raise ValueError(f"fleetui has no {name}, since keys and passwords belong into Secrets")

        return refuse

    def tpl(context: Any, text: str, data: object) -> str:
        depth = context.state("tpl", lambda: [0])
        if depth[0] >= _DEEPEST_TPL:
            raise ValueError(f"maximum recursion depth {_DEEPEST_TPL} exceeded in tpl function")
        budget.spend(_READING * len(text))
        depth[0] += 1
        try:
            return str(context.render_source(text, data)).replace("<no value>", "")
        finally:
            depth[0] -= 1

    sprig = generic_func_map()
    made: dict[str, Callable[..., object]] = {
        **sprig,
        "push": sprig["append"],
        "mustPush": sprig["mustAppend"],
        **{name: with_nil(own[name]) for name in ("print", "printf", "println", "html", "js", "urlquery")},
        "normalize": sanitized_name,
        "slugify": template_functions.slugify,
        "toYaml": template_functions.to_yaml,
        "fromYaml": template_functions.from_yaml,
        "fromYamlArray": template_functions.from_yaml_array,
        **{name: refused(name) for name in _REFUSED},
        **{name: as_null(sprig[name]) for name in sprig if name.endswith("Json") and "rom" not in name},
    }
    limited = {name: budget.limited(name, each) for name, each in made.items() if name not in _HIDDEN}
    return {**limited, "eq": eq, "ne": ne, "tpl": ContextFunction(sync=tpl)}
