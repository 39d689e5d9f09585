"""How a role looks, in each way of saying colours."""

from __future__ import annotations

import pytest

from screens import theme

ROLES = ("", "muted", "ok", "info", "warning", "error")


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [part / 255 for part in colour]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("state", ["", "cursor"])
@pytest.mark.parametrize("role", ROLES)
def test_a_changed_cell_can_be_read(role: str, state: str) -> None:
    style = theme.palette(theme.Way.FULL).style(role, state, changed=True)
    assert style.color is not None
    assert style.bgcolor is not None
    dark, light = sorted(luminance(colour.get_truecolor()) for colour in (style.color, style.bgcolor))
    assert (light + 0.05) / (dark + 0.05) >= (3.0 if state else 4.5)


@pytest.mark.parametrize("way", list(theme.Way))
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("dim", [False, True])
def test_a_changed_cell_keeps_its_colours_and_is_seen_without_any(way: theme.Way, role: str, dim: bool) -> None:
    style = theme.palette(way).style
    before, marked = style(role, "", dim=dim), style(role, "", dim=dim, changed=True)
    assert (marked.color, marked.bgcolor) == (before.color, before.bgcolor)
    assert marked.underline
    assert marked.bold
    assert not marked.dim
    assert not before.underline
