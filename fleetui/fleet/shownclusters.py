"""How the clusters of a fleet are shown: what their links say, and what is known of them besides.

Owns: `ShownClusters`, made by `fleetui.fleet.fleet`, which publishes what changes. Which clusters there are is
`fleetui.fleet.clusters`'.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from fleetui.fleet.clusters import Clusters
from fleetui.fleet.coverage import Coverage
from fleetui.fleet.views import ChangeSet
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus

_FINE = frozenset({ClusterState.LIVE, ClusterState.CONNECTING})


class ShownClusters:
    """The status of each cluster, as it is shown.

    Args:
        directory: which clusters there are.
        coverage: what is seen of their applications.
        protects: which clusters want their name typed before an action, besides those whose status says so.
        publish: hears of each change.
    """

    def __init__(
        self,
        directory: Clusters,
        coverage: Coverage,
        *,
        protects: Callable[[str], bool],
        publish: Callable[[ChangeSet], None],
    ) -> None:
        self._directory = directory
        self._coverage = coverage
        self._protects = protects
        self._publish = publish
        self.shown = {name: self._shown(status) for name, status in directory.statuses.items()}

    def changed(self, status: ClusterStatus) -> None:
        """A cluster has another status, or is to be shown otherwise."""
        shown = self._shown(status)
        if self.shown.get(shown.name) != shown:
            self.shown[shown.name] = shown
            self._publish(ChangeSet(clusters={shown.name: shown}))

    def gone(self, name: ClusterName) -> None:
        """A cluster is not registered any more."""
        if self.shown.pop(name, None) is not None:
            self._publish(ChangeSet(gone=frozenset({name})))

    def problems(self, chosen: Collection[ClusterName]) -> dict[ClusterName, str]:
        """Why one of the chosen clusters shows no applications or old ones, in a sentence that begins with its name."""
        told = {name: status.message for name, status in self.shown.items() if status.state not in _FINE}
        away = {name: message for name, message in told.items() if message and name in chosen}
        return {name: f"{name}: {problem}" for name, problem in (away | self._coverage.problems).items()}

    def is_protected(self, cluster: ClusterName) -> bool:
        """Whether actions on a cluster want its name typed."""
        return self._protects(cluster) or self._directory.is_protected(cluster)

    def _shown(self, status: ClusterStatus) -> ClusterStatus:
        shown = msgspec.structs.replace(status, protected=status.protected or self._protects(status.name))
        refusal = self._coverage.refusal(status.name)
        if refusal and status.state in {ClusterState.LIVE, ClusterState.FORBIDDEN}:
            # No application of it is watched, so that the link complains of nothing, or of something beside the point.
            shown = msgspec.structs.replace(shown, state=ClusterState.FORBIDDEN, message=refusal)
        return shown
