"""Rollouts over a real hub and twelve clusters, told by the program: to the end, halted, killed, cut off."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.addons import (
    ADDON,
    LATE,
    NEW,
    OLD,
    PATIENCE,
    STAGES,
    WAVES,
    Addons,
    before_the_hub,
    ended,
    fleet_with_addons,
    strike,
    synced,
)
from tests.e2e.client import Json
from tests.e2e.manifests import config_map
from tests.terminal import Terminal
from tests.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

QUICK = ("--gate=synced", "--gate=healthy:0s")
PLAN = f"""\
addons: {{{ADDON}: "{NEW}"}}
gates: [synced, healthy:0s]
waves:
  - name: canary
    labels: stage=canary
    gates: [synced, approval]
  - early:stage=early
  - rest
"""
MOVE = f"{ADDON}={NEW}"


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addons]:
    with fleet_with_addons(control_plane, tmp_path_factory.mktemp("addons")) as ready:
        yield ready


@pytest.fixture
def addons(fleet: Addons) -> Addons:
    fleet.reset()
    return fleet


def phases(rollout: Json) -> dict[str, str]:
    return {cell["cluster"]: cell["phase"] for cell in rollout["cells"]}


def test_wave_by_wave_to_the_end(addons: Addons) -> None:
    before = addons.repository.tip()
    planned = addons.json("plan", MOVE, *WAVES, *QUICK)
    assert [(wave["name"], len(wave["cells"])) for wave in planned["waves"]] == [
        ("canary", 1),
        ("early", 4),
        ("late", 7),
    ]
    assert [len(change["cells"]) for change in planned["changes"]] == [12], "the same everywhere, so said once"
    assert (planned["refusals"], addons.repository.tip()) == ([], before)

    done = addons.json("start", MOVE, *WAVES, *QUICK, "--name=cm", "--message=cert-manager 1.15")
    assert (done["phase"], done["failures"], done["driver"]) == ("done", 0, None)
    assert set(addons.versions().values()) == {NEW}
    assert set(addons.versions("metrics-server").values()) == {"0.7"}
    assert addons.repository.trailers("Fleetui-Wave", before) == ["canary", "early", "late"]
    assert addons.text == addons.original.replace(f'"{OLD}"', f'"{NEW}"')
    ends = [(wave["startedAt"], wave["endedAt"]) for wave in done["waves"]]
    assert [moment for wave in ends for moment in wave] == sorted(moment for wave in ends for moment in wave)

    again = addons.run("start", MOVE, *WAVES)
    assert (again.returncode, again.stdout) == (0, "")
    assert "every cell has the version already" in again.stderr


def test_by_keyboard_from_marked_cells_to_the_end(addons: Addons) -> None:
    before = addons.repository.tip()
    command = [sys.executable, "-m", "fleetui"]
    with Terminal(command, environment=addons.environment(), columns=140, rows=50) as terminal:
        terminal.wait_for("Apps")
        terminal.send("m")
        terminal.wait_for(lambda text: text.count(OLD) >= len(STAGES))
        terminal.send("V")
        terminal.wait_for("12 marked")
        terminal.send("U")
        terminal.wait_for("12 cells chosen")
        terminal.send("\r")
        terminal.wait_for("\n >")
        terminal.send(f"\x15{NEW}\r")
        terminal.wait_for(f"{OLD} x12 → {NEW}")
        terminal.wait_for("12 cells on 12 clusters change")
        terminal.send("jj\r")
        terminal.wait_for("\n >")
        terminal.send("\x15synced\r")
        terminal.wait_for(lambda text: "--gate=synced" in " ".join(text.split()))
        terminal.wait_for("12 cells on 12 clusters change")
        terminal.send("S")
        terminal.wait_for("Start the rollout")
        terminal.send("\r")
        terminal.wait_for("8/8 done")
        terminal.send("\x1b")
        terminal.wait_for("Addons")
        terminal.send("\x1b")
        terminal.wait_for("Apps")
        assert terminal.leave() == 0
    assert addons.versions() == dict.fromkeys(STAGES, NEW)
    assert addons.repository.trailers("Fleetui-Wave", before) == ["canary", "25%", "rest"]


def test_a_version_that_fails_somewhere_halts_and_goes_back(addons: Addons) -> None:
    contents, specs, before = addons.contents(), addons.specs(), addons.repository.tip()
    frozen = config_map("limits", issuers="5") | {"immutable": True}
    frozen["metadata"]["namespace"] = ADDON
    addons.sites.put("osaka-1", frozen)
    try:
        with_frozen = addons.contents()
        halted = addons.json("start", MOVE, *WAVES, *QUICK, "--name=bad", status=1)
        assert halted["phase"] == "halted"
        failed = [cell for cell in halted["cells"] if cell["phase"] == "failed"]
        assert [cell["cluster"] for cell in failed] == ["osaka-1"]
        assert "immutable" in failed[0]["message"]
        for site in LATE:
            assert addons.contents()[site] == contents[site]
            assert addons.specs()[f"{site}-{ADDON}"] == specs[f"{site}-{ADDON}"]
        assert addons.repository.trailers("Fleetui-Wave", before) == ["canary", "early"]

        there = addons.text
        assert addons.run("abort", "bad", "--reason=not today").returncode == 0
        assert addons.text == there, "what was changed stays"
        assert addons.run("status", "bad").returncode == 1

        back = addons.json("rollback", "bad")
        assert back["phase"] == "rolled back"
        assert (addons.text, addons.specs()) == (addons.original, specs)
        assert addons.contents() == with_frozen
        told = json.loads(addons.run("export", "bad", "-o", "json").stdout)
        assert told
    finally:
        addons.sites.take("osaka-1", ADDON, "limits")


def test_whoever_is_killed_another_one_goes_on(addons: Addons, tmp_path: Path) -> None:
    addons.reset(automated=False)
    before = addons.repository.tip()
    arguments: tuple[str, ...] = ("start", MOVE, *WAVES, *QUICK, "--name=cm")
    syncs: list[str] = []
    lives = 0
    with before_the_hub(addons, tmp_path) as hub:
        while True:
            lives += 1
            assert lives < 40, "it comes forward"
            mark = len(hub.calls)
            process = addons.begin(*arguments, "-o", "json", kubeconfig=hub.kubeconfig())
            strike(hub, process, after=5)
            done = ended(process)
            syncs += synced(hub.calls[mark:])
            if done.returncode != -signal.SIGKILL:
                break
            arguments = ("resume", "cm")
    assert done.returncode == 0, done.stderr
    assert lives > 5
    assert json.loads(done.stdout)["phase"] == "done"
    assert sorted(syncs) == sorted(f"{site}-{ADDON}" for site in STAGES), "each is synced once"
    assert addons.repository.trailers("Fleetui-Wave", before) == ["canary", "early", "late"]
    assert set(addons.versions().values()) == {NEW}


def test_one_drives_and_everybody_steers(addons: Addons, tmp_path: Path) -> None:
    assert addons.run("status").returncode == 3, "none is under way"
    with before_the_hub(addons, tmp_path) as hub:
        first = addons.begin("start", MOVE, *WAVES, "--gate=healthy:1h", "--name=cm", kubeconfig=hub.kubeconfig())
        addons.until(lambda stored: "1 healthy" in stored["cells"], "the canary runs")
        refused = addons.run("resume", "cm")
        assert (refused.returncode, refused.stdout) == (5, "")
        assert "is driven by" in refused.stderr

        mark, before = len(hub.calls), addons.driver()
        second = addons.begin("resume", "cm", "--take-over")
        done = ended(first)
        assert (done.returncode, "nobody drives it" in done.stdout) == (4, False), "it goes on elsewhere"
        assert addons.driver()["holder"] != before["holder"]
        assert not [call for call in hub.since(mark) if call.writes and call.status < 300]

        second.send_signal(signal.SIGHUP)
        dropped = ended(second)
        assert dropped.returncode == 130, dropped.stderr
        assert "fleetui rollout resume cm carries it on" in dropped.stderr
        assert addons.driver()["holder"] == ""

    third = addons.begin("resume", "cm")
    addons.until(lambda stored: '"holder":"' in stored["driver"] and '"holder":""' not in stored["driver"], "driven")
    assert addons.run("pause", "cm", "--reason=lunch").returncode == 0
    assert ended(third).returncode == 4, "it waits for a human"
    assert addons.json("status", "cm", status=4)["phase"] == "paused"
    assert addons.run("abort", "cm").returncode == 0
    assert addons.run("retry", "cm").returncode == 5


def test_what_forbids_it_is_said_before_anything_begins(addons: Addons) -> None:
    before = addons.repository.tip()
    closed = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["seoul-*"]}
    addons.client.patch("appproject", "cluster-addons", "argocd", {"spec": {"syncWindows": [closed]}})
    try:
        planned = addons.json("plan", MOVE, *WAVES, status=5)
        assert any("seoul-1/cert-manager: a sync is blocked" in each for each in planned["refusals"])
        refused = addons.run("start", MOVE, *WAVES)
        assert (refused.returncode, refused.stdout) == (5, "")
        assert "refused: seoul-1/cert-manager: a sync is blocked" in refused.stderr
    finally:
        addons.client.patch("appproject", "cluster-addons", "argocd", {"spec": {"syncWindows": None}})
    addons.let_viewer_look()
    viewer = addons.run("start", MOVE, *WAVES, kubeconfig=addons.plane.kubeconfig("viewer"))
    assert (viewer.returncode, viewer.stdout) == (5, "")
    assert "you may not create configmaps in argocd, where the rollout is kept (RBAC)" in viewer.stderr
    assert "you may not patch applications.argoproj.io" in viewer.stderr
    assert (addons.stored(), addons.repository.tip()) == ([], before)


def test_what_somebody_changed_by_hand_is_shown_and_decided(addons: Addons, tmp_path: Path) -> None:
    asked = tmp_path / "rollout.yaml"
    asked.write_text(PLAN)
    waits = addons.json("start", "-f", str(asked), "--name=cm", status=4)
    assert waits["awaitsApproval"]
    assert addons.versions() == dict.fromkeys(STAGES, OLD) | {"seoul-1": NEW}

    seoul = f'{{name: seoul-1, addon: {ADDON}, version: "{NEW}"}}'
    tokyo = f'{{name: tokyo-1, addon: {ADDON}, version: "1.16"}}'
    there = addons.text
    at = next(line for line in there.splitlines() if seoul in line).partition("-")[0]
    addons.commit(there.replace(seoul, f"{seoul}\n{at}- {tokyo}"), "1.16 for tokyo-1, at once")
    shown = addons.json("approve", "cm", status=4)
    assert shown["phase"] == "paused"
    (changed,) = [cell for cell in shown["cells"] if cell["phase"] == "changed"]
    assert (changed["cluster"], changed["found"]) == ("tokyo-1", "1.16")
    done = addons.json("skip", "cm", "--cell=tokyo-1/cert-manager", "--reason=it is ahead")
    assert phases(done) == dict.fromkeys(STAGES, "healthy") | {"tokyo-1": "skipped"}
    assert addons.versions() == dict.fromkeys(STAGES, NEW) | {"tokyo-1": "1.16"}
    assert tokyo in addons.text

    back = addons.json("rollback", "cm")
    assert phases(back) == dict.fromkeys(STAGES, "restored") | {"tokyo-1": "skipped"}
    assert addons.versions() == dict.fromkeys(STAGES, OLD) | {"tokyo-1": "1.16"}


def test_it_waits_for_clusters_git_and_the_hub(addons: Addons, tmp_path: Path) -> None:
    asked = tmp_path / "rollout.yaml"
    asked.write_text(PLAN)
    before = addons.repository.tip()
    assert addons.run("start", "-f", str(asked), "--name=cm").returncode == 4
    with before_the_hub(addons, tmp_path) as hub:
        with addons.sites.down("tokyo-1"):
            addons.repository.vanish()
            driver = addons.begin("approve", "cm", "-o", "json", kubeconfig=hub.kubeconfig())
            try:
                addons.until(lambda stored: "manifests.git can't be reached" in stored["reason"], "it waits for Git")
            finally:
                addons.repository.come_back()
            addons.until(lambda stored: "4 healthy" in stored["cells"], "all that answer")
            (tokyo,) = [cell for cell in addons.json("status", "cm")["cells"] if cell["away"]]
            assert tokyo["cluster"] == "tokyo-1"
            assert "refuses connections" in tokyo["away"]
        with hub.away():
            wait_until(lambda: addons.sites.version("tokyo-1", ADDON) == NEW, PATIENCE, "the engine goes on alone")
        done = ended(driver)
    assert done.returncode == 0, done.stderr
    assert addons.versions() == dict.fromkeys(STAGES, NEW)
    assert addons.repository.trailers("Fleetui-Wave", before) == ["canary", "early", "rest"]
