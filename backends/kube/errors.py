"""What went wrong, in the classes of `fleetui.model.errors`.

Owns: `from_answer`, `from_status`, `from_exception` and `too_late`. Called by `backends.kube.transport` and
`backends.kube.informer`. Pure: an answer or an exception comes in, one of our errors goes out, to be raised ``from``
what caused it. A server's text is shown only where its shape is known, sanitised and cut.
"""

from __future__ import annotations

import errno
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from backends.kube.proxy import ProxyRefusedError
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
from fleetui.model.text import one_line

if TYPE_CHECKING:
    import aiohttp

_LONGEST = 4_000
"""Characters of a server's message that are kept: enough for what it says of a Pod template that may not change."""
_PLAIN_LONGEST = 200
"""Characters up to which a text/plain body counts as a message (apiserver's own, not a proxy's page)."""
_BAD_PATCH = "failed to create typed patch object"
"""Server-side apply of a field that the schema does not have is a 500 without a reason (Kubernetes 1.37)."""
_TOO_LARGE = "ResourceVersionTooLarge"
"""The cause of a 504 for a resourceVersion that the server has not seen yet: one of another life of its storage."""


class _Cause(msgspec.Struct):
    reason: str = ""


class _Details(msgspec.Struct, rename="camel"):
    causes: list[_Cause] | None = None
    retry_after_seconds: float | None = None


class Status(msgspec.Struct):
    """`metav1.Status`, as far as it is needed."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_STATUS = msgspec.json.Decoder(Status)
_BY_CODE: Mapping[int, type[StatusError]] = {
    400: InvalidError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    422: InvalidError,
}


def parse_status(body: bytes) -> Status | None:
    """The `Status` in a body; None where it is something else."""
    try:
        status = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return status if status.kind == "Status" else None


def from_answer(code: int, headers: Mapping[str, str], *, body: bytes, cluster: str, what: str) -> ClusterError:
    """The error for an HTTP answer that is no success.

    Args:
        what: the request, such as ``GET /api/v1/pods``, for answers that do not explain themselves.
    """
    status = parse_status(body)
    if status is None:
        status = Status(message=_plain(code, headers, body=body, what=what))
    status.code = code
    return from_status(status, cluster=cluster, retry_after=_retry_after(headers))


def from_status(status: Status, *, cluster: str, retry_after: float | None = None) -> ClusterError:
    """The error for a `Status`, of an answer or of a watch's ERROR event; the most specific class that fits."""
    message = one_line(status.message)
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST - 1]}…"
    message = message or f"HTTP {status.code} {one_line(status.reason)}".rstrip()
    code, reason = status.code, one_line(status.reason)
    if code == 401:
        return UnauthorizedError(f"the API server refuses the login: {message}", cluster=cluster)
    details = status.details or _Details()
    if reason in {"Expired", "Gone"} or any(cause.reason == _TOO_LARGE for cause in details.causes or ()):
        return GoneError(message, cluster=cluster, code=code, reason=reason)
    if reason == "AlreadyExists":
        return AlreadyExistsError(message, cluster=cluster, code=code, reason=reason)
    if code == 500 and message.startswith(_BAD_PATCH):
        return InvalidError(message, cluster=cluster, code=code, reason=reason)
    if code == 429 or code >= 500:
        wait = details.retry_after_seconds if retry_after is None else retry_after
        return OverloadedError(message, cluster=cluster, code=code, reason=reason, retry_after=wait)
    return _BY_CODE.get(code, StatusError)(message, cluster=cluster, code=code, reason=reason)


def not_kubernetes(cluster: str, *, server: str, what: str, hint: str = "") -> ClusterError:
    """The error for an answer that is a success and yet not what Kubernetes sends (a login page, a proxy's)."""
    return ClusterError(f"{server} does not answer {what} as a Kubernetes API server does", hint, cluster=cluster)


def too_late(
    what: str, deadline: float, *, waited: str, sent: bool, unsure: bool, cluster: str, server: str
) -> ClusterError:
    """The error for a request that was given up after `deadline` seconds.

    Args:
        waited: what it was waiting for, in words.
        sent: whether the server has it; it is to blame only then.
        unsure: whether it may yet be carried out.
    """
    message = f"{server}: gave up {what} after {deadline:g} s, waiting for {waited}"
    if not sent:
        return OverloadedError(message, cluster=cluster, code=429)
    hint = "whether it was carried out is not known: look before asking again" if unsure else ""
    return UnreachableError(message, hint, cluster=cluster)


def from_exception(error: Exception, *, cluster: str, server: str) -> ClusterError:
    """The error for a request that got no answer: each cause in its own words."""
    alert = _certificate_alert(error)
    if alert:
        return UnauthorizedError(f"{server} refuses the client certificate: {alert}", cluster=cluster)
    message, hint = _words(error, server)
    return UnreachableError(message, hint, cluster=cluster)


def was_lost(error: ClusterError) -> bool:
    """Whether the connection broke after it had been made: then a read may be asked again."""
    # Only the transport asks, which has it; the informer takes the first rows in without it.
    import aiohttp
    from aiohttp.http_exceptions import ContentEncodingError

    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientPayloadError):
        return not isinstance(cause.__cause__, ContentEncodingError)
    return isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionResetError) or (
        isinstance(cause, OSError) and cause.errno in {errno.ECONNRESET, errno.EPIPE}
    )


def never_sent(error: ClusterError) -> bool:
    """Whether the connection broke while it was being made: then anything may be asked again."""
    import aiohttp

    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectorError) and (
        cause.errno in {errno.ECONNRESET, errno.EPIPE}
        or isinstance(cause.os_error, ConnectionResetError | ConnectionAbortedError)
    )


def _words(error: Exception, server: str) -> tuple[str, str]:
    import aiohttp
    from aiohttp.http_exceptions import ContentEncodingError

    if isinstance(error, aiohttp.ClientProxyConnectionError):
        if isinstance(error.os_error, ProxyRefusedError):
            return f"the proxy {error.host}:{error.port} does not connect to {server}: {_reason(error)}", ""
        return _not_connected(error, f"the proxy {error.host}:{error.port} for {server}", hint="is the proxy running?")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy for {server} answers {error.status} {one_line(error.message)}", ""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _distrust(error, server)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name of {server} is not known", "is a VPN needed?"
    if isinstance(error, aiohttp.ClientSSLError) or _ssl_error(error) is not None:
        return _no_tls(error, server)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection to {server} comes about", "a VPN or a proxy may be missing, or silent"
    if isinstance(error, TimeoutError):
        return f"{server} does not answer in time", ""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{server} does not answer in HTTP", "is its address right, and no proxy before it broken?"
    if isinstance(error.__cause__, ContentEncodingError):
        return f"{server} sends an answer that can't be decompressed", "disable-compression in the kubeconfig helps"
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno != errno.ECONNRESET:
        return _not_connected(error, server, hint="is the API server running?")
    return f"the connection to {server} was lost", ""


def _not_connected(error: Exception, server: str, *, hint: str) -> tuple[str, str]:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED or "refused" in _reason(error).lower():
        return f"{server} refuses connections", hint
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return f"there is no route to {server}", "is a VPN needed?"
    return f"{server} can't be reached: {_reason(error)}", ""


def _distrust(error: aiohttp.ClientConnectorCertificateError, server: str) -> tuple[str, str]:
    cause = error.certificate_error
    code = getattr(cause, "verify_code", 0)
    url = urlsplit(server)
    of_server = (error.host, error.port) == (url.hostname, url.port or 443)
    what = f"the certificate of {server if of_server else f'the proxy {error.host}:{error.port}'}"
    # X509_V_ERR codes of OpenSSL: x509_vfy.h.
    if code == 10:
        return f"{what} has expired", ""
    if code in {62, 64}:
        return f"{what} is for another host name", "tls-server-name in the kubeconfig names the right one"
    if code in {18, 19, 20, 21}:
        return f"{what} is not signed by a known authority", "certificate-authority in the kubeconfig names one"
    return f"{what} is not trusted: {one_line(getattr(cause, 'verify_message', '') or str(cause))}", ""


def _no_tls(error: Exception, server: str) -> tuple[str, str]:
    cause = _ssl_error(error)
    reason = (cause.reason if cause else None) or _reason(error)
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return f"{server} does not speak TLS", "is its address http:// ?"
    return f"the TLS handshake with {server} failed: {one_line(reason).replace('_', ' ').lower()}", ""


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    """What OpenSSL said; aiohttp's own errors for it are kinds of SSLError too, but without the reason."""
    while error is not None:
        for found in (getattr(error, "os_error", None), error):
            if isinstance(found, ssl.SSLError) and hasattr(found, "reason"):
                return found
        error = error.__cause__
    return None


def _certificate_alert(error: Exception) -> str:
    """The TLS alert with which a server turns down a client certificate (with TLS 1.3: after the handshake)."""
    reason = getattr(_ssl_error(error), "reason", None) or ""
    if "ALERT" not in reason or not ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return ""
    return one_line(reason.partition("ALERT")[2]).strip("_ ").replace("_", " ").lower()


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    return one_line(getattr(inner, "strerror", None) or str(inner))


def _plain(code: int, headers: Mapping[str, str], *, body: bytes, what: str) -> str:
    words = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else ""
    text = f"{what}: HTTP {code} {words}".rstrip()
    if 300 <= code < 400:
        return f"{text}: a redirection{_aim(headers)}, which is not followed with a login (is a login page before it?)"
    if headers.get("Content-Type", "").startswith("text/plain") and 0 < len(body) <= _PLAIN_LONGEST:
        return f"{text}: {body.decode(errors='replace')}"
    return text


def _aim(headers: Mapping[str, str]) -> str:
    """The host that a redirection leads to; the rest of it may be a secret."""
    try:
        host = one_line(urlsplit(headers.get("Location", "")).hostname or "")
    except ValueError:
        host = ""
    return f" to {host[:100]}" if host else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or from a date (RFC 9110, 10.2.3); a date is taken against the server's own clock."""
    text = headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until, now = _date(text), _date(headers.get("Date", ""))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
