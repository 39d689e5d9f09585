"""Which objects a patch, a replacement or an image is for.

Owns: `Selector`, `pattern`. Follows api 0.21.2 (types/selector.go, resmap `Select`). Go's regular expressions are not
Python's: a pattern is taken only where both mean the same and Python is quick. Called by `patches`, `replacements`,
`transform`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from fleetui.model.selectors import LabelSelector, parse
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.resource import Gvk, Resource, Resources

_SAFE = re.compile(
    r"(?:[A-Za-z0-9_ ./:@%,;~<>='\"!&#^$|*+?-]|\((?!\?)|\(\?:|\)|\\[dwDW.\\/+*?|()\[\]{}^$-]"
    r"|\[\^?(?:[A-Za-z0-9_./:@ -])+\]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\})*"
)
_UNSAFE = re.compile(r"[*+?}][*+]|\)[*+{]|\$.|.\^(?!\w*\])")
_MAX_REPEATS = 4


@lru_cache(maxsize=1024)
def pattern(text: str) -> re.Pattern[str]:
    """The regular expression `text`, to be matched in full.

    Raises:
        Problem: it is none.
        UnsupportedProblem: Go may read it in another way, or it can take long.
    """
    if not _SAFE.fullmatch(text) or _UNSAFE.search(text) or sum(map(text.count, "*+{")) > _MAX_REPEATS:
        raise UnsupportedProblem(f"the regular expression {text!r}")
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise Problem(f"{text!r} is no regular expression: {error}") from error


def _matches(wanted: str, value: str) -> bool:
    return not wanted or (wanted == value and wanted.isalnum()) or pattern(wanted).fullmatch(value) is not None


@lru_cache(maxsize=256)
def _labels(text: str) -> LabelSelector:
    try:
        return parse(text)
    except ValueError as error:
        raise Problem(f"{text!r} is no selector: {error}") from error


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What must hold of an object; what is empty holds of all. Group to namespace are regular expressions."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    annotation_selector: str = ""

    def selects_gvk(self, gvk: Gvk) -> bool:
        return _matches(self.group, gvk.group) and _matches(self.version, gvk.version) and _matches(self.kind, gvk.kind)

    def selects_name(self, name: str) -> bool:
        return _matches(self.name, name)

    def selects_namespace(self, namespace: str) -> bool:
        return _matches(self.namespace, namespace)

    def selects_metadata(self, resource: Resource) -> bool:
        return _holds(self.annotation_selector, resource.annotations) and _holds(self.label_selector, resource.labels)

    def select(self, resources: Resources) -> list[Resource]:
        """The objects that it holds of, under their first name or the present one."""
        self.compile()
        return [resource for resource in resources if self._selects(resource)]

    def compile(self) -> None:
        """Raises what is wrong with it, also where there is nothing to select from."""
        for text in (self.group, self.version, self.kind, self.name, self.namespace):
            pattern(text)

    def _selects(self, resource: Resource) -> bool:
        now, first = resource.id, resource.original_id
        return (
            (self.selects_namespace(first.effective_namespace) or self.selects_namespace(now.effective_namespace))
            and (self.selects_name(first.name) or self.selects_name(now.name))
            and self.selects_gvk(now.gvk)
            and self.selects_metadata(resource)
        )


def _holds(selector: str, values: Mapping[str, str]) -> bool:
    return not selector or _labels(selector)(values)
