"""Requests through each kind of proxy: who resolves names, whose certificate is checked, what a failure is called."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from backends.kube import transport as transport_module
from backends.kube.proxy import proxy_problem
from backends.kube.transport import Transport
from fleetui.model.errors import UnreachableError
from tests.unit.kube.proxies import Proxy
from tests.unit.kube.scripted import PEM, Script, body, context, server_tls, serving

SCHEMES = ("http", "https", "socks5", "socks5h")
HOST = "api.internal"


@asynccontextmanager
async def through(
    proxy: Proxy, scheme: str, *, login: str = "", certificate: str = "server", by: str = "proxy-url", **settings: Any
) -> AsyncIterator[tuple[Transport, Script, int]]:
    """A transport to a TLS server that has three answers, by way of the proxy; and the server's port."""
    script = Script([body({"n": number}) for number in range(3)])
    tls = server_tls(certificate) if scheme == "https" else None
    async with serving(script, tls=server_tls()) as url, proxy.up(scheme, tls) as at:
        port = urlsplit(url).port or 0
        address = f"{scheme}://{login}{at}"
        given: dict[str, Any] = {"server": f"https://{HOST}:{port}", "ca": PEM / "ca.crt"} | settings
        given |= {"proxy_url": address} if by == "proxy-url" else {}
        env = {"HTTPS_PROXY": address} if by == "HTTPS_PROXY" else {}
        transport = Transport(context(**given), requests=Counter(), env=env)
        try:
            yield transport, script, port
        finally:
            await transport.close()


@pytest.mark.parametrize("by", ["proxy-url", "HTTPS_PROXY"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_names_are_resolved_at_the_proxy_and_the_connection_is_kept(scheme: str, by: str) -> None:
    proxy = Proxy()
    async with through(proxy, scheme, by=by) as (transport, script, port):
        for number in range(3):
            assert await transport.request("GET", "/api") == b'{"n": %d}' % number
    assert proxy.asked == [f"{HOST}:{port}"]
    assert script.lines == ["GET /api"] * 3


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxys_login_is_taken_from_its_url(scheme: str) -> None:
    proxy = Proxy(login="me:p@ss/w")
    async with through(proxy, scheme, login="me:p%40ss%2Fw@") as (transport, _, _):
        await transport.request("GET", "/api")
    assert proxy.logins == ["me:p@ss/w"]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_servers_certificate_is_for_the_name_that_the_context_gives(scheme: str) -> None:
    proxy = Proxy()
    there: dict[str, Any] = {"ca": PEM / "ca.crt", "tls_server_name": HOST}
    async with through(proxy, scheme, **there) as (transport, _, port):
        transport._config = context(f"https://elsewhere.internal:{port}", **there)
        await transport.request("GET", "/api")
        assert proxy.asked == [f"elsewhere.internal:{port}"]
    # TLS within TLS that fails is merely a lost connection before Python 3.11.8 (cpython gh-113214).
    told = rf"the certificate of https://{HOST}:\d+ is for another host name"
    if scheme == "https" and sys.version_info < (3, 11, 8):
        told = rf"the connection to https://{HOST}:\d+ was lost"
    async with through(Proxy(), scheme, tls_server_name="other.internal") as (transport, _, _):
        with pytest.raises(UnreachableError, match=told):
            await transport.request("GET", "/api")


@pytest.mark.parametrize(
    ("scheme", "settings", "problem"),
    [
        ("http", {"login": "me:it"}, "the proxy for SERVER answers 407 Proxy Authentication Required"),
        ("https", {"answer": "403 Forbidden"}, "the proxy for SERVER answers 403 Forbidden"),
        ("socks5", {"login": "me:it"}, "the proxy PROXY does not connect to SERVER: "),
        ("socks5", {"answer": "5"}, "the proxy PROXY does not connect to SERVER: Connection refused by destination"),
        ("socks5", {"answer": "4"}, "the proxy PROXY does not connect to SERVER: Host unreachable"),
    ],
)
async def test_a_proxy_that_refuses_is_told_as_that(scheme: str, settings: dict[str, str], problem: str) -> None:
    async with through(Proxy(**settings), scheme, login="me:s3cret@") as (transport, _, _):  # type: ignore[arg-type]
        with pytest.raises(UnreachableError) as caught:
            await transport.request("GET", "/api")
        told = str(caught.value).replace(transport._config.server, "SERVER")
        told = told.replace(urlsplit(transport._proxy).netloc.rpartition("@")[2], "PROXY")
    assert told.startswith(problem)
    assert "s3cret" not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_silent_is_not_waited_for_long(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_CONNECT_TIMEOUT", 0.3)
    async with through(Proxy(silent=True), scheme) as (transport, _, _):
        with pytest.raises(UnreachableError, match=r"no connection to \S+ comes about"):
            await transport.request("GET", "/api")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_not_there_is_told_as_that(scheme: str) -> None:
    config = context(f"https://{HOST}", proxy_url=f"{scheme}://me:s3cret@127.0.0.1:1")
    transport = Transport(config, requests=Counter(), env={})
    with pytest.raises(UnreachableError) as caught:
        await transport.request("GET", "/api")
    await transport.close()
    assert str(caught.value).startswith(f"the proxy 127.0.0.1:1 for https://{HOST} refuses connections")
    assert "s3cret" not in repr(caught.value) + str(caught.value)


async def test_a_tls_proxys_certificate_is_checked_as_the_servers_is() -> None:
    async with through(Proxy(), "https", certificate="expired") as (transport, _, _):
        with pytest.raises(UnreachableError, match=r"the certificate of the proxy 127\.0\.0\.1:\d+ has expired"):
            await transport.request("GET", "/api")


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        (
            "socks4://me:s3cret@p:1080",
            "asks for a proxy of the kind socks4; supported are http, https, socks5, socks5h",
        ),
        ("http://me:s3cret@:99", "is no URL such as http://proxy.example.com:3128"),
        ("http://p:port", "is no URL such as http://proxy.example.com:3128"),
    ],
)
async def test_a_proxy_of_the_environment_that_can_t_be_used_is_told(proxy: str, problem: str) -> None:
    assert proxy_problem(proxy) == problem
    transport = Transport(context("https://api.example.com"), requests=Counter(), env={"HTTPS_PROXY": proxy})
    with pytest.raises(UnreachableError) as caught:
        await transport.request("GET", "/api")
    await transport.close()
    assert str(caught.value) == f"the environment's proxy for https://api.example.com {problem}"
