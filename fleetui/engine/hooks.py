"""Sync phases, waves, hooks and their delete policies, read from an object's annotations.

Owns: `Phase`, `DeletePhase`, `hook_types`, `phases`, `is_delete_hook`, `wave`, `delete_policies` (gitops-engine
`pkg/sync/hook`, `syncwaves`, `resource`; argo-cd `controller/hook.go`; v3.6.1). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from fleetui.engine.application import HOOK, HOOK_DELETE_POLICY, SYNC_WAVE, annotation
from fleetui.health.hooks import is_hook, is_skipped

HELM_HOOK = "helm.sh/hook"
HELM_WEIGHT = "helm.sh/hook-weight"
HELM_DELETE_POLICY = "helm.sh/hook-delete-policy"


class Phase(StrEnum):
    """A sync phase; `PHASE_ORDER` gives the order in which they run."""

    PRE_SYNC = "PreSync"
    SYNC = "Sync"
    POST_SYNC = "PostSync"
    SYNC_FAIL = "SyncFail"


PHASE_ORDER = {Phase.PRE_SYNC: -1, Phase.SYNC: 0, Phase.POST_SYNC: 1, Phase.SYNC_FAIL: 2}


class DeletePhase(StrEnum):
    """When, while an Application is deleted, a hook runs: before or after its objects go. No phase of a sync."""

    PRE_DELETE = "PreDelete"
    POST_DELETE = "PostDelete"


_HELM_DELETE_HOOKS = {DeletePhase.PRE_DELETE: "pre-delete", DeletePhase.POST_DELETE: "post-delete"}
_HELM_HOOKS = {
    "pre-install": Phase.PRE_SYNC,
    "pre-upgrade": Phase.PRE_SYNC,
    "post-install": Phase.POST_SYNC,
    "post-upgrade": Phase.POST_SYNC,
}
_HELM_POLICIES = {
    "before-hook-creation": "BeforeHookCreation",
    "hook-succeeded": "HookSucceeded",
    "hook-failed": "HookFailed",
}


_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
"""What Go's `strconv.Atoi` reads: Python's `int` would also take blanks, underscores and other digits."""


def _values(obj: Mapping[str, Any], key: str) -> list[str]:
    return [part.strip() for part in annotation(obj, key).split(",") if part.strip()]


def hook_types(obj: Mapping[str, Any]) -> list[str]:
    """All that an object says of when it runs, in the order written, each once."""
    known = {*Phase, *DeletePhase, "Skip"}
    own = [value for value in _values(obj, HOOK) if value in known]
    if own:
        return list(dict.fromkeys(own))
    helms = {**_HELM_HOOKS, **{helm: phase for phase, helm in _HELM_DELETE_HOOKS.items()}}
    return list(dict.fromkeys(helms[value].value for value in _values(obj, HELM_HOOK) if value in helms))


def phases(obj: Mapping[str, Any]) -> list[Phase]:
    """The phases in which an object is applied, in the order written; Helm's hooks count where Argo CD's are absent."""
    if is_skipped(obj):
        return []
    if not is_hook(obj):
        return [Phase.SYNC]
    own = [value for value in _values(obj, HOOK) if value == "Skip" or value in set(Phase)]
    if own:
        return list(dict.fromkeys(Phase(value) for value in own if value != "Skip"))
    return list(dict.fromkeys(_HELM_HOOKS[value] for value in _values(obj, HELM_HOOK) if value in _HELM_HOOKS))


def is_delete_hook(obj: Mapping[str, Any], phase: DeletePhase) -> bool:
    """Whether an object is a hook of that moment of a deletion, besides whatever else it is (`isHookOfType`)."""
    return phase in _values(obj, HOOK) or _HELM_DELETE_HOOKS[phase] in _values(obj, HELM_HOOK)


def wave(obj: Mapping[str, Any] | None) -> int:
    """The sync wave: Argo CD's annotation, else Helm's hook weight, else 0; unreadable text counts as absent."""
    if obj is None:
        return 0
    for key in (SYNC_WAVE, HELM_WEIGHT):
        value = annotation(obj, key)
        if _NUMBER.fullmatch(value):
            return int(value)
    return 0


def delete_policies(obj: Mapping[str, Any]) -> set[str]:
    """When a hook is deleted; none given means ``BeforeHookCreation``."""
    known = set(_HELM_POLICIES.values())
    found = {value for value in _values(obj, HOOK_DELETE_POLICY) if value in known}
    found |= {_HELM_POLICIES[value] for value in _values(obj, HELM_DELETE_POLICY) if value in _HELM_POLICIES}
    return found or {"BeforeHookCreation"}
