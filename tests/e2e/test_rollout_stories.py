"""Rollouts over a real hub and twelve clusters, told by the program: by command, by keyboard, killed, cut off, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.addons import ADDON, CANARY, EARLY, LATE, NEW, OLD, STAGES, WAVES, Addons, fleet_with_addons
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
