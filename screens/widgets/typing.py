"""The line in which is typed.

Owns: `Typed`, Textual's Input on which keys take effect in their order.
"""

from __future__ import annotations

from textual import events
from textual.widgets import Input


class Typed(Input):
    """An Input that edits in the order in which keys come.

    Textual inserts letters at once, but runs the keys that edit (ctrl+u, backspace) only when they have come back from
    the app as nobody else's: over a slow line, where several keys come in one packet, letters would overtake them.
    Enter takes that way still: it is not to overtake keys that are the screen's, as down is.
    """

    async def _on_key(self, event: events.Key) -> None:
        bindings = self._bindings.key_to_bindings.get(event.key, ())
        if event.is_printable or not bindings or event.key == "enter":
            return
        event.stop()
        event.prevent_default()
        for binding in bindings:
            await self.run_action(binding.action)
