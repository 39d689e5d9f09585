"""HTTP to one API server.

Owns: `Transport`: what a request carries, how long it may take, how often it is made, and the count of requests.
Called by `backends.kube.cluster`, which imports it at the first request: with it comes aiohttp. Whose turn it is to
ask is a matter of `backends.kube.throttle`, what is asked again of `backends.kube.retry`. Raises the errors of
`fleetui.model.errors` alone.

HTTP/1.1 has one connection for each request in flight, so their number bounds the pool: the places of the throttle and
those of the watches are two bounds, each waited for in order, so that neither can starve the other.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp

from backends.kube.bodies import Stream, problem
from backends.kube.connections import Connections, Interrupted, Line
from backends.kube.context import ContextConfig
from backends.kube.credentials import Credentials, Login
from backends.kube.errors import from_answer, from_exception, not_kubernetes, too_late
from backends.kube.etag import Tag
from backends.kube.proxy import proxy_for, proxy_problem
from backends.kube.request import JSON, Query, Request
from backends.kube.retry import pause_after, retry_delay
from backends.kube.throttle import SLOTS, Throttle
from backends.kube.websocket import WebSocket, connect
from fleetui.model.errors import ClusterError, UnauthorizedError, UnreachableError

_CONNECT_TIMEOUT = 10.0
"""Seconds for TCP and for TLS; twice as many until a connection stands, its name and a proxy included."""
_ANSWER_TIMEOUT = 60.0
"""Seconds without a byte of an answer, and seconds for the whole of one that is no list; the API server itself gives up
after 60 (--request-timeout). A list over a slow link takes as long as bytes come."""
_WATCHES = 256
"""Watches open at a time. Each is a connection of its own; one more waits until another ends, and lags meanwhile."""
_PROBE = "PROBE"
_VERBS = {"POST": "CREATE", "PUT": "UPDATE"}

_T = TypeVar("_T")


class Transport:
    """One API server over HTTP. Made and used on one event loop; `close` it.

    Args:
        config: how it is reached, and as whom.
        requests: counts the requests.
        env: where proxies are named; None: that of the process.
        asked: called when a request is sent; by then there is a login, which may have taken a plugin its time.
        answered: called when the head of a successful answer came. Neither is called for a probe.
        slow: told when a login has been waited for for a while.
        throttle: whose turn it is to ask.
    """

    def __init__(
        self,
        config: ContextConfig,
        *,
        requests: Counter[str],
        env: Mapping[str, str] | None = None,
        asked: Callable[[], object] = lambda: None,
        answered: Callable[[], object] = lambda: None,
        slow: Callable[[str], object] = lambda _: None,
        throttle: Throttle | None = None,
    ) -> None:
        self._config = config
        self._asked = asked
        self._answered = answered
        self.requests = requests
        """How many requests were sent, by verb: LIST, WATCH, GET, CREATE, UPDATE, PATCH, DELETE, DISCOVER, PROBE,
        LOG, EXEC, ATTACH, FORWARD."""
        self._credentials = Credentials(config, slow=slow)
        self._proxy = config.proxy_url or proxy_for(config.server, os.environ if env is None else env)
        self._by_socks = self._proxy.startswith("socks")
        # kube-apiserver compresses what is longer than 128 KiB, and no watch (apiserver 1.37, writers.go). A page
        # of 900 KB took 8 ms either way on loopback, 14 instead of 128 ms at 100 Mbit/s, 54 instead of 820 at 10.
        self._encoding = "gzip" if config.compression else "identity"
        self._throttle = throttle or Throttle()
        self._watches = asyncio.Semaphore(_WATCHES)
        # The probe is the one request outside both bounds.
        limit = SLOTS + _WATCHES + 1
        self._connections = Connections(
            config, headers=self._credentials.fixed_headers, limit=limit, socks=self._proxy if self._by_socks else ""
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        verb: str = "",
        urgent: bool = False,
        deadline: float | None = None,
        tag: Tag | None = None,
    ) -> bytes:
        """The body of a successful answer.

        What failed is asked again as `backends.kube.retry` says. Cancelled, the request is cut off at once.

        Args:
            path: percent-encoded where that is needed.
            verb: what the request counts as; default: by its method.
            urgent: a person waits for it: it goes before the others.
            deadline: seconds for all of it, waiting and further tries included; the server is told of it too. None:
                its turn is waited for, and each try has a minute (a list: as long as bytes come).
            tag: of what is at hand: where that is still the answer, an empty body comes, and the tag says so.

        Raises:
            ClusterError: no answer, none in time, or one that is no success.
        """
        verb = verb or _VERBS.get(method, method)
        headers = {"Accept": accept, "Accept-Encoding": self._encoding} | (tag.headers if tag else {})
        if body:
            headers["Content-Type"] = content_type
        timeout = _timeout(read=_ANSWER_TIMEOUT, total=None if verb == "LIST" else _ANSWER_TIMEOUT)
        request = Request(method, path, verb, headers, timeout, query or {}, body, tag)
        if deadline is None:
            return await self._persist(request, urgent=urgent, until=None)
        until = asyncio.get_running_loop().time() + deadline
        try:
            async with asyncio.timeout_at(until) as limit:
                return await self._persist(request, urgent=urgent, until=until)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._too_late(request, deadline) from error

    async def probe(self, path: str, *, timeout: float) -> None:
        """Asks once, within `timeout` seconds, outside the limit of parallel requests.

        Raises:
            ClusterError: as `request` does.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        await self._send(Request("GET", path, _PROBE, headers, aiohttp.ClientTimeout(total=timeout)))

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query, idle: float | None, accept: str = JSON, verb: str = "WATCH"
    ) -> AsyncIterator[Stream]:
        """A watch (or a log) that the server has accepted; `idle` seconds without a byte end it.

        Raises:
            ClusterError: it was not accepted.
        """
        # Uncompressed: a proxy that compresses holds events back until it has enough of them.
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        request = Request("GET", path, verb, headers, _timeout(read=idle), query)
        async with self._watches:
            # It waits for its turn and then leaves: open watches take no place from requests. Logs are for a person.
            await self._throttle.enter(urgent=verb != "WATCH")
            self._throttle.leave()
            async with self._answer(request) as answer:
                yield Stream(answer.content, cluster=self._config.name, server=self._config.server)

    @asynccontextmanager
    async def websocket(self, path: str, *, verb: str, protocols: Sequence[str]) -> AsyncIterator[WebSocket]:
        """A websocket that the server has accepted; leaving the context cuts it. It counts among the watches.

        Args:
            path: with its query, percent-encoded.
            verb: what the request counts as.
            protocols: the subprotocols, best first; `WebSocket.protocol` is the one that the server took.

        Raises:
            ClusterError: it was not accepted.
        """
        async with self._watches:
            line, socket = await self._renewing(
                lambda login: self._upgrade(path, login, verb=verb, protocols=protocols)
            )
            try:
                yield socket
            finally:
                await socket.cut()
                await self._connections.give_back(line)

    async def login(self) -> None:
        """Logs in anew, as `backends.kube.credentials.Credentials.renew` does."""
        await self._credentials.renew()

    async def close(self) -> None:
        """Closes all connections; a request in progress fails."""
        await self._credentials.close()
        await self._connections.close()

    # --- how often --------------------------------------------------------------------------------------------------

    async def _persist(self, request: Request, *, urgent: bool, until: float | None) -> bytes:
        """Makes the request until it succeeds, or fails for good."""
        attempt = 0
        while True:
            try:
                return await self._in_turn(request, urgent=urgent, until=until, again=attempt > 0)
            except ClusterError as error:
                delay = retry_delay(request.method, error, attempt=attempt, chance=random.random())
                if delay is None or _is_past(until, delay):
                    raise
                waits_itself = urgent or not pause_after(error)
            if waits_itself:
                request.waits_for = "the server to be asked again"
                await asyncio.sleep(delay)
            attempt += 1

    async def _in_turn(self, request: Request, *, urgent: bool, until: float | None, again: bool) -> bytes:
        request.waits_for, request.sent = "its turn", False
        await self._throttle.enter(urgent=urgent, again=again)
        try:
            if until is not None:
                # Rounded down: a server that gives up first has the better reason to tell.
                rest = int(until - asyncio.get_running_loop().time())
                request.query = {**request.query, "timeout": f"{max(1, rest)}s"}
            return await self._send(request)
        finally:
            self._throttle.leave()

    def _too_late(self, request: Request, deadline: float) -> ClusterError:
        waited = request.waits_for
        if self._throttle.is_paused and not request.sent:
            waited = "the pause to end that the overloaded server asked for"
        return too_late(
            str(request),
            deadline,
            waited=waited,
            sent=request.sent,
            unsure=request.sent and request.method != "GET",
            cluster=self._config.name,
            server=self._config.server,
        )

    # --- once -------------------------------------------------------------------------------------------------------

    async def _send(self, request: Request) -> bytes:
        async with self._answer(request) as answer:
            request.waits_for = "the rest of the answer"
            try:
                return await answer.read()
            except (aiohttp.ClientError, OSError) as error:
                raise self._failed(error) from error

    @asynccontextmanager
    async def _answer(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is a success, its body not yet read."""
        line, answer = await self._accepted(request)
        try:
            yield answer
        finally:
            # The connection goes back to the pool if the body was read to its end, else it is cut.
            answer.close()
            await self._connections.give_back(line)

    async def _accepted(self, request: Request) -> tuple[Line, aiohttp.ClientResponse]:
        """The answer, and what it came by, to be given back."""
        request.waits_for = "a login"
        return await self._renewing(lambda login: self._ask(request, login))

    async def _renewing(self, ask: Callable[[Login], Awaitable[_T]]) -> _T:
        """What `ask` returns; a login that was refused is renewed once."""
        login = await self._credentials.login()
        try:
            return await ask(login)
        except UnauthorizedError:
            if not self._credentials.refused(login):
                raise
            renewed = await self._credentials.login()
            if renewed == login:
                raise
        return await ask(renewed)

    async def _ask(self, request: Request, login: Login) -> tuple[Line, aiohttp.ClientResponse]:
        self._insist_on_proxy()
        line = await self._connections.take(login)
        try:
            self.requests[request.verb] += 1
            told = request.verb != _PROBE
            if told:
                self._asked()
            request.waits_for, request.sent = "an answer", True
            answer = await self._exchange(line.session, request, login=login)
            if request.tag is not None:
                request.tag.answered(answer.status, answer.headers)
            if request.tag is None or not request.tag.unchanged:
                await self._insist(answer, request)
            if told:
                self._answered()
            return line, answer
        except BaseException:
            await self._connections.give_back(line)
            raise

    async def _upgrade(self, path: str, login: Login, *, verb: str, protocols: Sequence[str]) -> tuple[Line, WebSocket]:
        self._insist_on_proxy()
        line = await self._connections.take(login)
        try:
            self.requests[verb] += 1
            self._asked()
            socket = await connect(
                line.session,
                f"{self._config.server}{path}",
                headers={"Authorization": login.authorization} if login.authorization else {},
                protocols=protocols,
                proxy=None if self._by_socks else self._proxy or None,
                config=self._config,
            )
            self._answered()
            return line, socket
        except BaseException:
            await self._connections.give_back(line)
            raise

    def _insist_on_proxy(self) -> None:
        """Raises what is wrong with the proxy that the environment names."""
        if self._proxy and (problem := proxy_problem(self._proxy)):
            what = f"the environment's proxy for {self._config.server} {problem}"
            raise UnreachableError(what, cluster=self._config.name)

    async def _exchange(
        self, session: aiohttp.ClientSession, request: Request, *, login: Login
    ) -> aiohttp.ClientResponse:
        headers = {**request.headers, **({"Authorization": login.authorization} if login.authorization else {})}
        try:
            return await session.request(
                request.method,
                request.url(self._config.server),
                data=request.data,
                headers=headers,
                timeout=request.timeout,
                proxy=None if self._by_socks else self._proxy or None,
                server_hostname=self._config.tls_server_name or None,
                # A login is for this server alone.
                allow_redirects=False,
            )
        except Interrupted as error:
            raise self._failed(error.error) from error.error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(error) from error

    async def _insist(self, answer: aiohttp.ClientResponse, request: Request) -> None:
        """Raises what an answer says that is no success, or not Kubernetes'."""
        name = self._config.name
        if answer.status < 300 and answer.content_type != "text/html":
            return
        try:
            if answer.status < 300:
                hint = "a web page came: is a proxy or a login page before it?"
                raise not_kubernetes(name, server=self._config.server, what=str(request), hint=hint)
            body = await problem(answer)
            error = from_answer(answer.status, answer.headers, body=body, cluster=name, what=str(request))
            self._throttle.pause(pause_after(error))
            raise error
        finally:
            answer.close()

    def _failed(self, error: Exception) -> ClusterError:
        return from_exception(error, cluster=self._config.name, server=self._config.server)


def _timeout(*, read: float | None, total: float | None = None) -> aiohttp.ClientTimeout:
    """`read` seconds without a byte; `connect` counts a proxy in, which may take a connection and say nothing."""
    connect = _CONNECT_TIMEOUT
    return aiohttp.ClientTimeout(total=total, connect=2 * connect, sock_connect=connect, sock_read=read)


def _is_past(until: float | None, delay: float) -> bool:
    return until is not None and asyncio.get_running_loop().time() + delay >= until
