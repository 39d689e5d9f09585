"""Plans of rollouts over a real repository: cells, waves, differences, and what forbids them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetui.engine.rollout.waves import Rule, by_count, by_labels, by_name, by_percent, the_rest, waves_of
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest, WaveRule
from fleetui.fleet.rolloutorigins import parent_of, parents
from fleetui.model.app import Automation, Source
from fleetui.model.errors import RefusedError
from fleetui.model.objects import ClusterName, Discovery, ObjectRef
from fleetui.model.rollout import (
    CellKey,
    Delivery,
    Gate,
    GateKind,
    Rollout,
    RolloutPhase,
    RolloutState,
    WavePlan,
)
from fleetui.model.status import ClusterState
from tests.unit.addon_fleet import APPSET, FILE, HUB, AddonFleet
from tests.unit.fakes import PROJECT, SERVED, manifest
from tests.unit.rbac import GuardedCluster

NEW = {"cert-manager": "1.15"}


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[AddonFleet]:
    made = AddonFleet(tmp_path)
    yield made
    await made.close()


async def plan(fleet: AddonFleet, moves: dict[str, str] | None = None, **request: Any) -> PlannedRollout:
    return await fleet.planner().plan(RolloutRequest(moves or NEW, **request))


def names(cells: Sequence[CellKey]) -> list[str]:
    return list(map(str, cells))


async def test_every_cell_of_an_addon_with_its_truth_and_its_difference(fleet: AddonFleet) -> None:
    found = await plan(fleet)
    assert found.refusals == ()
    assert found.notes == (f"written to {FILE} of {fleet.git.url} (main)",)
    cells = found.plan.cells
    assert [str(cell.key) for cell in cells] == [
        "seoul-1/cert-manager",
        "seoul-2/cert-manager",
        "tokyo-1/cert-manager",
    ]
    assert {(cell.from_version, cell.to_version) for cell in cells} == {("1.14", "1.15")}
    truth = cells[0].truth
    assert (truth.kind, truth.url, truth.branch, truth.path) == ("element", fleet.git.url, "main", FILE)
    assert truth.document == "ApplicationSet argocd/cluster-addons"
    assert truth.field == "version where name=seoul-1,addon=cert-manager"
    [group] = found.groups
    assert [names(group.cells), {cell.change for cell in cells}] == [[str(cell.key) for cell in cells], {group.change}]
    [entry] = group.entries
    assert (entry.verb, entry.ref.name, entry.summary) == ("change", "cert-manager", "version 1.14 → 1.15")
    assert [wave.name for wave in found.plan.waves] == ["all"]
    assert found.plan.created_by == "ann@bastion"
    assert found.plan.key.hub == HUB
    assert found.plan.key.name.startswith("cert-manager-1-15-")
    assert fleet.git.git("rev-parse", "main") == fleet.first


async def test_what_is_there_already_and_what_is_chosen(fleet: AddonFleet) -> None:
    chosen = tuple(key for key in fleet.apps if key.name.startswith("seoul-1-"))
    found = await plan(fleet, {"cert-manager": "1.15", "dns": "0.7"}, cells=chosen)
    assert [str(cell.key) for cell in found.plan.cells] == ["seoul-1/cert-manager"]
    assert names(found.unchanged) == ["seoul-1/dns"]


async def test_waves_hold_every_cell_once_and_have_their_gates(fleet: AddonFleet) -> None:
    approval = (Gate(GateKind.APPROVAL),)
    waves = (
        WaveRule("canary", clusters=(ClusterName("tokyo-1"),), failures_allowed=0),
        WaveRule("nobody", labels="region=mars"),
        WaveRule("rest", rest=True, gates=approval),
    )
    found = await plan(fleet, {"cert-manager": "1.15", "dns": "0.8"}, waves=waves, failures_allowed=2)
    canary, rest = found.plan.waves
    assert names(canary.cells) == ["tokyo-1/cert-manager", "tokyo-1/dns"]
    assert (canary.gates, canary.failures_allowed) == (WavePlan("", ()).gates, 0)
    assert (rest.gates, rest.failures_allowed, len(rest.cells)) == (approval, 2, 4)
    assert "wave nobody has no cells, and is left out" in found.notes
    assert found.refusals == ()


@pytest.mark.parametrize(
    ("waves", "why"),
    [
        ([WaveRule("some", count=1)], "seoul-2/cert-manager, tokyo-1/cert-manager: in no wave (add one that takes"),
        ([WaveRule("x", labels="a in"), WaveRule("r", rest=True)], "wave x: "),
        ([WaveRule("x")], "wave x: it says not which cells it takes"),
        ([WaveRule("x", clusters=(ClusterName("mars"),)), WaveRule("r", rest=True)], "no chosen cell is on mars"),
        ([WaveRule("x", count=1), WaveRule("x", rest=True)], "two waves are called x"),
    ],
)
async def test_waves_that_can_not_be(fleet: AddonFleet, waves: list[WaveRule], why: str) -> None:
    assert any(why in each for each in (await plan(fleet, waves=tuple(waves))).refusals)


async def test_differences_are_grouped_whatever_the_cells_are_called(tmp_path: Path) -> None:
    text = APPSET.replace(
        "path: 'addons/{{addon}}/{{version}}'}",
        "path: 'addons/{{addon}}/{{version}}', kustomize: {namePrefix: '{{name}}-', commonLabels: {size: LABEL}}}",
    ).replace("LABEL", "'{{metadata.labels.size}}'")
    fleet = AddonFleet(tmp_path, appset=text)
    for version in ("1.14", "1.15"):
        fleet.git.put(f"addons/cert-manager/{version}/kustomization.yaml", b"resources: [all.yaml]\n")
    fleet.git.commit("kustomized")
    sizes = {"seoul-1": "big", "seoul-2": "small", "tokyo-1": "big"}
    registered = fleet._registered

    async def labelled(hub: ClusterName) -> Any:
        return [
            msgspec.structs.replace(each, labels={**each.labels, "size": sizes[each.name]})
            for each in await registered(hub)
        ]

    fleet.origins._registered = labelled
    try:
        found = await plan(fleet)
    finally:
        await fleet.close()
    assert found.refusals == ()
    # The names differ, the change is the same: a label that stays is no part of it.
    assert [len(group.cells) for group in found.groups] == [3]
    assert found.groups[0].entries[0].ref.name == "seoul-1-cert-manager"


async def test_a_version_that_git_does_not_have_is_refused(fleet: AddonFleet) -> None:
    found = await plan(fleet, {"cert-manager": "1.16"})
    [group] = found.groups
    assert group.problem == "addons/cert-manager/1.16: app path does not exist"
    assert found.refusals == (
        "seoul-1/cert-manager, seoul-2/cert-manager, tokyo-1/cert-manager: "
        "addons/cert-manager/1.16: app path does not exist",
        "Git has no cert-manager 1.16: it has 1.15, 1.14",
    )


async def test_what_can_not_be_read_names_its_file_and_line(fleet: AddonFleet) -> None:
    fleet.git.put("addons/cert-manager/1.15/more.yaml", b"apiVersion: v1\nkind: A\nmetadata: [\n")
    fleet.git.commit("broken")
    [refusal] = (await plan(fleet)).refusals
    assert "addons/cert-manager/1.15/more.yaml:4: not a valid manifest" in refusal


async def test_what_git_says_does_not_reach_the_terminal_as_it_is(fleet: AddonFleet) -> None:
    fleet.addon("cert-manager", "1.15", note="\x1b[31mred")
    fleet.git.commit("colours")
    found = await plan(fleet)
    assert found.groups[0].entries[0].summary.startswith("note \ufffd[31mred added")
    fleet.git.put(FILE, APPSET.replace("GIT_URL", fleet.git.url).replace('"1.14"', '"1.14\\e[31m"').encode())
    fleet.git.commit("a version")
    [refusal] = (await plan(fleet)).refusals
    assert refusal.endswith(f"the version that {FILE} of {fleet.git.url} gives it is no text of one line")


async def test_clusters_that_are_away_are_noted_and_do_not_forbid(fleet: AddonFleet) -> None:
    fleet.away.add("tokyo-1")
    status = fleet.statuses[ClusterName("tokyo-1")]
    fleet.statuses[ClusterName("tokyo-1")] = msgspec.structs.replace(
        status, state=ClusterState.UNREACHABLE, message="no route to host"
    )
    found = await plan(fleet)
    assert found.refusals == ()
    assert found.notes[0] == "tokyo-1 does not answer now, and its cells wait for it: no route to host"
    assert [group.problem for group in found.groups] == [
        "",
        "its cluster can't be asked what it serves: it does not answer",
    ]


async def test_what_is_not_synced_by_itself_is_noted(fleet: AddonFleet) -> None:
    root = next(key for key in fleet.apps if key.name == "root")
    fleet.apps[root] = msgspec.structs.replace(fleet.apps[root], automation=Automation())
    assert (await plan(fleet)).notes[-1].startswith("hub/argocd/root is not synced automatically: sync it after")


async def test_going_back_is_noted(fleet: AddonFleet) -> None:
    fleet.addon("cert-manager", "1.9")
    fleet.git.commit("old")
    found = await plan(fleet, {"cert-manager": "1.9"})
    assert "back from 1.14 to 1.9" in found.notes[0]


async def test_protected_clusters_want_their_name_typed(fleet: AddonFleet) -> None:
    planner = fleet.planner(protects=lambda name: name == "tokyo-1")
    assert (await planner.plan(RolloutRequest(NEW))).type_to_confirm == "tokyo-1"
    canary = tuple(key for key in fleet.apps if key.name.startswith("seoul-1-"))
    assert (await planner.plan(RolloutRequest(NEW, cells=canary))).type_to_confirm == ""


async def test_rights_are_asked_before_anything_begins(tmp_path: Path) -> None:
    hub = GuardedCluster(("argocd", "configmaps"), ("argocd", "applications"))
    hub.verbs = {"create", "patch"}
    fleet = AddonFleet(tmp_path, hub=hub)
    try:
        assert (await plan(fleet)).refusals == ()
        hub.grants, hub.verbs = {("argocd", "configmaps")}, {"create"}
        hub.allows = lambda asked: asked.resource == "configmaps" and asked.verb == "create"  # type: ignore[method-assign]
        found = await plan(fleet)
        assert found.refusals == (
            "hub: you may not patch configmaps in argocd, where the rollout is kept (RBAC)",
            "seoul-1/cert-manager, seoul-2/cert-manager, tokyo-1/cert-manager: "
            "you may not patch applications.argoproj.io in hub/argocd (RBAC)",
        )
        read_only = await fleet.planner(read_only=True).plan(RolloutRequest(NEW))
        assert read_only.refusals == ("this console is read-only (--read-only)",)
    finally:
        await fleet.close()


async def test_projects_and_their_windows_forbid(fleet: AddonFleet) -> None:
    fleet.hub.served = Discovery((*SERVED, PROJECT), version="v1.37.2")
    spec: dict[str, Any] = {
        "sourceRepos": ["https://elsewhere"],
        "namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}],
        "syncWindows": [
            {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "description": "freeze"}
        ],
    }
    obj = manifest("AppProject", "default", namespace="argocd", api_version="argoproj.io/v1alpha1", spec=spec)
    fleet.hub.objects[ObjectRef("argoproj.io", "AppProject", "argocd", "default")] = obj
    refusals = " | ".join((await plan(fleet)).refusals)
    assert "and 0 more" not in refusals
    assert "tokyo-1/cert-manager: project default does not permit ConfigMap" in refusals
    assert "tokyo-1/cert-manager: a sync is blocked by a deny window of project default" in refusals
    assert "freeze" in refusals
    assert f"tokyo-1/cert-manager: project default does not permit the source {fleet.git.url}" in refusals


async def test_a_rollout_that_has_one_of_the_cells(fleet: AddonFleet) -> None:
    planned = await plan(fleet, name="first", cells=tuple(key for key in fleet.apps if "seoul-2" in key.name))
    for phase, refused in ((RolloutPhase.PAUSED, True), (RolloutPhase.DONE, False)):
        fleet.others[:] = [Rollout(planned.plan, RolloutState(phase=phase))]
        found = await plan(fleet)
        assert bool(found.refusals) is refused
        assert not refused or "seoul-2/cert-manager: the rollout first has it" in found.refusals[0]


async def test_pull_requests_need_a_host(fleet: AddonFleet) -> None:
    found = await plan(fleet, delivery=Delivery.PULL_REQUEST)
    assert found.refusals == (f"no pull request can be opened on {fleet.git.url} here",)


async def test_nothing_to_move_and_unknown_addons(fleet: AddonFleet) -> None:
    with pytest.raises(RefusedError, match="no cell of velero to move"):
        await plan(fleet, {"velero": "1"})
    assert "no application is of the addon velero" in (await plan(fleet, {**NEW, "velero": "1"})).refusals


# --- where it is written ----------------------------------------------------------------------------------------------


async def test_an_applicationset_that_nobody_brings_and_where_it_is_said_to_be(fleet: AddonFleet) -> None:
    root = next(key for key in fleet.apps if key.name == "root")
    app = next(app for app in fleet.apps.values() if app.application_set)
    assert parent_of(app, parents(fleet.apps.values())) == root
    del fleet.apps[root]
    assert parent_of(app, parents(fleet.apps.values())) is None
    [refusal] = (await plan(fleet)).refusals
    assert refusal.endswith(
        "cluster-addons of hub: no application brings it from Git (say where with --truth URL#PATH)"
    )
    found = await plan(fleet, truths=(f"{fleet.git.url}#{FILE}",))
    assert (found.refusals, len(found.plan.cells), found.plan.cells[0].truth.branch) == ((), 3, "main")


async def test_a_tag_takes_no_commit(fleet: AddonFleet) -> None:
    fleet.git.git("tag", "v1")
    root = next(key for key in fleet.apps if key.name == "root")
    fleet.apps[root] = msgspec.structs.replace(fleet.apps[root], source=Source(fleet.git.url, "apps", "v1"))
    [refusal] = (await plan(fleet)).refusals
    assert f"'v1' is no branch of {fleet.git.url}, and takes no commit" in refusal


async def test_a_template_that_does_not_use_the_version(tmp_path: Path) -> None:
    fleet = AddonFleet(tmp_path, appset=APPSET.replace("{{version}}", "1.14"))
    try:
        refusals = (await plan(fleet)).refusals
        assert any("the template does not use the version" in each for each in refusals)
    finally:
        await fleet.close()


async def test_a_file_that_a_git_generator_reads(tmp_path: Path) -> None:
    files = (
        APPSET[: APPSET.index("    - matrix")]
        + ("    - git: {repoURL: 'GIT_URL', revision: main, files: [{path: 'cells/*.json'}]}\n")
        + APPSET[APPSET.index("  template") :].replace("{{server}}", "https://{{name}}")
    )
    fleet = AddonFleet(tmp_path, appset=files)
    for app in fleet.apps.values():
        if app.application_set:
            cluster, _, addon = app.key.name.partition("-1-" if "-1-" in app.key.name else "-2-")
            cluster = app.key.name.removesuffix(f"-{addon}")
            content = (
                f'{{"name": "{cluster}", "addon": "{addon}",\n "version": "{app.source.path.rpartition("/")[2]}"}}\n'
            )
            fleet.git.put(f"cells/{app.key.name}.json", content.encode())
    fleet.git.commit("cells")
    try:
        found = await plan(fleet)
        assert found.refusals == ()
        truth = found.plan.cells[0].truth
        assert (truth.kind, truth.path, truth.field) == ("file", "cells/seoul-1-cert-manager.json", "version")
        assert found.groups[0].entries[0].summary == "version 1.14 → 1.15"
        wanted = {cell.key: cell.to_version for cell in found.plan.cells}
        before = {cell.key: cell.from_version for cell in found.plan.cells}
        written = await fleet.truths.write(found.plan, "all", wanted, expected=before)
        assert len(set(written.commits.values())) == 1
        assert fleet.git.git("show", "main:cells/tokyo-1-cert-manager.json").endswith('"version": "1.15"}')
    finally:
        await fleet.close()


# --- waves ------------------------------------------------------------------------------------------------------------


def test_which_clusters_a_rule_takes() -> None:
    left = [ClusterName(f"c{number:02}") for number in range(30)]
    labels = {left[3]: {"stage": "dev"}}
    assert list(by_count(2)(left, 30)) == left[:2]
    assert list(by_percent(10)(left, 30)) == left[:3]
    assert list(by_percent(1)(left, 30)) == left[:1]
    assert list(by_percent(100)(left, 30)) == left
    assert list(by_percent(33.4)(left[:1], 30)) == left[:1]
    assert list(by_labels("stage=dev", labels)(left, 30)) == [left[3]]
    assert list(by_name([left[5], ClusterName("other")])(left, 30)) == [left[5]]
    assert list(the_rest(left, 30)) == left


def test_every_cell_is_in_one_wave() -> None:
    cells = [CellKey(ClusterName(f"c{number}"), addon) for number in range(5) for addon in "ab"]
    rules = [Rule(WavePlan("one", ()), by_count(1)), Rule(WavePlan("half", ()), by_percent(50))]
    found = waves_of(rules, cells)
    assert [len(wave.cells) for wave in found.waves] == [2, 6]
    assert names(found.left) == ["c4/a", "c4/b"]
    assert sorted([*found.left, *(cell for wave in found.waves for cell in wave.cells)]) == cells
