"""Whether applying an object would change it: proved offline where that is possible, else asked of the API server.

Owns: `Predictor`, with its cache. The question to the server is Argo CD's server-side diff (gitops-engine
`pkg/diff`, `serverSideDiff`): a dry-run apply under the controller's own field manager, compared with the live object
after normalisation. The answer is kept until the target or the live object's own fields change, so that a comparison
of what did not change makes no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleetui.diff.fields import managed_fields_of
from fleetui.diff.ignore import ignore
from fleetui.diff.mutations import without_mutations
from fleetui.diff.normalize import DEFAULTS, LAST_APPLIED, CompareOptions, normalize
from fleetui.diff.predicted import merge
from fleetui.diff.structure import same
from fleetui.engine.application import FIELD_MANAGER, DryRun, annotation, version_of
from fleetui.engine.applied import applied_exactly
from fleetui.engine.desired import Target
from fleetui.engine.fingerprint import fingerprint
from fleetui.engine.handover import DEFAULT, Handover, migrated, with_last_applied
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.tracking import BY_ANNOTATION, Tracking
from fleetui.model.errors import ExpressionError, NotFoundError, StatusError
from fleetui.model.objects import Discovery, Obj, ObjectRef
from fleetui.ports import Cluster

_CACHE_LIMIT = 200_000
_TRIES = 3
_ASKED = DryRun()


class Predictor:
    """Answers, for the objects of one cluster, whether a sync would change them.

    Args:
        api: the cluster.
        requests: held while it is asked.
        tracking: how objects say which application they belong to, at this moment.
    """

    def __init__(
        self, api: Cluster, requests: asyncio.Semaphore, tracking: Callable[[], Tracking] = lambda: BY_ANNOTATION
    ) -> None:
        self._api = api
        self._requests = requests
        self._tracking = tracking
        self._known: dict[ObjectRef, tuple[bytes, bytes, bool]] = {}

    async def modified(
        self,
        target: Target,
        live: Obj,
        discovery: Discovery,
        *,
        ignoring: Ignoring,
        options: CompareOptions = DEFAULTS,
        dry_run: DryRun = _ASKED,
        handover: Handover = DEFAULT,
    ) -> bool:
        """Whether `live` differs from what applying `target` would make of it.

        Args:
            target: the desired object.
            live: the object as it is.
            discovery: what the cluster serves.
            ignoring: the `ignoreDifferences` of the application and of the hub; what they name does not count.
            options: the hub's.
            dry_run: whether and how the API server is asked.
            handover: what of other managers a sync would take over.

        Raises:
            ClusterError: the API server could not be asked.
            ExpressionError: it is not known what one of them names. Argo CD goes on without it; an automated sync would
                then overwrite what it was to leave alone.
        """
        live = self._tracking().normalized(live, target.obj)
        if applied_exactly(with_last_applied(target.obj, live), live):
            return False
        options = options.about(target.obj)
        current = normalize(live, options)
        ignoring = ignoring.about(live, target.obj)
        key = (fingerprint((target.obj, ignoring.rules, options, dry_run, handover)), fingerprint(current))
        known = self._known.get(target.ref)
        if known is not None and known[:2] == key:
            return known[2]
        async with self._requests:
            answer = await self._ask(target, live, discovery, ignoring, options, dry_run, handover)
        self._remember(target.ref, key, answer)
        return answer

    async def _ask(
        self,
        target: Target,
        live: Obj,
        discovery: Discovery,
        ignoring: Ignoring,
        options: CompareOptions,
        dry_run: DryRun,
        handover: Handover,
    ) -> bool:
        try:
            live = await self._in_version(target, live, discovery)
            for _ in range(_TRIES):
                predicted = await self.predict(target, live, discovery, dry_run, handover)
                if version_of(predicted) == version_of(live):
                    break
                # The watch is behind: compared with an older state, what controllers wrote since would be a drift.
                live = await self._fresh(target, discovery) or live
        except NotFoundError:
            return True
        predicted = self._tracking().normalized(predicted, target.obj)
        before = normalize(predicted, options), normalize(live, options)
        if same(*before):
            return False
        fields = managed_fields_of(live)
        sides = await ignoring.run(
            lambda evaluate: ignore(ignoring.rules, *before, managed_fields=fields, evaluate=evaluate)
        )
        if sides.unevaluated:
            raise ExpressionError(f"{target.ref}: {sides.unevaluated[0]}")
        return not same(sides.desired, sides.live)

    async def _in_version(self, target: Target, live: Obj, discovery: Discovery) -> Obj:
        """The live object in the version that Git is written in; the watch may have it in another one."""
        if live.get("apiVersion") == target.obj.get("apiVersion"):
            return live
        return await self._fresh(target, discovery) or live

    async def _fresh(self, target: Target, discovery: Discovery) -> Obj | None:
        resource = discovery.of(target.obj)
        if resource is None:
            return None
        live = await self._api.get(resource, target.ref.name, target.ref.namespace)
        return self._tracking().normalized(live, target.obj)

    async def predict(
        self, target: Target, live: Obj, discovery: Discovery, dry_run: DryRun, handover: Handover = DEFAULT
    ) -> Obj:
        """The object as a sync would leave it.

        Where the server is not to be asked or does not accept the target, and where client-side apply has left its
        marks, the answer is our own three-way merge: a dry run would not remove what an earlier client-side apply had
        set.
        """
        resource = discovery.of(target.obj)
        offline = marked_by_client(live, target.obj, handover)
        if resource is None or not dry_run.asked or offline is not None:
            return merge(target.obj, live if offline is None else offline)
        try:
            answer = await self._api.apply(resource, target.obj, field_manager=FIELD_MANAGER, dry_run=True)
            return answer if dry_run.mutations else without_mutations(answer, live, FIELD_MANAGER)
        except StatusError as error:
            if is_transient(error):
                raise
            return merge(target.obj, live)

    def forget(self, ref: ObjectRef | None = None) -> None:
        """Forgets one answer, or all of them (hard refresh)."""
        if ref is None:
            self._known.clear()
        else:
            self._known.pop(ref, None)

    def _remember(self, ref: ObjectRef, key: tuple[bytes, bytes], answer: bool) -> None:
        if len(self._known) > _CACHE_LIMIT:
            self._known.clear()
        self._known[ref] = (*key, answer)


def is_transient(error: StatusError) -> bool:
    """Whether asking the server again may give an answer: it conflicted, is overloaded or failed."""
    return error.code in {409, 429} or (error.code >= 500 and not is_schema_error(error))


def is_schema_error(error: StatusError) -> bool:
    """Whether the server could not read the object at all (a field that the kind does not have, a wrong type).

    Argo CD finds these in its client-side dry run, before anything is applied; an API server words them so
    (apimachinery `strict decoding error`, structured-merge-diff `failed to create typed patch object`).
    """
    return "strict decoding error" in error.message or "failed to create typed patch object" in error.message


def marked_by_client(live: Obj, target: Obj, handover: Handover = DEFAULT) -> Obj | None:
    """The live object as our own merge is to see it, where client-side apply has left marks on it that a sync would
    take over; None where the API server can be asked."""
    managers = handover.managers(target, live)
    entries = live.get("metadata", {}).get("managedFields") or []
    if any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries):
        return migrated(live, managers) if managers else None
    gives_up = handover.applies_server_side(target) and not handover.migrates
    return live if managers or (annotation(live, LAST_APPLIED) and not gives_up) else None
