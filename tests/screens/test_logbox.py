"""Bytes of logs become lines: bounded, counted, each once, in the order of their times."""

from __future__ import annotations

from fleetui.model.objects import ObjectRef
from screens.logbox import WAITING, LogBox, LogLine
from tests.screens.fake_fleet import ref, stamped

ONE, OTHER = ref("Pod", "one"), ref("Pod", "other")


class Bell:
    def __init__(self) -> None:
        self.rings = 0

    def __call__(self) -> None:
        self.rings += 1


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def drained(box: LogBox) -> list[LogLine]:
    found: list[LogLine] = []
    while box.has_more:
        found += box.take(1000)
    return found


def test_it_rings_once_until_the_lines_are_taken() -> None:
    bell = Bell()
    box = LogBox(bell)
    source = box.add(ONE)
    source.began()
    for _ in range(5):
        source.take(stamped("a"))
    assert bell.rings == 1
    assert texts(box.take(10)) == ["a"] * 5
    source.take(stamped("b", at=1))
    assert bell.rings == 2


def test_lines_of_several_logs_come_in_the_order_of_their_times() -> None:
    box = LogBox(Bell())
    one, other = box.add(ONE), box.add(OTHER)
    other.take(stamped("second", at=1) + stamped("fourth", at=3))
    one.take(stamped("first", at=0) + stamped("third", at=2))
    lines = box.take(10)
    assert texts(lines) == ["first", "second", "third", "fourth"]
    assert not box.has_more
    assert [line.source for line in lines] == [ONE, OTHER, ONE, OTHER]


def test_more_than_is_taken_at_once_waits_and_nothing_is_lost() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    source.take(stamped(*map(str, range(2500))))
    assert [len(box.take(1000)) for _ in range(3)] == [1000, 1000, 500]
    assert box.take(1000) == []


def test_what_comes_faster_than_it_is_taken_is_skipped_and_counted_to_the_line() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    whole = stamped(*map(str, range(60_000)))
    for at in range(0, len(whole), 32_768):  # pieces that end anywhere
        source.take(whole[at : at + 32_768])
        assert source._size <= WAITING
    lines = drained(box)
    notes = [line for line in lines if not line.stamp]
    skipped = sum(int(line.text.partition(" ")[0].replace(",", "")) for line in notes)
    kept = [int(line.text) for line in lines if line.stamp]
    assert skipped > 0
    assert kept == list(range(60_000 - len(kept), 60_000))
    assert skipped + len(kept) == 60_000


def test_the_end_of_a_line_whose_beginning_was_skipped_is_no_line() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    source.take(stamped("begun")[:-3])
    assert box.take(10) == []
    source.take(b"x" * WAITING)
    source.take(b"end\n" + stamped("whole", at=1))
    assert texts(drained(box)) == ["1 lines came faster than they can be shown, and were skipped", "whole"]


def test_a_log_that_begins_anew_shows_no_line_twice() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    source.began()
    source.take(stamped("a", "b"))
    source.say("the container has ended")
    assert source.problem == "the container has ended"
    source.began()
    source.take(stamped("a", "b", "c"))
    assert source.problem == ""
    assert texts(drained(box)) == ["a", "b", "c"]


def test_a_line_without_a_line_break_is_shown_when_the_log_begins_anew() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    source.take(stamped("dying words")[:-1])
    source.began()
    assert texts(drained(box)) == ["dying words"]


def test_what_is_closed_is_forgotten_when_it_is_empty() -> None:
    box = LogBox(Bell())
    source = box.add(ONE)
    source.take(stamped("last"))
    source.closed = True
    assert texts(box.take(10)) == ["last"]
    box.take(10)
    assert box.sources == []


def test_any_bytes_make_harmless_lines() -> None:
    box = LogBox(Bell())
    source = box.add(ObjectRef("", "Pod", "", "x"))
    source.take(stamped("\x1b]52;c;cHduZWQ=\x07 \x1b[2J") + b"\xff\xfe no time\n" + b"2" * 3_000_000 + b"\n")
    for line in drained(box):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line.text)
        assert len(line.text) < 20_000
