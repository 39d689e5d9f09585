"""Dialogs that a key typed too early must not answer.

Owns: `DeliberateScreen`. Which keys those are is known to `screens.app`.
"""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

T = TypeVar("T")


class DeliberateScreen(ModalScreen[T]):
    """A dialog; `seen` once it was painted. Keys typed before that are dropped: nobody confirms what was not there."""

    seen = False

    def on_mount(self) -> None:  # a subclass's own is called too
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.seen = True
