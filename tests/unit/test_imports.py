"""What each entry of the program loads: the command line never Textual, nothing the network before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KUBECONFIG = """
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
"""
NETWORK = ("aiohttp", "kubernetes", "git", "aiomqtt")
CONSOLE = ("textual", "rich")

RUN = """
import sys
sys.argv = {argv!r}
from fleetui.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["fleetui", "--version"], id="version"),
        pytest.param(["fleetui", "--help"], id="help"),
        pytest.param(["fleetui", "get", "apps", "--help"], id="get apps help"),
        pytest.param(["fleetui", "engine", "run", "--help"], id="engine run help"),
    ],
)
def test_help_loads_neither_the_console_nor_the_network(argv: list[str]) -> None:
    script = RUN.format(argv=argv, names=NETWORK + CONSOLE + ("yaml", "msgspec", "deepdiff"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize(
    "module", ["fleetui.engine.controller", "fleetui.fleet.api", "fleetui.runtime", "fleetui.diff"]
)
def test_the_core_loads_neither_the_console_nor_the_network(module: str) -> None:
    script = f"import sys, {module}; print(*(name for name in {NETWORK + CONSOLE!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command_line_with_a_fleet_never_loads_the_console() -> None:
    script = "import sys, fleetui.cli.connect, fleetui.cli.read, fleetui.cli.act, fleetui.cli.engine"
    script += f"; print(*(name for name in {CONSOLE!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_list_of_applications_is_there_before_what_judges_and_compares_objects() -> None:
    """Each list of applications would wait for it, at the command line and in the console."""
    heavy = ("fleetui.health", "fleetui.diff", "fleetui.render", "lupa", "jq", *NETWORK)
    script = "import sys, fleetui.cli.connect, fleetui.cli.read, fleetui.fleet.fleet, screens.apps"
    script += f"; print(*(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_console_paints_its_first_frame_before_it_loads_the_network(tmp_path: Path) -> None:
    """Up to where Textual has the thread; `tests/screens/run_console.py` looks from there on."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    script = f"""
import sys
from pathlib import Path
from fleetui.cli import console
from fleetui.cli.options import Scope
def show(*_, **__):
    import screens.app, screens.apps
    print(*(name for name in {NETWORK!r} if name in sys.modules))
console.show, console.need_terminal = show, lambda: None
console.open_console(Scope(kubeconfig=Path({str(kubeconfig)!r})))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
