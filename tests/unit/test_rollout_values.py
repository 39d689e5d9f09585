"""Versions in the Helm values files of applications: found by themselves, moved in real repositories, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest, WaveRule
from fleetui.fleet.rolloutsights import FleetSights
from fleetui.model.app import App, Source
from fleetui.model.objects import ClusterName
from fleetui.model.status import SyncStatus
from fleetui.renderports import HelmRequest, Tools
from tests.unit.addon_fleet import AddonFleet
from tests.unit.test_rollout_sights import FakePicture

NEW = {"cert-manager": "1.15"}
WAVES = (WaveRule("canary", count=1), WaveRule("rest", rest=True))
ONE, TWO, THREE = (f"{cluster}-cert-manager" for cluster in ("seoul-1", "seoul-2", "tokyo-1"))
SET = """apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: cluster-addons, namespace: argocd}
spec:
  generators: [clusters: {selector: {matchLabels: {addons: all}}}]
  template:
    metadata: {name: '{{name}}-cert-manager'}
    spec:
      project: default
      source: {repoURL: 'GIT_URL', path: chart, targetRevision: main, helm: {valueFiles: ['../clusters/{{name}}.yaml']}}
      destination: {server: '{{server}}', namespace: certs}
"""


class Chart:
    """A chart whose one object shows the field of the values that its file ``uses`` names."""

    async def template(self, request: HelmRequest) -> bytes:
        merged: dict[str, Any] = {}
        for _, content in request.values:
            _merge(merged, yaml.safe_load(content) or {})
        value: Any = merged
        for part in request.chart["uses"].decode().split("."):
            value = value.get(part, {})
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "certs"},
            "data": {"version": str(value or "none")},
        }
        return yaml.safe_dump(obj).encode()


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, dict):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[AddonFleet]:
    made = AddonFleet(tmp_path, appset=SET, tools=Tools(helm=Chart()))
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")


def have(
    fleet: AddonFleet,
    files: Mapping[str, str],
    reads: Mapping[str, str],
    *,
    uses: str = "image.tag",
    made: bool = False,
) -> None:
    """Applications of a chart: `files` in Git, and which of them each application reads, with blanks between."""
    fleet.git.put("chart/Chart.yaml", b"name: chart\nversion: 1.0.0\n")
    fleet.git.put("chart/uses", uses.encode())
    for path, content in files.items():
        fleet.git.put(path, content.encode())
    fleet.git.commit("values")
    for app in list(fleet.apps.values()):
        name = app.key.name
        if (said := reads.get(name)) is not None:
            fleet.apps[app.key] = msgspec.structs.replace(
                app,
                application_set="cluster-addons" if made else "",
                labels={"addon": name.split("-", 2)[2]},
                source=Source(fleet.git.url, "chart", "main"),
                images=("quay.io/certs:1.14",),
            )
            fleet.objects[name] = application(fleet, fleet.apps[app.key], said.split())


def application(fleet: AddonFleet, app: App, files: list[str]) -> dict[str, Any]:
    git = {"repoURL": fleet.git.url, "targetRevision": "main"}
    return {
        "metadata": {"name": app.key.name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "sources": [{**git, "path": "chart", "helm": {"valueFiles": files}}, {**git, "ref": "fleet"}],
            "destination": {"server": app.destination.server, "namespace": "certs"},
        },
    }


def each(path: str, *names: str) -> dict[str, str]:
    """What applications read, with ``CLUSTER`` for their own."""
    return {name: path.replace("CLUSTER", name.removesuffix("-cert-manager")) for name in names or (ONE, TWO, THREE)}


async def plan(fleet: AddonFleet, **request: Any) -> PlannedRollout:
    return await fleet.planner().plan(RolloutRequest(NEW, **{"name": "values", "waves": WAVES} | request))


CLUSTERS = {
    f"clusters/{cluster}.yaml": f"# {cluster}\nimage:\n  tag: '1.14' # moved by rollouts\n"
    for cluster in ("seoul-1", "seoul-2", "tokyo-1")
}


async def test_each_clusters_file_is_found_moved_and_seen_to_follow(fleet: AddonFleet) -> None:
    base = {"base.yaml": "image:\n  tag: '1.14'\nversion: '0.1'\n", "later.yaml": "# nothing yet\n"}
    have(fleet, base | CLUSTERS, each("$fleet/base.yaml $fleet/clusters/CLUSTER.yaml $fleet/later.yaml"))
    found = await plan(fleet)
    assert found.refusals == ()
    truths = [cell.truth for cell in found.plan.cells]
    assert [(truth.kind, truth.branch, truth.path, truth.field) for truth in truths] == [
        ("values", "main", path, "image.tag") for path in CLUSTERS
    ]
    assert [(len(group.cells), group.entries[0].summary) for group in found.groups] == [(3, "version 1.14 → 1.15")]
    cell = found.plan.cells[0]
    await fleet.truths.write(found.plan, "canary", {cell.key: "1.15"}, expected={cell.key: "1.14"})
    assert fleet.git.git("show", f"main:{truths[0].path}") == CLUSTERS[truths[0].path].replace("1.14", "1.15").strip()
    assert fleet.git.git("show", f"main:{truths[1].path}") == CLUSTERS[truths[1].path].strip()
    # The application follows when it has been compared with that commit.
    for revision, version in (("main~1", "1.14"), ("main", "1.15")):
        sha = fleet.git.git("rev-parse", revision)
        app = msgspec.structs.replace(fleet.apps[cell.app], revisions={fleet.git.url: sha}, sync=SyncStatus.SYNCED)
        assert (await FleetSights(FakePicture(app), fleet.repositories).look(cell)).version == version
    await fleet.truths.write(found.plan, "canary", {cell.key: "1.14"}, expected={cell.key: "1.15"})
    assert fleet.git.git("show", f"main:{truths[0].path}") == CLUSTERS[truths[0].path].strip()


async def test_an_applicationset_of_clusters_whose_values_have_the_version(fleet: AddonFleet) -> None:
    have(fleet, CLUSTERS, each("../clusters/CLUSTER.yaml"), made=True)
    found = await plan(fleet)
    assert found.refusals == ()
    assert [cell.truth.path for cell in found.plan.cells] == list(CLUSTERS)
    # Also where nobody brings the ApplicationSet from Git.
    fleet.apps = {key: app for key, app in fleet.apps.items() if key.name != "root"}
    assert [cell.truth.path for cell in (await plan(fleet)).plan.cells] == list(CLUSTERS)


async def test_a_shared_file_moves_all_its_cells_at_once(fleet: AddonFleet) -> None:
    files = {"prod.yaml": "image: {tag: '1.14'}\n", "clusters/tokyo-1.yaml": "image: {tag: '1.14'}\n"}
    reads = each("$fleet/prod.yaml", ONE, TWO) | each("$fleet/prod.yaml $fleet/clusters/CLUSTER.yaml", THREE)
    have(fleet, files, reads)
    found = await plan(fleet)
    cells = "seoul-1/cert-manager, seoul-2/cert-manager"
    assert found.refusals == (
        f"{cells}: image.tag of prod.yaml is the version of them all: they can only move in one wave",
    )
    # Tokyo has a version of its own: it is not moved along.
    together = (
        WaveRule("seoul", clusters=(ClusterName("seoul-1"), ClusterName("seoul-2"))),
        WaveRule("rest", rest=True),
    )
    assert (await plan(fleet, waves=together)).refusals == ()
    [one] = [key for key in fleet.apps if key.name == ONE]
    alone = await plan(fleet, cells=(one,))
    assert alone.refusals == (f"{TWO}: would change too, though not chosen",)
    # What follows another branch is another file.
    fleet.git.git("branch", "stage")
    for source in fleet.objects[TWO]["spec"]["sources"]:
        source["targetRevision"] = "stage"
    await fleet.repositories.open(fleet.git.url).resolve("stage", fetch=True)
    assert (await plan(fleet, cells=(one,))).refusals == ()


async def test_who_reads_the_file_and_not_the_field_is_not_moved(fleet: AddonFleet) -> None:
    files = {"seoul-1.yaml": "cert-manager: {version: '1.14'}\ndns: {version: '0.7'}\n"}
    have(fleet, files, each("$fleet/seoul-1.yaml", ONE), uses="cert-manager.version")
    [app] = [app for app in fleet.apps.values() if app.key.name == "seoul-1-dns"]
    fleet.git.put("dns/Chart.yaml", b"name: dns\nversion: 1.0.0\n")
    fleet.git.put("dns/uses", b"dns.version")
    fleet.git.commit("dns")
    obj = application(fleet, app, ["$fleet/seoul-1.yaml"])
    obj["spec"]["sources"][0]["path"] = "dns"
    fleet.objects[app.key.name] = obj
    one = next(key for key in fleet.apps if key.name == ONE)
    found = await plan(fleet, cells=(one,))
    assert found.refusals == ()
    assert found.plan.cells[0].truth.field == "cert-manager.version"
    fleet.git.put("dns/uses", b"cert-manager.version")
    fleet.git.commit("dns does")
    await fleet.repositories.open(fleet.git.url).resolve("main", fetch=True)
    assert (await plan(fleet, cells=(one,))).refusals == ("seoul-1-dns: would change too, though not chosen",)


@pytest.mark.parametrize(
    ("text", "request_", "why"),
    [
        ("version: '1.14'\nimage: {tag: '1.14'}\n", {}, "its version 1.14 is in version and image.tag of its files"),
        ("image: {tag: '1.13'}\n", {}, "none says 1.14 in version, image.tag, global.version"),
        ("image: {tag: '1.14'}\n", {"field": "certs.tag"}, "none has certs.tag (say which with --field"),
        ("version: '1.14'\n", {}, "nothing changes: version of its values is not what its manifests are made of"),
        ("image: {tag: &tag '1.14'}\nother: *tag\n", {}, "anchor"),
    ],
)
async def test_what_is_not_told_is_refused(fleet: AddonFleet, text: str, request_: dict[str, str], why: str) -> None:
    have(fleet, {"v.yaml": text}, each("$fleet/v.yaml", ONE))
    one = next(key for key in fleet.apps if key.name == ONE)
    found = await plan(fleet, cells=(one,), **request_)
    assert len(found.refusals) == 1
    assert found.refusals[0].startswith("seoul-1/cert-manager: ")
    assert why in found.refusals[0]


async def test_the_field_that_the_operator_names(fleet: AddonFleet) -> None:
    text = "version: '1.14'\nimage: {tag: '1.14'}\naddons: {cert-manager: {tag: '1.13'}}\n"
    have(fleet, {"v.yaml": text}, each("$fleet/v.yaml", ONE), uses="addons.cert-manager.tag")
    one = next(key for key in fleet.apps if key.name == ONE)
    found = await plan(fleet, cells=(one,), field="addons.{addon}.tag")
    assert found.refusals == ()
    assert [(cell.from_version, cell.to_version) for cell in found.plan.cells] == [("1.13", "1.15")]


async def test_a_tag_takes_no_commit_and_no_values_are_said(fleet: AddonFleet) -> None:
    have(fleet, {"v.yaml": "image: {tag: '1.14'}\n"}, each("$fleet/v.yaml", ONE))
    fleet.git.git("tag", "v1")
    fleet.objects[ONE]["spec"]["sources"][1]["targetRevision"] = "v1"
    one = next(key for key in fleet.apps if key.name == ONE)
    [why] = (await plan(fleet, cells=(one,))).refusals
    assert "takes no commit" in why
    fleet.objects[ONE]["spec"]["sources"][0]["helm"]["valueFiles"] = []
    [why] = (await plan(fleet, cells=(one,))).refusals
    assert "no application brings it from Git" in why
