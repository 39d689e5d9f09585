"""Text as cells: whatever a cluster sends, it is harmless and exactly as wide as it says."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from screens.cells import Cell, clean, cut, cut_end, fit, wrap
from screens.widgets.columns import Column
from screens.widgets.table import fit_cell

TEXTS = st.text(
    st.characters(codec=None) | st.sampled_from("\x1b\x9b\u200d\ufe0f\u0301\u202e漢👩🇩\t\n…[]"), max_size=40
)


@given(TEXTS, st.integers(min_value=0, max_value=30))
def test_fitted_text_is_exactly_as_wide_as_asked(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(cut(text, width)) <= width
    assert cell_len(cut_end(text, width)) <= width


@given(TEXTS)
def test_clean_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    found = clean(text)
    assert not [char for char in found if unicodedata.category(char) in {"Cc", "Cf", "Cs"}]
    assert clean(found) == found


@given(TEXTS, st.integers(min_value=4, max_value=30), st.integers(min_value=1, max_value=4))
def test_wrapped_lines_are_no_wider_and_no_more_than_asked(text: str, width: int, lines: int) -> None:
    found = wrap(text, width, lines)
    assert len(found) <= lines
    assert all(cell_len(line) <= width for line in found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain-name", "plain-name", id="plain"),
        pytest.param("[red]x[/red]", "[red]x[/red]", id="markup-stays-text"),
        pytest.param("a\x1b]52;c;eA==\x07b", "a�]52;c;eA==�b", id="osc"),
        pytest.param("a\u202eb\u200fc", "a�b�c", id="bidi"),
        pytest.param("one\ntwo\tthree", "one two  three", id="line-break"),
        pytest.param("👩‍👩‍👧", "👩👩👧", id="joined-picture-falls-apart"),
        pytest.param("👍🏽", "👍", id="skin-tone"),
        pytest.param("🇩🇪", "DE", id="flag"),
        pytest.param("❤️", "❤", id="variation-selector"),
        pytest.param("e" + "\u0301" * 9, "e\u0301\u0301", id="marks-are-limited"),
        pytest.param("\u0301x", " \u0301x", id="mark-without-a-base"),
        pytest.param("\ue000", "�", id="private-use"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_name_is_cut_in_the_middle_so_that_both_ends_tell_it_apart() -> None:
    assert cut("payments-service-eu-west-1", 12) == "paymen…est-1"
    assert cut("漢字漢字漢字", 7) == "漢…漢字"
    assert cut("漢字", 1) == ""


def test_a_cells_tail_stays_whole_while_its_text_is_cut() -> None:
    from screens.cells import Span

    cell = Cell("prod-europe-west-1", "", (Span(" ⚿", "warning"), Span(" ◷3m", "warning")))
    column = Column("cluster", "CLUSTER", least=4, most=20)
    assert "".join(text for text, _ in fit_cell(cell, 14, column)) == "prod…t-1 ⚿ ◷3m"
    assert "".join(text for text, _ in fit_cell(cell, 8, column)) == "pro…-1 ⚿"
