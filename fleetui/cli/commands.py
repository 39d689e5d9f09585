"""The commands, their options and their help; what they do is in the modules that they import when run.

Owns: `cli`. Kept free of anything that is slow to import. Those of one subject are in a module of their own beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fleetui import __version__
from fleetui.cli.appset_commands import appset
from fleetui.cli.engine_commands import bootstrap, engine
from fleetui.cli.options import Scope, chosen, duration, output_option, scope_options, yes_option
from fleetui.cli.pod_commands import exec_, logs, port_forward
from fleetui.cli.rollout_commands import list_rollouts, rollout


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fleetui")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="The kubeconfig to use.")
@click.option("--context", "contexts", multiple=True, help="A context of the kubeconfig; may be repeated.")
@click.option("--all-contexts", is_flag=True, help="Every context of the kubeconfig.")
@click.option("--read-only", is_flag=True, help="Refuse every change.")
@click.pass_context
def cli(
    context: click.Context, kubeconfig: Path | None, contexts: tuple[str, ...], all_contexts: bool, read_only: bool
) -> None:
    """A terminal console for a GitOps fleet. Without a command: the console."""
    context.obj = Scope(kubeconfig, *chosen(contexts, all_contexts=all_contexts), read_only=read_only)
    if context.invoked_subcommand is None:
        from fleetui.cli.console import open_console

        open_console(context.obj)


@cli.command(short_help="A fleet to play with; needs no cluster.")
@click.option("--clusters", default=4, show_default=True, type=click.IntRange(1, 100), help="How many clusters.")
@click.option("--apps", type=click.IntRange(1, 20_000), help="So many applications in all.  [default: the story's]")
@click.option("--seed", default=1, show_default=True, help="Another number, another fleet.")
@click.option("--serve", is_flag=True, help="No console: print the kubeconfig's path and stay, for kubectl and k9s.")
@click.pass_obj
def demo(scope: Scope, clusters: int, apps: int | None, seed: int, serve: bool) -> None:
    """A fleet to play with: embedded clusters, real Git repositories, the engine. Needs nothing."""
    from fleetui.cli.demo import run_demo

    run_demo(scope, clusters=clusters, apps=apps, seed=seed, serve=serve)


@cli.group()
def get() -> None:
    """What the console's tables show."""


@get.command("apps")
@scope_options
@click.option("-l", "--selector", default="", help="Only applications with these labels, e.g. team=shop,tier!=test.")
@click.option("-w", "--watch", is_flag=True, help="Go on with each change.")
@output_option("table", "wide", "json", "yaml", "name")
def get_apps(scope: Scope, selector: str, watch: bool, output: str) -> int:
    """The applications of the chosen clusters, problems first."""
    from fleetui.cli.read import show_apps

    return show_apps(scope, output, selector=selector, watch=watch)


@get.command("clusters", short_help="The clusters, and how they are.")
@scope_options
@output_option("table", "wide", "json", "yaml", "name")
@click.option("--check", is_flag=True, help="Connect to the registered clusters too, to see how they are.")
def get_clusters(scope: Scope, output: str, check: bool) -> int:
    """The chosen clusters and those that they register, and how they are."""
    from fleetui.cli.read import show_clusters

    return show_clusters(scope, output, check=check)


@get.command("projects", short_help="Argo CD's projects, with their sync windows.")
@scope_options
@output_option("table", "wide", "json", "yaml", "name")
def get_projects(scope: Scope, output: str) -> int:
    """Argo CD's projects: what they permit, and how their sync windows are."""
    from fleetui.cli.projects import show_projects

    return show_projects(scope, output)


@get.command("appsets", short_help="Argo CD's ApplicationSets, and how they are.")
@scope_options
@output_option("table", "json", "yaml", "name")
def get_appsets(scope: Scope, output: str) -> int:
    """Argo CD's ApplicationSets: what generates, how many Applications there are, and what is wrong."""
    from fleetui.cli.appset_preview import show_appsets

    return show_appsets(scope, output)


@get.command("matrix", short_help="The addon matrix: which version of every addon on every cluster.")
@scope_options
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("-l", "--selector", default="", help="Which applications are addons, by their labels.")
@click.option("--addon-label", default="", help="The label that names an application's addon.  [default: addon]")
@click.option("--group-by", default="", metavar="LABEL", help="Group the clusters by a label of theirs.")
@click.option("--turn", is_flag=True, help="Addons down and clusters across.")
@output_option("table", "wide", "json", "yaml")
def get_matrix(
    scope: Scope, words: tuple[str, ...], selector: str, addon_label: str, group_by: str, turn: bool, output: str
) -> int:
    """The addon matrix: which version of every addon on every cluster, and how it is.

    Addons are the applications that an ApplicationSet made, and those with the label; or those that -l selects. FILTER
    shows some of the cells: cluster:prod-* addon:cert* health:degraded sync:outofsync version:<1.15 stage=prod, or a
    word; ! before one turns it round.
    """
    from fleetui.cli.matrix import show_matrix

    return show_matrix(scope, output, words=words, selector=selector, label=addon_label, group_by=group_by, turn=turn)


@cli.command(short_help="The objects of an application, with the health of each.")
@scope_options
@click.argument("app")
@output_option("table", "wide", "json", "yaml")
@click.option("--orphans", is_flag=True, help="What nobody manages in its namespace, instead.")
def tree(scope: Scope, app: str, output: str, *, orphans: bool) -> int:
    """The objects of an application, with the health of each; ten or more like ones are one row, but for -o wide."""
    from fleetui.cli.read import show_orphans, show_tree

    return (show_orphans if orphans else show_tree)(scope, app, output)


@cli.command(short_help="What differs between Git and the cluster.")
@scope_options
@click.argument("app", required=False)
@click.option("--revision", default="", help="Compare with this commit, branch or tag instead.")
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(path_type=Path), help="Desired objects.")
@click.option("--live", multiple=True, type=click.Path(path_type=Path), help="Live objects, to compare -f with.")
@output_option("table", "unified", "side", "jsonpatch", "json", "yaml")
def diff(
    scope: Scope, app: str | None, revision: str, files: tuple[Path, ...], live: tuple[Path, ...], output: str
) -> int:
    """What differs between Git and the cluster, or between files (-f and --live). Exit status 4 if anything does.

    table: field by field, with who set it; unified: as diff -u has it; side: live and desired beside each other;
    jsonpatch: RFC 6902, from live to desired.
    """
    if files and live and not app and not revision:
        from fleetui.cli.compare import show_files_diff

        return show_files_diff(files, live, output)
    if files or live or not app:
        from fleetui.model.errors import UsageError

        raise UsageError("it takes an application, or both -f and --live", "write diff APP or diff -f FILE --live FILE")
    from fleetui.cli.read import show_diff

    return show_diff(scope, app, output, revision=revision)


@cli.command()
@scope_options
@click.argument("app")
@click.option("--changes", is_flag=True, help="And which objects each entry changed.")
@output_option("table", "json", "yaml")
def history(scope: Scope, app: str, changes: bool, output: str) -> int:
    """What was deployed when, by whom, from which commit."""
    from fleetui.cli.read import show_history

    return show_history(scope, app, output, changes=changes)


@cli.command(short_help="What happened to an application and to all below it.")
@scope_options
@click.argument("app")
@output_option("table", "json", "yaml")
def events(scope: Scope, app: str, output: str) -> int:
    """What happened to an application and to everything below it, the newest last."""
    from fleetui.cli.read import show_events

    return show_events(scope, app, output)


@cli.command()
@scope_options
@click.argument("app")
@output_option("table", "json", "yaml")
def why(scope: Scope, app: str, output: str) -> int:
    """What an application waits for, and where that can be seen."""
    from fleetui.cli.read import show_why

    return show_why(scope, app, output)


@cli.command()
@scope_options
@click.argument("app")
@click.option("--revision", default="", help="Sync to this commit, branch or tag.")
@click.option("--prune", is_flag=True, help="Delete what is no longer in Git.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.option(
    "--resource", "resources", multiple=True, metavar="GROUP/KIND/NAMESPACE/NAME", help="Only this object; repeatable."
)
@yes_option
@click.option("--wait", is_flag=True, help="Wait for the end, and for Synced and Healthy.")
@click.option("--timeout", callback=duration, help="How long to wait, e.g. 5m.")
def sync(
    scope: Scope,
    app: str,
    revision: str,
    prune: bool,
    dry_run: bool,
    resources: tuple[str, ...],
    yes: str,
    wait: bool,
    timeout: float | None,
) -> int:
    """Bring the cluster to what Git says."""
    from fleetui.cli.act import run_sync

    return run_sync(
        scope,
        app,
        revision=revision,
        prune=prune,
        dry_run=dry_run,
        resources=resources,
        yes=yes,
        wait=wait,
        timeout=timeout,
    )


@cli.command()
@scope_options
@click.argument("app")
@click.option("--hard", is_flag=True, help="Forget what is cached.")
def refresh(scope: Scope, app: str, hard: bool) -> int:
    """Compare with Git again, now."""
    from fleetui.cli.act import run_refresh

    return run_refresh(scope, app, hard=hard)


@cli.command(short_help="Go back to an entry of the history.")
@scope_options
@click.argument("app")
@click.argument("history_id", metavar="[ID]", type=int, required=False)
@click.option("--prune", is_flag=True, help="Delete what was not there then.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.option("--revert", is_flag=True, help="As a commit in Git, and not in the cluster alone.")
@click.option(
    "--restore-auto-sync",
    "restore",
    is_flag=True,
    help="Stay, and switch automated sync on again when Git has moved on.",
)
@yes_option
@click.option("--wait", is_flag=True, help="Wait for the end.")
@click.option("--timeout", callback=duration, help="How long to wait, e.g. 5m.")
def rollback(scope: Scope, app: str, history_id: int | None, **options: Any) -> int:
    """Go back to an entry of the history; without ID to the one before the current. Automated sync is switched off."""
    from fleetui.cli.act import run_rollback

    return run_rollback(scope, app, history_id, **options)


@cli.command(short_help="Switch an application's automated sync off.")
@scope_options
@click.argument("app")
@yes_option
def suspend(scope: Scope, app: str, yes: str) -> int:
    """Switch automated sync off; it is still compared with Git."""
    from fleetui.cli.act import run_plain

    return run_plain(scope, "suspend", app, yes=yes)


@cli.command(short_help="Switch an application's automated sync on again.")
@scope_options
@click.argument("app")
@yes_option
def resume(scope: Scope, app: str, yes: str) -> int:
    """Switch automated sync on again; what differs is synced at once."""
    from fleetui.cli.act import run_plain

    return run_plain(scope, "resume", app, yes=yes)


@cli.command(short_help="End an application's running operation.")
@scope_options
@click.argument("app")
@yes_option
def terminate(scope: Scope, app: str, yes: str) -> int:
    """End the operation that is in progress; what has been applied stays."""
    from fleetui.cli.act import run_plain

    return run_plain(scope, "terminate", app, yes=yes)


@cli.command()
@scope_options
@click.argument("app")
@click.option("--sync", "for_sync", is_flag=True, help="Until it is Synced.")
@click.option("--health", "for_health", is_flag=True, help="Until it is Healthy.")
@click.option("--timeout", callback=duration, help="How long to wait, e.g. 5m; for ever without.")
def wait(scope: Scope, app: str, for_sync: bool, for_health: bool, timeout: float | None) -> int:
    """Wait until an application is Synced and Healthy. Exit status 4 if it isn't in time."""
    from fleetui.cli.act import run_wait

    both = not (for_sync or for_health)
    return run_wait(scope, app, sync=for_sync or both, health=for_health or both, timeout=timeout)


@cli.command(short_help="Log in with the context's credential plugin.")
@scope_options
@click.argument("context", required=False, default="")
def login(scope: Scope, context: str) -> None:
    """Log in with the context's credential plugin, which may ask here in the terminal."""
    from fleetui.cli.login import run_login

    run_login(scope, context)


@cli.command(short_help="The health of objects in files, without a cluster.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--customizations", metavar="DIR", type=click.Path(path_type=Path), help="Lua scripts, laid out like Argo CD's."
)
@click.option("--flux", is_flag=True, help="By kstatus, as Flux sees it.")
def health(files: tuple[Path, ...], customizations: Path | None, flux: bool) -> int:
    """The health of objects in files and folders, a JSON line each; - is stdin. Needs no cluster."""
    from fleetui.cli.health import show_health

    return show_health(files, customizations=customizations, flux=flux)


@cli.command("render", short_help="The manifests that a folder or an Application gives.")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(path_type=Path), help="An Application.")
@click.option("--revision", default="", help="Of this commit, branch or tag.")
@output_option("yaml", "json", "name")
def render(path: Path | None, files: tuple[Path, ...], revision: str, output: str) -> int:
    """The manifests that a folder of this machine, or an Application in a file, gives. Needs no cluster."""
    from fleetui.cli.render import show_manifests

    return show_manifests(path, files, revision, output)


cli.add_command(logs)
cli.add_command(exec_)
cli.add_command(port_forward)
cli.add_command(appset)
cli.add_command(engine)
cli.add_command(bootstrap)
cli.add_command(rollout)
get.add_command(list_rollouts, "rollouts")
