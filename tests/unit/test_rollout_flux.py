"""Flux's cells in rollouts: the manifest is found through the Kustomization that applies it, and moved in Git."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from backends.flux import REQUESTED, FluxKustomizations, FluxReleases
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest
from fleetui.fleet.rolloutflux import FluxSources
from fleetui.fleet.rolloutorigins import Origins
from fleetui.fleet.rolloutsights import FleetSights
from fleetui.fleet.rollouttruth import GitTruths
from fleetui.fleet.views import ActionKind
from fleetui.model.objects import ClusterName, Discovery, ObjectRef
from fleetui.model.rollout import CellKey
from tests.unit.addon_fleet import HUB, AddonFleet
from tests.unit.fakes import SERVED, FakeCluster, manifest, resource, stored
from tests.unit.test_rollout_sights import FakePicture

GIT_REPOSITORY = resource("GitRepository", group="source.toolkit.fluxcd.io")
GIT_REF = ObjectRef(GIT_REPOSITORY.group, "GitRepository", "flux-system", "fleet")
KUSTOMIZATION, RELEASE = FluxKustomizations.app_resource, FluxReleases.app_resource
MOVES = {"certs": "1.15.0", "dns": "0.8.0"}
RELEASE_TEXT = """# ours
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: certs, namespace: apps, labels: {addon: certs}}
spec:
  chart: {spec: {chart: cert-manager, version: 1.14.0}} # moved by rollouts
"""
DNS_TEXT = """apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: dns, namespace: flux-system, labels: {addon: dns}}
spec:
  path: ./addons/dns/0.7.0
  sourceRef: {kind: GitRepository, name: fleet}
"""


class Flux(AddonFleet):
    """A hub whose Kustomization ``apps`` applies the folder ``flux`` of a repository."""

    def __init__(self, folder: Path) -> None:
        hub = FakeCluster("hub")
        hub.served = Discovery((*SERVED, GIT_REPOSITORY, KUSTOMIZATION, RELEASE), version="v1.37.2")
        super().__init__(folder, hub=hub)
        self.write("flux/certs.yaml", RELEASE_TEXT)
        self.write("flux/dns.yaml", DNS_TEXT)
        self.apps = {}
        source = {"kind": "GitRepository", "name": "fleet"}
        self.has("Kustomization", "apps", "flux-system", {"path": "./flux", "sourceRef": source}, "certs", "dns")
        for text in (RELEASE_TEXT, DNS_TEXT):
            obj = yaml.safe_load(text)
            self.has(obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"], obj["spec"], addon=True)
        self.fetched = {"url": self.git.url, "ref": {"branch": "main"}}
        self.flux = FluxSources(lambda _: hub, self.clock)
        self.origins = Origins(self.repositories, lambda: self.apps, self._registered, flux=self.flux)
        self.truths = GitTruths(self.origins, lambda: self.apps)

    @property
    def fetched(self) -> dict[str, Any]:
        return dict(self.hub.objects[GIT_REF]["spec"])

    @fetched.setter
    def fetched(self, spec: dict[str, Any]) -> None:
        self.hub.objects[GIT_REF] = {"metadata": {"name": "fleet"}, "spec": spec}

    def write(self, path: str, text: str) -> None:
        self.git.put(path, text.encode())
        self.git.commit(path)

    def has(
        self, kind: str, name: str, namespace: str, spec: dict[str, Any], *applied: str, addon: bool = False
    ) -> None:
        dialect: Any = FluxReleases() if kind == "HelmRelease" else FluxKustomizations()
        group, version = dialect.app_kind[0], dialect.app_resource.version
        ids = {
            "certs": "apps_certs_helm.toolkit.fluxcd.io_HelmRelease",
            "dns": "flux-system_dns_kustomize.toolkit.fluxcd.io_Kustomization",
        }
        obj = manifest(
            kind,
            name,
            namespace=namespace,
            api_version=f"{group}/{version}",
            metadata={"labels": {"addon": name} if addon else {}},
            spec=spec,
            status={"inventory": {"entries": [{"id": ids[each], "v": "v2"} for each in applied]}},
        )
        app = dialect.app(HUB, stored(obj))
        self.apps[app.key] = app
        self.hub.objects[app.key.ref] = obj

    async def plan(self, **moves: str) -> PlannedRollout:
        return await self.planner().plan(RolloutRequest(moves or MOVES, name="flux"))


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Flux]:
    made = Flux(tmp_path)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")


async def test_releases_and_kustomizations_are_found_and_moved(fleet: Flux) -> None:
    found = await fleet.plan()
    assert found.refusals == ()
    assert [(cell.truth.document, cell.truth.path, cell.truth.field) for cell in found.plan.cells] == [
        ("HelmRelease apps/certs", "flux/certs.yaml", "spec.chart.spec.version"),
        ("Kustomization flux-system/dns", "flux/dns.yaml", "spec.path#3"),
    ]
    assert {group.cells[0].addon: group.entries[0].ref.kind for group in found.groups} == {
        "certs": "HelmRelease",
        "dns": "Kustomization",
    }
    wanted = {cell.key: cell.to_version for cell in found.plan.cells}
    await fleet.truths.refuse_strange(found.plan)
    before = {cell.key: cell.from_version for cell in found.plan.cells}
    await fleet.truths.write(found.plan, "all", wanted, expected=before)
    assert fleet.git.git("show", "main:flux/certs.yaml") == RELEASE_TEXT.replace("1.14.0", "1.15.0").strip()
    assert fleet.git.git("show", "main:flux/dns.yaml") == DNS_TEXT.replace("0.7.0", "0.8.0").strip()
    await fleet.truths.write(found.plan, "all", before, expected=wanted)
    assert fleet.git.git("show", "main:flux/certs.yaml") == RELEASE_TEXT.strip()


async def test_a_refresh_fetches_the_repository_and_asks_the_kustomization(fleet: Flux) -> None:
    cell = (await fleet.plan()).plan.cells[0]
    picture = FakePicture(*fleet.apps.values())
    sights = FleetSights(picture, fleet.repositories, fleet.flux)
    await sights.refresh(cell)
    [(name, body)] = [(name, body) for verb, name, body in fleet.hub.writes if verb == "patch"]
    assert name == "flux-system/fleet"
    assert list(body["metadata"]["annotations"]) == [REQUESTED]
    assert [(action.kind, action.app.name) for action in picture.actions] == [(ActionKind.REFRESH, "apps")]
    assert (await sights.look(cell)).version == "1.14.0"


@pytest.mark.parametrize(
    ("text", "fetched", "why"),
    [
        ("1.14.0", {"ref": {"tag": "v1"}}, "takes no commit"),
        ("${certs}", {}, "its version is ${certs} in Git, a variable of its Kustomization"),
    ],
)
async def test_what_can_not_be_moved(fleet: Flux, text: str, fetched: dict[str, Any], why: str) -> None:
    fleet.git.git("tag", "v1")
    fleet.write("flux/certs.yaml", RELEASE_TEXT.replace("1.14.0", f"'{text}'"))
    fleet.fetched = fleet.fetched | fetched
    [refusal] = (await fleet.plan(certs="1.15.0")).refusals
    assert refusal.startswith("hub/certs: ")
    assert why in refusal


async def test_a_manifest_that_another_hub_applies_too(fleet: Flux) -> None:
    for app in list(fleet.apps.values()):
        key = msgspec.structs.replace(app.key, hub=ClusterName("other"))
        fleet.apps[key] = msgspec.structs.replace(app, key=key)
    request = RolloutRequest({"certs": "1.15.0"}, hub=HUB)
    found = await fleet.planner().plan(request)
    [refusal] = found.refusals
    assert refusal.endswith(f"flux/certs.yaml of {fleet.git.url} is other/apps/certs too, which would move with it")
    assert CellKey(HUB, "certs") not in {cell.key for cell in found.plan.cells}
