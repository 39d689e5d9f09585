"""Which credential plugins the user lets run: kubectl's preferences.

Owns: `refusal`. Called by `backends.kube.execplugin` in a worker thread before each run, because it reads a file. A
kubeconfig that somebody sends names programs to run; who has told kubectl which of them may is not asked twice.
Rules: kubectl 0.37 pkg/kuberc/kuberc.go (which file, what is an error), client-go 0.37
plugin/pkg/client/auth/exec/exec.go (`ValidatePluginPolicy`, `checkAllowlistLocked`).
"""

from __future__ import annotations

import os.path
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.kube.context import shown
from fleetui.model.text import one_line

_VERSION = "kubectl.config.k8s.io/v1beta1"
_OPEN = ("", "AllowAll")


def refusal(command: str, env: Mapping[str, str]) -> str:
    """Why a plugin may not be run, to follow its name; empty where it may.

    Args:
        command: as the kubeconfig has it.
        env: the environment; ``KUBERC`` names the file, ``off`` none.
    """
    named = env.get("KUBERC", "")
    if named == "off" or env.get("KUBECTL_KUBERC", "").lower() == "false":
        return ""
    file = Path(named) if named else Path(env.get("HOME") or Path.home()) / ".kube" / "kuberc"
    preferences = _read(file)
    if preferences is None:
        return f"may not be run: {shown(file)} can't be read" if named else ""
    policy, allowed = preferences.get("credentialPluginPolicy") or "", preferences.get("credentialPluginAllowlist")
    if problem := _misconfigured(policy, allowed):
        return f"may not be run: {shown(file)}: {problem}"
    if policy in _OPEN or (policy == "Allowlist" and _is_among(command, [_command(entry) for entry in allowed or ()])):
        return ""
    return f"may not be run: {shown(file)} says credentialPluginPolicy: {policy}"


def _read(file: Path) -> Mapping[str, Any] | None:
    """kubectl's preferences; None where the file is none, which kubectl passes over unless it was named."""
    import yaml

    try:
        found = yaml.safe_load(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("kind") != "Preference":
        return None
    return found if found.get("apiVersion") == _VERSION else {}


def _misconfigured(policy: object, allowed: object) -> str:
    """A security setting that was mistyped must not be as good as none."""
    if policy == "Allowlist":
        if not isinstance(allowed, list) or not allowed:
            return "the policy Allowlist needs a credentialPluginAllowlist"
        for entry in allowed:
            text = _command(entry)
            if not text or os.path.normpath(text) != text:
                return f"{one_line(text) or 'an entry'} of credentialPluginAllowlist is no plain command"
        return ""
    if policy in (*_OPEN, "DenyAll"):
        return "only the policy Allowlist has a credentialPluginAllowlist" if allowed is not None else ""
    return f"credentialPluginPolicy {one_line(str(policy))} is not known"


def _command(entry: object) -> str:
    found = (entry.get("command") or entry.get("name")) if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""


def _is_among(command: str, allowed: list[str]) -> bool:
    cleaned = os.path.normpath(command)
    found = shutil.which(cleaned)
    if cleaned in allowed or (found is not None and found in allowed):
        return True
    same = [entry for entry in allowed if os.path.basename(entry) == os.path.basename(cleaned)]  # noqa: PTH119
    return found is not None and any(shutil.which(entry) == found for entry in same)
