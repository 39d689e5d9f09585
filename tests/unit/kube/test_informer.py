"""List and watch against a server that follows a script: pages, bookmarks, 410, cuts, and what the sink is told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backends.kube.backoff import Backoff
from backends.kube.informer import Informer
from backends.kube.reading import Reader
from backends.kube.selection import Selection
from backends.kube.streaming import Streaming, version_of
from backends.kube.transport import Transport
from fleetui.model.errors import (
    ForbiddenError,
    GoneError,
    NotFoundError,
    OverloadedError,
    StatusError,
    UnreachableError,
)
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from tests.unit.kube.scripted import (
    Answer,
    Json,
    Script,
    body,
    bookmark,
    config_map,
    context,
    event,
    hanging,
    page,
    serving,
    status,
    status_obj,
    watch,
    whole,
)

CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
EVERYTHING = Selection()


TOO_LARGE = status(504, "Timeout", details={"causes": [{"reason": "ResourceVersionTooLarge"}]})


class Sink:
    """Keeps what it is told, as a store would, and the order of it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.objects: dict[ObjectRef, StoredObject] = {}
        self.errors: list[Exception] = []
        self._coming: set[ObjectRef] | None = None

    def listing(self) -> None:
        self.told.append("listing")
        self._coming = set()

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        self.told.append("upsert " + " ".join(f"{obj.ref.name}@{obj.meta.resource_version}" for obj in objects))
        self.objects |= {obj.ref: obj for obj in objects}
        if self._coming is not None:
            self._coming |= {obj.ref for obj in objects}

    def remove(self, obj: StoredObject) -> None:
        self.told.append(f"remove {obj.ref.name}")
        self.objects.pop(obj.ref, None)

    def listed(self) -> None:
        self.told.append("listed")
        assert self._coming is not None
        self.objects = {ref: obj for ref, obj in self.objects.items() if ref in self._coming}
        self._coming = None

    def failed(self, error: Exception) -> None:
        self.told.append(type(error).__name__)
        self.errors.append(error)

    @property
    def names(self) -> list[str]:
        return sorted(ref.name for ref in self.objects)


class Monitor:
    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.successes = 0

    async def ready(self) -> None: ...

    def succeeded(self, watcher: object) -> None:
        self.successes += 1

    def failed(self, error: Exception, watcher: object) -> None:
        self.errors.append(error)


class Watched:
    """An informer on a script, a cycle at a time; its pauses are recorded, not waited for."""

    def __init__(
        self, transport: Transport, script: Script, *, selection: Selection, version: str, **settings: Any
    ) -> None:
        self.script = script
        self.sink = Sink()
        self.monitor = Monitor()
        self.pauses: list[float] = []
        self.now = 0.0
        self.streaming = Streaming(lambda: version)
        path = CONFIG_MAPS.path(selection.namespace)
        self.reader = Reader(transport, CONFIG_MAPS, selection, path=path, cluster="prod")
        self.informer = Informer(
            self.reader,
            self.sink,
            name="prod: configmaps",
            monitor=self.monitor,
            streaming=self.streaming,
            sleep=self._pause,
            clock=lambda: self.now,
            **settings,
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await self.informer.cycle()

    @property
    def versions(self) -> list[str]:
        """The resourceVersion that each watch was asked from."""
        return [asked.query["resourceVersion"] for asked in self.script.asked if "watch" in asked.query]

    @property
    def lists(self) -> int:
        return sum("watch" not in asked.query for asked in self.script.asked)


@asynccontextmanager
async def watched(
    *answers: Answer, selection: Selection = EVERYTHING, version: str = "", **settings: Any
) -> AsyncIterator[Watched]:
    script = Script(list(answers))
    async with serving(script) as url:
        transport = Transport(context(url), requests=Counter(), env={})
        try:
            yield Watched(transport, script, selection=selection, version=version, **settings)
        finally:
            await transport.close()


def added(name: str, version: str) -> bytes:
    return event("ADDED", whole(config_map(name, version)))


def expired(**rest: Any) -> Json:
    return status_obj(410, "Expired", "too old resource version: 5 (9)", **rest)


# --- list ---------------------------------------------------------------------------------------------------------


async def test_a_list_comes_in_pages_and_the_watch_goes_on_from_it() -> None:
    first = page([config_map("a", "1"), config_map("b", "2")], "10", next="more")
    async with watched(first, page([config_map("c", "3")], "10"), watch(added("d", "11"))) as it:
        await it.cycles(1)
        assert it.sink.told == ["listing", "upsert a@1 b@2", "upsert c@3", "listed", "upsert d@11"]
        one, two, three = it.script.asked
        assert one.query == {"limit": "500"}
        assert two.query == {"limit": "500", "continue": "more"}
        assert three.query.pop("timeoutSeconds") in {str(seconds) for seconds in range(300, 601)}
        assert three.query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "10"}


async def test_namespace_and_selectors_narrow_list_and_watch() -> None:
    selection = Selection("x", labels="app in (a,b)", fields="metadata.name=a")
    async with watched(page([], "1"), watch(), selection=selection) as it:
        await it.cycles(1)
        assert it.script.lines == ["GET /api/v1/namespaces/x/configmaps"] * 2
        assert [asked.query["labelSelector"] for asked in it.script.asked] == ["app in (a,b)"] * 2
        assert [asked.query["fieldSelector"] for asked in it.script.asked] == ["metadata.name=a"] * 2


async def test_an_item_of_a_list_gets_its_kind_back_and_keeps_its_bytes() -> None:
    item = config_map("a", "1", text="[red]\x1b]0;x\x07")
    custom = whole(config_map("b", "2"))
    async with watched(page([item, custom], "1"), watch()) as it:
        await it.cycles(1)
        first, second = it.sink.objects.values()
    assert first.decode() == whole(item)
    assert first.ref == ObjectRef("", "ConfigMap", "default", "a")
    assert second.raw == json.dumps(custom).encode()


async def test_an_expired_continue_token_starts_the_list_again() -> None:
    first = page([config_map("a", "1")], "10", next="more")
    again = page([config_map("b", "2")], "20")
    async with watched(first, status(410, "Expired"), again, watch()) as it:
        await it.cycles(2)
        assert it.sink.told == ["listing", "upsert a@1", "listing", "upsert b@2", "listed"]
        assert it.sink.names == ["b"]
        # The second time in one page: no token that could expire.
        assert [asked.query.get("limit") for asked in it.script.asked] == ["500", "500", None, None]
        assert it.monitor.errors == []


async def test_a_relist_drops_what_was_deleted_meanwhile() -> None:
    answers = [
        page([config_map("a", "1"), config_map("b", "2")], "10"),
        watch(event("ERROR", expired())),
        page([config_map("b", "2")], "20"),
        watch(),
    ]
    async with watched(*answers) as it:
        await it.cycles(1)
        assert it.sink.names == ["a", "b"]
        await it.cycles(1)
        assert it.sink.names == ["b"]


@pytest.mark.parametrize(
    "answer", [body(b"<html>login</html>"), body({"items": 3}), body({"items": [{"metadata": {"name": 1}}]})]
)
async def test_an_answer_that_is_no_list_is_an_error(answer: Answer) -> None:
    async with watched(answer) as it:
        await it.cycles(1)
    assert isinstance(it.sink.errors[0], StatusError)
    assert "the answer to LIST /api/v1/configmaps is not what a Kubernetes API server sends" in str(it.sink.errors[0])


async def test_a_relist_is_never_older_than_what_was_seen() -> None:
    answers = [page([], "10"), watch(bookmark("15"), event("ERROR", expired())), page([], "20"), watch()]
    async with watched(*answers) as it:
        await it.cycles(2)
        assert it.script.asked[2].query == {
            "limit": "500",
            "resourceVersion": "15",
            "resourceVersionMatch": "NotOlderThan",
        }


@pytest.mark.parametrize("refusal", [status(410, "Expired"), TOO_LARGE], ids=["too old", "from another life"])
async def test_a_version_that_is_no_longer_to_be_had_means_the_newest_list(refusal: Answer) -> None:
    ended = watch(bookmark("15"), event("ERROR", expired()))
    async with watched(page([], "10"), ended, refusal, page([], "9"), watch()) as it:
        await it.cycles(3)
        assert it.script.asked[3].query == {"limit": "500"}
        # Whatever was seen before: a server of another life begins at its own versions.
        assert it.versions == ["10", "9"]


async def test_a_server_that_has_not_come_as_far_is_of_another_life() -> None:
    async with watched(page([], "10"), TOO_LARGE, page([], "5"), watch()) as it:
        await it.cycles(2)
        assert it.script.asked[2].query == {"limit": "500"}
        assert it.versions == ["10", "5"]


async def test_a_list_in_one_page_is_told_by_the_pageful_after_its_first_rows() -> None:
    many = [config_map(f"m{number}", str(number)) for number in range(1200)]
    answers = [page([], "10", next="more"), status(410, "Expired"), page(many, "20"), watch()]
    async with watched(*answers) as it:
        await it.cycles(2)
        assert [told.count("@") for told in it.sink.told] == [0, 0, 100, 500, 500, 100, 0]
        assert it.sink.told[-1] == "listed"


async def test_metadata_alone_keeps_the_kind_of_the_object() -> None:
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    listed, came = ({"metadata": config_map(name, version)["metadata"]} for name, version in (("a", "1"), ("b", "11")))
    whole_one = whole(config_map("c", "12", text="of a server that knows no other form"))
    lines = event("ADDED", head | came) + event("ADDED", whole_one)
    async with watched(page([listed], "10"), watch(lines), selection=Selection(metadata_only=True)) as it:
        await it.cycles(1)
        objects = list(it.sink.objects.values())
        accepted = [asked.headers["accept"] for asked in it.script.asked]
    assert accepted == [
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
    ]
    assert [obj.ref.name for obj in objects] == ["a", "b", "c"]
    for obj in objects:
        assert obj.ref.group_kind == ("", "ConfigMap")
        assert not obj.whole
        decoded = obj.decode()
        assert list(decoded) == ["apiVersion", "kind", "metadata"]
        assert (decoded["apiVersion"], decoded["kind"]) == ("v1", "ConfigMap")
        assert decoded["metadata"]["resourceVersion"] == obj.meta.resource_version


async def test_a_long_annotation_is_kept_once() -> None:
    item = config_map("a", "1")
    item["metadata"]["annotations"] = {"short": "1", "last-applied": "x" * 600}
    async with watched(page([item], "1"), watch()) as it:
        await it.cycles(1)
        (obj,) = it.sink.objects.values()
    assert obj.meta.annotations == {"short": "1"}
    assert obj.decode()["metadata"]["annotations"] == item["metadata"]["annotations"]


# --- streaming lists ----------------------------------------------------------------------------------------------


def end_of_initial(version: str) -> bytes:
    metadata = {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}
    return event("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})


async def test_a_list_is_streamed_where_the_server_can() -> None:
    initial = added("b", "7") + added("a", "3") + end_of_initial("10") + added("c", "11")
    async with watched(watch(initial), watch(), version="v1.37.2") as it:
        await it.cycles(2)
        assert it.sink.told == ["listing", "upsert b@7 a@3", "listed", "upsert c@11"]
        first, second = (asked.query for asked in it.script.asked)
        assert {name: first.get(name) for name in first if name != "timeoutSeconds"} == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
        }
        assert second["resourceVersion"] == "11"
        assert "sendInitialEvents" not in second


async def test_an_object_that_goes_while_the_list_is_streamed_is_not_there() -> None:
    changes = event("MODIFIED", whole(config_map("a", "12"))) + event("DELETED", whole(config_map("b", "13")))
    initial = added("b", "7") + added("a", "3") + changes + end_of_initial("13")
    async with watched(watch(initial), watch(), version="v1.37.2") as it:
        await it.cycles(2)
        assert it.sink.told == ["listing", "upsert b@7 a@3 a@12", "remove b", "listed"]
        assert it.script.asked[1].query["resourceVersion"] == "13"


async def test_a_stream_that_is_cut_before_its_end_begins_again_and_then_gives_way_to_pages() -> None:
    cut = watch(added("a", "3"), cut=True)
    async with watched(cut, cut, page([config_map("b", "4")], "10"), watch(), version="v1.37.2") as it:
        await it.cycles(3)
        assert ["sendInitialEvents" in asked.query for asked in it.script.asked] == [True, True, False, False]
        assert it.sink.names == ["b"]
        assert it.sink.errors == []


@pytest.mark.parametrize(
    "refusal",
    [
        status(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
        status(403, "Forbidden", "may list, may not watch"),
        watch(b"what is this\n"),
    ],
)
async def test_a_server_that_refuses_to_stream_is_asked_for_pages_at_once(refusal: Answer) -> None:
    ended = watch(event("ERROR", expired()))
    answers = [refusal, page([config_map("a", "1")], "10"), ended, page([], "20"), watch()]
    async with watched(*answers, version="v1.37") as it:
        await it.cycles(2)
        assert it.sink.names == []
        assert ["sendInitialEvents" in asked.query for asked in it.script.asked] == [True, *[False] * 4]
        assert it.sink.errors == []


async def test_a_server_that_takes_no_notice_of_the_wish_is_asked_for_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.informer._INITIAL_IDLE", 0.05)
    answers = [hanging(added("a", "1")), page([config_map("a", "1")], "10"), watch()]
    async with watched(*answers, version="v1.37") as it:
        await it.cycles(2)
        assert it.sink.told == ["listing", "upsert a@1", "listing", "upsert a@1", "listed"]


async def test_a_stream_goes_on_from_what_was_seen_and_starts_anew_where_that_is_gone() -> None:
    ended = watch(end_of_initial("10"), event("ERROR", expired()))
    async with watched(ended, TOO_LARGE, watch(end_of_initial("5")), watch(), version="v1.37.2") as it:
        await it.cycles(4)
        assert [asked.query.get("resourceVersion") for asked in it.script.asked] == [None, "10", None, "5"]
        assert it.monitor.errors == []


async def test_over_a_slow_link_the_next_list_comes_in_pages() -> None:
    async with watched(page([], "1"), watch(), version="v1.37.2") as it:
        assert it.streaming.pays
        it.streaming.took(2.0)
        assert it.streaming.pays
        it.streaming.took(4.0)
        await it.cycles(1)
        assert it.lists == 1


@pytest.mark.parametrize(
    ("text", "version"),
    [("v1.37.2", (1, 37)), ("v1.34.0-gke.12", (1, 34)), ("v1.33+", (1, 33)), ("", (0, 0)), ("odd", (0, 0))],
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert version_of(text) == version
    assert Streaming(lambda: text).pays is (version >= (1, 34))


# --- watch --------------------------------------------------------------------------------------------------------


async def test_events_come_in_order_and_neighbours_together() -> None:
    lines = (
        added("a", "11")
        + event("MODIFIED", whole(config_map("a", "12")))
        + event("DELETED", whole(config_map("a", "13")))
        + added("b", "14")
        + bookmark("20")
    )
    async with watched(page([], "10"), watch(lines), watch()) as it:
        await it.cycles(2)
        assert it.sink.told == ["listing", "listed", "upsert a@11 a@12", "remove a", "upsert b@14"]
        assert it.versions == ["10", "20"]


async def test_a_watch_that_ends_or_is_cut_goes_on_at_the_last_version_without_a_list() -> None:
    half = added("c", "13")
    answers = [
        page([], "10"),
        watch(added("a", "11")),
        watch(added("b", "12") + half[:40], cut=True),
        watch(half),
        watch(bookmark("99"), cut=True),
        watch(),
    ]
    async with watched(*answers) as it:
        await it.cycles(5)
        assert it.versions == ["10", "11", "12", "13", "99"]
        assert it.lists == 1
        assert it.sink.names == ["a", "b", "c"]
        assert it.sink.errors == []
        assert [pause for pause in it.pauses if pause] == []


async def test_a_silent_watch_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.informer._IDLE", 0.05)
    async with watched(page([], "10"), hanging(bookmark("11")), watch()) as it:
        await it.cycles(2)
        assert it.versions == ["10", "11"]
        assert it.sink.errors == []


async def test_a_watch_that_says_nothing_from_the_start_means_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.informer._IDLE", 0.05)
    async with watched(page([], "10"), hanging(), TOO_LARGE, page([], "5"), watch()) as it:
        await it.cycles(3)
        assert [asked.query.get("resourceVersion") for asked in it.script.asked] == [None, "10", "10", None, "5"]
        assert it.sink.errors == []


@pytest.mark.parametrize(
    "refusal",
    [
        status(410, "Expired"),
        watch(event("ERROR", expired())),
        watch(event("ERROR", status_obj(410, "Gone"))),
        TOO_LARGE,
    ],
)
async def test_a_version_that_is_too_old_or_from_another_life_means_a_list(refusal: Answer) -> None:
    async with watched(page([], "10"), refusal, page([], "20"), watch()) as it:
        await it.cycles(2)
        assert it.lists == 2
        assert it.versions == ["10", "20"]
        assert it.monitor.errors == []


async def test_410_in_the_middle_of_a_watch_keeps_what_came_before_it() -> None:
    lines = added("a", "11") + event("ERROR", expired())
    async with watched(page([], "10"), watch(lines), page([], "20"), watch()) as it:
        await it.cycles(1)
        assert it.sink.names == ["a"]
        await it.cycles(1)
        assert it.sink.names == []


async def test_410_again_and_again_is_not_asked_again_and_again() -> None:
    round_ = [page([], "10"), watch(event("ERROR", expired()))]
    async with watched(*round_ * 4) as it:
        await it.cycles(4)
        # Many watches may be told so at once; their lists are spread over a second.
        assert 0 <= it.pauses[0] <= 1.0
        assert 0.4 <= it.pauses[1] <= 1.8
        assert 1.6 <= it.pauses[3] <= 4.2


async def test_another_error_event_is_told_and_the_watch_goes_on_or_starts_anew() -> None:
    overloaded = watch(event("ERROR", status_obj(500, "InternalError", "etcd is away")))
    odd = watch(event("ERROR", status_obj(403, "Forbidden", "no")))
    async with watched(page([], "10"), overloaded, odd, page([], "20"), watch()) as it:
        await it.cycles(1)
        assert isinstance(it.sink.errors[0], OverloadedError)
        await it.cycles(1)
        assert it.versions == ["10", "10"]
        assert isinstance(it.sink.errors[1], ForbiddenError)
        await it.cycles(1)
        assert it.versions == ["10", "10", "20"]


async def test_an_event_of_a_megabyte_comes_whole() -> None:
    big = whole(config_map("a", "11", text="x" * 1_000_000))
    line = event("ADDED", big)
    async with watched(page([], "10"), watch(line[:7], line[7:500_000], line[500_000:])) as it:
        await it.cycles(1)
        assert next(iter(it.sink.objects.values())).decode() == big


async def test_a_line_that_is_no_event_means_a_list() -> None:
    async with watched(page([], "10"), watch(b'{"type": "ADDED", "object": \n'), page([], "20"), watch()) as it:
        await it.cycles(2)
        assert it.lists == 2
        assert "WATCH" in str(it.sink.errors[0])


async def test_a_sink_that_fails_does_not_end_the_watch() -> None:
    async with watched(page([config_map("a", "1")], "10"), page([config_map("a", "1")], "10"), watch()) as it:
        upsert, it.sink.upsert = it.sink.upsert, lambda objects: 1 / 0  # type: ignore[assignment, method-assign]
        await it.cycles(1)
        it.sink.upsert = upsert  # type: ignore[method-assign]
        await it.cycles(1)
        assert isinstance(it.sink.errors[0], ZeroDivisionError)
        assert it.sink.names == ["a"]


# --- failures and pauses ------------------------------------------------------------------------------------------


async def test_what_can_not_be_had_is_told_and_asked_again_after_a_pause() -> None:
    answers = [status(403, "Forbidden", "no"), status(404, "NotFound"), page([], "1"), watch(bookmark("2"))]
    async with watched(*answers) as it:
        await it.cycles(3)
        assert [type(error) for error in it.monitor.errors] == [ForbiddenError, NotFoundError]
        assert it.sink.told == ["listing", "ForbiddenError", "listing", "NotFoundError", "listing", "listed"]
        assert it.pauses[0] >= 0.5
        assert len(it.pauses) == 2


async def test_a_lost_server_costs_no_list_when_it_is_back() -> None:
    async with watched(page([], "10"), watch(bookmark("11"))) as it:
        await it.cycles(1)
        server, it.reader._source = (
            it.reader._source,
            Transport(context("http://127.0.0.1:1"), requests=Counter(), env={}),
        )
        await it.cycles(1)
        assert isinstance(it.monitor.errors[0], UnreachableError)
        await it.reader._source.close()
        it.reader._source = server
        it.script.answers = [watch()]
        await it.cycles(1)
        assert it.versions == ["10", "11"]
        assert it.pauses[0] == 0.0


async def test_watches_that_end_at_once_are_asked_for_ever_more_slowly() -> None:
    async with watched(page([], "10"), *[watch()] * 4) as it:
        await it.cycles(4)
        assert it.pauses[0] == 0.0
        assert it.pauses[1] < it.pauses[3]


def test_pauses_grow_to_half_a_minute_and_start_over_after_a_success() -> None:
    pauses = Backoff(chance=lambda: 1.0)
    lost = UnreachableError("x")
    assert [pauses.pause(lost) for _ in range(8)] == [0.0, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    pauses.reset()
    assert pauses.pause(ForbiddenError("x")) == 1.0
    pauses.reset()
    assert pauses.pause(OverloadedError("x", retry_after=7.0)) == 7.0
    pauses.reset()
    assert pauses.pause(GoneError("x")) == 1.0
    never = Backoff(chance=lambda: 0.0)
    assert never.pause(GoneError("x")) == 0.0
