"""How the answers of two servers are compared: without what is each one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OWN = {"uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "continue", "serverAddress"}
_THEIRS = {"storageVersionHash"}
"""What the real server alone says, and nobody reads."""


def plain(value: Any) -> Any:
    """The value without what is each server's own: uids, versions, times, addresses."""
    if isinstance(value, dict):
        kept = {key: child for key, child in value.items() if key not in _THEIRS}
        return {key: type(child).__name__ if key in _OWN else plain(child) for key, child in kept.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return _UID.sub("UID", value) if isinstance(value, str) else value


def differences(mine: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted(mine.keys() | theirs.keys()):
            if key in mine and key in theirs:
                yield from differences(mine[key], theirs[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for position, (left, right) in enumerate(zip(mine, theirs, strict=True)):
            yield from differences(left, right, f"{path}.{position}")
    elif mine != theirs:
        yield path
