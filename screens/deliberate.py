"""What all dialogs have in common: they are answered once, and by no key that was typed too early.

Owns: `Dialog` and `DeliberateScreen`. Which keys came too early is known to `screens.app`.
"""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """A screen that returns something. The second of two quick answers finds it gone, and does nothing."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()


class DeliberateScreen(Dialog[T]):
    """A dialog; `seen` once it was painted. Keys typed before that are dropped: nobody confirms what was not there."""

    seen = False

    def on_mount(self) -> None:  # a subclass's own is called too
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.seen = True
