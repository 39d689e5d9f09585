"""The terminal that every test of the console has: UTF-8, true colour, nothing of the user's."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "NO_COLOR", "FLEETUI_ASCII", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(autouse=True)
def incurious(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a cursor rests in a test, nobody looks for causes, unless the test asks for `curious`."""
    monkeypatch.setattr("screens.causes.REST", 3600.0)


@pytest.fixture
def curious(monkeypatch: pytest.MonkeyPatch, incurious: None) -> None:
    """Causes are looked for as soon as the cursor stands on a row."""
    monkeypatch.setattr("screens.causes.REST", 0.05)
