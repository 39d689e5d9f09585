"""The tables and trees that commands print for people.

Owns: rows as text. Everything shown was sanitised where it entered (`fleetui.model.text`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from fleetui.cli.output import aligned
from fleetui.fleet.views import HistoryRow, Narrowed, ObjectEvent, Tree
from fleetui.fleet.why import Why
from fleetui.model.app import App
from fleetui.model.change import Change, ChangeKind, ObjectDiff
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
    names: dict[str, str] = {}
    for status in clusters:
        if not status.origin.startswith("kubeconfig"):
            names |= dict.fromkeys((status.name, *status.aliases, status.server), status.name)
    counts: Counter[str] = Counter()
    for app in everything:
        where = names.get(app.destination.name or app.destination.server.rstrip("/"))
        counts.update([app.key.hub, *([where] if where else [])])
    return counts


def clusters(
    counts: Mapping[str, int], narrowed: Mapping[ClusterName, Narrowed], *, now: float
) -> Callable[[Sequence[ClusterStatus]], str]:
    """`get clusters`."""
    titles = ("NAME", "STATE", "SINCE", "APPS", "VERSION", "LATENCY", "FROM", "ALIASES", "SERVER", "MESSAGE")

    def row(status: ClusterStatus) -> list[str]:
        since, count = _age(status.since, now), str(counts.get(status.name, 0))
        part = narrowed.get(status.name)
        server = f"{status.server} (insecure)" if status.insecure else status.server
        message = status.message or (part.words if part is not None else "")
        known = [status.version, latency(status), status.origin, ", ".join(status.aliases)]
        return [status.name, status.state.value, since, count, *known, server, message]

    return lambda rows: aligned(titles, [row(status) for status in rows])


def latency(status: ClusterStatus) -> str:
    """How long a cluster takes to answer, in milliseconds."""
    return "" if status.latency is None else f"{max(1, round(status.latency * 1000))}ms"


def tree(value: Tree) -> str:
    """`tree APP`: indented, with health, sync status and what there is to say of each object."""
    rows = []
    for node in value.nodes:
        kind = f"{'  ' * node.depth}{node.ref.kind}"
        health = node.health.status.value if node.health else ""
        sync = node.sync.value if node.sync else ""
        prune = "requires pruning" if node.requires_pruning else ""
        message = node.info or (node.health.message if node.health else "") or prune
        rows.append([kind, node.ref.name, node.ref.namespace, health, sync, message])
    return aligned(("KIND", "NAME", "NAMESPACE", "HEALTH", "SYNC", "INFO"), rows)


def diff(objects: Iterable[ObjectDiff], *, now: float, of_files: bool = False) -> str:
    """Every object that differs, field by field, with who set the live value and which commit the desired one;
    `of_files` where no Git and no cluster is compared.
    """
    return "\n\n".join(_object(one, now=now, of_files=of_files) for one in objects if one.differs)


def _object(one: ObjectDiff, *, now: float, of_files: bool) -> str:
    git, cluster, desired_of = (one.file, one.file, "desired") if of_files else ("Git", "the cluster", "Git")
    where = f"{one.file}:{one.line}" if one.file and one.line else one.file
    lines = [f"=== {one.ref}  {where}".rstrip()]
    if one.live is None:
        lines.append(f"+ only in {git}: a sync makes it{_written(one.changes[0], now) if one.changes else ''}")
    elif one.desired is None:
        lines.append(f"- only in {cluster}: a sync with prune deletes it")
    else:
        lines += [_field(change, desired_of, now) for change in one.changes]
    return "\n".join(lines)


def _field(change: Change, desired_of: str, now: float) -> str:
    if change.kind is ChangeKind.MOVE:
        return f"~ {change.dotted}: live at position {change.before}, {desired_of} at {change.after}"
    mark = {ChangeKind.ADD: "+", ChangeKind.REMOVE: "-", ChangeKind.CHANGE: "~"}[change.kind]
    by = f"  (live set by {change.blame.manager})" if change.blame and change.blame.manager else ""
    live = "(absent)" if change.kind is ChangeKind.ADD else _value(change.before)
    desired = "(absent)" if change.kind is ChangeKind.REMOVE else _value(change.after)
    return f"{mark} {change.dotted}: live {live}, {desired_of} {desired}{by}{_written(change, now)}"


def _written(change: Change, now: float) -> str:
    """Who wrote the desired value in Git."""
    commit = change.commit
    return f"  # {commit.sha[:SHORT]} {commit.author}, {age(now - commit.time)} ago" if commit is not None else ""


def _value(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def history(*, now: float) -> Callable[[Sequence[HistoryRow]], str]:
    """`history APP`."""
    titles = ("ID", "DEPLOYED", "REVISION", "BY", "AUTHOR", "SUBJECT")

    def row(entry: HistoryRow) -> list[str]:
        commit = entry.commit
        by = entry.initiated_by or ("automated" if entry.automated else "")
        deployed = f"{_age(entry.deployed_at, now)} ago" if entry.deployed_at is not None else ""
        author, subject = (commit.author, commit.subject) if commit else ("", entry.problem)
        number = f"{entry.id}{' *' if entry.current else ''}"
        return [number, deployed, entry.revision[:SHORT], by, author, subject]

    return lambda rows: aligned(titles, [row(entry) for entry in rows])


def events(*, now: float) -> Callable[[Sequence[ObjectEvent]], str]:
    """`events APP`."""
    titles = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE")

    def row(entry: ObjectEvent) -> list[str]:
        kind = "Warning" if entry.warning else "Normal"
        message = " ".join(entry.message.split())
        return [_age(entry.last, now), kind, entry.reason, str(entry.ref), str(entry.count), message]

    return lambda rows: aligned(titles, [row(entry) for entry in rows])


def explained(value: Why, *, now: float) -> str:
    """`why APP`: the paragraph, and below it where that was read."""
    lines = [f"{value.key}: {value.words}"]
    for one in value.evidence:
        about = f" {one.ref.kind} {one.ref.name}" if one.ref is not None else ""
        when = f", {_age(one.time, now)} ago" if one.time is not None else ""
        lines.append(f"  {one.kind}{about}{when}: {one.text}")
    return "\n".join(lines)
