"""Charts rendered by helm.

Owns: `HelmBinary`, which implements `fleetui.renderports.Helm`: with the `helm` binary, else with the Helm SDK of the
extra ``fleetui[helm]`` in a process of its own. What it is told and what it prints is in `fleetui.render.helm`, what a
chart depends on in `fleetui.render.helm_dependencies`, how a process is run in `backends.tool_process`. Called by the
composition root. Rules: Argo CD 3.6 (`helmTemplate` in reposerver/repository/repository.go).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

from backends.tool_process import Finished, lay_out, run, workplace
from fleetui.engine.projects import Project
from fleetui.model.errors import ManifestError, RefusedError, ToolMissingError
from fleetui.model.text import masked, quoted
from fleetui.render.helm import CHART, Invocation, failure, invocation
from fleetui.render.helm_dependencies import Dependency, folder_of, is_version_of, missing, wanted
from fleetui.renderports import Charts, Files, HelmRequest

TIMEOUT = 90.0
"""Seconds for one run (Argo CD: ARGOCD_EXEC_TIMEOUT)."""
MOST_OUTPUT = 64 * 1024 * 1024
"""Bytes."""
SDK = "helm_python"
_SCHEMES = ("https://", "http://", "oci://")
_KEPT = ("PATH", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


class HelmBinary:
    """Helm, wherever it comes from.

    Args:
        charts: where dependencies are fetched from.
        binary: the program; empty: ``helm`` on the PATH, looked for at each run, so that it may be installed meanwhile.
        address_of: the URL of a repository by its name in the hub and the project that asks, for dependencies on
            ``@NAME``; empty for none.
        timeout: seconds for one run.
    """

    def __init__(
        self,
        charts: Charts,
        *,
        binary: str = "",
        address_of: Callable[[str, str], Awaitable[str]] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._charts = charts
        self._binary = binary
        self._address_of = address_of
        self._timeout = timeout
        # Each takes a processor; more at once would only make all of them late.
        self._turns = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    async def template(self, request: HelmRequest) -> bytes:
        planned = invocation(request)
        command = self._command()
        async with workplace("helm") as folder:
            name = request.chart_name or "the chart"
            await lay_out(folder / CHART, request.chart, what=name)
            await lay_out(folder, planned.files, what=f"what {name} is rendered with")
            bare = not (folder / CHART / "charts").exists()
            if bare:
                await self._build(request, None, folder)
            ended = await self._run(command, planned, folder, name)
            if ended.code and not bare and (names := missing(ended.stderr)):
                await self._build(request, names, folder)
                ended = await self._run(command, planned, folder, name)
        if ended.code:
            said = ended.stderr.replace(f"{folder}/{CHART}/", "").replace(f"{folder}/", "")
            raise failure(said, planned, chart=request.chart_name)
        return ended.stdout

    def _command(self) -> Sequence[str]:
        binary = self._binary or shutil.which("helm")
        if binary:
            return [binary]
        if importlib.util.find_spec(SDK) is None:
            hint = "install helm (https://helm.sh/docs/intro/install), or the extra: pip install 'fleetui[helm]'"
            raise ToolMissingError("Helm charts need helm, and it is not installed", hint)
        return [sys.executable, "-P", "-m", "backends.helm_sdk"]

    async def _run(self, command: Sequence[str], planned: Invocation, folder: Path, name: str) -> Finished:
        async with self._turns:
            return await run(
                [*command, *planned.arguments],
                folder=folder,
                environment=_environment(folder),
                timeout=self._timeout,
                most=MOST_OUTPUT,
                path=name,
            )

    # --- dependencies ---------------------------------------------------------------------------------------------

    async def _build(self, request: HelmRequest, names: Collection[str] | None, folder: Path) -> None:
        """Puts the charts that are missing where helm looks for them."""
        dependencies = await asyncio.to_thread(wanted, request.chart, what=request.chart_name, names=names)
        for number, dependency in enumerate(dependencies):
            files = await self._fetched(request, dependency)
            place = folder / CHART / "charts" / f"fetched-{number}"
            await lay_out(place, files, what=f"the dependency {quoted(dependency.name)}")

    async def _fetched(self, request: HelmRequest, dependency: Dependency) -> Files:
        if dependency.is_folder:
            return await asyncio.to_thread(_beside, request, dependency)
        address = dependency.repository
        if dependency.alias:
            address = await self._address_of(dependency.alias, request.project) if self._address_of else ""
            if not address:
                text = f"there is no repository of the name {quoted(dependency.alias)}"
                raise ManifestError(text, path=request.chart_name)
        if not address.startswith(_SCHEMES):
            what = f"the dependency {quoted(dependency.name)} is at {quoted(masked(address))}"
            raise RefusedError(f"{what}, and neither at https:// nor oci:// nor file://")
        if not _permitted(request, address):
            raise RefusedError(f"helm repos {masked(address)} are not permitted in project '{request.project}'")
        passed = bool(request.options.get("passCredentials"))
        project = request.project
        version = await self._charts.resolve(address, dependency.name, dependency.version or "*", project=project)
        return await self._charts.files(address, dependency.name, version, project=project, pass_credentials=passed)


def _beside(request: HelmRequest, dependency: Dependency) -> dict[str, bytes]:
    """The files of a chart that lies in the same repository."""
    within, folder = (request.repository, request.folder) if request.repository else (request.chart, "")
    prefix = f"{folder_of(dependency, folder)}/".lstrip("/")
    found = {path.removeprefix(prefix): within[path] for path in within if path.startswith(prefix)}
    if "Chart.yaml" not in found:
        text = f"there is no chart at {dependency.repository}, which it depends on"
        raise ManifestError(text, path=request.chart_name)
    if not is_version_of(dependency, found):
        text = f"can't get a valid version for dependency {dependency.name}: {dependency.repository} has another"
        raise ManifestError(text, path=request.chart_name)
    return found


def _permitted(request: HelmRequest, address: str) -> bool:
    """Whether the project lets its applications have charts from there; registries are named with their scheme or
    without."""
    patterns = tuple(pattern.replace("oci://", "", 1) for pattern in request.source_repos)
    return Project(request.project, source_repos=patterns).permits_source(address.removeprefix("oci://"))


def _environment(folder: Path) -> dict[str, str]:
    """A home of its own, no cluster, and none of the operator's settings, plugins or logins."""
    kept = {name: value for name in _KEPT if (value := os.environ.get(name))}
    homes = {f"HELM_{kind}_HOME": f"{folder}/.helm/{kind.lower()}" for kind in ("CONFIG", "CACHE", "DATA")}
    return (
        kept | homes | {"HOME": f"{folder}/.helm", "KUBECONFIG": "/dev/null", "HELM_PLUGINS": f"{folder}/.helm/plugins"}
    )
