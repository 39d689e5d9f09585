"""The commands about ApplicationSets, as `fleetui.cli.commands` has all others.

Owns: `appset`. Kept free of anything that is slow to import.
"""

from __future__ import annotations

from pathlib import Path

import click

from fleetui.cli.options import Scope, cluster_options, output_option, scope_options


@click.group()
def appset() -> None:
    """ApplicationSets: what they make, and what they would change."""


def _folders(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for value in values:
        url, equals, folder = value.rpartition("=")
        if not equals or not url:
            raise click.BadParameter(f"{value!r} is no URL=FOLDER")
        if not Path(folder).is_dir():
            raise click.BadParameter(f"{folder} is no folder")
        found[url] = Path(folder)
    return found


@appset.command("generate", short_help="The Applications that an ApplicationSet makes.")
@cluster_options
@click.option("-n", "--namespace", default="argocd", show_default=True, help="Of ApplicationSets that name none.")
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="ApplicationSets; - is stdin.",
)
@click.option("--clusters", type=click.Path(path_type=Path), help="A file of clusters, or of the Secrets of clusters.")
@click.option(
    "--repo", "folders", multiple=True, metavar="URL=FOLDER", callback=_folders, help="A folder for a repository."
)
@output_option("yaml", "json", "name", "table")
def generate(
    scope: Scope, files: tuple[Path, ...], clusters: Path | None, folders: dict[str, Path], output: str
) -> int:
    """The Applications that ApplicationSets in files make. Writes nothing, and needs no cluster.

    With --context, the hub says which clusters are registered and how to log in. Git generators read the folder that
    --repo names for a repository, or the repository itself. Exit status 1 if anything is wrong, with file and line.
    """
    from fleetui.cli.appset import show_generated

    return show_generated(scope, files, clusters=clusters, folders=folders, output=output)


@appset.command("diff", short_help="What an ApplicationSet would do to its Applications.")
@scope_options
@click.argument("name", required=False, default="")
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(path_type=Path), help="An edited one.")
@output_option("table", "unified", "side", "json", "yaml")
def diff(scope: Scope, name: str, files: tuple[Path, ...], output: str) -> int:
    """What an ApplicationSet, as it is or as a file has it (- is stdin), would create, change and delete now.

    Nothing is written. Exit status 4 if anything would be or is wrong, 1 if it can't be generated.
    """
    from fleetui.cli.appset_preview import show_preview

    return show_preview(scope, name, files, output)
