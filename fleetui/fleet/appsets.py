"""The ApplicationSets of the fleet's hubs, as a person looks at them, and what one of them would do.

Owns: `appsets_in` (all of them) and `preview_in` (what one would do, as it is or edited). Called by
`fleetui.fleet.fleet`. What a set makes is in `fleetui.engine.appset`; here nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fleetui.engine.application import GROUP, mapping, mappings, text, whole
from fleetui.engine.application import KIND as APPLICATION
from fleetui.engine.appset.applicationset import KIND, ApplicationSet
from fleetui.engine.appset.status import ERROR_OCCURRED, RESOURCES_UP_TO_DATE, ROLLOUT_PROGRESSING
from fleetui.engine.projects import PROJECT_KIND
from fleetui.fleet.projects import CONTROL_PLANE
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError, MissingError, NotFoundError
from fleetui.model.objects import ClusterName, Obj, ref_of
from fleetui.model.text import one_line, sanitize_all
from fleetui.ports import Cluster, Jq

if TYPE_CHECKING:
    from fleetui.engine.appset.ports import Answers
    from fleetui.engine.appset.preview import Preview
    from fleetui.fleet.clusters import Clusters
    from fleetui.hubports import Registration

_NO_KINDS = frozenset({"selector"})


class AppSetKey(msgspec.Struct, frozen=True, order=True):
    """Which ApplicationSet."""

    hub: ClusterName
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.hub}/{self.namespace}/{self.name}"


class AppSetView(msgspec.Struct, frozen=True):
    """An ApplicationSet and how it is, by what its status says; all text is sanitised.

    `generators`: the kind of each, such as ``matrix(clusters, list)``. `applications`: how many its status names.
    `healthy`: false where an error occurred. `rolling`: whether a RollingSync is under way. `said`: the message of
    the condition that tells most, empty where there is no status yet. `policy`: `applicationsSync`.
    """

    key: AppSetKey
    generators: tuple[str, ...]
    applications: int | None
    healthy: bool | None
    rolling: bool
    said: str
    policy: str
    obj: Obj

    @property
    def state(self) -> str:
        """One word for it: ``error``, ``rolling``, ``ok``, or nothing where nobody has reconciled it yet."""
        if self.healthy is None:
            return ""
        return "error" if not self.healthy else "rolling" if self.rolling else "ok"


class AppSets(msgspec.Struct, frozen=True):
    """The ApplicationSets, by hub and name; `problems` are sentences on the clusters that could not be asked, `hubs`
    are the clusters that serve ApplicationSets, whether they have some or not."""

    rows: tuple[AppSetView, ...]
    problems: tuple[str, ...] = ()
    hubs: tuple[ClusterName, ...] = ()


async def appsets_in(stores: Iterable[LiveStore]) -> AppSets:
    """All ApplicationSets of these clusters, listed once; one that serves none has none."""
    apis = [store.api.urgent for store in stores]
    answers = await asyncio.gather(*map(_listed, apis))
    rows = sorted((row for found, _ in answers for row in found or ()), key=lambda row: row.key)
    hubs = tuple(api.name for api, (found, _) in zip(apis, answers, strict=True) if found is not None)
    return AppSets(tuple(rows), tuple(problem for _, problem in answers if problem), hubs)


async def _listed(api: Cluster) -> tuple[list[AppSetView] | None, str]:
    """What a cluster has, None where it serves none or can't be asked; and why it can't."""
    try:
        resource = (await api.discover()).by_kind(GROUP, KIND)
        if resource is None:
            return None, ""
        found = await api.list(resource, "")
    except ClusterError as error:
        return None, f"{api.name}: {error}"
    return [view_of(api.name, sanitize_all(obj)) for obj in found], ""


def view_of(hub: ClusterName, obj: Obj) -> AppSetView:
    """One sanitised object as it is shown."""
    appset = ApplicationSet(obj)
    status = appset.status
    holding = {
        text(each.get("type")): each for each in mappings(status.get("conditions")) if each.get("status") == "True"
    }
    telling = next(
        (holding[kind] for kind in (ERROR_OCCURRED, ROLLOUT_PROGRESSING, RESOURCES_UP_TO_DATE) if kind in holding), {}
    )
    count = whole(status.get("resourcesCount")) or len(mappings(status.get("resources")))
    return AppSetView(
        AppSetKey(hub, appset.namespace, appset.name),
        tuple(_kinds(each) for each in mappings(appset.spec.get("generators"))),
        count if status else None,
        None if not holding else ERROR_OCCURRED not in holding,
        ROLLOUT_PROGRESSING in holding,
        one_line(text(telling.get("message"))),
        text(mapping(appset.spec.get("syncPolicy")).get("applicationsSync")) or "sync",
        obj,
    )


def _kinds(generator: Mapping[str, Any]) -> str:
    """``list``, or ``matrix(clusters, list)``."""
    kinds = [kind for kind in generator if kind not in _NO_KINDS]
    said = []
    for kind in kinds:
        inner = [_kinds(each) for each in mappings(mapping(generator[kind]).get("generators"))]
        said.append(f"{kind}({', '.join(inner)})" if inner else kind)
    return "+".join(said)


async def preview_in(
    api: Cluster,
    directory: Clusters,
    answers: Answers | None,
    key: AppSetKey,
    *,
    edited: Obj | None = None,
    jq: Jq | None = None,
) -> Preview:
    """What an ApplicationSet of a hub would do now.

    Args:
        api: the hub.
        directory: which clusters the hub has registered.
        answers: what answers the questions of generators; None: nothing does.
        key: which set; it need not be there where `edited` is given.
        edited: the set as it would be; its own namespace and name count for nothing.
        jq: what evaluates the expressions of `ignoreApplicationDifferences`.

    Raises:
        MissingError: there is no such set, and `edited` is None; or the hub serves no ApplicationSets.
        ClusterError: the hub can't be asked.
    """
    from fleetui.engine.appset.asking import Asking, NoAnswers
    from fleetui.engine.appset.preview import preview
    from fleetui.engine.appset.template_check import unmet
    from fleetui.engine.ignoring import Ignoring

    there, live, projects = await _of_hub(api, key, wanted=edited is None)
    appset = ApplicationSet(there if edited is None else _edited(there, edited))
    registered = await registered_in(directory, key.hub)
    asking = Asking(api.name, answers or NoAnswers(), lambda _: None)
    try:
        generated = await asking.generate(appset, registered)
    finally:
        asking.close()
    lacking = unmet((each.app for each in generated.applications), projects=projects, registered=registered)
    ignoring = Ignoring(appset.ignore_rules, jq)
    return await ignoring.run(
        lambda evaluate: preview(appset, generated, live, unmet=lacking, evaluate=evaluate), large=True
    )


async def registered_in(directory: Clusters, hub: ClusterName) -> Sequence[Registration]:
    """What a hub's own objects register.

    Raises:
        MissingError: that can't be known.
    """
    await directory.ready(hub)
    registered = directory.registrations(hub)
    if registered is None:
        why = directory.unread(hub)
        raise MissingError(f"it is not known which clusters {hub} has registered{f': {why}' if why else ''}")
    return registered


async def _of_hub(api: Cluster, key: AppSetKey, *, wanted: bool) -> tuple[Obj, list[Obj], set[str]]:
    """The set, the Applications of its namespace, and the names of the projects that there are."""
    served = await api.discover()
    sets, applications, projects = (served.by_kind(GROUP, kind) for kind in (KIND, APPLICATION, PROJECT_KIND))
    if sets is None or applications is None or projects is None:
        raise MissingError(f"{api.name} serves no ApplicationSets", "fleetui bootstrap installs what is needed")
    try:
        there = await api.get(sets, key.name, key.namespace)
    except NotFoundError:
        if wanted:
            raise
        there = {"metadata": {"namespace": key.namespace, "name": key.name}}
    places = sorted({key.namespace, CONTROL_PLANE})  # a set elsewhere has its projects there
    live, *listed = await asyncio.gather(
        api.list(applications, key.namespace), *(api.list(projects, place) for place in places)
    )
    return there, list(live), {ref_of(each).name for found in listed for each in found}


def _edited(there: Obj, edited: Obj) -> Obj:
    """The set that is there, with what somebody has made of it in a file."""
    own, metadata = mapping(edited.get("metadata")), mapping(there.get("metadata"))
    kept = {key: metadata[key] for key in ("namespace", "name", "uid") if key in metadata}
    return {**edited, "metadata": {**own, **kept}, "status": there.get("status") or {}}
