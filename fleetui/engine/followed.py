"""Which repositories the Applications of a hub follow, and what a push to one of them wakes.

Owns: `Followed`, made by `fleetui.engine.controller`. Which Applications a push concerns is decided in
`fleetui.engine.pushes`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Set

from fleetui.engine.application import GROUP, KIND
from fleetui.engine.pushes import concerned_urls, names_repository
from fleetui.engine.webhook import Push
from fleetui.gitports import Repositories
from fleetui.model.errors import FleetError
from fleetui.model.objects import ObjectRef
from fleetui.model.text import masked, one_line
from fleetui.ports import LiveCluster

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name of an Application."""

MOST_PUSHES = 1000
"""Webhooks' questions to repositories that may be under way at once."""


class Followed:
    """The repositories of one hub's Applications.

    Args:
        hub: the cluster that holds the Applications.
        repositories: the Git repositories of this process.
        project: the AppProject of an Application.
        wake: called with each Application that a push concerns, once its repository has been asked.
    """

    def __init__(
        self,
        hub: LiveCluster,
        repositories: Repositories,
        *,
        project: Callable[[Key], str],
        wake: Callable[[Key], None],
    ) -> None:
        self._hub = hub
        self._repositories = repositories
        self._project = project
        self._wake = wake
        self._by_url: dict[str, set[Key]] = {}
        self._urls: dict[Key, frozenset[str]] = {}
        self._heeding: set[asyncio.Task[None]] = set()

    def __contains__(self, key: Key) -> bool:
        return key in self._urls

    def close(self) -> None:
        """Ends the questions that are under way."""
        for task in self._heeding:
            task.cancel()

    def follow(self, key: Key, urls: frozenset[str]) -> None:
        """An Application follows just these repositories from now on."""
        if self._urls.get(key) != urls:
            self.drop(key)
            self._urls[key] = urls
            for url in urls:
                self._by_url.setdefault(url, set()).add(key)

    def drop(self, key: Key) -> None:
        """An Application is gone."""
        for url in self._urls.pop(key, ()):
            self._by_url[url].discard(key)
            if not self._by_url[url]:
                del self._by_url[url]

    def of(self, key: Key) -> frozenset[str] | None:
        """The repositories that an Application follows; None where there is no such Application."""
        return self._urls.get(key)

    def followers(self, url: str) -> Set[Key]:
        """The Applications that follow the repository at `url`."""
        return self._by_url.get(url, frozenset())

    def pushed(self, push: Push) -> bool:
        """Has the repositories asked that a webhook tells of, and then wakes the Applications that it concerns; False
        where so many are heeded already that this one is not."""
        if len(self._heeding) >= MOST_PUSHES:
            return False
        concerned = self._concerned(push)
        if not concerned:
            said = one_line(masked(push.urls[0])) if push.urls else "a repository"
            _log.info("%s was pushed to, says %s: no application follows it", said, push.provider)
        for (url, project), keys in concerned.items():
            _log.info("%s was pushed to, says %s: %d applications", masked(url), push.provider, len(keys))
            task = asyncio.get_running_loop().create_task(self._heed(url, project, keys), name=f"push {masked(url)}")
            self._heeding.add(task)
            task.add_done_callback(self._heeding.discard)
        return True

    def _concerned(self, push: Push) -> dict[tuple[str, str], set[Key]]:
        """By repository and AppProject, for a project may have a login, and so a mirror, of its own."""
        found: dict[tuple[str, str], set[Key]] = {}
        for url in [url for url in self._by_url if names_repository(push, url)]:
            for key in self._by_url[url]:
                obj = self._hub.get(ObjectRef(GROUP, KIND, *key))
                if obj is not None and url in concerned_urls(push, obj.decode()):
                    found.setdefault((url, self._project(key)), set()).add(key)
        return found

    async def _heed(self, url: str, project: str, keys: Collection[Key]) -> None:
        repository = self._repositories.open(url, hub=self._hub.api.name, project=project)
        try:
            await repository.resolve("HEAD", fetch=True)
        except FleetError as error:
            # The Applications say so themselves.
            _log.info("%s", error)
        for key in keys:
            self._wake(key)
