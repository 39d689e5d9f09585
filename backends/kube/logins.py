"""Logins that something else gives (a plugin, an identity provider), each got once for all contexts that share it.

Owns: `Credential`, `NoLoginError`, `SharedLogin` and `shared`. Called by `backends.kube.credentials`. How a login is
got is handed in (`backends.kube.execplugin`, `backends.kube.oidc`); no process and no request here.

The rules are those of client-go 0.37 plugin/pkg/client/auth/exec/exec.go: one authenticator for the same settings, one
run at a time, kept until it ends, dropped by a 401 only if it is still the one that was refused. Ours besides: a login
is renewed shortly before its end while it still serves, and after a failure there is a pause, because some plugins open
a browser each time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from fleetui.model.errors import RefusedError

PAUSE = 30.0
"""Seconds after a failure, or after a 401 cost a login, before the same is asked for again."""
_EARLY = 30.0
"""Seconds before its end that a login is renewed, or a fifth of its life where that is less."""
_ONE_LOGIN = threading.Lock()
"""Held by the login that the operator asked for: there is one terminal."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin or a provider gave; `expires` is in seconds since the epoch, None for never."""

    token: str = field(default="", repr=False)
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    expires: float | None = None


class NoLoginError(Exception):
    """Why there is no login, in words that fit after "no login for jane: ".

    Args:
        by_hand: whether an operator who logs in at the terminal may be given one.
    """

    def __init__(self, message: str, *, by_hand: bool = False) -> None:
        super().__init__(message)
        self.by_hand = by_hand


Obtain = Callable[[bool], Awaitable[Credential]]
"""Gets a login or raises `NoLoginError`; the terminal may be used only where it is called with True."""


class SharedLogin:
    """One login for everybody who would ask the same. Used on one event loop; `release` it when done."""

    def __init__(self, obtain: Obtain, *, clock: Callable[[], float]) -> None:
        self._obtain = obtain
        self._clock = clock
        self._held: Credential | None = None
        self._renew_at = 0.0
        self._run: asyncio.Task[Credential] | None = None
        self._failure: NoLoginError | None = None
        self._failed_at = float("-inf")
        self._dropped_at = float("-inf")
        self._at_terminal = False
        self.takers = 0

    async def get(self) -> Credential:
        """The login to use now; of many who need a new one, all wait for the same.

        Raises:
            NoLoginError: there is none, or there was none a short while ago.
        """
        held, now = self._held, self._clock()
        if held is None or (held.expires is not None and now >= held.expires):
            return await self._next()
        if now >= self._renew_at and not self._pauses_since(self._failed_at) and not self._at_terminal:
            self._begin()
        return held

    def refused(self, credential: Credential) -> bool:
        """Told that a server answered 401; True where another try may get another login."""
        if self._held is not credential:
            return True
        if self._pauses_since(self._dropped_at):
            return False
        self._held, self._dropped_at = None, self._clock()
        return True

    async def by_hand(self) -> None:
        """Gets a login because the operator asks for it, with the terminal where it is needed.

        Raises:
            RefusedError: another such login is going on.
            NoLoginError: there is none; the one that is held stays.
        """
        if not _ONE_LOGIN.acquire(blocking=False):
            raise RefusedError("another login is going on", "one at a time")
        self._at_terminal = True
        try:
            await self._stop()
            self._keep(await self._obtain(True))
        finally:
            self._at_terminal = False
            _ONE_LOGIN.release()

    async def release(self) -> None:
        """One taker fewer; with the last one ends what is going on."""
        self.takers -= 1
        if self.takers <= 0:
            await self._stop()

    async def _next(self) -> Credential:
        if self._failure is not None and self._pauses_since(self._failed_at):
            raise NoLoginError(str(self._failure), by_hand=self._failure.by_hand)
        if self._at_terminal:
            raise NoLoginError("a login at the terminal is going on")
        run = self._begin()
        try:
            # Shielded: whoever gives up waiting takes nothing from the others.
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run.cancelled() and not (task and task.cancelling()):
                raise NoLoginError("it was given up") from None
            raise

    def _begin(self) -> asyncio.Task[Credential]:
        if self._run is None:
            work = _coroutine(self._obtain(False))
            self._run = asyncio.get_running_loop().create_task(work, name="login")
            self._run.add_done_callback(self._ended)
        return self._run

    def _ended(self, run: asyncio.Task[Credential]) -> None:
        if self._run is run:
            self._run = None
        if run.cancelled():
            return
        error = run.exception()
        if error is None:
            self._keep(run.result())
        elif isinstance(error, NoLoginError):
            self._failure, self._failed_at = error, self._clock()

    def _keep(self, found: Credential) -> None:
        now = self._clock()
        self._held, self._failure, self._failed_at = found, None, float("-inf")
        if found.expires is None:
            self._renew_at = float("inf")
        else:
            self._renew_at = found.expires - min(_EARLY, (found.expires - now) / 5)

    def _pauses_since(self, at: float) -> bool:
        # A clock that was set back says that it is still to come: that must not make an hour of it.
        return 0 <= self._clock() - at < PAUSE

    async def _stop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.cancel()
            with suppress(asyncio.CancelledError, NoLoginError):
                await run


async def _coroutine(result: Awaitable[Credential]) -> Credential:
    return await result


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, SharedLogin]] = WeakKeyDictionary()


def shared(key: Hashable, make: Callable[[], SharedLogin]) -> SharedLogin:
    """The login of `key` on this event loop; made where nobody has it any more. The caller is one more taker."""
    logins = _by_loop.setdefault(asyncio.get_running_loop(), {})
    for left in [other for other, login in logins.items() if not login.takers]:
        del logins[left]
    found = logins.setdefault(key, make())
    found.takers += 1
    return found
