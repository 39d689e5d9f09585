"""The options that many commands share, spelled as kubectl spells them.

Owns: `Scope` (which clusters, which namespace) and the decorators that fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from fleetui.config import listen_address

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Scope:
    """Which clusters a command looks at and which namespace; empty `contexts`: the current one."""

    kubeconfig: Path | None = None
    contexts: tuple[str, ...] = ()
    all_contexts: bool = False
    namespace: str = ""
    read_only: bool = False


def chosen(contexts: tuple[str, ...], *, all_contexts: bool) -> tuple[tuple[str, ...], bool]:
    """Which contexts are meant where options of one place were given; what stands nearer the command wins.

    Raises:
        click.UsageError: some, and all.
    """
    if contexts and all_contexts:
        raise click.UsageError("--context and --all-contexts can't be given together")
    return contexts, all_contexts


def scope_options(command: F) -> F:
    """Adds ``--kubeconfig``, ``--context``, ``--all-contexts``, ``-n`` and ``-A``; the command gets ``scope=``."""
    return _scoped(command, (*_CLUSTERS, *_NAMESPACES))


def cluster_options(command: F) -> F:
    """As `scope_options`, without a choice of namespaces: for what is about whole clusters."""
    return _scoped(command, _CLUSTERS)


Options = tuple[Callable[[Any], Any], ...]
_CLUSTERS: Options = (
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="The kubeconfig to use."),
    click.option("--context", "contexts", multiple=True, help="A context of the kubeconfig; may be repeated."),
    click.option("--all-contexts", is_flag=True, help="Every context of the kubeconfig."),
)
_NAMESPACES: Options = (
    click.option("-n", "--namespace", default="", help="Only applications of this namespace."),
    click.option("-A", "--all-namespaces", is_flag=True, help="Applications of all namespaces (the default)."),
)


def _scoped(command: F, options: Options) -> F:

    @click.pass_context
    def wrapped(context: click.Context, /, **values: Any) -> Any:
        outer: Scope = context.obj if isinstance(context.obj, Scope) else Scope()
        values.pop("all_namespaces", None)
        contexts, all_contexts = chosen(values.pop("contexts"), all_contexts=values.pop("all_contexts"))
        if not (contexts or all_contexts):
            contexts, all_contexts = outer.contexts, outer.all_contexts
        scope = Scope(
            kubeconfig=values.pop("kubeconfig") or outer.kubeconfig,
            contexts=contexts,
            all_contexts=all_contexts,
            namespace=values.pop("namespace", ""),
            read_only=outer.read_only,
        )
        return context.invoke(command, scope=scope, **values)

    wrapped.__name__ = command.__name__
    wrapped.__doc__ = command.__doc__
    wrapped.__dict__.update({key: value for key, value in command.__dict__.items() if key == "__click_params__"})
    decorated: Any = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    result: F = decorated
    return result


def output_option(*formats: str) -> Callable[[F], F]:
    """Adds ``-o``; the first format is the default."""
    choice = click.Choice(formats)
    return click.option("-o", "--output", type=choice, default=formats[0], show_default=True, help="Output format.")


yes_option = click.option("--yes", default="", metavar="CLUSTER", help="Confirms a change on this protected cluster.")
"""Adds ``--yes``, of commands that change something."""


def duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """A click callback: a Go duration or a number of seconds, as seconds."""
    from fleetui.model.times import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """A click callback: ``HOST:PORT``, or ``:PORT`` for every address of this machine."""
    if value is None:
        return None
    found = listen_address(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no HOST:PORT, such as 127.0.0.1:8082")
    return found
