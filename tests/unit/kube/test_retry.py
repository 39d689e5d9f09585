"""Which failure is met with another try, and after how long."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from backends.kube.retry import pause_after, retry_delay
from fleetui.model.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    UnauthorizedError,
    UnreachableError,
)

KEY = cast(Any, SimpleNamespace(host="x", port=443, ssl=True, is_ssl=True))


def caused(cause: Exception) -> ClusterError:
    error = UnreachableError("x")
    error.__cause__ = cause
    return error


BUSY = OverloadedError("x", code=429, retry_after=3.0)
FAILED = OverloadedError("x", code=500)
CUT = caused(aiohttp.ServerDisconnectedError())
BROKEN = caused(aiohttp.ClientPayloadError("x"))
RESET = caused(ConnectionResetError(errno.ECONNRESET, "x"))
REFUSED = caused(aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "x")))
NEVER_MADE = caused(aiohttp.ClientConnectorError(KEY, ConnectionResetError(errno.ECONNRESET, "x")))
NO_HANDSHAKE = caused(aiohttp.ClientConnectorError(KEY, ConnectionAbortedError("SSL handshake")))
LATE = caused(TimeoutError())


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (BUSY, True, True),
        (OverloadedError("x", code=429), True, False),
        (FAILED, True, False),
        (OverloadedError("x", code=503, retry_after=1.0), True, False),
        (OverloadedError("x", code=504, reason="Timeout"), True, False),
        (CUT, True, False),
        (BROKEN, True, False),
        (RESET, True, False),
        (NEVER_MADE, True, True),
        (NO_HANDSHAKE, True, True),
        (REFUSED, False, False),
        (LATE, False, False),
        (UnauthorizedError("x"), False, False),
        (ForbiddenError("x", code=403), False, False),
        (NotFoundError("x", code=404), False, False),
        (ConflictError("x", code=409), False, False),
        (GoneError("x", code=410), False, False),
        (InvalidError("x", code=422), False, False),
    ],
    ids=lambda value: None if isinstance(value, bool) else f"{type(value).__name__} {value.__cause__!r:.30}",
)
def test_what_is_asked_again(error: ClusterError, read: bool, write: bool) -> None:
    assert (retry_delay("GET", error, attempt=0, chance=0.5) is not None) is read
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (retry_delay(method, error, attempt=0, chance=0.5) is not None) is write


def test_pauses_grow_have_jitter_and_end() -> None:
    assert [retry_delay("GET", FAILED, attempt=n, chance=1.0) for n in range(4)] == [0.2, 0.4, 0.8, None]
    assert [retry_delay("GET", CUT, attempt=n, chance=0.0) for n in range(4)] == [0.1, 0.2, 0.4, None]


def test_the_servers_wish_is_heeded_ten_times_and_not_beyond_half_a_minute() -> None:
    assert [retry_delay("PATCH", BUSY, attempt=n, chance=0.0) for n in range(10)] == [3.0] * 9 + [None]
    at_once = OverloadedError("x", code=429, retry_after=0.0)
    waits = [retry_delay("PATCH", at_once, attempt=n, chance=1.0) for n in range(6)]
    assert waits == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert retry_delay("GET", OverloadedError("x", code=429, retry_after=31.0), attempt=0, chance=0.0) is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (BUSY, 3.0),
        (OverloadedError("x", code=429), 1.0),
        (OverloadedError("x", code=429, retry_after=0.0), 0.0),
        (OverloadedError("x", code=429, retry_after=9e9), 60.0),
        (OverloadedError("x", code=503, retry_after=9.0), 0.0),
        (FAILED, 0.0),
        (CUT, 0.0),
    ],
)
def test_background_work_pauses_after_429_alone(error: ClusterError, seconds: float) -> None:
    assert pause_after(error) == seconds
