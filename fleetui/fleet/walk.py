"""From an object that is in trouble to the one that it waits for, and on, to the last.

Owns: `Reading`, `walk`, `walk_from`. Called by `fleetui.fleet.asking`. What an object needs is said by
`fleetui.fleet.waits`, whether it is in trouble by `fleetui.fleet.stuck`; here it is only read, with a bound on how deep
and how much, and never twice. What may not be read is told as such and not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from fleetui.engine.application import mapping, mappings, text
from fleetui.fleet.store import LiveStore
from fleetui.fleet.stuck import in_trouble, stuck
from fleetui.fleet.trail import Looked
from fleetui.fleet.waits import ANY_GROUP, DEPENDS_ON, Need, waits_for
from fleetui.health import assess
from fleetui.model.errors import ClusterError, NotFoundError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, ref_of
from fleetui.model.status import PROBLEM_ORDER, HealthStatus
from fleetui.model.text import sanitize_all

DEEPEST = 10
"""Objects on the way."""
MOST = 60
"""Requests for one answer."""
_WIDEST = 40
"""Needs of one object that are looked at."""


class Reading:
    """The objects of one cluster, for one answer: `requests` counts what was asked, `problems` what could not be.

    Args:
        store: the cluster; what it watches is taken from there.
    """

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self.requests = 0
        self.problems: dict[str, None] = {}
        self._looked: dict[ObjectRef, Looked] = {}

    @property
    def cluster(self) -> ClusterName:
        return self._store.api.name

    async def get(self, ref: ObjectRef, by: str = "") -> Looked:
        """An object, all its text harmless, read once; never raises but for what is no `ClusterError`."""
        if ref not in self._looked:
            self._looked[ref] = await self._get(ref)
        return msgspec.structs.replace(self._looked[ref], by=by)

    async def _get(self, ref: ObjectRef) -> Looked:
        try:
            resource = await self._resource(ref)
            if resource is None:
                return Looked(ref, self.cluster, is_served=False)
            ref = _within(resource, ref)
            return Looked(ref, self.cluster, obj=sanitize_all(await self._live(resource, ref)))
        except NotFoundError:
            return Looked(ref, self.cluster)
        except ClusterError as error:
            return Looked(ref, self.cluster, problem=self._problem(ref, error))

    async def owned(self, ref: ObjectRef, owner: Obj) -> list[Obj]:
        """The objects of `ref`'s kind in its namespace that name `owner` as theirs, the newest first."""
        uid = text(mapping(owner.get("metadata")).get("uid"))
        found: list[Obj] = []
        try:
            resource = await self._resource(ref)
            if resource is not None and uid:
                self._count()
                listed = await self._store.api.urgent.list(resource, ref.namespace)
                found = [{"apiVersion": resource.api_version, "kind": resource.kind, **each} for each in listed]
        except ClusterError as error:
            self._problem(ref, error)
        mine = [each for each in found if uid in _owners(each)]
        return sorted(map(sanitize_all, mine), key=_created, reverse=True)

    async def is_anywhere(self, kind: str, name: str) -> bool | None:
        """Whether a workload of that name runs in any namespace; None where that can't be known."""
        try:
            resource = await self._resource(ObjectRef("apps", kind, "", name))
            if resource is None:
                return None
            self._count()
            found = await self._store.api.urgent.list(resource, "", fields=f"metadata.name={name}")
        except ClusterError:
            return None
        return any(text(mapping(each.get("metadata")).get("name")) == name for each in found)

    async def serves_group(self, domain: str) -> bool | None:
        """Whether the cluster serves kinds of an API group that is `domain` or ends with it; None where that can't be
        known."""
        try:
            discovery = await self._store.api.discover()
        except ClusterError:
            return None
        groups = {resource.group for resource in discovery} | {each.partition("/")[0] for each in discovery.failed}
        return any(group == domain or group.endswith(f".{domain}") for group in groups)

    async def _live(self, resource: ApiResource, ref: ObjectRef) -> Obj | None:
        """The object; None where a watch says that there is none."""
        stored = self._store.get(ref)
        if stored is not None and stored.whole:
            return stored.decode()
        if stored is None and self._store.knows(ref):
            return None
        self._count()
        return await self._store.api.urgent.get(resource, ref.name, ref.namespace)

    async def _resource(self, ref: ObjectRef) -> ApiResource | None:
        discovery = await self._store.api.discover()
        if ref.group == ANY_GROUP:
            return next((each for each in discovery if each.kind == ref.kind), None)
        return discovery.by_kind(*ref.group_kind)

    def _count(self) -> None:
        if self.requests >= MOST:
            raise ClusterError(f"more than {MOST} objects would have to be read", cluster=self.cluster)
        self.requests += 1

    def _problem(self, ref: ObjectRef, error: ClusterError) -> str:
        problem = f"{ref.kind} {ref.name} can't be read: {error}" if ref.name else f"{ref.kind}s: {error}"
        self.problems.setdefault(problem)
        return problem


async def walk(reading: Reading, start: ObjectRef) -> tuple[Looked, ...]:
    """The way from `start` to the object that it waits for in the end: `start` alone where it waits for none."""
    return await _Walker(reading).way(await reading.get(start), above=())


async def walk_from(reading: Reading, needs: Sequence[Need]) -> tuple[Looked, ...]:
    """The way that begins with the worst of `needs`; empty where each of them is well."""
    return await _Walker(reading).worst(needs, (), above=())


class _Walker:
    """`above`: the objects on the way so far. What was looked at once is not looked at again."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known: set[ObjectRef] = set()

    async def way(self, looked: Looked, *, above: tuple[ObjectRef, ...]) -> tuple[Looked, ...]:
        """The way that begins with `looked`."""
        self._known.add(looked.ref)
        if looked.obj is None or len(above) + 1 >= DEEPEST:
            return (looked,)
        looked, above = await self._with_grown(looked), (*above, looked.ref)
        needs = waits_for(looked.obj or {})
        ring = next((need.ref for need in needs if need.field == DEPENDS_ON and need.ref in above), None)
        if ring is not None:
            return (msgspec.structs.replace(looked, ring=ring),)
        grown = [Looked(ref_of(each), looked.cluster, "ownerReferences", each) for each in looked.grown]
        further = await self.worst(needs, grown, above=above)
        if further and _is_suspended(further[0]) and _says_enough(looked):
            further = ()
        return (looked, *further)

    async def worst(
        self, needs: Sequence[Need], grown: Sequence[Looked], *, above: tuple[ObjectRef, ...]
    ) -> tuple[Looked, ...]:
        """The way through that object which is worst off."""
        named = [need for need in needs if not need.grown and need.ref not in self._known][:_WIDEST]
        found = await asyncio.gather(*(self._reading.get(need.ref, need.field) for need in named))
        services = [await self._with_grown(each) if each.ref.kind == "Service" else each for each in found]
        bad = [each for each in (*services, *grown) if each.ref not in self._known and _is_bad(each)]
        if not bad:
            return ()
        return await self.way(min(bad, key=_rank), above=above)

    async def _with_grown(self, looked: Looked) -> Looked:
        if looked.obj is None or looked.grown:
            return looked
        grown: list[Obj] = []
        for need in waits_for(looked.obj):
            if need.grown:
                found = await self._reading.owned(need.ref, looked.obj)
                grown += found[:1] if need.latest else found
        return msgspec.structs.replace(looked, grown=tuple(grown))


def _is_bad(looked: Looked) -> bool:
    return looked.is_absent or (looked.obj is not None and in_trouble(looked.obj, looked.grown))


def _rank(looked: Looked) -> int:
    if looked.is_absent:
        return PROBLEM_ORDER[HealthStatus.MISSING]
    health = assess(looked.obj or {})
    return PROBLEM_ORDER[health.status if health is not None else HealthStatus.DEGRADED]


def _is_suspended(looked: Looked) -> bool:
    cause = stuck(looked.obj, looked.grown) if looked.obj is not None else None
    return cause is not None and cause.name == "Suspended"


def _says_enough(looked: Looked) -> bool:
    """Whether an object that needs a suspended one tells another reason for its trouble: many are suspended on purpose,
    and go on serving what they have."""
    cause = stuck(looked.obj, looked.grown) if looked.obj is not None else None
    return cause is not None and cause.name not in {"DependencyNotReady", "SourceNotReady"}


def _within(resource: ApiResource, ref: ObjectRef) -> ObjectRef:
    """The reference with the group that was found, and no namespace where the kind has none."""
    namespace = ref.namespace if resource.namespaced else ""
    return ObjectRef(resource.group, resource.kind, namespace, ref.name)


def _owners(obj: Obj) -> set[str]:
    return {text(each.get("uid")) for each in mappings(mapping(obj.get("metadata")).get("ownerReferences"))}


def _created(obj: Obj) -> str:
    return text(mapping(obj.get("metadata")).get("creationTimestamp"))
