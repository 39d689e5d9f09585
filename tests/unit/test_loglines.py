"""Lines of a log, made fit to be shown: whole, harmless, and never without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetui.model.loglines import CUT, LONGEST, LogLines


def lines(*pieces: bytes, longest: int = LONGEST) -> list[str]:
    log = LogLines(longest)
    found = [line for piece in pieces for line in log.feed(piece)]
    return found + log.end()


def test_lines_are_whole_wherever_the_pieces_are_cut() -> None:
    assert lines(b"one\ntw", b"o\n", b"\nfour") == ["one", "two", "", "four"]
    assert lines(b"") == []
    assert lines(b"caf\xc3", b"\xa9\n") == ["café"]


def test_nothing_that_moves_a_terminal_gets_through() -> None:
    assert lines(b"\x1b[31mred\x1b[0m\n") == ["�[31mred�[0m"]
    assert lines(b"\xff\xfe\x00\n") == ["���"]


def test_a_progress_bar_is_its_last_state() -> None:
    assert lines(b"10%\r50%\r100%\ndone\n") == ["100%", "done"]
    assert lines(b"10%\r", b"50%\r", b"100%\n") == ["100%"]
    assert lines(b"10%", b"\r100%", b"\n") == ["100%"]
    assert lines(b"windows\r\nlines\r\n") == ["windows", "lines"]


def test_a_line_of_megabytes_is_cut_with_a_mark() -> None:
    (line,) = lines(*[b"x" * 1_000_000] * 10, b"\n")
    assert line == "x" * LONGEST + CUT
    assert lines(b"y" * (LONGEST + 1) + b"\nshort\n") == ["y" * LONGEST + CUT, "short"]
    log = LogLines(10)
    log.feed(b"z" * 1_000_000)
    assert len(log._rest) == 10


def test_a_carriage_return_takes_no_time_away() -> None:
    log = LogLines(30, stamped=True)
    stamp = b"2026-01-01T00:00:00.0Z "
    found = log.feed(stamp + b"10%\r50%\r100%\n" + stamp + b"dos\r\n" + stamp + b"long" * 9 + b"\rshort\n")
    assert [line.partition(" ")[2] for line in found] == ["100%", "dos", "short"]


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert lines(*pieces) == lines(whole)
    assert not any(ord(char) < 32 and char != "\t" for line in lines(whole) for char in line)
