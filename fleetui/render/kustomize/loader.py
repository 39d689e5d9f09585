"""The files that a kustomization may read.

Owns: `Folder`, `is_remote` and `repository_of`. Follows api 0.21.2 (internal/loader: files only from below the
kustomization that names them, no folder that leads back to itself). Called by `target`, `export` and, through
`patches.Loader`, by what reads files.
"""

from __future__ import annotations

import posixpath
import re

from fleetui.model.errors import ManifestError
from fleetui.model.text import one_line
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import NAMES
from fleetui.renderports import Files

_REMOTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*::|.*://|[^/]*@[^/]*:|git@|github\.com[/:]|.*\?")


def is_remote(path: str) -> bool:
    """Whether kustomize would take `path` for something in another repository or on a web server.

    Wider than `NewRepoSpecFromURL` of internal/git/repospec.go: what it names is refused, and no local path looks so.
    """
    return _REMOTE.match(path) is not None or ".git" in path


_ADDRESS = re.compile(r"(?:[^/:?#]*=)?(?:git::)?(https?://[^/?#@\\]+/|github\.com[/:])([^?#]*)", re.IGNORECASE)


def repository_of(path: str) -> str:
    """The HTTP address of the repository, or of the file, that kustomize takes a remote `path` (or a generator's
    ``KEY=PATH``) for; empty where it is none: nothing is fetched by ssh, whose keys would be the operator's.

    (`NewRepoSpecFromURL` of internal/git/repospec.go.)
    """
    found = _ADDRESS.match(path)
    if found is None or ".." in path.split("/"):
        return ""
    host = found[1] if "://" in found[1] else "https://github.com/"
    parts = found[2].partition("//")[0].rstrip("/").split("/")
    if host.lower() == "https://github.com/":
        parts = parts[:2]
    elif "_git" in parts:
        parts = parts[: parts.index("_git") + 2]
    else:
        end = next((at for at, part in enumerate(parts, start=1) if part.endswith(".git")), len(parts))
        parts = parts[:end]
    return host + "/".join(parts)


class Folder:
    """The folder of one kustomization, and the way that led to it.

    Args:
        files: the whole repository.
        path: from its root; empty for the root itself.
        referrer: the folder whose kustomization names this one.
    """

    def __init__(self, files: Files, path: str, referrer: Folder | None = None) -> None:
        self._files = files
        self.path = path
        self._referrer = referrer
        self.file = self._kustomization()

    def _kustomization(self) -> str:
        found = [name for name in NAMES if posixpath.join(self.path, name) in self._files]
        if not found:
            where = self.path or "the repository's root"
            if self._referrer is not None:
                raise Problem(f"there is no file {where}, and no folder of that name with a kustomization.yaml")
            raise Problem(f"there is no kustomization in {where}; it needs a kustomization.yaml")
        if len(found) > 1:
            raise ManifestError(f"holds {' and '.join(found)}; keep one of them", path=self.path or ".")
        return posixpath.join(self.path, found[0])

    @property
    def content(self) -> bytes:
        """Of the kustomization file."""
        return self._files[self.file]

    def load(self, path: str) -> tuple[bytes, str]:
        """A file's content, and its path from the repository's root.

        Raises:
            Problem: there is none, or it lies outside of this folder.
        """
        full = self._resolve(path)
        if not _within(full, self.path):
            raise Problem(
                f"{one_line(path)} lies outside of {self.path}, and kustomize reads files only from below the "
                "kustomization that names them; move it, or name its folder"
            )
        try:
            return self._files[full], full
        except KeyError:
            raise Problem(f"there is no file {one_line(path)}") from None

    def has(self, path: str) -> bool:
        """Whether there is such a file, wherever it lies."""
        return bool(path) and not is_remote(path) and not path.startswith("/") and self._joined(path) in self._files

    def folder(self, path: str) -> Folder:
        """The folder that `path` names, with a kustomization in it.

        Raises:
            Problem: there is none, or it leads back here.
        """
        if any(".." in part and part != ".." for part in path.split("/")):
            raise Problem(f"the path {one_line(path)!r} is ambiguous; check the indentation of the list that it is in")
        full = self._resolve(path)
        ancestor: Folder | None = self
        while ancestor is not None:
            if _within(ancestor.path, full):
                raise Problem(f"{one_line(path)} leads back to {ancestor.file}, which is a cycle")
            ancestor = ancestor._referrer
        return Folder(self._files, full, self)

    def exists(self, path: str) -> bool:
        """Whether a kustomization lies in the folder `path`."""
        full = self._joined(path)
        return not full.startswith("..") and any(posixpath.join(full, name) in self._files for name in NAMES)

    def leads_out(self, path: str) -> bool:
        """Whether a path leads out of the repository."""
        full = self._joined(path)
        return full == ".." or full.startswith("../")

    def _joined(self, path: str) -> str:
        full = posixpath.normpath(posixpath.join(self.path, path))
        return "" if full == "." else full

    def _resolve(self, path: str) -> str:
        if not path:
            raise Problem("a path is empty")
        if is_remote(path):
            raise UnsupportedProblem(f"the remote resource {one_line(path)}")
        if path.startswith("/"):
            raise Problem(f"{one_line(path)} is an absolute path; name it from the kustomization's own folder")
        if self.leads_out(path):
            raise Problem(f"{one_line(path)} leads out of the repository")
        return self._joined(path)


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
