"""Each application once, however many contexts lead to it.

Owns: `Unique`. Called by `fleetui.fleet.applications`. Two contexts with different URLs may lead to one server; an
object's uid tells, and costs no request.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName


class Unique:
    """Which of several ways to an application is the one that is shown: by the first of the contexts.

    Args:
        order: the contexts.
    """

    def __init__(self, order: Iterable[ClusterName]) -> None:
        self._rank = {name: rank for rank, name in enumerate(order)}
        self._shown: dict[str, AppKey] = {}

    def take(self, key: AppKey, uid: str) -> tuple[bool, AppKey | None]:
        """Whether the application is shown under `key`, and the key of another context under which it was till now."""
        former = self._shown.get(uid) if uid else None
        if former is None or former.hub == key.hub:
            if uid:
                self._shown[uid] = key
            return True, None
        if self._rank[former.hub] < self._rank[key.hub]:
            return False, former
        self._shown[uid] = key
        return True, former

    def forget(self, keys: Container[AppKey]) -> list[tuple[AppKey, str]]:
        """Applications may not be seen under `keys` any more, though nobody has said that they are gone; returns those
        that another context may still show, with their uids."""
        free = [(shown, uid) for uid, shown in self._shown.items() if shown in keys]
        for _, uid in free:
            del self._shown[uid]
        return free

    def drop(self, key: AppKey, uid: str) -> None:
        """The application is not seen under `key` any more."""
        if self._shown.get(uid) == key:
            del self._shown[uid]
