"""Rollouts over a real hub and twelve clusters, told by the program: by command, by keyboard, killed, cut off, refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.addons import (
    ADDON,
    LATE,
    NEW,
    OLD,
    STAGES,
    WAVES,
    Addons,
    before_the_hub,
    ended,
    fleet_with_addons,
    strike,
    synced,
)
from tests.e2e.manifests import config_map

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

QUICK = ("--gate=synced", "--gate=healthy:0s")
MOVE = f"{ADDON}={NEW}"


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addons]:
    with fleet_with_addons(control_plane, tmp_path_factory.mktemp("addons")) as ready:
        yield ready


@pytest.fixture
def addons(fleet: Addons) -> Addons:
    fleet.reset()
    return fleet


def has(**sites: str) -> dict[str, str]:
    return {**dict.fromkeys(STAGES, OLD), **sites}


def test_wave_by_wave_to_the_end(addons: Addons) -> None:
    before = addons.repository.tip()
    planned = addons.json("plan", MOVE, *WAVES, *QUICK)
    assert [(wave["name"], len(wave["cells"])) for wave in planned["waves"]] == [("canary", 1), ("early", 4), ("late", 7)]
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
    assert addons.run("plan").returncode == 2
    with before_the_hub(addons, tmp_path) as hub:
        first = addons.begin("start", MOVE, *WAVES, "--gate=healthy:1h", "--name=cm", kubeconfig=hub.kubeconfig())
        addons.until(lambda rollout: rollout["cells"][0]["phase"] == "healthy", "the canary runs")
        refused = addons.run("resume", "cm")
        assert (refused.returncode, refused.stdout) == (5, "")
        assert "is driven by" in refused.stderr
        assert "take" in refused.stderr
        assert addons.run("approve", "cm").returncode == 5, "no wave waits for that"
        assert addons.run("retry", "cm").returncode == 5
        assert addons.run("status", "another").returncode == 3

        assert addons.run("pause", "cm", "--reason=lunch").returncode == 0
        assert ended(first).returncode == 4, "who drives it has ended, for it waits for a human"
        assert addons.json("status", "cm", status=4)["reason"]
        first = addons.begin("resume", "cm", kubeconfig=hub.kubeconfig())
        addons.until(lambda rollout: rollout["phase"] == "running" and rollout["driver"], "it goes on")

        mark, holder = len(hub.calls), addons.rollout("cm")["driver"]["since"]
        second = addons.begin("resume", "cm", "--take-over", "-o", "json")
        done = ended(first)
        assert (done.returncode, "driven by" in done.stdout) == (0, True), "it goes on elsewhere"
        assert not [call for call in hub.since(mark) if call.writes and call.status < 300 and "/rollout-" in call.path]
        assert addons.rollout("cm")["driver"]["since"] != holder

        second.send_signal(signal.SIGHUP)
        dropped = ended(second)
        assert dropped.returncode == 130, dropped.stderr
        assert "fleetui rollout resume cm carries it on" in dropped.stderr
        left = addons.rollout("cm")
        assert (left["phase"], left["driver"]) == ("running", None)
    assert addons.run("abort", "cm").returncode == 0
    assert addons.run("abort", "cm").returncode == 5
    assert addons.run("list").returncode == 0
    assert addons.run("export", "cm").stdout.startswith("# Rollout cm")


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
    viewer = addons.run("start", MOVE, *WAVES, kubeconfig=addons.plane.kubeconfig("viewer"))
    assert (viewer.returncode, viewer.stdout) == (5, "")
    assert "you may not create configmaps in argocd, where the rollout is kept (RBAC)" in viewer.stderr
    assert "you may not patch applications.argoproj.io" in viewer.stderr
    assert (addons.stored(), addons.repository.tip()) == ([], before)
