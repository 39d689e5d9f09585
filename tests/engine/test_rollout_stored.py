"""A rollout's ConfigMap: what is stored, what is refused, and on a real API server's double, who was quicker."""

from __future__ import annotations

import asyncio
import base64
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetui.engine.rollout import codec, machine
from fleetui.engine.rollout.board import EVENTS_KEPT, Board, Draft
from fleetui.engine.rollout.driving import take
from fleetui.engine.rollout.observing import failed
from fleetui.engine.rollout.orders import obey
from fleetui.engine.rollout.store import CONFIG_MAPS, RolloutStore
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import FleetError, MissingError, RefusedError
from fleetui.model.objects import ClusterName, Obj
from fleetui.model.rollout import CellState, Driver, Order, Rollout, RolloutState, Verb
from tests.engine.bench import embedded_hub
from tests.engine.rollout_world import HUB, KEY, World, plan
from tests.waiting import await_until


def _stored(rollout: Rollout) -> Obj:
    return {**codec.encode(rollout)}


def test_what_is_stored_comes_back() -> None:
    rollout = Rollout(plan(), RolloutState(reason="because", driver=Driver("one", "ann@bastion", 7.0)))
    rollout = machine.advance(rollout, Board(rollout.plan), {}, 5.0)
    obj = _stored(rollout)
    assert codec.decode(HUB, obj) == rollout
    assert obj["data"] == {
        "format": "1",
        "moves": "cert-manager to 1.15",
        "phase": "running",
        "reason": "because",
        "wave": "wave-0 (1 of 3)",
        "cells": "2 writing, 10 waiting",
        "created-by": "ann@bastion",
        "driver": '{"holder":"one","who":"ann@bastion","until":7.0,"since":0.0}',
    }


def test_a_hub_may_have_another_name_where_it_is_read() -> None:
    rollout = Rollout(plan(), RolloutState())
    found = codec.decode(ClusterName("elsewhere"), _stored(rollout)).plan
    assert {found.key.hub, *(cell.app.hub for cell in found.cells)} == {"elsewhere"}
    assert [cell.app.name for cell in found.cells] == [cell.app.name for cell in rollout.plan.cells]


def _edit(**data: Any) -> Callable[[Obj], None]:
    return lambda obj: obj["data"].update(data)


def _state(value: Any) -> Callable[[Obj], None]:
    packed = base64.b64encode(zlib.compress(msgspec.json.encode(value))).decode()
    return lambda obj: obj["binaryData"].update(state=packed)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda obj: obj.pop("data"), "holds no rollout of format 1 (it is none that fleetui wrote)"),
        (_edit(format="2"), "holds no rollout of format 1 (it was written by another version of fleetui)"),
        (_edit(driver="]"), "can't be read: JSON is malformed"),
        (lambda obj: obj.pop("binaryData"), "can't be read"),
        (lambda obj: obj["binaryData"].update(plan="%%"), "can't be read"),
        (lambda obj: obj["binaryData"].update(plan=base64.b64encode(b"plan").decode()), "can't be read"),
        (lambda obj: obj["binaryData"].update(state=obj["binaryData"]["state"][:40]), "can't be read"),
        (_state({"phase": "flying"}), "can't be read: Invalid enum value"),
        (_state([1]), "can't be read: Expected"),
        (_state({"cells": [{}]}), "holds the rollout certs, and not as fleetui writes it"),
        (_state({"wave": 7}), "parts do not fit each other"),
        (_state({"waves": [{}]}), "parts do not fit each other"),
    ],
)
def test_what_is_garbled_is_said_in_a_sentence(spoil: Callable[[Obj], None], said: str) -> None:
    obj = _stored(Rollout(plan(), RolloutState()))
    spoil(obj)
    with pytest.raises(FleetError) as caught:
        codec.decode(HUB, obj)
    assert said in str(caught.value)
    assert str(caught.value).startswith("ConfigMap argocd/rollout-certs of hub ")


def test_six_thousand_cells_fit() -> None:
    planned = plan((200, 1800, 4000))
    board = Board(planned)
    rollout = machine.advance(Rollout(planned, RolloutState()), board, {}, 5.0)
    cells = tuple(
        CellState(phase=cell.phase, since=1_800_000_000.0 + n, commit=f"{n * 7919:040x}", message="degraded: x" * 3)
        for n, cell in enumerate(rollout.state.cells)
    )
    rollout = msgspec.structs.replace(rollout, state=msgspec.structs.replace(rollout.state, cells=cells))
    obj = _stored(rollout)
    assert len(msgspec.json.encode(obj)) < 700_000
    assert codec.decode(HUB, obj).state.cells == cells


def test_what_is_said_of_six_thousand_cells_never_keeps_the_rollout_from_being_stored() -> None:
    planned, noise = plan((2000, 4000)), random.Random(1)
    draft = Draft(Rollout(planned, RolloutState()), Board(planned), 5.0)
    for place, cell in enumerate(draft.cells):
        said = failed(cell, noise.randbytes(2000).hex(), 5.0)
        draft.put(place, said, what=said.message)
    rollout = draft.done()
    assert len(rollout.state.cells[0].message) == len(rollout.state.events[-1].what) == 300
    found = codec.decode(HUB, _stored(rollout)).state
    assert [cell.phase for cell in found.cells] == ["failed"] * 6000
    assert found.cells[7].message[:20] == rollout.state.cells[7].message[:20]
    assert found.events == rollout.state.events[-200:]
    size = sum(len(base64.b64decode(each)) for each in codec.encode(rollout)["binaryData"].values())
    assert size < 1024 * 1024


def test_a_plan_steers_no_application_of_another_hub() -> None:
    planned = plan((1, 1))
    other = msgspec.structs.replace(planned.cells[1].app, hub=ClusterName("prod"))
    cells = (planned.cells[0], msgspec.structs.replace(planned.cells[1], app=other))
    stored = _stored(Rollout(msgspec.structs.replace(planned, cells=cells), RolloutState()))
    assert {cell.app.hub for cell in codec.decode(HUB, stored).plan.cells} == {HUB}


def test_a_timeline_without_end_keeps_its_beginning_and_says_what_is_missing() -> None:
    world = World(plan((1,)))
    rollout = machine.advance(world.rollout, Board(world.plan), {}, 5.0)
    one = rollout.state.events[-1]
    crowd = msgspec.structs.replace(rollout.state, events=(rollout.state.events[0], *[one] * (EVENTS_KEPT - 1)))
    rollout = msgspec.structs.replace(rollout, state=crowd)
    for _ in range(2 * EVENTS_KEPT // 3):
        rollout = take(rollout, Driver(f"p{_}", "ann"), 10.0, take_over=True)
    events = rollout.state.events
    assert len(events) <= EVENTS_KEPT
    assert events[0].what == "begun"
    total = EVENTS_KEPT + 2 * EVENTS_KEPT // 3
    assert events[1].what == f"{total - (len(events) - 1)} earlier steps are not kept"


def test_two_hands_on_a_real_configmap(tmp_path: Path) -> None:
    """Created once, changed by two with optimistic locking, watched, renewed by a small patch, and gone."""

    async def test() -> None:
        async with embedded_hub(tmp_path) as hub:
            apis = [hub.connect(), hub.connect()]
            stores = [LiveStore(api) for api in apis]
            one, two = map(RolloutStore, stores)
            told: list[str] = []
            watching = one.watch(KEY, lambda: told.append(one.version_seen(KEY)))
            created = await one.create(Rollout(plan(), RolloutState()))
            with pytest.raises(RefusedError, match="there is a rollout certs already in hub/argocd"):
                await two.create(Rollout(plan(), RolloutState()))
            assert [each.plan.key for each in await two.all()] == [KEY]
            assert (await two.all("default")) == []

            board = Board(created.plan)
            begun = await one.update(created, lambda rollout: machine.advance(rollout, board, {}, 5.0))
            paused = await two.update(created, lambda rollout: obey(rollout, Order(Verb.PAUSE, "bob"), 6.0))
            assert (paused.state.phase, paused.state.cells) == ("paused", begun.state.cells)
            mine = Driver("one", "ann", 99.0)
            driven = await one.update(begun, lambda rollout: take(rollout, mine, 7.0, take_over=False))
            assert (driven.state.phase, driven.state.driver) == ("paused", mine)
            with pytest.raises(RefusedError, match="driven by ann"):
                await two.update(
                    paused, lambda rollout: take(rollout, Driver("two", "bob", 99.0), 8.0, take_over=False)
                )
            assert await one.get(KEY) == driven
            same = await one.update(driven, lambda rollout: rollout)
            assert same is driven
            await await_until(lambda: one.version_seen(KEY) == driven.version, 5, "the watch brings the last version")
            assert one.seen(KEY) == driven
            assert told

            await apis[0].create(
                CONFIG_MAPS,
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": "rollout-odd",
                        "namespace": "argocd",
                        "labels": {codec.MANAGED_BY: codec.MANAGER, codec.LABEL: "odd"},
                    },
                },
                field_manager="test",
            )
            assert [each.plan.key for each in await two.all()] == [KEY]
            await apis[0].delete(CONFIG_MAPS, "rollout-certs", "argocd")
            with pytest.raises(MissingError, match="rollout certs is gone"):
                await two.update(paused, lambda rollout: obey(rollout, Order(Verb.RESUME, "bob"), 9.0))
            with pytest.raises(MissingError, match="there is no rollout certs in hub/argocd"):
                await two.get(KEY)
            await await_until(lambda: one.seen(KEY) is None, 5, "the watch tells that it is gone")
            watching.close()
            for store in stores:
                store.close()
                await store.api.close()

    asyncio.run(test())
