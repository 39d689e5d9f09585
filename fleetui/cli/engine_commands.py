"""The commands of who runs the engine, as `fleetui.cli.commands` has all others.

Owns: `engine` and `bootstrap`. Kept free of anything that is slow to import.
"""

from __future__ import annotations

from typing import Any

import click

from fleetui.cli.options import Scope, address, cluster_options, duration


@click.group()
def engine() -> None:
    """The reconcile engine, without a console."""


@engine.command("run")
@cluster_options
@click.option("--git-interval", default="60s", show_default=True, callback=duration, help="How often to ask remotes.")
@click.option("--dialect", type=click.Choice(["argo"]), default="argo", show_default=True, help="Whose objects.")
@click.option(
    "--qps",
    type=click.FloatRange(min=0.0),
    default=0.0,
    show_default=True,
    help="Requests a second to each API server that may go on for ever; 0: as many as it answers.",
)
@click.option("--once", is_flag=True, help="End as soon as nothing is left to do.")
@click.option(
    "--dry-run", is_flag=True, help="Write nothing; tell what would be done. With --once: exit 4 if anything."
)
@click.option("--listen", metavar="HOST:PORT", callback=address, help="Serve /healthz and /metrics there.")
@click.option("--webhook-listen", metavar="HOST:PORT", callback=address, help="Take Git hosts' webhooks there.")
@click.option("--traces", is_flag=True, help="Send OpenTelemetry traces (OTEL_EXPORTER_OTLP_ENDPOINT says where).")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the log."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="From which level on.",
)
def engine_run(scope: Scope, dialect: str, **options: Any) -> int:
    """Reconcile the Applications of the chosen hubs until stopped."""
    from fleetui.cli.engine import RunOptions, run_engine

    return run_engine(scope, RunOptions(**options))


@click.command()
@cluster_options
@click.option("--print", "only_print", is_flag=True, help="Print the manifests instead of applying them.")
def bootstrap(scope: Scope, only_print: bool) -> None:
    """Put the definitions that the engine needs into a hub."""
    from fleetui.cli.bootstrap import run_bootstrap

    run_bootstrap(scope, only_print=only_print)
