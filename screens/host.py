"""What a screen may ask of the app that it stands in.

Owns: the Protocol `Host` (implemented by `screens.app.FleetApp`) and `Refetch`, which keeps one question on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from fleetui.ports import Subscription
    from screens.glyphs import Glyphs
    from screens.picture import Picture

T = TypeVar("T")


class Host(Protocol):
    """The console, as its screens see it."""

    @property
    def fleet(self) -> Fleet | None:
        """None until the fleet has been opened."""
        ...

    @property
    def picture(self) -> Picture: ...

    @property
    def glyphs(self) -> Glyphs: ...

    @property
    def read_only(self) -> bool: ...

    @property
    def contexts(self) -> tuple[str, ...]:
        """The contexts that the command line named; none: the current one."""
        ...

    @property
    def failure(self) -> str:
        """Why the fleet could not be opened, in one sentence; empty while nothing failed."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def open_fleet(self) -> None:
        """Opens the fleet, again after a failure."""
        ...

    async def on_engine(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the engine's loop."""
        ...

    def hold(self, open_it: Callable[[Fleet], Subscription]) -> Subscription:
        """Opens something on the engine's loop that goes on until the returned subscription is closed."""
        ...

    def tell(self, message: str, *, error: bool = False) -> None:
        """Shows a sentence for a few seconds, as plain text."""
        ...

    def tell_unexpected(self, error: BaseException, doing: str) -> str:
        """Writes an unexpected error to the log file in full; returns the line to show."""
        ...

    def copy(self, text: str, what: str) -> None:
        """Copies a text to the terminal's clipboard (OSC 52) and says so."""
        ...


class Refetch:
    """Keeps at most one question on its way, however often it is wanted: the last wish is asked after the answer."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._asking = False
        self._again = False

    def want(self) -> None:
        """Asks, or asks again when the answer to the question on its way is there."""
        if self._asking:
            self._again = True
        else:
            self._asking = True
            self._ask()

    def done(self) -> None:
        """The answer, or a failure, is there."""
        self._asking = False
        if self._again:
            self._again = False
            self.want()
