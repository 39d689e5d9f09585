"""Column widths."""

from __future__ import annotations

import pytest

from screens.app_rows import COLUMNS
from screens.widgets.columns import GAP, lay_out


def ids(width: int, **given: bool | None) -> list[str]:
    return [column.id for column, _ in lay_out(COLUMNS, width, wanted={}, **given)]


def test_on_80_columns_the_least_important_columns_vanish() -> None:
    assert ids(77) == ["cluster", "app", "health", "sync", "revision", "age"]
    assert ids(60) == ["cluster", "app", "health", "sync"]


def test_a_wide_terminal_shows_more_columns() -> None:
    assert ids(198, wide=True) == [column.id for column in COLUMNS]
    assert "message" not in ids(198)


def test_a_column_is_as_wide_as_its_content_and_the_rest_goes_to_the_message() -> None:
    wanted = {"cluster": 10, "app": 20, "revision": 7, "engine": 4, "age": 4, "last": 20}
    wanted |= {"project": 7, "destination": 8, "path": 12}
    widths = {column.id: width for column, width in lay_out(COLUMNS, 190, wanted=wanted, wide=True)}
    assert widths["cluster"] == 10
    assert widths["app"] == 20
    assert sum(widths.values()) + GAP * (len(widths) - 1) == 190
    assert widths["message"] > 20


def test_more_columns_come_by_priority_where_names_stay_whole() -> None:
    wanted = {"cluster": 10, "app": 20, "revision": 7, "engine": 4, "age": 4, "project": 7, "destination": 16}

    def laid(width: int) -> dict[str, int]:
        return {column.id: cells for column, cells in lay_out(COLUMNS, width, wanted=wanted, wide=None)}

    narrow = ["cluster", "app", "health", "sync", "revision", "engine", "age"]
    assert list(laid(93)) == narrow
    assert list(laid(94)) == [*narrow, "project"]
    assert list(laid(115)) == [*narrow, "project", "destination"]
    for width in range(84, 210):
        assert laid(width)["app"] == 20
        assert len(laid(width)) >= len(laid(width - 1))
    assert list(laid(209)) == [column.id for column in COLUMNS]


@pytest.mark.parametrize("wide", [True, False, None])
def test_columns_never_overflow_however_narrow_it_is(wide: bool | None) -> None:
    for width in range(1, 210):
        laid = lay_out(COLUMNS, width, wanted={}, wide=wide)
        assert sum(cells for _, cells in laid) + GAP * (len(laid) - 1) <= max(width, 1)
