"""Things by a word.

Owns: `Index`. Called by `fleetui.fleet.store` and `fleetui.fleet.structure`. Most words lead to one thing, as the owner
of one Pod does: a set for each would be nearly all that the collector has to look at.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Word = TypeVar("Word", bound=Hashable)
Thing = TypeVar("Thing", bound=Hashable)


class Index(Generic[Word, Thing]):
    """Things, which are no sets, under words."""

    def __init__(self) -> None:
        self._found: dict[Word, Thing | set[Thing]] = {}

    def add(self, word: Word, thing: Thing) -> None:
        held = self._found.setdefault(word, thing)
        if isinstance(held, set):
            held.add(thing)
        elif held != thing:
            self._found[word] = {held, thing}

    def discard(self, word: Word, thing: Thing) -> None:
        held = self._found.get(word)
        if isinstance(held, set):
            held.discard(thing)
            if len(held) == 1:
                self._found[word] = held.pop()
        elif held is not None and held == thing:
            del self._found[word]

    def get(self, word: Word) -> tuple[Thing, ...]:
        held = self._found.get(word)
        if held is None:
            return ()
        return tuple(held) if isinstance(held, set) else (held,)
