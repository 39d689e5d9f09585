"""Carrying out the effects of a sync step against a cluster.

Owns: `Executor`. All writes to managed objects happen here: server-side apply under Argo CD's own field manager,
deletion with the propagation that was asked for. Never here: what to do and in which order (`fleetui.engine.sync`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import (
    FIELD_MANAGER,
    HOOK_FINALIZER,
    SYNC_OPTIONS,
    annotation_option,
    has_option,
    mapping,
    strings,
    text,
)
from fleetui.engine.applied import applied_exactly, migration_needed
from fleetui.engine.destination import Destination
from fleetui.engine.predict import CLIENT_SIDE_MANAGERS, is_schema_error
from fleetui.engine.sync import Apply, Delete, Effect, EffectResult, ReleaseHook, Step, StepOutcome, not_served
from fleetui.model.errors import ClusterError, ConflictError, InvalidError, NotFoundError, StatusError
from fleetui.model.objects import ApiResource, Obj, ObjectRef, ref_of
from fleetui.ports import PatchType, Propagation, Validation

PARALLEL = 20
_DEFINITION_POLLS = 30
_DEFINITION_INTERVAL = 0.1


@dataclass(frozen=True)
class ApplyOptions:
    """How objects are written: the sync options of the operation that matter here."""

    propagation: Propagation = "Foreground"
    validation: Validation = "Strict"
    server_side: bool = False
    replace: bool = False
    force: bool = False

    @classmethod
    def of(cls, options: tuple[str, ...], *, force: bool) -> ApplyOptions:
        propagation: Propagation = "Foreground"
        if has_option(options, "PrunePropagationPolicy=background"):
            propagation = "Background"
        elif has_option(options, "PrunePropagationPolicy=orphan"):
            propagation = "Orphan"
        return cls(
            propagation=propagation,
            validation="Ignore" if has_option(options, "Validate=false") else "Strict",
            server_side=has_option(options, "ServerSideApply=true"),
            replace=has_option(options, "Replace=true"),
            force=force,
        )


class Executor:
    """Drives sync steps on one destination."""

    def __init__(self, destination: Destination, options: ApplyOptions) -> None:
        self._destination = destination
        self._options = options
        self._gate = asyncio.Semaphore(PARALLEL)

    async def drive(self, step: Step) -> StepOutcome:
        """Runs a step to its end: each batch of effects in parallel, answered in order."""
        answers: list[EffectResult] | None = None
        while True:
            try:
                batch = next(step) if answers is None else step.send(answers)
            except StopIteration as stop:
                outcome: StepOutcome = stop.value
                return outcome
            answers = list(await asyncio.gather(*(self._guarded(effect) for effect in batch)))
            await self._await_definitions(batch)

    async def _guarded(self, effect: Effect) -> EffectResult:
        async with self._gate:
            try:
                if isinstance(effect, Apply):
                    return await self._apply(effect)
                if isinstance(effect, Delete):
                    return await self._delete(effect)
                return await self._release(effect)
            except NotFoundError as error:
                return EffectResult(False, error.message, gone=True)
            except ClusterError as error:
                return EffectResult(False, str(error))

    async def _apply(self, effect: Apply) -> EffectResult:
        task, live = effect.task, effect.task.live
        resource = await self._destination.resource(effect.obj)
        if resource is None:
            return EffectResult(False, not_served(task.ref))
        obj = effect.obj if resource.namespaced else _without_namespace(effect.obj)
        if live is not None and applied_exactly(obj, live):
            return EffectResult(True, self._message(task.ref, "unchanged", effect.dry_run))
        if effect.dry_run:
            return await self._dry_run(resource, obj, task.ref, live)
        written = await self._write(resource, obj, live)
        self._destination.overlay.wrote(written)
        verb = "created" if live is None else "configured"
        if live is not None and _version(written) == _version(live):
            verb = "unchanged"
        return EffectResult(True, self._message(task.ref, verb, False))

    async def _dry_run(self, resource: ApiResource, obj: Obj, ref: ObjectRef, live: Obj | None) -> EffectResult:
        """Argo CD's dry run is kubectl's own, on the client: it fails only where the object can't be read."""
        try:
            await self._destination.api.apply(
                resource, obj, field_manager=FIELD_MANAGER, dry_run=True, validation=self._options.validation
            )
        except StatusError as error:
            if is_schema_error(error):
                return EffectResult(False, error.message)
        return EffectResult(True, self._message(ref, "created" if live is None else "configured", True))

    async def _write(self, resource: ApiResource, obj: Obj, live: Obj | None) -> Obj:
        api = self._destination.api
        if self._options.replace or annotation_option(obj, SYNC_OPTIONS, "Replace=true"):
            return await self._replace(resource, obj, live)
        if live is not None and migration_needed(live, CLIENT_SIDE_MANAGERS):
            await self._migrate(resource, live)
        force = self._options.force or annotation_option(obj, SYNC_OPTIONS, "Force=true")
        try:
            return await api.apply(
                resource, obj, field_manager=FIELD_MANAGER, force=True, validation=self._options.validation
            )
        except (InvalidError, ConflictError):
            if not force or live is None:
                raise
        ref = ref_of(obj)
        await api.delete(resource, ref.name, ref.namespace, propagation="Background", uid=_uid(live))
        return await api.create(resource, obj, field_manager=FIELD_MANAGER)

    async def _replace(self, resource: ApiResource, obj: Obj, live: Obj | None) -> Obj:
        if live is None:
            return await self._destination.api.create(resource, obj, field_manager=FIELD_MANAGER)
        metadata = {**mapping(obj.get("metadata")), "resourceVersion": _version(live)}
        return await self._destination.api.replace(resource, {**obj, "metadata": metadata}, field_manager=FIELD_MANAGER)

    async def _migrate(self, resource: ApiResource, live: Obj) -> None:
        """Hands what client-side apply owns over to our server-side apply, so that removing a field from Git removes
        it from the cluster (client-go `util/csaupgrade`; Argo CD's ClientSideApplyMigration)."""
        ref = ref_of(live)
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": _version(live)},
            {"op": "replace", "path": "/metadata/managedFields", "value": migrated_fields(live)},
        ]
        try:
            await self._destination.api.patch(
                resource, ref.name, ref.namespace, patch, kind=PatchType.JSON, field_manager=FIELD_MANAGER
            )
        except (ConflictError, InvalidError):
            # Somebody wrote the object meanwhile; the next sync migrates it.
            return

    async def _delete(self, effect: Delete) -> EffectResult:
        live = effect.task.live or {}
        ref = effect.task.ref
        resource = await self._destination.resource(live)
        if resource is None:
            return EffectResult(True, gone=True)
        await self._destination.api.delete(
            resource, ref.name, ref.namespace, propagation=self._options.propagation, uid=_uid(live)
        )
        self._destination.overlay.forget(ref)
        self._destination.predictor.forget(ref)
        return EffectResult(True)

    async def _release(self, effect: ReleaseHook) -> EffectResult:
        live = effect.task.live or {}
        resource = await self._destination.resource(live)
        if resource is None:
            return EffectResult(True, gone=True)
        kept = [name for name in strings(mapping(live.get("metadata")).get("finalizers")) if name != HOOK_FINALIZER]
        body = {"metadata": {"finalizers": kept or None}}
        ref = effect.task.ref
        written = await self._destination.api.patch(
            resource, ref.name, ref.namespace, body, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )
        self._destination.overlay.wrote(written)
        return EffectResult(True)

    async def _await_definitions(self, batch: Sequence[Effect]) -> None:
        """Waits, 3 s at most, until definitions that were just applied are served (`ensureCRDReady`)."""
        kinds = [
            kind
            for effect in batch
            if isinstance(effect, Apply) and not effect.dry_run
            for kind in _defined(effect.obj)
        ]
        for group, kind in kinds:
            for _ in range(_DEFINITION_POLLS):
                if self._destination.discovery.by_kind(group, kind) is not None:
                    break
                await self._destination.rediscover()
                if self._destination.discovery.by_kind(group, kind) is None:
                    await asyncio.sleep(_DEFINITION_INTERVAL)

    def _message(self, ref: ObjectRef, verb: str, dry_run: bool) -> str:
        """What kubectl would print: ``deployment.apps/api configured``."""
        kind = f"{ref.kind.lower()}.{ref.group}" if ref.group else ref.kind.lower()
        done = "serverside-applied" if self._options.server_side else verb
        return f"{kind}/{ref.name} {done}{' (dry run)' if dry_run else ''}"


def migrated_fields(live: Mapping[str, Any]) -> list[Obj]:
    """`managedFields` with what client-side apply owns moved to our server-side apply."""
    kept: list[Obj] = []
    merged: Obj = {}
    for entry in mapping(live.get("metadata")).get("managedFields") or []:
        client_side = entry.get("manager") in CLIENT_SIDE_MANAGERS and entry.get("operation") == "Update"
        ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        if (client_side or ours) and not entry.get("subresource"):
            merged = _union(merged, mapping(entry.get("fieldsV1")))
            version, stamp = entry.get("apiVersion"), entry.get("time")
        else:
            kept.append(dict(entry))
    if not merged:
        return kept
    mine: Obj = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": merged,
    }
    if stamp:
        mine["time"] = stamp
    return [mine, *kept]


def _union(first: Mapping[str, Any], second: Mapping[str, Any]) -> Obj:
    union = dict(first)
    for key, value in second.items():
        union[key] = _union(mapping(union[key]), value) if key in union and isinstance(value, Mapping) else value
    return union


def _defined(obj: Obj) -> list[tuple[str, str]]:
    if obj.get("kind") != "CustomResourceDefinition":
        return []
    spec = mapping(obj.get("spec"))
    return [(text(spec.get("group")), text(mapping(spec.get("names")).get("kind")))]


def _without_namespace(obj: Obj) -> Obj:
    metadata = {key: value for key, value in mapping(obj.get("metadata")).items() if key != "namespace"}
    return {**obj, "metadata": metadata}


def _version(obj: Mapping[str, Any]) -> str:
    return text(mapping(obj.get("metadata")).get("resourceVersion"))


def _uid(obj: Mapping[str, Any]) -> str:
    return text(mapping(obj.get("metadata")).get("uid"))
