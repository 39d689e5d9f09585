"""What renders charts and kustomizations, and costs nothing, not even an import, before there is one to render.

Owns: `Renderers`. Part of the composition root; called by `fleetui.cli.connect` and `fleetui.cli.render`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from fleetui.renderports import Charts, HelmRequest, KustomizeRequest, Tools

if TYPE_CHECKING:
    from backends.charts import ChartRepositories
    from backends.helm import HelmBinary
    from backends.repository_access import WatchedAccess


class Renderers:
    """The tools of one process: `tools` is what engines and fleets are given.

    Args:
        logins: what a hub says about logins to repositories of charts; asked once, when the first chart is.
    """

    def __init__(self, logins: Callable[[], WatchedAccess | None] = lambda: None) -> None:
        self._charts = _ChartsLater(logins)
        self.charts: Charts = self._charts
        helm = _HelmLater(self._charts, self._charts.address)
        self.tools = Tools(helm=helm, charts=self._charts, kustomize=_KustomizeLater())

    async def close(self) -> None:
        """Ends connections to repositories of charts."""
        await self._charts.close()


class _ChartsLater:
    def __init__(self, logins: Callable[[], WatchedAccess | None]) -> None:
        self._ask_logins = logins

    @cached_property
    def _logins(self) -> WatchedAccess | None:
        return self._ask_logins()

    @cached_property
    def _made(self) -> ChartRepositories:
        from backends.charts import ChartRepositories

        return ChartRepositories(book=self._logins)

    async def _ready(self) -> ChartRepositories:
        if self._logins is not None:
            await self._logins.ready()
        return self._made

    async def address(self, name: str, project: str) -> str:
        """See `HelmBinary`."""
        if self._logins is None:
            return ""
        await self._logins.ready()
        return self._logins.address(name, project)

    async def resolve(self, repo: str, chart: str, version: str, *, project: str = "", refresh: bool = False) -> str:
        return await (await self._ready()).resolve(repo, chart, version, project=project, refresh=refresh)

    async def files(
        self,
        repo: str,
        chart: str,
        version: str,
        *,
        project: str = "",
        pass_credentials: bool = False,
        refresh: bool = False,
    ) -> Mapping[str, bytes]:
        charts = await self._ready()
        return await charts.files(
            repo, chart, version, project=project, pass_credentials=pass_credentials, refresh=refresh
        )

    async def remote(self, url: str) -> bytes:
        return await (await self._ready()).remote(url)

    async def close(self) -> None:
        if "_made" in self.__dict__:
            await self._made.close()


class _HelmLater:
    def __init__(self, charts: Charts, address_of: Callable[[str, str], Awaitable[str]]) -> None:
        self._charts = charts
        self._address_of = address_of

    @cached_property
    def _made(self) -> HelmBinary:
        from backends.helm import HelmBinary

        return HelmBinary(self._charts, address_of=self._address_of)

    async def template(self, request: HelmRequest) -> bytes:
        return await self._made.template(request)


class _KustomizeLater:
    async def build(self, request: KustomizeRequest) -> bytes:
        from backends.kustomize import KustomizeBinary

        return await KustomizeBinary().build(request)
