"""Time zones by name.

Owns: `load_zone` and `offset_at`. Called by `fleetui.engine.cron` and `fleetui.engine.windows`. The names are Go's
(`time.LoadLocation`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def load_zone(name: str) -> ZoneInfo:
    """A time zone; an empty name and ``Local`` are UTC, which controllers run in.

    Raises:
        ValueError: there is none of that name; in Go's words.
    """
    if name in {"", "UTC", "Local"}:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        # A KeyError is what ZoneInfo says of a name it does not know; the others come of names that are no names.
        raise ValueError(f"unknown time zone {name}") from None


def offset_at(zone: ZoneInfo | None, moment: float) -> int:
    """Seconds by which the clocks of a zone are before UTC at `moment` (epoch s); None is UTC."""
    if zone is None:
        return 0
    offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
