"""Credential plugins that are real programs: a few lines of Python each, which write down that they ran.

Owns: `plugin`, `runs` and `logging_in`. Called by the tests of backends.kube.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from backends.kube.context import ContextConfig, ExecPlugin
from backends.kube.credentials import Credentials

V1 = "client.authentication.k8s.io/v1"

_HEAD = """#!{python} -IS
import json, os, sys
def out(**status):
    print(json.dumps({{"apiVersion": "{version}", "kind": "ExecCredential", "status": status}}))
with open({runs!r}, "a") as runs: runs.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
"""


def plugin(folder: Path, code: str, **settings: Any) -> ExecPlugin:
    """A plugin of these lines; `out(token=...)` prints a credential."""
    program = folder / "kubelogin"
    version = settings.setdefault("api_version", V1)
    head = _HEAD.format(python=sys.executable, version=version, runs=str(folder / "runs"))
    program.write_text(f"{head}{code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return ExecPlugin(command=str(program), **settings)


def runs(folder: Path) -> list[dict[str, Any]]:
    """What the plugin was told at each run: the spec of its ExecCredential."""
    file = folder / "runs"
    return [json.loads(line)["spec"] for line in file.read_text().splitlines()] if file.exists() else []


@asynccontextmanager
async def logging_in(
    given: ExecPlugin, *names: str, clock: Any = None, timeout: float | None = None
) -> AsyncIterator[list[Credentials]]:
    """The credentials of contexts that have this plugin; at the end nothing of it may be left."""
    settings = {"timeout": timeout} | ({"clock": clock} if clock else {})
    async with AsyncExitStack() as stack:
        made = []
        for name in names or ("prod",):
            config = ContextConfig(name=name, server=f"https://{name}", user="jane", exec=given)
            made.append(Credentials(config, **settings))
            stack.push_async_callback(made[-1].close)
        yield made
