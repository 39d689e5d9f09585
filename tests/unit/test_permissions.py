"""What the operator may do: how few requests tell it, how long an answer counts, and what makes it void."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetui.fleet.permissions import KEPT, Permissions
from fleetui.fleet.refusal import missing, sentence
from fleetui.fleet.rules import Attributes, attributes
from fleetui.model.objects import ApiResource, Obj
from tests.unit.fakes import NAMESPACE, POD, SECRET, SERVED, FakeClock, resource
from tests.unit.rbac import GuardedCluster


class Bench:
    def __init__(self, *grants: tuple[str, str]) -> None:
        self.clock = FakeClock()
        self.api = GuardedCluster(*grants)
        self.permissions = Permissions(self.clock)

    async def may(self, verb: str = "list", what: ApiResource = SECRET, namespace: str = "shop") -> bool | None:
        return (await self.permissions.may(self.api, verb, resource=what, namespace=namespace)).allowed

    async def each(self, *asked: Attributes) -> list[bool | None]:
        answers = await self.permissions.may_each(self.api, asked)
        return [answers[each].allowed for each in asked]


async def test_thirty_kinds_of_a_namespace_are_one_request() -> None:
    bench = Bench(("shop", "secrets"), ("", "pods"))
    kinds = [*SERVED, *(resource(f"Kind{number}") for number in range(30))]
    asked = [attributes(verb, each, "shop") for each in kinds if each.namespaced for verb in ("list", "watch")]
    answers = await bench.permissions.may_each(bench.api, asked)
    assert {each.resource for each, answer in answers.items() if answer.allowed} == {"secrets", "pods"}
    assert bench.api.reviews == ["rules shop"]
    await bench.permissions.may_each(bench.api, asked)
    assert bench.api.reviews == ["rules shop"]


async def test_each_namespace_is_asked_once_and_the_cluster_by_question() -> None:
    bench = Bench(("shop", "secrets"), ("", "namespaces"))
    wanted = [(SECRET, "shop"), (SECRET, "bank"), (SECRET, ""), (NAMESPACE, "shop"), (POD, "shop")]
    assert await bench.each(*(attributes("list", *each) for each in wanted)) == [True, False, False, True, False]
    assert sorted(bench.api.reviews) == ["list namespaces", "list secrets", "rules bank", "rules shop"]


async def test_what_incomplete_rules_leave_open_is_asked_alone() -> None:
    bench = Bench(("shop", "secrets"))
    bench.api.incomplete = True
    asked = [attributes("list", each, "shop") for each in (SECRET, POD)]
    assert await bench.each(*asked) == [True, False]
    assert sorted(bench.api.reviews) == ["list pods shop", "list secrets shop", "rules shop"]


async def test_a_server_that_reviews_nothing_denies_nothing() -> None:
    bench = Bench()
    bench.api.mute = True
    assert await bench.each(attributes("list", SECRET, "shop")) == [None]
    assert await bench.may() is None
    bench.api.mute = False  # and what was no answer is not kept
    assert await bench.may() is False


async def test_an_answer_counts_for_a_minute() -> None:
    bench = Bench()
    assert await bench.may() is False
    bench.api.grants.add(("shop", "secrets"))
    bench.clock.advance(KEPT - 1)
    assert await bench.may() is False
    bench.clock.advance(1)
    assert await bench.may() is True
    assert bench.api.reviews == ["list secrets shop"] * 2


async def test_those_who_ask_at_the_same_time_share_one_request() -> None:
    bench = Bench(("shop", "secrets"))
    asked = attributes("list", SECRET, "shop")
    await asyncio.gather(*(bench.may() for _ in range(5)), *(bench.each(asked) for _ in range(5)))
    assert sorted(bench.api.reviews) == ["list secrets shop", "rules shop"]


async def test_what_is_forgotten_is_asked_anew_for_that_cluster_alone() -> None:
    bench, other = Bench(), GuardedCluster(name="other")
    await bench.may()
    await bench.permissions.may(other, "list", resource=SECRET, namespace="shop")
    bench.permissions.forget(bench.api.name)
    await bench.may()
    await bench.permissions.may(other, "list", resource=SECRET, namespace="shop")
    assert (len(bench.api.reviews), len(other.reviews)) == (2, 1)


async def test_an_answer_that_was_on_its_way_when_it_was_forgotten_is_not_kept() -> None:
    bench = Bench()
    answer = bench.api.answer

    def overtaken(verb: str, name: str, body: Any) -> Obj:
        bench.permissions.forget(bench.api.name)
        return answer(verb, name, body)

    bench.api.answer = overtaken
    assert await bench.may() is False
    bench.api.answer = answer
    bench.api.grants.add(("shop", "secrets"))
    assert await bench.may() is True


async def test_whoever_waits_is_not_left_alone_when_the_one_who_asks_gives_up() -> None:
    bench = Bench(("shop", "secrets"))
    create, gate = bench.api.create, asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> Obj:
        await gate.wait()
        return await create(*args, **kwargs)

    bench.api.create = slow  # type: ignore[method-assign]
    first, second = asyncio.ensure_future(bench.may()), asyncio.ensure_future(bench.may())
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second is True
    with pytest.raises(asyncio.CancelledError):
        await first


def test_what_is_missing_is_said_with_how_to_look_and_what_would_help() -> None:
    secrets = [attributes(verb, SECRET, "shop") for verb in ("list", "watch")]
    assert sentence(secrets) == (
        "you may not list or watch secrets in namespace shop "
        "(see kubectl auth can-i list secrets -n shop; a Role in shop with get, list, watch on secrets gives it)"
    )
    many = [*secrets, attributes("list", POD, "shop"), attributes("list", POD, "bank")]
    assert missing(many)[0] == "you may not list or watch secrets, pods in namespace shop and in 1 more"
    assert missing([attributes("list", SECRET)]) == (
        "you may not list secrets in all namespaces",
        "see kubectl auth can-i list secrets -A; "
        "a ClusterRole, or a Role for one namespace, with get, list, watch on secrets gives it",
    )
    kinds = [attributes("list", resource(f"Kind{number}"), "shop") for number in range(6)]
    assert "kind0s, kind1s, kind2s, kind3s and 2 more kinds in" in missing(kinds)[0]
