"""The line in which is typed.

Owns: `Typed`, Textual's Input on which keys take effect in their order.
"""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.widgets import Input

_EDITS = {
    key: binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding) and binding.action != "submit"
    for key in binding.key.split(",")
}


class Typed(Input):
    """An Input that edits in the order in which keys come.

    Textual inserts letters at once, but runs the keys that edit (ctrl+u, backspace) only when they have come back from
    the app as nobody else's: over a slow line, where several keys come in one packet, letters would overtake them.
    Enter takes that way still: it is not to overtake keys that are the screen's, as down is.
    """

    async def _on_key(self, event: events.Key) -> None:
        action = _EDITS.get(event.key)
        if action is not None and not event.is_printable:
            event.stop()
            event.prevent_default()
            await self.run_action(action)
