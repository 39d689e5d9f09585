"""A cluster as a row of the clusters table, and what is counted of its applications.

Owns: the columns, what each cell says, the order, `Census`. Pure: picture and time in, cells out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus, HealthStatus, SyncStatus
from fleetui.model.times import age
from screens.cells import Cell, Span
from screens.glyphs import HEALTH_ROLE, Glyphs
from screens.picture import Picture
from screens.status import INSECURE, is_problem, state_span, urgency
from screens.theme import cluster_role
from screens.widgets.columns import Column
from screens.widgets.table import Row

UNKNOWN = "–"
"""Stands where a number is not known."""
LOGIN_KEY = "x"
"""The key of `clusters.login`, named in the state of a cluster that asks for it."""


def columns(glyphs: Glyphs) -> Sequence[Column]:
    """The columns; three of them are called by a glyph."""
    count = {"least": 2, "most": 4, "right": True}
    return (
        Column("cluster", "CLUSTER", least=12, most=50, flash=False, name=True),
        Column("state", "STATE", least=22, most=34),
        Column("apps", "APPS", least=4, most=6, right=True),
        Column("degraded", glyphs.degraded, **count, priority=1),  # type: ignore[arg-type]
        Column("progressing", glyphs.progressing, **count, priority=1),  # type: ignore[arg-type]
        Column("differ", glyphs.out_of_sync, **count, priority=1),  # type: ignore[arg-type]
        Column("version", "VERSION", least=7, most=16, priority=2, flash=False),
        Column("engines", "ENGINES", least=7, most=18, priority=4, flash=False),
        Column("latency", "LATENCY", least=8, most=8, priority=3, right=True, flash=False),
        Column("server", "SERVER", least=20, most=60, priority=5, wide=True, flash=False),
        Column("from", "FROM", least=10, most=40, priority=6, wide=True, flash=False),
    )


class Seen(NamedTuple):
    """What the census has of one application."""

    cluster: str
    words: tuple[str, ...]


class Census:
    """How many applications run on each cluster, and how they are.

    Kept on the way: counting 5,000 applications on each change would be felt.
    """

    def __init__(self) -> None:
        self._seen: dict[AppKey, Seen] = {}
        self._tally: Counter[tuple[str, str]] = Counter()

    def take(self, apps: Iterable[App], picture: Picture) -> None:
        """Counts these applications anew."""
        for app in apps:
            self.drop(app.key)
            words = ("apps", app.health.status.value, app.sync.value, f"engine {app.key.dialect}")
            seen = self._seen[app.key] = Seen(picture.cluster_of(app), words)
            self._tally.update((seen.cluster, word) for word in words)

    def drop(self, key: AppKey) -> None:
        """Counts an application no more."""
        seen = self._seen.pop(key, None)
        if seen is not None:
            self._tally.subtract((seen.cluster, word) for word in seen.words)

    def count(self, cluster: str, word: str) -> int:
        """How many of a cluster's applications are ``Degraded``, ``OutOfSync``, …; ``apps`` are all."""
        return self._tally[cluster, word]

    def engines(self, cluster: str) -> list[str]:
        """Whose applications a cluster has."""
        found = {word for (name, word), count in self._tally.items() if name == cluster and count}
        return sorted(word.removeprefix("engine ") for word in found if word.startswith("engine "))


def row(status: ClusterStatus, census: Census, picture: Picture, now: float, *, glyphs: Glyphs) -> Row:
    """The row of a cluster, a cell for each of `columns`."""
    name = status.name
    counts = (
        (HealthStatus.DEGRADED.value, HEALTH_ROLE[HealthStatus.DEGRADED]),
        (HealthStatus.PROGRESSING.value, HEALTH_ROLE[HealthStatus.PROGRESSING]),
        (SyncStatus.OUT_OF_SYNC.value, "warning"),
    )
    lock = (Span(f" {glyphs.protected}", "warning"),) if status.protected else ()
    cells = (
        Cell(name, cluster_role(picture.place(name)), lock),
        state_cell(status, picture, now, glyphs=glyphs),
        _apps(status, census, picture),
        *(_count(census.count(name, word), role) for word, role in counts),
        Cell(status.version or UNKNOWN, "muted"),
        Cell(" ".join(census.engines(name)) or UNKNOWN, "muted"),
        Cell(latency_words(status), "muted"),
        Cell(status.server, "muted"),
        Cell(status.origin, "muted"),
    )
    return Row(cells, dim=status.state is ClusterState.STALE)


def state_cell(status: ClusterStatus, picture: Picture, now: float, *, glyphs: Glyphs) -> Cell:
    """How it stands with a cluster, with the key that helps, and whether its certificate is checked."""
    span = state_span(status, picture, now, glyphs=glyphs)
    key = f": {LOGIN_KEY}" if status.state is ClusterState.UNAUTHORIZED else ""
    tail = (Span(f" {INSECURE}", "warning"),) if status.insecure else ()
    return Cell(f"{span.text}{key}", span.role, tail)


def latency_words(status: ClusterStatus) -> str:
    """``31 ms``."""
    return UNKNOWN if status.latency is None else f"{max(1, round(status.latency * 1000)):,} ms"


def _apps(status: ClusterStatus, census: Census, picture: Picture) -> Cell:
    count = census.count(status.name, "apps")
    known = count or (status.state is ClusterState.LIVE and status.name not in picture.loading)
    more = "+" if count and status.name in picture.loading else ""
    return Cell(f"{count:,}{more}" if known else UNKNOWN, "" if count else "muted")


def _count(count: int, role: str) -> Cell:
    return Cell(f"{count:,}" if count else "", role)


def sort_key(status: ClusterStatus, picture: Picture) -> tuple[int, str]:
    """What needs a human first, then by name."""
    return urgency(status, picture), status.name


def needs_human(status: ClusterStatus, picture: Picture) -> bool:
    """Whether `n` stops here."""
    return is_problem(status, picture)


def widths(statuses: Iterable[ClusterStatus], census: Census, picture: Picture, now: float) -> Mapping[str, int]:
    """How wide the widest content of the columns is whose width depends on names."""
    names = ("cluster", "state", "version", "engines", "server", "from", "degraded", "progressing", "differ")
    wanted = dict.fromkeys(names, 0)
    for status in statuses:
        marks = 2 * status.protected
        state = state_cell(status, picture, now, glyphs=Glyphs())
        wanted["cluster"] = max(wanted["cluster"], len(status.name) + marks)
        wanted["state"] = max(wanted["state"], state.width + 1)  # an age may become a digit longer
        wanted["version"] = max(wanted["version"], len(status.version))
        wanted["engines"] = max(wanted["engines"], len(" ".join(census.engines(status.name))))
        wanted["server"] = max(wanted["server"], len(status.server))
        wanted["from"] = max(wanted["from"], len(status.origin))
    return wanted | {"apps": 4}


def why(status: ClusterStatus, picture: Picture, now: float) -> str:
    """A cluster's state in sentences: what is wrong with it, what of it is not shown, how it is reached."""
    name, narrowed = status.name, picture.narrowed.get(status.name)
    told = [status.message, "" if status.message else picture.problems.get(name, "")]
    if narrowed is not None and narrowed.namespaces:
        told.append(f"{narrowed.words}: {narrowed.refusal}")
    if status.state is ClusterState.STALE:
        told.append(f"its rows are {age(now - status.since)} old")
    if status.insecure:
        told.append("its certificate is not checked (insecure-skip-tls-verify)")
    if status.state is ClusterState.REGISTERED:
        told.append(f"registered by {status.origin}, and connected to when somebody needs it; r does it now")
    if not any(told):
        told.append(f"{status.state.value} for {age(now - status.since)}, {status.server}")
    if status.aliases:
        told.append(f"also called {', '.join(status.aliases)}")
    return f"{name}: " + ". ".join(text.rstrip(".") for text in dict.fromkeys(told) if text)


def filter_for(cluster: ClusterName) -> str:
    """The filter of the applications table that shows what runs on this cluster alone."""
    pieces = cluster.replace(",", " ").split()
    if pieces == [cluster]:
        return f"cluster:={cluster}"
    return " ".join(f"cluster:{piece}" for piece in pieces)  # a filter's words have neither blanks nor commas
