"""Which manifests an API server is known to be able to read.

Owns: `Readable`. An object that the server has taken once it can read again: whether it can depends on the manifest
and on the kind's schema, not on what is there. That saves the dry run of a drift that is put right, and of a sync that
repeats what an earlier one applied. Pure bookkeeping.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from fleetui.engine.fingerprint import fingerprint

_LIMIT = 100_000


class Readable:
    """The manifests that one API server has taken, as fingerprints; the oldest are forgotten first."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._limit = limit

    def __contains__(self, manifest: Mapping[str, Any]) -> bool:
        return fingerprint(manifest) in self._known

    def add(self, manifest: Mapping[str, Any]) -> None:
        """Notes that the server has taken the manifest, validated strictly."""
        self._known[fingerprint(manifest)] = None
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forgets everything: a schema may have changed."""
        self._known.clear()
