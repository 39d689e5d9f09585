"""The addon matrix: clusters by addons, each cell an application, with totals on both edges.

Owns: `Matrix`, `Cell`, `Tally`. Pure, and kept on the way: a change of one application costs its cell and the totals
of its cluster and addon. Called by the console's matrix and by `get matrix`. Which cell an application is is decided in
`fleetui.fleet.cells`, which cells are shown in `fleetui.fleet.matrixfilter`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fleetui.fleet.cells import DEFAULT, CellRules, cell_of, version_of
from fleetui.fleet.matrixfilter import MatrixFilter
from fleetui.fleet.naming import ClusterNames
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey
from fleetui.model.status import PROBLEM_ORDER, ClusterState, ClusterStatus, HealthStatus, SyncStatus
from fleetui.versions import Version, VersionError

CALM = frozenset({HealthStatus.HEALTHY, HealthStatus.SUSPENDED})
_FIRST_LABELS = ("stage", "env", "environment", "tier", "region", "zone")
"""Labels by which clusters are grouped before others, where they have them."""
_OWN_LABELS = "argocd.argoproj.io/"
"""Labels that Argo CD gives to Secrets for itself."""
_NUMBERS = re.compile(r"([0-9]+)")


class Cell(msgspec.Struct, frozen=True, gc=False):
    """An application in the matrix. `drift` is how many of its objects differ from Git; `stale`: its hub does not
    answer, and this is how it last was; `more` applications are in the same place, and this one is the worst of them.
    """

    key: CellKey
    app: AppKey
    version: str
    health: HealthStatus
    sync: SyncStatus
    drift: int
    stale: bool = False
    more: int = 0

    @property
    def problem(self) -> bool:
        """Whether somebody may have something to do about it."""
        return self.health not in CALM or self.sync is not SyncStatus.SYNCED


class Tally:
    """How many cells there are of each health, how many differ from Git, and how many have each version."""

    def __init__(self) -> None:
        self.cells = 0
        self.differ = 0
        self.health: Counter[HealthStatus] = Counter()
        self.versions: Counter[str] = Counter()

    def count(self, cell: Cell, step: int) -> None:
        """Counts a cell, or with a `step` of -1 no longer."""
        self.cells += step
        self.differ += step * (cell.sync is SyncStatus.OUT_OF_SYNC)
        self.health[cell.health] += step
        self.versions[cell.version] += step
        if not self.versions[cell.version]:
            del self.versions[cell.version]

    def add(self, other: Tally) -> None:
        """Counts all that `other` has."""
        self.cells += other.cells
        self.differ += other.differ
        self.health += other.health
        self.versions += other.versions

    @property
    def by_version(self) -> list[tuple[str, int]]:
        """The versions with their counts, the newest first."""
        return sorted(self.versions.items(), key=lambda item: version_order(item[0]), reverse=True)

    @property
    def usual(self) -> str:
        """The commonest version, of equally common ones the newest; empty where there is none."""
        known = [(count, version_order(version), version) for version, count in self.versions.items() if version]
        return max(known, default=(0, (), ""))[2]


class Touched(NamedTuple):
    """What became another: `cells`; `shape` where rows, columns or groups came, went or moved; `usual` where the
    version changed that others are held against."""

    cells: frozenset[CellKey] = frozenset()
    shape: bool = False
    usual: bool = False


class Matrix:
    """The addon matrix of a fleet.

    Args:
        rules: which applications are addons.
        group_by: the label of clusters by which they are grouped; empty: one group.
    """

    def __init__(self, rules: CellRules = DEFAULT, *, group_by: str = "") -> None:
        self.rules = rules
        self.group_by = group_by
        self.filter = MatrixFilter()
        self._names = ClusterNames()
        self._statuses: dict[ClusterName, ClusterStatus] = {}
        self._apps: dict[AppKey, App] = {}
        self._places: dict[AppKey, CellKey] = {}
        self._all: dict[CellKey, dict[AppKey, Cell]] = {}
        self._shown: dict[CellKey, Cell] = {}
        self._of_cluster: dict[ClusterName, Tally] = defaultdict(Tally)
        self._of_group: dict[tuple[str, str], Tally] = defaultdict(Tally)

    # --- taking over ------------------------------------------------------------------------------------------------

    def update(
        self,
        apps: Iterable[App] = (),
        *,
        removed: Iterable[AppKey] = (),
        clusters: Iterable[ClusterStatus] = (),
        gone: Iterable[ClusterName] = (),
    ) -> Touched:
        """Takes over what changed in the fleet, as a `fleetui.fleet.views.ChangeSet` says it."""
        statuses, gone = tuple(clusters), tuple(gone)
        before = self._shape
        usual = self._usual()
        again: dict[AppKey, App] = {}
        relabelled = False
        if statuses or gone:
            again, relabelled = self._learn(statuses, gone)
        if relabelled:
            self._show_all()
        touched: set[CellKey] = set()
        for key in removed:
            again.pop(key, None)
            touched |= self._drop(key)
        again.update((app.key, app) for app in apps)
        for app in again.values():
            touched |= self._take(app)
        shape = relabelled or before != self._shape
        return Touched(frozenset(touched), shape, relabelled or usual != self._usual())

    def show(self, wanted: MatrixFilter) -> bool:
        """Shows the cells that a filter takes; returns whether it is another one than before."""
        changed, self.filter = wanted.text != self.filter.text, wanted
        if changed:
            self._show_all()
        return changed

    def group(self, label: str) -> None:
        """Groups the clusters by a label of theirs; empty: one group."""
        if label != self.group_by:
            self.group_by = label
            self._show_all()

    # --- what there is ----------------------------------------------------------------------------------------------

    @property
    def groups(self) -> list[tuple[str, list[ClusterName]]]:
        """The values of the label by which is grouped, each with its clusters; those without it come last, as ``""``.
        Names are ordered as people count: 2 before 10."""
        found: dict[str, list[ClusterName]] = defaultdict(list)
        for cluster in sorted((name for name, tally in self._of_cluster.items() if tally.cells), key=natural):
            found[self.group_of(cluster)].append(cluster)
        return sorted(found.items(), key=lambda item: (not item[0], natural(item[0])))

    @property
    def addons(self) -> list[str]:
        """The addons of which a cell is shown, by name."""
        return sorted({addon for (addon, _), tally in self._of_group.items() if tally.cells}, key=natural)

    @property
    def cells(self) -> Mapping[CellKey, Cell]:
        """The cells that are shown."""
        return self._shown

    @property
    def total(self) -> int:
        """How many cells there are, shown or not."""
        return len(self._all)

    def app(self, cell: Cell) -> App | None:
        """The application of a cell."""
        return self._apps.get(cell.app)

    def apps_at(self, key: CellKey) -> list[AppKey]:
        """All applications in a place, the worst first."""
        return [cell.app for cell in sorted(self._all.get(key, {}).values(), key=_worst_first)]

    def labels_of(self, cluster: ClusterName) -> Mapping[str, str]:
        """How hubs label a cluster."""
        status = self._statuses.get(cluster)
        return status.labels if status is not None else {}

    def group_of(self, cluster: ClusterName) -> str:
        """The value of the label by which is grouped; empty where the cluster has none."""
        return self.labels_of(cluster).get(self.group_by, "") if self.group_by else ""

    @property
    def group_labels(self) -> list[str]:
        """The labels by which the shown clusters can be grouped: those that some of them share, or tell them apart."""
        clusters = [name for name, tally in self._of_cluster.items() if tally.cells]
        values: dict[str, set[str]] = defaultdict(set)
        having: Counter[str] = Counter()
        for cluster in clusters:
            for label, value in self.labels_of(cluster).items():
                if not label.startswith(_OWN_LABELS):
                    values[label].add(value)
                    having[label] += 1
        useful = [label for label, found in values.items() if len(found) < having[label] or label in _FIRST_LABELS]
        places = {label: place for place, label in enumerate(_FIRST_LABELS)}
        return sorted(useful, key=lambda label: (places.get(label, len(places)), label))

    # --- totals -----------------------------------------------------------------------------------------------------

    def of_cluster(self, cluster: ClusterName) -> Tally:
        """The total of a row."""
        return self._of_cluster.get(cluster) or Tally()

    def of_addon(self, addon: str, group: str | None = None) -> Tally:
        """The total of a column, of one group where it is named."""
        if group is not None:
            return self._of_group.get((addon, group)) or Tally()
        return _sum(tally for (name, _), tally in self._of_group.items() if name == addon)

    @property
    def of_all(self) -> Tally:
        """The total of everything that is shown."""
        return _sum(self._of_cluster.values())

    def skew(self, cell: Cell) -> int:
        """-1 where a cell is behind the commonest version of its addon in its group, 1 where it is ahead; 0 where it
        has that, or where the two can't be compared."""
        tally = self._of_group.get((cell.key.addon, self.group_of(cell.key.cluster)))
        if tally is None or len(tally.versions) < 2:
            return 0
        mine, usual = _read(cell.version), _read(tally.usual)
        return (mine > usual) - (mine < usual) if mine is not None and usual is not None else 0

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _shape(self) -> tuple[int, int]:
        """Tells whether rows or columns came or went, without ordering them."""
        clusters = frozenset(name for name, tally in self._of_cluster.items() if tally.cells)
        addons = frozenset(place for place, tally in self._of_group.items() if tally.cells)
        return hash(clusters), hash(addons)

    def _usual(self) -> dict[tuple[str, str], str]:
        return {place: tally.usual for place, tally in self._of_group.items() if len(tally.versions) > 1}

    def _learn(self, statuses: Sequence[ClusterStatus], gone: Sequence[ClusterName]) -> tuple[dict[AppKey, App], bool]:
        """Takes clusters over; returns the applications that are to be placed anew, and whether a label changed."""
        before = {status.name: self._statuses.get(status.name) for status in statuses}
        for name in gone:
            self._statuses.pop(name, None)
        self._statuses.update((status.name, status) for status in statuses)
        relabelled = any(
            status.labels != (known.labels if (known := before[status.name]) is not None else {}) for status in statuses
        )
        if self._names.update(statuses, gone):
            return dict(self._apps), relabelled
        turned = {
            status.name
            for status in statuses
            if (known := before[status.name]) is None or _is_stale(known) is not _is_stale(status)
        }
        return {key: app for key, app in self._apps.items() if key.hub in turned} if turned else {}, relabelled

    def _take(self, app: App) -> set[CellKey]:
        key = cell_of(app, self._names, self.rules)
        touched: set[CellKey] = set()
        if self._places.get(app.key, key) != key:
            touched |= self._drop(app.key)
        if key is None:
            return touched
        self._apps[app.key] = app
        self._places[app.key] = key
        status = self._statuses.get(app.key.hub)
        stale = status is not None and _is_stale(status)
        cell = Cell(key, app.key, version_of(app), app.health.status, app.sync, app.out_of_sync, stale)
        self._all.setdefault(key, {})[app.key] = cell
        return touched | self._show(key)

    def _drop(self, app: AppKey) -> set[CellKey]:
        self._apps.pop(app, None)
        key = self._places.pop(app, None)
        if key is None:
            return set()
        here = self._all[key]
        del here[app]
        if not here:
            del self._all[key]
        return self._show(key)

    def _show(self, key: CellKey) -> set[CellKey]:
        """Shows a place as it is now, and counts it; returns it where that is another than before."""
        before, after = self._shown.get(key), self._seen(key)
        if before == after:
            return set()
        for cell, step in ((before, -1), (after, 1)):
            if cell is not None:
                self._of_cluster[key.cluster].count(cell, step)
                self._of_group[key.addon, self.group_of(key.cluster)].count(cell, step)
        if after is None:
            del self._shown[key]
        else:
            self._shown[key] = after
        return {key}

    def _seen(self, key: CellKey) -> Cell | None:
        here = self._all.get(key)
        if not here:
            return None
        cell = next(iter(here.values()))
        if len(here) > 1:
            cell = msgspec.structs.replace(min(here.values(), key=_worst_first), more=len(here) - 1)
        return cell if not self.filter or self.filter.takes(cell, self.labels_of(key.cluster)) else None

    def _show_all(self) -> None:
        self._shown.clear()
        self._of_cluster.clear()
        self._of_group.clear()
        for key in self._all:
            self._show(key)


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that orders names as people count."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _NUMBERS.split(text) if part]


def version_order(text: str) -> tuple[Any, ...]:
    """A key that orders versions; what is none comes before all that are."""
    version = _read(text)
    return (0, text) if version is None else (1, version, text)


@lru_cache(maxsize=4096)
def _read(text: str) -> Version | None:
    try:
        return Version.loose(text)
    except VersionError:
        return None


def _is_stale(status: ClusterStatus) -> bool:
    return status.state is not ClusterState.LIVE


def _worst_first(cell: Cell) -> tuple[int, bool, AppKey]:
    return PROBLEM_ORDER[cell.health], cell.sync is SyncStatus.SYNCED, cell.app


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for each in tallies:
        total.add(each)
    return total
