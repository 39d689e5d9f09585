"""Which kinds a hub leaves out of everything: ``resource.exclusions`` and ``resource.inclusions`` of ``argocd-cm``.

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

EXCLUSIONS, INCLUSIONS = "resource.exclusions", "resource.inclusions"


class Kinds(msgspec.Struct, frozen=True, rename="camel"):
    """An entry (`FilteredResource`): groups and clusters are globs, a kind is a name or ``*``; what is empty is any."""

    api_groups: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None

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

    def leaves_out(self, group_kind: tuple[str, str], cluster: str) -> bool:
        """Whether a kind of a cluster (by its URL) is neither managed nor looked at (`IsExcludedResource`)."""
        if any(each.name(*group_kind, cluster) for each in (*_ALWAYS, *self.excluded)):
            return True
        if any(each.name(*group_kind, cluster) for each in self.included):
            return False
        return any(each.on(cluster) for each in self.included)


def filter_of(data: Mapping[str, str]) -> KindFilter:
    """The filter in the data of ``argocd-cm``.

    Raises:
        UsageError: it can't be read; the message names the key.
    """
    return KindFilter(_entries(data, EXCLUSIONS), _entries(data, INCLUSIONS))


def _entries(data: Mapping[str, str], key: str) -> tuple[Kinds, ...]:
    where = f"{CONFIG_MAP}: {key}"
    found = yaml_value(data.get(key, ""), where)
    try:
        return msgspec.convert(found or (), tuple[Kinds, ...])
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} can't be read: {error}") from error
