"""Folders, settings and the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fleetui.config import Paths, Settings, load_settings, set_up_log
from fleetui.model.errors import UsageError


def test_folders_follow_xdg_and_ignore_what_is_relative() -> None:
    paths = Paths.of({"HOME": "/home/ann", "XDG_CONFIG_HOME": "/etc/x", "XDG_STATE_HOME": "not/absolute"})
    assert paths.settings_file == Path("/etc/x/fleetui/config.yaml")
    assert paths.audit_file == Path("/home/ann/.local/state/fleetui/audit.jsonl")
    assert paths.cache == Path("/home/ann/.cache/fleetui")


def test_no_file_and_an_empty_file_are_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "config.yaml") == Settings(protected=())
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    assert load_settings(tmp_path / "config.yaml") == Settings(protected=())


def test_protected_clusters_are_named_by_globs(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("protected: [prod-*, arn:*/prod]\n")
    settings = load_settings(tmp_path / "config.yaml")
    assert settings.protects("prod-eu-1")
    assert settings.protects("arn:aws:eks:eu-1:1:cluster/prod")
    assert not settings.protects("stage-1")


def test_namespaces_to_look_into(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("namespaces: [team-a, team-b]\n")
    assert load_settings(tmp_path / "config.yaml").namespaces == ("team-a", "team-b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protectd: []", "config.yaml: there is no setting 'protectd' \\(did you mean 'protected'\\?\\)"),
        ("colour: red", "known settings: protected"),
        ("3: red", "there is no setting 3"),
        ("protected: prod", "protected is a list"),
        ("protected: [1]", "protected is a list"),
        ("namespaces: team-a", "namespaces is a list"),
        ("namespaces: ['']", "namespaces is a list"),
        ("- protected", "settings are a map"),
        ("a: 1\nb: [}", "config.yaml:2: this is no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_settings(tmp_path / "config.yaml")


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"config.yaml can't be read"):
        load_settings(tmp_path / "config.yaml")
    with pytest.raises(UsageError, match="can't be read"):
        load_settings(tmp_path)


@pytest.fixture
def root_logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    return root


def test_the_log_goes_to_its_file_and_not_to_the_terminal(
    tmp_path: Path, root_logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_log(tmp_path / "state" / "fleetui.log")
    logging.getLogger("fleetui.test").warning("a cluster went")
    for handler in root_logger.handlers:
        handler.close()
    assert "a cluster went" in (tmp_path / "state" / "fleetui.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_a_log_that_can_not_be_written_is_done_without(
    tmp_path: Path, root_logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("in the way")
    set_up_log(tmp_path / "state" / "fleetui.log")
    logging.getLogger("fleetui.test").warning("a cluster went")
    assert capfd.readouterr() == ("", "")


def test_what_hubs_may_say_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    assert load_settings(file).argocd_namespaces == ("argocd",)
    assert load_settings(file).hub_exec_plugins == ()
    file.write_text("argocd_namespaces: [gitops]\nhub_exec_plugins: [tsh, gke-gcloud-auth-plugin]\n")
    settings = load_settings(file)
    assert (settings.argocd_namespaces, settings.hub_exec_plugins) == (("gitops",), ("tsh", "gke-gcloud-auth-plugin"))
    file.write_text("git_hosts: {git.example: gitea}\n")
    assert load_settings(file).git_hosts == {"git.example": "gitea"}
    for wrong, said in (
        ("argocd_namespaces: []", "argocd_namespaces is a list of namespaces"),
        ("hub_exec_plugins: [/usr/bin/tsh]", "hub_exec_plugins is a list of programs of the PATH"),
        ("hub_exec_plugins: tsh", "hub_exec_plugins is a list of programs of the PATH"),
        ("webhook_listen: 8083", "webhook_listen is an address to listen on"),
        ("addon_label: 1", "addon_label is the name of a label"),
        ("addon_selector: a in (", "addon_selector is a label selector"),
        ("git_submodules: maybe", "git_submodules is true or false"),
        ("git_hosts: [git.example]", "git_hosts is a map of hosts to their kinds"),
        ("git_hosts: {git.example: sourcehut}", "git_hosts is a map of hosts to their kinds"),
        ("webhook_listen: here", "webhook_listen is an address to listen on"),
    ):
        file.write_text(wrong)
        with pytest.raises(UsageError, match=said):
            load_settings(file)
