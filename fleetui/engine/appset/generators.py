"""What a generator of an ApplicationSet makes: its kind, the selector behind it, and those that combine others.

Owns: `transformed`, and the matrix and merge generators. Called by `fleetui.engine.appset.generate`. Pure. Follows Argo
CD v3.6.1 (applicationset/generators/generator_spec_processor.go, matrix.go, merge.go, utils.go; applicationset/utils/
utils.go, `RenderGeneratorParams`). Where Go's order is that of a map, and so random, it is that of the base here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from fleetui.engine.appset import hosted, listed, reading, repositories
from fleetui.engine.appset.params import Params, flattened, merged, shown
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.template import render, render_text
from fleetui.engine.appset.world import Unanswered, World
from fleetui.model.errors import TemplateError
from fleetui.model.gotext import go_text

_MISSING_KEY = "missing key"
_Generate = Callable[[Mapping[str, Any], World, str], list[Params]]

_TERMINAL: dict[str, _Generate] = {
    "list": listed.of_list,
    "clusters": listed.of_clusters,
    "git": repositories.of_git,
    "scmProvider": hosted.of_repositories,
    "clusterDecisionResource": hosted.of_decisions,
    "pullRequest": hosted.of_pull_requests,
    "plugin": hosted.of_plugin,
    "oci": repositories.of_oci,
}
_COMBINING = ("matrix", "merge")
KINDS = (
    "list",
    "clusters",
    "git",
    "scmProvider",
    "clusterDecisionResource",
    "pullRequest",
    *_COMBINING,
    "plugin",
    "oci",
)
"""In the order in which several of one entry are run."""
_DEEPEST = 2
MOST_SETS = 100_000
"""More sets of parameters are an error: a few lists of a stranger could be multiplied until memory ends."""
_REQUEUED = {
    "git": 180.0,
    "oci": 180.0,
    "clusterDecisionResource": 180.0,
    "scmProvider": 1800.0,
    "pullRequest": 1800.0,
    "plugin": 1800.0,
}
"""After how many seconds their questions are asked again, where they don't say."""


def kinds_of(entry: Mapping[str, Any]) -> list[str]:
    """The kinds of generator in an entry, in the order in which they run; there should be one."""
    return [kind for kind in KINDS if entry.get(kind) is not None]


def transformed(entry: Mapping[str, Any], kind: str, world: World, at: str) -> list[Params]:
    """The parameter sets of one generator that its selector takes.

    Args:
        entry: an item of `spec.generators`.
        kind: which generator in it.
        at: where it is, from the ApplicationSet's root.

    Raises:
        Flaw: it makes none, and why.
        Unanswered: it has asked what nobody answered yet.
    """
    return _transformed(entry, kind, world, at, depth=0, outer={})


def _transformed(
    entry: Mapping[str, Any], kind: str, world: World, at: str, *, depth: int, outer: Mapping[str, Any]
) -> list[Params]:
    selects = reading.selector(entry, "selector", at, of_labels=False)
    if outer:
        entry = _without_nulls(entry)
        entry = _interpolated(entry, outer, world, at) if _has_template(entry) else entry
    spec, where = reading.mapping(entry, kind, at), f"{at}.{kind}"
    if kind in _TERMINAL:
        made = _TERMINAL[kind](spec, world, where)
    else:
        made = (_matrix if kind == "matrix" else _merge)(spec, world, where, depth)
    return made if selects is None else [params for params in made if selects(flattened(params))]


def ask_again(entries: Sequence[Any]) -> float | None:
    """After how many seconds the questions of generators have to be asked again; None where there is nothing to ask. A
    generator with `requeueAfterSeconds: 0` is not asked again by itself."""
    found = []
    for entry in entries:
        for kind in kinds_of(entry) if isinstance(entry, Mapping) else ():
            spec = entry[kind] if isinstance(entry[kind], Mapping) else {}
            if kind in _COMBINING:
                nested = spec.get("generators")
                found.append(ask_again(nested if isinstance(nested, list) else ()))
            elif kind in _REQUEUED:
                wished = spec.get("requeueAfterSeconds")
                found.append(float(wished) if isinstance(wished, int | float) else _REQUEUED[kind])
    return min((seconds for seconds in found if seconds), default=None)


# --- those that combine others --------------------------------------------------------------------------------


def _children(spec: Mapping[str, Any], at: str, depth: int) -> list[tuple[Mapping[str, Any], str, str]]:
    """Each child of a combining generator: its entry, its kind, and where it is."""
    found: list[tuple[Mapping[str, Any], str, str]] = []
    for number, entry in enumerate(reading.maps(spec, "generators", at)):
        where = f"{at}.generators[{number}]"
        kinds = kinds_of(entry)
        if not kinds:
            raise Flaw(where, "is no generator", f"one of {', '.join(KINDS)}")
        if len(kinds) > 1:
            raise Flaw(where, f"is {' and '.join(kinds)} at once", "make an entry of each")
        if kinds[0] in _COMBINING and depth + 1 >= _DEEPEST:
            raise Flaw(where, f"a {kinds[0]} can't stand so deep", "a matrix or merge may stand within one other")
        found.append((entry, kinds[0], where))
    return found


def _matrix(spec: Mapping[str, Any], world: World, at: str, depth: int) -> list[Params]:
    """Each set of the first generator with each of the second, which is run for each of them where it has templates."""
    children = _children(spec, at, depth)
    if len(children) != 2:
        raise Flaw(f"{at}.generators", f"has {len(children)} generators, and a matrix has two")
    (first, first_kind, first_at), (second, second_kind, second_at) = children
    outer = _transformed(first, first_kind, world, first_at, depth=depth + 1, outer={})
    if not outer:
        return []

    def inner(params: Mapping[str, Any]) -> list[Params]:
        return _transformed(second, second_kind, world, second_at, depth=depth + 1, outer=params)

    combine = _go_pairs if world.go else _text_pairs
    if not _has_template(second):
        same = inner(outer[0])
        _check_size(len(outer) * len(same), at)
        return [pair for params in outer for pair in combine(params, same, at)]
    made: list[Params] = []
    waits = False
    for params in outer:
        try:
            made += combine(params, inner(params), at)
            _check_size(len(made), at)
        except Unanswered:
            waits = True
        except Flaw as flaw:
            flaw.message = f"{flaw.message}, for {shown(params)}" if shown(params) else flaw.message
            raise
    if waits:
        raise Unanswered
    return made


def _check_size(sets: int, at: str) -> None:
    if sets > MOST_SETS:
        raise Flaw(at, f"makes more than {MOST_SETS} sets of parameters")


def _go_pairs(first: Params, second: Sequence[Params], at: str) -> list[Params]:
    del at
    return [merged(params, first) for params in second]


def _text_pairs(first: Params, second: Sequence[Params], at: str) -> list[Params]:
    left = {key: go_text(value) for key, value in first.items()}
    made = []
    for params in second:
        right = {key: go_text(value) for key, value in params.items()}
        if not left.keys().isdisjoint(right):
            for key in sorted(left.keys() & right.keys()):
                if left[key] != right[key]:
                    both = f"{left[key]!r} and {right[key]!r}"
                    raise Flaw(at, f"both generators have {key!r}, with different values: {both}", "rename one")
        made.append(left | right)
    return made


def _merge(spec: Mapping[str, Any], world: World, at: str, depth: int) -> list[Params]:
    """The sets of the first generator, each with what the others have for the same values of the merge keys."""
    children = _children(spec, at, depth)
    if len(children) < 2:
        raise Flaw(f"{at}.generators", f"has {len(children)} generators, and a merge has two or more")
    keys = sorted(set(reading.text_list(spec, "mergeKeys", at)))
    found: list[list[Params] | None] = []
    for entry, kind, where in children:
        try:
            found.append(_transformed(entry, kind, world, where, depth=depth + 1, outer={}))
        except Unanswered:
            found.append(None)
    if not keys:
        raise Flaw(f"{at}.mergeKeys", "is empty", "name the parameters by which sets belong together")
    if any(sets is None for sets in found):
        raise Unanswered
    base, *others = [
        _by_merge_key(sets or [], keys, where) for sets, (_, _, where) in zip(found, children, strict=True)
    ]
    for other in others:
        for key in base.keys() & other.keys():
            base[key] = merged(base[key], other[key]) if world.go else base[key] | other[key]
    return list(base.values())


def _by_merge_key(sets: Sequence[Params], keys: Sequence[str], at: str) -> dict[str, Params]:
    found: dict[str, Params] = {}
    for params in sets:
        key = msgspec.json.encode([params.get(name) for name in keys], order="sorted").decode()
        if key in found:
            said = ", ".join(f"{name}={go_text(params.get(name))}" for name in keys)
            raise Flaw(at, f"makes several sets with the same merge keys, {said}", "name more mergeKeys")
        found[key] = params
    return found


# --- a generator's own fields as templates --------------------------------------------------------------------


def _has_template(entry: Mapping[str, Any]) -> bool:
    return b"{{" in msgspec.json.encode(entry)


def _without_nulls(value: Any) -> Any:
    """What Go's walk through an entry leaves out on its way."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _interpolated(entry: Mapping[str, Any], params: Mapping[str, Any], world: World, at: str) -> dict[str, Any]:
    """An entry with its fields rendered with the parameters of the generator before it.

    Its `values` may want parameters that only it makes itself: one that can't be rendered yet stays as it is.
    """
    found = {}
    for key, part in entry.items():
        where = f"{at}.{key}"
        if key in _COMBINING and isinstance(part, Mapping):
            nested = [
                _interpolated(item, params, world, f"{where}.generators[{number}]")
                for number, item in enumerate(reading.maps(part, "generators", where))
            ]
            rest = {name: item for name, item in part.items() if name != "generators"}
            found[key] = {**_rendered(rest, params, world, where), "generators": nested}
        elif key in _TERMINAL and key != "list" and isinstance(part, Mapping) and part.get("values"):
            rest = {name: item for name, item in part.items() if name != "values"}
            values = reading.text_map(part, "values", where)
            kept = {name: _value(value, params, world, f"{where}.values.{name}") for name, value in values.items()}
            found[key] = {**_rendered(rest, params, world, where), "values": kept}
        else:
            found |= _rendered({key: part}, params, world, at)
    return found


def _rendered(part: dict[str, Any], params: Mapping[str, Any], world: World, at: str) -> dict[str, Any]:
    try:
        return render(part, params, go=world.go, options=world.options)
    except TemplateError as error:
        where = f"{at}.{error.field}" if error.field else at
        raise Flaw(where, error.reason, error.hint) from error


def _value(value: str, params: Mapping[str, Any], world: World, at: str) -> str:
    kept = [option for option in world.options if not option.startswith("missingkey=")]
    try:
        return render_text(value, params, go=world.go, options=[*kept, "missingkey=error"])
    except TemplateError as error:
        if _MISSING_KEY in error.reason:
            return value
        raise Flaw(at, error.reason, error.hint) from error
