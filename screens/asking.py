"""How a screen asks the fleet: on the engine's loop, without waiting on its own.

Owns: `Asking`, which every screen inherits that asks. What the fleet can't say becomes a sentence here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual.dom import DOMNode

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from screens.host import Host

T = TypeVar("T")


class Asking(DOMNode):
    """Something in the console's tree of widgets that has a host and questions."""

    @property
    def host(self) -> Host:
        return cast("Host", self.app)

    def ask(
        self,
        question: Callable[[Fleet], Coroutine[Any, Any, T]],
        answer: Callable[[T], None],
        *,
        doing: str,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Asks the fleet on the engine's loop and gives the answer to `answer`, on the console's.

        A newer question for the same `doing` (``reading the tree``) cancels the older one. A failure is a sentence,
        given to `failed`, or shown for a few seconds.
        """
        self.run_worker(
            self._ask(question, answer, doing=doing, failed=failed),
            name=doing,
            group=doing,
            exclusive=True,
            exit_on_error=False,
        )

    async def _ask(
        self,
        question: Callable[[Fleet], Coroutine[Any, Any, T]],
        answer: Callable[[T], None],
        *,
        doing: str,
        failed: Callable[[str], None] | None,
    ) -> None:
        from fleetui.model.errors import FleetError

        fleet = self.host.fleet
        if fleet is None:
            return

        async def asked() -> T:
            return await question(fleet)  # on the engine's thread from its first line on

        try:
            answer(await self.host.on_engine(asked()))
        except FleetError as error:
            (failed or self._tell_error)(str(error))
        except Exception as error:
            (failed or self._tell_error)(self.host.tell_unexpected(error, doing))

    def _tell_error(self, message: str) -> None:
        self.host.tell(message, error=True)
