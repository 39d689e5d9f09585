"""How wide the columns of the matrix are, and what of a cell there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.cells import Span, width_of
from screens.widgets.matrix_layout import NARROW, Place, seen_from, shared, within


@pytest.mark.parametrize(
    ("wants", "room", "widths"),
    [
        ([10, 20], 40, [10, 20]),
        ([10, 20, 30], 40, [10, 15, 15]),
        ([30, 30, 4], 40, [18, 18, 4]),
        ([10] * 30, 100, [NARROW] * 30),
        ([], 10, []),
    ],
)
def test_those_that_want_much_share_what_the_others_leave(wants: list[int], room: int, widths: list[int]) -> None:
    assert shared(wants, room) == widths


@given(st.lists(st.integers(NARROW, 60), max_size=40), st.integers(NARROW, 200))
def test_all_are_seen_where_the_least_widths_fit(wants: list[int], room: int) -> None:
    widths = shared(wants, room)
    assert all(NARROW <= width <= want for width, want in zip(widths, wants, strict=True))
    seen = seen_from(0, widths, 7, room)
    assert bool(seen) is bool(wants)
    assert sum(column.width for column in seen) <= room
    assert len(seen) == len(wants) or NARROW * len(wants) > room or len(wants) * (room // len(wants)) < NARROW


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (18, "● 1.14.5 behind   "),
        (15, "● 1.14.5 behind"),
        (14, "● 1.14.5↓     "),
        (9, "● 1.14.5↓"),
        (8, "●↓      "),
        (1, "●"),
    ],
)
def test_a_version_is_shown_whole_or_not_at_all(width: int, shown: str) -> None:
    place = Place("key", Span("●", "ok"), "1.14.5", Span("behind", "warning"), "↓")
    line = within(place, width)
    assert "".join(span.text for span in line) == shown
    assert width_of(line) == width
