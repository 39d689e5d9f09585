"""What is in the archive of a chart, or in the layer of an OCI artifact.

Owns: `unpack`. Nothing is written anywhere: files are kept in memory, under limits, so that no archive can reach out of
its folder or fill a disk. Called by `backends.charts`, on a thread. Limits: Helm's own (4.3, pkg/chart/loader/archive).
"""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import msgspec

from fleetui.model.errors import ChartError
from fleetui.model.text import quoted


class Limits(msgspec.Struct, frozen=True):
    """How much an archive may hold: bytes together (unpacked), bytes of one file, and files."""

    total: int = 100 * 1024 * 1024
    file: int = 5 * 1024 * 1024
    count: int = 10_000


LIMITS = Limits()
_LINKS = 10
"""How many links may lead to one another (Argo CD's `resolveSymbolicLinkRecursive`)."""


def unpack(archive: bytes, *, chart: bool, what: str, limits: Limits = LIMITS) -> dict[str, bytes]:
    """The files of a tar, gzipped or not, by path. A link is the file, or the folder's files, that it leads to.

    Args:
        chart: whether it has to be a chart: then paths are from the chart's own folder.
        what: how messages call it.

    Raises:
        ChartError: it can't be read, is none, is too large, or holds a path or a link that leads out of it.
    """
    try:
        files, links = _read(archive, what, limits)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise ChartError(f"{what} is no archive that can be read: {quoted(str(error))}") from error
    for path in links:
        _follow(path, files, links, what)
        # After each: links to folders of links double what there is.
        if len(files) > limits.count or sum(map(len, files.values())) > limits.total:
            raise ChartError(f"{what} is too large with its links followed")
    return _within_chart(files, what) if chart else files


def _read(archive: bytes, what: str, limits: Limits) -> tuple[dict[str, bytes], dict[str, str]]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    packed = archive[:2] == b"\x1f\x8b"
    stream: BinaryIO = gzip.GzipFile(fileobj=io.BytesIO(archive)) if packed else io.BytesIO(archive)  # type: ignore[assignment]
    with tarfile.open(fileobj=_Limited(stream, limits.total, what), mode="r|") as tar:
        for count, member in enumerate(tar, start=1):
            if count > limits.count:
                raise ChartError(f"{what} holds more than {limits.count} files")
            if member.isdir():
                continue
            path = _path(member.name, what)
            if member.issym() or member.islnk():
                base = posixpath.dirname(path) if member.issym() else ""
                links[path] = _path(posixpath.join(base, member.linkname), what)
            elif member.isreg() and not member.issparse():
                if member.size > limits.file:
                    raise ChartError(f"{what} holds a file of more than {limits.file // 2**20} MiB: {quoted(path)}")
                content = tar.extractfile(member)
                files[path] = content.read() if content else b""
            else:
                raise ChartError(f"{what} holds something other than files and folders: {quoted(path)}")
    return files, links


def _path(name: str, what: str) -> str:
    """A path inside the archive, without what leads nowhere."""
    path = posixpath.normpath(name.replace("\\", "/"))
    if path.startswith("/") or path.split("/")[0] in ("..", ".") or "\0" in path:
        raise ChartError(f"{what} holds a path that leads out of it: {quoted(name)}")
    return path


def _follow(path: str, files: dict[str, bytes], links: Mapping[str, str], what: str) -> None:
    """Puts what the link at `path` leads to in its place."""
    target = links[path]
    for _ in range(_LINKS):
        target = links.get(target, target)
    if target in files:
        files[path] = files[target]
        return
    below = [name for name in files if name.startswith(f"{target}/")]
    if not below or target == path or path.startswith(f"{target}/"):
        raise ChartError(f"{what} holds a link that leads nowhere: {quoted(path)}")
    files.update({path + name[len(target) :]: files[name] for name in below})


def _within_chart(files: Mapping[str, bytes], what: str) -> dict[str, bytes]:
    """The files without the one folder that a chart's archive has them in."""
    inside = {rest: content for path, content in files.items() if (rest := path.partition("/")[2])}
    if len({path.partition("/")[0] for path in files}) != 1 or "Chart.yaml" not in inside:
        raise ChartError(f"{what} is no chart: it is not one folder with a Chart.yaml")
    return inside


class _Limited(io.RawIOBase):
    """A stream that ends in an error where there is more of it than is allowed."""

    def __init__(self, stream: BinaryIO, most: int, what: str) -> None:
        # Headers and padding count: an archive of empty files is as long as one of full ones.
        self._stream, self._left, self._what = stream, most + most // 8, what
        self._most = most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(min(size if size >= 0 else 65_536, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ChartError(f"{self._what} is too large: more than {self._most // 2**20} MiB unpacked")
        return data
