"""An application compared with Git, object by object, as a sync would leave it.

Owns: `Differ`: diffs and manifests that may be shown (secrets masked, text harmless). Called by `fleetui.fleet.fleet`
and the planner. The comparison itself is `fleetui.diff`'s; what is desired is `fleetui.fleet.desired`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fleetui.diff.ignore import rules_of
from fleetui.diff.mask import mask
from fleetui.diff.mutations import without_mutations
from fleetui.diff.objects import object_diff
from fleetui.diff.predicted import merge
from fleetui.engine.application import FIELD_MANAGER, Application, DryRun, mapping
from fleetui.engine.applied import applied_exactly
from fleetui.engine.desired import Target
from fleetui.engine.handover import Handover, with_last_applied
from fleetui.engine.hooks import hook_types
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.predict import marked_by_client
from fleetui.fleet.desired import Desired, Desires
from fleetui.fleet.history import Commits
from fleetui.fleet.origins import with_commits
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import AppDiff
from fleetui.gitports import Repositories
from fleetui.model.change import Blame, Change, ObjectDiff
from fleetui.model.errors import ClusterError, ForbiddenError, MissingError, NotFoundError
from fleetui.model.objects import Discovery, Obj, ObjectRef
from fleetui.model.text import sanitize, sanitize_all
from fleetui.ports import Jq, PathExpressions
from fleetui.renderports import Tools

if TYPE_CHECKING:
    from fleetui.engine.overrides import Overrides

_NAMED = 3
"""Objects that a note about many of them names."""
_AT_ONCE = 8
"""Requests in flight for one diff."""


class Compared(NamedTuple):
    """Everything of an application compared; `objects` holds equal ones too where they were asked for."""

    desired: Desired
    objects: tuple[ObjectDiff, ...]
    notes: tuple[str, ...]


class Differ:
    """Compares applications with Git.

    Args:
        repositories, commits: where desired states lie.
        tools: what renders charts and kustomizations.
        jq: evaluates the expressions of `ignoreDifferences` that compute.
    """

    def __init__(
        self, repositories: Repositories, commits: Commits, jq: Jq | None = None, *, tools: Tools | None = None
    ) -> None:
        self._repositories = repositories
        self.desires = Desires(repositories, tools)
        self._commits = commits
        self._jq = jq

    async def diff(self, subject: Subject, ref: ObjectRef | None, *, revision: str = "") -> AppDiff:
        """As `fleetui.fleet.api.Fleet.diff` says.

        Raises:
            MissingError: `ref` is nothing that Git or the application knows.
            FleetError: as `Desires.of`; the live state could not be had.
        """
        only = None if ref is None or ref == subject.ref else ref
        found = await self.compare(subject, revision=revision or subject.app.revision, only=only)
        commit, _ = await self._commits.of(subject.app, subject.app.source, found.desired.sha)
        return AppDiff(subject.app.key, found.desired.sha, commit, found.objects, found.notes)

    async def with_commits(self, subject: Subject, diff: AppDiff) -> AppDiff:
        """As `fleetui.fleet.api.Fleet.with_commits` says."""
        return await with_commits(subject, self._repositories, diff)

    async def compare(
        self,
        subject: Subject,
        *,
        revision: str,
        history_id: int | None = None,
        fetch: bool = False,
        only: ObjectRef | None = None,
    ) -> Compared:
        """Every object that differs, or `only` one, whether it differs or not."""
        desired = await self.desires.of(subject, revision=revision, history_id=history_id, fetch=fetch)
        application = subject.stored.decode()
        rules, problems = rules_of(application)
        overrides = await subject.overrides()
        ignoring = Ignoring((*rules, *overrides.rules), self._jq)
        comparison = _Comparison(subject, desired, ignoring, overrides, application)
        if only is not None:
            objects = [await comparison.one(only)]
        else:
            objects = [each for each in await comparison.all() if each.differs]
        return Compared(desired, tuple(objects), tuple(dict.fromkeys([*problems, *comparison.notes])))

    async def manifest(self, subject: Subject, ref: ObjectRef) -> Obj:
        """The live object, without managedFields, a Secret's values masked.

        Raises:
            MissingError: its kind is not served where the application runs.
            NotFoundError: it is not there.
        """
        if ref == subject.ref:
            live: Obj | None = subject.stored.decode()
        else:
            live = await live_of(subject.place, ref, await subject.place.api.discover())
        if live is None:
            name = subject.place.api.name
            raise NotFoundError(f"{ref} is not in {name}", cluster=name, code=404, reason="NotFound")
        metadata = mapping(live.get("metadata"))
        live["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
        return harmless(mask(None, live)[1]) or {}


def _said_once(errors: Mapping[ObjectRef, ClusterError], what: str) -> list[str]:
    """One sentence about all objects of `errors`, with what was answered for the first; `what` has a place for them."""
    if not errors:
        return []
    refs = sorted(errors)
    named = ", ".join(map(str, refs[:_NAMED])) + (f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else "")
    are, them = ("is", "it") if len(refs) == 1 else ("are", "them")
    return [f"{named} {are} {what.format(them)}: {errors[refs[0]]}"]


class _Comparison:
    """One application at one commit against what is live."""

    def __init__(
        self, subject: Subject, desired: Desired, ignoring: Ignoring, overrides: Overrides, application: Obj
    ) -> None:
        self._subject = subject
        self._desired = desired
        self._ignoring = ignoring
        self._overrides = overrides
        self._dry_run = DryRun.of(application)
        self._handover = Handover.of(application, Application(application).sync_options)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._notes: list[str] = []
        self._unread: dict[ObjectRef, ClusterError] = {}
        self._unhelped: dict[ObjectRef, ClusterError] = {}

    @property
    def notes(self) -> list[str]:
        """How it was compared, where that is worth knowing. What befell many objects is said once: who may only look
        is refused a dry run for each."""
        return [
            *self._notes,
            *_said_once(self._unread, "not compared, because you may not read {}"),
            *_said_once(self._unhelped, "compared without the API server's help"),
        ]

    async def all(self) -> list[ObjectDiff]:
        targets = self._desired.targets
        compared = await asyncio.gather(*(self._seen(each.ref, self._target(each)) for each in targets.objects))
        extra = await asyncio.gather(*(self._seen(ref, self._extra(ref)) for ref in sorted(self._not_desired())))
        return [each for each in (*compared, *extra) if each is not None]

    async def _seen(self, ref: ObjectRef, comparing: Coroutine[Any, Any, ObjectDiff | None]) -> ObjectDiff | None:
        """An object that the user may not read is left out, and said to be; the others are compared all the same."""
        try:
            return await comparing
        except ForbiddenError as error:
            self._unread[ref] = error
            return None

    async def one(self, ref: ObjectRef) -> ObjectDiff:
        target = self._desired.targets.by_ref.get(ref)
        if target is not None:
            return await self._target(target)
        hook = next((each for each in self._desired.targets.hooks if each.ref == ref), None)
        if hook is not None:
            kinds = ", ".join(hook_types(hook.obj))
            raise MissingError(f"{ref} is a {kinds} hook: it is made anew by each sync and not compared with Git")
        extra = await self._extra(ref) if ref in self._not_desired() else None
        if extra is None:
            raise MissingError(f"{ref} is not in Git at {self._desired.sha[:7]}: something in the cluster made it")
        return extra

    # --- desired ----------------------------------------------------------------------------------------------------

    async def _target(self, target: Target) -> ObjectDiff:
        async with self._turn:
            # What a `generateName` names is never there yet.
            live = await self._live(target) if target.ref.name else None
            if live is None:
                return await self._diff(target, None, target.obj)
            live = self._overrides.tracking.normalized(live, target.obj)
            if applied_exactly(with_last_applied(target.obj, live), live):
                return await self._diff(target, live, live)
            predicted = self._overrides.tracking.normalized(await self._predicted(target, live), target.obj)
            return await self._diff(target, live, predicted)

    async def _live(self, target: Target) -> Obj | None:
        """The live object in the version that Git is written in; the watch may have it in another one."""
        live = await live_of(self._subject.place, target.ref, self._desired.discovery)
        version = target.obj.get("apiVersion")
        if live is None or live.get("apiVersion") == version:
            return live
        resource = self._desired.discovery.of(target.obj)
        if resource is None:
            name = self._subject.place.api.name
            self._notes.append(f"{target.ref} is compared as {live.get('apiVersion')}: {name} serves no {version}")
            return {**live, "apiVersion": version}
        try:
            return await self._subject.place.api.urgent.get(resource, target.ref.name, target.ref.namespace)
        except NotFoundError:
            return None

    async def _predicted(self, target: Target, live: Obj) -> Obj:
        """What a sync would make of `live`: the API server's own dry run, or else our three-way merge.

        An object that client-side apply has left its marks on goes offline, as in `engine.predict`: a dry run would
        not take away what that apply had set.
        """
        resource = self._desired.discovery.of(target.obj)
        offline = marked_by_client(live, target.obj, self._handover)
        if resource is None or not self._dry_run.asked or offline is not None:
            return merge(target.obj, live if offline is None else offline)
        try:
            answer = await self._subject.place.api.urgent.apply(
                resource, target.obj, field_manager=FIELD_MANAGER, force=True, dry_run=True
            )
            return answer if self._dry_run.mutations else without_mutations(answer, live, FIELD_MANAGER)
        except ClusterError as error:
            self._unhelped[target.ref] = error
            return merge(target.obj, live)

    async def _diff(self, target: Target, live: Obj | None, predicted: Obj) -> ObjectDiff:
        ignoring = self._ignoring.about(target.obj if live is None else live, target.obj)

        def compared(evaluate: PathExpressions | None) -> tuple[ObjectDiff, tuple[str, ...]]:
            return object_diff(
                target.obj,
                live,
                predicted=predicted,
                rules=ignoring.rules,
                evaluate=evaluate,
                options=self._overrides.options,
                file=target.file,
                line=target.line,
            )

        diff, problems = await ignoring.run(compared)
        self._notes += problems
        if live is not None and (doubt := self._overrides.doubt(live)):
            self._notes.append(f"{doubt}; until it is mended, the engine compares and syncs nothing that it concerns")
        return harmless_diff(diff)

    # --- not desired ------------------------------------------------------------------------------------------------

    def _not_desired(self) -> set[ObjectRef]:
        """What the application manages, or says it belongs to it, and Git does not list: a sync with prune takes it."""
        subject = self._subject
        known = {resource.ref for resource in subject.app.resources if not resource.hook and resource.ref.name}
        tracked = {obj.ref for obj in subject.place.tracked(subject.tracking) if not obj.meta.owner_references}
        hooks = {hook.ref for hook in self._desired.targets.hooks}
        return (known | tracked) - self._desired.targets.by_ref.keys() - hooks

    async def _extra(self, ref: ObjectRef) -> ObjectDiff | None:
        async with self._turn:
            live = await live_of(self._subject.place, ref, self._desired.discovery)
        listed = any(each.ref == ref and each.requires_pruning for each in self._subject.app.resources)
        tracking = self._overrides.tracking
        mine = live is not None and tracking.owner_of(live) == self._subject.tracking and tracking.is_own(live)
        if live is None or hook_types(live) or not (listed or mine):
            return None
        return harmless_diff(object_diff(None, live)[0])


async def live_of(store: LiveStore, ref: ObjectRef, discovery: Discovery) -> Obj | None:
    """The live object: from the watch where one covers it, else asked for; None where there is none.

    Raises:
        ClusterError: the API server could not be asked.
    """
    stored = store.get(ref)
    if stored is not None or store.knows(ref):
        return stored.decode() if stored is not None else None
    resource = discovery.by_kind(ref.group, ref.kind)
    if resource is None:
        return None
    try:
        return await store.api.urgent.get(resource, ref.name, ref.namespace)
    except NotFoundError:
        return None


def harmless(obj: Mapping[str, Any] | None) -> Obj | None:
    """A decoded object with all its text sanitised."""
    return None if obj is None else sanitize_all(obj)


def harmless_diff(diff: ObjectDiff) -> ObjectDiff:
    """A difference with all its text sanitised."""
    changes = tuple(_harmless_change(change) for change in diff.changes)
    return ObjectDiff(diff.ref, harmless(diff.live), harmless(diff.desired), changes, diff.file, diff.line)


def _harmless_change(change: Change) -> Change:
    blame = change.blame
    if blame is not None:
        blame = Blame(sanitize(blame.manager), sanitize(blame.operation), blame.time)
    path = tuple(sanitize_all(part) for part in change.path)
    return Change(path, change.kind, sanitize_all(change.before), sanitize_all(change.after), blame)
