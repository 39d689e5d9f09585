"""One reconcile of one ApplicationSet: generate, decide, write.

Owns: `SetReconciler`. Called by `fleetui.engine.appset.controller` with one key at a time. All state is in the
ApplicationSet and its Applications. The order of things is Argo CD's (v3.6.1
`applicationset/controllers/applicationset_controller.go`, `Reconcile`); each decision is a function of a module beside
this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fleetui.engine.application import FINALIZER, GROUP, KIND, Application, mapping, text
from fleetui.engine.appset import status as told
from fleetui.engine.appset.applicationset import KIND as SET_KIND
from fleetui.engine.appset.applicationset import ApplicationSet, name_of
from fleetui.engine.appset.asking import Asking
from fleetui.engine.appset.generated import PARAMETERS, VALIDATION, Generated
from fleetui.engine.appset.rolling import Rollout, in_reverse, roll, with_syncs, without_automation
from fleetui.engine.appset.status import Condition, with_conditions, with_resources
from fleetui.engine.appset.template_check import nowhere, unmet
from fleetui.engine.appset.updates import Change, Removal, change_of, removal_of, spec_differs
from fleetui.engine.appset.waking import set_of
from fleetui.engine.appset.writing import SetGoneError, SetWriter
from fleetui.engine.clock import Clock
from fleetui.engine.destination import Destination
from fleetui.engine.hubprojects import HubProjects
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.rehearsal import Rehearsal, SetVerdict
from fleetui.engine.settings import Settings
from fleetui.hubports import Directory, Registration
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.times import parse_time
from fleetui.ports import Jq

WRONG = 180.0
"""Seconds after which an ApplicationSet with an error is looked at again (`ReconcileRequeueOnValidationError`)."""
DELETING = 10.0
"""Seconds between two looks at Applications that are deleted one after the other."""
AT_A_TIME = 100
"""Applications that are decoded before others have their turn; each takes some 35 µs."""
STUCK = 120.0
"""Seconds after which an Application that is being deleted counts as stuck (`staleCacheThreshold`)."""


class Later(NamedTuple):
    """When an ApplicationSet is to be looked at again, whatever wakes it: in `after` seconds, or never. `wrong`: it has
    Applications that can't be made as long as projects and clusters are as they are. `waits`: a rollout goes on then.
    """

    after: float | None = None
    wrong: bool = False
    waits: bool = False


class SetReconciler:
    """Reconciles the ApplicationSets of one hub.

    Args:
        hub: the cluster that holds them.
        asking: generates.
        writer: writes.
        directory: knows the clusters that Applications may name.
        projects: the hub's.
        clock: the time.
        settings: see `Settings`.
        jq: evaluates the expressions of `ignoreApplicationDifferences` that compute.
        rehearsal: where what would be done is noted instead of done; then nothing is written.
    """

    def __init__(
        self,
        hub: Destination,
        asking: Asking,
        writer: SetWriter,
        *,
        directory: Directory,
        projects: HubProjects,
        clock: Clock,
        settings: Settings,
        jq: Jq | None,
        rehearsal: Rehearsal | None,
    ) -> None:
        self._hub = hub
        self._asking = asking
        self._writer = writer
        self._directory = directory
        self._projects = projects
        self._clock = clock
        self._settings = settings
        self._jq = jq
        self._rehearsal = rehearsal

    async def reconcile(self, namespace: str, name: str) -> Later:
        """Works on one ApplicationSet.

        Raises:
            FleetError: something could not be written; the caller tries again with back-off. The condition says so too.
        """
        obj = self._hub.get(ObjectRef(GROUP, SET_KIND, namespace, name))
        if obj is None:
            self._asking.forget((namespace, name))
            if self._rehearsal is not None:
                self._rehearsal.sets.pop((namespace, name), None)
            return Later()
        try:
            return await self._reconcile(ApplicationSet(obj))
        except SetGoneError:
            return Later()

    async def _reconcile(self, appset: ApplicationSet) -> Later:
        if appset.deleting:
            return await self._delete(appset) if self._rehearsal is None else Later()
        if appset.deletes_in_reverse and FINALIZER not in appset.finalizers and self._rehearsal is None:
            appset = await self._writer.finalizers(appset, (*appset.finalizers, FINALIZER))
        registered = self._directory.registrations(self._hub.api.name)
        if registered is None:
            unknown = f"the clusters that {self._hub.api.name} registers are not known (yet)"
            return await self._failed(appset, told.error(PARAMETERS, unknown), generated=False)
        generated = await self._asking.generate(appset, registered)
        if self._is_outdated(appset):
            # Whoever changed it has had it queued again.
            return Later()
        if (stopper := generated.stopper) is not None:
            is_made = stopper.reason == VALIDATION
            return await self._failed(appset, told.error(stopper.reason, str(stopper)), generated=is_made)
        if appset.rolls and not appset.steps:
            return await self._failed(appset, told.error(told.ROLLOUT_ERROR, "No steps defined for rollout"))
        return await self._bring_about(appset, generated, registered)

    async def _bring_about(
        self, appset: ApplicationSet, generated: Generated, registered: Sequence[Registration]
    ) -> Later:
        """Makes the Applications what they were generated as."""
        wrong = self._wrong(generated, registered)
        apps = [each.app for each in generated.applications]
        live = await self._live(appset)
        ignoring = Ignoring(appset.ignore_rules, self._jq)
        rollout = None
        if appset.rolls:
            rollout = await self._roll(appset, apps, live, ignoring)
            appset = await self._rolled(appset, rollout)
        elif appset.status.get("applicationStatus"):
            appset = await self._status(appset, {**appset.status, "applicationStatus": None})
        if wrong:
            appset = await self._tell(appset, told.error(told.VALIDATION_ERROR, _last(wrong)))
        valid = sorted((app for app in apps if name_of(app) not in wrong), key=name_of)
        if rollout is not None:
            valid = with_syncs(appset, rollout, valid, map(Application, live))
        changes = await self._changes(appset, valid, live, ignoring)
        removals = self._removals(appset, live, {*map(name_of, apps), *wrong}, registered)
        if self._rehearsal is not None:
            self._rehearsal.generated(_verdict(appset, changes, removals, _last(wrong)))
            return Later(generated.ask_again, bool(wrong))
        reason = told.UPDATE_ERROR if appset.policy.updates else told.CREATE_ERROR
        due = [change for change in changes if change.verb != "unchanged" or change.problem]
        await self._carry_out(appset, reason, {each.name: self._change(appset, each) for each in due})
        await self._carry_out(
            appset, told.DELETE_ERROR, {each.name: self._writer.remove(appset, each) for each in removals}
        )
        return await self._settled(appset, generated, wrong=bool(wrong), rollout=rollout)

    async def _settled(
        self, appset: ApplicationSet, generated: Generated, *, wrong: bool, rollout: Rollout | None
    ) -> Later:
        """Everything was written: the status says what there is now."""
        if appset.refresh:
            appset = await self._writer.refreshed(appset)
        status = with_resources(appset.status, await self._live(appset))
        if not wrong:
            status = self._with(status, appset, told.ALL_GENERATED)
        await self._status(appset, status)
        wait = rollout.wait if rollout is not None else 0.0
        times = [generated.ask_again, WRONG if wrong and generated.ask_again is None else None, wait or None]
        return Later(min((time for time in times if time is not None), default=None), wrong, wait > 0)

    # --- what there is to be ------------------------------------------------------------------------------------------

    def _wrong(self, generated: Generated, registered: Sequence[Registration]) -> dict[str, str]:
        """What is wrong with single Applications, by name (`validateGeneratedApplications`)."""
        wrong: dict[str, str] = {}
        for problem in generated.problems:
            wrong |= dict.fromkeys(problem.applications, str(problem))
        made = (each.app for each in generated.applications)
        return wrong | unmet(made, projects=self._projects.names(), registered=registered)

    def _is_outdated(self, appset: ApplicationSet) -> bool:
        """Whether the set says something else by now, or is gone: what it asked may have taken minutes."""
        now = self._hub.get(appset.ref)
        then, metadata = appset.metadata, mapping((now or {}).get("metadata"))
        return any(metadata.get(key) != then.get(key) for key in ("uid", "generation"))

    async def _live(self, appset: ApplicationSet) -> list[Obj]:
        """The Applications that the set controls, by name. Others have their turn while thousands are decoded."""
        key = appset.namespace, appset.name
        refs = {each.ref for each in self._hub.live.of_kind(GROUP, KIND) if set_of(each) == key}
        found = []
        for count, ref in enumerate(refs | set(self._hub.overlay.written(GROUP, KIND)), start=1):
            if count % AT_A_TIME == 0:
                await asyncio.sleep(0)
            app = self._hub.get(ref)
            if app is not None and appset.owns(app):
                found.append(app)
        return sorted(found, key=name_of)

    async def _changes(
        self, appset: ApplicationSet, valid: Sequence[Obj], live: Sequence[Obj], ignoring: Ignoring
    ) -> list[Change]:
        """What is to become of each generated Application; what the set must not update is left out."""
        owned = {name_of(app): app for app in live}
        wanted = [app for app in valid if appset.policy.updates or name_of(app) not in owned]

        def there(name: str) -> Obj | None:
            # One that the set does not control may be there all the same.
            return owned.get(name) or self._hub.get(ObjectRef(GROUP, KIND, appset.namespace, name))

        pairs = [(app, there(name_of(app))) for app in wanted]
        return await ignoring.run(
            lambda evaluate: [change_of(appset, app, known, evaluate=evaluate) for app, known in pairs], large=True
        )

    def _removals(
        self,
        appset: ApplicationSet,
        live: Iterable[Obj],
        kept: Collection[str],
        registered: Sequence[Registration],
    ) -> list[Removal]:
        """The Applications that are to go, if the policy lets any."""
        surplus = [app for app in live if appset.policy.deletes and name_of(app) not in kept]
        why_nowhere = nowhere(registered)
        found = [removal_of(app, is_destination=lambda each: not why_nowhere(each)) for app in surplus]
        return [removal for removal in found if removal is not None]

    # --- rolling ------------------------------------------------------------------------------------------------------

    async def _roll(
        self, appset: ApplicationSet, apps: Sequence[Obj], live: Sequence[Obj], ignoring: Ignoring
    ) -> Rollout:
        desired = {name_of(app): without_automation(app) for app in apps}
        pairs = [(desired[name_of(app)], app) for app in live if name_of(app) in desired]
        changed = await ignoring.run(
            lambda evaluate: {
                name_of(app)
                for generated, app in pairs
                if spec_differs(appset.ignore_rules, generated, app, evaluate=evaluate)
            },
            large=True,
        )
        now, grace = self._clock.now(), self._settings.rollout_grace
        return roll(appset, apps, list(map(Application, live)), changed=changed, now=now, grace=grace)

    async def _rolled(self, appset: ApplicationSet, rollout: Rollout) -> ApplicationSet:
        """Writes what was decided before it is done, so that whoever goes on after us knows whose turn it is."""
        status: Obj = {**appset.status, "applicationStatus": rollout.statuses or None}
        if rollout.conditions:
            status = self._with(status, appset, *rollout.conditions)
        appset = await self._status(appset, status)
        if self._rehearsal is None:
            for name in rollout.refresh:
                await self._writer.refresh(appset, name)
        return appset

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _change(self, appset: ApplicationSet, change: Change) -> None:
        if change.problem:
            raise RefusedError(change.problem)
        await self._writer.change(appset, change)

    async def _carry_out(
        self, appset: ApplicationSet, reason: str, work: Mapping[str, Coroutine[Any, Any, None]]
    ) -> None:
        """Does everything, side by side; then fails where anything did, with the error of the first by name."""
        results = await asyncio.gather(*work.values(), return_exceptions=True)
        failed = {name: result for name, result in zip(work, results, strict=True) if result is not None}
        if not failed:
            return
        error = failed[min(failed)]
        if isinstance(error, FleetError):
            await self._tell(appset, told.error(reason, error.message))
        raise error

    async def _failed(self, appset: ApplicationSet, condition: Condition, *, generated: bool = True) -> Later:
        """Nothing is changed: the condition says why."""
        if self._rehearsal is not None:
            self._rehearsal.generated(SetVerdict(appset.namespace, appset.name, error=condition.message))
        await self._tell(appset, condition, generated=generated)
        return Later(WRONG, wrong=True)

    async def _tell(self, appset: ApplicationSet, *found: Condition, generated: bool = True) -> ApplicationSet:
        return await self._status(appset, self._with(appset.status, appset, *found, generated=generated))

    def _with(
        self, status: Mapping[str, Any], appset: ApplicationSet, *found: Condition, generated: bool = True
    ) -> Obj:
        return with_conditions(status, found, generated=generated, rolls=appset.rolls, now=self._clock.now())

    async def _status(self, appset: ApplicationSet, status: Mapping[str, Any]) -> ApplicationSet:
        if self._rehearsal is not None:
            return ApplicationSet({**appset.obj, "status": dict(status)})
        return await self._writer.status(appset, status)

    # --- deleting -----------------------------------------------------------------------------------------------------

    async def _delete(self, appset: ApplicationSet) -> Later:
        """Lets an ApplicationSet go; its Applications go by their owner references, or one after the other, or stay."""
        self._asking.forget((appset.namespace, appset.name))
        if FINALIZER not in appset.finalizers:
            return Later()
        live = await self._live(appset)
        if not appset.policy.deletes:
            for app in live:
                await self._writer.release(appset, app)
        elif appset.deletes_in_reverse and (left := self._next_to_go(appset, live)) is not None:
            if not mapping(left.get("metadata")).get("deletionTimestamp"):
                await self._writer.delete(appset, Removal(name_of(left), Application(left).uid))
            return Later(DELETING)
        await self._writer.finalizers(appset, appset.without_finalizer())
        return Later()

    def _next_to_go(self, appset: ApplicationSet, live: Iterable[Obj]) -> Obj | None:
        """The Application whose turn it is; None where all that a step selects are gone.

        Raises:
            RefusedError: it has been going for too long.
        """
        apps = {name_of(app): app for app in live}
        name = next(iter(in_reverse(appset, apps.values())), None)
        if name is None:
            return None
        since = parse_time(text(mapping(apps[name].get("metadata")).get("deletionTimestamp")))
        if since is not None and self._clock.now() - since > STUCK:
            raise RefusedError(
                f"application {name} of ApplicationSet {appset.namespace}/{appset.name} has not been deleted in over 2 "
                "minutes",
                "look at what its finalizers wait for",
            )
        return apps[name]


def _last(wrong: Mapping[str, str]) -> str:
    """What is told of several errors: the last one by name, and how many more there are."""
    if not wrong:
        return ""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return wrong[max(wrong)] + more


def _verdict(appset: ApplicationSet, changes: Iterable[Change], removals: Iterable[Removal], error: str) -> SetVerdict:
    changes = list(changes)
    problems = [f"{each.name}: {each.problem}" for each in changes if each.problem]
    return SetVerdict(
        appset.namespace,
        appset.name,
        create=tuple(each.name for each in changes if each.verb == "created"),
        change=tuple(each.name for each in changes if each.verb == "updated"),
        delete=tuple(each.name for each in removals),
        error="; ".join(filter(None, [error, *problems])),
    )
