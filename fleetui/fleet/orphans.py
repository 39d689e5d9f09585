"""What nobody manages: the objects of an application's namespace that no application has put there.

Owns: `orphans_of`, and the rule, `is_orphaned`. Called by `fleetui.fleet.fleet` when somebody asks: the metadata of all
objects of the namespace is listed for it. The rule is Argo CD's (argo-cd v3.6.1, controller/appcontroller.go,
`getResourceTree` and `isKnownOrphanedResourceExclusion`) over every engine: what Flux has put there is no orphan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from typing import Any

from fleetui.engine.application import mapping, text
from fleetui.engine.orphans import claim_templates, is_child, is_exempt, is_looked_at
from fleetui.engine.tracking import BY_ANNOTATION
from fleetui.fleet.edges import STATEFUL_SET, applied_by
from fleetui.fleet.projects import project_of_app
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import Orphan, Orphans
from fleetui.model.errors import ClusterError, ForbiddenError
from fleetui.model.objects import ApiResource, Obj, ObjectRef, ref_of
from fleetui.model.times import parse_time
from fleetui.ports import Cluster

AT_ONCE = 8
"""Kinds that are listed at the same time."""


def is_orphaned(
    obj: Obj, managed: Container[ObjectRef], ignored: Sequence[Mapping[str, Any]], claims: Container[str] = ()
) -> bool:
    """Whether an object of a namespace belongs to nobody.

    Args:
        obj: at least its `metadata`.
        managed: what the applications of the fleet list in this cluster.
        ignored: the project's `spec.orphanedResources.ignore`: globs of group, kind and name.
        claims: how StatefulSets of the namespace call their claims, without the ordinal: ``<template>-<set>``.
    """
    ref, metadata = ref_of(obj), mapping(obj.get("metadata"))
    if not ref.namespace or metadata.get("ownerReferences") or ref in managed:
        return False
    if is_exempt(ref, ignored):
        return False
    if BY_ANNOTATION.owner_of(obj) and BY_ANNOTATION.is_own(obj):
        return False
    if applied_by(mapping(metadata.get("labels"))):
        return False
    return not is_child(ref, mapping(metadata.get("annotations")), claims)


async def orphans_of(subject: Subject, managed: Container[ObjectRef]) -> Orphans:
    """The orphans of the namespace that an application is synced into, in the order of their kinds and names.

    A kind that can't be listed is named in `Orphans.problem`.

    Raises:
        ClusterError: the cluster can't be asked at all.
        FleetError: the application's cluster is not at hand.
    """
    api, namespace = subject.place.api.urgent, subject.app.destination.namespace
    discovery = await api.discover()
    kinds = {each.group_kind: each for each in discovery if is_looked_at(each)}
    gate = asyncio.Semaphore(AT_ONCE)

    async def listed(resource: ApiResource) -> list[Obj] | ClusterError:
        async with gate:
            try:
                # Only a StatefulSet's spec says how its claims are called.
                return await api.list(resource, namespace, metadata_only=resource.group_kind != STATEFUL_SET)
            except ClusterError as error:
                return error

    resources = [resource for each in kinds if (resource := discovery.by_kind(*each)) is not None]
    ignored, *answers = await asyncio.gather(_ignored(subject), *map(listed, resources))
    failed = [(one, answer) for one, answer in zip(resources, answers, strict=True) if isinstance(answer, ClusterError)]
    objects = [obj for answer in answers if not isinstance(answer, ClusterError) for obj in answer]
    claims = {f"{template}-{ref_of(obj).name}" for obj in objects for template in _claim_templates(obj)}
    found = [_orphan(obj) for obj in objects if is_orphaned(obj, managed, ignored, claims)]
    return Orphans(
        key=subject.app.key,
        cluster=api.name,
        namespace=namespace,
        objects=tuple(sorted(found, key=lambda one: (one.ref.kind, one.ref.name))),
        problem=_problem(api, failed),
    )


def _claim_templates(obj: Obj) -> Sequence[str]:
    return claim_templates(obj) if ref_of(obj).group_kind == STATEFUL_SET else ()


async def _ignored(subject: Subject) -> Sequence[Mapping[str, Any]]:
    """What the application's project ignores; nothing where that can't be read."""
    project = await project_of_app(subject.hub.api.urgent, subject.app)
    return project.orphaned.ignore if project is not None and project.orphaned is not None else ()


def _orphan(obj: Obj) -> Orphan:
    created = parse_time(text(mapping(obj.get("metadata")).get("creationTimestamp")))
    return Orphan(ref=ref_of(obj), created_at=created)


def _problem(api: Cluster, failed: Sequence[tuple[ApiResource, ClusterError]]) -> str:
    if not failed:
        return ""
    names = ", ".join(resource.full_name for resource, _ in failed[:4])
    more = f" and {len(failed) - 4} more kinds" if len(failed) > 4 else ""
    may_not = all(isinstance(error, ForbiddenError) for _, error in failed)
    why = "you may not list them" if may_not else str(failed[0][1])
    return f"{api.name}: {names}{more} were not looked at: {why}"
