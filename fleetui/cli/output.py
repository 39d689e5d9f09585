"""Writing to stdout: aligned tables, JSON, YAML, names.

Owns: `emit`, `emit_rows`. JSON is one object or one list, never a line of narration between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from fleetui.model.text import sanitize

T = TypeVar("T")
Table = Callable[[Sequence[T]], str]


def emit(value: Any, output: str = "table") -> None:
    """Prints text, and anything else as JSON or YAML.

    Text is made harmless once more: a name says what to ask for and so stays as it is until here, and those of RBAC may
    hold whatever moves a terminal's cursor.
    """
    if isinstance(value, str):
        if value:
            click.echo(sanitize(value))
        return
    if output == "yaml":
        from fleetui.render.yaml import dump

        click.echo(dump(value), nl=False)
        return
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def emit_rows(
    rows: Sequence[T],
    output: str,
    *,
    document: Callable[[T], Any],
    name: Callable[[T], str],
    table: Table[T],
    empty: str,
) -> None:
    """Prints rows in the wanted format; `empty` goes to stderr where there is none to show in a table."""
    if output in {"json", "yaml"}:
        emit([document(row) for row in rows], output)
    elif output == "name":
        emit("\n".join(name(row) for row in rows))
    elif rows:
        emit(table(rows))
    elif empty:
        click.echo(empty, err=True)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as kubectl prints one: columns padded to their widest cell, three blanks between."""
    lines = [[cell.replace("\n", " ") for cell in line] for line in ([head, *rows] if head else rows)]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
