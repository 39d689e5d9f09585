"""Answers to what the generators of ApplicationSets ask of the world.

Owns: `AppSetAnswers`, which implements `fleetui.engine.appset.ports.Answers`: who is asked, and how long an answer is
remembered. Called by the composition root. What hosts list is in `backends.hosts`, what plugins say in
`backends.appset_plugins`, what patterns find in `backends.appset_files`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from backends.appset_files import Matches, doublestar, files_of, folders_of, pathspec
from backends.appset_plugins import decisions, plugin_parameters
from backends.git_poll import Closing
from backends.github_app import InstallationTokens
from backends.hosts.api import Line
from backends.hosts.generators import Asker, Generators, parameters_of, switched_on
from backends.hosts.own import OwnHosts
from backends.hub_objects import HubObjects
from fleetui.engine.appset.questions import (
    Answer,
    ChartVersions,
    Decisions,
    GitDirectories,
    GitFiles,
    HostPullRequests,
    HostRepositories,
    PluginParameters,
    Question,
)
from fleetui.engine.projects import DEFAULT, project_of
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.gitports import Repositories
from fleetui.model.errors import FleetError, MissingError, RefusedError
from fleetui.model.objects import ClusterName
from fleetui.model.text import masked, quoted
from fleetui.ports import Cluster, Subscription
from fleetui.renderports import Charts

NEW_GLOBBING = "enable.new.git.file.globbing"
"""With this parameter of Argo CD, patterns of files are doublestar's."""
REMEMBERED = 1800.0
"""Seconds for which hosts and plugins are not asked again, unless the generator's `requeueAfterSeconds` says otherwise
(Argo CD v3.6.1: `DefaultSCMProviderRequeueAfter` and its like)."""
_RULES_KEPT = 30.0
"""Seconds for which it is known how a hub wants its repositories to be read."""
_OF_REQUEUE = 0.9
"""How much of that time: who comes again when it is over is to be answered anew."""
_PATIENCE = 600.0
"""Seconds for all requests of one answer."""
_MOST_REMEMBERED = 1024
_NARROWER = "list less: a smaller organization or group, or not all branches"
_Key = tuple[str, str, Question]


class AppSetAnswers:
    """See `fleetui.engine.appset.ports.Answers`.

    Args:
        repositories: those of Git.
        hubs: the hub with a name; None for no hub, such as the command line has for a file.
        charts: what reads OCI artifacts for a hub.
        own: the user's own tokens.
        line: connections to hosts and plugins.
        tokens: those of GitHub Apps.
        control_plane: the namespace of Argo CD.
        now: seconds, of a clock that does not go back.
    """

    def __init__(
        self,
        repositories: Repositories,
        *,
        hubs: Callable[[str], Cluster | None] = lambda _: None,
        charts: Callable[[str], Charts],
        own: OwnHosts,
        line: Line,
        tokens: InstallationTokens,
        control_plane: str = CONTROL_PLANE_NAMESPACE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repositories = repositories
        self._hubs = hubs
        self._charts = charts
        self._line = line
        self._generators = Generators(line, tokens, own)
        self._control_plane = control_plane
        self._now = now
        self._remembered: OrderedDict[_Key, tuple[Any, float]] = OrderedDict()
        self._ways: dict[tuple[str, str], tuple[Callable[[str], Matches], float]] = {}
        self._locks: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        try:
            return Answer(value=await self._answered(question, hub, namespace, fresh=fresh))
        except FleetError as error:
            return Answer(problem=str(error))

    def subscribe(
        self, question: Question, listener: Callable[[], None], *, hub: ClusterName, namespace: str
    ) -> Subscription:
        if isinstance(question, GitDirectories | GitFiles):
            return self._repositories.open(question.url, hub=hub, project=question.project).subscribe(listener)
        return Closing(lambda: None)

    async def _answered(self, question: Question, hub: str, namespace: str, *, fresh: bool) -> Any:
        match question:
            case GitDirectories() | GitFiles():
                return await self._of_git(question, hub, fresh=fresh)
            case ChartVersions(spec=spec):
                return await self._of_artifact(msgspec.json.decode(spec), hub, fresh=fresh)
            case Decisions(spec=spec):
                # The hub's own objects cost nothing and tell of nothing: they are never remembered.
                objects = self._hub(hub, "the objects of a cluster decision resource")
                return await decisions(msgspec.json.decode(spec), hub=objects, namespace=self._control_plane)
            case HostRepositories() | HostPullRequests() | PluginParameters():
                return await self._of_host((hub, namespace, question), question, fresh=fresh)

    # --- hosts and plugins ------------------------------------------------------------------------------------------

    async def _of_host(
        self, key: _Key, question: HostRepositories | HostPullRequests | PluginParameters, *, fresh: bool
    ) -> Any:
        asked = self._now()
        # One for all who ask the same now.
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            value, began = self._remembered.get(key, (None, -math.inf))
            if began > asked or (not fresh and asked < began + _kept_for(question)):
                return value
            # Where it fails, what was known before is not the answer either.
            self._remembered.pop(key, None)
            began = self._now()
            try:
                async with asyncio.timeout(_PATIENCE):
                    value = await self._ask_host(question, *key[:2])
            except TimeoutError as error:
                raise FleetError(f"what a generator asked took longer than {_PATIENCE:.0f} s", _NARROWER) from error
            self._remembered[key] = (value, began)
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
            return value

    async def _ask_host(
        self, question: HostRepositories | HostPullRequests | PluginParameters, hub: str, namespace: str
    ) -> Any:
        if isinstance(question, PluginParameters):
            return await plugin_parameters(
                msgspec.json.decode(question.spec),
                appset=question.appset,
                hub=self._hub(hub, "the ConfigMap of a plugin"),
                namespace=self._control_plane,
                line=self._line,
            )
        objects = self._hub(hub, "the login of a host") if hub else None
        asker = Asker(objects, namespace, self._control_plane)
        if isinstance(question, HostRepositories):
            return await self._generators.repositories(question, asker)
        return await self._generators.pulls(question, asker)

    def _hub(self, name: str, what: str) -> HubObjects:
        if not name:
            raise RefusedError(f"{what} can't be read without a hub", "name its context with --context")
        found = self._hubs(name)
        if found is None:
            raise MissingError(f"there is no hub {name}")
        return HubObjects(found)

    # --- Git and registries -----------------------------------------------------------------------------------------

    async def _of_git(self, question: GitDirectories | GitFiles, hub: str, *, fresh: bool) -> Any:
        matching = await self._matching(hub, question.project)
        repository = self._repositories.open(question.url, hub=hub, project=question.project)
        sha = await repository.resolve(question.revision or "HEAD", fetch=fresh)
        tree = await repository.tree(sha)
        if isinstance(question, GitDirectories):
            return await asyncio.to_thread(lambda: folders_of(tree.files("")))
        matches = matching(question.pattern)
        what = f"the pattern {quoted(question.pattern)} in {masked(question.url)}"
        return await asyncio.to_thread(lambda: files_of(tree.files(""), matches, what))

    async def _matching(self, hub: str, project: str) -> Callable[[str], Matches]:
        """How patterns of a hub's generators are meant.

        Raises:
            RefusedError: a generator may not read commits for the project as they are: they would have to be verified
                (applicationset/generators/git.go, `resolveSourceIntegrity`).
        """
        if not hub:
            return pathspec
        known, until = self._ways.get((hub, project), (pathspec, -math.inf))
        if self._now() < until:
            return known
        objects = self._hub(hub, "a project")
        if project and (refusal := await self._unserved(objects, project)):
            raise RefusedError(refusal)
        new = switched_on(await parameters_of(objects, self._control_plane), NEW_GLOBBING)
        found = doublestar if new else pathspec
        self._ways[hub, project] = found, self._now() + _RULES_KEPT
        return found

    async def _unserved(self, objects: HubObjects, project: str) -> str:
        try:
            return project_of(await objects.project(self._control_plane, project)).unserved
        except MissingError:
            if project == DEFAULT:
                return ""
            raise

    async def _of_artifact(self, spec: Mapping[str, Any], hub: str, *, fresh: bool) -> Any:
        url, project, pattern = str(spec.get("repoURL", "")), str(spec.get("project", "")), spec.get("pattern")
        if not url.startswith("oci://"):
            raise RefusedError(f"{quoted(masked(url))} is no artifact of a registry", "an oci generator needs oci://…")
        charts = self._charts(hub)
        digest = await charts.resolve(url, "", str(spec.get("revision", "")), project=project, refresh=fresh)
        files = await charts.files(url, "", digest, project=project)
        if pattern is None:
            return await asyncio.to_thread(folders_of, files)
        what = f"the pattern {quoted(str(pattern))} in {masked(url)}"
        return await asyncio.to_thread(files_of, files, doublestar(str(pattern)), what)


def _kept_for(question: HostRepositories | HostPullRequests | PluginParameters) -> float:
    """Seconds."""
    seconds = msgspec.json.decode(question.spec).get("requeueAfterSeconds")
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    return (seconds if known else REMEMBERED) * _OF_REQUEUE
