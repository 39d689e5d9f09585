"""One source becomes manifests, and stays them for as long as nothing that they depend on changes.

Owns: `Renderer`: which tool a source needs, what that tool is given, and a memory by content: of a rendering it is kept
what was looked at, so that a commit which touches none of it renders nothing. Called by `fleetui.engine.sources`. Never
here: revisions (they are resolved before), Git, charts' repositories.

The rules are Argo CD's (v3.6, reposerver/repository/repository.go: `GenerateManifests`, `newEnv`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.engine.noting import NotedTree
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
from fleetui.render.cache import ByteCache
from fleetui.render.detect import Tool, detect
from fleetui.render.directory import Manifest
from fleetui.render.environment import build_environment, expand
from fleetui.render.kustomize import Unsupported, build
from fleetui.render.source import folder_of, from_directory, from_stream, refusal
from fleetui.renderports import Charts, Files, Helm, Kustomize, KustomizeRequest, Tree

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
    project: str = "default"
    discovery: Discovery = Discovery(())  # noqa: RUF009 - it is immutable
    source_repos: tuple[str, ...] = ("*",)

    @property
    def key(self) -> tuple[object, ...]:
        """What of it a tool is told."""
        served = self.discovery
        return self.app, self.namespace, self.project, served.version, served.api_versions, self.source_repos


@dataclass(frozen=True)
class Checkout:
    """The files of a source at the revision that it was resolved to."""

    revision: str
    tree: Tree


@dataclass(frozen=True)
class Rendered:
    """The manifests of one source, and the tool as `status.sourceType` names it."""

    manifests: tuple[Manifest, ...]
    tool: str


@dataclass(frozen=True)
class _Memory:
    """One rendering: its outcome, and all that it depends on. `place` and `environment` are None where they have no
    part in it."""

    trees: Mapping[str, NotedTree]
    place: tuple[object, ...] | None
    environment: Mapping[str, str] | None
    outcome: Rendered | FleetError

    def holds(self, trees: Mapping[str, Tree], place: Place, environment: Mapping[str, str]) -> bool:
        return (
            self.environment in (None, environment)
            and (self.place is None or self.place == place.key)
            and all(name in trees and noted.unchanged(trees[name]) for name, noted in self.trees.items())
        )


class Renderer:
    """Renders sources; one for each engine.

    Args:
        helm, charts, kustomize: the tools there are; a source that needs another one is refused by name.
        memory: bytes that remembered manifests may take, about.
    """

    def __init__(
        self,
        *,
        helm: Helm | None = None,
        charts: Charts | None = None,
        kustomize: Kustomize | None = None,
        memory: int = MEMORY,
    ) -> None:
        self._helm = helm
        self._charts = charts
        self._kustomize = kustomize
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
            refs: the sources that value files may lie in, by ``$NAME``.

        Raises:
            FleetError: it can't be rendered; with file and line where they are known.
        """
        trees = {"": checkout.tree, **{name: each.tree for name, each in (refs or {}).items()}}
        environment = _environment(source, checkout.revision, place)
        own = {key: value for key, value in source.items() if key not in _WITHOUT}
        raw = msgspec.json.encode(own, order="sorted")
        known = self._memory.get(raw) or ()
        found = next((each for each in known if each.holds(trees, place, environment)), None)
        if found is None:
            found = await self._remembered(source, trees, place, environment, raw)
            kept = (found, *known[: _VERSIONS - 1])
            if not isinstance(found.outcome, _PASSING):
                self._memory.put(raw, kept, size=sum(map(_size, kept)))
        if isinstance(found.outcome, FleetError):
            raise found.outcome.with_traceback(None)
        return found.outcome

    async def _remembered(
        self,
        source: Mapping[str, Any],
        trees: Mapping[str, Tree],
        place: Place,
        environment: Mapping[str, str],
        raw: bytes,
    ) -> _Memory:
        self.renders += 1
        noted = {name: NotedTree(tree) for name, tree in trees.items()}
        work = _Work(source, noted, place, environment, self._helm, self._charts, self._kustomize)
        outcome: Rendered | FleetError
        try:
            outcome = await work.rendered()
        except FleetError as error:
            outcome = error
        return _Memory(
            trees={name: tree for name, tree in noted.items() if tree.seen},
            place=place.key if work.tool not in (None, Tool.DIRECTORY) else None,
            environment=environment if b"ARGOCD_" in raw else None,
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
        helm: Helm | None,
        charts: Charts | None,
        kustomize: Kustomize | None,
    ) -> None:
        self._source = source
        self._trees = trees
        self._place = place
        self._environment = environment
        self._helm = helm
        self._charts = charts
        self._kustomize = kustomize
        self.tool: Tool | None = None

    async def rendered(self) -> Rendered:
        # Large folders take hundreds of milliseconds, which the watches of this loop must not wait for.
        self.tool, files = await asyncio.to_thread(self._detected)
        refused = refusal(self._source, self.tool)
        if refused is not None:
            raise refused
        if self.tool is Tool.KUSTOMIZE:
            manifests = await self._kustomized()
        elif self.tool is Tool.HELM:
            manifests = await self._templated(files)
        else:
            manifests = await asyncio.to_thread(from_directory, self._source, files)
        return Rendered(tuple(manifests), self.tool.value)

    def _detected(self) -> tuple[Tool, Files]:
        folder = folder_of(self._source)
        try:
            files = self._trees[""].files(folder)
        except PathNotFoundError as error:
            raise _no_folder(self._source, self._trees[""], folder) from error
        return detect(self._source, files), files

    async def _kustomized(self) -> list[Manifest]:
        options = _kustomize_options(self._source, self._environment)
        folder = folder_of(self._source)
        everything = self._trees[""].files("")
        try:
            return await asyncio.to_thread(build, everything, folder, options)
        except Unsupported as unsupported:
            if self._kustomize is None:
                raise
            request = KustomizeRequest(
                files=everything,
                folder=folder,
                options=options,
                kube_version=self._place.discovery.version,
                api_versions=self._place.discovery.api_versions,
            )
            try:
                stream = await self._kustomize.build(request)
            except ToolMissingError as missing:
                raise ToolMissingError(str(unsupported), missing.hint) from missing
        return await asyncio.to_thread(from_stream, stream, f"{folder or '.'}/kustomization.yaml")

    async def _templated(self, files: Files) -> list[Manifest]:
        raise ToolMissingError("Helm charts can't be rendered here yet")


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


def _kustomize_options(source: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """`spec.source.kustomize` with the build environment filled in where Argo CD does (util/kustomize/kustomize.go)."""
    options = dict(mapping(source.get("kustomize")))
    if isinstance(options.get("images"), list):
        options["images"] = [expand(each, environment) if isinstance(each, str) else each for each in options["images"]]
    filled = ["commonLabels"]
    if options.get("commonAnnotationsEnvsubst") is True:
        filled.append("commonAnnotations")
    for key in filled:
        if options.get(key):
            options[key] = {name: expand(str(value), environment) for name, value in mapping(options[key]).items()}
    return options


def _no_folder(source: Mapping[str, Any], tree: Tree, folder: str) -> FleetError:
    what = "app path is not a directory" if tree.oid(folder) else "app path does not exist"
    return RefusedError(f"{text(source.get('path'))}: {what}") if tree.oid(folder) else FleetError(
        f"{text(source.get('path'))}: {what}"
    )


def _size(memory: _Memory) -> int:
    looked = sum(len(path) + len(oid) + 100 for tree in memory.trees.values() for path, oid in tree.seen.items())
    if isinstance(memory.outcome, FleetError):
        return looked + 1000
    return looked + _DECODED * sum(len(msgspec.json.encode(each.obj)) + 200 for each in memory.outcome.manifests)
