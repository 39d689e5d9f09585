"""A chart of a repository of charts, as a tree.

Owns: `ChartTree`, made by `fleetui.engine.sources`. A version of a chart never changes, so its name names its content.
"""

from __future__ import annotations

from fleetui.model.errors import PathNotFoundError
from fleetui.renderports import Files


class ChartTree:
    """See `fleetui.renderports.Tree`.

    Args:
        files: the chart's files.
        sha: names the chart, its repository and its version.
    """

    def __init__(self, files: Files, sha: str) -> None:
        self._files = files
        self._sha = sha

    @property
    def sha(self) -> str:
        return self._sha

    def oid(self, path: str) -> str:
        return f"{self._sha} {path}" if self._has(path) else ""

    def files(self, folder: str) -> Files:
        if folder == "":
            return self._files
        if not self._has(folder) or folder in self._files:
            raise PathNotFoundError(f"there is no folder {folder} in {self._sha}")
        return {
            name.removeprefix(f"{folder}/"): self._files[name] for name in self._files if name.startswith(f"{folder}/")
        }

    def _has(self, path: str) -> bool:
        return path in self._files or path == "" or any(name.startswith(f"{path}/") for name in self._files)
