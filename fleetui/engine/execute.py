"""Carrying out the effects of a sync step against a cluster.

Owns: `Executor`. All writes to managed objects happen here: server-side apply under Argo CD's own field manager,
deletion with the propagation that was asked for. Never here: what to do and in which order (`fleetui.engine.sync`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.diff.respected import respected
from fleetui.engine.application import (
    FIELD_MANAGER,
    GROUP,
    HOOK_FINALIZER,
    KIND,
    SYNC_OPTIONS,
    annotation_option,
    has_option,
    mapping,
    strings,
    text,
)
from fleetui.engine.applied import applied_exactly, migration_needed
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, ReleaseHook, Step, StepOutcome
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.predict import CLIENT_SIDE_MANAGERS, is_schema_error
from fleetui.engine.served import not_found
from fleetui.engine.tasks import Task
from fleetui.model.errors import ClusterError, ConflictError, FleetError, InvalidError, NotFoundError, StatusError
from fleetui.model.objects import ApiResource, Obj, ref_of
from fleetui.ports import PatchType, Propagation, Validation

PARALLEL = 20
"""Effects of one application under way at a time."""
_DEFINITION_POLLS = 30
_DEFINITION_INTERVAL = 0.1
_RELEASE_TRIES = 5
_GONE_POLLS = 100
_GONE_INTERVAL = 0.1


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
        elif has_option(options, "PrunePropagationPolicy=orphan") and not has_option(
            options, "PrunePropagationPolicy=foreground"
        ):
            propagation = "Orphan"
        return cls(
            propagation=propagation,
            validation="Ignore" if has_option(options, "Validate=false") else "Strict",
            server_side=has_option(options, "ServerSideApply=true"),
            replace=has_option(options, "Replace=true"),
            force=force,
        )


class Executor:
    """Drives sync steps on one destination.

    Args:
        destination: where.
        options: how objects are written.
        ignoring: what of live objects is left as it is (``RespectIgnoreDifferences=true``); nothing where it is None.
    """

    def __init__(self, destination: Destination, options: ApplyOptions, *, ignoring: Ignoring | None = None) -> None:
        self._destination = destination
        self._options = options
        self._ignoring = ignoring
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
        async with self._gate, self._destination.requests:
            try:
                if isinstance(effect, Apply):
                    return await self._apply(effect)
                if isinstance(effect, Delete):
                    return await self._delete(effect)
                if isinstance(effect, ReleaseHook):
                    return await self._release(effect)
                return await self._look(effect.task)
            except NotFoundError as error:
                if isinstance(effect, Apply):
                    return EffectResult(False, await self._missing(effect, error))
                self._destination.overlay.deleted(effect.task.ref, _uid(effect.task.live or {}))
                return EffectResult(False, error.message, gone=True)
            except StatusError as error:
                # The server's own words, as kubectl prints them; Argo CD's results hold nothing else.
                unread = isinstance(effect, Apply) and not effect.checked and is_schema_error(error)
                return EffectResult(False, error.message, malformed=unread)
            except ClusterError as error:
                return EffectResult(False, str(error))

    async def _apply(self, effect: Apply) -> EffectResult:
        task, live = effect.task, effect.task.live
        resource = await self._destination.resource(effect.obj)
        if resource is None:
            message = not_found(task.recorded_ref, task.version, self._destination.discovery)
            return EffectResult(False, message)
        obj = effect.obj if resource.namespaced else _without_namespace(effect.obj)
        respects = self._ignoring if not effect.dry_run else None
        if live is not None and respects is not None and (ignoring := respects.about(live, obj)).rules:
            # The watch may be behind: an older value would be written over a newer one.
            live = await self._fresh(resource, live)
            try:
                obj = obj if live is None else await _respected(ignoring, obj, live)
            except FleetError as error:
                return EffectResult(False, str(error))
        if live is not None and applied_exactly(obj, live):
            return EffectResult(True, self._message(effect, "unchanged"))
        if effect.dry_run:
            return await self._dry_run(resource, obj, effect)
        if not effect.checked and self._is_rough(obj, live):
            found = await self._dry_run(resource, obj, effect)
            if not found.ok:
                return found
        written = await self._write(resource, obj, live)
        # An Application that an application makes is news to this very engine.
        self._destination.overlay.wrote(written, quiet=task.ref.group_kind != (GROUP, KIND))
        verb = "created" if live is None else "configured"
        if live is not None and _version(written) == _version(live):
            verb = "unchanged"
        return EffectResult(True, self._message(effect, verb))

    async def _fresh(self, resource: ApiResource, live: Obj) -> Obj | None:
        ref = ref_of(live)
        try:
            return await self._destination.api.get(resource, ref.name, ref.namespace)
        except NotFoundError:
            return None

    async def _missing(self, effect: Apply, error: NotFoundError) -> str:
        """Why something could not be applied that was not found: its namespace, or its kind, whose definition went."""
        if not error.reason:
            await self._destination.rediscover()
            if await self._destination.resource(effect.obj) is None:
                return not_found(effect.task.recorded_ref, effect.task.version, self._destination.discovery)
        return error.message

    async def _dry_run(self, resource: ApiResource, obj: Obj, effect: Apply) -> EffectResult:
        """Argo CD's dry run is kubectl's own, on the client: it fails only where the object can't be read, or where its
        kind is not served. The server is asked in its place, but for what it is known to be able to read."""
        if obj not in self._destination.readable:
            try:
                await self._destination.api.apply(
                    resource, obj, field_manager=FIELD_MANAGER, dry_run=True, validation=self._options.validation
                )
                self._note_readable(obj)
            except StatusError as error:
                if isinstance(error, NotFoundError) and not error.reason:
                    # The path itself is not there: an API server speaks for an object with a Status, and a reason.
                    raise
                if is_schema_error(error):
                    return EffectResult(False, error.message, malformed=True)
        return EffectResult(True, self._message(effect, "created" if effect.task.live is None else "configured"))

    def _note_readable(self, obj: Obj) -> None:
        if self._options.validation == "Strict":
            self._destination.readable.add(obj)

    def _is_rough(self, obj: Obj, live: Obj | None) -> bool:
        """Whether writing the object may do more than a server-side apply that is refused: what it can't read must not
        cost what is there."""
        return (
            self._options.replace
            or self._options.force
            or any(_has_option(obj, live, option) for option in ("Replace=true", "Force=true"))
        )

    async def _write(self, resource: ApiResource, obj: Obj, live: Obj | None) -> Obj:
        api = self._destination.api
        if self._options.replace or _has_option(obj, live, "Replace=true"):
            return await self._replace(resource, obj, live)
        if live is not None and migration_needed(live, CLIENT_SIDE_MANAGERS):
            await self._migrate(resource, live)
        force = self._options.force or _has_option(obj, live, "Force=true")
        try:
            written = await api.apply(
                resource, obj, field_manager=FIELD_MANAGER, force=True, validation=self._options.validation
            )
            self._note_readable(obj)
            return written
        except (InvalidError, ConflictError):
            if not force or live is None:
                raise
        await self._delete_for_good(resource, live)
        return await api.create(resource, obj, field_manager=FIELD_MANAGER)

    async def _delete_for_good(self, resource: ApiResource, live: Obj) -> None:
        """Deletes an object and waits, 10 s at most, until its name is free (``kubectl apply --force``)."""
        ref, api = ref_of(live), self._destination.api
        with contextlib.suppress(NotFoundError):
            await api.delete(resource, ref.name, ref.namespace, propagation="Background", uid=_uid(live))
            for _ in range(_GONE_POLLS):
                await api.get(resource, ref.name, ref.namespace)
                await asyncio.sleep(_GONE_INTERVAL)
        self._destination.overlay.deleted(ref, _uid(live))

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
        task, live = effect.task, effect.task.live or {}
        resource = await self._destination.resource(live)
        if resource is None:
            return EffectResult(True, gone=True)
        await self._destination.api.delete(
            resource, task.ref.name, task.ref.namespace, propagation=self._options.propagation, uid=_uid(live)
        )
        self._destination.predictor.forget(task.ref)
        # A finalizer may hold it, for a moment or for long; what comes next must not take it for untouched.
        with contextlib.suppress(ClusterError):
            if (await self._look(task)).gone:
                self._destination.overlay.deleted(task.ref, _uid(live))
        return EffectResult(True)

    async def _look(self, task: Task) -> EffectResult:
        resource = await self._destination.resource(task.obj)
        if resource is None:
            return EffectResult(False, gone=True)
        try:
            found = await self._destination.api.get(resource, task.ref.name, task.ref.namespace)
        except NotFoundError as error:
            return EffectResult(False, error.message, gone=True)
        self._destination.overlay.wrote(found)
        return EffectResult(True)

    async def _release(self, effect: ReleaseHook) -> EffectResult:
        task, live = effect.task, effect.task.live or {}
        resource = await self._destination.resource(live)
        if resource is None:
            return EffectResult(True, gone=True)
        ref, api = task.ref, self._destination.api
        for _ in range(_RELEASE_TRIES):
            finalizers = strings(mapping(live.get("metadata")).get("finalizers"))
            if HOOK_FINALIZER not in finalizers:
                return EffectResult(True)
            kept = [name for name in finalizers if name != HOOK_FINALIZER]
            # A list is patched as a whole: without the version, a finalizer that was added meanwhile would be lost.
            body = {"metadata": {"finalizers": kept or None, "resourceVersion": _version(live)}}
            try:
                written = await api.patch(
                    resource, ref.name, ref.namespace, body, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
                )
            except ConflictError:
                live = await api.get(resource, ref.name, ref.namespace)
                continue
            self._destination.overlay.wrote(written)
            return EffectResult(True)
        return EffectResult(False, f"others keep writing it; tried {_RELEASE_TRIES} times")

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

    def _message(self, effect: Apply, verb: str) -> str:
        """What kubectl would print: ``deployment.apps/api configured``."""
        ref = effect.task.ref
        kind = f"{ref.kind.lower()}.{ref.group}" if ref.group else ref.kind.lower()
        if effect.dry_run:
            # Argo CD's dry run is always client-side (`shouldUseServerSideApply`).
            return f"{kind}/{ref.name} {verb} (dry run)"
        return f"{kind}/{ref.name} {'serverside-applied' if self._is_server_side(effect.obj) else verb}"

    def _is_server_side(self, obj: Obj) -> bool:
        if annotation_option(obj, SYNC_OPTIONS, "ServerSideApply=false"):
            return False
        return self._options.server_side or annotation_option(obj, SYNC_OPTIONS, "ServerSideApply=true")


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


def _has_option(obj: Obj, live: Obj | None, option: str) -> bool:
    """Whether an object asks for an option, in Git or in the cluster."""
    return annotation_option(obj, SYNC_OPTIONS, option) or annotation_option(live, SYNC_OPTIONS, option)


async def _respected(ignoring: Ignoring, desired: Obj, live: Obj) -> Obj:
    return await ignoring.run(lambda evaluate: respected(ignoring.rules, desired, live, evaluate=evaluate))


def _without_namespace(obj: Obj) -> Obj:
    metadata = {key: value for key, value in mapping(obj.get("metadata")).items() if key != "namespace"}
    return {**obj, "metadata": metadata}


def _version(obj: Mapping[str, Any]) -> str:
    return text(mapping(obj.get("metadata")).get("resourceVersion"))


def _uid(obj: Mapping[str, Any]) -> str:
    return text(mapping(obj.get("metadata")).get("uid"))
