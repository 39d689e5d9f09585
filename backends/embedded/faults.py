"""Faults on demand: what goes wrong, with which requests, and how often.

Owns: `Fault`, `FaultPlan` (one a cluster, at `EmbeddedCluster.faults`), and `JumpingClock`. Pure but for the waking of
what is under way. Called by whoever wants something broken, from any thread, and by `passage`, which does the breaking
on the wire. No HTTP here.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial

import msgspec

from backends.embedded import errors
from backends.embedded.calls import Reply, error_reply, find_target
from backends.embedded.errors import ApiError
from backends.embedded.registry import Registry


class Kind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """`seconds` pass before the request is looked at."""
    HANG = "hang"
    """Nothing comes until the client gives up or the fault is cleared: no answer, or none after `at` bytes of it."""
    RESET = "reset"
    """The connection is cut with RST: before the request is looked at, or after the head and `at` bytes of the body,
    and then a write has been carried out."""
    STATUS = "status"
    """The request is refused with `code`, and not carried out."""
    SLOW = "slow"
    """The body comes at `rate` bytes a second."""
    WATCH_CUT = "watch-cut"
    """The watch ends after `at` events, as at its timeout."""
    WATCH_ERROR = "watch-error"
    """The watch ends after `at` events with an ERROR event that has the Status of `code`."""
    NO_BOOKMARKS = "no-bookmarks"
    """The watch leaves out its bookmarks, except the one that ends a streaming list: no server leaves that out."""
    CLOCK_JUMP = "clock-jump"
    """The cluster's clock jumps by `seconds`, back where they are negative; the request itself is answered."""


ON_THE_WAY = frozenset({Kind.HANG, Kind.RESET, Kind.SLOW, Kind.WATCH_CUT, Kind.WATCH_ERROR, Kind.NO_BOOKMARKS})
"""What strikes watches that are open already, too."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. What it strikes is the requests that all of `verbs`, `resource`, `namespace` and `path` take.

    Raises:
        ValueError: something is out of range.
    """

    kind: Kind
    verbs: frozenset[str] = frozenset()
    """Kubernetes' own (get, list, watch, create, update, patch, delete, deletecollection); empty for all. A request for
    no resource (discovery, ``/readyz``) has its method in lower case, as in RBAC."""
    resource: str = ""
    """A plural (``configmaps``), with its group (``deployments.apps``) or without; empty for all, and for what is no
    resource."""
    namespace: str = ""
    path: str = ""
    """What the path begins with, such as ``/readyz``."""
    count: int | None = None
    """How many requests it strikes; None: all, until it is cleared."""
    after: int = 0
    """How many requests it lets through first."""
    chance: float = 1.0
    """How likely it is to strike a request that it could strike; the plan's seed decides."""
    at: int | None = None
    """Bytes of the body (of a watch: from now on) or events that come through first. None: with `Kind.RESET` and
    `Kind.HANG` before the answer begins, else 0."""
    seconds: float = 0.0
    rate: int = 0
    code: int = 0
    retry_after: int | None = None
    """Seconds, for the header Retry-After."""

    def __post_init__(self) -> None:
        fits = {
            Kind.LATENCY: self.seconds > 0,
            Kind.CLOCK_JUMP: self.seconds != 0,
            Kind.STATUS: 400 <= self.code < 600,
            Kind.WATCH_ERROR: 400 <= self.code < 600,
            Kind.SLOW: self.rate > 0,
        }
        if not fits.get(self.kind, True):
            raise ValueError(
                f"a fault of the kind {self.kind} needs seconds, a code from 400 to 599, or a rate: {self}"
            )
        if min(self.at or 0, self.after, self.count or 0) < 0 or not 0 <= self.chance <= 1:
            raise ValueError(f"a fault's at, after and count are not negative, and its chance is from 0 to 1: {self}")


class Subject(msgspec.Struct, frozen=True):
    """What a request is about."""

    verb: str
    path: str
    group: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""


class Armed:
    """A fault that was added to a plan."""

    def __init__(self, fault: Fault, plan: FaultPlan) -> None:
        self.fault = fault
        self.on = True
        """Whether it was not cleared yet; one that has struck as often as it should is still on for whom it struck."""
        self.seen = 0
        """How many requests it could have struck."""
        self.fired = 0
        """How many it struck."""
        self._plan = plan

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return self.fault.count is not None and self.fired >= self.fault.count

    def clear(self) -> None:
        """Ends the fault, also for the requests that it has in its grip."""
        self._plan.drop(self)

    def strikes(self, subject: Subject, *, chance: Callable[[], float]) -> bool:
        """Whether this request is struck; counts it. To be asked once a request."""
        if not self.on or self.spent or not _takes(self.fault, subject):
            return False
        self.seen += 1
        if self.seen <= self.fault.after or (self.fault.chance < 1 and chance() >= self.fault.chance):
            return False
        self.fired += 1
        return True


class FaultPlan:
    """The faults of one cluster.

    Args:
        seed: decides where `Fault.chance` strikes.
        jump: moves the cluster's clock.
    """

    def __init__(self, seed: int = 0, *, jump: Callable[[float], object] = lambda seconds: None) -> None:
        self.jump = jump
        self.random = random.Random(seed)
        self._armed: tuple[Armed, ...] = ()
        self._wakes: dict[object, Callable[[], object]] = {}
        self._lock = threading.Lock()

    @property
    def armed(self) -> tuple[Armed, ...]:
        """The faults that were added and not cleared, in their order."""
        return self._armed

    @property
    def listeners(self) -> int:
        """How many requests hang or are open watches."""
        return len(self._wakes)

    def add(self, fault: Fault) -> Armed:
        """Arms a fault, from the next request on; watches that are open feel it at once."""
        armed = Armed(fault, self)
        with self._lock:
            self._armed = (*self._armed, armed)
        self._wake()
        return armed

    def clear(self) -> None:
        """Ends all faults: what hangs is answered, what is slow hurries."""
        for armed in self._armed:
            self.drop(armed)

    def drop(self, armed: Armed) -> None:
        armed.on = False
        with self._lock:
            self._armed = tuple(other for other in self._armed if other is not armed)
        self._wake()

    @contextmanager
    def listening(self, wake: Callable[[], object]) -> Iterator[None]:
        """While it is open, `wake` is called on the running loop whenever a fault comes or goes."""
        token, loop = object(), asyncio.get_running_loop()
        with self._lock:
            self._wakes[token] = partial(loop.call_soon_threadsafe, wake)
        try:
            yield
        finally:
            with self._lock:
                del self._wakes[token]

    def _wake(self) -> None:
        with self._lock:
            wakes = list(self._wakes.values())
        for wake in wakes:
            with suppress(RuntimeError):  # its loop has just been closed
                wake()


class JumpingClock:
    """A clock that can be set forward and back while it runs; seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.offset = 0.0

    def __call__(self) -> float:
        return self._clock() + self.offset

    def jump(self, seconds: float) -> None:
        self.offset += seconds


def subject_of(registry: Registry, method: str, path: str, *, watch: bool = False) -> Subject:
    """What a request is about (apiserver v0.37 pkg/endpoints/request/requestinfo.go)."""
    try:
        target = find_target(registry, path) if path.startswith(("/api/", "/apis/")) else None
    except ApiError:
        target = None
    if target is None:
        return Subject(method.lower(), path)
    of_one = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    of_all = of_one | {"GET": "watch" if watch else "list", "DELETE": "deletecollection"}
    verb = (of_one if target.name else of_all).get(method, method.lower())
    resource = target.resource
    return Subject(verb, path, resource.group, resource.plural, target.namespace, target.name)


def refusal(fault: Fault, subject: Subject) -> Reply:
    """The answer of `Kind.STATUS`, as the real server words it, or what stands in front of it."""
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
    plain = _PLAIN.get(fault.code)
    if plain is not None:
        return Reply(fault.code, plain.encode(), "text/plain; charset=utf-8", headers=headers)
    return msgspec.structs.replace(error_reply(api_error(fault.code, subject)), headers=headers)


def api_error(code: int, subject: Subject) -> ApiError:
    """The Status with that code that is the likeliest for the request."""
    what = (subject.group, subject.plural, subject.name)
    if code == 401:
        return errors.unauthorized()
    if code == 403:
        return errors.forbidden(*what, why=f'User "system:anonymous" cannot {subject.verb} it')
    if code == 404:
        return errors.not_found(*what)
    if code == 409:
        return errors.conflict(*what)
    if code == 410:
        return errors.expired(_OLD_TOKEN if subject.verb == "list" else _OLD_VERSION)
    if code == 500:
        return errors.internal("a fault was asked for")
    reason, message = _REASONS.get(code, ("", "a fault was asked for"))
    return ApiError(code, reason, message)


_OLD_VERSION = "The resourceVersion for the provided watch is too old."
_OLD_TOKEN = "The provided continue parameter is too old to display a consistent list result."
# pkg/server/filters/maxinflight.go and net/http/httputil: no Status.
_PLAIN = {429: "Too many requests, please try again later.\n", 502: "502 Bad Gateway\n"}
_REASONS = {
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


def _takes(fault: Fault, subject: Subject) -> bool:
    resource = errors.full_name(subject.group, subject.plural)
    return (
        (not fault.verbs or subject.verb in fault.verbs)
        and fault.resource in ("", subject.plural, resource)
        and fault.namespace in ("", subject.namespace)
        and subject.path.startswith(fault.path)
    )
