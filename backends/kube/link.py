"""How it stands with one API server, and when to try again.

Owns: `Link`, the state machine that one cluster's requests and watches share, and its probe. Called by
`backends.kube.cluster` and `backends.kube.informer`; it makes no request itself, the probe is handed in.

Whatever can't reach the server only raises a suspicion. One probe for the whole cluster, not each of its watches,
then finds out when the server answers again, and wakes them all. What belongs to one kind (forbidden, not served)
stays with its watch, unless no watch of the cluster works. A server that accepts connections and never answers gives
nobody a failure to tell: while a cluster connects, the link itself loses its patience and has it probed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from fleetui.model.errors import (
    FleetError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.model.text import one_line
from fleetui.ports import Subscription

Listener = Callable[[ClusterStatus], None]
Watcher = object
"""Whatever tells a link how its watch fares; known by its identity."""

_QUICK = 2.0
"""Seconds between two probes at most, while a server may just be starting again."""
_QUICK_ATTEMPTS = 90
_SLOW = 30.0
_NOT_READY = 8
"""Probes after which a server that answers, if only that it is not ready, is asked for its objects all the same: one
check of many may fail for ever. About 12 seconds; a starting one takes less."""
_LOGIN_FIRST = 5.0
_PATIENCE = 5.0
"""Seconds without an answer, while connecting, after which the silence is told and the server probed. A request that
is merely slow goes on meanwhile; the probe finds out whether there is a server behind it."""


class Verdict(NamedTuple):
    state: ClusterState
    error: Exception | None


def judge(down: Exception | None, watches: list[Exception | None], *, connected: bool, was_live: bool) -> Verdict:
    """The state of a cluster.

    Args:
        down: why the last probe failed; None where it did not.
        watches: how each watch last fared; None for well.
        connected: whether the server has answered at all.
        was_live: whether it was live before.
    """
    away = ClusterState.STALE if was_live else ClusterState.UNREACHABLE
    if down is not None:
        return Verdict(ClusterState.UNAUTHORIZED if isinstance(down, UnauthorizedError) else away, down)
    # A kind that is not served says nothing about the cluster, nor does a watch that was asked for wrongly.
    telling = [error for error in watches if not isinstance(error, NotFoundError)]
    blame = ((UnauthorizedError, ClusterState.UNAUTHORIZED), (UnreachableError, away), (OverloadedError, away))
    kinds = (*blame, (ForbiddenError, ClusterState.FORBIDDEN))
    if all(isinstance(error, tuple(kind for kind, _ in kinds)) for error in telling):
        for kind, state in kinds:
            for error in telling:
                if isinstance(error, kind):
                    return Verdict(state, error)
    return Verdict(ClusterState.LIVE if connected else ClusterState.CONNECTING, None)


def probe_delay(attempt: int, error: Exception, *, chance: float) -> float:
    """Seconds between the failed probe number `attempt` (from 1) and the next.

    Quick for about three minutes, because a server that restarts is back within seconds; slow for a refused login,
    which costs the server and perhaps a plugin.
    """
    jitter = 0.75 + chance / 4
    if isinstance(error, UnauthorizedError):
        return min(_LOGIN_FIRST * 2.0 ** min(attempt - 1, 10), _SLOW) * jitter
    if attempt <= _QUICK_ATTEMPTS:
        return min(0.25 * 2.0 ** min(attempt - 1, 10), _QUICK) * jitter
    return min(_QUICK * 2.0 ** min(attempt - _QUICK_ATTEMPTS, 10), _SLOW) * jitter


class Link:
    """The state of one cluster. All methods are called on the engine's loop.

    Args:
        problem: why nobody will ever reach it; empty where that is to be seen.
        probe: asks the server whether it is there.
    """

    def __init__(
        self,
        name: ClusterName,
        *,
        server: str,
        protected: bool = False,
        insecure: bool = False,
        problem: str = "",
        probe: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._sleep = sleep
        self._status = ClusterStatus(
            name=name,
            state=ClusterState.UNREACHABLE if problem else ClusterState.CONNECTING,
            since=clock(),
            message=problem,
            server=server,
            protected=protected,
            insecure=insecure,
        )
        self._listeners: list[Listener] = []
        self._watches: dict[Watcher, Exception | None] = {}
        self._down: Exception | None = None
        self._connected = False
        self._was_live = False
        self._open = asyncio.Event()
        self._open.set()
        self._probing: asyncio.Task[None] | None = None
        self._asked_at: float | None = None
        self._patience: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def status(self) -> ClusterStatus:
        return self._status

    def on_status(self, listener: Listener) -> Subscription:
        """Calls `listener` with each new status, not with the present one."""
        self._listeners.append(listener)
        return _Listening(self._listeners, listener)

    async def ready(self) -> None:
        """Returns when the server may be asked: at once, unless it is known or suspected not to answer."""
        await self._open.wait()

    def asked(self) -> None:
        """A request was sent. The first one, while connecting, begins the time that the server is given to answer."""
        if self._is_closed or self._asked_at is not None or self._connected:
            return
        if self._status.state is ClusterState.CONNECTING:
            self._asked_at = self._clock()
            name = f"patience with {self._status.name}"
            self._patience = asyncio.get_running_loop().create_task(self._lose_patience(), name=name)

    def answered(self) -> None:
        """The head of a successful answer came; the body may take its time."""
        self.succeeded()

    def succeeded(self, watcher: Watcher | None = None) -> None:
        """Something came from the server: a successful answer, or anything on a watch."""
        news = watcher is not None and self._watches.get(watcher, self) is not None
        if watcher is not None:
            self._watches[watcher] = None
        if self._status.state is ClusterState.LIVE and self._open.is_set() and not news:
            return
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None
        self._answers()

    def failed(self, error: Exception, watcher: Watcher | None = None) -> None:
        """A request or a watch failed."""
        if watcher is not None:
            self._watches[watcher] = error
        if isinstance(error, UnreachableError | UnauthorizedError):
            self._suspect()
        elif isinstance(error, StatusError) and not isinstance(error, OverloadedError) and self._open.is_set():
            self._connected = True
        self._show()

    def renewed(self) -> None:
        """A new login, or a person who asks: a server that is not answering is probed now, whenever it was due."""
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None
            self._suspect()

    def slow(self, why: str) -> None:
        """Something that a request needs first keeps it waiting, in words; while connecting nobody else tells."""
        if self._status.state is ClusterState.CONNECTING:
            self._publish(msgspec.structs.replace(self._status, message=why))

    def forget(self, watcher: Watcher) -> None:
        """A watch was closed."""
        self._watches.pop(watcher, None)
        self._show()

    def served(self, version: str) -> None:
        """The server's version became known."""
        self._publish(msgspec.structs.replace(self._status, version=version))

    def timed(self, latency: float) -> None:
        """How many seconds the server takes to answer became known."""
        self._publish(msgspec.structs.replace(self._status, latency=latency))

    async def close(self) -> None:
        """Ends the probe and the waiting for a first answer; what fails from now on begins no other."""
        self._is_closed = True
        tasks = (self._probing, self._patience)
        self._probing = self._patience = None
        for task in tasks:
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _answers(self) -> None:
        self._connected, self._down = True, None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._open.set()
        self._show()

    async def _lose_patience(self) -> None:
        await self._sleep(_PATIENCE)
        self._patience = None
        if not self._connected and self._status.state is ClusterState.CONNECTING:
            self._publish(msgspec.structs.replace(self._status, message=self._silence()))
            self._suspect()

    def _silence(self) -> str:
        waited = self._clock() - self._asked_at if self._asked_at is not None else 0.0
        return f"no answer from {self._status.server} for {waited:.0f} s"

    def _suspect(self) -> None:
        self._open.clear()
        if self._probing is None and not self._is_closed:
            name = f"probe {self._status.name}"
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_answered(), name=name)

    async def _probe_until_answered(self) -> None:
        attempt = 0
        while (error := await self._probe_once()) is not None:
            attempt += 1
            if isinstance(error, OverloadedError) and attempt >= _NOT_READY:
                break
            delay = probe_delay(attempt, error, chance=random.random())
            self._down = self._in_words(error)
            self._show(f"; reconnecting in {delay:.0f} s (attempt {attempt})" if delay >= 1 else "; reconnecting")
            await self._sleep(delay)
        self._probing = None
        self._answers()

    async def _probe_once(self) -> Exception | None:
        """Why the server does not answer; None where it does, if only to say that the probe is not for us."""
        try:
            await self._probe()
        except Exception as error:  # an unexpected one must not end the probe: nothing else would wake the watches
            served = isinstance(error, StatusError) and not isinstance(error, OverloadedError)
            return None if served else error
        return None

    def _in_words(self, error: Exception) -> Exception:
        """A probe that was in vain; of a server that has never answered, with how long it has been silent."""
        if self._connected or self._asked_at is None or not isinstance(error.__cause__, TimeoutError):
            return error
        silent = UnreachableError(self._silence(), cluster=self._status.name)
        silent.__cause__ = error
        return silent

    def _show(self, outlook: str = "") -> None:
        state, error = judge(
            self._down, list(self._watches.values()), connected=self._connected, was_live=self._was_live
        )
        self._was_live = self._was_live or state is ClusterState.LIVE
        if error is not None and error is self._down and not outlook and state is self._status.state:
            return
        same = state is self._status.state
        since = self._status.since if same else self._clock()
        message = f"{_sentence(error)}{outlook}" if error is not None else ""
        if same and state is ClusterState.CONNECTING:
            message = self._status.message
        self._publish(msgspec.structs.replace(self._status, state=state, since=since, message=message))

    def _publish(self, status: ClusterStatus) -> None:
        if status == self._status:
            return
        self._status = status
        for listener in tuple(self._listeners):
            listener(status)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, FleetError) else one_line(f"{type(error).__name__}: {error}")


class _Listening:
    def __init__(self, listeners: list[Listener], listener: Listener) -> None:
        self._listeners = listeners
        self._listener = listener

    def close(self) -> None:
        with suppress(ValueError):
            self._listeners.remove(self._listener)
