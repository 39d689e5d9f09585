"""Where in Git the manifests of Flux's objects are, and which field of them is their version.

Owns: `FluxSources` and `field_of`. Called by `fleetui.fleet.rolloutorigins`, which finds the manifest, and by
`fleetui.fleet.rolloutsights`, which has its repository fetched. Rules are those of source-controller v1.7 and
kustomize-controller v1.7 (`spec.sourceRef`, ``reconcile.fluxcd.io/requestedAt``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from fleetui.engine.application import mapping, text
from fleetui.engine.clock import Clock
from fleetui.fleet.cells import version_of
from fleetui.fleet.dispatch import FIELD_MANAGER
from fleetui.model.app import App
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef
from fleetui.ports import Cluster, PatchType

SOURCES, GIT_REPOSITORY = "source.toolkit.fluxcd.io", "GitRepository"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
_GIVE = "say where with --truth URL#PATH#FIELD"


class Applied(NamedTuple):
    """What a Kustomization applies: a folder of a revision."""

    url: str
    revision: str
    path: str


class FluxSources:
    """The repositories of a hub's Kustomizations.

    Args:
        api: a hub.
        clock: the time.
    """

    def __init__(self, api: Callable[[ClusterName], Cluster], clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def applied(self, kustomization: App) -> Applied:
        """What a Kustomization applies.

        Raises:
            RefusedError: it does not come from Git.
            ClusterError: the hub does not answer, or has no such object.
        """
        source = await self._source(kustomization)
        obj = await self._get(kustomization.key.hub, source)
        spec = mapping(obj.get("spec"))
        ref = mapping(spec.get("ref"))
        # `name`, `commit` and `semver` win over a branch (source-controller, `reconcileSource`): none takes a commit.
        pinned = next((text(ref.get(each)) for each in ("commit", "name", "semver", "tag") if ref.get(each)), "")
        branch = text(ref.get("branch")) or "master"
        return Applied(text(spec.get("url")), pinned or branch, kustomization.source.path)

    async def fetch(self, kustomization: App) -> None:
        """Has a Kustomization's repository fetched now, as ``flux reconcile source git`` does.

        Raises:
            RefusedError, ClusterError: as `applied`; it may not be patched.
        """
        source = await self._source(kustomization)
        api = self._api(kustomization.key.hub)
        resource = await self._resource(api, source)
        token = datetime.fromtimestamp(self._clock.now(), UTC).isoformat()
        patch = {"metadata": {"annotations": {REQUESTED: token}}}
        await api.patch(
            resource, source.name, source.namespace, patch, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )

    async def _source(self, kustomization: App) -> ObjectRef:
        obj = await self._get(kustomization.key.hub, kustomization.key.ref)
        ref = mapping(mapping(obj.get("spec")).get("sourceRef"))
        if ref.get("kind") != GIT_REPOSITORY:
            what = f"{text(ref.get('kind'))} {text(ref.get('name'))}"
            raise RefusedError(f"Kustomization {kustomization.key} applies {what}, not a {GIT_REPOSITORY}", _GIVE)
        namespace = text(ref.get("namespace")) or kustomization.key.namespace
        return ObjectRef(SOURCES, GIT_REPOSITORY, namespace, text(ref.get("name")))

    async def _get(self, hub: ClusterName, ref: ObjectRef) -> Obj:
        api = self._api(hub)
        return await api.get(await self._resource(api, ref), ref.name, ref.namespace)

    async def _resource(self, api: Cluster, ref: ObjectRef) -> ApiResource:
        resource = (await api.discover()).by_kind(ref.group, ref.kind)
        if resource is None:
            raise MissingError(f"{api.name} serves no {ref.kind}.{ref.group}")
        return resource


def field_of(app: App, obj: Obj) -> str:
    """Which field of a HelmRelease's or a Kustomization's manifest says its version, by the rules of
    `fleetui.fleet.cells.version_of`; empty where none does.

    Raises:
        RefusedError: a variable stands there, which Flux puts in.
    """
    spec, version = mapping(obj.get("spec")), version_of(app)
    chart = mapping(mapping(spec.get("chart")).get("spec"))
    if said := text(chart.get("version")):
        if "${" in said:
            raise RefusedError(f"{app.key}: its version is {said} in Git, a variable of its Kustomization", _GIVE)
        return "spec.chart.spec.version"
    parts = text(spec.get("path")).split("/")
    return f"spec.path#{parts.index(version)}" if version in parts else ""
