"""What `appset generate` generates from, besides the file: clusters, folders, a hub.

Owns: `inputs`, the composition for it; `clusters_in`, a file of clusters; `registered`, those of a hub. What is heavy
is imported when it is needed.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from fleetui.cli.connect import Connection
from fleetui.cli.files import objects_in
from fleetui.cli.hosting import Hosting
from fleetui.cli.options import Scope
from fleetui.cli.renderers import Renderers
from fleetui.config import Paths, load_settings
from fleetui.engine.application import mapping
from fleetui.engine.appset import RegisteredCluster
from fleetui.engine.appset.ports import Answers
from fleetui.engine.appset.questions import Answer, GitDirectories, GitFiles, Question
from fleetui.engine.giturl import normalized
from fleetui.model.errors import FleetError, UsageError
from fleetui.model.objects import ClusterName, Obj
from fleetui.ports import Cluster

_SECRET_TYPE = ("argocd.argoproj.io/secret-type", "cluster")
_FIELDS = frozenset(RegisteredCluster.__struct_fields__)


class Inputs:
    """What there is to generate from.

    Args:
        clusters: those that are registered.
        world: who answers, as `hub` is to be asked, or no hub.
        folders: folders of this machine that stand for repositories, by URL.
    """

    def __init__(
        self, clusters: Sequence[RegisteredCluster], world: Answers, hub: ClusterName, folders: Mapping[str, Path]
    ) -> None:
        self.clusters = clusters
        self._world = world
        self._hub = hub
        self._folders = {normalized(url): folder for url, folder in folders.items()}

    async def answer(self, question: Question, namespace: str) -> Answer:
        """What a generator of an ApplicationSet of `namespace` asked."""
        if isinstance(question, GitDirectories | GitFiles) and normalized(question.url) in self._folders:
            return await asyncio.to_thread(_in_folder, question, self._folders[normalized(question.url)])
        return await self._world.answer(question, hub=self._hub, namespace=namespace)


@asynccontextmanager
async def inputs(
    scope: Scope, clusters: Path | None, folders: Mapping[str, Path], environment: Mapping[str, str]
) -> AsyncIterator[Inputs]:
    """What there is to generate from, until the block ends.

    Args:
        scope: the hub, where it names a context; without one no cluster is asked anything.
        clusters: a file of clusters, instead of the hub's.
        folders: folders of this machine that stand for repositories, by URL.
        environment: its variables.

    Raises:
        UsageError: several contexts are named, or the file holds no clusters.
        ClusterError: the hub does not say which clusters it has registered.
    """
    settings = load_settings(Paths.of(environment).settings_file)
    listed = None if clusters is None else clusters_in(clusters)
    async with AsyncExitStack() as stack:
        if scope.contexts or scope.all_contexts:
            connection = Connection(scope)
            stack.push_async_callback(connection.close)
            if len(connection.stores) != 1:
                raise UsageError("an ApplicationSet has one hub", "name one context")
            hub = connection.stores[0].api
            found = await registered(hub, settings.argocd_namespaces) if listed is None else listed
            yield Inputs(found, connection.hosting, hub.name, folders)
            return
        from backends.git import GitRepositories

        renderers = Renderers()
        stack.push_async_callback(renderers.close)
        repositories = GitRepositories(submodules=settings.git_submodules)
        stack.push_async_callback(repositories.close)
        hosting = Hosting(repositories, charts=lambda _: renderers.charts, kinds=settings.git_hosts)
        stack.push_async_callback(hosting.close)
        yield Inputs(listed or (), hosting, ClusterName(""), folders)


async def registered(hub: Cluster, namespaces: Sequence[str]) -> list[RegisteredCluster]:
    """The clusters that a hub has registered.

    Raises:
        ClusterError: it does not answer, or does not permit it.
    """
    from backends.argocd_clusters import ClusterSecrets
    from fleetui.fleet.dispatch import stored_of

    reader = ClusterSecrets(tuple(namespaces))
    return [
        RegisteredCluster.of(reader.read(stored_of(secret)))
        for namespace in reader.namespaces
        for secret in await hub.list(reader.resource, namespace, labels=reader.labels)
    ]


# --- clusters of a file ---------------------------------------------------------------------------------------


def clusters_in(file: Path) -> list[RegisteredCluster]:
    """The clusters of a file of YAML or JSON: Secrets as ``kubectl get secrets -o yaml`` has them, of which those that
    register no cluster are left out, or maps with a name, a server, and perhaps a project, labels and annotations.

    Raises:
        UsageError: it can't be read, or holds something else, or none.
        ManifestError: it is no YAML.
    """
    found = []
    for document in objects_in(file):
        for item in document.value if isinstance(document.value, list) else [document.value]:
            cluster = _cluster(item, f"{file}:{document.line}")
            found += [] if cluster is None else [cluster]
    if not found:
        raise UsageError(f"{file} holds no clusters", "Secrets of clusters, or maps with a name and a server")
    return found


def _cluster(item: Any, where: str) -> RegisteredCluster | None:
    if isinstance(item, dict) and item.get("kind") == "Secret":
        return _of_secret(item, where)
    unknown = sorted(item.keys() - _FIELDS) if isinstance(item, dict) else []
    if unknown:
        raise UsageError(f"{where}: a cluster has no field {unknown[0]}", f"it has {', '.join(sorted(_FIELDS))}")
    try:
        return msgspec.convert(item, RegisteredCluster)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: this is no cluster: {error}", "it has a name and a server") from error


def _of_secret(secret: Obj, where: str) -> RegisteredCluster | None:
    from backends.argocd_clusters import ClusterSecrets
    from fleetui.fleet.dispatch import stored_of

    key, value = _SECRET_TYPE
    if mapping(mapping(secret.get("metadata")).get("labels")).get(key) != value:
        return None
    written = {name: text for name, text in mapping(secret.get("stringData")).items() if isinstance(text, str)}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in written.items()}
    try:
        registration = ClusterSecrets().read(stored_of({**secret, "data": {**mapping(secret.get("data")), **data}}))
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: this is no Secret: {error}") from error
    if not registration.server:
        raise UsageError(f"{where}: {registration.source} says no server", "its data is base64")
    return RegisteredCluster.of(registration)


# --- folders instead of repositories --------------------------------------------------------------------------


def _in_folder(question: GitDirectories | GitFiles, folder: Path) -> Answer:
    """What a repository's question has for an answer in a folder of this machine, as it lies there. Blocking."""
    from backends.appset_files import files_of, folders_of, pathspec
    from backends.folder_tree import FolderTree

    try:
        files = FolderTree(folder).files("")
        if isinstance(question, GitDirectories):
            return Answer(folders_of(files))
        return Answer(files_of(files, pathspec(question.pattern), f"the pattern {question.pattern} in {folder}"))
    except FleetError as error:
        return Answer(problem=str(error))
