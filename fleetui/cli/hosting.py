"""Git hosts, plugins and registries for ApplicationSets and rollouts, at no cost before somebody asks one.

Owns: `Hosting`. Part of the composition root; called by `fleetui.cli.connect` and by what reads ApplicationSets from
files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from fleetui.gitports import Repositories
from fleetui.model.objects import ClusterName
from fleetui.ports import Cluster, Subscription
from fleetui.renderports import Charts

if TYPE_CHECKING:
    from backends.appset_answers import AppSetAnswers
    from backends.github_app import InstallationTokens
    from backends.hosts.api import Line
    from backends.hosts.githosts import HostsOfRepositories
    from backends.hosts.own import OwnHosts
    from backends.repository_access import WatchedAccess
    from fleetui.engine.appset.questions import Answer, Question
    from fleetui.gitports import GitHost


class Hosting:
    """Implements `fleetui.engine.appset.ports.Answers` and `fleetui.gitports.GitHosts`.

    Args:
        repositories: those of Git.
        charts: what reads registries for the hub with a name, or for none.
        kinds: the kinds of the user's own Git hosts, by their names.
        hubs: the hub with a name.
        logins: what a hub says about logins.
    """

    def __init__(
        self,
        repositories: Repositories,
        *,
        charts: Callable[[str], Charts],
        kinds: Mapping[str, str],
        hubs: Callable[[str], Cluster | None] = lambda _: None,
        logins: Callable[[str], WatchedAccess | None] = lambda _: None,
    ) -> None:
        self._repositories = repositories
        self._charts = charts
        self._kinds = kinds
        self._hubs = hubs
        self._logins = logins

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        return await self._answers.answer(question, hub=hub, namespace=namespace, fresh=fresh)

    def subscribe(
        self, question: Question, listener: Callable[[], None], *, hub: ClusterName, namespace: str
    ) -> Subscription:
        return self._answers.subscribe(question, listener, hub=hub, namespace=namespace)

    async def of(self, url: str, *, hub: str = "", project: str = "") -> GitHost:
        return await self._hosts.of(url, hub=hub, project=project)

    async def close(self) -> None:
        """Ends connections."""
        if "_line" in vars(self):
            await self._line.close()

    @cached_property
    def _line(self) -> Line:
        from backends.hosts.api import Line

        return Line()

    @cached_property
    def _own(self) -> OwnHosts:
        from backends.hosts.own import OwnHosts

        return OwnHosts(os.environ, self._kinds)

    @cached_property
    def _tokens(self) -> InstallationTokens:
        from backends.github_app import InstallationTokens

        return InstallationTokens()

    @cached_property
    def _answers(self) -> AppSetAnswers:
        from backends.appset_answers import AppSetAnswers

        return AppSetAnswers(
            self._repositories,
            hubs=self._hubs,
            charts=self._charts,
            own=self._own,
            line=self._line,
            tokens=self._tokens,
        )

    @cached_property
    def _hosts(self) -> HostsOfRepositories:
        from backends.hosts.githosts import HostsOfRepositories

        return HostsOfRepositories(self._line, books=self._logins, own=self._own, tokens=self._tokens)
