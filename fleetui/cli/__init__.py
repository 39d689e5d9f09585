"""The command line, and the composition root: the only package that imports backends and screens.

Owns: `main`. Each command's work is in a module of its own, imported when the command runs, so that
``fleetui --version`` and ``--help`` load neither Textual nor a network library.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and exits with its status (`fleetui.model.errors.ExitCode`)."""
    from fleetui.cli.commands import cli
    from fleetui.cli.report import run

    sys.exit(run(cli))
