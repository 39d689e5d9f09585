"""Which request is made again, and when.

Owns: `retry_delay` and `pause_after`. Called by `backends.kube.transport`. Pure.

The rules are client-go's (rest/with_retry.go and rest/request.go, client-go 0.37), with two of our own: an overloaded
server without a Retry-After is asked again too, if only for a read, and the pauses between such tries grow.
"""

from __future__ import annotations

from backends.kube.errors import never_sent, was_lost
from fleetui.model.errors import ClusterError, OverloadedError

_TRIES = 4
"""Of a read that failed; the pauses between them come to 1.4 s."""
_TRIES_OF_THE_REFUSED = 10
"""Of a request that the server put off by Retry-After (client-go: maxRetries 10)."""
_LONGEST_WAIT = 30.0
"""Seconds that a request waits at most; a server that wants more is told to whoever asked."""
_PAUSE = 1.0
"""Seconds of rest for an overloaded server that does not say how long; API Priority and Fairness asks for as much."""
_LONGEST_PAUSE = 60.0


def retry_delay(method: str, error: ClusterError, *, attempt: int, chance: float) -> float | None:
    """Seconds until a failed request is made again; None where it is not.

    A read is made again after a lost connection, 429 or 5xx. A write is made again only where it certainly was not
    carried out: 429 with Retry-After, or a connection that broke before anything was sent.

    Args:
        attempt: how many attempts were made before the one that failed.
        chance: from 0 to 1, so that many clients do not come back at once.
    """
    read = method == "GET"
    delay = 0.2 * 2**attempt * (0.5 + chance / 2)
    if isinstance(error, OverloadedError):
        asked = error.retry_after
        if not read and (error.code != 429 or asked is None):
            return None
        if attempt + 1 >= (_TRIES if asked is None else _TRIES_OF_THE_REFUSED):
            return None
        delay = delay if asked is None else max(asked, min(delay, _PAUSE))
        return delay if delay <= _LONGEST_WAIT else None
    return delay if attempt + 1 < _TRIES and (never_sent(error) or (read and was_lost(error))) else None


def pause_after(error: ClusterError) -> float:
    """Seconds for which all background work leaves the server alone: after 429, for as long as it asks."""
    if not isinstance(error, OverloadedError) or error.code != 429:
        return 0.0
    return _PAUSE if error.retry_after is None else min(error.retry_after, _LONGEST_PAUSE)
