"""Carrying out single effects: deletions, releases and looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleetui.engine.application import HOOK_FINALIZER
from fleetui.engine.effects import Apply, Delete, Effect, Look, ReleaseHook
from fleetui.engine.tasks import Task
from fleetui.model.errors import ConflictError, NotFoundError
from fleetui.model.objects import ref_of
from tests.engine.hands import Hands, task, there
from tests.engine.objects import obj

CONFIG = obj("ConfigMap", "a")
HOOK = obj("Job", "h", hook="PreSync")


async def test_what_is_written_is_seen_at_once() -> None:
    hands = Hands()
    await hands.do(Apply(task(CONFIG), CONFIG))
    assert (hands.destination.get(ref_of(CONFIG)) or {})["metadata"]["resourceVersion"] == "9"


async def test_what_is_deleted_is_looked_after() -> None:
    hands = Hands()
    assert (await hands.do(Delete(task(None, there(CONFIG))))).ok
    assert hands.verbs == ["delete", "get"]
    assert hands.destination.get(ref_of(CONFIG)) is None

    held = there(CONFIG, "x.io/y", version="2", deletionTimestamp="now")
    hands.server.objects[ref_of(CONFIG)] = there(held, uid="v")
    assert (await hands.do(Delete(task(None, there(CONFIG, uid="v"))))).ok
    assert (hands.destination.get(ref_of(CONFIG)) or {})["metadata"]["deletionTimestamp"] == "now"


@pytest.mark.parametrize("effect", [Delete, ReleaseHook, Look])
async def test_what_is_gone_is_gone(effect: Callable[[Task], Effect]) -> None:
    hands = Hands()
    hands.server.refusals = [NotFoundError("gone", code=404)]
    answer = await hands.do(effect(task(HOOK, there(HOOK, HOOK_FINALIZER))))
    assert answer.gone
    assert not answer.failed


async def test_what_is_found_by_a_look_is_seen_from_then_on() -> None:
    hands = Hands()
    hands.server.objects[ref_of(HOOK)] = there(HOOK)
    assert (await hands.do(Look(task(HOOK)))).ok
    assert hands.destination.get(ref_of(HOOK)) is not None


async def test_releasing_takes_only_our_finalizer_off() -> None:
    hands = Hands()
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, "x.io/y", HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": ["x.io/y"], "resourceVersion": "1"}}
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": None, "resourceVersion": "1"}}
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, "x.io/y"))))).ok
    assert hands.verbs == ["patch", "patch"]


async def test_releasing_loses_no_finalizer_that_came_meanwhile() -> None:
    hands = Hands()
    hands.server.objects[ref_of(HOOK)] = there(HOOK, HOOK_FINALIZER, "foregroundDeletion", version="2")
    hands.server.refusals = [ConflictError("stale", code=409)]
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": ["foregroundDeletion"], "resourceVersion": "2"}}
