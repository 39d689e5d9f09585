"""What a hub leaves out, by its ``argocd-cm``: kinds (``resource.exclusions``, ``resource.inclusions``), and objects by
their labels (``resource.selectors``).

Owns: `KindFilter`, and how it is read. Called by `fleetui.engine.overrides`, used by `fleetui.engine.observe`. Pure.
Rules: argo-cd v3.6.1 util/settings/resources_filter.go and filtered_resource.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from fleetui.model.customizations import CONFIG_MAP, yaml_value
from fleetui.model.errors import UsageError
from fleetui.model.globs import glob_matches
from fleetui.model.selectors import parse

EXCLUSIONS, INCLUSIONS, SELECTORS = "resource.exclusions", "resource.inclusions", "resource.selectors"


class Kinds(msgspec.Struct, frozen=True, rename="camel"):
    """An entry (`FilteredResource`): groups and clusters are globs, a kind is a name or ``*``; what is empty is any.
    `selector` is one of labels, and counts in ``resource.selectors`` alone."""

    api_groups: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None
    selector: str = ""

    def on(self, cluster: str) -> bool:
        """Whether it speaks of a cluster, by its URL."""
        return not self.clusters or any(glob_matches(each, cluster) for each in self.clusters)

    def name(self, group: str, kind: str, cluster: str) -> bool:
        """Whether it names a kind of a cluster."""
        groups = not self.api_groups or any(glob_matches(each, group) for each in self.api_groups)
        return groups and (not self.kinds or bool({"*", kind} & set(self.kinds))) and self.on(cluster)


_ALWAYS = (
    Kinds(api_groups=("events.k8s.io", "metrics.k8s.io")),
    Kinds(api_groups=("",), kinds=("Event",)),
    Kinds(api_groups=("coordination.k8s.io",), kinds=("Lease",)),
)
"""What Argo CD never manages (`coreExcludedResources`)."""


@dataclass(frozen=True)
class KindFilter:
    """As it is made here, that of a hub that says nothing."""

    excluded: tuple[Kinds, ...] = ()
    included: tuple[Kinds, ...] = ()
    selected: tuple[Kinds, ...] = ()

    def leaves_out(self, group_kind: tuple[str, str], cluster: str) -> bool:
        """Whether a kind of a cluster (by its URL) is neither managed nor looked at (`IsExcludedResource`)."""
        if any(each.name(*group_kind, cluster) for each in (*_ALWAYS, *self.excluded)):
            return True
        if any(each.name(*group_kind, cluster) for each in self.included):
            return False
        return any(each.on(cluster) for each in self.included)

    def passed_over_by(self, group_kind: tuple[str, str], cluster: str, labels: Mapping[str, str]) -> str:
        """The selector of a kind (`GetLabelSelector`) that an object's labels do not match: it is managed, but taken
        for absent. Empty where they match, or where there is none."""
        told = (each.selector.strip() for each in self.selected if each.name(*group_kind, cluster))
        selector = ",".join(filter(None, told))
        return "" if not selector or parse(selector)(labels) else selector


def filter_of(data: Mapping[str, str]) -> KindFilter:
    """The filter in the data of ``argocd-cm``.

    Raises:
        UsageError: it can't be read; the message names the key.
    """
    selected = _entries(data, SELECTORS)
    for each in selected:
        try:
            parse(each.selector)
        except ValueError as error:
            raise UsageError(f"{CONFIG_MAP}: {SELECTORS}: {each.selector!r} is no selector: {error}") from error
    return KindFilter(_entries(data, EXCLUSIONS), _entries(data, INCLUSIONS), selected)


def _entries(data: Mapping[str, str], key: str) -> tuple[Kinds, ...]:
    where = f"{CONFIG_MAP}: {key}"
    found = yaml_value(data.get(key, ""), where)
    try:
        return msgspec.convert(found or (), tuple[Kinds, ...])
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} can't be read: {error}") from error
