"""What an action would do, before anybody is asked whether to do it.

Owns: `Planner`, and the words of a plan. Called by `fleetui.fleet.fleet`. A plan changes nothing and promises nothing:
the controller compares again when the action runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from fleetui.diff.ownership import ENGINES
from fleetui.diff.summary import summary
from fleetui.engine.desired import Target
from fleetui.engine.hooks import hook_types
from fleetui.fleet.differ import Compared, Differ
from fleetui.fleet.dispatch import Dispatcher, deployed, patch_of, short
from fleetui.fleet.history import Commits
from fleetui.fleet.projects import project_of_app
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import Action, ActionKind, Plan, PlanEntry
from fleetui.model.app import App, HistoryEntry
from fleetui.model.change import Change, ObjectDiff
from fleetui.model.errors import FleetError, MissingError, RefusedError
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import SyncStatus
from fleetui.model.text import one_line

_COMPARED = frozenset({ActionKind.SYNC, ActionKind.ROLLBACK, ActionKind.REVERT})
_VERBS = ("create", "change", "prune", "keep")


class Planner:
    """Makes plans.

    Args:
        differ: says what would change.
        dispatcher: says what is refused.
        commits: names the commits.
        protects: whether a cluster wants its name typed.
    """

    def __init__(
        self, differ: Differ, dispatcher: Dispatcher, commits: Commits, *, protects: Callable[[ClusterName], bool]
    ) -> None:
        self._differ = differ
        self._dispatcher = dispatcher
        self._commits = commits
        self._protects = protects

    async def plan(self, action: Action, subject: Subject) -> Plan:
        """The plan of `action`; what keeps the difference from being known is a note of it, not an error.

        Raises:
            MissingError: the application or the history entry does not exist.
            ClusterError: the hub does not answer.
        """
        refusals = await self._refusals(action, subject)
        if action.kind not in _COMPARED:
            return Plan(
                action,
                refusals=refusals,
                notes=effects_of(action, subject.app),
                type_to_confirm=self._to_type(action, subject),
                command=command_of(action),
            )
        app, entry = subject.app, _entry(action, subject.app)
        found, problem = await self._compared(action, subject)
        from_revision = deployed(app)
        to_revision = found.desired.sha if found else (entry.revision if entry else action.revision)
        source = entry.source if entry is not None and entry.source.repo_url else app.source
        from_commit, _ = await self._commits.of(app, app.source, from_revision)
        to_commit, _ = await self._commits.of(app, source, to_revision)
        entries = entries_of(found.objects, action) if found else ()
        notes = [problem] if found is None else await _forbidden(found, subject)
        return Plan(
            action=action,
            from_revision=from_revision,
            from_commit=from_commit,
            to_revision=to_revision,
            to_commit=to_commit,
            entries=entries,
            refusals=refusals,
            notes=(
                *effects_of(action, app),
                *(notes_of(found, action, entries) if found is not None else ()),
                *notes,
            ),
            type_to_confirm=self._to_type(action, subject),
            command=command_of(action),
        )

    async def _refusals(self, action: Action, subject: Subject) -> tuple[str, ...]:
        resource = await subject.app_resource()
        refused = list(await self._dispatcher.refusals(action, subject.app, api=subject.hub.api, resource=resource))
        try:
            if action.kind is ActionKind.REVERT:
                subject.dialect.folder(subject.stored, history_id=_wanted(action))
            else:
                patch_of(action, subject.dialect, subject.stored, username="", now=0.0)
        except RefusedError as error:
            refused.append(str(error))
        return tuple(refused)

    async def _compared(self, action: Action, subject: Subject) -> tuple[Compared | None, str]:
        entry = _entry(action, subject.app)
        revision = entry.revision if entry is not None else action.revision
        # An entry without a source is refused; it is compared with the present one all the same.
        history_id = entry.id if entry is not None and entry.source.repo_url else None
        try:
            return await self._differ.compare(subject, revision=revision, history_id=history_id, fetch=True), ""
        except FleetError as error:
            return None, f"what would change can't be said: {error}"

    def _to_type(self, action: Action, subject: Subject) -> str:
        if action.dry_run or action.kind is ActionKind.REFRESH:
            return ""
        names = (store.api.name for store in subject.clusters)
        return next((name for name in names if self._protects(name)), "")


def effects_of(action: Action, app: App) -> tuple[str, ...]:
    """What an action does besides changing objects."""
    match action.kind:
        case ActionKind.ROLLBACK if app.automation.enabled and not action.dry_run:
            then = f"on again when Git has moved on from {short(app.revision)}, if fleetui still runs then"
            return (f"switches automated sync off, which would undo it{f', and {then}' if action.restore else ''}",)
        case ActionKind.REVERT:
            follows = "automated sync brings it to the cluster" if app.automation.enabled else "then sync it"
            return (f"commits to {app.source.target_revision or 'HEAD'} of {app.source.repo_url}; {follows}",)
        case ActionKind.SUSPEND if app.key.dialect != "argo":
            return ("Flux leaves it alone until it is resumed: nothing is applied, healed or pruned",)
        case ActionKind.SUSPEND:
            return ("it is still compared with Git; nothing is synced or healed without a human",)
        case ActionKind.RESUME if app.sync is SyncStatus.OUT_OF_SYNC:
            return (f"it differs from Git: it is synced to {short(app.revision)} at once",)
        case ActionKind.TERMINATE:
            return ("hooks that run are deleted; what has been applied stays",)
        case _:
            return ()


def entries_of(objects: Sequence[ObjectDiff], action: Action) -> tuple[PlanEntry, ...]:
    """What the action does to each object that differs: created ones first, then changed, then what is only live."""
    chosen = [each for each in objects if not action.resources or _is_chosen(each.ref, action.resources)]
    entries = [_plan_entry(each, action) for each in chosen]
    return tuple(sorted(entries, key=lambda entry: _VERBS.index(entry.verb)))


def _is_chosen(ref: ObjectRef, resources: Sequence[ObjectRef]) -> bool:
    """Whether a partial sync takes the object; a resource without a namespace matches any (`SyncOperationResource`)."""
    return any(
        (each.group, each.kind, each.name) == (ref.group, ref.kind, ref.name) and each.namespace in {"", ref.namespace}
        for each in resources
    )


def _plan_entry(diff: ObjectDiff, action: Action) -> PlanEntry:
    if diff.live is None:
        return PlanEntry("create", diff.ref)
    if diff.desired is None:
        return PlanEntry("prune", diff.ref) if action.prune else PlanEntry("keep", diff.ref, "prune is off: stays")
    return PlanEntry("change", diff.ref, changed(diff.changes))


def changed(changes: Sequence[Change]) -> str:
    """Changes in a few words, and whose work they undo: ``color red → blue (undoes kubectl-edit)``."""
    undone = ", ".join(undone_managers(changes))
    return summary(changes) + (f" (undoes {undone})" if undone else "")


def undone_managers(changes: Sequence[Change]) -> list[str]:
    """Whose live values go: the field managers that are no engine, each once. An object that goes as a whole has no
    values of somebody's."""
    blames = [change.blame for change in changes if change.path]
    return list(dict.fromkeys(blame.manager for blame in blames if blame is not None and blame.manager not in ENGINES))


def notes_of(found: Compared, action: Action, entries: Sequence[PlanEntry]) -> tuple[str, ...]:
    """Sentences worth knowing before one agrees."""
    notes = []
    undone = undone_managers([change for each in found.objects for change in each.changes])
    if undone:
        notes.append(f"undoes what {', '.join(undone)} changed in the cluster")
    # Hooks run neither in a partial sync nor in a rollback (argo-cd, `sync_tasks.go`; `Rollback` applies only).
    hooks = [] if action.resources or action.kind is ActionKind.ROLLBACK else found.desired.targets.hooks
    if hooks:
        notes.append("runs " + ", ".join(_hook(hook) for hook in hooks))
    if not entries:
        notes.append("nothing differs: there is nothing to change")
    return (*notes, *found.desired.targets.warnings, *found.notes)


async def _forbidden(found: Compared, subject: Subject) -> list[str]:
    """What the project does not let the application hold: with one such object nothing is applied."""
    project = await project_of_app(subject.hub.api.urgent, subject.app)
    if project is None:
        return []
    targets = (*found.desired.targets.objects, *found.desired.targets.hooks)
    kinds = {
        f"{each.ref.kind}.{each.ref.group}".rstrip(".")
        for each in targets
        if not project.permits_kind(each.ref, namespaced=bool(each.ref.namespace))
    }
    if not kinds:
        return []
    return [one_line(f"project {project.name} does not permit {', '.join(sorted(kinds))}: the sync fails")]


def _hook(hook: Target) -> str:
    name = hook.ref.name or str(hook.obj.get("metadata", {}).get("generateName", ""))
    return one_line(f"{'/'.join(hook_types(hook.obj))} {hook.ref.kind} {name}")


def command_of(action: Action) -> str:
    """The same action as a command line."""
    reverts = action.kind is ActionKind.REVERT
    words = ["fleetui", ActionKind.ROLLBACK.value if reverts else action.kind.value, str(action.app)]
    if action.history_id is not None:
        words.append(str(action.history_id))
    if action.revision:
        words += ["--revision", action.revision]
    flags = {
        "--prune": action.prune,
        "--dry-run": action.dry_run,
        "--hard": action.hard,
        "--revert": reverts,
        "--restore-auto-sync": action.restore,
    }
    words += [flag for flag, is_set in flags.items() if is_set]
    for ref in action.resources:
        words += ["--resource", "/".join((ref.group, ref.kind, ref.namespace, ref.name))]
    return shlex.join(words)


def _entry(action: Action, app: App) -> HistoryEntry | None:
    if action.kind not in {ActionKind.ROLLBACK, ActionKind.REVERT}:
        return None
    for entry in app.history:
        if entry.id == action.history_id:
            return entry
    raise MissingError(f"{app.key} has no history entry {action.history_id}")


def _wanted(action: Action) -> int:
    return -1 if action.history_id is None else action.history_id
