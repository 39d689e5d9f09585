"""Carrying out the effects of a sync step against a cluster.

Owns: `Executor`. Deletions happen here, with the propagation that was asked for; how objects are applied is
`fleetui.engine.apply`'s. Never here: what to do and in which order (`fleetui.engine.sync`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from fleetui.engine.application import FIELD_MANAGER, HOOK_FINALIZER, mapping, strings, text, uid_of, version_of
from fleetui.engine.apply import Applier, ApplyOptions
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, ReleaseHook, Step, StepOutcome
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.tasks import Task
from fleetui.model.errors import ClusterError, ConflictError, NotFoundError, StatusError
from fleetui.model.objects import Obj
from fleetui.ports import PatchType

PARALLEL = 20
"""Effects of one application under way at a time."""
_DEFINITION_POLLS = 30
_DEFINITION_INTERVAL = 0.1
_RELEASE_TRIES = 5


class Executor:
    """Drives sync steps on one destination.

    Args:
        destination: where.
        options: how objects are written.
        ignoring: what of live objects is left as it is (``RespectIgnoreDifferences=true``); nothing where it is None.
    """

    def __init__(self, destination: Destination, options: ApplyOptions, *, ignoring: Ignoring | None = None) -> None:
        self._destination = destination
        self._propagation = options.propagation
        self._applier = Applier(destination, options, ignoring)
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
                    return await self._applier.apply(effect)
                if isinstance(effect, Delete):
                    return await self._delete(effect)
                if isinstance(effect, ReleaseHook):
                    return await self._release(effect)
                return await self._look(effect.task)
            except NotFoundError as error:
                self._destination.overlay.deleted(effect.task.ref, uid_of(effect.task.live))
                return EffectResult(False, error.message, gone=True)
            except StatusError as error:
                # The server's own words, as kubectl prints them; Argo CD's results hold nothing else.
                return EffectResult(False, error.message)
            except ClusterError as error:
                return EffectResult(False, str(error))

    async def _delete(self, effect: Delete) -> EffectResult:
        task, live = effect.task, effect.task.live or {}
        resource = await self._destination.resource(live)
        if resource is None:
            return EffectResult(True, gone=True)
        await self._destination.api.delete(
            resource, task.ref.name, task.ref.namespace, propagation=self._propagation, uid=uid_of(live)
        )
        self._destination.predictor.forget(task.ref)
        # A finalizer may hold it, for a moment or for long; what comes next must not take it for untouched.
        with contextlib.suppress(ClusterError):
            if (await self._look(task)).gone:
                self._destination.overlay.deleted(task.ref, uid_of(live))
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
            body = {"metadata": {"finalizers": kept or None, "resourceVersion": version_of(live)}}
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


def _defined(obj: Obj) -> list[tuple[str, str]]:
    if obj.get("kind") != "CustomResourceDefinition":
        return []
    spec = mapping(obj.get("spec"))
    return [(text(spec.get("group")), text(mapping(spec.get("names")).get("kind")))]
