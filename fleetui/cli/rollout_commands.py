"""The commands of rollouts: their options and their help; what they do is in `fleetui.cli.rollout`.

Owns: `rollout`. Kept free of anything that is slow to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import click

from fleetui.cli.options import Scope, cluster_options, duration, output_option

F = TypeVar("F", bound=Any)

_NAME = click.argument("name", required=False, default="")
_CELLS = click.option(
    "--cell",
    "cells",
    multiple=True,
    metavar="CLUSTER/ADDON",
    help="Only this one; repeatable.  [default: all that failed]",
)
_REASON = click.option("--reason", default="", help="Why, for the timeline.")
_DETACH = click.option("--detach", is_flag=True, help="Don't carry it on from here; rollout resume does.")
_TAKE_OVER = click.option("--take-over", is_flag=True, help="Carry it on from here even if another process does.")
_PLANNED = ("table", "json", "yaml", "markdown")


def _request_options(command: F) -> F:
    """Adds what `plan` and `start` are told; the command gets it as ``asked``."""
    for option in reversed(
        (
            click.argument("moves", metavar="ADDON=VERSION...", nargs=-1),
            click.option("-f", "--filename", "file", type=click.Path(path_type=Path), help="Read it all from a file."),
            click.option("--cluster", "clusters", multiple=True, help="Only on this cluster; repeatable."),
            click.option("-l", "--selector", default="", help="Only on clusters with these labels, e.g. stage=prod."),
            click.option(
                "--wave",
                "waves",
                multiple=True,
                metavar="NAME:RULE",
                help="A wave; repeatable, in order. RULE: 3, 25%, stage=prod, clusters:a,b or rest."
                "  [default: all:rest]",
            ),
            click.option(
                "--gate",
                "gates",
                multiple=True,
                metavar="GATE",
                help="What holds each wave: synced, healthy:5m, approval, metric:URL:QUERY:< 0.01, webhook:URL;"
                " /1h behind the kind limits it; repeatable.  [default: synced, healthy:5m]",
            ),
            click.option("--max-failures", type=click.IntRange(min=0), help="So many cells may fail.  [default: 0]"),
            click.option(
                "--patience", callback=duration, help="So long a cell may be degraded before it failed.  [default: 1m]"
            ),
            click.option("--pull-request", is_flag=True, help="Pull requests, and no commits on the branch."),
            click.option("--message", default="", help="The subject of the commits."),
            click.option(
                "--truth", "truths", multiple=True, metavar="URL#PATH[#FIELD]", help="Where the versions are written."
            ),
            click.option(
                "--field",
                default="",
                metavar="FIELD",
                help="The field of the Helm values that is the version: image.tag.",
            ),
            click.option("--name", default="", help="The rollout's name.  [default: made up]"),
        )
    ):
        command = option(command)
    return command


@click.group()
def rollout() -> None:
    """Addons over the fleet, wave by wave, with gates.

    Exit status: 0 done, 1 failed or halted, 3 not found, 4 waits for a human, 5 refused.
    """


@rollout.command("plan", short_help="What a rollout would do.")
@cluster_options
@_request_options
@output_option(*_PLANNED)
def plan(scope: Scope, output: str, **asked: Any) -> int:
    """What a rollout would do: its waves, what changes in each cell, what forbids it (exit status 5)."""
    from fleetui.cli.rollout import run_plan

    return run_plan(scope, output, **asked)


@rollout.command("start", short_help="Begin a rollout, and carry it on.")
@cluster_options
@_request_options
@click.option("--yes", default="", metavar="TEXT", help="Confirms it where protected clusters take part.")
@_DETACH
@output_option(*_PLANNED)
def start(scope: Scope, output: str, yes: str, detach: bool, **asked: Any) -> int:
    """Begin a rollout and carry it on from here, until it ends or waits for a human; ctrl+c leaves it as it is.

    Each event is a line; with -o json, yaml or markdown these go to stderr, and the rollout is printed at the end.
    """
    from fleetui.cli.rollout import run_start

    return run_start(scope, output, yes=yes, detach=detach, **asked)


@rollout.command("status", short_help="How a rollout stands.")
@cluster_options
@_NAME
@click.option("-w", "--watch", is_flag=True, help="Go on with each event, until it ends.")
@output_option(*_PLANNED)
def status(scope: Scope, name: str, watch: bool, output: str) -> int:
    """How a rollout stands; without NAME the one that has not ended."""
    from fleetui.cli.rollout import show_status

    return show_status(scope, name, output, watch=watch)


@rollout.command("list", short_help="The rollouts of the chosen clusters.")
@cluster_options
@output_option("table", "json", "yaml", "markdown", "name")
def list_rollouts(scope: Scope, output: str) -> int:
    """The rollouts of the chosen clusters, running ones first, then the newest."""
    from fleetui.cli.rollout import show_rollouts

    return show_rollouts(scope, output)


@rollout.command("resume", short_help="Carry a rollout on.")
@cluster_options
@_NAME
@_TAKE_OVER
@click.option(
    "--truth",
    "truths",
    multiple=True,
    metavar="URL",
    help="Versions may be written there although nothing of the fleet names it.  [default: what the hub names]",
)
@_DETACH
@output_option(*_PLANNED)
def resume(scope: Scope, name: str, take_over: bool, truths: tuple[str, ...], detach: bool, output: str) -> int:
    """Carry a rollout on from here: one that was paused or halted, or that nobody drives any more."""
    from fleetui.cli.rollout import run_order

    return run_order(scope, "resume", name, output, take_over=take_over, truths=truths, drive=not detach)


def _order(verb: str, short: str, long: str, *options: Any) -> None:
    """Adds a command that asks something of a rollout, and carries it on where nobody does, if it has that option."""

    def command(scope: Scope, name: str, detach: bool = True, **more: Any) -> int:
        from fleetui.cli.rollout import run_order

        return run_order(scope, verb, name, drive=not detach, **more)

    command.__doc__ = long
    decorated: Any = command
    every: tuple[Any, ...] = (cluster_options, _NAME, *options, _REASON, output_option(*_PLANNED))
    for option in reversed(every):
        decorated = option(decorated)
    rollout.command(verb, short_help=short)(decorated)


_order("pause", "Hold a rollout.", "Hold a rollout; what is under way in the clusters ends by itself.")
_order("approve", "Let a wave through.", "Say yes where a wave waits for a human; where nobody drives, go on.", _DETACH)
_order("skip", "Leave cells as they are.", "Leave cells as they are, and go on without them.", _CELLS, _DETACH)
_order(
    "retry",
    "Try cells again that failed.",
    "Try cells again that failed, take those along that were changed by hand, and go on.",
    _CELLS,
    _DETACH,
)
_order("abort", "End a rollout.", "End a rollout; what was changed stays, and rollback may still take it back.")
_order(
    "rollback",
    "Go back to what was.",
    "Give each cell that the rollout changed the version that it had, the newest wave first.",
    _DETACH,
)


@rollout.command("export", short_help="The timeline of a rollout.")
@cluster_options
@_NAME
@output_option("markdown", "json")
def export(scope: Scope, name: str, output: str) -> int:
    """The timeline of a rollout: every step, who and when."""
    from fleetui.cli.rollout import run_export

    return run_export(scope, name, output)
