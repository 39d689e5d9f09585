"""A chart of a repository of charts, as a tree.

Owns: `ChartTree`, made by `fleetui.engine.loading`. A version of a chart never changes, so its name names its content,
and it need not be fetched to know that it is still the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fleetui.model.errors import PathNotFoundError
from fleetui.renderports import Files


class ChartTree:
    """See `fleetui.renderports.Tree`; empty until it is fetched.

    Args:
        sha: names the chart, its repository and its version.
        fetch: gets its files.
    """

    def __init__(self, sha: str, fetch: Callable[[], Awaitable[Files]]) -> None:
        self._sha = sha
        self._fetch = fetch
        self._files: Files = {}

    @property
    def sha(self) -> str:
        return self._sha

    async def fetch(self) -> None:
        """Gets the files.

        Raises:
            ChartError: they can't be had.
        """
        self._files = await self._fetch()

    def oid(self, path: str) -> str:
        return f"{self._sha} {path}" if self._has(path) else ""

    def files(self, folder: str) -> Files:
        if not self._has(folder) or folder in self._files:
            raise PathNotFoundError(f"there is no folder {folder} in {self._sha}")
        if not folder:
            return self._files
        start = f"{folder}/"
        return {name.removeprefix(start): self._files[name] for name in self._files if name.startswith(start)}

    def _has(self, path: str) -> bool:
        return path in self._files or any(name.startswith(f"{path}/" if path else "") for name in self._files)
