"""The state of one cluster: what each failure makes of it, and who wakes whom when the server is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backends.kube.link import Link, judge, probe_delay
from fleetui.model.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus

LOST = UnreachableError("https://x refuses connections", "is the API server running?")
EXPIRED = UnauthorizedError("the API server refuses the login: Unauthorized")
FORBIDDEN = ForbiddenError("applications.argoproj.io is forbidden")
HUNG = UnreachableError("https://x does not answer in time")
HUNG.__cause__ = TimeoutError()
BUSY = OverloadedError("etcd is away", code=503)
ABSENT = NotFoundError("404 page not found")
ODD = InvalidError("unable to parse requirement")

LIVE, STALE = ClusterState.LIVE, ClusterState.STALE
UNREACHABLE, UNAUTHORIZED = ClusterState.UNREACHABLE, ClusterState.UNAUTHORIZED


@pytest.mark.parametrize(
    ("down", "watches", "before", "state"),
    [
        (None, [], "connecting", ClusterState.CONNECTING),
        (None, [], "answered", LIVE),
        (None, [None], "live", LIVE),
        (LOST, [None], "live", STALE),
        (LOST, [], "connecting", UNREACHABLE),
        (EXPIRED, [None], "live", UNAUTHORIZED),
        (EXPIRED, [], "connecting", UNAUTHORIZED),
        # One kind that can't be had is that kind's affair, unless no kind can.
        (None, [None, FORBIDDEN, BUSY, LOST], "live", LIVE),
        (None, [FORBIDDEN, ABSENT], "answered", ClusterState.FORBIDDEN),
        (None, [FORBIDDEN, BUSY], "live", STALE),
        (None, [BUSY], "answered", UNREACHABLE),
        (None, [EXPIRED, FORBIDDEN], "live", UNAUTHORIZED),
        (None, [ABSENT], "answered", LIVE),
        (None, [ODD, FORBIDDEN], "answered", LIVE),
    ],
)
def test_the_state_of_a_cluster(
    down: Exception | None, watches: list[Exception | None], before: str, state: ClusterState
) -> None:
    verdict = judge(down, watches, connected=before != "connecting", was_live=before == "live")
    assert verdict.state is state


def test_probes_are_quick_for_minutes_and_slow_for_a_refused_login() -> None:
    waits = [probe_delay(attempt, LOST, chance=1.0) for attempt in range(1, 120)]
    assert waits[:5] == [0.25, 0.5, 1.0, 2.0, 2.0]
    assert waits[89] == 2.0
    assert waits[-1] == 30.0
    assert [probe_delay(attempt, EXPIRED, chance=1.0) for attempt in (1, 2, 3, 4)] == [5.0, 10.0, 20.0, 30.0]


class Server:
    """Stands behind a link: its probe fails with `error`, and its time goes on when the test says so."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.probes = 0
        self.now = 1000.0
        self.waits: list[float] = []
        self.seen: list[ClusterStatus] = []
        self._wake = asyncio.Event()
        self.link = Link(
            ClusterName("prod"), server="https://x", probe=self.probe, clock=lambda: self.now, sleep=self.sleep
        )
        self.link.on_status(self.seen.append)

    async def probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self._wake.wait()
        self._wake.clear()

    async def later(self) -> None:
        """The pause of the probe ends."""
        self._wake.set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def states(self) -> list[ClusterState]:
        return [status.state for status in self.seen]

    async def open(self) -> bool:
        """Whether watches may ask now."""
        waiting = asyncio.ensure_future(self.link.ready())
        await self.settle()
        waiting.cancel()
        return waiting.done() and not waiting.cancelled()


@asynccontextmanager
async def linked() -> AsyncIterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        await server.link.close()


async def test_a_server_that_goes_is_stale_since_then_and_live_with_the_first_success() -> None:
    async with linked() as it:
        watch = object()
        assert it.link.status.state is ClusterState.CONNECTING
        it.link.succeeded(watch)
        assert it.link.status.state is LIVE
        it.error, it.now = LOST, 2000.0
        it.link.failed(LOST, watch)
        assert it.link.status.state is STALE
        it.now = 2005.0
        for _ in range(3):
            await it.settle()
            await it.later()
        assert (it.link.status.state, it.link.status.since) == (STALE, 2000.0)
        assert it.link.status.message == (
            "https://x refuses connections (is the API server running?); reconnecting in 2 s (attempt 4)"
        )
        assert not await it.open()
        it.error = None
        await it.later()
        assert await it.open()
        it.link.succeeded(watch)
        assert (it.link.status.state, it.link.status.since, it.link.status.message) == (LIVE, 2005.0, "")
        assert it.probes == 5


async def test_one_probe_serves_all_watches() -> None:
    async with linked() as it:
        watches = [object() for _ in range(20)]
        for watch in watches:
            it.link.succeeded(watch)
        it.error = LOST
        woken = []
        for watch in watches:
            it.link.failed(LOST, watch)

        async def wait(watch: object) -> None:
            await it.link.ready()
            woken.append(watch)

        waiting = asyncio.gather(*map(wait, watches))
        await it.settle()
        assert it.probes == 1
        assert woken == []
        it.error = None
        await it.later()
        await waiting
        assert woken == watches
        assert it.probes == 2


async def test_a_suspicion_that_the_probe_does_not_share_changes_nothing() -> None:
    async with linked() as it:
        it.link.succeeded(object())
        it.link.failed(LOST)
        await it.settle()
        assert it.probes == 1
        assert await it.open()
        assert it.states == [LIVE]


async def test_a_request_that_succeeds_ends_the_wait() -> None:
    async with linked() as it:
        it.error = LOST
        it.link.failed(LOST)
        await it.settle()
        assert it.link.status.state is UNREACHABLE
        it.link.succeeded()
        assert it.link.status.state is LIVE
        assert await it.open()


@pytest.mark.parametrize(("error", "open_"), [(ABSENT, True), (FORBIDDEN, True), (BUSY, False), (EXPIRED, False)])
async def test_what_a_probe_proves(error: Exception, open_: bool) -> None:
    async with linked() as it:
        it.error = error
        it.link.failed(LOST)
        await it.settle()
        assert await it.open() is open_


async def test_a_server_that_never_gets_ready_is_used_all_the_same() -> None:
    async with linked() as it:
        it.link.succeeded(object())
        it.error = BUSY
        it.link.failed(LOST)
        await it.settle()
        while not await it.open():
            assert it.link.status.state is STALE
            await it.later()
        assert it.link.status.state is LIVE
        assert it.probes == 8


async def test_a_probe_that_breaks_is_tried_again() -> None:
    async with linked() as it:
        it.error = RuntimeError("a bug")
        it.link.failed(LOST)
        await it.settle()
        assert it.link.status.message == "RuntimeError: a bug; reconnecting"
        it.error = None
        await it.later()
        assert it.link.status.state is LIVE


async def test_a_login_that_ends_is_told_as_that_and_a_new_one_heals_it() -> None:
    async with linked() as it:
        it.link.succeeded(object())
        it.error = EXPIRED
        it.link.failed(EXPIRED)
        await it.settle()
        assert it.link.status.state is UNAUTHORIZED
        assert "reconnecting in" in it.link.status.message
        assert it.waits[0] >= 3.75
        it.error = None
        await it.later()
        assert it.states == [LIVE, UNAUTHORIZED, LIVE]


async def test_forbidden_needs_every_watch_and_goes_with_the_watch() -> None:
    async with linked() as it:
        one, two = object(), object()
        it.link.failed(FORBIDDEN, one)
        assert it.link.status.state is ClusterState.FORBIDDEN
        it.link.succeeded(two)
        assert it.link.status.state is LIVE
        it.link.forget(two)
        assert it.link.status.state is ClusterState.FORBIDDEN
        it.link.forget(one)
        assert it.link.status.state is LIVE


async def test_a_listener_is_told_of_changes_alone_until_it_goes() -> None:
    async with linked() as it:
        told: list[ClusterState] = []
        subscription = it.link.on_status(lambda status: told.append(status.state))
        for _ in range(3):
            it.link.succeeded()
        subscription.close()
        subscription.close()
        it.link.failed(FORBIDDEN, object())
        assert told == [LIVE]
        assert it.states == [LIVE, ClusterState.FORBIDDEN]


async def test_a_server_that_never_answers_is_told_after_five_seconds_and_unreachable_after_the_probe() -> None:
    async with linked() as it:
        it.error = HUNG
        it.link.asked()
        it.link.asked()
        await it.settle()
        assert (it.waits, it.seen, it.probes) == ([5.0], [], 0)
        it.now += 5
        await it.later()
        it.now += 7
        await it.later()
        assert [(status.state, status.message) for status in it.seen] == [
            (ClusterState.CONNECTING, "no answer from https://x for 5 s"),
            (UNREACHABLE, "no answer from https://x for 5 s; reconnecting"),
            (UNREACHABLE, "no answer from https://x for 12 s; reconnecting"),
        ]
        assert it.probes == 2
        it.link.answered()
        assert (it.link.status.state, it.link.status.message) == (LIVE, "")


async def test_a_late_failure_of_the_request_does_not_take_the_silence_back() -> None:
    async with linked() as it:
        it.error = HUNG
        it.link.asked()
        await it.settle()
        it.now += 5
        await it.later()
        it.link.failed(HUNG, object())
        assert it.link.status.message == "no answer from https://x for 5 s; reconnecting"


@pytest.mark.parametrize("error", [None, FORBIDDEN])
async def test_a_server_that_answers_in_time_is_not_probed(error: Exception | None) -> None:
    async with linked() as it:
        it.link.asked()
        await it.settle()
        if error is None:
            it.link.succeeded()
        else:
            it.link.failed(error)
        await it.later()
        assert it.link.status.state is LIVE
        assert it.link.status.message == ""
        it.link.asked()
        await it.settle()
        assert (it.probes, it.waits) == (0, [5.0])


async def test_a_slow_request_of_a_server_whose_probe_answers_is_waited_for() -> None:
    async with linked() as it:
        it.link.asked()
        await it.settle()
        it.now += 5
        await it.later()
        assert it.probes == 1
        assert it.states == [ClusterState.CONNECTING, LIVE]
        assert await it.open()


async def test_what_else_is_wrong_after_the_silence_is_told_in_its_own_words() -> None:
    async with linked() as it:
        it.error = LOST
        it.link.asked()
        await it.settle()
        await it.later()
        assert it.link.status.message == "https://x refuses connections (is the API server running?); reconnecting"
