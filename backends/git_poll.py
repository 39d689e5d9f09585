"""Who asks a remote when, who shares an answer, and who is told.

Owns: `Poller`, the asynchronous side of one mirror. Called by `backends.git_repository`. What blocks runs on the two
pools of threads that it is given, one for what may wait for a network, one for the disk, so that a dead host never
delays a read.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from backends.git_mirror import BrokenMirrorError, Mirror, Refs
from backends.git_refs import Fingerprint, fingerprint
from fleetui.model.errors import FleetError
from fleetui.ports import Subscription

T = TypeVar("T")

_HEAL_INTERVAL = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often a remote is asked, and on which threads."""

    network: ThreadPoolExecutor
    disk: ThreadPoolExecutor
    interval: float
    """Seconds between two looks at a remote that somebody watches, give or take a tenth."""
    local_interval: float
    """Seconds between two looks at the references of a repository on this machine."""


class Poller:
    """Keeps what is known about the references of one remote."""

    def __init__(self, mirror: Mirror, pace: Pace) -> None:
        self.refs: Refs | None = None
        self.asked = float("-inf")
        """When the remote was last asked, on the monotonic clock."""
        self.generation = 0
        """How often the mirror was made anew because it was broken."""
        self.wanted: set[str] = set()
        """References to fetch beside branches and tags, by their full names."""
        self._mirror = mirror
        self._pace = pace
        self._answered = self._healed = float("-inf")
        self._seen: Fingerprint = ()
        self._failed = False
        self._turn = asyncio.Lock()
        self._queued: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: dict[object, Callable[[], None]] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def on_disk(self, work: Callable[..., T], *arguments: object) -> T:
        """Runs what only reads this machine's disk."""
        return await _submit(self._pace.disk, work, *arguments)

    async def on_network(self, work: Callable[..., T], *arguments: object) -> T:
        """Runs what may wait for a remote."""
        return await _submit(self._pace.network, work, *arguments)

    # --- asking ---------------------------------------------------------------------------------------------------

    async def is_stale(self) -> bool:
        """True where the remote may have moved since it last answered: long ago, or visibly on this machine."""
        if self.refs is None:
            return True
        if self._mirror.remote.folder is not None:
            return await self.on_disk(fingerprint, self._mirror.remote.folder) != self._seen
        return time.monotonic() - self._answered > 2 * self._pace.interval

    def expire(self) -> None:
        """Lets what is known count as stale: with another login the remote may say something else."""
        self._answered = float("-inf")
        self._failed = True

    async def refresh(self) -> None:
        """Asks the remote, together with everyone who wants to know while the question has not gone out yet.

        A question that is already under way is not joined: its answer may be older than what the caller knows.
        """
        question = self._queued = self._queued or self._spawn(self._ask(), "fetch")
        try:
            await asyncio.shield(question)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if question.cancelled() and caller is not None and not caller.cancelling():
                raise FleetError(f"the repository {self._mirror.remote.shown} was closed") from None
            raise

    async def heal(self, generation: int) -> None:
        """Makes a broken mirror anew, unless that was done since `generation` or a moment ago (in vain, then)."""
        async with self._turn:
            if self.generation == generation and time.monotonic() - self._healed > _HEAL_INTERVAL:
                self._healed = time.monotonic()
                self.refs = await self.on_network(self._mirror.make_anew, sorted(self.wanted))
                self.generation += 1

    async def _ask(self) -> None:
        try:
            async with self._turn:
                self._queued = None
                await self._ask_now()
        finally:
            if self._queued is asyncio.current_task():
                self._queued = None

    async def _ask_now(self) -> None:
        before, self.asked = self.refs, time.monotonic()
        try:
            if self._mirror.remote.folder is not None:
                self._seen = await self.on_disk(fingerprint, self._mirror.remote.folder)
            self.refs = now = await self._answer(before)
        except FleetError:
            self._failed = True
            raise
        self._answered = time.monotonic()
        recovered, self._failed = self._failed, False
        if recovered or (before is not None and before.commits != now.commits):
            self._tell()

    async def _answer(self, before: Refs | None) -> Refs:
        wanted = sorted(self.wanted)
        try:
            return await self.on_network(self._mirror.refresh, before, wanted)
        except BrokenMirrorError:
            return await self.on_network(self._mirror.make_anew, wanted)

    # --- watching -------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Watches the remote and calls `listener` when a reference has moved, or when the remote can be read again
        after it could not."""
        key = object()
        self._listeners[key] = listener
        if self._watcher is None:
            self._watcher = self._spawn(self._watch(), "watch")
        return Closing(lambda: self._unsubscribe(key))

    async def close(self) -> None:
        """Ends every subscription and waits for what is under way."""
        self._listeners.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        said = ""
        while True:
            await self._pause()
            try:
                await self.refresh()
            except FleetError as error:
                # A remote that is away for a night is told of once.
                _log.log(logging.DEBUG if str(error) == said else logging.WARNING, "%s", error)
                said = str(error)
            else:
                if said:
                    _log.info("the repository %s can be read again", self._mirror.remote.shown)
                said = ""

    async def _pause(self) -> None:
        """Returns when it is time to ask, or at once when a repository on this machine has changed."""
        # Spread, so that a hundred repositories of one host are not asked in the same second.
        deadline = time.monotonic() + self._pace.interval * random.uniform(0.9, 1.1)
        folder = self._mirror.remote.folder
        while (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(left if folder is None else min(left, self._pace.local_interval))
            if folder is not None and await self.on_disk(fingerprint, folder) != self._seen:
                return

    def _tell(self) -> None:
        for listener in list(self._listeners.values()):
            try:
                listener()
            except Exception:
                _log.exception("a listener of %s failed", self._mirror.remote.shown)

    def _unsubscribe(self, key: object) -> None:
        self._listeners.pop(key, None)
        if not self._listeners and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def _spawn(self, work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"git {what} {self._mirror.remote.shown}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Looked at, so that asyncio does not report an error that nobody waits for any more.
            task.exception()


def _submit(pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    try:
        return asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
    except RuntimeError as error:
        raise FleetError("fleetui is ending: its Git repositories are closed") from error


class Closing:
    """A subscription that ends by calling a function, once."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close: Callable[[], None] | None = close

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()
