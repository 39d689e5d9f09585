"""Which element of an ApplicationSet gives each of its Applications their version, and what tells its cells apart.

Owns: `elements_of`, `file_of`. Called by `fleetui.fleet.rolloutorigins` with what the ApplicationSet generates. Pure.
Reading and editing the element is ``truthelement``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from fleetui.engine.application import mapping, mappings, text
from fleetui.engine.appset.generated import GeneratedApplication
from fleetui.engine.rollout.truthelement import Element
from fleetui.engine.rollout.truthtext import said, value_at
from fleetui.model.objects import Obj

_LIKELY = ("version", "chartVersion", "targetRevision", "revision", "tag", "chart_version", "ref")
"""Parameters that are taken for an addon's version, the likeliest first."""
_FIELDS = (*_LIKELY, *(f"values.{name}" for name in _LIKELY))
_OF_CLUSTERS = frozenset({"name", "server"})
_FIRST = ("name", "addon", "cluster", "app", "application", "component", "chart", "server")
"""Parameters that are likely to tell cells apart, the likeliest first."""


def elements_of(appset: Obj, made: Sequence[GeneratedApplication]) -> dict[str, Element]:
    """The element of a list generator behind each Application that has one, by the Application's name.

    Args:
        appset: the ApplicationSet.
        made: all that it generates.
    """
    found: dict[str, Element] = {}
    generators = mappings(mapping(appset.get("spec")).get("generators"))
    for number, generator in enumerate(generators):
        mine = [each for each in made if each.generator == number]
        elements = [mapping(each) for listed in _lists(generator) for each in listed]
        field = next((name for name in _FIELDS if any(_version(each, name) is not None for each in elements)), "")
        versioned = [_told(each, field) for each in elements if field and _version(each, field) is not None]
        members = [(each, told) for each in mine if (told := _element(versioned, each.params)) is not None]
        names, only = _telling(members), number if len(generators) > 1 else None
        for each, _ in members if names else ():
            found[each.name] = Element(field, tuple((name, said(each.params[name]) or "") for name in names), only)
    return found


def _lists(generator: Mapping[str, Any]) -> Iterator[list[Any]]:
    elements = mapping(generator.get("list")).get("elements")
    if isinstance(elements, list):
        yield elements
    for kind in ("matrix", "merge"):
        for inner in mappings(mapping(generator.get(kind)).get("generators")):
            yield from _lists(inner)


def _version(element: Mapping[str, Any], field: str) -> str | None:
    return said(value_at(element, field.split(".")))


def _told(element: Mapping[str, Any], field: str) -> dict[str, str]:
    """What an element says of its cells, but for their version and what a template says."""
    pairs = ((key, said(value)) for key, value in element.items() if key != field)
    return {key: value for key, value in pairs if value is not None and "{{" not in value}


def _element(elements: Sequence[Mapping[str, str]], params: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The element that is part of some parameters, whatever version these have now."""
    for element in elements:
        if (element or len(elements) == 1) and all(said(params.get(key)) == value for key, value in element.items()):
            return element
    return None


def _telling(members: Sequence[tuple[GeneratedApplication, Mapping[str, str]]]) -> tuple[str, ...]:
    """The fewest parameters by which every Application is told from the others, one of the element's own among them;
    none where there are none."""
    if not members:
        return ()
    sets = [made.params for made, _ in members]
    common = set.intersection(*({key for key, value in each.items() if said(value) is not None} for each in sets))
    mentioned = {key for _, element in members for key in element}
    own = sorted(common & mentioned, key=_rank)
    others = sorted(common - mentioned - {*_FIELDS}, key=_rank)
    # Where a cluster generator makes the clusters, an element that only one has may get others; an element that says
    # its cluster itself is changed in its place.
    shared = set(others) >= _OF_CLUSTERS
    for count in (1, 2, 3):
        choices = [] if shared else list(combinations(own, count))
        choices += [(*rest, key) for key in own for rest in combinations(others, count - 1) if rest or not shared]
        for names in choices:
            if len({tuple(said(each[name]) for name in names) for each in sets}) == len(sets):
                return names
    return ()


def _rank(name: str) -> tuple[int, str]:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def file_of(appset: Obj, made: GeneratedApplication) -> tuple[str, str, str, str] | None:
    """URL, branch, path and field of the file behind an Application that a git files generator makes; None where none
    does, or the file has no version."""
    generators = mappings(mapping(appset.get("spec")).get("generators"))
    git = next(_gits(generators[made.generator]), None) if made.generator < len(generators) else None
    field = next((each for each in _LIKELY if each in made.params), "")
    if git is None or not field:
        return None
    at = made.params.get(f"{git['pathParamPrefix']}.path" if git.get("pathParamPrefix") else "path")
    folder, file = (at, made.params.get("path.filename")) if isinstance(at, str) else _go_path(at)
    if not isinstance(folder, str) or not isinstance(file, str):
        return None
    path = f"{folder}/{file}" if folder not in {"", "."} else file
    return text(git.get("repoURL")), text(git.get("revision")) or "HEAD", path, field


def _go_path(at: Any) -> tuple[Any, Any]:
    return mapping(at).get("path"), mapping(at).get("filename")


def _gits(generator: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    git = mapping(generator.get("git"))
    if git.get("files"):
        yield git
    for kind in ("matrix", "merge"):
        for inner in mappings(mapping(generator.get(kind)).get("generators")):
            yield from _gits(inner)
