"""Names that other objects refer to follow those objects when they are renamed.

Owns: `fix_references`. Follows api 0.21.2 (internal/accumulator/namereferencetransformer.go, filters/nameref). Called
by `target` once, at the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from fleetui.render.kustomize.errors import Problem
from fleetui.render.kustomize.fields import leads_somewhere, parts_of, visit
from fleetui.render.kustomize.resource import (
    NO_NAMESPACE,
    PREFIXES,
    REFERRED_BY,
    SUFFIXES,
    Gvk,
    Id,
    Resource,
    Resources,
)
from fleetui.render.kustomize.tables import FieldSpec, Reference, tables
from fleetui.render.kustomize.values import is_null, is_scalar, replaced, text_of


class _Candidate:
    """An object that others may refer to, with what is asked of it again and again."""

    __slots__ = ("id", "original", "prefixes", "previous", "resource", "suffixes")

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.id = resource.id
        self.previous = resource.previous_ids
        self.original = self.previous[0] if self.previous else self.id
        self.prefixes = resource.listed(PREFIXES)
        self.suffixes = resource.listed(SUFFIXES)

    def was(self, name: str) -> bool:
        return any(known.name == name for known in self.previous)

    def was_a(self, group: str, version: str, kind: str) -> bool:
        return any(known.gvk.selected_by(group, version, kind) for known in self.previous)


def fix_references(resources: Resources) -> None:
    """Changes every known field that holds the former name of an object to what the object is called now.

    Raises:
        Problem: several objects could be meant.
    """
    candidates = [_Candidate(resource) for resource in resources]
    for referrer in candidates:
        reachable = _reachable(referrer, candidates)
        for reference, spec, parts in _references(referrer.original.gvk):
            if not leads_somewhere(referrer.resource.obj, parts):
                continue
            _Fix(referrer, reference, spec, reachable).run()


@lru_cache(maxsize=512)
def _references(gvk: Gvk) -> Sequence[tuple[Reference, FieldSpec, Sequence[str]]]:
    """The fields of a kind that hold names; the referrer's present kind is not looked at again."""
    return [
        (reference, FieldSpec(spec.path), parts_of(spec.path.replace("[]", "")))
        for reference in tables().references
        for spec in reference.referrers
        if gvk.selected_by(spec.group, spec.version, spec.kind)
    ]


def _reachable(referrer: _Candidate, candidates: Sequence[_Candidate]) -> Sequence[_Candidate]:
    """`SubsetThatCouldBeReferencedByResource`."""
    if referrer.id.cluster_scoped:
        return candidates
    namespaces = _subject_namespaces(referrer.resource)
    return [
        each
        for each in candidates
        if each.id.cluster_scoped
        or each.id.effective_namespace == referrer.id.effective_namespace
        or each.resource.namespace in namespaces
    ]


def _subject_namespaces(resource: Resource) -> set[str]:
    subjects = resource.obj.get("subjects") if resource.kind == "RoleBinding" else None
    found: set[str] = set()
    for subject in subjects if isinstance(subjects, list) else ():
        if not isinstance(subject, dict):
            raise Problem(f"a subject of {resource.id} is no mapping")
        if "namespace" in subject and not isinstance(subject.get("kind", ""), str):
            raise Problem(f"a subject of {resource.id} has a kind that is no text")
        if "namespace" in subject and subject.get("kind") == "ServiceAccount":
            if not isinstance(subject["namespace"], str):
                raise Problem(f"a subject of {resource.id} has a blank namespace")
            found.add(subject["namespace"])
    return found


class _Fix:
    """One field of one object, for the names of one kind (filters/nameref/nameref.go)."""

    def __init__(
        self, referrer: _Candidate, target: Reference, spec: FieldSpec, candidates: Sequence[_Candidate]
    ) -> None:
        self._referrer = referrer
        self._target = target
        self._spec = spec
        self._candidates = candidates

    def run(self) -> None:
        visit(self._referrer.resource, self._spec, self._set)

    def _set(self, container: Any, key: Any) -> None:
        value = container[key]
        if isinstance(value, list):
            for position in range(len(value)):
                if isinstance(value[position], list):
                    raise Problem(f"{self._spec.path} of {self._referrer.id} holds a list in a list")
                self._set(value, position)
        elif isinstance(value, dict):
            self._set_mapping(value)
        elif not is_null(value):
            found = self._select(text_of(value), self._candidates, _same_name)
            if found is not None:
                self._record(found)
                if found.name != text_of(value):
                    container[key] = replaced(value, found.name)

    def _set_mapping(self, mapping: dict[str, Any]) -> None:
        if "name" not in mapping:
            raise Problem(f"an item of {self._spec.path} of {self._referrer.id} has no name")
        name = text_of(mapping["name"]) if is_scalar(mapping["name"]) else ""
        found = self._select(name, self._in_namespace_of(mapping), _same_name_and_namespace)
        if found is None:
            return
        self._record(found)
        if found.name == name and not found.namespace:
            return
        mapping["name"] = replaced(mapping["name"], found.name)
        if found.namespace:
            mapping["namespace"] = replaced(mapping.get("namespace"), found.namespace)

    def _in_namespace_of(self, mapping: dict[str, Any]) -> Sequence[_Candidate]:
        if "namespace" not in mapping:
            return self._candidates
        namespace = text_of(mapping["namespace"])
        of_old = [each for each in self._candidates if _group(each.original) == namespace]
        return of_old or [each for each in self._candidates if _group(each.resource.id) == namespace]

    def _record(self, found: Resource) -> None:
        found.append(REFERRED_BY, str(self._referrer.id))

    def _select(
        self, name: str, candidates: Sequence[_Candidate], same: Callable[[Sequence[Resource]], bool]
    ) -> Resource | None:
        _, version, kind = self._target[1], self._target.version, self._target.kind
        found = [each for each in candidates if each.was(name) and each.was_a(self._target.group, version, kind)]
        if found:
            found = [each for each in found if self._fits_role(each) and self._is_near(each)]
        if len(found) > 1:
            found = [each for each in found if self._same_affixes(each, open_ends=True)]
            if len(found) > 1:
                found = [each for each in found if self._same_affixes(each, open_ends=False)]
        elif len(found) == 1:
            return found[0].resource
        if not found:
            return None
        resources = [each.resource for each in found]
        if len(found) == 1 or same(resources):
            return resources[0]
        listed = ", ".join(str(resource.id) for resource in resources)
        raise Problem(f"{self._spec.path} of {self._referrer.id} names {name}, which could be any of {listed}")

    def _fits_role(self, candidate: _Candidate) -> bool:
        if not self._spec.path.endswith("roleRef/name"):
            return True
        role = self._referrer.resource.obj.get("roleRef")
        if not isinstance(role, dict) or "apiGroup" not in role or "kind" not in role:
            return True
        return candidate.was_a(text_of(role["apiGroup"]), "", text_of(role["kind"]))

    def _is_near(self, candidate: _Candidate) -> bool:
        own, other = self._referrer.id, candidate.id
        return (
            own.cluster_scoped
            or other.cluster_scoped
            or candidate.resource.kind == "ServiceAccount"
            or own.effective_namespace == other.effective_namespace
        )

    def _same_affixes(self, candidate: _Candidate, *, open_ends: bool) -> bool:
        pairs = (
            (candidate.prefixes, self._referrer.prefixes),
            (candidate.suffixes, self._referrer.suffixes),
        )
        return all((open_ends and not (mine and theirs)) or _same_ending(mine, theirs) for mine, theirs in pairs)


def _group(known: Id) -> str:
    """The namespace that candidates are grouped by; empty for those whose kind has none."""
    return "" if known.effective_namespace == NO_NAMESPACE else known.effective_namespace


def _same_ending(first: Sequence[str], second: Sequence[str]) -> bool:
    shortest, longest = sorted((first, second), key=len)
    if not shortest:
        return not longest
    return list(longest[len(longest) - len(shortest) :]) == list(shortest)


def _same_name(resources: Sequence[Resource]) -> bool:
    return len({resource.name for resource in resources}) == 1


def _same_name_and_namespace(resources: Sequence[Resource]) -> bool:
    return len({(resource.name, resource.namespace) for resource in resources}) == 1
