"""The Protocols about turning an application's sources into manifests: trees, charts and the tools that render them.

Owns: what `fleetui.engine.rendering` asks of a commit's files, of chart repositories and of the `helm` and `kustomize`
binaries. Implemented in `backends`; wired together in `fleetui.cli`. The methods raise the errors of
`fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

Files = Mapping[str, bytes]
"""Files by their path with forward slashes; a symbolic link is the file that it leads to. Reading one may block (it is
read when it is asked for), so this is for threads, never for the event loop. Iterating names every file."""


class Tree(Protocol):
    """The files of one commit, by their path from the repository's root. For threads, like all `Files`."""

    @property
    def sha(self) -> str: ...

    def oid(self, path: str) -> str:
        """What names the content of a file or folder: the same id is the same content. Empty where nothing is there."""
        ...

    def files(self, folder: str) -> Files:
        """What lies below a folder, by the path relative to it (``""``: the whole commit).

        Raises:
            PathNotFoundError: there is no such folder.
            RefusedError: a path or a symbolic link leads out of the repository.
        """
        ...


class HelmRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One `helm template`: what of the application's source and destination it depends on.

    `chart` are the chart's files; `options` is `spec.source.helm` after `fleetui.render.helm.substituted`; `values` are
    the files that `options.valueFiles` names (`fleetui.render.helm_values` says which), in order, read already, each
    with the name that messages use for it; `file_parameters` the contents that `options.fileParameters` name, by
    parameter name. `release`, `namespace`, `kube_version` and `api_versions` are the application's and its cluster's;
    what `options` says of them wins.
    """

    chart: Files
    options: Mapping[str, Any] = {}
    values: Sequence[tuple[str, bytes]] = ()
    file_parameters: Mapping[str, bytes] = {}
    release: str
    namespace: str
    kube_version: str = ""
    api_versions: Sequence[str] = ()
    chart_name: str = ""
    """How messages name the chart."""
    repository: Files = {}
    """Every file of the commit that the chart lies in, for dependencies on ``file://``; empty for a chart of a
    repository of charts, which holds all that it may depend on so."""
    folder: str = ""
    """Where in `repository` the chart lies."""
    project: str = ""
    source_repos: Sequence[str] = ("*",)
    """What the project's `spec.sourceRepos` lets the chart's dependencies come from."""


class Helm(Protocol):
    """Renders charts."""

    async def template(self, request: HelmRequest) -> bytes:
        """The manifests as one YAML stream, each document with Helm's ``# Source:`` comment.

        Raises:
            ToolMissingError: there is neither the binary nor the extra.
            ManifestError: the chart does not render; file and line where Helm names them.
            ChartError, RefusedError: a dependency can't be fetched, or the project does not allow its repository.
        """
        ...


class Charts(Protocol):
    """Charts that lie in repositories of charts: HTTP ones with an index, and OCI registries.

    An ``oci://`` repository with an empty `chart` is an artifact of manifests or of a chart (Argo CD 3.1); its versions
    resolve to a digest. `project` is the AppProject whose application asks: it may have a login of its own, and nothing
    that was had with that is given to another.
    """

    async def resolve(self, repo: str, chart: str, version: str, *, project: str = "", refresh: bool = False) -> str:
        """The newest version that `version`, a semantic version or a range of them, allows.

        Raises:
            ChartError: the repository can't be read, or has no such chart or version.
        """
        ...

    async def files(
        self,
        repo: str,
        chart: str,
        version: str,
        *,
        project: str = "",
        pass_credentials: bool = False,
        refresh: bool = False,
    ) -> Files:
        """The files of one version of a chart, by their path from the chart's own folder. Remembered on disk until
        `refresh`, which is for a hard one.

        Raises:
            ChartError: as for `resolve`, and for an archive that is no chart or is too large.
        """
        ...

    async def remote(self, url: str) -> bytes:
        """A file of values that lies at an ``http://`` or ``https://`` address; no login is sent.

        Raises:
            ChartError: it can't be read, or is too large.
        """
        ...


class KustomizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One build: the repository's files, the folder, and `spec.source.kustomize` as written."""

    files: Files
    folder: str
    options: Mapping[str, Any] = {}
    kube_version: str = ""
    api_versions: Sequence[str] = ()
    project: str = ""
    source_repos: Sequence[str] = ("*",)
    """What the project's `spec.sourceRepos` lets bases in other repositories come from."""


class Kustomize(Protocol):
    """Builds what the native builder refuses, with a binary."""

    async def build(self, request: KustomizeRequest) -> bytes:
        """The manifests as one YAML stream.

        Raises:
            ToolMissingError: there is neither `kustomize` nor `kubectl`.
            ManifestError: it does not build; with the binary's own words.
            RefusedError: it leads out of the repository, and the project does not allow that.
        """
        ...


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The tools and repositories of charts that there are beside Git; a source that needs another is refused."""

    helm: Helm | None = None
    charts: Charts | None = None
    kustomize: Kustomize | None = None
