"""Times and durations as Kubernetes and Argo CD write them.

Owns: RFC 3339 timestamps and Go durations, from text and to text. No clock: callers pass the time in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def parse_time(text: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 timestamp; None for None, empty or unreadable text."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_time(seconds: float) -> str:
    """A `metav1.Time` of `seconds` since the epoch: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as ``1m30s``.

    A bare integer counts as seconds, as Argo CD's retry back-off has it (util/argo, `RetryStrategy`).

    Raises:
        ValueError: `text` is no duration.
    """
    text = text.strip()
    sign = -1.0 if text.startswith("-") else 1.0
    body = text.lstrip("+-")
    if body.isdigit():
        return sign * float(body)
    total, position = 0.0, 0
    for match in _GO_DURATION.finditer(body):
        if match.start() != position:
            break
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not body or position != len(body):
        raise ValueError(f"{text!r} is no duration; write it like 90s, 5m or 1h30m")
    return sign * total


def format_duration(seconds: float) -> str:
    """A Go duration as people write it: ``45s``, ``10m``, ``1h30m``; what `parse_duration` reads."""
    left = max(0.0, seconds)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    words = [f"{hours:g}h" if hours else "", f"{minutes:g}m" if minutes else "", f"{left:g}s" if left else ""]
    return "".join(words) or "0s"


def age(seconds: float) -> str:
    """A duration in seconds as kubectl shows an age: ``12s``, ``4m``, ``3h``, ``2d``."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 7200:
        return f"{whole // 60}m"
    if whole < 172800:
        return f"{whole // 3600}h"
    return f"{whole // 86400}d"
