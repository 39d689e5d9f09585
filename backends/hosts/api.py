"""How the JSON interface of a Git host is asked: one login, one base address, limits and errors.

Owns: `Line` (what all interfaces of this process share: connections, how many requests run at once, which hosts want to
be left alone for now), `Api` (one interface with one login), `segment` and `MissingOnHostError`. Called by the other
modules of this package. A login goes to the host of the base address and to no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakValueDictionary

import msgspec

from backends.charts_http import Answer, AwayError, Timeouts, Web, address, joined, same_host
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import ChartError, GitAuthenticationError, GitError, RepositoryUnreachableError
from fleetui.model.text import masked, one_line, quoted

MOST_PAGES = 100
"""Of one list: 10,000 repositories, branches or pull requests."""
PAGE = 100
_MOST_BYTES = 16 * 1024 * 1024
_MOST_BYTES_LISTED = 64 * 1024 * 1024
"""Of all pages of one list."""
_MOST_AT_ONCE = 8
"""Requests to one interface."""
_MOST_REDIRECTS = 5
_DEFAULT_WAIT = 60.0
"""Seconds to leave a host alone that wants it and does not say for how long."""

Query = Mapping[str, str | int]
Following = Callable[[Answer, Any], Query | None]
"""From an answer and its value: what of the query is another for the next page; None after the last."""


class MissingOnHostError(GitError):
    """404: what was asked for is not there, or not for this login."""


class Line:
    """What the interfaces share; one event loop uses it.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, timeouts: Timeouts | None = None, *, now: Callable[[], float] = time.time) -> None:
        self.web = Web(timeouts or Timeouts())
        self.now = now
        self.gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By base address: whoever is slow holds up nobody else."""
        self.resting: dict[tuple[str, str], float] = {}
        """Until when a base address is not asked with a login any more."""

    async def close(self) -> None:
        await self.web.close()


class Api:
    """One host's interface.

    Args:
        base: the address that paths are below.
        headers: what proves who asks.
        access: certificates and proxy.

    Raises:
        GitError: `base` is no http or https address.
    """

    def __init__(
        self, line: Line, base: str, *, headers: Mapping[str, str] | None = None, access: RepositoryAccess | None = None
    ) -> None:
        try:
            address(base)
        except ChartError as error:
            raise GitError(error.message, "set the api of the generator", url=masked(base)) from error
        self.base = base.rstrip("/")
        self._line = line
        self._headers = {"Accept": "application/json"} | dict(headers or {})
        self._access = access or RepositoryAccess(url=base)
        self._lodger = (self.base, str(sorted(self._headers.items())))
        self._gate = line.gates.setdefault(self.base, asyncio.Semaphore(_MOST_AT_ONCE))

    async def get(self, path: str, query: Query | None = None) -> Any:
        """The value at a path, which `segment` made.

        Raises:
            GitError: it can't be had.
        """
        return _value(await self._ask("GET", self._url(path, query)))

    async def find(self, path: str, query: Query | None = None) -> Any:
        """As `get`; None where there is nothing."""
        try:
            return await self.get(path, query)
        except MissingOnHostError:
            return None

    async def has(self, path: str, query: Query | None = None) -> bool:
        """Whether there is something, without its content."""
        try:
            await self._ask("HEAD", self._url(path, query))
        except MissingOnHostError:
            return False
        return True

    async def post(self, path: str, content: Any) -> Any:
        """What the host answers to a new thing.

        Raises:
            GitError: it does not take it.
        """
        return _value(await self._ask("POST", self._url(path, None), msgspec.json.encode(content)))

    async def pages(
        self,
        path: str,
        query: Query,
        following: Following,
        *,
        items: Callable[[Any], Any] = lambda value: value,
        may_be_missing: bool = False,
    ) -> list[Mapping[str, Any]]:
        """All things of a list that comes in pages.

        Args:
            items: from a page to its list.
            may_be_missing: a list that is not there is an empty one.

        Raises:
            GitError: it can't be had, or has more than `MOST_PAGES` pages or 64 MiB.
        """
        found: list[Mapping[str, Any]] = []
        size = 0
        wanted: Query | None = query
        for _ in range(MOST_PAGES):
            try:
                answer = await self._ask("GET", self._url(path, wanted))
            except MissingOnHostError:
                if may_be_missing:
                    return []
                raise
            size += len(answer.body)
            if size > _MOST_BYTES_LISTED:
                limit = f"{_MOST_BYTES_LISTED >> 20} MiB"
                raise GitError(f"{self._url(path, None)} lists more than {limit}", "ask for less", url=self.base)
            value = _value(answer)
            listed = items(value)
            if not isinstance(listed, list):
                raise GitError(f"{masked(answer.url)} answers with something other than a list", url=self.base)
            found += [each for each in listed if isinstance(each, dict)]
            more = following(answer, value)
            if more is None:
                return found
            wanted = {**query, **more}
        raise GitError(f"{self._url(path, None)} has more than {MOST_PAGES} pages", url=self.base)

    def _url(self, path: str, query: Query | None) -> str:
        return f"{self.base}/{path}?{urlencode(query)}" if query else f"{self.base}/{path}"

    async def _ask(self, method: str, url: str, body: bytes = b"") -> Answer:
        """An answer that is a success."""
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        at = url
        for _ in range(_MOST_REDIRECTS):
            async with self._gate:
                self._refuse_while_resting()
                answer = await self._once(method, at, headers, body)
            target = answer.headers.get("location", "") if 300 <= answer.status < 400 else ""
            if not target:
                self._check(answer)
                return answer
            at = _followed(at, target) if method != "POST" else ""
            if not at:
                # Azure DevOps sends whoever it does not know to a page to log in at.
                message = f"{masked(url)} redirects elsewhere, and a login goes nowhere else"
                raise GitAuthenticationError(message, "check the api address and the token", url=self.base)
        raise GitError(f"{masked(url)} redirects more than {_MOST_REDIRECTS} times", url=self.base)

    async def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            return await self._line.web.ask(
                method, url, limit=_MOST_BYTES, access=self._access, headers=headers, body=body
            )
        except AwayError as error:
            raise RepositoryUnreachableError(error.message, error.hint, url=self.base) from error
        except ChartError as error:
            raise GitError(error.message, error.hint, url=self.base) from error

    def _refuse_while_resting(self) -> None:
        until = self._line.resting.get(self._lodger, 0.0)
        if until > self._line.now():
            raise _resting(self.base, until)
        self._line.resting.pop(self._lodger, None)

    def _check(self, answer: Answer) -> None:
        status, url = answer.status, masked(answer.url)
        if 200 <= status < 300 and status != 203:
            return
        if wait := _rest(answer, self._line.now()):
            self._line.resting[self._lodger] = wait
            raise _resting(self.base, wait)
        said = _said(answer)
        if status == 203 or status == 401:
            raise GitAuthenticationError(f"{url} refuses the login ({status}{said})", "check the token", url=self.base)
        if status == 403:
            raise GitAuthenticationError(f"{url} is not permitted to this login (403{said})", _RIGHTS, url=self.base)
        if status in (404, 410):
            hint = "hosts also say so where the token does not suffice"
            raise MissingOnHostError(f"there is nothing at {url} ({status}{said})", hint, url=self.base)
        kind = RepositoryUnreachableError if status >= 500 else GitError
        raise kind(f"{url} answered {status}{said}", url=self.base)


_RIGHTS = "give the token the right to read the repositories, and to write pull requests where some are to be opened"


def segment(text: str) -> str:
    """One part of a path; slashes are escaped.

    Raises:
        GitError: it is empty, or leads elsewhere.
    """
    if text in ("", ".", ".."):
        raise GitError(f"{text!r} is no name of anything on a Git host", "check the generator")
    return quote(text, safe="")


def file_path(path: str) -> str:
    """A path of a file within a path, slash for slash.

    Raises:
        GitError: it is empty, or leads elsewhere.
    """
    return "/".join(map(segment, path.strip("/").split("/")))


def _value(answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError) as error:
        hint = "check that the api address is that of the host's interface"
        raise GitError(f"{masked(answer.url)} answers with no JSON", hint, url=masked(answer.url)) from error


def _followed(url: str, target: str) -> str:
    """The end of a redirect on the same host; empty where it leads away."""
    try:
        found = joined(url, target)
        return found if same_host(url, found) else ""
    except ChartError:
        return ""


def _rest(answer: Answer, now: float) -> float:
    """Until when a host wants to be left alone, in seconds since the epoch; 0 where it does not.

    429 anywhere; GitHub also has 403 with its own headers (docs.github.com, Rate limits for the REST API), GitLab names
    the end in ``RateLimit-Reset``.
    """
    headers = answer.headers
    spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    if answer.status != 429 and not (answer.status == 403 and spent):
        return 0.0
    for name, base in (("retry-after", now), ("x-ratelimit-reset", 0.0), ("ratelimit-reset", 0.0)):
        value = headers.get(name, "")
        if value.isascii() and value.isdigit():
            # However far away it says: an hour is the longest of the known ones.
            return max(now + 1, min(base + int(value), now + 3600))
    return now + _DEFAULT_WAIT


def _resting(base: str, until: float) -> GitError:
    at = datetime.fromtimestamp(until, UTC).strftime("%H:%M:%S")
    hint = "a token of its own, or a longer requeueAfterSeconds, helps"
    return RepositoryUnreachableError(f"{base} takes no more requests from this login until {at} UTC", hint, url=base)


def _said(answer: Answer) -> str:
    """The host's own words, each in its own field."""
    try:
        value = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        return ""
    found = value if isinstance(value, dict) else {}
    errors = found.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    for each in (_inner(found.get("error")), found.get("message"), _inner(first)):
        # GitLab's is at times a list.
        said = each[0] if isinstance(each, list) and each else each
        if isinstance(said, str) and one_line(said):
            return f": {quoted(said)}"
    return ""


def _inner(value: Any) -> Any:
    return value.get("message") if isinstance(value, dict) else value
