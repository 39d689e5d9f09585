"""Which credential plugins may run: kubectl's preferences, with its rules for what is misconfigured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.kube.kuberc import refusal
from fleetui.model.errors import UnauthorizedError
from tests.unit.kube.plugin import logging_in, plugin, runs

HEAD = {"apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference"}


def policy(name: str, *allowed: str, key: str = "command") -> dict[str, Any]:
    entries = {"credentialPluginAllowlist": [{key: entry} for entry in allowed]} if allowed else {}
    return {"credentialPluginPolicy": name} | entries


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and two programs of which one is in the PATH."""
    for folder in ("bin", "opt", ".kube"):
        (tmp_path / folder).mkdir()
    for program in ("bin/aws", "opt/aws", "opt/other"):
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def told(home: Path, command: str, preferences: dict[str, Any], **env: str) -> str:
    (home / ".kube" / "kuberc").write_text(yaml.safe_dump(HEAD | preferences))
    return refusal(command.replace("~", str(home)), {"HOME": str(home)} | env).replace(str(home), "~")


NO = "may not be run: ~/.kube/kuberc"


@pytest.mark.parametrize(
    ("command", "preferences", "problem"),
    [
        ("aws", {}, ""),
        ("aws", policy("AllowAll"), ""),
        ("aws", policy("DenyAll"), f"{NO} says credentialPluginPolicy: DenyAll"),
        ("aws", policy("Allowlist", "gke", "aws"), ""),
        ("aws", policy("Allowlist", "aws", key="name"), ""),
        ("aws", policy("Allowlist", "~/bin/aws"), ""),
        ("~/bin/aws", policy("Allowlist", "aws"), ""),
        ("~/opt/../bin/aws", policy("Allowlist", "~/bin/aws"), ""),
        # Of the same name, and yet another program.
        ("~/opt/aws", policy("Allowlist", "aws"), f"{NO} says credentialPluginPolicy: Allowlist"),
        ("aws", policy("Allowlist", "~/opt/aws"), f"{NO} says credentialPluginPolicy: Allowlist"),
        ("~/opt/other", policy("Allowlist", "aws"), f"{NO} says credentialPluginPolicy: Allowlist"),
        ("aws", policy("Allowlist"), f"{NO}: the policy Allowlist needs a credentialPluginAllowlist"),
        ("aws", policy("Allowlist", ""), f"{NO}: an entry of credentialPluginAllowlist is no plain command"),
        ("aws", policy("Allowlist", "./aws"), f"{NO}: ./aws of credentialPluginAllowlist is no plain command"),
        ("aws", policy("Deny"), f"{NO}: credentialPluginPolicy Deny is not known"),
        ("aws", policy("DenyAll", "aws"), f"{NO}: only the policy Allowlist has a credentialPluginAllowlist"),
        ("aws", policy("DenyAll") | {"apiVersion": "kubectl.config.k8s.io/v1alpha1"}, ""),
        ("aws", policy("DenyAll") | {"kind": "Config"}, ""),
    ],
)
def test_a_plugin_runs_where_kubectl_would_run_it(
    home: Path, command: str, preferences: dict[str, Any], problem: str
) -> None:
    entries = preferences.get("credentialPluginAllowlist", [])
    for entry in entries:
        entry.update({key: value.replace("~", str(home)) for key, value in entry.items()})
    assert told(home, command, preferences) == problem


def test_where_the_preferences_are(home: Path) -> None:
    assert told(home, "aws", policy("DenyAll"), KUBERC="off") == ""
    assert told(home, "aws", policy("DenyAll"), KUBECTL_KUBERC="false") == ""
    other = home / "other"
    other.write_text(yaml.safe_dump(HEAD | policy("AllowAll")))
    assert told(home, "aws", policy("DenyAll"), KUBERC=str(other)) == ""
    assert told(home, "aws", {}, KUBERC=str(home / "gone")) == "may not be run: ~/gone can't be read"
    (home / ".kube" / "kuberc").write_text("[")
    assert refusal("aws", {"HOME": str(home)}) == ""
    (home / ".kube" / "kuberc").unlink()
    assert refusal("aws", {"HOME": str(home)}) == ""


async def test_a_plugin_that_may_not_run_is_not_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".kube" / "kuberc").write_text(yaml.safe_dump(HEAD | policy("DenyAll")))
    monkeypatch.setenv("HOME", str(home))
    async with logging_in(plugin(tmp_path, "out(token='t')")) as (own,):
        with pytest.raises(
            UnauthorizedError, match=r"kubelogin may not be run: ~/\.kube/kuberc says credentialPluginPolicy"
        ):
            await own.login()
    assert runs(tmp_path) == []
