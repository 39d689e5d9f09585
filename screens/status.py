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
    from screens.glyphs import Glyphs
    from screens.host import Host
    from screens.picture import Picture

INSECURE = "insecure"
"""Says that a server's certificate is not checked."""
_FIRST = {
    ClusterState.UNAUTHORIZED: 0,
    ClusterState.FORBIDDEN: 1,
    ClusterState.UNREACHABLE: 2,
    ClusterState.STALE: 3,
    ClusterState.CONNECTING: 4,
    ClusterState.LIVE: 6,
    ClusterState.REGISTERED: 7,
}
_CALM = 7
"""The place of a state that is no trouble and none of these, such as that of a cluster nobody has connected to."""
_BAD = {ClusterState.UNAUTHORIZED, ClusterState.FORBIDDEN, ClusterState.UNREACHABLE}


def urgency(status: ClusterStatus, picture: Picture) -> int:
    """The place of a cluster among others: what needs a human first."""
    place = _FIRST.get(status.state, _CALM)
    return min(place, 5) if status.name in picture.problems else place


def is_problem(status: ClusterStatus, picture: Picture) -> bool:
    """Whether a human may have something to do about a cluster."""
    return status.state in _BAD or status.state is ClusterState.STALE or status.name in picture.problems


def clusters_line(host: Host, width: int) -> Line:
    """Each cluster with its state, those that need a human first; what does not fit in `width` cells is counted."""
    picture = host.picture
    ordered = sorted(picture.clusters.values(), key=lambda status: (urgency(status, picture), status.name))
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
    marks = [Span(f" {glyphs.protected}", "warning")] if status.protected else []
    marks += [Span(f" {INSECURE}", "warning")] if status.insecure else []
    state = state_span(status, picture, host.now(), glyphs=glyphs)
    return (name, *marks, Span(f" {state.text} ", state.role))


def state_span(status: ClusterStatus, picture: Picture, now: float, *, glyphs: Glyphs) -> Span:
    """How it stands with a cluster, in a word or two: ``live``, ``◷ stale 3m``, ``✖ unreachable 2h``."""
    state, name = status.state, status.name
    word, role = state.value, CLUSTER_ROLE.get(state, "muted")
    if state is ClusterState.STALE:
        return Span(f"{glyphs.stale} {word} {age(now - status.since)}", role)
    if state in _BAD:
        return Span(f"{glyphs.degraded} {word} {age(now - status.since)}", role)
    if state is not ClusterState.LIVE:
        return Span(word, role)
    if name in picture.problems:
        return Span(f"{glyphs.degraded} no apps", "error")
    if name in picture.loading:
        return Span("loading", role)
    narrowed = picture.narrowed.get(name)
    if narrowed is None:
        return Span(word, role)
    several = len(narrowed.namespaces)
    part = f"{several} namespaces" if several > 1 else f"namespace {narrowed.namespaces[0]}"
    return Span(f"{part} only", "info")


def trouble(host: Host, width: int) -> Line:
    """The first thing that is wrong with a cluster, in its own words, and how many more there are; empty if none."""
    picture = host.picture
    said = [
        f"{status.name}: {status.message}"
        for status in sorted(picture.clusters.values(), key=lambda status: (urgency(status, picture), status.name))
        if status.state is not ClusterState.LIVE and status.message
    ]
    said += [f"{name}: {problem}" for name, problem in sorted(picture.problems.items())]
    said = list(dict.fromkeys(said))
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
    bad = sum(state in _BAD for state in states)
    spans = [Span(f"{len(states)} cluster{'' if len(states) == 1 else 's'}: {live} live", "muted")]
    spans += [Span(f" {stale} {glyphs.stale}", "warning")] if stale else []
    spans += [Span(f" {bad} {glyphs.degraded}", "error")] if bad else []
    spans += [Span(f" {connecting} connecting", "info")] if connecting else []
    spans += [Span(f" {registered} registered", "muted")] if registered else []
    return tuple(spans)
