"""What `--help` says of the commands."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fleetui.cli.commands import cli

GROUPS = [(), *((name,) for name, command in cli.commands.items() if isinstance(command, click.Group))]


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_a_list_of_commands_is_cut_nowhere(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*group, "--help"], terminal_width=80)
    assert shown.exit_code == 0
    listed = shown.output.partition("Commands:")[2].splitlines()[1:]
    assert listed
    assert [line for line in listed if line.endswith("...")] == []
