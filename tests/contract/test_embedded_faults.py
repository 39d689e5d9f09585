"""What an embedded server breaks on demand, as a client sees it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from backends.embedded.calls import Call
from backends.embedded.cluster import ADMIN, EmbeddedCluster
from backends.embedded.faults import Fault, Kind, Subject, subject_of
from backends.embedded.passage import Passage
from backends.embedded.thread import EmbeddedHost
from backends.embedded.watches import Watch
from tests.contract.client import Client
from tests.contract.objects import configmap, deployment
from tests.waiting import wait_until

PATH = "/api/v1/namespaces/default/configmaps"
Raw = Callable[[str], HTTPResponse]


@pytest.fixture
def cluster() -> EmbeddedCluster:
    return EmbeddedCluster("lone", seed=7)


@pytest.fixture
def host(cluster: EmbeddedCluster) -> Iterator[EmbeddedHost]:
    with EmbeddedHost([cluster]) as running:
        yield running


@pytest.fixture
def client(host: EmbeddedHost, cluster: EmbeddedCluster) -> Iterator[Client]:
    found = Client(cluster.url, token=cluster.token)
    yield found
    found.close()


@pytest.fixture
def raw(host: EmbeddedHost, cluster: EmbeddedCluster) -> Iterator[Raw]:
    """Sends a GET on a connection of its own; its answer has only its head read."""
    connections: list[HTTPConnection] = []

    def send(path: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", cluster.server.port, timeout=10)
        connections.append(connection)
        connection.request("GET", path)
        return connection.getresponse()

    yield send
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (401, "Unauthorized", "Unauthorized"),
        (403, "Forbidden", 'configmaps "a" is forbidden: User "system:anonymous" cannot get it'),
        (404, "NotFound", 'configmaps "a" not found'),
        (409, "Conflict", 'Operation cannot be fulfilled on configmaps "a": the object has been modified'),
        (410, "Expired", "The resourceVersion for the provided watch is too old."),
        (500, "InternalError", "Internal error occurred: a fault was asked for"),
        (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    ],
)
def test_a_request_is_refused_as_the_real_server_words_it(
    cluster: EmbeddedCluster, client: Client, code: int, reason: str, message: str
) -> None:
    cluster.faults.add(Fault(kind=Kind.STATUS, code=code, count=1))
    answer = client.get(f"{PATH}/a")
    assert (answer.status, answer.body["reason"], answer.body["code"]) == (code, reason, code)
    assert answer.message.startswith(message)
    assert client.get(f"{PATH}/a").status == 404, "the second one is answered"


def test_what_stands_in_front_of_a_server_sends_no_status(cluster: EmbeddedCluster, raw: Raw) -> None:
    cluster.faults.add(Fault(kind=Kind.STATUS, code=429, retry_after=3, count=1))
    response = raw(PATH)
    assert (response.status, response.getheader("Retry-After")) == (429, "3")
    assert response.read() == b"Too many requests, please try again later.\n"


def test_faults_choose_by_verb_resource_namespace_and_count(cluster: EmbeddedCluster, client: Client) -> None:
    chosen = Fault(
        kind=Kind.STATUS,
        code=503,
        verbs=frozenset({"list"}),
        resource="configmaps",
        namespace="default",
        after=1,
        count=2,
    )
    armed = cluster.faults.add(chosen)
    others = ("/api/v1/configmaps", f"{PATH}/none", "/api/v1/namespaces/default/secrets", "/version")
    assert [client.get(path).status for path in others] == [200, 404, 200, 200]
    assert (armed.seen, armed.fired) == (0, 0)
    assert [client.get(PATH).status for _ in range(4)] == [200, 503, 503, 200]
    assert (armed.seen, armed.fired, armed.spent) == (3, 2, True)


def test_what_a_refused_write_wanted_is_not_done(cluster: EmbeddedCluster, client: Client) -> None:
    cluster.faults.add(Fault(kind=Kind.STATUS, code=503, verbs=frozenset({"create"}), count=1))
    assert client.post(PATH, configmap("a")).status == 503
    assert client.get(f"{PATH}/a").status == 404


@pytest.mark.parametrize(("at", "carried_out"), [(None, False), (0, True), (20, True)])
def test_a_write_may_have_been_done_when_the_connection_is_reset(
    cluster: EmbeddedCluster, client: Client, at: int | None, carried_out: bool
) -> None:
    cluster.faults.add(Fault(kind=Kind.RESET, at=at, count=1))
    with pytest.raises(ConnectionResetError):
        client.post(PATH, configmap("a"))
    client.close()
    assert (client.get(f"{PATH}/a").status == 200) is carried_out


def test_a_body_is_reset_in_its_middle(cluster: EmbeddedCluster, raw: Raw) -> None:
    whole = len(raw(PATH).read())
    for at in (10, 10_000_000):
        cluster.faults.add(Fault(kind=Kind.RESET, at=at, count=1))
        response = raw(PATH)
        assert response.status == 200
        came = response.read(min(at, whole - 1))
        assert len(came) == min(at, whole - 1), "what was sent before can be read"
        with pytest.raises(ConnectionResetError):
            response.read()


def test_a_hang_ends_when_it_is_cleared(cluster: EmbeddedCluster, client: Client) -> None:
    armed = cluster.faults.add(Fault(kind=Kind.HANG))
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(client.get(PATH).status))
    asking.start()
    wait_until(lambda: armed.fired, 5, "the request hangs")
    assert statuses == []
    armed.clear()
    asking.join(5)
    assert statuses == [200]
    assert cluster.faults.armed == ()


def test_a_hang_ends_when_the_client_gives_up(host: EmbeddedHost, cluster: EmbeddedCluster) -> None:
    cluster.faults.add(Fault(kind=Kind.HANG))
    connection = HTTPConnection("127.0.0.1", cluster.server.port, timeout=0.5)
    connection.request("GET", PATH)
    wait_until(lambda: cluster.faults.listeners, 5, "the request hangs")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    wait_until(lambda: cluster.faults.listeners == 0, 5, "nobody hangs any more")


def test_a_body_comes_slowly_and_whole(cluster: EmbeddedCluster, client: Client) -> None:
    client.post(PATH, configmap("a", {"text": "x" * 3000})).must(201)
    slow = cluster.faults.add(Fault(kind=Kind.SLOW, rate=20_000, count=1))
    assert len(client.get(f"{PATH}/a").must()["data"]["text"]) == 3000
    assert slow.fired == 1


def test_a_watch_is_cut_after_some_events(cluster: EmbeddedCluster, client: Client) -> None:
    since = client.get(PATH).must()["metadata"]["resourceVersion"]
    cluster.faults.add(Fault(kind=Kind.WATCH_CUT, at=2, count=1, verbs=frozenset({"watch"})))
    for name in ("a", "b", "c"):
        client.post(PATH, configmap(name)).must(201)
    with client.watch(f"{PATH}?resourceVersion={since}") as events:
        assert [event["object"]["metadata"]["name"] for event in events] == ["a", "b"]


async def test_a_cut_that_is_cleared_in_the_same_moment_loses_nothing_that_a_bookmark_would_cover(
    cluster: EmbeddedCluster,
) -> None:
    store = cluster.store
    since = store.storage.version
    for name in ("a", "b", "c"):
        store.create(configmap(name, namespace="default"), manager="test")
    query = {"watch": "1", "resourceVersion": str(since), "timeoutSeconds": "1"}
    watch = cluster.server.api.handle(Call("GET", PATH, query, {}, b"", ADMIN))
    assert isinstance(watch, Watch)
    armed = cluster.faults.add(Fault(kind=Kind.WATCH_CUT, at=1))
    passage = Passage(cluster.faults, None, lambda: Subject("watch", PATH))  # type: ignore[arg-type]
    assert await passage.admit() is None
    told = []
    async for chunk in passage.chunks(watch):
        told += chunk.splitlines()
        if told:
            armed.clear()
    assert len(told) == 1, "and the watch ended, for the other two were left out"


async def test_a_bookmark_is_not_told_before_news_of_the_same_moment(cluster: EmbeddedCluster) -> None:
    cluster.server.api.bookmark_every = 0.0
    store = cluster.store
    query = {"watch": "1", "resourceVersion": str(store.storage.version), "allowWatchBookmarks": "true"}
    watch = cluster.server.api.handle(Call("GET", PATH, query, {}, b"", ADMIN))
    assert isinstance(watch, Watch)
    chunks = watch.chunks()
    first = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)  # it waits now, and its bookmark is due
    made = store.create(configmap("a", namespace="default"), manager="test")
    told = json.loads(await first)
    await chunks.aclose()
    assert (told["type"], told["object"]) == ("ADDED", made)


@pytest.mark.parametrize(("code", "reason"), [(410, "Expired"), (500, "InternalError"), (504, "Timeout")])
def test_a_watch_ends_with_an_error_event(cluster: EmbeddedCluster, client: Client, code: int, reason: str) -> None:
    since = client.get(PATH).must()["metadata"]["resourceVersion"]
    cluster.faults.add(Fault(kind=Kind.WATCH_ERROR, code=code, at=1, count=1, verbs=frozenset({"watch"})))
    client.post(PATH, configmap("a")).must(201)
    with client.watch(f"{PATH}?resourceVersion={since}") as events:
        first, last = events
    assert first["type"] == "ADDED"
    assert (last["type"], last["object"]["code"], last["object"]["reason"]) == ("ERROR", code, reason)


@pytest.mark.parametrize("kind", [Kind.WATCH_CUT, Kind.WATCH_ERROR, Kind.RESET])
def test_a_watch_that_is_open_is_struck_at_once(
    host: EmbeddedHost, cluster: EmbeddedCluster, client: Client, raw: Raw, kind: Kind
) -> None:
    version = client.get(PATH).must()["metadata"]["resourceVersion"]
    response = raw(f"{PATH}?watch=1&resourceVersion={version}&timeoutSeconds=60")
    wait_until(lambda: cluster.faults.listeners, 5, "the watch listens")
    armed = cluster.faults.add(Fault(kind=kind, code=410, verbs=frozenset({"watch"})))
    if kind is Kind.RESET:
        with pytest.raises(ConnectionResetError):
            response.read()
    else:
        told = [json.loads(line)["type"] for line in response]
        assert told == (["ERROR"] if kind is Kind.WATCH_ERROR else [])
    assert armed.fired == 1


def test_bookmarks_are_dropped_but_not_the_one_that_ends_a_streaming_list(
    cluster: EmbeddedCluster, client: Client
) -> None:
    cluster.server.api.bookmark_every = 0.02
    quiet = cluster.faults.add(Fault(kind=Kind.NO_BOOKMARKS))
    stream = "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    with client.watch(f"{PATH}?{stream}") as events:
        assert next(events)["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        client.post(PATH, configmap("a")).must(201)
        assert next(events)["type"] == "ADDED"
        quiet.clear()
        assert next(events)["type"] == "BOOKMARK"


def test_the_clock_jumps(cluster: EmbeddedCluster, client: Client) -> None:
    cluster.clock.jump(-cluster.clock() + 1_000_000_000)
    cluster.faults.add(Fault(kind=Kind.CLOCK_JUMP, seconds=-86_400, verbs=frozenset({"create"}), after=1, count=1))
    times = []
    for name in ("a", "b", "c"):
        made = client.post(PATH, configmap(name)).must(201)["metadata"]
        assert made["managedFields"][0]["time"] == made["creationTimestamp"]
        times.append(made["creationTimestamp"][:10])
    assert times == ["2001-09-09", "2001-09-08", "2001-09-08"]


def test_several_faults_strike_together_and_one_of_each_kind(cluster: EmbeddedCluster, client: Client) -> None:
    late = cluster.faults.add(Fault(kind=Kind.LATENCY, seconds=0.001))
    first = cluster.faults.add(Fault(kind=Kind.STATUS, code=503, count=1))
    second = cluster.faults.add(Fault(kind=Kind.STATUS, code=500, count=1))
    assert [client.get(PATH).status for _ in range(3)] == [503, 500, 200]
    assert (late.fired, first.fired, second.fired) == (3, 1, 1)
    cluster.faults.clear()
    client.get(PATH).must()
    assert late.fired == 3


def test_a_seed_decides_what_chance_strikes() -> None:
    def struck(seed: int) -> list[bool]:
        plan = EmbeddedCluster("any", seed=seed).faults
        armed = plan.add(Fault(kind=Kind.STATUS, code=500, chance=0.5))
        return [armed.strikes(Subject("get", "/"), chance=plan.random.random) for _ in range(40)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert {True, False} == set(struck(1))


@pytest.mark.parametrize(
    ("method", "path", "watch", "verb", "plural"),
    [
        ("GET", PATH, False, "list", "configmaps"),
        ("GET", PATH, True, "watch", "configmaps"),
        ("GET", f"{PATH}/a", False, "get", "configmaps"),
        ("POST", PATH, False, "create", "configmaps"),
        ("PUT", f"{PATH}/a", False, "update", "configmaps"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", False, "patch", "deployments"),
        ("DELETE", f"{PATH}/a", False, "delete", "configmaps"),
        ("DELETE", PATH, False, "deletecollection", "configmaps"),
        ("GET", "/readyz", False, "get", ""),
        ("GET", "/apis", False, "get", ""),
        ("GET", "/apis/nowhere.example.com/v1/things", False, "get", ""),
    ],
)
def test_what_a_request_is_about(
    cluster: EmbeddedCluster, method: str, path: str, watch: bool, verb: str, plural: str
) -> None:
    subject = subject_of(cluster.store.resources, method, path, watch=watch)
    assert (subject.verb, subject.plural, subject.path) == (verb, plural, path)


def test_a_group_may_be_named_with_the_resource(cluster: EmbeddedCluster, client: Client) -> None:
    cluster.faults.add(Fault(kind=Kind.STATUS, code=503, resource="deployments.apps"))
    assert client.post("/apis/apps/v1/namespaces/default/deployments", deployment("a")).status == 503


@pytest.mark.parametrize(
    "odd",
    [
        {"kind": Kind.LATENCY},
        {"kind": Kind.STATUS, "code": 200},
        {"kind": Kind.WATCH_ERROR},
        {"kind": Kind.SLOW},
        {"kind": Kind.CLOCK_JUMP},
        {"kind": Kind.HANG, "at": -1},
        {"kind": Kind.HANG, "chance": 2.0},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="fault"):
        Fault(**odd)  # type: ignore[arg-type]
