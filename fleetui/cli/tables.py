"""The tables and trees that commands print for people.

Owns: rows as text. Everything shown was sanitised where it entered (`fleetui.model.text`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from fleetui.cli.output import aligned
from fleetui.fleet.grouping import grouped
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.views import Deployed, HistoryRow, Narrowed, ObjectEvent, Orphans, Tree, Why
from fleetui.model.app import App
from fleetui.model.objects import ClusterName
from fleetui.model.status import PROBLEM_ORDER, ClusterStatus, OperationPhase, SyncStatus
from fleetui.model.times import age

Keep = Callable[[App], bool]
SHORT = 8


def problems_first(app: App) -> tuple[int, int, str]:
    """What needs a human comes first, then by name."""
    return PROBLEM_ORDER[app.health.status], app.sync is SyncStatus.SYNCED, str(app.key)


def _age(since: float | None, now: float) -> str:
    return "" if since is None else age(now - since)


def apps(*, wide: bool, now: float, head: bool = True) -> Callable[[Sequence[App]], str]:
    """`get apps`."""
    titles = ["CONTEXT", "NAMESPACE", "NAME", "HEALTH", "SYNC", "REVISION", "ENGINE", "AGE"]
    titles += ["PROJECT", "DESTINATION", "PATH", "MESSAGE"] if wide else []

    def row(app: App) -> list[str]:
        key = app.key
        cells = [key.hub, key.namespace, key.name, app.health.status.value, app.sync.value]
        cells += [app.revision[:SHORT], key.dialect, _age(app.created_at, now)]
        if wide:
            where = app.destination.name or app.destination.server
            cells += [app.project, f"{where}/{app.destination.namespace}", app.source.path, why(app)]
        return cells

    return lambda rows: aligned(titles if head else (), [row(app) for app in rows])


def why(app: App) -> str:
    """The most telling message that an application has; that a sync succeeded explains nothing."""
    for condition in app.conditions:
        return condition.message
    if app.operation is not None and app.operation.phase is not OperationPhase.SUCCEEDED and app.operation.message:
        return app.operation.message
    return app.health.message


def count_apps(everything: Iterable[App], clusters: Iterable[ClusterStatus]) -> Mapping[str, int]:
    """How many applications each hub has, and how many run on each cluster that hubs have registered."""
    statuses = tuple(clusters)
    names = ClusterNames(statuses)
    registered = {status.name for status in statuses if not status.origin.startswith("kubeconfig")}
    counts: Counter[str] = Counter()
    for app in everything:
        where = names.of(app)
        counts.update([app.key.hub, *([where] if where in registered else [])])
    return counts


def clusters(
    counts: Mapping[str, int], narrowed: Mapping[ClusterName, Narrowed], *, wide: bool = False, now: float
) -> Callable[[Sequence[ClusterStatus]], str]:
    """`get clusters`."""
    titles = ("NAME", "STATE", "SINCE", "APPS", "VERSION", "LATENCY", "FROM", "ALIASES", "SERVER", "MESSAGE")
    more = ("LABELS",) if wide else ()

    def row(status: ClusterStatus) -> list[str]:
        since, count = _age(status.since, now), str(counts.get(status.name, 0))
        part = narrowed.get(status.name)
        server = f"{status.server} (insecure)" if status.insecure else status.server
        message = status.message or (part.words if part is not None else "")
        known = [status.version, latency(status), status.origin, ", ".join(status.aliases)]
        labels = [",".join(f"{name}={value}" for name, value in sorted(status.labels.items()))] if wide else []
        return [status.name, status.state.value, since, count, *known, server, message, *labels]

    return lambda rows: aligned((*titles, *more), [row(status) for status in rows])


def latency(status: ClusterStatus) -> str:
    """How long a cluster takes to answer, in milliseconds."""
    return "" if status.latency is None else f"{max(1, round(status.latency * 1000))}ms"


def tree(value: Tree, *, wide: bool = False) -> str:
    """`tree APP`: indented, with health, sync status and what there is to say of each object. Many like ones, such as
    the Pods of a ReplicaSet, are one row, unless it is `wide`."""
    rows = []
    skipped = None
    for node in value.nodes if wide else grouped(value).nodes:
        if skipped is not None and node.depth > skipped:
            continue
        skipped = node.depth if node.group else None
        kind = f"{'  ' * node.depth}{node.ref.kind}"
        health = node.health.status.value if node.health else ""
        sync = node.sync.value if node.sync else ""
        prune = "requires pruning" if node.requires_pruning else ""
        message = node.info or (node.health.message if node.health else "") or prune
        name = f"({node.group} alike)" if node.group else node.ref.name
        rows.append([kind, name, node.ref.namespace, health, sync, message])
    return aligned(("KIND", "NAME", "NAMESPACE", "HEALTH", "SYNC", "INFO"), rows)


def orphans(value: Orphans, now: float) -> str:
    """`tree APP --orphans`."""
    rows = [
        [one.ref.kind, one.ref.group, one.ref.name, one.ref.namespace, _age(one.created_at, now)]
        for one in value.objects
    ]
    return aligned(("KIND", "GROUP", "NAME", "NAMESPACE", "AGE"), rows)


def history(*, now: float) -> Callable[[Sequence[tuple[HistoryRow, Deployed | None]]], str]:
    """`history APP`: each entry, and below it what it changed."""
    titles = ("ID", "DEPLOYED", "REVISION", "BY", "AUTHOR", "SUBJECT")

    def row(entry: HistoryRow) -> list[str]:
        commit = entry.commit
        by = entry.initiated_by or ("automated" if entry.automated else "")
        deployed = f"{_age(entry.deployed_at, now)} ago" if entry.deployed_at is not None else ""
        author, subject = (commit.author, commit.subject) if commit else ("", entry.problem)
        number = f"{entry.id}{' *' if entry.current else ''}"
        return [number, deployed, entry.revision[:SHORT], by, author, subject]

    def table(rows: Sequence[tuple[HistoryRow, Deployed | None]]) -> str:
        head, *lines = aligned(titles, [row(entry) for entry, _ in rows]).splitlines()
        below = [[line, *_changed(entry, changed)] for line, (entry, changed) in zip(lines, rows, strict=True)]
        return "\n".join([head, *(line for lines in below for line in lines)])

    return table


def _changed(entry: HistoryRow, changed: Deployed | None) -> list[str]:
    if changed is None:
        return []
    origin = [f"asked for by {entry.origin}"] if entry.origin else []
    if changed.problem:
        return [f"    {line}" for line in (*origin, changed.problem)]
    words = [f"{one.verb} {one.ref} {one.summary}".rstrip() for one in changed.entries] or ["no object changed"]
    return [f"    {line}" for line in (*origin, *words)]


def events(*, now: float) -> Callable[[Sequence[ObjectEvent]], str]:
    """`events APP`."""
    titles = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE")

    def row(entry: ObjectEvent) -> list[str]:
        kind = "Warning" if entry.warning else "Normal"
        message = " ".join(entry.message.split())
        return [_age(entry.last, now), kind, entry.reason, str(entry.ref), str(entry.count), message]

    return lambda rows: aligned(titles, [row(entry) for entry in rows])


def explained(value: Why, *, now: float) -> str:
    """`why APP`: the paragraph, below it the way to the culprit, and where that was read."""
    lines = [" ".join(filter(None, (f"{value.key}: {value.words}", value.remedy)))]
    for depth, link in enumerate(value.chain, start=1):
        by = f" ({link.by})" if link.by else ""
        said = f": {link.said}" if link.said else ""
        lines.append(f"{'  ' * depth}{link.ref.kind} {link.ref.name}{by}{said}")
    for one in value.evidence:
        about = f" {one.ref.kind} {one.ref.name}" if one.ref is not None else ""
        when = f", {_age(one.time, now)} ago" if one.time is not None else ""
        lines.append(f"  {one.kind}{about}{when}: {one.text}")
    return "\n".join(lines)
