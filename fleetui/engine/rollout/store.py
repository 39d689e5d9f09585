"""Rollouts in a hub: a ConfigMap each, changed with optimistic locking.

Owns: `RolloutStore`. Called by `fleetui.engine.rollout.runner` and `fleetui.fleet.rollouts`. What a ConfigMap says is
`codec`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from fleetui.engine.rollout import codec
from fleetui.model.errors import (
    AlreadyExistsError,
    ConflictError,
    FleetError,
    MissingError,
    NotFoundError,
    RefusedError,
)
from fleetui.model.objects import ApiResource, Obj, ObjectRef, StoredObject
from fleetui.model.rollout import Rollout, RolloutKey, RolloutPlan
from fleetui.ports import LiveCluster, PatchType, Subscription

_log = logging.getLogger(__name__)

CONFIG_MAPS = ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
_TRIES = 10
"""How often a change is made anew because somebody else was quicker."""
_PLANS = 32
"""So many plans, which never change and are large, are not read again at each look."""


class RolloutStore:
    """The rollouts of one hub."""

    def __init__(self, hub: LiveCluster) -> None:
        self._hub = hub
        self._plans: dict[str, tuple[str, RolloutPlan]] = {}
        self._seen: dict[RolloutKey, Rollout] = {}

    async def create(self, rollout: Rollout) -> Rollout:
        """Stores a new rollout.

        Raises:
            RefusedError: there is one of that name, or it is too large.
        """
        body = codec.encode(rollout)
        try:
            written = await self._hub.api.urgent.create(CONFIG_MAPS, body, field_manager=codec.MANAGER)
        except AlreadyExistsError as error:
            key = rollout.plan.key
            raise RefusedError(f"there is a rollout {key.name} already in {key.hub}/{key.namespace}") from error
        return self._versioned(rollout, written)

    async def get(self, key: RolloutKey) -> Rollout:
        """The rollout as the hub has it now.

        Raises:
            MissingError: there is none.
            FleetError: what there is can't be read.
        """
        try:
            obj = await self._hub.api.urgent.get(CONFIG_MAPS, codec.PREFIX + key.name, key.namespace)
        except NotFoundError as error:
            raise MissingError(f"there is no rollout {key.name} in {key.hub}/{key.namespace}") from error
        return self._decoded(obj)

    async def all(self, namespace: str = "") -> list[Rollout]:
        """Every rollout of a namespace, or of all; what can't be read is logged and left out."""
        found = []
        for obj in await self._hub.api.urgent.list(CONFIG_MAPS, namespace, labels=codec.SELECTOR):
            try:
                found.append(self._decoded(obj))
            except FleetError as error:
                _log.warning("%s", error)
        return found

    async def update(self, known: Rollout, change: Callable[[Rollout], Rollout]) -> Rollout:
        """Stores what `change` makes of a rollout, and returns it; nothing is written where it is the same object.

        Args:
            known: the rollout as it was last read or written here.
            change: called again with the rollout as it then is where somebody else has changed it meanwhile; what it
                raises ends the attempt.

        Raises:
            MissingError: the rollout is gone.
            ConflictError: somebody else was quicker, again and again.
        """
        for _ in range(_TRIES):
            after = change(known)
            if after is known:
                return known
            try:
                return await self._write(known, after)
            except ConflictError:
                known = await self.get(known.plan.key)
        key = known.plan.key
        message = f"rollout {key.name} was changed by somebody else, again and again"
        raise ConflictError(message, "ask again", cluster=key.hub, code=409, reason="Conflict")

    def watch(self, key: RolloutKey, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever `seen` may answer otherwise."""
        ref = _ref(key)

        def told(obj: StoredObject, *, deleted: bool) -> None:
            if obj.ref == ref:
                listener()

        want = self._hub.want(CONFIG_MAPS, key.namespace, labels=codec.SELECTOR)
        return _Both(self._hub.subscribe(told), want)

    def seen(self, key: RolloutKey) -> Rollout | None:
        """The rollout as the watch last brought it; None where it has not, or it is gone.

        Raises:
            FleetError: it can't be read.
        """
        obj = self._hub.get(_ref(key))
        if obj is None:
            self._seen.pop(key, None)
            return None
        known = self._seen.get(key)
        if known is None or known.version != obj.meta.resource_version:
            known = self._seen[key] = self._decoded(obj.decode())
        return known

    def version_seen(self, key: RolloutKey) -> str:
        """Its resourceVersion as the watch last brought it; empty where it has not."""
        obj = self._hub.get(_ref(key))
        return obj.meta.resource_version if obj is not None else ""

    async def _write(self, known: Rollout, after: Rollout) -> Rollout:
        key = known.plan.key
        alone = msgspec.structs.replace(after.state, driver=known.state.driver) == known.state
        body = codec.driver(after) if alone else codec.changes(after)
        body["metadata"] = {"resourceVersion": known.version}
        try:
            written = await self._hub.api.urgent.patch(
                CONFIG_MAPS,
                codec.PREFIX + key.name,
                key.namespace,
                body,
                kind=PatchType.MERGE,
                field_manager=codec.MANAGER,
            )
        except NotFoundError as error:
            raise MissingError(f"the rollout {key.name} is gone from {key.hub}/{key.namespace}") from error
        return self._versioned(after, written)

    def _versioned(self, rollout: Rollout, written: Obj) -> Rollout:
        version = str((written.get("metadata") or {}).get("resourceVersion", ""))
        return msgspec.structs.replace(rollout, version=version)

    def _decoded(self, obj: Obj) -> Rollout:
        packed = str((obj.get("binaryData") or {}).get("plan", ""))
        name = str((obj.get("metadata") or {}).get("uid", ""))
        kept = self._plans.get(name)
        plan = kept[1] if kept is not None and kept[0] == packed else None
        rollout = codec.decode(self._hub.api.name, obj, plan=plan)
        self._plans.pop(name, None)  # so that the one that was read last stays longest
        self._plans[name] = (packed, rollout.plan)
        while len(self._plans) > _PLANS:
            del self._plans[next(iter(self._plans))]
        return rollout


class _Both:
    def __init__(self, *subscriptions: Subscription) -> None:
        self._subscriptions = subscriptions

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()


def _ref(key: RolloutKey) -> ObjectRef:
    return ObjectRef("", "ConfigMap", key.namespace, codec.PREFIX + key.name)
