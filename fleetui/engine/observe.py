"""Looking at an application: from its source and the destination cluster to a `Comparison`.

Owns: `observe`. The I/O around `fleetui.engine.compare`: renders, makes sure that the kinds are watched, asks for the
predictions. A failure that belongs to the application is a `Comparison` with an `error`, never an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleetui.diff.ignore import rules_of
from fleetui.engine.application import Application, DryRun, mapping, text
from fleetui.engine.compare import Comparison, Member, Provenance, compare, failed, members_of
from fleetui.engine.desired import Targets, targets_of
from fleetui.engine.destination import Destination
from fleetui.engine.handover import Handover
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.overrides import Overrides
from fleetui.engine.projects import Permits
from fleetui.engine.rendering import Place
from fleetui.engine.sources import Sources
from fleetui.engine.sourceset import SourceSet
from fleetui.health import Judge
from fleetui.model.errors import ClusterError, FleetError, OverloadedError, RepositoryUnreachableError, UsageError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.ports import Jq
from fleetui.render.directory import Manifest

PREDICTIONS_AT_ONCE = 10
TARGET_STATE = "Failed to load target state: "
"""How a ComparisonError begins where Git is to blame."""


async def observe(
    app: Application,
    destination: Destination,
    sources: Sources,
    *,
    instance: str,
    overrides: Overrides,
    permits: Permits,
    wanted: SourceSet | None = None,
    revisions: Sequence[str] = (),
    fetch: bool = False,
    jq: Jq | None = None,
) -> Comparison:
    """Compares an application with its destination.

    Args:
        app: the application.
        destination: the cluster it names.
        sources: where its desired state is read.
        instance: its name within tracking ids.
        overrides: what its hub says of health and ignored differences.
        permits: what its project permits there.
        wanted: other sources than the spec's (an operation's).
        revisions: one for each source, instead of its target.
        fetch: ask the repository's remote first, and the API server for kinds that it did not know.
        jq: evaluates the expressions of `ignoreDifferences` that compute.

    Raises:
        RepositoryUnreachableError: the repository can't be reached now; whether that matters is the caller's choice.
    """
    wanted = wanted or SourceSet.of(app.spec)
    judge = overrides.judge
    try:
        await destination.know(_known_kinds(app))
    except ClusterError as error:
        return _blind(app, (), Provenance.of(wanted, wanted.wishes(revisions)), judge, error)
    place = Place.of(
        app, instance, destination.discovery, permits.project.source_repos, build_options=overrides.kustomize_options
    )
    try:
        loaded = await sources.load(wanted, place, revisions=revisions, fetch=fetch)
    except RepositoryUnreachableError:
        raise
    except FleetError as error:
        return await unreadable(
            app,
            destination,
            error,
            instance=instance,
            overrides=overrides,
            permits=permits,
            wanted=wanted,
            revisions=revisions,
        )
    origin = Provenance.of(wanted, loaded.revisions, loaded.tools)
    kept, excluded = _kept(loaded.manifests, destination, overrides)
    kinds = {ref_of(manifest.obj).group_kind for manifest in kept} | _known_kinds(app)
    try:
        await destination.know(kinds, anew=fetch)
        await destination.watch(kinds)
    except ClusterError as error:
        targets = _targets(app, kept, destination, instance)
        return _blind(app, members_of(targets, lambda _: None, ()), origin, judge, error)
    targets = _targets(app, kept, destination, instance)
    members = _members(targets, destination, permits, overrides, instance)
    objection = destination.objection(target.ref for target in (*targets.objects, *targets.hooks))
    if objection:
        return _blind(app, members, origin, judge, ClusterError(objection))
    try:
        members = await _with_predictions(app, members, destination, overrides, jq)
    except FleetError as error:
        message, passing = f"Failed to compare desired state to live state: {error}", isinstance(error, OverloadedError)
        return failed(app, members, origin=origin, judge=judge, error=message, passing=passing)
    found = compare(
        app,
        members,
        targets,
        instance=instance,
        origin=origin,
        judge=judge,
        tracking=destination.tracking,
        excluded=excluded,
    )
    return replace(found, resources=permits.shown(found.resources))


async def unreadable(
    app: Application,
    destination: Destination,
    error: FleetError,
    *,
    instance: str,
    overrides: Overrides,
    permits: Permits,
    wanted: SourceSet,
    revisions: Sequence[str] = (),
) -> Comparison:
    """The comparison of an application whose desired state can't be read now.

    As in Argo CD it names the revision that was asked for, since no commit was found for it; of several sources none.
    """
    judge = overrides.judge
    message = f"{TARGET_STATE}{error}"
    origin = Provenance.of(wanted, () if wanted.multiple else wanted.wishes(revisions))
    try:
        await destination.know(_known_kinds(app))
        await destination.watch(_known_kinds(app))
    except ClusterError:
        return failed(app, (), origin=origin, judge=judge, error=message, blind=True)
    members = _members(Targets(), destination, permits, overrides, instance)
    return failed(app, members, origin=origin, judge=judge, error=message)


def _blind(
    app: Application, members: Sequence[Member], origin: Provenance, judge: Judge, error: ClusterError
) -> Comparison:
    message = f"Failed to load live state: {error}"
    passing = isinstance(error, OverloadedError)
    return failed(app, members, origin=origin, judge=judge, error=message, blind=True, passing=passing)


def _kept(
    manifests: Sequence[Manifest], destination: Destination, overrides: Overrides
) -> tuple[list[Manifest], list[str]]:
    """The manifests without those of kinds that the hub leaves out, and a warning for each of these and for each that
    it does not look at."""
    kept, excluded, server = [], [], destination.place.server
    for manifest in manifests:
        ref = ref_of(manifest.obj)
        told = f"Resource {ref.group}/{ref.kind} {ref.name}"
        if overrides.kinds.leaves_out(ref.group_kind, server):
            excluded.append(f"{told} is excluded in the settings")
            continue
        kept.append(manifest)
        if selector := overrides.kinds.passed_over_by(ref.group_kind, server, _labels(manifest.obj)):
            excluded.append(
                f'{told} does not match the resource selector "{selector}" in the settings and will not be watched; '
                "it will appear as OutOfSync"
            )
    return kept, excluded


def _labels(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(obj.get("metadata")).get("labels"))


def _targets(app: Application, manifests: Sequence[Manifest], destination: Destination, instance: str) -> Targets:
    return targets_of(
        manifests,
        destination.discovery,
        app=instance,
        namespace=app.destination_namespace,
        tracking=destination.tracking,
    )


def _members(
    targets: Targets, destination: Destination, permits: Permits, overrides: Overrides, instance: str
) -> list[Member]:
    """The members; what the project does not permit, and kinds that the hub leaves out, count as not there
    (`controller/state.go`)."""
    server, kinds = destination.place.server, overrides.kinds

    def there(ref: ObjectRef) -> bool:
        return permits.live(ref) and not kinds.leaves_out(ref.group_kind, server)

    def watched(obj: Obj | None) -> bool:
        return obj is not None and not kinds.passed_over_by(ref_of(obj).group_kind, server, _labels(obj))

    def live(ref: ObjectRef) -> Obj | None:
        found = destination.get(ref) if there(ref) else None
        return found if watched(found) else None

    tracked = [obj for obj in destination.tracked(instance) if there(ref_of(obj)) and watched(obj)]
    return members_of(targets, live, tracked, destination.tracking)


async def _with_predictions(
    app: Application, members: list[Member], destination: Destination, overrides: Overrides, jq: Jq | None
) -> list[Member]:
    for member in members:
        if member.target is not None and member.live is not None and (doubt := overrides.doubt(member.live)):
            raise UsageError(doubt)
    ignoring = Ignoring((*rules_of(app.obj)[0], *overrides.rules), jq)
    dry_run = DryRun.of(app.obj)
    handover = Handover.of(app.obj, app.sync_options)
    gate = asyncio.Semaphore(PREDICTIONS_AT_ONCE)

    async def predicted(member: Member) -> Member:
        if member.target is None or member.live is None:
            return member
        async with gate:
            modified = await destination.predictor.modified(
                member.target,
                member.live,
                destination.discovery,
                ignoring=ignoring,
                options=overrides.options,
                dry_run=dry_run,
                handover=handover,
            )
        return replace(member, modified=modified)

    return list(await asyncio.gather(*map(predicted, members)))


def _known_kinds(app: Application) -> set[tuple[str, str]]:
    """The kinds that the application is known to have: what is pruned later must be watched already."""
    rows = app.status.get("resources")
    kinds = {
        (text(mapping(row).get("group")), text(mapping(row).get("kind")))
        for row in (rows if isinstance(rows, list) else [])
    }
    return kinds | {("", "Namespace")}
