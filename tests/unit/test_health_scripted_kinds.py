"""The kinds for which Argo CD has scripts, and fleetui rules of its own: each says what the script says.

What is wanted stands in data/health_kinds.txt and came from Argo CD v3.6.1's scripts; the rules were compared with them
over 40,000 random objects besides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleetui.health import assess
from fleetui.health.kinds import _RULES
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus

DATA = Path(__file__).parent / "data" / "health_kinds.txt"
ROWS = [line for line in DATA.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _object(group_kind: str, text: str) -> Obj:
    group, _, kind = group_kind.partition("/")
    obj: Obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "it"}, "spec": {}}
    if text.startswith("c: "):
        return obj | {"status": {"conditions": [_condition(word) for word in text[3:].split()]}}
    parts: Obj = yaml.safe_load(text)
    return obj | parts


def _condition(word: str) -> dict[str, str]:
    head, *rest = word.split(":")
    kind, _, status = head.partition("=")
    said = dict(zip(("reason", "message"), (part.replace(".", " ") for part in rest), strict=False))
    return {"type": kind, "status": status} | said


@pytest.mark.parametrize("row", ROWS)
def test_a_kind_is_judged_as_argo_cd_judges_it(row: str) -> None:
    kind, text, status, message = (part.strip() for part in f"{row} ".split(" | ", 3))
    found = assess(_object(kind, text))
    told = found.message.strip().encode("unicode_escape").decode() if found else ""
    assert (found.status if found else "none", told) == (status, message.removesuffix("\\n"))


def test_every_rule_has_a_row() -> None:
    told = {tuple(row.split(" | ")[0].split("/")) for row in ROWS}
    same = {"Bucket", "HelmChart", "OCIRepository", "ClusterSecretStore", "PushSecret", "SecretStore"}
    left = {key for key in _RULES if key not in told and key[1] not in same and "aws.crossplane" not in key[0]}
    assert left == {("certmanager.k8s.io", "Issuer")}


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.none(), max_size=2)
ENTRY = st.dictionaries(st.sampled_from(["type", "status", "reason", "message", "conditions"]), ODD, max_size=4)
LISTS = ["conditions", "listeners", "parents", "ancestors", "pauseConditions"]


@given(
    st.sampled_from(sorted(_RULES)),
    st.dictionaries(st.sampled_from(LISTS), ODD | st.lists(ENTRY, max_size=3), max_size=3),
    st.dictionaries(st.sampled_from(["spec", "status", "metadata"]), ODD, max_size=1),
)
def test_an_odd_object_is_unknown_at_worst(key: tuple[str, str], status: dict[str, Any], odd: dict[str, Any]) -> None:
    obj = {"apiVersion": f"{key[0]}/v1", "kind": key[1], "metadata": {"name": "it"}, "status": status} | odd
    assess(obj)


@pytest.mark.parametrize(
    ("kind", "parts", "missing"),
    [
        ("kustomize.toolkit.fluxcd.io/v1/Kustomization", {}, "spec is missing"),
        ("source.toolkit.fluxcd.io/v1/HelmRepository", {}, "spec is missing"),
        ("cluster.x-k8s.io/v1beta1/Cluster", {}, "spec is missing"),
        ("cluster.x-k8s.io/v1beta1/MachineDeployment", {}, "spec is missing"),
        ("argoproj.io/v1alpha1/Rollout", {"status": {}}, "status.conditions is missing"),
        ("policy/v1/PodDisruptionBudget", {"status": {"conditions": [{"status": "True"}]}}, "reason is missing"),
        (
            "operator.knative.dev/v1/KnativeServing",
            {"status": {"conditions": [{"type": "Ready"}]}},
            "status is missing",
        ),
        ("serving.knative.dev/v1/Service", {"status": {"conditions": [{"status": "False"}]}}, "type is missing"),
        (
            "apiextensions.k8s.io/v1/CustomResourceDefinition",
            {"status": {"conditions": [{"type": "NamesAccepted", "status": "False"}]}},
            "message is missing",
        ),
    ],
)
def test_where_a_script_fails_the_object_is_unknown_too(kind: str, parts: dict[str, Any], missing: str) -> None:
    api_version, _, name = kind.rpartition("/")
    health = assess({"apiVersion": api_version, "kind": name, "metadata": {"name": "it"}, **parts})
    assert health is not None
    assert health.status is HealthStatus.UNKNOWN
    assert health.message.endswith(f": {missing}")


def test_a_provider_may_give_an_empty_reason() -> None:
    told = [{"type": "Installed", "status": "True", "reason": ""}, {"type": "Healthy", "status": "True", "reason": "R"}]
    provider = {
        "apiVersion": "pkg.crossplane.io/v1",
        "kind": "Provider",
        "metadata": {},
        "status": {"conditions": told},
    }
    assert assess(provider) == Health(HealthStatus.HEALTHY, " R")
