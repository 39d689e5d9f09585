"""From an application's sources to the manifests of all of them.

Owns: `Loader`: which files each source, and each file of values, is read from, and in whose words it is said that one
gives no manifests. Called by `fleetui.engine.sources` and `fleetui.fleet.desired`, which say what a revision means.
Never here: what is made of the files (`fleetui.engine.rendering`).

The rules are Argo CD's (v3.6 controller/state.go, `GetRepoObjs`; reposerver/repository/repository.go,
`GenerateManifest` and `runManifestGenAsync`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.engine.charttree import ChartTree
from fleetui.engine.rendering import Checkout, Place, Renderer
from fleetui.engine.sourceset import SourceSet, is_oci, is_ref_only
from fleetui.model.errors import FleetError, RepositoryUnreachableError, ToolMissingError
from fleetui.render.directory import Manifest
from fleetui.renderports import Charts, Files, Tools, Tree

_CHART_AS_REF = "source has a 'chart' field defined, but Helm charts are not yet not supported for 'ref' sources"

Resolve = Callable[[Mapping[str, Any], str], Awaitable[str]]
"""The commit, or the chart's version, that a revision means for a source."""


class Trees(Protocol):
    """What is read from a Git repository to load manifests."""

    async def tree(self, sha: str) -> Tree:
        """See `fleetui.gitports.Repository.tree`."""
        ...


class Remotes(NamedTuple):
    """Where an application's sources are read: what revisions mean, how a Git repository is opened by its URL, and the
    project whose logins to repositories of charts are used."""

    resolve: Resolve
    opened: Callable[[str], Trees]
    project: str = ""


@dataclass(frozen=True)
class Loaded:
    """The manifests of all sources in their order, with the revision and the tool (``Directory``; empty for a source
    that only gives values) of each."""

    revisions: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    tools: tuple[str, ...]


class Loader:
    """Loads manifests.

    Args:
        tools: what renders charts and kustomizations, and where charts are looked up.
    """

    def __init__(self, tools: Tools | None = None) -> None:
        self._charts = tools.charts if tools is not None else None
        self.renderer = Renderer(tools)
        self._renewed: set[tuple[str, ...]] | None = None

    def forget(self) -> None:
        """Forgets what was rendered, and fetches charts anew (hard refresh)."""
        self.renderer.forget()
        self._renewed = set()

    async def load(self, wanted: SourceSet, place: Place, remotes: Remotes, *, revisions: Sequence[str] = ()) -> Loaded:
        """The manifests of an application.

        Args:
            wanted: its sources.
            place: for whom they are rendered.
            remotes: where they are read.
            revisions: one for each source, instead of its `targetRevision`.

        Raises:
            RepositoryUnreachableError: a repository does not answer now.
            FleetError: a source gives no manifests, in Argo CD's words: which one, and why.
        """
        wishes = wanted.wishes(revisions)
        try:
            refs = wanted.refs()
        except FleetError as error:
            raise FleetError(f"failed to get ref sources: {error}") from error
        found: list[str] = []
        manifests: list[Manifest] = []
        tools: list[str] = []
        for number, (source, wish) in enumerate(zip(wanted.sources, wishes, strict=True), 1):
            which = f"failed to generate manifest for source {number} of {len(wanted.sources)}"
            try:
                if wanted.multiple and is_ref_only(source):
                    found.append(await remotes.resolve(source, wish))
                    tools.append("")
                    continue
                checkout = await self._checkout(source, wish, remotes)
                beside = await self._beside(wanted, wishes, refs, source, checkout, remotes)
                rendered = await self.renderer.render(source, checkout, place, beside)
            except RepositoryUnreachableError as error:
                raise RepositoryUnreachableError(f"{which}: {error.message}", error.hint, url=error.url) from error
            except FleetError as error:
                raise FleetError(f"{which}: {error.message}", error.hint) from error
            found.append(checkout.revision)
            manifests.extend(rendered.manifests)
            tools.append(rendered.tool)
        return Loaded(tuple(found), tuple(manifests), tuple(tools))

    async def _checkout(self, source: Mapping[str, Any], wish: str, remotes: Remotes) -> Checkout:
        revision = await remotes.resolve(source, wish)
        url, chart = text(source.get("repoURL")), text(source.get("chart"))
        if not chart and not is_oci(source):
            return Checkout(revision, wish, await remotes.opened(url).tree(revision))
        passing = mapping(source.get("helm")).get("passCredentials") is True
        fetch = partial(self._chart, url, chart, revision, project=remotes.project, passing=passing)
        return Checkout(revision, wish, ChartTree(f"{url} {chart} {revision}", fetch))

    async def _chart(self, url: str, chart: str, revision: str, *, project: str, passing: bool) -> Files:
        key = (url, chart, revision, project)
        anew = self._renewed is not None and key not in self._renewed
        files = await charts_of(self._charts).files(
            url, chart, revision, project=project, pass_credentials=passing, refresh=anew
        )
        if self._renewed is not None:
            self._renewed.add(key)
        return files

    async def _beside(
        self,
        wanted: SourceSet,
        wishes: Sequence[str],
        refs: Mapping[str, int],
        source: Mapping[str, Any],
        own: Checkout,
        remotes: Remotes,
    ) -> dict[str, Checkout]:
        """The sources that a source's files of values lie in, by ``$NAME``."""
        found: dict[str, Checkout] = {}
        first: dict[str, str] = {}
        # In a single source what begins with a dollar sign is a variable.
        for name in _named_refs(source) if wanted.multiple else ():
            if name not in refs:
                known = f"which is not one of the available sources ({', '.join(refs)})"
                raise FleetError(
                    f'source referenced "{name}", ' + (known if refs else "but no source has a 'ref' field defined")
                )
            other = wanted.sources[refs[name]]
            if other.get("chart"):
                raise FleetError(_CHART_AS_REF)
            url, target = text(other.get("repoURL")), wishes[refs[name]]
            before = first.setdefault(url, name)
            if wishes[refs[before]] != target:
                raise FleetError(
                    f"cannot reference multiple revisions for the same repository ({name} references "
                    f'"{target}" while {before} references "{wishes[refs[before]]}")'
                )
            found[name] = await self._checkout(other, target, remotes)
            if url == text(source.get("repoURL")) and found[name].revision != own.revision:
                raise FleetError(
                    f'cannot reference a different revision of the same repository ({name} references "{target}" which '
                    f'resolves to "{found[name].revision}" while the application references "{own.wish}" which '
                    f'resolves to "{own.revision}")'
                )
        return found


def charts_of(charts: Charts | None) -> Charts:
    """Where charts are looked up.

    Raises:
        ToolMissingError: nowhere.
    """
    if charts is None:
        raise ToolMissingError("charts can't be fetched here", "give spec.source.path in a Git repository")
    return charts


def _named_refs(source: Mapping[str, Any]) -> list[str]:
    """What begins with a dollar sign among the files that a Helm source names, each once."""
    helm = mapping(source.get("helm"))
    parameters = (text(each.get("path")) for each in mappings(helm.get("fileParameters")))
    files = [*strings(helm.get("valueFiles")), *parameters]
    return list(dict.fromkeys(file.partition("/")[0] for file in files if file.startswith("$")))
