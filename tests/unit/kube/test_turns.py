"""Turns: one in each round of the loop, whoever is ready."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager

from backends.kube.turns import PATIENT, decoding, starting


async def test_one_goes_in_each_round() -> None:
    round_, went = 0, Counter[tuple[str, int]]()

    async def rounds() -> None:
        nonlocal round_
        while True:
            round_ += 1
            await asyncio.sleep(0)

    async def decodes() -> None:
        async with decoding():
            went["decodes", round_] += 1

    async def starts() -> None:
        async with starting():
            went["starts", round_] += 1

    counting = asyncio.create_task(rounds())
    await asyncio.gather(*(decodes() for _ in range(20)), *(starts() for _ in range(20)))
    counting.cancel()
    assert len(went) == 40
    assert set(went.values()) == {1}
    assert went["starts", 1] == went["decodes", 1] == 1, "neither waits for the other"


async def test_others_go_before_who_is_late_but_not_for_ever() -> None:
    went: list[str] = []

    async def one(name: str, turn: AbstractAsyncContextManager[None]) -> None:
        async with turn:
            went.append(name)

    async with decoding():
        late = [asyncio.create_task(one("late", decoding().late())) for _ in range(3)]
        await asyncio.sleep(0)
        early = [asyncio.create_task(one("early", decoding())) for _ in range(PATIENT + 2)]
        await asyncio.sleep(0)
    await asyncio.gather(*late, *early)
    assert went == ["early"] * (PATIENT - 1) + ["late"] + ["early"] * 3 + ["late"] * 2


async def test_who_does_not_wait_any_longer_costs_nobody_a_turn() -> None:
    async def one() -> int:
        async with decoding():
            return 1

    async with decoding():
        waiting = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    assert await asyncio.gather(*waiting[1:]) == [1, 1]


def test_each_loop_has_its_own() -> None:
    async def one() -> int:
        async with decoding():
            return 1

    assert [asyncio.run(one()) for _ in range(2)] == [1, 1]
