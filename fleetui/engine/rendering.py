"""One source becomes manifests, and stays them for as long as nothing that they depend on changes.

Owns: `Renderer`: which tool a source needs, what that tool is given, and a memory by content: of a rendering it is kept
what was looked at, so that a commit which touches none of it renders nothing. Called by `fleetui.engine.loading`. Never
here: revisions (they are resolved before), Git, charts' repositories.

The rules are Argo CD's (v3.6, reposerver/repository/repository.go: `GenerateManifests`, `newEnv`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from fleetui.engine.application import Application, mapping, text
from fleetui.engine.charttree import ChartTree
from fleetui.engine.noting import NotedTree, Seen
from fleetui.model.errors import (
    ChartError,
    ClusterError,
    FleetError,
    GitError,
    PathNotFoundError,
    RefusedError,
    ToolMissingError,
)
from fleetui.model.objects import Discovery
from fleetui.model.text import quoted
from fleetui.render import kustomize
from fleetui.render.cache import ByteCache
from fleetui.render.detect import Tool, detect
from fleetui.render.directory import Manifest
from fleetui.render.environment import build_environment
from fleetui.render.helm import printed, substituted
from fleetui.render.helm_values import Places, ValueFile, parameter_files, value_files
from fleetui.render.source import folder_of, from_directory, from_stream, overridden, refusal
from fleetui.renderports import Files, HelmRequest, KustomizeRequest, Tools, Tree

MEMORY = 192 * 1024 * 1024
"""Bytes that remembered manifests may take together, about: 1,000 applications of 20 objects take a third of it."""

_DECODED = 5
"""How much more memory an object takes than its JSON."""
_VERSIONS = 3
"""How many renderings of one source are remembered: the branch, and what an operation or a diff looks at beside it."""
_PASSING = (ToolMissingError, ChartError, ClusterError, GitError)
"""Failures that are not the content's, so that the next try may come out otherwise."""
_WITHOUT = frozenset({"targetRevision", "ref", "name", "tagPrefix"})
"""Fields of a source that have no part in what it renders to."""


@dataclass(frozen=True)
class Place:
    """For whom a source is rendered: the application's name within tracking ids, its namespace and project, and what
    its destination serves."""

    app: str
    namespace: str
    discovery: Discovery
    project: str = "default"
    source_repos: tuple[str, ...] = ("*",)
    build_options: str = ""

    @classmethod
    def of(
        cls,
        app: Application,
        instance: str,
        discovery: Discovery,
        source_repos: tuple[str, ...] = ("*",),
        *,
        build_options: str = "",
    ) -> Place:
        """Where an application is rendered for; `instance` is its name within tracking ids, `source_repos` what its
        project lets a chart's dependencies and remote bases come from, `build_options` what its hub wants of every
        `kustomize build`."""
        return cls(instance, app.destination_namespace, discovery, app.project, source_repos, build_options)

    @property
    def key(self) -> tuple[object, ...]:
        """What of it a tool is told."""
        served = self.discovery
        return self.app, self.namespace, self.project, served.version, served.api_versions, self.source_repos


@dataclass(frozen=True)
class Checkout:
    """The files of a source at the `revision` that its `wish` was resolved to."""

    revision: str
    wish: str
    tree: Tree


@dataclass(frozen=True)
class Rendered:
    """The manifests of one source, and the tool as `status.sourceType` names it."""

    manifests: tuple[Manifest, ...]
    tool: str


@dataclass(frozen=True)
class _Memory:
    """One rendering: its outcome, and all that it depends on. `environment` has the variables that the source names;
    `place` is None where it has no part in it."""

    trees: Mapping[str, Seen]
    place: tuple[object, ...] | None
    environment: Mapping[str, str]
    outcome: Rendered | FleetError

    def holds(self, trees: Mapping[str, Tree], place: Place, environment: Mapping[str, str]) -> bool:
        return (
            self.environment.items() <= environment.items()
            and (self.place is None or self.place == place.key)
            and all(name in trees and seen.is_in(trees[name]) for name, seen in self.trees.items())
        )


class Renderer:
    """Renders sources; one for each engine.

    Args:
        tools: the tools there are; a source that needs another one is refused by name.
        memory: bytes that remembered manifests may take, about.
    """

    def __init__(self, tools: Tools | None = None, *, memory: int = MEMORY) -> None:
        self._tools = tools or Tools()
        self._limit = memory
        self._memory: ByteCache[tuple[_Memory, ...]] = ByteCache(memory)
        self.renders = 0
        """How often something was rendered, and not remembered (for tests and `/metrics`)."""

    def forget(self) -> None:
        """Forgets what was rendered, failures too (hard refresh)."""
        self._memory = ByteCache(self._limit)

    async def render(
        self, source: Mapping[str, Any], checkout: Checkout, place: Place, refs: Mapping[str, Checkout] | None = None
    ) -> Rendered:
        """The manifests of a source.

        Args:
            source: an Application's `spec.source`, or one of its `sources`.
            checkout: its files.
            place: for whom.
            refs: the sources that files of values may lie in, by ``$NAME``.

        Raises:
            FleetError: it can't be rendered; with file and line where they are known.
        """
        trees = {"": checkout.tree, **{name: each.tree for name, each in (refs or {}).items()}}
        environment = _environment(source, checkout.revision, place)
        own = {key: value for key, value in source.items() if key not in _WITHOUT}
        # A file of the folder may say more of a source for one application (`.argocd-source-APP.yaml`).
        raw = msgspec.json.encode([place.app, place.build_options, own], order="sorted")
        known = self._memory.get(raw) or ()
        found = next((each for each in known if each.holds(trees, place, environment)), None)
        if found is None:
            found = await self._anew(source, trees, place, environment)
            kept = (found, *known[: _VERSIONS - 1])
            if not isinstance(found.outcome, _PASSING):
                self._memory.put(raw, kept, size=sum(map(_size, kept)))
        if isinstance(found.outcome, FleetError):
            raise found.outcome.with_traceback(None)
        return found.outcome

    async def _anew(
        self, source: Mapping[str, Any], trees: Mapping[str, Tree], place: Place, environment: Mapping[str, str]
    ) -> _Memory:
        self.renders += 1
        noted = {name: NotedTree(tree) for name, tree in trees.items()}
        work = _Work(source, noted, place, environment, self._tools)
        outcome: Rendered | FleetError
        try:
            for tree in trees.values():
                if isinstance(tree, ChartTree):
                    await tree.fetch()
            outcome = await work.rendered()
        except FleetError as error:
            outcome = error
        written = msgspec.json.encode(work.source).decode()
        return _Memory(
            trees={name: tree.seen for name, tree in noted.items() if tree.seen},
            place=place.key if work.told else None,
            environment={name: value for name, value in environment.items() if name in written},
            outcome=outcome,
        )


class _Work:
    """One rendering."""

    def __init__(
        self,
        source: Mapping[str, Any],
        trees: Mapping[str, NotedTree],
        place: Place,
        environment: Mapping[str, str],
        tools: Tools,
    ) -> None:
        self.source = source
        self._trees = trees
        self._place = place
        self._environment = environment
        self._tools = tools
        self.told = False
        """Whether a tool was told of the place. `source` is in the end as files of its folder change it."""

    async def rendered(self) -> Rendered:
        # Large folders take hundreds of milliseconds, which the watches of this loop must not wait for.
        tool, files = await asyncio.to_thread(self._detected)
        refused = refusal(self.source, tool)
        if refused is not None:
            raise refused
        if tool is Tool.KUSTOMIZE:
            manifests = await self._kustomized()
        elif tool is Tool.HELM:
            manifests = await self._templated(files)
        else:
            manifests = await asyncio.to_thread(from_directory, self.source, files)
        return Rendered(tuple(manifests), tool.value)

    def _detected(self) -> tuple[Tool, Files]:
        folder = folder_of(self.source)
        try:
            files = self._trees[""].files(folder)
        except PathNotFoundError as error:
            raise _no_folder(self.source, self._trees[""], folder) from error
        self.source = overridden(self.source, files, self._place.app)
        return detect(self.source, files), files

    async def _kustomized(self) -> list[Manifest]:
        if option := kustomize.refused_option(self._place.build_options):
            message = f"kustomize.buildOptions of argocd-cm has {quoted(option)}, which is not supported here"
            raise RefusedError(message, "take it out of argocd-cm")
        options = kustomize.substituted(mapping(self.source.get("kustomize")), self._environment)
        folder = folder_of(self.source)
        everything = self._trees[""].files("")
        try:
            return await asyncio.to_thread(kustomize.build, everything, folder, options)
        except kustomize.Unsupported as unsupported:
            if self._tools.kustomize is None:
                raise
            self.told = True
            request = KustomizeRequest(
                files=everything,
                folder=folder,
                options=options,
                kube_version=self._place.discovery.version,
                api_versions=self._place.discovery.api_versions,
                project=self._place.project,
                source_repos=self._place.source_repos,
            )
            try:
                stream = await self._tools.kustomize.build(request)
            except ToolMissingError as missing:
                raise ToolMissingError(str(unsupported), missing.hint) from missing
        return await asyncio.to_thread(from_stream, stream, f"{folder or '.'}/kustomization.yaml")

    async def _templated(self, files: Files) -> list[Manifest]:
        if self._tools.helm is None:
            raise ToolMissingError("a Helm chart needs helm to be rendered", "install helm")
        self.told = True
        place, options = self._place, mapping(self.source.get("helm"))
        chart = text(self.source.get("chart"))
        everything = self._trees[""].files("")
        refs = {name: tree.files("") for name, tree in self._trees.items() if name}
        places = Places(files=everything, folder=folder_of(self.source), refs=refs)
        try:
            values = await asyncio.to_thread(value_files, options, places, self._environment)
        except RefusedError as error:
            raise RefusedError(f"error resolving helm value files: {error}") from error
        parameters = await asyncio.to_thread(parameter_files, options, places, self._environment)
        request = HelmRequest(
            chart=files,
            options=substituted(options, self._environment),
            values=[(file.name, await self._content(file)) for file in values],
            file_parameters={name: await self._content(file) for name, file in parameters.items()},
            release=place.app.rpartition("_")[2],
            namespace=place.namespace,
            kube_version=place.discovery.version,
            api_versions=place.discovery.api_versions,
            chart_name=chart or places.folder or ".",
            repository={} if chart else everything,
            folder="" if chart else places.folder,
            project=place.project,
            source_repos=place.source_repos,
        )
        stream = await self._tools.helm.template(request)
        return await asyncio.to_thread(partial(printed, stream, chart=request.chart_name))

    async def _content(self, file: ValueFile) -> bytes:
        if file.url:
            if self._tools.charts is None:
                raise ToolMissingError(f"the file of values {file.name} can't be fetched here")
            return await self._tools.charts.remote(file.url)
        return await asyncio.to_thread(self._trees[file.source].files("").__getitem__, file.path)


def _environment(source: Mapping[str, Any], revision: str, place: Place) -> dict[str, str]:
    return build_environment(
        app=place.app,
        namespace=place.namespace,
        project=place.project,
        revision=revision,
        repo_url=text(source.get("repoURL")),
        path=text(source.get("path")),
        target_revision=text(source.get("targetRevision")),
    )


def _no_folder(source: Mapping[str, Any], tree: Tree, folder: str) -> FleetError:
    what = "is not a directory" if tree.oid(folder) else "does not exist"
    return FleetError(f"{text(source.get('path'))}: app path {what}")


def _size(memory: _Memory) -> int:
    looked = sum(200 * (len(seen.oids) + len(seen.absent)) for seen in memory.trees.values())
    if isinstance(memory.outcome, FleetError):
        return looked + 1000
    return looked + _DECODED * sum(len(msgspec.json.encode(each.obj)) + 200 for each in memory.outcome.manifests)
