"""What an engine tells while it works: to Kubernetes Events, to metrics, to traces.

Owns: `Listener`, the Protocol of whoever looks on, and `Nobody`. Called by `fleetui.engine.controller` and
`fleetui.engine.writer` on the engine's loop; a listener never blocks and never raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol

from fleetui.engine.application import Application
from fleetui.engine.events import Told
from fleetui.model.objects import Obj


class Listener(Protocol):
    """Looks on while Applications are reconciled."""

    def wrote(self, before: Application, after: Application) -> None:
        """An Application was written: it was `before` and is `after` now."""
        ...

    def reconciling(self, namespace: str, name: str) -> AbstractContextManager[object]:
        """Entered for as long as a reconcile of one Application goes on."""
        ...

    def generated(self, appset: Obj, told: Told) -> None:
        """Something was done for an ApplicationSet."""
        ...


class Nobody:
    """A `Listener` that does nothing."""

    def wrote(self, before: Application, after: Application) -> None:
        """Nothing."""

    def reconciling(self, namespace: str, name: str) -> AbstractContextManager[object]:
        """Nothing."""
        return nullcontext()

    def generated(self, appset: Obj, told: Told) -> None:
        """Nothing."""


class Listeners:
    """Several listeners as one."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def wrote(self, before: Application, after: Application) -> None:
        """Told to each."""
        for listener in self._listeners:
            listener.wrote(before, after)

    @contextmanager
    def reconciling(self, namespace: str, name: str) -> Iterator[None]:
        """Entered and left for each."""
        with ExitStack() as stack:
            for listener in self._listeners:
                stack.enter_context(listener.reconciling(namespace, name))
            yield

    def generated(self, appset: Obj, told: Told) -> None:
        """Told to each."""
        for listener in self._listeners:
            listener.generated(appset, told)
