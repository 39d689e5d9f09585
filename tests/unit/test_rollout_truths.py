"""Waves written to a real repository: once, whoever asks again; beside what others write; and back byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import yaml

from fleetui.engine.appset.generate import generate
from fleetui.engine.appset.generated import RegisteredCluster
from fleetui.engine.rollout.ports import Written
from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from fleetui.fleet.rolloutorigins import set_of
from fleetui.fleet.rollouttruth import is_of
from fleetui.gitports import PullRequest
from fleetui.model.app import App, Source
from fleetui.model.errors import ManifestError, RefusedError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey, CellPlan, Delivery, RolloutKey, RolloutPlan
from tests.unit.addon_fleet import APPSET, FILE, AddonFleet

NEW = {"cert-manager": "1.15"}
WAVES = (WaveRule("canary", count=1), WaveRule("rest", rest=True))


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[AddonFleet]:
    made = AddonFleet(tmp_path, hosts=Hosts())
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")


class Hosts:
    """A Git host with the pull requests that are opened on it."""

    def __init__(self) -> None:
        self.opened: dict[tuple[str, str], PullRequest] = {}
        self.bodies: list[str] = []

    async def of(self, url: str, *, hub: str = "", project: str = "") -> Hosts:
        return self

    async def open_pull_request(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        number = len(self.opened) + 1
        self.bodies.append(f"{title}\n\n{body}")
        return self.opened.setdefault(
            (head, base), PullRequest(f"https://host/team/work/pull/{number}", number, "open")
        )

    async def pull_request(self, number: int) -> PullRequest:
        return list(self.opened.values())[number - 1]

    def becomes(self, number: int, state: str, commit: str = "") -> None:
        key = list(self.opened)[number - 1]
        self.opened[key] = self.opened[key]._replace(state=state, merge_commit=commit)


async def planned(fleet: AddonFleet, **request: object) -> RolloutPlan:
    found = await fleet.planner().plan(RolloutRequest(NEW, waves=WAVES, name="certs", **request))  # type: ignore[arg-type]
    assert found.refusals == ()
    return found.plan


async def write(fleet: AddonFleet, plan: RolloutPlan, wave: int, *, back: bool = False) -> Written:
    cells = [cell for cell in plan.cells if cell.key in plan.waves[wave].cells]
    new, old = ({cell.key: version for cell, version in zip(cells, of, strict=True)} for of in versions_of(cells))
    wanted, expected = (old, new) if back else (new, old)
    return await fleet.truths.write(plan, plan.waves[wave].name, wanted, expected=expected)


def versions_of(cells: list) -> tuple[list[str], list[str]]:  # type: ignore[type-arg]
    return [cell.to_version for cell in cells], [cell.from_version for cell in cells]


def generated(fleet: AddonFleet) -> dict[str, str]:
    """The path of each Application of cert-manager, as Argo CD generates it of what is in Git."""
    clusters = [RegisteredCluster(name, f"https://{name}", labels={"addons": "all"}) for name in fleet.statuses]
    found = generate(yaml.safe_load(fleet.text), clusters)
    assert found.complete
    paths = {each.name: each.app["spec"]["source"]["path"] for each in found.applications}
    assert len(paths) == 2 * len(clusters)
    return {
        name.removesuffix("-cert-manager"): path.rpartition("/")[2] for name, path in paths.items() if "cert" in name
    }


async def test_wave_by_wave_and_back_again(fleet: AddonFleet) -> None:
    plan, before = await planned(fleet), fleet.text
    first = await write(fleet, plan, 0)
    assert generated(fleet) == {"seoul-1": "1.15", "seoul-2": "1.14", "tokyo-1": "1.14"}
    commit = fleet.git.git("rev-parse", "main")
    assert first == Written({key("seoul-1"): commit})
    assert fleet.git.git("log", "-1", "--format=%an%n%B") == (
        "ann\nMove cert-manager to 1.15 (canary)\n\ncert-manager 1.15: seoul-1\n\n"
        "Fleetui-Rollout: certs\nFleetui-Wave: canary"
    )
    text, second = fleet.text, await write(fleet, plan, 1)
    assert generated(fleet) == {"seoul-1": "1.15", "seoul-2": "1.15", "tokyo-1": "1.15"}
    assert text != fleet.text == before.replace('"1.14"', '"1.15"')
    assert len(set(second.commits.values())) == 1
    assert await fleet.truths.versions(plan.cells) == dict.fromkeys((cell.key for cell in plan.cells), "1.15")
    await write(fleet, plan, 1, back=True)
    assert generated(fleet) == {"seoul-1": "1.15", "seoul-2": "1.14", "tokyo-1": "1.14"}
    assert fleet.text == text
    await write(fleet, plan, 0, back=True)
    assert fleet.text == before
    assert fleet.git.git("log", "--format=%s", "-2").split("\n") == [
        "Move cert-manager back to 1.14 (canary)",
        "Move cert-manager back to 1.14 (rest)",
    ]


async def test_who_asks_again_gets_the_same_commits_and_makes_none(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    first = await write(fleet, plan, 0)
    fleet.git.git("checkout", "-q", "-f", "main")
    fleet.git.put(FILE, (fleet.text + "# a word of somebody's\n").encode())
    fleet.git.commit("somebody else's")
    assert await write(fleet, plan, 0) == first
    second = await write(fleet, plan, 1)
    assert await write(fleet, plan, 1) == second
    assert fleet.git.git("log", "--format=%s").split("\n") == [
        "Move cert-manager to 1.15 (rest)",
        "somebody else's",
        "Move cert-manager to 1.15 (canary)",
        "first",
    ]


async def test_what_somebody_changed_by_hand_is_told_and_left(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    await write(fleet, plan, 0)
    fleet.git.git("checkout", "-q", "-f", "main")
    fleet.git.put(FILE, fleet.text.replace('"1.14"', '"1.14.3"').encode())
    hand = fleet.git.commit("by hand")
    written = await write(fleet, plan, 1)
    assert written == Written({}, {key("seoul-2"): "1.14.3", key("tokyo-1"): "1.14.3"})
    assert fleet.git.git("rev-parse", "main") == hand


async def test_what_others_change_beside_it_stays_when_it_goes_back(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    await write(fleet, plan, 0)
    await write(fleet, plan, 1)
    fleet.git.git("checkout", "-q", "-f", "main")
    fleet.git.put(FILE, fleet.text.replace('"0.7"', '"0.8"').encode())
    fleet.git.commit("somebody else's dns")
    before = fleet.text
    await write(fleet, plan, 1, back=True)
    await write(fleet, plan, 0, back=True)
    assert fleet.text == before.replace('"1.15"', '"1.14"')


async def test_bytes_that_an_edit_could_not_give_back_are_those_of_before(fleet: AddonFleet) -> None:
    # In Go templates a version may be a number.
    go = fleet.text.replace("{{", "{{.").replace("  generators:\n", "  goTemplate: true\n  generators:\n", 1)
    fleet.git.put(FILE, go.replace('"1.14"', "1.14").encode())
    fleet.git.commit("plain")
    before, plan = fleet.text, await planned(fleet)
    await write(fleet, plan, 0)
    await write(fleet, plan, 1)
    assert '"1.15"' in fleet.text
    await write(fleet, plan, 1, back=True)
    await write(fleet, plan, 0, back=True)
    # The edit alone would leave quotes around it.
    assert fleet.text == before


async def test_a_cluster_that_joins_meanwhile_does_not_move(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    await write(fleet, plan, 0)
    new = ClusterName("mars-1")
    fleet.statuses[new] = msgspec.structs.replace(
        fleet.statuses[ClusterName("seoul-1")], name=new, server="https://mars-1"
    )
    await write(fleet, plan, 1)
    assert generated(fleet) == {"seoul-1": "1.15", "seoul-2": "1.15", "tokyo-1": "1.15", "mars-1": "1.14"}


async def test_a_file_that_is_gone_or_broken_is_the_error(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    fleet.git.put(FILE, b"kind: [\n")
    fleet.git.commit("broken")
    with pytest.raises(ManifestError, match=r"^apps/cluster-addons\S*:\d: not a valid manifest"):
        await write(fleet, plan, 0)
    (fleet.git.path / FILE).unlink()
    fleet.git.commit("gone")
    assert await fleet.truths.versions(plan.cells) == {}
    with pytest.raises(RefusedError, match="there is no file apps/cluster-addons"):
        await write(fleet, plan, 0)


async def test_pull_requests_wait_for_a_human(fleet: AddonFleet) -> None:
    hosts = fleet.hosts
    assert isinstance(hosts, Hosts)
    plan = await planned(fleet, delivery=Delivery.PULL_REQUEST, message="Because of the audit.")
    first = await write(fleet, plan, 0)
    assert first.pull_request == "https://host/team/work/pull/1"
    assert await write(fleet, plan, 0) == first
    assert list(hosts.opened) == [("fleetui/certs/canary", "main")]
    assert hosts.bodies[0].startswith(
        "Move cert-manager to 1.15 (canary)\n\nBecause of the audit.\n\ncert-manager 1.15"
    )
    assert fleet.git.git("rev-parse", "main") == fleet.first
    assert generated(fleet)["seoul-1"] == "1.14"
    assert await fleet.truths.merged(plan, first.pull_request) == ""
    fleet.git.git("merge", "-q", "--ff-only", "fleetui/certs/canary")
    hosts.becomes(1, "merged", first.commits[key("seoul-1")])
    assert await fleet.truths.merged(plan, first.pull_request) == first.commits[key("seoul-1")]
    assert await write(fleet, plan, 0) == Written(first.commits)
    second = await write(fleet, plan, 1)
    hosts.becomes(2, "closed")
    with pytest.raises(RefusedError, match="was closed without a merge"):
        await fleet.truths.merged(plan, second.pull_request)


async def test_an_application_of_its_own_manifest(fleet: AddonFleet) -> None:
    text = f"""# certs
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: certs, namespace: argocd, labels: {{addon: certs}}}}
spec:
  project: default
  source: {{repoURL: '{fleet.git.url}', path: addons/cert-manager/1.14, targetRevision: main}} # the version
  destination: {{server: https://seoul-1, namespace: certs}}
"""
    fleet.git.put("apps/certs.yaml", text.encode())
    fleet.git.commit("certs")
    fleet.apps = {app.key: app for app in (*fleet.apps.values(), *own(fleet))}
    found = await fleet.planner().plan(RolloutRequest({"certs": "1.15"}, name="own"))
    assert found.refusals == ()
    [cell] = found.plan.cells
    assert (cell.truth.kind, cell.truth.path, cell.truth.field) == ("manifest", "apps/certs.yaml", "spec.source.path#2")
    assert found.groups[0].entries[0].summary == "version 1.14 → 1.15"
    await fleet.truths.write(found.plan, "all", {cell.key: "1.15"}, expected={cell.key: "1.14"})
    assert fleet.git.git("show", "main:apps/certs.yaml") == text.replace("1.14", "1.15").strip()


async def test_a_field_that_the_operator_names_for_each_cluster(fleet: AddonFleet) -> None:
    for number, cluster in enumerate(fleet.statuses):
        content = {"version": "1.14", "replicas": number}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "certs"}, "data": content}
        fleet.git.put(f"clusters/{cluster}/all.yaml", yaml.safe_dump(obj).encode())
        spec = {
            "source": {"repoURL": fleet.git.url, "path": f"clusters/{cluster}", "targetRevision": "main"},
            "destination": {"server": f"https://{cluster}", "namespace": "certs"},
        }
        name = f"{cluster}-cert-manager"
        fleet.objects[name] = {"metadata": {"name": name, "namespace": "argocd"}, "spec": spec}
    fleet.git.commit("clusters")
    truths = (
        f"{fleet.git.url}#values.yaml#certs.version",
        f"{fleet.git.url}#clusters/{{cluster}}/all.yaml#data.version",
    )
    found = await fleet.planner().plan(RolloutRequest(NEW, name="values", truths=truths))
    assert found.refusals == ()
    cell = found.plan.cells[0]
    assert (cell.truth.kind, cell.truth.path, cell.truth.field) == (
        "values",
        "clusters/seoul-1/all.yaml",
        "data.version",
    )
    # What nobody has committed yet is rendered: the same change in three files.
    assert [len(group.cells) for group in found.groups] == [3]
    assert found.groups[0].entries[0].summary == "version 1.14 → 1.15"
    wanted = {cell.key: cell.to_version for cell in found.plan.cells}
    await fleet.truths.write(found.plan, "all", wanted, expected=dict.fromkeys(wanted, "1.14"))
    assert "'1.15'" in fleet.git.git("show", "main:clusters/tokyo-1/all.yaml")
    again = await fleet.planner().plan(RolloutRequest(NEW, truths=truths))
    assert (len(again.unchanged), again.plan.cells) == (3, ())
    assert again.refusals == ()
    missing = await fleet.planner().plan(RolloutRequest(NEW, truths=truths[:1]))
    cells = "seoul-1/cert-manager, seoul-2/cert-manager, tokyo-1/cert-manager"
    assert missing.refusals[0] == f"{cells}: values.yaml of {fleet.git.url} (main) says no version of it"


async def test_a_stored_plan_writes_only_where_the_fleet_or_the_operator_says(fleet: AddonFleet) -> None:
    plan = await planned(fleet)
    await fleet.truths.refuse_strange(plan)
    url = "https://ann:s3cret@git.example/strangers\x1b[2J.git"
    truth = msgspec.structs.replace(plan.cells[1].truth, url=url)
    cells = (plan.cells[0], msgspec.structs.replace(plan.cells[1], truth=truth), *plan.cells[2:])
    strange = msgspec.structs.replace(plan, cells=cells)
    with pytest.raises(RefusedError) as caught:
        await fleet.truths.refuse_strange(strange)
    said = "https://***@git.example/strangers\ufffd[2J.git"
    assert caught.value.message == f"rollout certs writes seoul-2/cert-manager to {said}, which nothing of hub names"
    assert caught.value.hint == f"if it is yours: fleetui rollout resume certs --truth {said}"
    # Another hub's repositories are none of this one's.
    fleet.truths.vouch(())
    elsewhere = msgspec.structs.replace(plan, key=msgspec.structs.replace(plan.key, hub=ClusterName("other")))
    with pytest.raises(RefusedError, match="which nothing of other names"):
        await fleet.truths.refuse_strange(msgspec.structs.replace(elsewhere, cells=cells[1:2]))
    fleet.truths.vouch([f"{url}#clusters/{{cluster}}.yaml#version"])
    await fleet.truths.refuse_strange(strange)


async def test_a_repository_that_only_a_generator_names_is_known(tmp_path: Path) -> None:
    files = "- git: {repoURL: 'GIT_URL', revision: main, files: [{path: 'clusters/*.json'}]}"
    before, rest = APPSET.split("    - matrix:")
    template = rest[rest.index("  template:") :].replace("repoURL: 'GIT_URL'", "repoURL: 'https://charts.example'")
    fleet = AddonFleet(tmp_path, appset=f"{before}    {files}\n{template}")
    try:
        file = {"name": "seoul-1", "addon": "cert-manager", "version": "1.14", "server": "https://seoul-1"}
        fleet.git.put("clusters/seoul-1.json", msgspec.json.encode(file))
        fleet.git.commit("clusters")
        elsewhere = {
            key: msgspec.structs.replace(app, source=Source("https://charts.example"))
            for key, app in fleet.apps.items()
        }
        root = next(app for app in fleet.apps.values() if app.key.name == "root")
        key = next(key for key in elsewhere if key.name == "seoul-1-cert-manager")
        made = await fleet.origins.made(set_of(fleet.apps[key]))  # type: ignore[arg-type]
        truth = fleet.origins.truths_of(made)[key.name]
        assert truth.kind == "file"
        cell = CellPlan(CellKey(ClusterName("seoul-1"), "cert-manager"), key, "1.14", "1.15", truth)
        plan = RolloutPlan(RolloutKey(key.hub, "argocd", "certs"), {}, (cell,), ())
        fleet.apps = elsewhere | {root.key: root}
        await fleet.truths.refuse_strange(plan)
    finally:
        await fleet.close()


def own(fleet: AddonFleet) -> list[App]:
    """An Application that no ApplicationSet makes, and the one that brings it."""
    root = next(app for app in fleet.apps.values() if app.key.name == "root")
    certs = msgspec.structs.replace(
        fleet.app("seoul-1", "cert-manager", "1.14"), application_set="", labels={"addon": "certs"}
    )
    certs = msgspec.structs.replace(certs, key=msgspec.structs.replace(certs.key, name="certs"))
    ref = msgspec.structs.replace(root.resources[0].ref, kind="Application", name="certs")
    resources = (*root.resources, msgspec.structs.replace(root.resources[0], ref=ref))
    return [msgspec.structs.replace(root, resources=resources), certs]


def test_a_commit_tells_whose_it_is() -> None:
    from fleetui.model.change import Commit

    commit = Commit("a" * 40, "ann", "", 0.0, "Move", "Move\n\nFleetui-Rollout: certs\nFleetui-Wave: x")
    assert is_of(commit, "certs")
    assert not is_of(commit, "cert")


def key(cluster: str) -> CellKey:
    return CellKey(ClusterName(cluster), "cert-manager")
