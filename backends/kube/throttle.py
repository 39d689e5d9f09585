"""Whose turn it is to ask one API server: a person's first, then the program's own, in order.

Owns: `Schedule`, the rules, which are pure, and `Throttle`, where callers wait by them. Called by
`backends.kube.transport` around each request; the probe and open watches are outside. Never here: what a request is.

Two classes. Urgent requests, for which somebody waits at the keyboard, need a place among the parallel requests and
nothing else. Background ones (lists, discovery, the engine) never take the last places, keep to a rate, and pause as a
whole when the server says that it is overloaded.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

SLOTS = 32
"""Requests in flight at a time, and so connections for them. A local server has no more to give from 12 on; what is
above that is for the latency of a far one."""
RESERVED = 8
"""Of them for urgent requests alone; the engine applies 20 objects at a time."""
RATE = 100.0
"""Background requests a second that may go on for ever: twice what Argo CD's controller permits itself (50, argo-cd
v3.6, controller.k8s.client.qps) and kubectl (50, kubectl 1.37 pkg/cmd/cmd.go). client-go's own 5 is from before API
servers had Priority and Fairness to protect themselves with."""
BURST = 1000
"""Background requests that may go at once after a rest, as fast as the server answers them: a sync of that many
objects is not slowed."""
_ENOUGH = 1.0 - 1e-6
"""Of a token; a timer may be early by less than a float can say."""

Ticket = TypeVar("Ticket")


class Schedule(Generic[Ticket]):
    """Places, tokens, pauses and the two queues. Tickets are whatever waits; times are seconds of one clock.

    Args:
        slots: requests in flight at a time.
        reserved: of them for urgent requests alone.
        rate: background requests a second; 0: as many as the places let through.
        burst: background requests that may go at once after a rest.
        now: the time.
    """

    def __init__(
        self, *, slots: int = SLOTS, reserved: int = RESERVED, rate: float = RATE, burst: int = BURST, now: float
    ) -> None:
        self._free = slots
        self._reserved = reserved
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._counted_at = now
        self._paused_until = now
        self._urgent: OrderedDict[Ticket, None] = OrderedDict()
        self._background: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many have no place yet."""
        return len(self._urgent) + len(self._background)

    def join(self, ticket: Ticket, *, urgent: bool, again: bool = False) -> None:
        """Takes its place in the queue: the last one, or with `again`, after a place it had in vain, the first."""
        queue = self._urgent if urgent else self._background
        queue[ticket] = None
        if again:
            queue.move_to_end(ticket, last=False)

    def slip_in(self, now: float, *, urgent: bool) -> bool:
        """Whether a caller has a place at once, because nobody waits before it."""
        if self._urgent or (not urgent and self._background):
            return False
        admitted = self._free > 0 if urgent else self._may_begin(now)
        self._free -= admitted
        return admitted

    def withdraw(self, ticket: Ticket) -> bool:
        """Leaves the queue; False where it is not waiting, because it was admitted."""
        for queue in (self._urgent, self._background):
            if ticket in queue:
                del queue[ticket]
                return True
        return False

    def release(self) -> None:
        """A place is free again."""
        self._free += 1

    def pause(self, until: float) -> None:
        """Admits nothing in the background before `until`."""
        self._paused_until = max(self._paused_until, until)

    def is_paused(self, now: float) -> bool:
        return now < self._paused_until

    def admit(self, now: float) -> list[Ticket]:
        """Those whose turn it is, in their order; each has a place from now on."""
        admitted: list[Ticket] = []
        while self._urgent and self._free:
            admitted.append(self._take(self._urgent))
        while self._background and self._may_begin(now):
            admitted.append(self._take(self._background))
        return admitted

    def look_again(self, now: float) -> float | None:
        """When time alone lets somebody in, with nobody leaving; None where it can't."""
        if not self._background or self._free <= self._reserved:
            return None
        self._count(now)
        short = max(0.0, 1.0 - self._tokens) / self._rate if self._rate else 0.0
        return max(self._paused_until, now + short)

    def _take(self, queue: OrderedDict[Ticket, None]) -> Ticket:
        self._free -= 1
        return queue.popitem(last=False)[0]

    def _may_begin(self, now: float) -> bool:
        """Whether one more may begin in the background, which costs a token."""
        if self._free <= self._reserved or now < self._paused_until:
            return False
        if not self._rate:
            return True
        self._count(now)
        if self._tokens < _ENOUGH:
            return False
        self._tokens -= 1.0
        return True

    def _count(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now


class Throttle:
    """The schedule of one API server, on one event loop. While nobody waits, it has no timer running.

    Args:
        schedule: makes the rules, given the time.
    """

    def __init__(
        self, schedule: Callable[[float], Schedule[asyncio.Future[None]]] = lambda now: Schedule(now=now)
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._schedule = schedule(self._loop.time())
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._schedule.waiting

    @property
    def is_paused(self) -> bool:
        """Whether the server has asked for a pause that is not over."""
        return self._schedule.is_paused(self._loop.time())

    async def enter(self, *, urgent: bool, again: bool = False) -> None:
        """Returns when it is the caller's turn; `leave` must follow. Cancelled, it has taken nothing."""
        if self._schedule.slip_in(self._loop.time(), urgent=urgent):
            return
        ticket: asyncio.Future[None] = self._loop.create_future()
        self._schedule.join(ticket, urgent=urgent, again=again)
        self._set_timer()
        try:
            await ticket
        except asyncio.CancelledError:
            if not self._schedule.withdraw(ticket):
                self.leave()
            else:
                self._set_timer()
            raise

    def leave(self) -> None:
        self._schedule.release()
        if self._schedule.waiting:
            self._admit()

    def pause(self, seconds: float) -> None:
        """Background work waits; what is in flight goes on."""
        self._schedule.pause(self._loop.time() + seconds)
        self._set_timer()

    def _admit(self) -> None:
        for ticket in self._schedule.admit(self._loop.time()):
            # One that was cancelled this very moment gives its place back when its task gets to know it.
            with suppress(asyncio.InvalidStateError):
                ticket.set_result(None)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._schedule.look_again(self._loop.time())
        if at is not None:
            self._timer = self._loop.call_at(at, self._admit)
