"""How long a server takes: the quickest of a few, told seldom."""

from __future__ import annotations

from contextvars import copy_context

from backends.kube.latency import ENOUGH, SELDOM, RoundTrips


class Server:
    def __init__(self) -> None:
        self.now = 0.0
        self.trips = RoundTrips(clock=lambda: self.now)

    def takes(self, *seconds: float) -> list[float]:
        """Each request in a task of its own; what was told of them."""
        told = []
        for each in seconds:
            self.trips.asked()
            self.now += each
            told.append(self.trips.answered())
        return [round(each, 3) for each in told if each is not None]


def test_it_is_told_once_there_are_enough_and_the_quickest_counts() -> None:
    server = Server()
    assert server.takes(0.2, 0.03) == []
    assert server.takes(0.5) == [0.03]
    assert ENOUGH == 3


def test_what_is_about_the_same_is_never_told_again() -> None:
    server = Server()
    server.takes(0.03, 0.03, 0.03)
    assert server.takes(*[0.035] * 2000) == []
    assert server.takes(*[0.028] * 2000) == []


def test_that_it_is_slower_is_told_seldom_and_that_it_is_quicker_at_once() -> None:
    server = Server()
    assert server.takes(0.2, 0.2, 0.2, 0.03) == [0.2, 0.03]
    assert server.takes(*[0.3] * 4) == []
    assert server.takes(*[0.3] * 100) == [0.3]
    assert server.takes(0.01) == [0.01]
    server.now += SELDOM
    assert server.takes(*[0.5] * 5) == [0.5]


def test_requests_at_the_same_time_are_told_apart() -> None:
    server = Server()
    slow, quick = copy_context(), copy_context()  # as two tasks have them
    slow.run(server.trips.asked)
    server.now = 1.0
    quick.run(server.trips.asked)
    server.now = 1.5
    quick.run(server.trips.answered)
    server.now = 5.0
    slow.run(server.trips.answered)
    assert list(server.trips._samples) == [0.5, 5.0]


def test_an_answer_to_nothing_is_no_sample() -> None:
    server = Server()
    assert server.trips.answered() is None
    assert not server.trips._samples
