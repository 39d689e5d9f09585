"""`get matrix`: the table and the document."""

from __future__ import annotations

import re

from fleetui.cli.matrix import document, table
from fleetui.fleet.matrix import Matrix
from fleetui.fleet.matrixfilter import parse
from tests.unit.test_matrix import DNS, app, drifted, matrix


def made() -> Matrix:
    found = matrix(*DNS, drifted(app("paris-1", "alerts", "0.9")))
    found.show(parse("!cluster:milan-10"))
    return found


def test_the_table_has_totals_at_both_edges() -> None:
    lines = table(made(), wide=False, turn=False).splitlines()
    assert [" | ".join(re.split(" {3,}", line)) for line in lines] == [
        "CLUSTER | STAGE | ALERTS | DNS | TOTAL",
        "seoul-1 | canary | - | 1.15.0 | 1",
        "tokyo-1 | canary | - | 1.15.0 Progressing | 1, 1 Progressing",
        "milan-1 | prod | - | 1.9.0 behind Degraded | 1, 1 Degraded",
        "paris-1 | prod | 0.9 OutOfSync(2) | 1.14.5 | 2, 1 OutOfSync",
        "lab | - | main | 1",
        "total | 1, 1 OutOfSync | 5, 1 Degraded, 1 Progressing, 4 versions | 6, 1 Degraded, 1 Progressing, 1 OutOfSync",
    ]


def test_the_table_can_be_turned_and_wide() -> None:
    found = made()
    found.group("")
    lines = table(found, wide=True, turn=True).splitlines()
    assert lines[0].split() == ["ADDON", "LAB", "MILAN-1", "PARIS-1", "SEOUL-1", "TOKYO-1", "TOTAL"]
    assert lines[1].split()[:4] == ["alerts", "-", "-", "0.9"]
    assert "0.9 Healthy OutOfSync(2)" in lines[1]
    assert "1.9.0 behind Degraded Synced" in lines[2]
    assert lines[3].startswith("total")


def test_the_document_has_every_cell_and_the_totals_of_groups() -> None:
    found = document(made())
    assert (found["groupBy"], found["filter"]) == ("stage", "!cluster:milan-10")
    assert [each["name"] for each in found["addons"]] == ["alerts", "dns"]
    prod = next(group for group in found["groups"] if group["name"] == "prod")
    assert prod["clusters"] == ["milan-1", "paris-1"]
    assert prod["addons"][1] == {
        "name": "dns",
        "cells": 2,
        "health": {"Healthy": 1, "Degraded": 1},
        "outOfSync": 0,
        "versions": [{"version": "1.14.5", "cells": 1}, {"version": "1.9.0", "cells": 1}],
    }
    assert found["clusters"][0]["labels"] == {"stage": "canary", "id": "seoul-1"}
    assert next(each for each in found["cells"] if each["addon"] == "alerts") == {
        "cluster": "paris-1",
        "addon": "alerts",
        "app": "hub/argocd/paris-1-alerts",
        "engine": "argo",
        "version": "0.9",
        "skew": "",
        "health": "Healthy",
        "sync": "OutOfSync",
        "outOfSync": 2,
        "stale": False,
        "apps": ["hub/argocd/paris-1-alerts"],
    }
    assert found["total"]["cells"] == len(found["cells"]) == 6
