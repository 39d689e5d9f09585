"""The kubernetes package's OIDC client, made safe.

Owns: `Exchange`. Imported by `backends.kube.oidc` in a worker thread when a token has to be renewed: this is the only
module that imports the kubernetes package.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
from kubernetes.aio.config.openid import OpenIDRequestor


class Exchange(OpenIDRequestor):
    """One refresh. The package itself (37.0.2) checks no certificate unless it is given an authority, and knows no
    client without a secret.

    Args:
        tls: how the provider's certificate is checked.
    """

    def __init__(self, client_id: str, client_secret: str, issuer: str, *, tls: ssl.SSLContext) -> None:
        super().__init__(client_id, client_secret, issuer)  # type: ignore[no-untyped-call]
        self._tls = tls

    def _get_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(ssl=self._tls)

    async def _post(self, client: aiohttp.ClientSession, url: str, data: dict[str, str]) -> Any:
        if not self._client_secret:
            # RFC 6749 section 3.2.1: a public client names itself in the body.
            data = data | {"client_id": self._client_id}
        return await super()._post(client, url, data=data)  # type: ignore[no-untyped-call]
