"""How a command ends: its exit status, and the one sentence on stderr that says why.

Owns: `run`. stdout is data, stderr is narration. An error of ours is a sentence; one that nobody expected is logged in
full and shown in a line.
"""

from __future__ import annotations

import logging
import os
import sys

import click

from fleetui.model.errors import ExitCode, FleetError
from fleetui.model.text import sanitize

_log = logging.getLogger(__name__)


def run(command: click.Command) -> int:
    """Runs a click command with the program's own arguments; returns the exit status."""
    try:
        result = command.main(standalone_mode=False, prog_name="fleetui")
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except FleetError as error:
        say(f"fleetui: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        if end.code != 1:  # a signal's
            raise
        # Whoever read our output has gone (`| head`): outside its standalone mode click exits by itself for that alone.
        # What Python would still flush has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        from fleetui.config import Paths, set_up_log

        path = Paths.of(os.environ).log_file
        set_up_log(path)
        _log.exception("unexpected failure")
        say(f"fleetui: unexpected {type(error).__name__}: {error}; the details are in {path}")
        return ExitCode.FAILED
    return int(result) if isinstance(result, int) else ExitCode.OK


def say(text: str) -> None:
    """One line of narration, on stderr."""
    click.echo(sanitize(text), err=True)
