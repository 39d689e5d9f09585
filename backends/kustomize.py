"""Kustomizations built by a binary: what the native builder leaves over.

Owns: `KustomizeBinary`, which implements `fleetui.renderports.Kustomize` with ``kustomize build`` or, without it,
``kubectl kustomize``. Wired in `fleetui.cli`. The binary sees the exported files in a folder of its own, nothing of our
environment but PATH, and no network unless it needs a base that the project permits. How a process is run is in
`backends.tool_process`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from backends.tool_process import lay_out, run, workplace
from fleetui.engine.projects import Project
from fleetui.model.errors import ManifestError, ToolMissingError
from fleetui.model.text import one_line
from fleetui.render.kustomize.export import exported
from fleetui.renderports import KustomizeRequest

TIMEOUT = 90.0
"""Seconds that a build may take (Argo CD: ARGOCD_EXEC_TIMEOUT, 90s)."""

MAX_OUTPUT = 100 * 1024 * 1024
"""Bytes of manifests that are taken."""

_MAX_MESSAGE = 2000
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
"""What of our environment remote bases need; a proxy's name also in lower case."""


class KustomizeBinary:
    """Builds with whichever binary is there, asked anew at each build.

    Args:
        timeout: seconds for one build.
    """

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout

    async def build(self, request: KustomizeRequest) -> bytes:
        """See `fleetui.renderports.Kustomize.build`."""
        command = _command()
        if command is None:
            raise ToolMissingError("neither kustomize nor kubectl is installed", "install kustomize or kubectl")
        permits = Project(request.project, source_repos=tuple(request.source_repos)).permits_source
        export = await asyncio.to_thread(
            partial(exported, request.files, request.folder, request.options, permits=permits)
        )
        async with workplace("kustomize") as folder:
            root = folder / "repository"
            for made in (root, folder / "home", folder / "tmp"):
                made.mkdir()
            await lay_out(root, export.files, what=f"the kustomization in {request.folder or '.'}")
            ended = await run(
                [*command, str(root / request.folder.strip("/"))],
                folder=root,
                environment=_environment(folder, remote=export.remote),
                timeout=self._timeout,
                most=MAX_OUTPUT,
                path=request.folder,
            )
        if ended.code:
            words = _meaningful(ended.stderr.replace(f"{root}{os.sep}", ""))
            raise ManifestError(f"kustomize: {words or f'ended with {ended.code}'}", path=request.folder)
        return ended.stdout


def _command() -> Sequence[str] | None:
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
    if remote:
        # Neither this machine's folders nor what its user's keys open: a stranger's base may name more of them.
        names = (*_NETWORK, *map(str.lower, _NETWORK))
        known = {name: value for name in names if (value := os.environ.get(name))}
        return environment | known | {"GIT_ALLOW_PROTOCOL": "https:http"}
    # Remote bases were refused before; whatever else asks for the network gets none.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    return environment | nowhere | {"GIT_ALLOW_PROTOCOL": "none"}


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
