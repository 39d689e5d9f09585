"""A rollout as a ConfigMap, and back.

Owns: the stored format. Called by `fleetui.engine.rollout.store`. Pure.

What never changes (`plan`) and what does (`state`) are JSON, compressed, in `binaryData`; `data` has a summary for
whoever reads it with kubectl, and the driver, so that its renewal is a small patch. Format 1.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import ClusterName, Obj
from fleetui.model.rollout import Driver, Rollout, RolloutKey, RolloutPlan, RolloutState
from fleetui.model.text import cut_middle, one_line

LABEL = "fleetui.io/rollout"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "fleetui"
SELECTOR = f"{MANAGED_BY}={MANAGER},{LABEL}"
FORMAT = "1"
PREFIX = "rollout-"

_LARGEST = 1024 * 1024 - 4096
"""Bytes of a ConfigMap's data (k8s.io/api/core/v1, `MaxSecretSize` counts for both)."""
_HALF = _LARGEST // 2
"""Bytes for the plan, and for the state: the one does not change and the other must always fit beside it."""
_FEW_EVENTS, _FEW_WORDS = 200, 60
"""What is left of a timeline, and of each cell's message, where all of it would not fit."""
_EXPANDED = 128 * 1024 * 1024
_LEVEL = 1

T = TypeVar("T")


def encode(rollout: Rollout) -> Obj:
    """The ConfigMap of a rollout that is not stored yet.

    Raises:
        RefusedError: it is larger than a ConfigMap may be.
    """
    key = rollout.plan.key
    plan = _packed(rollout.plan, level=9)
    body = changes(rollout)
    if _bytes(plan) > _HALF:
        message = f"rollout {key.name}: {len(rollout.plan.cells)} cells are more than a ConfigMap can hold"
        raise RefusedError(message, "make several rollouts of it")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": PREFIX + key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY: MANAGER, LABEL: key.name},
        },
        "data": body["data"],
        "binaryData": {"plan": plan, **body["binaryData"]},
    }


def changes(rollout: Rollout) -> Obj:
    """The part of the ConfigMap that changes, as a merge patch. How the cells stand always fits; where what was said
    of them does not, the newest events and the beginning of each message are kept."""
    state = msgspec.structs.replace(rollout.state, driver=Driver())
    packed = _packed(state, level=_LEVEL)
    if _bytes(packed) > _HALF:
        packed = _packed(_shortened(state), level=_LEVEL)
    return {"data": {**_summary(rollout), **driver(rollout)["data"]}, "binaryData": {"state": packed}}


def driver(rollout: Rollout) -> Obj:
    """The driver alone, as a merge patch."""
    return {"data": {"driver": msgspec.json.encode(rollout.state.driver).decode()}}


def decode(hub: ClusterName, obj: Mapping[str, Any], *, plan: RolloutPlan | None = None) -> Rollout:
    """The rollout that a ConfigMap of `hub` holds. `plan`: what its `binaryData.plan` is known to say.

    Raises:
        FleetError: it is none, was written by a newer fleetui, or can't be read; the sentence says which.
    """
    metadata = mapping(obj.get("metadata"))
    namespace, name = text(metadata.get("namespace")), text(metadata.get("name"))
    where = f"ConfigMap {namespace}/{name} of {hub}"
    data, binary = mapping(obj.get("data")), mapping(obj.get("binaryData"))
    found = text(data.get("format"))
    if found != FORMAT:
        hint = "it was written by another version of fleetui" if found else "it is none that fleetui wrote"
        raise FleetError(f"{where} holds no rollout of format {FORMAT}", hint)
    if plan is None:
        plan = _unpacked(binary.get("plan"), RolloutPlan, where)
    state = _unpacked(binary.get("state"), RolloutState, where)
    try:
        drives = msgspec.json.decode(text(data.get("driver")) or "{}", type=Driver)
    except msgspec.DecodeError as error:
        raise _garbled(where, error) from error
    if PREFIX + plan.key.name != name or len(state.cells) not in {0, len(plan.cells)}:
        raise FleetError(f"{where} holds the rollout {one_line(plan.key.name)}, and not as fleetui writes it")
    _check(plan, state, where)
    plan = _at_home(plan, hub, namespace)
    version = text(metadata.get("resourceVersion"))
    return Rollout(plan, msgspec.structs.replace(state, driver=drives), version)


def _at_home(plan: RolloutPlan, hub: ClusterName, namespace: str) -> RolloutPlan:
    """Where it lies is what counts: a hub may be known under another name here. Its cells are of the same hub, also
    where a stranger's hand wrote another one."""
    if plan.key.hub != hub or plan.key.namespace != namespace:
        plan = msgspec.structs.replace(plan, key=RolloutKey(hub, namespace, plan.key.name))
    if any(cell.app.hub != hub for cell in plan.cells):
        replace = msgspec.structs.replace
        plan = replace(plan, cells=tuple(replace(cell, app=replace(cell.app, hub=hub)) for cell in plan.cells))
    return plan


def _check(plan: RolloutPlan, state: RolloutState, where: str) -> None:
    """What the state machine relies on."""
    keys = {cell.key for cell in plan.cells}
    in_waves = [key for wave in plan.waves for key in wave.cells]
    fits = (
        len(keys) == len(plan.cells)
        and plan.waves
        and len(in_waves) == len(set(in_waves))
        and keys == set(in_waves)
        and len(state.waves) in {0, len(plan.waves)}
        and 0 <= state.wave < len(plan.waves)
        and all(len(one.gates) == len(wave.gates) for one, wave in zip(state.waves, plan.waves, strict=False))
    )
    if not fits:
        raise FleetError(f"{where} holds a rollout whose parts do not fit each other", "restore or delete it")


def _summary(rollout: Rollout) -> dict[str, str]:
    plan, state = rollout.plan, rollout.state
    counts = Counter(str(cell.phase) for cell in state.cells)
    moves = ", ".join(f"{addon} to {version}" for addon, version in sorted(plan.moves.items()))
    return {
        "format": FORMAT,
        "moves": moves,
        "phase": str(state.phase),
        "reason": state.reason,
        "wave": f"{plan.waves[state.wave].name} ({state.wave + 1} of {len(plan.waves)})",
        "cells": ", ".join(f"{count} {phase}" for phase, count in counts.items()),
        "created-by": plan.created_by,
    }


def _packed(value: object, *, level: int) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(value), level)).decode()


def _unpacked(value: object, kind: type[T], where: str) -> T:
    try:
        raw = zlib.decompressobj()
        content = raw.decompress(base64.b64decode(text(value), validate=True), _EXPANDED)
        if not raw.eof:
            raise ValueError("it is cut off, or too large")
        return msgspec.json.decode(content, type=kind)
    except (binascii.Error, zlib.error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise _garbled(where, error) from error


def _garbled(where: str, error: Exception) -> FleetError:
    return FleetError(f"{where} can't be read: {one_line(str(error))}", "restore it from a backup, or delete it")


def _shortened(state: RolloutState) -> RolloutState:
    replace = msgspec.structs.replace
    cells = tuple(
        replace(cell, message=cut_middle(cell.message, _FEW_WORDS), away=cut_middle(cell.away, _FEW_WORDS))
        for cell in state.cells
    )
    return replace(state, cells=cells, events=state.events[-_FEW_EVENTS:])


def _bytes(packed: str) -> int:
    return len(packed) * 3 // 4
