"""How a repository of charts is asked over HTTP: its login, certificates and proxy, redirects, limits and errors.

Owns: `Web`, `Answer`, `Timeouts`, `AwayError` and `failed`, and what addresses and logins have to be. Called by
`backends.charts`, `backends.charts_oci` and, for the interfaces of Git hosts, `backends.hosts.api`. With it comes
aiohttp, so it is imported at the first request.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
import msgspec

from backends.kube.proxy import proxy_for, proxy_problem
from backends.repository_access import RepositoryAccess
from fleetui import __version__
from fleetui.model.errors import ChartError
from fleetui.model.text import masked, one_line, quoted

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_ANONYMOUS = RepositoryAccess(url="")
_MOST_CONTEXTS = 64
"""Logins whose certificates are remembered: those that were replaced go."""
_CHUNK = 256 * 1024


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds: for a connection, between two pieces of an answer, and for a whole request."""

    connect: float = 10.0
    read: float = 20.0
    total: float = 120.0


class Answer(msgspec.Struct, frozen=True):
    """One answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class AwayError(ChartError):
    """No answer, or one that says that the server can't answer now: what is remembered may stand in."""


class Web:
    """Asks repositories of charts, on the event loop that calls it first."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[tuple[str, str, str, bool], ssl.SSLContext] = {}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self,
        url: str,
        *,
        limit: int,
        access: RepositoryAccess | None = None,
        headers: Mapping[str, str] | None = None,
        everywhere: bool = False,
    ) -> Answer:
        """The answer to a GET, whatever its status but a redirect, which is followed.

        Args:
            limit: bytes of the body, unpacked.
            access: user, password, certificates and proxy. What proves who asks goes to the host of `url` alone, as do
                `headers`, unless `everywhere`.

        Raises:
            ChartError: no answer, or one that is too large or leads nowhere.
        """
        access = access or _ANONYMOUS
        at, trusted = url, True
        for _ in range(_MOST_REDIRECTS):
            answer = await self._once(at, limit, access, headers or {}, trusted or everywhere)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            following = joined(at, answer.headers["location"])
            # Once away, it stays without a login: who redirected could lead it back with a path of its choice.
            trusted = trusted and same_host(at, following)
            at = following
        raise ChartError(f"{masked(url)} redirects more than {_MOST_REDIRECTS} times", url=masked(url))

    async def ask(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        access: RepositoryAccess,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Answer:
        """The answer to one request, whatever its status; no redirect is followed.

        Args:
            limit, access, headers: as for `get`, but that an Authorization is the caller's to give.

        Raises:
            ChartError: no answer, or one that is too large.
        """
        # Whoever asks so has other ways to say who he is: a password would go along unasked.
        access = msgspec.structs.replace(access, username="", password="")
        return await self._once(url, limit, access, headers, True, method=method, sent_body=body)

    async def _once(
        self,
        url: str,
        limit: int,
        access: RepositoryAccess,
        headers: Mapping[str, str],
        trusted: bool,
        *,
        method: str = "GET",
        sent_body: bytes = b"",
    ) -> Answer:
        address(url)
        sent = {"User-Agent": f"fleetui/{__version__}"}
        if trusted:
            sent |= headers
            if (access.username or access.password) and "Authorization" not in headers:
                sent["Authorization"] = basic(access)
        proxy = _proxy(url, access)
        context = await self._context(access, identify=trusted)
        try:
            async with self._opened().request(
                method,
                url,
                headers=sent,
                data=sent_body or None,
                proxy=proxy or None,
                ssl=context,
                allow_redirects=False,
            ) as response:
                body = await _body(response, limit, url)
                received = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, received, body, url)
        except TimeoutError as error:
            raise AwayError(f"{masked(url)} did not answer in time", url=masked(url)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError)
            kind = AwayError if broken else ChartError
            raise kind(f"{masked(url)} can't be read: {_reason(error)}", url=masked(url)) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeouts = self._timeouts
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(timeouts.total, timeouts.connect, timeouts.read),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit_per_host=8),
            )
        return self._session

    async def _context(self, access: RepositoryAccess, *, identify: bool) -> ssl.SSLContext:
        certificate, key = (access.client_certificate, access.client_key) if identify else ("", "")
        wanted = (access.certificate_authority, certificate, key, access.insecure)
        known = self._contexts.get(wanted)
        if known is None:
            # Certificates are read from disk, and there are many.
            known = self._contexts[wanted] = await asyncio.to_thread(_tls, access, certificate, key)
            while len(self._contexts) > _MOST_CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
        return known


def failed(answer: Answer, what: str) -> ChartError:
    """The sentence for an answer that is not the one that was asked for; `what` is what was."""
    url = masked(answer.url)
    if answer.status in (401, 403):
        hint = "see the Secret of this repository in the hub, and what its user may read"
        return ChartError(f"{url} does not give {what} to this login ({answer.status})", hint, url=url)
    if answer.status == 404:
        return ChartError(f"there is no {what} at {url} (404)", url=url)
    kind = AwayError if answer.status >= 500 or answer.status == 429 else ChartError
    return kind(f"{url} answered {answer.status} when asked for {what}", url=url)


async def _body(response: aiohttp.ClientResponse, limit: int, url: str) -> bytes:
    chunks, length = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        length += len(chunk)
        if length > limit:
            size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
            raise ChartError(f"{masked(url)} answers with more than {size}", url=masked(url))
        chunks.append(chunk)
    return b"".join(chunks)


def address(url: str) -> SplitResult:
    """The parts of an http or https address.

    Raises:
        ChartError: `url` is none.
    """
    try:
        found = urlsplit(url)
        fine = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:  # a port, or the brackets of IPv6
        fine = False
    if not fine:
        raise ChartError(f"{quoted(masked(url))} is no http or https address", url=masked(url))
    return found


def joined(base: str, url: str) -> str:
    """`url`, as it is meant where it stands in what `base` answered.

    Raises:
        ChartError: it is no address.
    """
    try:
        return urljoin(base, url)
    except ValueError as error:
        raise ChartError(f"{masked(base)} leads to {quoted(masked(url))}, which is no address") from error


def basic(access: RepositoryAccess) -> str:
    """The Authorization of user and password.

    Raises:
        ChartError: they can't be sent.
    """
    try:
        return aiohttp.encode_basic_auth(access.username, access.password)
    except ValueError as error:
        raise ChartError(f"the login of {masked(access.url)} can't be used: {one_line(str(error))}") from error


def same_host(one: str, other: str) -> bool:
    """Whether a login for one address may go to the other."""
    a, b = address(one), address(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)


def _proxy(url: str, access: RepositoryAccess) -> str:
    """The repository's own proxy, else that of the environment (util/proxy/proxy.go)."""
    if access.proxy:
        environment = {f"{scheme}_PROXY": access.proxy for scheme in ("HTTP", "HTTPS")} | {"NO_PROXY": access.no_proxy}
        proxy = proxy_for(url, environment)
    else:
        proxy = proxy_for(url, os.environ)
    if proxy and (problem := proxy_problem(proxy)):
        raise ChartError(f"the proxy for {masked(url)} {problem}", url=masked(url))
    if proxy and not proxy.startswith("http"):
        raise ChartError(f"the proxy for {masked(url)} is of a kind that can't be read through; use an http one")
    return proxy


def _tls(access: RepositoryAccess, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if access.certificate_authority:
            context = ssl.create_default_context(cadata=access.certificate_authority)
        if certificate and key:
            _identify(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise ChartError(f"the certificates for {masked(access.url)} can't be used: {one_line(str(error))}") from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _identify(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """`ssl` loads a key from a file only: it is lent one that nobody else may read."""
    handle, name = tempfile.mkstemp(prefix="fleetui-", suffix=".pem")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{certificate.rstrip()}\n{key}")
        # An empty password, or OpenSSL would ask for one on the terminal that the console owns.
        context.load_cert_chain(name, password="")
    finally:
        Path(name).unlink()


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({one_line(str(error.certificate_error))})"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return one_line(error.os_error.strerror or str(error.os_error))
    return quoted(str(error) or type(error).__name__)
