"""Kustomizations built by a binary: what the native builder leaves over.

Owns: `KustomizeBinary`, which implements `fleetui.renderports.Kustomize` with ``kustomize build`` or, without it,
``kubectl kustomize``. Wired in `fleetui.cli`. The binary sees the exported files in a folder of its own, nothing of our
environment but PATH, and no network unless remote bases are allowed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from fleetui.model.errors import ManifestError, RefusedError, ToolMissingError
from fleetui.model.text import one_line
from fleetui.render.kustomize.export import exported
from fleetui.renderports import KustomizeRequest

TIMEOUT = 90.0
"""Seconds that a build may take (Argo CD: ARGOCD_EXEC_TIMEOUT, 90s)."""

MAX_OUTPUT = 100 * 1024 * 1024
"""Bytes of manifests that are taken."""

_MAX_MESSAGE = 2000


class KustomizeBinary:
    """Builds with whichever binary is there, asked anew at each build.

    Args:
        remote: whether kustomizations may name bases in other repositories.
        timeout: seconds for one build.
    """

    def __init__(self, *, remote: bool = False, timeout: float = TIMEOUT) -> None:
        self._remote = remote
        self._timeout = timeout

    async def build(self, request: KustomizeRequest) -> bytes:
        """See `fleetui.renderports.Kustomize.build`.

        Raises:
            RefusedError: a remote base that is not allowed.
        """
        command = _command()
        if command is None:
            raise ToolMissingError("neither kustomize nor kubectl is installed", "install kustomize or kubectl")
        home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="fleetui-kustomize-"))
        try:
            root = await asyncio.to_thread(self._export, request, home)
            return await self._run([*command, str(root / request.folder.strip("/"))], home, request)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, home, ignore_errors=True))

    def _export(self, request: KustomizeRequest, home: Path) -> Path:
        files = exported(request.files, request.folder, request.options, remote=self._remote)
        root = home / "repository"
        for folder in (root, home / "home", home / "tmp"):
            folder.mkdir(mode=0o700)
        for path, content in files.items():
            _write(root, path, content)
        return root

    async def _run(self, command: list[str], home: Path, request: KustomizeRequest) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=home / "repository",
            env=_environment(home, remote=self._remote),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout):
                output, errors = await _read(process, request.folder)
        except TimeoutError as error:
            message = f"kustomize did not end within {self._timeout:g} seconds"
            raise ManifestError(message, path=request.folder) from error
        finally:
            _kill(process)
            await process.wait()
        if process.returncode != 0:
            words = _meaningful(errors.decode(errors="replace").replace(f"{home / 'repository'}{os.sep}", ""))
            raise ManifestError(f"kustomize: {words or f'ended with {process.returncode}'}", path=request.folder)
        return output


def _command() -> list[str] | None:
    if binary := shutil.which("kustomize"):
        return [binary, "build"]
    if binary := shutil.which("kubectl"):
        return [binary, "kustomize"]
    return None


def _environment(home: Path, *, remote: bool) -> Mapping[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "KUBECONFIG": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    if not remote:
        # Remote bases were refused before; whatever else asks for the network gets none.
        environment |= {"GIT_ALLOW_PROTOCOL": "none"}
        environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    return environment


def _write(root: Path, path: str, content: bytes) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise RefusedError(f"the path {one_line(path)} leads out of the repository", "rename the file")
    target = root.joinpath(*parts)
    for folder in reversed(target.relative_to(root).parents):
        (root / folder).mkdir(mode=0o700, exist_ok=True)
    # Nothing is there before, so no link can be followed.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


async def _read(process: asyncio.subprocess.Process, folder: str) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = await asyncio.gather(_capped(process, process.stdout), _capped(process, process.stderr))
    if output is None or errors is None:
        limit = MAX_OUTPUT // 1024**2
        raise ManifestError(f"kustomize writes more than {limit} MiB", path=folder)
    await process.wait()
    return output, errors


async def _capped(process: asyncio.subprocess.Process, stream: asyncio.StreamReader) -> bytes | None:
    """All that is written to a stream; None, and the process is ended, where that is too much."""
    chunks: list[bytes] = []
    size = 0
    while chunk := await stream.read(1024 * 1024):
        size += len(chunk)
        if size > MAX_OUTPUT:
            _kill(process)
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Ends the binary and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


_KUBECTLS = re.compile(r'E\d{4} [\d:.]+ +\d+ \S+\] "command failed" err=(".*")')
"""How kubectl writes what kustomize writes after ``Error:`` (klog's format; the message is a Go string)."""


def _meaningful(words: str) -> str:
    """The binary's errors in one line, without its warnings."""
    lines = (_said(line) for line in words.splitlines() if not line.startswith("# Warning"))
    return one_line(" ".join(lines))[:_MAX_MESSAGE]


def _said(line: str) -> str:
    found = _KUBECTLS.fullmatch(line)
    if found is None:
        return line.removeprefix("error: ").removeprefix("Error: ")
    with suppress(ValueError):
        return str(json.loads(found[1]))
    return found[1]
