"""What `--help` says of the commands."""

from __future__ import annotations

from pathlib import Path

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


def test_some_contexts_and_all_of_them_can_not_both_be_meant() -> None:
    for words in (
        ["--all-contexts", "--context", "a", "get", "apps"],
        ["get", "apps", "--all-contexts", "--context", "a"],
    ):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 2
        assert "--context and --all-contexts can't be given together" in done.output


def test_the_context_that_stands_nearer_the_command_wins(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    contexts = "contexts: [{name: b, context: {cluster: b, user: b}}]"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, clusters: [{name: b, cluster: {server: 'https://b'}}], " + contexts + "}"
    )
    words = ["--kubeconfig", str(kubeconfig), "--all-contexts", "get", "apps", "--context", "a"]
    assert "the context a does not exist" in str(CliRunner().invoke(cli, words).exception)
