"""The commands about ApplicationSets, as `fleetui.cli.commands` has all others.

Owns: `appset`. Kept free of anything that is slow to import.
"""

from __future__ import annotations

from pathlib import Path

import click

from fleetui.cli.options import Scope, output_option, scope_options


@click.group()
def appset() -> None:
    """ApplicationSets: what they make, and what they would change."""


@appset.command("diff", short_help="What an ApplicationSet would do to its Applications.")
@scope_options
@click.argument("name", required=False, default="")
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(path_type=Path), help="An edited one.")
@output_option("table", "unified", "side", "json", "yaml")
def diff(scope: Scope, name: str, files: tuple[Path, ...], output: str) -> int:
    """What an ApplicationSet, as it is or as a file has it (- is stdin), would create, change and delete now.

    Nothing is written. Exit status 4 if anything would be, 1 if it can't be generated.
    """
    from fleetui.cli.appsets import show_preview

    return show_preview(scope, name, files, output)
