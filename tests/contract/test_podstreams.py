"""Logs, commands and ports of Pods, on an embedded server and on a real one with a real kubelet's server."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest

from backends.kube.cluster import KubeCluster
from fleetui.model.errors import ForbiddenError, InvalidError, NotFoundError, OverloadedError, StatusError
from fleetui.model.objects import ApiResource
from fleetui.model.status import ClusterState
from fleetui.podports import ByteStream, ExecSession, Output
from tests.contract.client import Client
from tests.contract.podplaces import EmbeddedPlace, Place, RealPlace, connected, echoing, start_pod
from tests.controlplane.node import LocalNode
from tests.controlplane.server import ControlPlane
from tests.waiting import await_until

SIZE = 5_000_000
BINARY = bytes(range(256)) * (SIZE // 256)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["embedded", pytest.param("real", marks=pytest.mark.real)], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, unique: str, tmp_path: Path) -> Iterator[Place]:
    if request.param == "embedded":
        embedded = EmbeddedPlace(tmp_path, unique)
        yield embedded
        embedded.close()
        return
    node, namespace = request.getfixturevalue("node"), request.getfixturevalue("namespace")
    with echoing() as port:
        yield RealPlace(request.getfixturevalue("control_plane"), node, namespace, port)


@pytest.fixture
async def cluster(place: Place) -> AsyncIterator[KubeCluster]:
    async with connected(place) as cluster:
        yield cluster


async def text(stream: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> list[str]:
    """The lines of a log that ends."""
    async with stream as pieces:
        return b"".join([piece async for piece in pieces]).decode().splitlines()


async def talk(session: ExecSession, given: bytes | None = None) -> tuple[int | None, bytes, bytes]:
    """Gives a process its whole input; what it ended with, and what it wrote to stdout and stderr."""
    out = {Output.OUT: bytearray(), Output.ERR: bytearray()}

    async def feed() -> None:
        if given is not None:
            await session.write(given)
            await session.end_input()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        while (piece := await session.read()) is not None:
            out[piece[0]] += piece[1]
    return session.exit_code, bytes(out[Output.OUT]), bytes(out[Output.ERR])


async def shouted(stream: ByteStream, data: bytes) -> bytes:
    """Sends all of it, ends its half, and returns what came back up to the other end's."""

    async def send() -> None:
        await stream.write(data)
        await stream.end()

    heard = bytearray()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        while piece := await stream.read():
            heard += piece
    return bytes(heard)


# --- logs ---------------------------------------------------------------------------------------------------------


async def test_a_log_from_its_end_since_a_time_and_up_to_a_size(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    place.logged("p")
    logs, ns = cluster.pods.logs, place.namespace
    stamped = await text(logs(ns, "p", timestamps=True))
    assert len(stamped) >= 8
    times, lines = zip(*(line.split(" ", 1) for line in stamped), strict=True)
    assert list(times) == sorted(times)
    assert all(len(time) == len("2026-01-01T00:00:00.000000000Z") for time in times)
    assert await text(logs(ns, "p")) == list(lines)
    assert await text(logs(ns, "p", tail=3)) == list(lines[-3:])
    assert await text(logs(ns, "p", tail=0)) == []
    assert await text(logs(ns, "p", container="main", tail=1, timestamps=True)) == [stamped[-1]]
    recent = await text(logs(ns, "p", since=45.5))
    assert 2 <= len(recent) < len(lines)
    assert recent == list(lines[-len(recent) :])
    async with logs(ns, "p", limit_bytes=20) as pieces:
        assert b"".join([piece async for piece in pieces]) == "\n".join(lines).encode()[:20]


async def test_following_goes_on_until_the_container_ends(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    place.logged("p")
    known = await text(cluster.pods.logs(place.namespace, "p"))
    seen = bytearray()

    async def follow() -> None:
        async with cluster.pods.logs(place.namespace, "p", follow=True) as pieces:
            async for piece in pieces:
                seen.extend(piece)

    following = asyncio.create_task(follow())
    await await_until(lambda: len(seen.splitlines()) >= len(known), 10, "what is there is shown")
    assert seen.decode().splitlines()[: len(known)] == known
    place.write("p")
    await await_until(lambda: len(seen.splitlines()) > len(known), 10, "a new line is shown")
    assert not following.done()
    place.end("p")
    await asyncio.wait_for(following, 10)


async def test_the_log_of_a_containers_former_life(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    place.logged("p")
    refused = 'previous terminated container "main" in pod "p" not found'
    with pytest.raises(InvalidError) as error:
        await text(cluster.pods.logs(place.namespace, "p", previous=True))
    assert error.value.message == refused
    both = place.spec()
    image = "registry.example.com/crashes:1" if isinstance(place, EmbeddedPlace) else "registry.example.com/echo:1"
    both["containers"].append({"name": "crashing", "image": image})
    state = "waiting" if isinstance(place, EmbeddedPlace) else "running"
    await start_pod(cluster, place, "q", both, state=state)
    place.logged("q")
    before = await text(cluster.pods.logs(place.namespace, "q", container="crashing", previous=True))
    assert len(before) >= 3


async def test_a_log_that_is_not_there_says_why(cluster: KubeCluster, place: Place) -> None:
    async def refused(pod: str, container: str = "") -> str:
        with pytest.raises((InvalidError, NotFoundError)) as error:
            await text(cluster.pods.logs(place.namespace, pod, container=container))
        return error.value.message

    await start_pod(cluster, place, "p")
    assert await refused("absent") == 'pods "absent" not found'
    assert await refused("p", "other") == "container other is not valid for pod p"
    both = place.spec()
    both["containers"].append({"name": "second", "image": "registry.example.com/echo:1"})
    both["initContainers"] = [{"name": "first", "image": "registry.example.com/echo:1"}]
    await start_pod(cluster, place, "q", both)
    want = "a container name must be specified for pod q, choose one of: [first main second]"
    assert await refused("q") == want
    await start_pod(cluster, place, "r", place.spec(image="registry.example.com/does-not-exist:1"), state="waiting")
    want = 'container "main" in pod "r" is waiting to start: '
    assert (await refused("r")).startswith(want)
    with pytest.raises(InvalidError, match=r'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be gr'):
        await text(cluster.pods.logs(place.namespace, "p", tail=-1))


async def test_a_pod_without_a_node_has_an_empty_log_and_runs_nothing(cluster: KubeCluster, place: Place) -> None:
    spec = place.spec() | {"nodeSelector": {"no": "such"}}
    spec.pop("nodeName", None)
    await start_pod(cluster, place, "p", spec, state="")
    assert await text(cluster.pods.logs(place.namespace, "p")) == []
    for opened in (cluster.pods.exec(place.namespace, "p", ["ls"]), cluster.pods.port_forward(place.namespace, "p", 7)):
        with pytest.raises(InvalidError) as error:
            async with opened:
                pass
        assert error.value.message == "pod p does not have a host assigned"


# --- commands -----------------------------------------------------------------------------------------------------


async def test_a_command_ends_with_its_code_and_its_two_outputs_apart(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    script = "echo to stdout; echo to stderr >&2; exit 3"
    async with cluster.pods.exec(place.namespace, "p", ["sh", "-c", script]) as session:
        assert session.exit_code is None
        assert await talk(session) == (3, b"to stdout\n", b"to stderr\n")
        assert await session.read() is None
    async with cluster.pods.exec(place.namespace, "p", ["sh", "-c", "nosuch"], container="main") as session:
        code, _, said = await talk(session)
        assert (code, b"not found" in said) == (127, True)
    async with cluster.pods.exec(place.namespace, "p", ["sh", "-c", "exit 0"]) as session:
        assert await talk(session) == (0, b"", b"")


async def test_input_is_ended_and_binary_data_come_back_as_they_went(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.exec(place.namespace, "p", ["cat"], stdin=True) as session:
        assert session.can_end_input
        code, out, _ = await talk(session, BINARY)
    assert (code, hashlib.sha256(out).hexdigest()) == (0, hashlib.sha256(BINARY).hexdigest())
    async with cluster.pods.exec(place.namespace, "p", ["sha256sum"], stdin=True) as session:
        code, out, _ = await talk(session, BINARY)
    assert out.split()[0].decode() == hashlib.sha256(BINARY).hexdigest()


async def test_a_process_that_does_not_read_is_not_waited_for(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    ended: tuple[object, ...] = ()
    async with cluster.pods.exec(place.namespace, "p", ["sh", "-c", "echo done"], stdin=True) as session:
        # The connection of a real node may break over what it does not read (`UnreachableError`), or lose the output:
        # kubectl sees the same, once in fifteen times.
        with suppress(*([ExceptionGroup] if isinstance(place, RealPlace) else [])):
            ended = await talk(session, BINARY)
    assert ended[:2] == (0, b"done\n") or (isinstance(place, RealPlace) and ended[:1] in ((0,), ()))


async def test_a_terminal_has_a_size_and_one_output(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    # What is written just before the end may be lost on the way: the kubelet closes the connection with the program.
    command = ["sh", "-c", "stty size; read word; stty size; echo got $word >&2; read end"]
    async with cluster.pods.exec(place.namespace, "p", command, tty=True, stdin=True) as session:
        await session.resize(100, 40)
        seen = bytearray()

        async def until(wanted: bytes) -> None:
            while wanted not in seen:
                piece = await session.read()
                assert piece is not None, bytes(seen)
                assert piece[0] is Output.OUT
                seen.extend(piece[1])

        await until(b"\r\n")
        await session.resize(120, 50)
        await session.write(b"hello\r")
        await until(b"50 120\r\ngot hello\r\n")
        await session.write(b"\r")
        while (piece := await session.read()) is not None:
            assert piece == (Output.OUT, b"\r\n")
        assert session.exit_code == 0


async def test_a_terminal_can_be_interrupted(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.exec(place.namespace, "p", ["sh"], tty=True, stdin=True) as session:
        seen = bytearray()

        async def look_on() -> None:
            while (piece := await session.read()) is not None:
                seen.extend(piece[1])

        def asks(times: int) -> bool:
            return len(re.findall(rb"[#$] ", seen)) >= times

        async def press(keys: bytes, until: Callable[[], bool]) -> bool:
            """Again and again: a shell that is just about to start something misses a key."""
            if not until():
                await session.write(keys)
            return until()

        looking = asyncio.create_task(look_on())
        await await_until(lambda: asks(1), 10, "the shell asks")
        await session.write(b"sleep 1000\r")
        await await_until(lambda: b"sleep 1000\r\n" in seen, 10, "it has the command")
        assert not asks(2)
        back: Callable[[], bool | Awaitable[bool]] = lambda: press(b"\x03", lambda: asks(2))  # noqa: E731
        await await_until(back, 10, "it asks again")
        gone: Callable[[], bool | Awaitable[bool]] = lambda: press(b"exit 7\r", looking.done)  # noqa: E731
        await await_until(gone, 10, "it ends")
        await looking
        assert session.exit_code == 7


async def test_what_cannot_be_run_says_why(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.exec(place.namespace, "p", ["nosuch", "-x"]) as session:
        with pytest.raises(StatusError) as error:
            await session.read()
    assert error.value.message.endswith('container: exec: "nosuch": executable file not found in $PATH')
    with pytest.raises(InvalidError, match="container other is not valid for pod p"):
        async with cluster.pods.exec(place.namespace, "p", ["ls"], container="other"):
            pass
    with pytest.raises(NotFoundError, match='pods "absent" not found'):
        async with cluster.pods.exec(place.namespace, "absent", ["ls"]):
            pass
    await start_pod(cluster, place, "r", place.spec(image="registry.example.com/does-not-exist:1"), state="waiting")
    async with cluster.pods.exec(place.namespace, "r", ["ls"]) as session:
        with pytest.raises(StatusError) as error:
            await session.read()
    assert error.value.message.endswith('unable to upgrade connection: container not found ("main")')


async def test_attaching_to_the_containers_own_process(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.attach(place.namespace, "p", stdin=True) as session:
        assert await talk(session, b"hello\n") == (0, b"hello\n", b"")


async def test_an_older_server_is_spoken_to_in_v4(
    cluster: KubeCluster, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(place, RealPlace):
        monkeypatch.setattr("backends.kube.podstreams.PROTOCOLS", ("v4.channel.k8s.io",))
    place.only_v4()
    await start_pod(cluster, place, "p")
    async with cluster.pods.exec(place.namespace, "p", ["sh", "-c", "echo out; echo err >&2; exit 5"]) as session:
        assert not session.can_end_input
        assert await talk(session) == (5, b"out\n", b"err\n")
    async with cluster.pods.exec(place.namespace, "p", ["head", "-c", str(len(BINARY))], stdin=True) as session:
        assert await talk(session, BINARY) == (0, BINARY, b"")


async def test_leaving_ends_a_command_at_once(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.exec(place.namespace, "p", ["cat"], stdin=True) as session:
        await session.write(b"x")
        assert await session.read() == (Output.OUT, b"x")

    async def reading() -> None:
        async with cluster.pods.exec(place.namespace, "p", ["cat"], stdin=True) as session:
            await session.read()

    task = asyncio.create_task(reading())
    await await_until(lambda: cluster.requests["EXEC"] == 2, 5, "it is asked for")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- ports --------------------------------------------------------------------------------------------------------


async def test_a_port_takes_and_gives_megabytes(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.port_forward(place.namespace, "p", place.echo_port) as stream:
        heard = await shouted(stream, BINARY)
    assert hashlib.sha256(heard).hexdigest() == hashlib.sha256(BINARY).hexdigest()


async def test_connections_to_a_port_do_not_hold_up_each_other(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    forward = cluster.pods.port_forward
    async with forward(place.namespace, "p", place.echo_port) as first:
        await first.write(b"one")
        async with forward(place.namespace, "p", place.echo_port) as second:
            assert await shouted(second, b"two") == b"two"
        assert await first.read() == b"one"
        await first.end()
        assert await first.read() == b""


async def test_a_port_on_which_nobody_listens(cluster: KubeCluster, place: Place) -> None:
    await start_pod(cluster, place, "p")
    async with cluster.pods.port_forward(place.namespace, "p", 1) as stream:
        with pytest.raises(StatusError) as error:
            await stream.read()
    assert error.value.message.endswith("dial tcp 127.0.0.1:1: connect: connection refused")
    with pytest.raises(InvalidError, match="0 is no port"):
        async with cluster.pods.port_forward(place.namespace, "p", 0):
            pass


async def test_a_port_of_an_older_server(cluster: KubeCluster, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(place, RealPlace):
        monkeypatch.setattr("backends.kube.podstreams.FORWARDING", ("v4.channel.k8s.io",))
    place.only_v4()
    await start_pod(cluster, place, "p")
    async with cluster.pods.port_forward(place.namespace, "p", place.echo_port) as stream:
        writing = asyncio.create_task(stream.write(BINARY))
        heard = bytearray()
        while len(heard) < len(BINARY):
            heard += await stream.read()
        await writing
    assert bytes(heard) == BINARY
    async with cluster.pods.port_forward(place.namespace, "p", 1) as stream:
        with pytest.raises(StatusError, match="connection refused"):
            await stream.read()


# --- around them --------------------------------------------------------------------------------------------------


def test_discovery_names_them(api: Client) -> None:
    named = {
        entry["name"]: (entry["kind"], entry["verbs"])
        for entry in api.get("/api/v1").must()["resources"]
        if entry["name"].startswith("pods/")
    }
    assert named["pods/log"] == ("Pod", ["get"])
    assert named["pods/exec"] == ("PodExecOptions", ["create", "get"])
    assert named["pods/attach"] == ("PodAttachOptions", ["create", "get"])
    assert named["pods/portforward"] == ("PodPortForwardOptions", ["create", "get"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("stream=Stdout", "stream: Forbidden: may not be specified"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
        (
            "tailLines=-1&limitBytes=0",
            "[tailLines: Invalid value: -1: must be greater than or equal to 0, "
            "limitBytes: Invalid value: 0: must be greater than 0]",
        ),
    ],
)
def test_options_that_make_no_sense(api: Client, options: str, words: str) -> None:
    refused = api.get(f"/api/v1/namespaces/default/pods/absent/log?{options}")
    assert (refused.status, refused.message) == (422, f'PodLogOptions "absent" is invalid: {words}')


def test_what_is_no_upgrade_is_refused(api: Client, ns: str) -> None:
    spec = {"nodeName": "nowhere", "containers": [{"name": "main", "image": "registry.example.com/web:1"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    api.post(f"/api/v1/namespaces/{ns}/pods", body).must(201)
    for method in ("PUT", "DELETE"):
        assert api.request(method, f"/api/v1/namespaces/{ns}/pods/p/exec?command=ls&stdout=true").status == 405


async def test_who_may_only_look_reads_logs_and_runs_nothing(cluster: KubeCluster, place: Place, unique: str) -> None:
    """Whoever may `get` a Pod's exec must not run anything by it, although a websocket is a GET."""
    await start_pod(cluster, place, "p")
    place.logged("p")
    await grant(cluster, place, f"{unique}-logs", "pods/log", "get")

    async def refused() -> str:
        with pytest.raises(ForbiddenError) as error:
            async with viewer.pods.exec(place.namespace, "p", ["ls"]):
                pass
        return error.value.message

    async def may_only_get() -> bool:
        return await refused() == 'pods "p" is forbidden:'

    async with connected(place, viewer=True) as viewer:
        assert await text(viewer.pods.logs(place.namespace, "p", tail=1))
        words = f'User "viewer" cannot get resource "pods/exec" in API group "" in the namespace "{place.namespace}"'
        assert await refused() == f'pods "p" is forbidden: {words}'
        await grant(cluster, place, f"{unique}-get", "pods/exec", "get")
        # The real server's authorizer hears of a role a moment after the answer.
        look: Callable[[], bool | Awaitable[bool]] = may_only_get
        await await_until(look, 10, "it may get, and not create")
        await grant(cluster, place, f"{unique}-create", "pods/exec", "create")

        async def allowed() -> bool:
            try:
                async with viewer.pods.exec(place.namespace, "p", ["hostname"]) as session:
                    return await session.read() is not None
            except ForbiddenError:
                return False

        run: Callable[[], bool | Awaitable[bool]] = allowed
        await await_until(run, 10, "it may run something")


async def grant(cluster: KubeCluster, place: Place, name: str, resource: str, verb: str) -> None:
    """Lets the second user do one thing in the place's namespace."""
    meta = {"name": name, "namespace": place.namespace}
    rules = [{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}
    to = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}]
    binding = {"apiVersion": role["apiVersion"], "kind": "RoleBinding", "metadata": meta, "roleRef": to,
               "subjects": subjects}  # fmt: skip
    for kind, body in (("Role", role), ("RoleBinding", binding)):
        resource_type = ApiResource("rbac.authorization.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=True)
        await cluster.create(resource_type, body, field_manager="test")


@pytest.mark.real
async def test_a_node_that_is_away_is_told(control_plane: ControlPlane, node: LocalNode, namespace: str) -> None:
    place = RealPlace(control_plane, node, namespace, 7)
    async with connected(place) as cluster:
        await start_pod(cluster, place, "p")
        place.logged("p")
        with node.away():
            with pytest.raises(OverloadedError, match=r"containerLogs.*: connection refused"):
                await text(cluster.pods.logs(namespace, "p"))
            async with cluster.pods.exec(namespace, "p", ["ls"]) as session:
                with pytest.raises(StatusError, match="connection refused"):
                    await session.read()
            with pytest.raises(OverloadedError, match="connection refused"):
                async with cluster.pods.port_forward(namespace, "p", 7):
                    pass
        assert len(await text(cluster.pods.logs(namespace, "p"))) == 10
        assert cluster.status.state is ClusterState.LIVE
