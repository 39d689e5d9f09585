"""Which cell of the addon matrix an application is, and which version it has.

Owns: `CellRules`, `cell_of`, `version_of`. Pure. Called by `fleetui.fleet.matrix`, and by rollouts, which move cells.
Never here: how a cell is; where in Git its version stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from fleetui.fleet.naming import IN_CLUSTER_NAME, ClusterNames
from fleetui.model.app import App
from fleetui.model.names import sanitized_name
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey
from fleetui.model.selectors import LabelSelector

ADDON_LABEL = "addon"
"""The label of an application that names its addon, by default."""
NAME_LABEL = "app.kubernetes.io/name"
VERSION_LABELS = ("version", "app.kubernetes.io/version")
VERSION_PARAMETER = "version"
"""The Helm parameter by which a template hands an addon's version on."""

_LONGEST = 256
"""Characters of a text that may be a version."""
_VERSION = r"v?[0-9]+(?:\.[0-9]+){1,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_IS_VERSION = re.compile(_VERSION)
_IS_TAG = re.compile(rf".*?[-/_]({_VERSION})")


class CellRules(msgspec.Struct, frozen=True):
    """What an operator says about addons.

    `label` is the label of an application that names its addon. `selector` says by their labels which applications are
    addons; None: those that an ApplicationSet makes, and those with `label`.
    """

    label: str = ADDON_LABEL
    selector: LabelSelector | None = None

    def takes(self, app: App) -> bool:
        """Whether an application is a cell at all."""
        if self.selector is not None:
            return self.selector(app.labels)
        return bool(app.application_set) or self.label in app.labels


DEFAULT = CellRules()


def cell_of(app: App, clusters: ClusterNames, rules: CellRules = DEFAULT) -> CellKey | None:
    """The place of an application in the addon matrix; None where it is no addon.

    The cluster is the one that its destination names, as the fleet calls it. The addon is the first of these that
    there is:

    1. the value of the label `rules.label`;
    2. of what an ApplicationSet makes, the name without the cluster's name at its beginning or end, in any of the ways
       in which generators write it (``name``, ``nameNormalized``); where nothing else is in the name, the
       ApplicationSet's own;
    3. the value of the label ``app.kubernetes.io/name``;
    4. the application's name.
    """
    if not rules.takes(app):
        return None
    cluster = clusters.of(app)
    return CellKey(cluster, _addon(app, cluster, clusters, rules))


def version_of(app: App) -> str:
    """The version that an application is to have, as it is written; empty where none can be told.

    It is the first of these that there is:

    1. of a chart its version, and where a range is asked for, the one that was found in it;
    2. the Helm parameter ``version``, then the label ``version``, then ``app.kubernetes.io/version``;
    3. the last segment of the path that is a version, as in ``addons/cert-manager/1.15.0``;
    4. a revision that is a version or ends in one, as the tags ``v1.15.0`` and ``cert-manager-1.15.0``;
    5. the tag of the main image: the one called most like the application, else the first.
    """
    source = app.source
    if source.chart:
        asked = source.target_revision
        return asked if _is_version(asked) or not _is_version(app.revision) else app.revision
    told = app.parameters.get(VERSION_PARAMETER) or next(filter(None, map(app.labels.get, VERSION_LABELS)), "")
    return told or _in_path(source.path) or _in_tag(source.target_revision) or _of_image(app)


# --- the addon ------------------------------------------------------------------------------------------------------


def _addon(app: App, cluster: ClusterName, clusters: ClusterNames, rules: CellRules) -> str:
    if labelled := app.labels.get(rules.label):
        return labelled
    name = app.key.name
    if app.application_set:
        spellings = (*clusters.called(cluster), app.destination.name, *([IN_CLUSTER_NAME] * (cluster == app.key.hub)))
        if (rest := _without(name, spellings)) is not None:
            return rest or app.application_set
    return app.labels.get(NAME_LABEL) or name


def _without(name: str, clusters: Iterable[str]) -> str | None:
    """`name` without the longest of the clusters' names that it begins or ends with; None where it has none of them."""
    written = {spelling for each in clusters for spelling in (each, sanitized_name(each)) if spelling}
    for spelling in sorted(written, key=len, reverse=True):
        if name == spelling:
            return ""
        if name.startswith(spelling) and name[len(spelling)] in "-.":
            return name[len(spelling) :].lstrip("-.")
        if name.endswith(spelling) and name[-len(spelling) - 1] in "-.":
            return name[: -len(spelling)].rstrip("-.")
    return None


# --- the version ----------------------------------------------------------------------------------------------------


def _is_version(text: str) -> bool:
    return len(text) <= _LONGEST and _IS_VERSION.fullmatch(text) is not None


def _in_path(path: str) -> str:
    return next((each for each in reversed(path.split("/")) if _is_version(each)), "")


def _in_tag(revision: str) -> str:
    if _is_version(revision):
        return revision
    found = _IS_TAG.fullmatch(revision) if len(revision) <= _LONGEST else None
    return found[1] if found is not None else ""


def _of_image(app: App) -> str:
    tagged = [(base, tag) for base, tag in map(_image, app.images) if tag]
    alike = [(base, tag) for base, tag in tagged if base and base in app.key.name]
    best = max(alike, key=lambda image: len(image[0]), default=None)
    return (best or next(iter(tagged), ("", "")))[1]


def _image(image: str) -> tuple[str, str]:
    """The last part of an image's name and its tag, which is empty where there is only a digest."""
    base, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return base, tag
