"""The commands about Pods, as `fleetui.cli.commands` has all others.

Owns: `logs`, `exec_` and `port_forward`. Kept free of anything that is slow to import.
"""

from __future__ import annotations

import click

from fleetui.cli.options import Scope, duration, scope_options


@click.command(short_help="The log of a Pod.")
@scope_options
@click.argument("pod")
@click.option("-c", "--container", default="", help="Which of the Pod's containers.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written.")
@click.option("-p", "--previous", is_flag=True, help="Of the container's last life.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("--tail", type=click.IntRange(min=0), help="So many lines, from the end.")
@click.option("--since", callback=duration, help="So far back, e.g. 5m.")
def logs(
    scope: Scope,
    pod: str,
    container: str,
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: int | None,
    since: float | None,
) -> int:
    """The log of a Pod, [CLUSTER/][NAMESPACE/]POD."""
    from fleetui.cli.pods import show_logs

    return show_logs(
        scope,
        pod,
        container=container,
        follow=follow,
        previous=previous,
        timestamps=timestamps,
        tail=tail,
        since=since,
    )


@click.command("exec", short_help="Run a command in a Pod.")
@scope_options
@click.argument("pod")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-c", "--container", default="", help="Which of the Pod's containers.")
@click.option("-i", "--stdin", is_flag=True, help="Pass our input on.")
@click.option("-t", "--tty", is_flag=True, help="With a terminal.")
@click.option("--yes", default="", metavar="CLUSTER", help="Confirms it on this protected cluster.")
def exec_(scope: Scope, pod: str, command: tuple[str, ...], container: str, stdin: bool, tty: bool, yes: str) -> int:
    """Run a command in a Pod, [CLUSTER/][NAMESPACE/]POD -- COMMAND. Ends with the command's exit status."""
    from fleetui.cli.pods import run_exec

    return run_exec(scope, pod, command, container=container, stdin=stdin, tty=tty, yes=yes)


@click.command("port-forward", short_help="Connect ports of this machine to ports of a Pod.")
@scope_options
@click.argument("pod")
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]REMOTE...")
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen.")
def port_forward(scope: Scope, pod: str, ports: tuple[str, ...], address: str) -> int:
    """Connect ports of this machine to ports of a Pod, [CLUSTER/][NAMESPACE/]POD, until interrupted."""
    from fleetui.cli.pods import run_port_forward

    return run_port_forward(scope, pod, ports, address=address)
