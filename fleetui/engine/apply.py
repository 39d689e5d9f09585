"""Writing one desired object as Argo CD would have it written.

Owns: `Applier` and `ApplyOptions`. Everything is applied server-side, under Argo CD's own field manager; where Argo CD
would apply client-side the outcome, and the words, are those of its client-side apply: what left Git goes, a field that
the kind does not know is dropped, a binding whose role changes is made anew. Replace and Force are honoured as
gitops-engine does (`pkg/sync/sync_context.go`, `applyObject`; `pkg/utils/kube/resource_ops.go`; v3.6.1). Called by
`fleetui.engine.execute`. Never here: what is applied, and when.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetui.diff.normalize import LAST_APPLIED
from fleetui.diff.respected import respected
from fleetui.diff.schema import is_built_in
from fleetui.engine.application import (
    FIELD_MANAGER,
    GROUP,
    KIND,
    SYNC_OPTIONS,
    annotation,
    annotation_option,
    has_option,
    mapping,
    text,
    uid_of,
    version_of,
)
from fleetui.engine.applied import applied_exactly
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Apply, EffectResult
from fleetui.engine.handover import DEFAULT, Handover, migrated, with_last_applied
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.kubectlwords import RBAC_VERSION, cleaned, deleted, named, not_annotated, reconciled, role_changes
from fleetui.engine.predict import is_schema_error
from fleetui.engine.served import not_found
from fleetui.model.errors import ConflictError, FleetError, InvalidError, NotFoundError, StatusError
from fleetui.model.objects import ApiResource, Obj, ref_of
from fleetui.model.times import parse_time
from fleetui.ports import PatchType, Propagation, Validation

_TRIES = 5
_GONE_POLLS = 100
_GONE_INTERVAL = 0.1


@dataclass(frozen=True)
class ApplyOptions:
    """How objects are written: the sync options of the operation that matter here.

    `validate` is off for ``Validate=false``; as in Argo CD only what is created by ``Replace=true`` is validated
    strictly, for its kubectl leaves the rest to the API server. `since` is when the operation began (epoch s).
    """

    propagation: Propagation = "Foreground"
    validate: bool = True
    replace: bool = False
    force: bool = False
    handover: Handover = DEFAULT
    since: float = 0.0

    @classmethod
    def of(cls, options: tuple[str, ...], *, force: bool, app: Mapping[str, Any], since: float = 0.0) -> ApplyOptions:
        """Of an operation's sync options, its strategy's force and its start, and the Application."""
        propagation: Propagation = "Foreground"
        if has_option(options, "PrunePropagationPolicy=background"):
            propagation = "Background"
        elif has_option(options, "PrunePropagationPolicy=orphan") and not has_option(
            options, "PrunePropagationPolicy=foreground"
        ):
            propagation = "Orphan"
        return cls(
            propagation=propagation,
            validate=not has_option(options, "Validate=false"),
            replace=has_option(options, "Replace=true"),
            force=force,
            handover=Handover.of(app, options),
            since=since,
        )


@dataclass(frozen=True)
class _Work:
    """One object to be written, and how."""

    effect: Apply
    resource: ApiResource
    obj: Obj
    live: Obj | None
    replaces: bool
    forces: bool
    server_side: bool

    @property
    def reconciles(self) -> bool:
        """Whether Argo CD would run ``kubectl auth reconcile`` first."""
        return not self.replaces and not self.server_side and self.obj.get("apiVersion") == RBAC_VERSION

    @property
    def updates_in_place(self) -> bool:
        """Whether a replacement must not take the object away: everything in it would go too."""
        return self.obj.get("kind") in {"CustomResourceDefinition", "Namespace"}


class Applier:
    """Writes objects to one destination.

    Args:
        destination: where.
        options: how.
        ignoring: what of live objects is left as it is (``RespectIgnoreDifferences=true``); nothing where it is None.
    """

    def __init__(self, destination: Destination, options: ApplyOptions, ignoring: Ignoring | None) -> None:
        self._destination = destination
        self._options = options
        self._ignoring = ignoring

    async def apply(self, effect: Apply) -> EffectResult:
        """Carries one effect out; what the server refuses is an answer, in its own words.

        Raises:
            ClusterError: the server could not be asked.
        """
        resource = await self._destination.resource(effect.obj)
        if resource is None:
            task = effect.task
            return EffectResult(False, not_found(task.recorded_ref, task.version, self._destination.discovery))
        work = self._work(effect, resource)
        if effect.dry_run:
            return await self._dry_run(work)
        try:
            return await self._apply(work)
        except StatusError as error:
            message = await self._missing(effect, error) if isinstance(error, NotFoundError) else error.message
            return EffectResult(False, self._told(work, cleaned(message)))

    def _work(self, effect: Apply, resource: ApiResource) -> _Work:
        live = effect.task.live
        obj = effect.obj if resource.namespaced else _without_namespace(effect.obj)
        return _Work(
            effect,
            resource,
            obj,
            live,
            replaces=self._options.replace or _has_option(obj, live, "Replace=true"),
            forces=self._options.force or _has_option(obj, live, "Force=true"),
            server_side=self._options.handover.applies_server_side(obj),
        )

    async def _apply(self, work: _Work) -> EffectResult:
        obj, live = work.obj, work.live
        if live is not None and self._ignoring is not None and (ignoring := self._ignoring.about(live, obj)).rules:
            # The watch may be behind: an older value would be written over a newer one.
            live = await self._fresh(work.resource, live)
            try:
                obj = obj if live is None else await _respected(ignoring, obj, live)
            except FleetError as error:
                return EffectResult(False, str(error))
        if work.replaces:
            return await self._replace(work, obj, live)
        obj = with_last_applied(obj, live)
        if live is not None and applied_exactly(obj, live):
            return EffectResult(True, self._message(work, "unchanged"))
        written = await self._write(work, obj, live)
        verb = "created" if live is None else "configured"
        if live is not None and version_of(written) == version_of(live):
            verb = "unchanged"
        self._wrote(work, written)
        return EffectResult(True, self._message(work, verb))

    def _wrote(self, work: _Work, written: Obj) -> None:
        # An Application that an application makes is news to this very engine.
        self._destination.overlay.wrote(written, quiet=work.effect.task.ref.group_kind != (GROUP, KIND))

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

    async def _dry_run(self, work: _Work) -> EffectResult:
        """Argo CD's dry run is kubectl's own, on the client: no server is asked whether it would take the object. Only
        what is updated in place is tried out."""
        if work.replaces and work.live is not None:
            if work.updates_in_place:
                try:
                    await self._put(work, work.obj, work.live, dry_run=True)
                except StatusError as error:
                    return EffectResult(False, error.message)
                return EffectResult(True, f"{work.obj.get('kind')}/{work.effect.task.ref.name} updated")
            return EffectResult(True, self._message(work, "replaced"))
        if work.live is None:
            missing = "" if is_built_in(work.obj) else await self._unserved(work)
            return EffectResult(False, missing) if missing else EffectResult(True, self._message(work, "created"))
        same = applied_exactly(with_last_applied(work.obj, work.live), work.live)
        return EffectResult(True, self._message(work, "unchanged" if same else "configured"))

    async def _unserved(self, work: _Work) -> str:
        """Why a kind is not served any more, of which discovery may not know yet; empty where it is."""
        ref = work.effect.task.ref
        try:
            await self._destination.api.get(work.resource, ref.name, ref.namespace)
        except NotFoundError as error:
            # The path itself is not there: an API server speaks for an object with a Status, and a reason.
            return "" if error.reason else await self._missing(work.effect, error)
        return ""

    # --- server-side apply ------------------------------------------------------------------------------------------

    async def _write(self, work: _Work, obj: Obj, live: Obj | None) -> Obj:
        if live is not None and (managers := self._options.handover.managers(obj, live)):
            await self._migrate(work, live, managers)
        if live is not None and work.reconciles and role_changes(obj, live):
            # `kubectl auth reconcile`: the role of a binding can't be changed.
            await self._delete_for_good(work.resource, live)
            live = None
        try:
            return await self._send(work, obj, live)
        except (InvalidError, ConflictError):
            # kubectl knows no ``--force`` together with ``--server-side``.
            if not work.forces or work.server_side or live is None:
                raise
        await self._delete_for_good(work.resource, live)
        return await self._send(work, obj, None)

    async def _send(self, work: _Work, obj: Obj, live: Obj | None) -> Obj:
        api = self._destination.api
        try:
            return await api.apply(work.resource, obj, field_manager=FIELD_MANAGER, force=True, validation="Ignore")
        except StatusError as error:
            if work.server_side or not is_schema_error(error):
                raise
        # A client-side apply takes no offence at a field that the kind does not know: the server drops it. What else it
        # can't read it tells here, in the words of a create.
        read = await (
            api.create(work.resource, obj, field_manager=FIELD_MANAGER, dry_run=True)
            if live is None
            else self._put(work, obj, live, dry_run=True)
        )
        known = {**_known(obj, read), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
        return await api.apply(work.resource, known, field_manager=FIELD_MANAGER, force=True, validation="Ignore")

    async def _migrate(self, work: _Work, live: Obj, managers: frozenset[str]) -> None:
        """Hands what client-side apply owns over to our server-side apply (Argo CD's ClientSideApplyMigration)."""
        ref = ref_of(live)
        for _ in range(_TRIES):
            patch = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(live)},
                {"op": "replace", "path": "/metadata/managedFields", "value": _fields(migrated(live, managers))},
            ]
            try:
                await self._destination.api.patch(
                    work.resource, ref.name, ref.namespace, patch, kind=PatchType.JSON, field_manager=FIELD_MANAGER
                )
            except (ConflictError, InvalidError):
                # Somebody wrote the object meanwhile.
                live = await self._destination.api.get(work.resource, ref.name, ref.namespace)
                managers = self._options.handover.managers(work.obj, live)
                if managers:
                    continue
            return
        key = f"{ref.group}/{ref.kind}/{ref.namespace}/{ref.name}"
        message = f"others keep writing it; tried {_TRIES} times"
        raise ConflictError(f"Failed to perform client-side apply migration for {key}: {message}", code=409)

    async def _delete_for_good(self, resource: ApiResource, live: Obj) -> None:
        """Deletes an object and waits, 10 s at most, until its name is free (``kubectl apply --force``)."""
        ref, api = ref_of(live), self._destination.api
        with contextlib.suppress(NotFoundError):
            await api.delete(resource, ref.name, ref.namespace, propagation="Background", uid=uid_of(live))
            for _ in range(_GONE_POLLS):
                await api.get(resource, ref.name, ref.namespace)
                await asyncio.sleep(_GONE_INTERVAL)
        self._destination.overlay.deleted(ref, uid_of(live))

    # --- replace ----------------------------------------------------------------------------------------------------

    async def _replace(self, work: _Work, obj: Obj, live: Obj | None) -> EffectResult:
        """``kubectl create`` or ``kubectl replace``; with force an object is deleted and made anew."""
        ref = work.effect.task.ref
        if live is None:
            validates = self._options.validate and not annotation_option(obj, SYNC_OPTIONS, "Validate=false")
            validation: Validation = "Strict" if validates else "Ignore"
            written = await self._destination.api.create(
                work.resource, obj, field_manager=FIELD_MANAGER, validation=validation
            )
            said = f"{named(ref)} created"
        elif work.updates_in_place:
            written = await self._put(work, obj, live)
            said = f"{ref.kind}/{ref.name} updated"
        elif work.forces and not self._is_new(obj, live):
            await self._delete_for_good(work.resource, live)
            written = await self._destination.api.create(work.resource, obj, field_manager=FIELD_MANAGER)
            said = f"{deleted(ref)}\n{named(ref)} replaced"
        else:
            written = await self._put(work, obj, live)
            said = f"{named(ref)} replaced"
        self._wrote(work, written)
        return EffectResult(True, said)

    def _is_new(self, obj: Obj, live: Obj) -> bool:
        """Whether the operation itself has made an object: a step that died may have made it anew already. Servers know
        when only to the second: of one that was made in the operation's first, what it holds decides."""
        made = parse_time(text(mapping(live.get("metadata")).get("creationTimestamp")))
        began = int(self._options.since)
        return made is not None and began > 0 and (made > began or (made == began and _holds(live, obj)))

    async def _put(self, work: _Work, obj: Obj, live: Obj, *, dry_run: bool = False) -> Obj:
        ref = ref_of(live)
        for attempt in range(_TRIES):
            metadata = {**mapping(obj.get("metadata")), "resourceVersion": version_of(live)}
            try:
                return await self._destination.api.replace(
                    work.resource, {**obj, "metadata": metadata}, field_manager=FIELD_MANAGER, dry_run=dry_run
                )
            except ConflictError:
                # kubectl replaces whatever is there.
                if attempt == _TRIES - 1:
                    raise
                live = await self._destination.api.get(work.resource, ref.name, ref.namespace)
        raise AssertionError("unreachable")

    # --- words ------------------------------------------------------------------------------------------------------

    def _message(self, work: _Work, verb: str) -> str:
        """What kubectl would print: ``deployment.apps/api configured``."""
        ref, live, dry_run = work.effect.task.ref, work.live, work.effect.dry_run
        if work.server_side and not dry_run:
            return f"{named(ref)} serverside-applied"
        anew = False
        said = ""
        if work.reconciles:
            said = reconciled(ref, work.obj, live, dry_run=dry_run)
            # What was made by that is there when it is applied, and was not made by an apply.
            anew = not dry_run and (live is None or said.endswith(" recreate"))
            verb = "configured" if anew else verb
        said += f"{named(ref)} {verb}" + (" (dry run)" if dry_run else "")
        if not work.replaces and (anew or (live is not None and not _applied(live))):
            said += f". {not_annotated(work.resource.plural, ref.name)}"
        return said

    def _told(self, work: _Work, message: str) -> str:
        if not work.reconciles:
            return message
        if message.startswith("namespaces "):
            message = f"error getting namespace {work.effect.task.ref.namespace}: {message}"
        return f"error running kubectl auth reconcile: {message}"


def _applied(live: Mapping[str, Any]) -> bool:
    """Whether Argo CD would find a last-applied annotation, had it been in our place."""
    entries = _fields(live)
    ours = any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries)
    return ours or bool(annotation(live, LAST_APPLIED))


def _known(wanted: Any, read: Any) -> Any:
    """`wanted` without the fields that are not in `read`, which the server has made of it."""
    if isinstance(wanted, Mapping) and isinstance(read, Mapping):
        return {key: _known(value, read[key]) for key, value in wanted.items() if key in read}
    if isinstance(wanted, list) and isinstance(read, list) and len(wanted) == len(read):
        return [_known(*pair) for pair in zip(wanted, read, strict=True)]
    return wanted


def _fields(obj: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = mapping(obj.get("metadata")).get("managedFields")
    return entries if isinstance(entries, list) else []


def _holds(live: Any, wanted: Any) -> bool:
    """Whether a live value has all that is wanted of it; the server may have added to it."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_holds(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(_holds, live, wanted))
    return bool(live == wanted)


def _has_option(obj: Obj, live: Obj | None, option: str) -> bool:
    """Whether an object asks for an option, in Git or in the cluster."""
    return annotation_option(obj, SYNC_OPTIONS, option) or annotation_option(live, SYNC_OPTIONS, option)


async def _respected(ignoring: Ignoring, desired: Obj, live: Obj) -> Obj:
    return await ignoring.run(lambda evaluate: respected(ignoring.rules, desired, live, evaluate=evaluate))


def _without_namespace(obj: Obj) -> Obj:
    metadata = {key: value for key, value in mapping(obj.get("metadata")).items() if key != "namespace"}
    return {**obj, "metadata": metadata}
