"""The kubernetes package's OIDC client, made safe.

Owns: `Exchange`. Imported by `backends.kube.oidc` in a worker thread when a token has to be renewed: this is the only
module that imports the kubernetes package.
"""

from __future__ import annotations

import base64
import ssl
from typing import Any
from urllib.parse import quote_plus

import aiohttp
from kubernetes.aio.config.openid import OpenIDRequestor


class Exchange(OpenIDRequestor):
    """One refresh. The package itself (37.0.2) checks no certificate unless it is given an authority, knows no client
    without a secret, and sends the secret with the first request too.

    Args:
        tls: how the provider's certificate is checked.
    """

    def __init__(self, client_id: str, client_secret: str, issuer: str, *, tls: ssl.SSLContext) -> None:
        super().__init__(client_id, client_secret, issuer)  # type: ignore[no-untyped-call]
        self._tls = tls

    def _client_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        return aiohttp.ClientSession(connector=connector, raise_for_status=True, trust_env=True)

    async def _post(self, client: aiohttp.ClientSession, url: str, data: dict[str, str]) -> Any:
        headers = {"Accept": "application/json"}
        if self._client_secret:
            # RFC 6749 section 2.3.1: both are form-encoded first.
            name = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(name.encode()).decode()}"
        else:
            # Section 3.2.1: a public client names itself in the body.
            data = data | {"client_id": self._client_id}
        return await super()._post(client, url, data=data, headers=headers)  # type: ignore[no-untyped-call]
