"""Generating on threads: whoever shares the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fleetui.engine.appset import Generated, asking, generate
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.asking import GENERATING, Asking, NoAnswers
from fleetui.model.objects import ClusterName
from tests.unit.appsets import appset, elements
from tests.waiting import await_until

PATIENCE = 10.0


async def test_a_long_generation_holds_up_nobody_and_few_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, most, go_on = [], GENERATING + 1, threading.Event()

    def slow(*args: Any) -> Generated:
        begun.append(threading.get_ident())
        assert go_on.wait(PATIENCE), "the event loop was held up"
        return generate(*args)

    monkeypatch.setattr(asking, "generate", slow)
    one = Asking(ClusterName("hub"), NoAnswers(), lambda _: None)
    given = ApplicationSet(appset(elements({"name": "a"})))
    all_of_them = asyncio.gather(*(one.generate(given, ()) for _ in range(most)))
    await await_until(lambda: len(begun) == GENERATING, PATIENCE, "as many run as may")
    # Whoever would run too would have begun by now: the gather has started them all.
    assert len(begun) == GENERATING
    assert threading.get_ident() not in begun
    go_on.set()
    assert [made.applications[0].name for made in await all_of_them] == ["a"] * most
    one.close()
