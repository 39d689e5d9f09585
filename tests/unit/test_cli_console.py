"""How the console ends, as the shell that started it sees it."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.cli.console import show
from fleetui.runtime import Runtime


@pytest.mark.parametrize("status", [0, 1])
def test_a_console_that_failed_ends_with_a_status_that_says_so(
    status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from screens.app import FleetApp

    async def opening() -> Any:
        raise AssertionError("nothing is opened")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(FleetApp, "run", lambda app, **_: app.exit(return_code=status))
    with Runtime() as runtime:
        if status == 0:
            show(opening, runtime, contexts=(), read_only=False)
            return
        with pytest.raises(SystemExit) as ended:
            show(opening, runtime, contexts=(), read_only=False)
        assert ended.value.code == status
