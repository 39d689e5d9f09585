"""HTTP to one server: what a failure is called, what is asked again, what a request carries, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.kube.context import ContextConfig, Impersonation
from backends.kube.transport import Transport
from fleetui.model.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from tests.unit.kube.scripted import (
    PEM,
    Answer,
    Script,
    body,
    context,
    dropped,
    hanging,
    server_tls,
    serving,
    status,
    watch,
    zipped,
)


@asynccontextmanager
async def connected(config: ContextConfig, **settings: Any) -> AsyncIterator[Transport]:
    transport = Transport(config, requests=Counter(), env={}, **settings)
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def scripted(*answers: Answer, **settings: Any) -> AsyncIterator[tuple[Transport, Script]]:
    script = Script(list(answers))
    async with serving(script) as url, connected(context(url, **settings)) as transport:
        yield transport, script


async def failure(config: ContextConfig) -> ClusterError:
    async with connected(config) as transport:
        with pytest.raises(ClusterError) as caught:
            await transport.request("GET", "/api")
    assert caught.value.cluster == "prod"
    assert caught.value.__cause__ is not None
    return caught.value


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- answers that are errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(400, "BadRequest"), InvalidError),
        (status(401, "Unauthorized"), UnauthorizedError),
        (status(403, "Forbidden"), ForbiddenError),
        (status(404, "NotFound"), NotFoundError),
        (status(405, "MethodNotAllowed"), StatusError),
        (status(409, "Conflict"), ConflictError),
        (status(409, "AlreadyExists"), AlreadyExistsError),
        (status(410, "Expired"), GoneError),
        (status(410, "Gone"), GoneError),
        (status(422, "Invalid"), InvalidError),
        (status(429, "TooManyRequests"), OverloadedError),
        (status(500, "InternalError"), OverloadedError),
        (status(500, "", "failed to create typed patch object (a/b; apps/v1): .spec.x: not declared"), InvalidError),
        (status(504, "Timeout", details={"causes": [{"reason": "ResourceVersionTooLarge"}]}), GoneError),
        (body(b"<html>", status=302, headers={"Location": "https://elsewhere"}), StatusError),
    ],
)
async def test_each_answer_has_its_class(answer: Answer, expected: type[ClusterError]) -> None:
    async with scripted(answer) as (transport, script):
        with pytest.raises(ClusterError) as caught:
            await transport.request("PATCH", "/api/v1/namespaces/x", body=b"{}")
    assert type(caught.value) is expected
    assert caught.value.cluster == "prod"
    assert len(script.asked) == 1


async def test_the_servers_own_message_is_kept_sanitised_and_cut() -> None:
    message = 'deployments.apps "\x1b]0;x\x07api" not found\n' + "y" * 10_000
    async with scripted(status(404, "NotFound", message)) as (transport, _):
        with pytest.raises(NotFoundError) as caught:
            await transport.request("GET", "/x")
    assert caught.value.message.startswith('deployments.apps "\ufffd]0;x\ufffdapi" not found yyy')
    assert len(caught.value.message) == 4_000
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (body(b"<html>" * 99, status=404), "GET /x: HTTP 404 Not Found"),
        (body(b'{"kind": "Pod"}', status=404), "GET /x: HTTP 404 Not Found"),
        (
            body(b"404 page not found\n", status=404, headers={"Content-Type": "text/plain; charset=utf-8"}),
            "GET /x: HTTP 404 Not Found: 404 page not found",
        ),
    ],
)
async def test_text_of_unknown_shape_is_not_shown(answer: Answer, message: str) -> None:
    async with scripted(answer) as (transport, _):
        with pytest.raises(NotFoundError) as caught:
            await transport.request("GET", "/x")
    assert caught.value.message == message


# --- asked again, or not ------------------------------------------------------------------------------------------


async def test_a_read_is_asked_again_after_a_lost_connection_429_and_5xx() -> None:
    answers = dropped(), status(429, headers={"Retry-After": "0"}), status(503), body({"fine": True})
    async with scripted(*answers) as (transport, script):
        assert await transport.request("GET", "/x", verb="LIST") == b'{"fine": true}'
        assert len(script.asked) == 4


async def test_a_read_is_given_up_after_some_attempts() -> None:
    async with scripted(*[status(503, "ServiceUnavailable", "etcd is away")] * 9) as (transport, script):
        with pytest.raises(OverloadedError, match="etcd is away"):
            await transport.request("GET", "/x", verb="LIST")
    assert len(script.asked) == 4
    assert transport.requests == {"LIST": 4}


async def test_a_write_is_asked_again_only_where_it_was_not_carried_out() -> None:
    async with scripted(status(429, headers={"Retry-After": "0"}), body({})) as (transport, script):
        await transport.request("POST", "/x", body=b"{}")
        assert len(script.asked) == 2
    for answer in (status(429), status(500), dropped()):
        async with scripted(answer) as (transport, script):
            with pytest.raises((OverloadedError, UnreachableError)):
                await transport.request("POST", "/x", body=b"{}")
        assert len(script.asked) == 1


async def test_a_refused_login_is_renewed_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    async def refuse(request: Any) -> Any:
        file.write_text("new")
        return await status(401, "Unauthorized")(request)

    async with scripted(refuse, body({}), token_file=file) as (transport, script):
        await transport.request("POST", "/x", body=b"{}")
    assert [asked.headers["authorization"] for asked in script.asked] == ["Bearer old", "Bearer new"]


async def test_the_same_login_is_not_tried_twice() -> None:
    async with scripted(status(401, "Unauthorized"), token="t") as (transport, script):
        with pytest.raises(UnauthorizedError, match="the API server refuses the login"):
            await transport.request("GET", "/x")
    assert len(script.asked) == 1


# --- what is sent -------------------------------------------------------------------------------------------------


async def test_a_request_carries_login_identity_and_agent() -> None:
    who = Impersonation("jane", groups=("a", "b"))
    seen: list[list[str]] = []

    async def answer(request: Any) -> Any:
        seen.append(request.headers.getall("Impersonate-Group"))
        return await zipped({"big": "x" * 9000})(request)

    async with scripted(answer, token="t", impersonate=who) as (transport, script):
        got = await transport.request("GET", "/api/v1/x", query={"labelSelector": "a in (b, c)"}, accept="a/b")
    assert got == b'{"big": "' + b"x" * 9000 + b'"}'
    asked = script.asked[0]
    assert asked.query == {"labelSelector": "a in (b, c)"}
    assert seen == [["a", "b"]]
    headers = {name: asked.headers[name] for name in ("authorization", "impersonate-user", "accept", "accept-encoding")}
    assert headers == {
        "authorization": "Bearer t",
        "impersonate-user": "jane",
        "accept": "a/b",
        "accept-encoding": "gzip",
    }
    assert asked.headers["user-agent"].startswith("fleetui/")


@pytest.mark.parametrize(("compression", "encoding"), [(True, "gzip"), (False, "identity")])
async def test_everything_but_a_watch_may_come_compressed_unless_the_kubeconfig_says_no(
    compression: bool, encoding: str
) -> None:
    async with scripted(body({}), body({}), watch(b"a\n"), compression=compression) as (transport, script):
        await transport.request("GET", "/x", verb="LIST")
        await transport.request("PATCH", "/x", body=b"{}")
        async with transport.stream("/x", query={}, idle=5):
            pass
    assert [asked.headers["accept-encoding"] for asked in script.asked] == [encoding, encoding, "identity"]


async def test_a_name_is_not_normalised_and_a_path_of_the_server_is_kept() -> None:
    script = Script([body({})])
    async with serving(script) as url, connected(context(f"{url}/k8s/c-1")) as transport:
        await transport.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b")
    assert script.lines == ["GET /k8s/c-1/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b"]


async def test_requests_go_through_the_proxy_asked_for() -> None:
    script = Script([body({})])
    async with serving(script) as proxy, connected(context("http://api.invalid", proxy_url=proxy)) as transport:
        await transport.request("GET", "/version")
    assert script.asked[0].headers["host"] == "api.invalid"


# --- no answer: each in its own words -----------------------------------------------------------------------------


async def test_refused() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    error = await failure(context(url))
    assert str(error) == f"{url} refuses connections (is the API server running?)"


async def test_name_not_known() -> None:
    error = await failure(context("https://api.invalid:6443"))
    assert str(error) == "the host name of https://api.invalid:6443 is not known (is a VPN needed?)"


async def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.transport._ANSWER_TIMEOUT", 0.1)
    async with serving(Script([hanging()])) as url:
        assert str(await failure(context(url))) == f"{url} does not answer in time"


async def test_connection_lost() -> None:
    async with serving(Script([dropped()] * 9)) as url:
        assert str(await failure(context(url))) == f"the connection to {url} was lost"


async def test_no_tls_there() -> None:
    async with serving(Script()) as url:
        url = url.replace("http:", "https:")
        assert str(await failure(context(url))) == f"{url} does not speak TLS (is its address http:// ?)"


async def test_a_proxy_that_is_not_there() -> None:
    port = unused_port()
    error = await failure(context("https://api.invalid", proxy_url=f"http://127.0.0.1:{port}"))
    assert str(error).startswith(
        f"the proxy 127.0.0.1:{port} for https://api.invalid refuses connections (is the proxy"
    )


@pytest.mark.parametrize(
    ("certificate", "settings", "sentence"),
    [
        ("server", {}, "is not signed by a known authority (certificate-authority in the kubeconfig names one)"),
        ("server", {"ca": PEM / "other-ca.crt"}, "is not signed by a known authority"),
        ("expired", {"ca": PEM / "ca.crt"}, "has expired"),
        ("server", {"ca": PEM / "ca.crt", "tls_server_name": "other"}, "is for another host name (tls-server-name in"),
    ],
)
async def test_a_certificate_that_is_not_trusted(certificate: str, settings: dict[str, Any], sentence: str) -> None:
    async with serving(Script(), tls=server_tls(certificate)) as url:
        error = await failure(context(url, **settings))
    assert isinstance(error, UnreachableError)
    assert f"the certificate of {url} {sentence}" in str(error)


# --- TLS that works -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"ca": PEM / "ca.crt"},
        {"ca": (PEM / "ca.crt").read_bytes()},
        {"ca": PEM / "ca.crt", "tls_server_name": "api.internal"},
        # As Go has it, a certificate that is trusted need not be a root.
        {"ca": PEM / "server.crt"},
        {"insecure": True},
    ],
)
async def test_a_server_is_trusted_as_the_kubeconfig_says(settings: dict[str, Any]) -> None:
    async with serving(Script([body({})]), tls=server_tls()) as url, connected(context(url, **settings)) as transport:
        assert await transport.request("GET", "/") == b"{}"


@pytest.mark.parametrize("as_data", [False, True])
async def test_a_client_certificate_is_shown_and_its_key_leaves_no_file(
    as_data: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path.iterdir
    script = Script([body({})])
    cert, key = PEM / "client.crt", PEM / "client.key"
    settings: dict[str, Any] = {"ca": PEM / "ca.crt", "client_cert": cert, "client_key": key}
    if as_data:
        settings |= {"client_cert": cert.read_bytes(), "client_key": key.read_bytes()}
    tls = server_tls(client_ca=True)
    async with serving(script, tls=tls) as url, connected(context(url, **settings)) as transport:
        await transport.request("GET", "/")
    assert script.asked[0].peer == "unit-client"
    assert list(left()) == []


async def test_a_client_certificate_that_rotates_is_picked_up_and_what_is_under_way_goes_on(tmp_path: Path) -> None:
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    cert.write_bytes((PEM / "client.crt").read_bytes())
    key.write_bytes((PEM / "client.key").read_bytes())
    rotated, asked = asyncio.Event(), asyncio.Event()
    ports: list[int] = []

    async def answer(request: Any) -> Any:
        ports.append(request.transport.get_extra_info("peername")[1])
        if request.method == "PATCH":
            asked.set()
            await rotated.wait()
        return await body({})(request)

    settings = {"ca": PEM / "ca.crt", "client_cert": cert, "client_key": key}
    tls = server_tls(client_ca=True)
    async with serving(answer, tls=tls) as url, connected(context(url, **settings)) as transport:
        await transport.request("GET", "/")
        write = asyncio.create_task(transport.request("PATCH", "/", body=b"{}"))
        await asked.wait()
        cert.write_bytes((PEM / "client.crt").read_bytes() + b"\n")
        await transport.request("GET", "/")
        rotated.set()
        assert await write == b"{}"
        await transport.request("GET", "/")
    first, second, third, fourth = ports
    assert (second, fourth) == (first, third)
    assert first != third


@pytest.mark.parametrize(
    ("settings", "expected", "sentence"),
    [
        ({"ca": b""}, UnreachableError, "the certificate authority of prod is no PEM certificate"),
        ({"ca": b"\xff"}, UnreachableError, "the certificate authority of prod is no PEM certificate"),
        ({"ca": b"no pem"}, UnreachableError, "the certificate authority of prod is no PEM certificate"),
        ({"ca": PEM / "gone"}, UnreachableError, "can't be read: No such file or directory"),
        (
            {"client_cert": PEM / "client.crt", "client_key": PEM / "server.key", "insecure": True},
            UnauthorizedError,
            "is not usable with its key: KEY_VALUES_MISMATCH",
        ),
        ({"client_cert": b"x", "client_key": b"y", "insecure": True}, UnauthorizedError, "is not usable with its key"),
    ],
)
async def test_certificates_that_can_not_be_used(
    settings: dict[str, Any], expected: type[ClusterError], sentence: str
) -> None:
    error = await failure(context("https://127.0.0.1:1", **settings))
    assert type(error) is expected
    assert sentence in str(error)


async def test_a_client_certificate_that_the_server_wants_and_does_not_get() -> None:
    # Not asyncio's TLS: it closes a connection without the alert that Go, like OpenSSL itself, sends first.
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    done = threading.Event()

    def refuse() -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError, ssl.SSLError):
                connection, _ = listening.accept()
                with connection, server_tls(client_ca=True).wrap_socket(connection, server_side=True):
                    pass

    refusing = asyncio.get_running_loop().run_in_executor(None, refuse)
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    with listening:
        try:
            error = await failure(context(url, ca=PEM / "ca.crt"))
        finally:
            done.set()
            await refusing
    assert str(error) == f"{url} refuses the client certificate: certificate required"
    assert isinstance(error, UnauthorizedError)


# --- streams ------------------------------------------------------------------------------------------------------


async def test_lines_of_any_length_come_whole_and_a_broken_one_never() -> None:
    big = b"x" * 9_000_000
    answer = watch(b"a\nb", b"b\n\n" + big[:5], big[5:] + b"\nrest", cut=True)
    async with scripted(answer) as (transport, _), transport.stream("/x", query={"watch": "true"}, idle=5) as stream:
        lines: list[bytes] = []
        while len(lines) < 3:
            lines += await stream.lines()
        with pytest.raises(UnreachableError, match="was lost"):
            await stream.lines()
    assert [line if len(line) < 10 else len(line) for line in lines] == [b"a", b"bb", len(big)]


async def test_a_stream_ends_with_the_body_and_with_silence() -> None:
    async with scripted(watch(b"a\n"), hanging(b"a\n")) as (transport, _):
        async with transport.stream("/x", query={}, idle=5) as stream:
            assert await stream.lines() == [b"a"]
            assert await stream.lines() == []
        async with transport.stream("/x", query={}, idle=0.05) as stream:
            assert await stream.lines() == [b"a"]
            with pytest.raises(UnreachableError, match="does not answer in time"):
                await stream.lines()


async def test_a_watch_is_accepted_or_an_error() -> None:
    async with scripted(status(410, "Expired")) as (transport, _):
        with pytest.raises(GoneError):
            async with transport.stream("/x", query={}, idle=5):
                pytest.fail("it was not accepted")


async def test_open_watches_do_not_starve_requests() -> None:
    async def answer(request: Any) -> Any:
        return await (hanging(b"a\n") if "watch" in request.query else body({}))(request)

    async with serving(answer) as url, connected(context(url)) as transport:
        streams = [transport.stream("/x", query={"watch": "true"}, idle=60) for _ in range(40)]
        await asyncio.gather(*(stream.__aenter__() for stream in streams))
        assert await transport.request("GET", "/x") == b"{}"
        await asyncio.gather(*(stream.__aexit__(None, None, None) for stream in streams))
