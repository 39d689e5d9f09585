"""Objects by a word.

Owns: `Index`. Called by `fleetui.fleet.store`. Most words lead to one object, as the owner of one Pod does: a set for
each would be nearly all that the collector has to look at.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from fleetui.model.objects import ObjectRef

Word = TypeVar("Word", bound=Hashable)


class Index(Generic[Word]):
    """References under words."""

    def __init__(self) -> None:
        self._found: dict[Word, ObjectRef | set[ObjectRef]] = {}

    def add(self, word: Word, ref: ObjectRef) -> None:
        held = self._found.setdefault(word, ref)
        if isinstance(held, set):
            held.add(ref)
        elif held != ref:
            self._found[word] = {held, ref}

    def discard(self, word: Word, ref: ObjectRef) -> None:
        held = self._found.get(word)
        if isinstance(held, set):
            held.discard(ref)
            if len(held) == 1:
                self._found[word] = held.pop()
        elif held == ref:
            del self._found[word]

    def get(self, word: Word) -> tuple[ObjectRef, ...]:
        held = self._found.get(word)
        if held is None:
            return ()
        return tuple(held) if isinstance(held, set) else (held,)
