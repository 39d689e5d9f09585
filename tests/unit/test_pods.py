"""Which Pods can be looked into, and a log that is followed through every end it may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fleetui.fleet.podlogs import FIRST, LONGEST, OVERLAP, follow
from fleetui.fleet.pods import MOST, pods_of_tree, view_of
from fleetui.fleet.views import PodLog, Tree, TreeNode
from fleetui.model.app import AppKey
from fleetui.model.errors import ForbiddenError, InvalidError, MissingError, NotFoundError, UnreachableError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from tests.unit.fakes import FakeCluster
from tests.waiting import await_until

HUB = ClusterName("hub")
KEY = AppKey(hub=HUB, dialect="argo", namespace="argocd", name="shop")


def ref(kind: str, name: str, group: str = "") -> ObjectRef:
    return ObjectRef(group, kind, "shop", name)


def pod(name: str, *containers: str, running: tuple[str, ...] = (), **spec: Any) -> Obj:
    statuses = [{"name": each, "state": {"running": {}} if each in running else {"waiting": {}}} for each in containers]
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"containers": [{"name": each} for each in containers], **spec},
        "status": {"containerStatuses": statuses},
    }


def tree(*nodes: tuple[int, ObjectRef]) -> Tree:
    return Tree(key=KEY, nodes=tuple(TreeNode(ref=each, cluster=HUB, depth=depth) for depth, each in nodes))


def hub(*pods: Obj) -> FakeCluster:
    found = FakeCluster()
    found.objects = {ref("Pod", each["metadata"]["name"]): each for each in pods}
    return found


SHOP = tree(
    (0, ObjectRef("argoproj.io", "Application", "argocd", "shop")),
    (1, ref("Deployment", "web", "apps")),
    (2, ref("ReplicaSet", "web-1", "apps")),
    (3, ref("Pod", "web-1-a")),
    (3, ref("Pod", "web-1-b")),
    (1, ref("StatefulSet", "db", "apps")),
    (2, ref("Pod", "db-0")),
    (1, ref("ConfigMap", "settings")),
)


async def names(about: ObjectRef | None, api: FakeCluster) -> list[str]:
    return [view.ref.name for view in (await pods_of_tree(SHOP, lambda name: api, about)).pods]


async def test_the_pods_at_and_below_an_object_are_those_that_are_still_there() -> None:
    api = hub(pod("web-1-a", "web"), pod("web-1-b", "web"), pod("db-0", "db"))
    assert await names(None, api) == ["web-1-a", "web-1-b", "db-0"]
    assert await names(ref("Deployment", "web", "apps"), api) == ["web-1-a", "web-1-b"]
    assert await names(ref("Pod", "db-0"), api) == ["db-0"]
    assert await names(ref("ConfigMap", "settings"), api) == []
    del api.objects[ref("Pod", "web-1-a")]
    assert await names(None, api) == ["web-1-b", "db-0"]
    with pytest.raises(MissingError, match="has no"):
        await names(ref("Pod", "web-2"), api)


async def test_of_many_pods_the_first_are_looked_into_and_the_others_counted() -> None:
    many = [f"web-{number}" for number in range(MOST + 3)]
    api = hub(*(pod(name, "web") for name in many))
    found = await pods_of_tree(tree(*((1, ref("Pod", name)) for name in many)), lambda name: api)
    assert ([view.ref.name for view in found.pods], found.more) == (many[:MOST], 3)


def test_the_containers_of_a_pod_and_the_one_that_is_meant() -> None:
    init = {"initContainers": [{"name": "migrate"}], "ephemeralContainers": [{"name": "debugger"}]}
    obj = pod("web", "web", "proxy", running=("proxy",), **init)
    obj["status"]["initContainerStatuses"] = [{"name": "migrate", "state": {"running": {"startedAt": "now"}}}]
    view = view_of(obj, ref("Pod", "web"), cluster=HUB)
    assert view.containers == ("web", "proxy", "migrate", "debugger")
    assert (view.default, view.running, view.uid) == ("web", ("proxy", "migrate"), "uid-web")
    annotations = {"kubectl.kubernetes.io/default-container": "proxy"}
    obj["metadata"]["annotations"] = annotations
    assert view_of(obj, ref("Pod", "web"), cluster=HUB).default == "proxy"
    annotations["kubectl.kubernetes.io/default-container"] = "absent"
    assert view_of(obj, ref("Pod", "web"), cluster=HUB).default == "web"
    assert view_of({}, ref("Pod", "web"), cluster=HUB).containers == ()


# --- following ------------------------------------------------------------------------------------------------------


class Streams:
    """Answers one request for a log after the other as scripted: pieces, then an error where there is one."""

    def __init__(self, *answers: list[bytes] | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[dict[str, Any]] = []

    @asynccontextmanager
    async def logs(self, namespace: str, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append({"pod": f"{namespace}/{pod}", **options})
        answer = next(self._answers, None)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        yield _all(answer or [])


async def _all(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Podded(FakeCluster):
    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self.streams = streams

    @property
    def pods(self) -> Any:
        return self.streams


class Sink:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def began(self) -> None:
        self.heard.append("began")

    def take(self, piece: bytes) -> None:
        self.heard.append(piece.decode())

    def say(self, message: str) -> None:
        self.heard.append(f"says {message}")


class Hasty:
    """A clock on which every pause is over at once; it keeps how long they were."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.Handle:
        self.pauses.append(delay)
        self.time += delay
        return asyncio.get_running_loop().call_soon(callback)


LOG = PodLog(HUB, ref("Pod", "web"), "main", tail=7)


async def followed(log: PodLog, *answers: list[bytes] | Exception) -> tuple[Streams, list[str], Hasty]:
    """Follows until the script is over, or the log is."""
    streams, sink, clock = Streams(*answers), Sink(), Hasty()
    api = Podded(streams)
    task = asyncio.ensure_future(follow(lambda name: api, log, sink, clock=clock))
    await await_until(lambda: task.done() or len(streams.asked) > len(answers), 5, "the script is over")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return streams, sink.heard, clock


async def test_a_log_that_ended_goes_on_with_the_containers_next_life() -> None:
    streams, heard, clock = await followed(LOG, [b"one\n", b"two\n"], [b"three\n"])
    says = "says the container has ended"
    assert heard == ["began", "one\n", "two\n", says, "began", "three\n", says]
    first, second, _ = streams.asked
    assert first == {
        "pod": "shop/web",
        "container": "main",
        "follow": True,
        "previous": False,
        "timestamps": True,
        "tail": 7,
        "since": None,
        "limit_bytes": None,
    }
    assert (second["tail"], second["since"]) == (None, FIRST + OVERLAP)
    assert clock.pauses == [FIRST, FIRST]


async def test_what_can_not_be_had_yet_is_asked_for_ever_more_seldom() -> None:
    waiting, away = InvalidError("it is waiting to start"), UnreachableError("hub is away")
    streams, heard, clock = await followed(LOG, waiting, waiting, away, away, away, waiting, [b"one\n"])
    assert heard[:3] == ["says it is waiting to start", "says it is waiting to start", "says hub is away"]
    assert heard[-3:] == ["began", "one\n", "says the container has ended"]
    assert clock.pauses == [FIRST, 4.0, 8.0, 16.0, LONGEST, LONGEST, FIRST]
    assert [asked["tail"] for asked in streams.asked] == [7] * 7 + [None]


@pytest.mark.parametrize("error", [NotFoundError('pods "web" not found'), ForbiddenError("you may not get pods/log")])
async def test_a_pod_that_is_gone_or_forbidden_is_not_asked_again(error: Exception) -> None:
    streams, heard, _ = await followed(LOG, error)
    assert heard == [f"says {error}"]
    assert len(streams.asked) == 1


async def test_a_previous_life_is_read_once() -> None:
    log = PodLog(HUB, ref("Pod", "web"), "main", previous=True)
    streams, heard, _ = await followed(log, [b"fatal\n"])
    assert heard == ["began", "fatal\n", "says its last life ended here"]
    assert (streams.asked[0]["previous"], streams.asked[0]["follow"]) == (True, False)
    assert len(streams.asked) == 1
