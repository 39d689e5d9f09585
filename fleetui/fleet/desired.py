"""What Git says an application should be, at one commit.

Owns: `Desired`, `Desires`. Called by the differ and the planner. The engine's own functions render, fill in and track,
so that console and engine see the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fleetui.engine.application import Application, text
from fleetui.engine.desired import Targets, targets_of
from fleetui.engine.giturl import normalized
from fleetui.engine.loading import Loaded, Loader, Remotes, Trees, charts_of
from fleetui.engine.rendering import Place
from fleetui.engine.sourceset import SourceSet, is_oci
from fleetui.engine.tracking import instance_name
from fleetui.fleet.editedtree import Edited
from fleetui.fleet.subject import Subject
from fleetui.gitports import Repositories, Repository
from fleetui.model.errors import FleetError, RevisionNotFoundError
from fleetui.model.objects import ClusterName, Discovery, Obj
from fleetui.renderports import Tools, Tree

T = TypeVar("T")


@dataclass(frozen=True)
class Desired:
    """The desired objects, and what the destination cluster serves. `sha` is the commit of the source, or of the first
    of several that gives manifests."""

    sha: str
    targets: Targets
    discovery: Discovery


class Shared:
    """What is found out once for many Applications that are rendered one after the other: what revisions mean, and the
    trees of commits."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def once(self, key: tuple[str, ...], ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `ask` answers, which is asked once for each key."""
        if key not in self._found:
            self._found[key] = asyncio.ensure_future(ask())
            # Looked at, so that asyncio does not report an error that nobody waits for any more.
            self._found[key].add_done_callback(lambda task: task.cancelled() or task.exception())
        found: T = await asyncio.shield(self._found[key])
        return found


class _Remembered:
    """The trees of a repository, each asked for once."""

    def __init__(self, repository: Trees, key: tuple[str, ...], shared: Shared) -> None:
        self._repository = repository
        self._key = key
        self._shared = shared

    async def tree(self, sha: str) -> Tree:
        return await self._shared.once((*self._key, sha), partial(self._read, sha))

    async def _read(self, sha: str) -> Tree:
        return await self._repository.tree(sha)


class Desires:
    """Finds out what is desired.

    Args:
        repositories: where Git repositories are opened.
        tools: what renders charts and kustomizations, and where charts are looked up.
    """

    def __init__(self, repositories: Repositories, tools: Tools | None = None) -> None:
        self._repositories = repositories
        self._charts = tools.charts if tools is not None else None
        self._loader = Loader(tools)

    async def of(
        self, subject: Subject, *, revision: str, history_id: int | None = None, fetch: bool = False
    ) -> Desired:
        """The desired state of an application.

        Args:
            subject: the application.
            revision: branch, tag or commit; empty for the source's `targetRevision`. Of several sources the revisions
                that were last compared are taken where it is one of them, else those that they follow.
            history_id: take the sources of this history entry, and its revisions, instead of the present ones.
            fetch: ask the remotes for what is new first.

        Raises:
            FleetError: a repository, revision or folder can't be had, or it can't be rendered; with file and line.
            ClusterError: the destination cluster could not be asked what it serves.
        """
        wanted = subject.sources(history_id)
        revisions: tuple[str, ...] = (revision,) if revision else ()
        if wanted.multiple:
            known = subject.revisions(wanted, history_id)
            revisions = known if history_id is not None or revision in known else ()
        discovery = await subject.place.api.discover()
        overrides = await subject.overrides()
        app, project = Application(subject.stored.decode()), subject.app.project
        place = Place.of(app, subject.tracking, discovery, build_options=overrides.kustomize_options)
        opened = partial(self._repositories.open, hub=subject.app.key.hub, project=project)
        remotes = Remotes(partial(self._resolve, opened, project=project, fetch=fetch), opened, project)
        loaded = await self._load(wanted, place, remotes, revisions)
        targets = targets_of(
            loaded.manifests,
            discovery,
            app=subject.tracking,
            namespace=subject.app.destination.namespace,
            tracking=overrides.tracking,
        )
        return Desired(_first(wanted, loaded.revisions, loaded.tools), targets, discovery)

    async def loaded(
        self,
        obj: Obj,
        *,
        hub: ClusterName,
        discovery: Discovery,
        build_options: str = "",
        shared: Shared,
        edited: Mapping[tuple[str, str], bytes] | None = None,
    ) -> Loaded:
        """The manifests of an Application that need not be in its hub.

        Args:
            obj: the Application.
            hub: whose logins are used.
            discovery: what its destination serves.
            build_options: what the hub wants of every ``kustomize build``.
            shared: among all that are rendered together.
            edited: files of Git as they are to be, by repository and path from its root.

        Raises:
            FleetError: as `of`.
        """
        app = Application(obj)
        place = Place.of(app, instance_name(app.namespace, app.name), discovery, build_options=build_options)
        opened = partial(self._repositories.open, hub=hub, project=app.project)

        def trees(url: str) -> Trees:
            remembered = _Remembered(opened(url), ("tree", hub, app.project, url), shared)
            mine = {path: each for (of, path), each in (edited or {}).items() if normalized(of) == normalized(url)}
            return Edited(remembered, mine) if mine else remembered

        def resolve(source: Mapping[str, Any], wish: str) -> Awaitable[str]:
            named = (text(source.get(key)) for key in ("repoURL", "chart", "tagPrefix"))
            ask = partial(self._resolve, opened, source, wish, project=app.project, fetch=False)
            return shared.once(("revision", hub, app.project, wish, *named), ask)

        return await self._load(SourceSet.of(app.spec), place, Remotes(resolve, trees, app.project))

    async def _load(self, wanted: SourceSet, place: Place, remotes: Remotes, revisions: tuple[str, ...] = ()) -> Loaded:
        try:
            return await self._loader.load(wanted, place, remotes, revisions=revisions)
        except FleetError as error:
            if not wanted.multiple and error.__cause__ is not None:
                # Which of the sources it is needs no saying.
                raise error.__cause__ from None
            raise

    async def _resolve(
        self, opened: Callable[[str], Repository], source: Mapping[str, Any], wish: str, *, project: str, fetch: bool
    ) -> str:
        url, chart = text(source.get("repoURL")), text(source.get("chart"))
        if chart or is_oci(source):
            return await charts_of(self._charts).resolve(url, chart, wish, project=project, refresh=fetch)
        repository, prefix = opened(url), text(source.get("tagPrefix"))
        try:
            return await repository.resolve(wish or "HEAD", fetch=fetch, tag_prefix=prefix)
        except RevisionNotFoundError:
            if fetch:
                raise
            # The engine may have seen a commit that this mirror has not fetched yet.
            return await repository.resolve(wish or "HEAD", fetch=True, tag_prefix=prefix)


def _first(wanted: SourceSet, revisions: tuple[str, ...], tools: tuple[str, ...]) -> str:
    found = (sha for source, sha, tool in zip(wanted.sources, revisions, tools, strict=True) if tool and sha)
    return next(found, revisions[0])
