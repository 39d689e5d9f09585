"""Kinds that a hub leaves out (`util/settings/resources_filter.go`, Argo CD v3.6)."""

from __future__ import annotations

import pytest

from fleetui.engine.filtering import EXCLUSIONS, INCLUSIONS, KindFilter, filter_of
from fleetui.model.errors import UsageError

HERE = "https://kubernetes.default.svc"
SERVICES = "- apiGroups: ['']\n  kinds: [Service]\n  clusters: ['https://kubernetes.*']\n"
CORE = "- apiGroups: ['']\n  clusters: ['*']\n"


@pytest.mark.parametrize(
    ("excluded", "included", "kind", "out"),
    [
        ("", "", ("", "Service"), False),
        ("", "", ("", "Event"), True),
        ("", "", ("events.k8s.io", "Event"), True),
        ("", "", ("metrics.k8s.io", "PodMetrics"), True),
        ("", "", ("coordination.k8s.io", "Lease"), True),
        ("", "- apiGroups: ['*']\n", ("coordination.k8s.io", "Lease"), True),
        (SERVICES, "", ("", "Service"), True),
        (SERVICES, "", ("", "ConfigMap"), False),
        (SERVICES, "", ("serving.knative.dev", "Service"), False),
        (SERVICES, CORE, ("", "Service"), True),
        (SERVICES, CORE, ("", "ConfigMap"), False),
        ("", CORE, ("apps", "Deployment"), True),
        ("", "- kinds: ['*']\n", ("apps", "Deployment"), False),
        ("- apiGroups: ['*.io']\n", "", ("acme.io", "Thing"), True),
        ("- clusters: [elsewhere]\n", "", ("", "Service"), False),
        ("", "- apiGroups: [x]\n  clusters: [elsewhere]\n", ("", "Service"), False),
    ],
)
def test_what_is_left_out(excluded: str, included: str, kind: tuple[str, str], out: bool) -> None:
    found = filter_of({EXCLUSIONS: excluded, INCLUSIONS: included})
    assert found.leaves_out(kind, HERE) is out


def test_a_hub_that_says_nothing_leaves_out_nothing_of_its_own() -> None:
    assert filter_of({}) == KindFilter()


@pytest.mark.parametrize("text", ["- [broken", "kinds: [Service]", "- kinds: Service", "- 3"])
def test_what_cannot_be_read_is_said_with_its_key(text: str) -> None:
    with pytest.raises(UsageError, match=r"argocd-cm: resource\.exclusions"):
        filter_of({EXCLUSIONS: text})
