"""Connections through a SOCKS5 proxy.

Owns: `SocksConnector`. Called by `backends.kube.transport`, which imports it where a context has such a proxy. Names
are resolved at the proxy, whether its URL says socks5 or socks5h, as Go's net/http has it.

aiohttp-socks would do the same, but looks for the server's name in its certificate, whatever ``tls-server-name`` says,
and opens sockets of its own, which do not notice a VPN that drops.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from backends.kube.proxy import ProxyRefusedError

_PORT = 1080


class SocksConnector(aiohttp.TCPConnector):
    """aiohttp's connector, with the way to the server through a proxy.

    Args:
        proxy: its URL, maybe with a user name and a password.
        prepare: sets the options of each socket.
        settings: those of `aiohttp.TCPConnector`.
    """

    def __init__(self, proxy: str, *, prepare: Callable[[socket.socket], object], **settings: Any) -> None:
        super().__init__(resolver=_AtTheProxy(), **settings)
        url = urlsplit(proxy)
        self._proxy_at = (url.hostname or "", url.port or _PORT)
        self._proxy_login = (unquote(url.username or ""), unquote(url.password or ""))
        self._prepare = prepare

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: Any,
        timeout: aiohttp.ClientTimeout,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> Any:
        host, port = addr_infos[0][4][:2]
        made = await self._through(host, port, key=req.connection_key, timeout=timeout.sock_connect)
        self._prepare(made)
        return await self._wrap_existing_connection(
            *args, req=req, timeout=timeout, client_error=client_error, sock=made, **kwargs
        )

    async def _through(self, host: str, port: int, *, key: Any, timeout: float | None) -> socket.socket:
        """A connection to the server; what goes wrong on the way is the proxy's."""
        user, password = self._proxy_login
        proxy = Proxy(ProxyType.SOCKS5, *self._proxy_at, username=user or None, password=password or None, rdns=True)
        at = key._replace(host=self._proxy_at[0], port=self._proxy_at[1])
        try:
            return await proxy.connect(host, port, timeout=timeout)
        except ProxyConnectionError as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise aiohttp.ClientProxyConnectionError(at, cause) from error
        except ProxyError as error:
            raise aiohttp.ClientProxyConnectionError(at, ProxyRefusedError(str(error))) from error


class _AtTheProxy(AbstractResolver):
    """Leaves a name as it is."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        return None
