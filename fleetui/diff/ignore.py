"""What a user wants left out of a comparison: `spec.ignoreDifferences` of an Application.

Owns: `IgnoreRule`, `ignore`. Called between `normalize` and `structure.compare`, on both sides. Rules: argo-cd v3.6.1,
util/argo/normalizers/diff_normalizer.go and util/argo/managedfields. A rule that can't be applied spoils no comparison:
it comes back as a sentence, for the caller to show. jq path expressions that only name places are evaluated here; one
that computes is a program, and for the `PathExpressions` that the caller may hand in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fleetui.diff import jq
from fleetui.diff.fields import SELF, FieldTree, entries_of, managed_fields_of, names_item, step
from fleetui.diff.jqpaths import remove_paths
from fleetui.diff.structure import copy_tree, same
from fleetui.model.customizations import yaml_map
from fleetui.model.errors import ExpressionError, UsageError
from fleetui.model.globs import glob_matches
from fleetui.model.objects import Obj, ref_of
from fleetui.ports import PathExpressions

_ANNOTATION = "argocd.argoproj.io/ignore-differences"


class IgnoreRule(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of `ignoreDifferences`, named as there.

    `group` and `kind` are globs and have to match; `name` and `namespace` only where they are given.
    """

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: tuple[str, ...] = ()
    jq_path_expressions: tuple[str, ...] = ()
    managed_fields_managers: tuple[str, ...] = ()

    def concerns(self, obj: Mapping[str, Any]) -> bool:
        """Whether the rule is about this object."""
        ref = ref_of(obj)
        return (
            glob_matches(self.group, ref.group)
            and glob_matches(self.kind, ref.kind)
            and self.name in {"", ref.name}
            and self.namespace in {"", ref.namespace}
        )


class Ignored(NamedTuple):
    """The two sides without what is ignored, and in a sentence each what could not be.

    `problems` are rules that say nothing sensible; Argo CD passes over them too. `unevaluated` are expressions of which
    it is not known what they name: the sides may differ in what they were to hide.
    """

    desired: Obj | None
    live: Obj | None
    problems: tuple[str, ...]
    unevaluated: tuple[str, ...] = ()


def rules_of(application: Mapping[str, Any]) -> tuple[list[IgnoreRule], list[str]]:
    """The rules of an Application's `spec.ignoreDifferences`, and a sentence for each entry that is none."""
    spec = application.get("spec")
    entries = spec.get("ignoreDifferences") if isinstance(spec, Mapping) else None
    rules, problems = [], []
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        try:
            rules.append(msgspec.convert(_without_nulls(entry), IgnoreRule))
        except msgspec.ValidationError as error:
            problems.append(f"spec.ignoreDifferences[{position}] is left out: {error}")
    return rules, problems


def rule_in(manifest: Mapping[str, Any]) -> IgnoreRule | None:
    """The rule that a manifest brings along for its own object, in the annotation ``argocd.argoproj.io/
    ignore-differences``: JSON pointers alone (argo-cd v3.6.1, util/argo/diff/ignore.go,
    `ExtractIgnoreDifferencesFromAnnotations`). As there, one that can't be read is none: what it was for is shown."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = annotations.get(_ANNOTATION) if isinstance(annotations, Mapping) else None
    if not isinstance(value, str):
        return None
    try:
        pointers = msgspec.convert(yaml_map(value, _ANNOTATION).get("jsonPointers") or (), tuple[str, ...])
    except (UsageError, msgspec.ValidationError):
        return None
    ref = ref_of(manifest)
    return IgnoreRule(ref.group, ref.kind, ref.name, ref.namespace, json_pointers=pointers) if pointers else None


def _without_nulls(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if value is not None} if isinstance(entry, dict) else entry


def need_jq(rules: Iterable[IgnoreRule]) -> bool:
    """Whether an expression of the rules computes, so that `ignore` needs a jq for it."""
    return any(jq.parse(expression) is None for rule in rules for expression in rule.jq_path_expressions)


def ignore(
    rules: Iterable[IgnoreRule],
    desired: Mapping[str, Any] | None,
    live: Mapping[str, Any] | None,
    *,
    managed_fields: Sequence[Any] | None = None,
    evaluate: PathExpressions | None = None,
) -> Ignored:
    """Both sides of one object without the fields that `rules` ignore.

    What JSON pointers and jq path expressions name is removed from each side. Of `managedFieldsManagers`,
    fields are removed that such a manager owns and that are on both sides with different values.

    Args:
        rules: in their order; those about other objects are passed over.
        desired: what should be, or what an apply would leave, normalised.
        live: what is, normalised.
        managed_fields: the live object's managedFields, where normalising has taken them out of `live`.
        evaluate: where expressions that compute are evaluated; it is called for nothing else.

    Returns:
        Copies where something was removed, else the objects themselves. Fields that are not there are no problem.
    """
    subject = live if live is not None else desired
    concerned = [] if subject is None else [rule for rule in rules if rule.concerns(subject)]
    result = Ignored(_own(desired), _own(live), ())
    if not concerned:
        return result
    if managed_fields is None:
        managed_fields = managed_fields_of(live)
    problems: list[str] = []
    unevaluated: list[str] = []
    sides = [None if side is None else copy_tree(side) for side in result[:2]]
    for rule in concerned:
        for side in sides:
            problems += _remove_pointers(side, rule.json_pointers) if side is not None else ()
        for side in sides:
            unevaluated += _remove_queried(side, rule.jq_path_expressions, evaluate) if side is not None else ()
        if sides[0] is not None and sides[1] is not None and rule.managed_fields_managers:
            _remove_managed(sides[0], sides[1], rule.managed_fields_managers, managed_fields)
    return Ignored(sides[0], sides[1], tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(unevaluated)))


def _own(obj: Mapping[str, Any] | None) -> Obj | None:
    return None if obj is None else dict(obj)


# --- JSON pointers --------------------------------------------------------------------------------------------------


def _remove_pointers(obj: Obj, pointers: Iterable[str]) -> list[str]:
    problems = []
    for pointer in pointers:
        if not pointer.startswith("/"):
            problems.append(f"ignoreDifferences: {pointer!r} is no JSON pointer; one begins with a slash")
        else:
            _remove(obj, [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")])
    return problems


def _remove(root: Any, parts: list[str]) -> None:
    """Removes what the parts of a JSON pointer (RFC 6901) lead to; nothing where they lead nowhere."""
    *parents, last = parts
    node = root
    for part in parents:
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, list) and _is_position(part, node):
            node = node[int(part)]
        else:
            return
    if isinstance(node, dict):
        node.pop(last, None)
    elif isinstance(node, list) and _is_position(last, node):
        del node[int(last)]


def _is_position(part: str, items: list[Any]) -> bool:
    return part.isascii() and part.isdigit() and int(part) < len(items)


# --- jq path expressions --------------------------------------------------------------------------------------------


def _remove_queried(obj: Obj, expressions: Iterable[str], evaluate: PathExpressions | None) -> list[str]:
    unevaluated = []
    for expression in expressions:
        query = jq.parse(expression)
        try:
            remove_paths(obj, jq.paths(query, obj) if query is not None else (evaluate or _no_jq)(expression, obj))
        except ExpressionError as error:
            unevaluated.append(f"ignoreDifferences: {error}")
    return unevaluated


def _no_jq(expression: str, obj: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    raise ExpressionError(f"{expression!r} computes, and there is no jq at hand to evaluate it")


# --- managedFieldsManagers ------------------------------------------------------------------------------------------


def _remove_managed(desired: Obj, live: Obj, managers: Sequence[str], managed_fields: Sequence[Any]) -> None:
    for entry in entries_of(managed_fields):
        if entry.manager in managers:
            _remove_owned(desired, live, entry.fields)


def _remove_owned(desired: Any, live: Any, tree: FieldTree) -> None:
    """Removes from both sides what the tree names below them, where the two sides have it and differ.

    From the end of a list to its beginning, so that positions stay true.
    """
    doomed: list[tuple[Any, Any]] = []
    for name, node in tree.items():
        if name == SELF or not isinstance(node, Mapping):
            continue
        here, there = _find(desired, name), _find(live, name)
        if here is None or there is None:
            continue
        if _is_atom(node, desired[here], live[there]):
            if not same(desired[here], live[there]):
                doomed.append((here, there))
        else:
            _remove_owned(desired[here], live[there], node)
    for here, there in doomed:
        if isinstance(here, str):
            del desired[here], live[there]
    for side, items in ((desired, [pair[0] for pair in doomed]), (live, [pair[1] for pair in doomed])):
        for position in sorted((item for item in items if isinstance(item, int)), reverse=True):
            del side[position]


def _find(side: Any, name: str) -> str | int | None:
    """The key or position that a step names in a map or list; None where it is not there."""
    kind, value = step(name)
    if kind == "f":
        return str(value) if isinstance(side, dict) and value in side else None
    if not isinstance(side, list):
        return None
    return next((position for position, item in enumerate(side) if names_item(name, item, position)), None)


def _is_atom(node: FieldTree, desired: Any, live: Any) -> bool:
    if not any(name != SELF for name in node):
        return True
    return not (isinstance(desired, dict | list) and type(desired) is type(live))
