"""A tree of files in memory, for the tests of whatever reads commits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from fleetui.model.errors import PathNotFoundError
from fleetui.renderports import Files


class DictTree:
    """See `fleetui.renderports.Tree`; `contents` by path from the root."""

    def __init__(self, contents: Mapping[str, bytes], sha: str = "") -> None:
        self._contents = contents
        self._sha = sha

    @property
    def sha(self) -> str:
        return self._sha

    def oid(self, path: str) -> str:
        if path in self._contents:
            return hashlib.sha1(b"blob" + self._contents[path]).hexdigest()
        below = self._below(path)
        listing = "".join(f"{name}\0{self.oid(f'{path}/{name}'.lstrip('/'))}\0" for name in sorted(below))
        return hashlib.sha1(f"tree{listing}".encode()).hexdigest() if below else ""

    def files(self, folder: str) -> Files:
        found = self._below(folder)
        if not found and folder:
            raise PathNotFoundError(f"{self._sha} has no {folder}")
        return found

    def _below(self, folder: str) -> dict[str, bytes]:
        prefix = f"{folder}/" if folder else ""
        return {name.removeprefix(prefix): text for name, text in self._contents.items() if name.startswith(prefix)}
