"""The ``oidc`` auth provider of a kubeconfig: an ID token, renewed at the identity provider and saved where it was.

Owns: `oidc_login`. Called by `backends.kube.credentials` through a `SharedLogin`. After client-go 0.37
plugin/pkg/client/auth/oidc/oidc.go: used until ten seconds before its end; renewed with the refresh token at the token
endpoint that the issuer's discovery document names; saved before it is used, because many providers give a refresh
token for one use only, and one that is lost logs the user out of kubectl.

The exchange itself is the kubernetes package's (aio/config/openid.py). What it would leave out is given to it: the
check of the provider's certificate, a time limit, clients without a secret.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from backends.kube.context import ContextConfig
from backends.kube.kubeconfig import saved_auth_provider
from backends.kube.logins import Credential, NoLoginError
from fleetui.model.text import one_line

if TYPE_CHECKING:
    from kubernetes.aio.config.openid import OpenIDRequestor

_EARLY = 10.0
"""Seconds before its end that an ID token counts as ended (`expiryDelta`)."""
_TIMEOUT = 20.0
"""Seconds that the identity provider may take, both requests together."""

Settings = Mapping[str, str]
"""``auth-provider.config``."""


async def oidc_login(config: ContextConfig, *, now: float) -> Credential:
    """The ID token as the kubeconfig has it now, or where that has ended, a new one, which is saved there.

    Raises:
        NoLoginError: it has ended, and there is no refresh token, the provider refuses it, or it could not be saved.
    """
    settings = await asyncio.to_thread(_saved, config)
    token = settings.get("id-token", "")
    if token and now < _ends(token) - _EARLY:
        return Credential(token=token, expires=_ends(token) - _EARLY)
    if not settings.get("refresh-token"):
        raise NoLoginError(
            "its OIDC token has ended, and there is no refresh-token; log in with kubectl's login plugin"
        )
    from backends.kube.oidc_file import insist, save

    assert config.source is not None
    await asyncio.to_thread(insist, config.source)
    renewed = await _renewed(settings)
    found = Credential(token=renewed["id-token"], expires=_ends(renewed["id-token"]) - _EARLY)
    await asyncio.to_thread(save, config.source, config.user, old=settings, new=renewed)
    if found.expires is not None and found.expires <= now:
        raise NoLoginError("the new OIDC token has ended already; is this machine's clock right?")
    return found


def _saved(config: ContextConfig) -> Settings:
    found = (saved_auth_provider(config) or {}).get("config")
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {str(key): str(value) for key, value in pairs if value is not None}


def _ends(token: str) -> float:
    """When an ID token ends, in seconds since the epoch; its signature is the API server's affair."""
    try:
        _, payload, _ = token.split(".")
        ends = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
        return float(ends)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoLoginError("its OIDC id-token is no JWT with a time at which it ends") from error


async def _renewed(settings: Settings) -> Settings:
    """The two tokens that the provider gives for the refresh token."""
    issuer = one_line(settings["idp-issuer-url"])
    requestor = await asyncio.to_thread(_requestor, settings)
    try:
        async with asyncio.timeout(_TIMEOUT):
            answer = await requestor.refresh_token(settings["refresh-token"])  # type: ignore[no-untyped-call]
    except TimeoutError as error:
        raise NoLoginError(f"the identity provider {issuer} does not answer in time") from error
    except Exception as error:  # aiohttp's, the package's own, or a KeyError for a document without a token_endpoint
        reason = one_line(str(error))[:200] or type(error).__name__
        raise NoLoginError(f"the identity provider {issuer} gives no new token: {reason}") from error
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise NoLoginError(
            f"the identity provider {issuer} gives no id_token; was the scope openid asked for at login?"
        )
    refresh = answer.get("refresh_token")
    return {
        "id-token": token,
        "refresh-token": refresh if isinstance(refresh, str) and refresh else settings["refresh-token"],
    }


def _requestor(settings: Settings) -> OpenIDRequestor:
    # 0.35 s of imports, for the few who need it.
    from backends.kube.oidc_exchange import Exchange

    return Exchange(
        settings["client-id"], settings.get("client-secret", ""), settings["idp-issuer-url"], tls=_tls(settings)
    )


def _tls(settings: Settings) -> ssl.SSLContext:
    """The provider's certificate is checked against the authority that the settings name, or the system's."""
    data, file = settings.get("idp-certificate-authority-data"), settings.get("idp-certificate-authority")
    try:
        if data:
            return ssl.create_default_context(cadata=base64.b64decode(data).decode("ascii"))
        return ssl.create_default_context(cafile=file or None)
    except (OSError, ValueError, binascii.Error) as error:
        raise NoLoginError("the identity provider's certificate authority in the kubeconfig can't be used") from error
