"""How each cluster is, in one line.

Owns: the status bar's text. Pure but for the host it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.model.times import age
from screens.cells import Line, Span, width_of
from screens.glyphs import CLUSTER_ROLE
from screens.theme import cluster_role

if TYPE_CHECKING:
    from screens.host import Host

_FIRST = {
    ClusterState.UNAUTHORIZED: 0,
    ClusterState.FORBIDDEN: 1,
    ClusterState.UNREACHABLE: 2,
    ClusterState.STALE: 3,
    ClusterState.CONNECTING: 4,
    ClusterState.LIVE: 6,
    ClusterState.REGISTERED: 7,
}

_FINE = {ClusterState.LIVE, ClusterState.CONNECTING, ClusterState.REGISTERED}


def clusters_line(host: Host, width: int) -> Line:
    """Each cluster with its state, those that need a human first; what does not fit in `width` cells is counted."""
    picture = host.picture
    ordered = sorted(
        picture.clusters.values(),
        key=lambda status: (min(_FIRST[status.state], 5 if status.name in picture.problems else 9), status.name),
    )
    parts = [_cluster(host, status) for status in ordered]
    line: list[Span] = []
    room = width - 1
    for number, part in enumerate(parts):
        left = len(parts) - number - 1
        more = Span(f"  +{left + 1}", "muted")
        if width_of(part) > room - (width_of([more]) if left else 0):
            return (*line, more)
        line += part
        room -= width_of(part)
    return tuple(line)


def _cluster(host: Host, status: ClusterStatus) -> Line:
    picture, glyphs = host.picture, host.glyphs
    name = Span(f" {status.name}", cluster_role(picture.place(status.name)))
    lock = (Span(f" {glyphs.protected}", "warning"),) if status.protected else ()
    word, role = status.state.value, CLUSTER_ROLE[status.state]
    if status.state is ClusterState.LIVE and status.name in picture.problems:
        return (name, *lock, Span(f" {glyphs.degraded} no apps ", "error"))
    if status.state is ClusterState.LIVE and status.name in picture.loading:
        word = "loading"
    if status.state is ClusterState.STALE:
        word = f"{glyphs.stale} {word} {age(host.now() - status.since)}"
    elif status.state not in _FINE:
        word = f"{glyphs.degraded} {word} {age(host.now() - status.since)}"
    return (name, *lock, Span(f" {word} ", role))


def trouble(host: Host, width: int) -> Line:
    """The first thing that is wrong with a cluster, in its own words, and how many more there are; empty if none."""
    picture = host.picture
    said = [
        f"{status.name}: {status.message}"
        for status in sorted(picture.clusters.values(), key=lambda status: (_FIRST[status.state], status.name))
        if status.state is not ClusterState.LIVE and status.message
    ]
    said += [f"{name}: {problem}" for name, problem in sorted(picture.problems.items())]
    if not said:
        return ()
    more = f" (+{len(said) - 1} more)" if len(said) > 1 else ""
    from screens.cells import cut_end

    return (Span(f" {cut_end(said[0], width - len(more) - 2, host.glyphs.ellipsis)}{more}", "warning"),)


def summary(host: Host) -> Line:
    """How many clusters there are, and how many of them are in which state: ``8 clusters: 6 live 1 ◷ 1 ✖``."""
    picture, glyphs = host.picture, host.glyphs
    states = [status.state for status in picture.clusters.values()]
    if not states:
        return ()
    if picture.loading:
        return (Span(f"{len(states) - len(picture.loading)} of {len(states)} clusters", "info"),)
    live, stale = states.count(ClusterState.LIVE), states.count(ClusterState.STALE)
    connecting = states.count(ClusterState.CONNECTING)
    registered = states.count(ClusterState.REGISTERED)
    bad = len(states) - live - stale - connecting - registered
    spans = [Span(f"{len(states)} cluster{'' if len(states) == 1 else 's'}: {live} live", "muted")]
    spans += [Span(f" {stale} {glyphs.stale}", "warning")] if stale else []
    spans += [Span(f" {bad} {glyphs.degraded}", "error")] if bad else []
    spans += [Span(f" {connecting} connecting", "info")] if connecting else []
    spans += [Span(f" {registered} registered", "muted")] if registered else []
    return tuple(spans)
