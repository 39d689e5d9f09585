"""What an ApplicationSet would do to the Applications that are there, field by field."""

from typing import Any

import pytest

from fleetui.engine.appset import generate
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.preview import Fate, Preview, preview
from fleetui.fleet.appsets import view_of
from fleetui.model.objects import ClusterName, Obj


def _set(*versions: tuple[str, str], **spec: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "addons", "namespace": "argocd", "uid": "u1"},
        "spec": {
            "generators": [{"list": {"elements": [{"name": name, "version": version} for name, version in versions]}}],
            "template": {
                "metadata": {"name": "{{name}}", "labels": {"addon": "{{name}}"}},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": "https://git/x", "path": "addons", "targetRevision": "{{version}}"},
                    "destination": {"server": "https://seoul-1", "namespace": "{{name}}"},
                },
            },
            **spec,
        },
    }


def _made(obj: Obj) -> list[Obj]:
    """The Applications as the set has made them."""
    reference = ApplicationSet(obj).owner_reference
    apps = [each.app for each in generate(obj).applications]
    return [{**app, "metadata": {**app["metadata"], "ownerReferences": [dict(reference)]}} for app in apps]


def _seen(obj: Obj, live: list[Obj], **facts: Any) -> Preview:
    return preview(ApplicationSet(obj), generate(obj), live, **facts)


BEFORE = _set(("cert-manager", "1.14"), ("ingress", "4.0"), ("velero", "5.0"))
EDITED = (("cert-manager", "1.15"), ("ingress", "4.0"), ("loki", "2.0"))


def _fates(found: Preview) -> dict[str, str]:
    return {each.name: each.fate.value for each in found.applications}


def test_an_unchanged_set_does_nothing() -> None:
    found = _seen(BEFORE, _made(BEFORE))
    assert set(_fates(found).values()) == {"same"}
    assert not found.differs


def test_what_an_edited_set_creates_changes_and_deletes() -> None:
    found = _seen(_set(*EDITED), _made(BEFORE))
    assert list(_fates(found).items()) == [
        ("velero", "deleted"),
        ("loki", "created"),
        ("cert-manager", "changed"),
        ("ingress", "same"),
    ]
    assert found.differs
    changed = next(each for each in found.applications if each.fate is Fate.CHANGED)
    assert changed.diff is not None
    assert [(each.dotted, each.before, each.after) for each in changed.diff.changes] == [
        ("spec.source.targetRevision", "1.14", "1.15")
    ]


@pytest.mark.parametrize(
    ("policy", "fates"),
    [
        ("create-only", {"velero": "kept", "loki": "created", "cert-manager": "kept", "ingress": "same"}),
        ("create-update", {"velero": "kept", "loki": "created", "cert-manager": "changed", "ingress": "same"}),
        ("create-delete", {"velero": "deleted", "loki": "created", "cert-manager": "kept", "ingress": "same"}),
    ],
)
def test_the_policy_keeps_what_it_says(policy: str, fates: dict[str, str]) -> None:
    found = _seen(_set(*EDITED, syncPolicy={"applicationsSync": policy}), _made(BEFORE))
    assert _fates(found) == fates
    assert all(policy in each.why for each in found.applications if each.fate is Fate.KEPT)


def test_automated_sync_that_a_rolling_sync_keeps_off_is_no_change() -> None:
    rolling = {"type": "RollingSync", "rollingSync": {"steps": [{"matchExpressions": []}]}}
    obj = _set(("cert-manager", "1.14"), strategy=rolling)
    obj["spec"]["template"]["spec"]["syncPolicy"] = {"automated": {"prune": True}}
    live = _made(obj)
    assert _fates(_seen(obj, live)) == {"cert-manager": "changed"}
    live[0]["spec"]["syncPolicy"]["automated"]["enabled"] = False
    assert _fates(_seen(obj, live)) == {"cert-manager": "same"}


def test_what_others_wrote_and_is_preserved_or_ignored_is_no_change() -> None:
    live = _made(BEFORE)
    live[0]["metadata"]["labels"]["team"] = "platform"
    live[0]["spec"]["source"]["targetRevision"] = "1.16"
    assert _fates(_seen(BEFORE, live))["cert-manager"] == "changed"
    spec = {
        "preservedFields": {"labels": ["team"]},
        "ignoreApplicationDifferences": [{"jsonPointers": ["/spec/source/targetRevision"]}],
    }
    kept = _set(("cert-manager", "1.14"), ("ingress", "4.0"), ("velero", "5.0"), **spec)
    assert set(_fates(_seen(kept, live)).values()) == {"same"}


def test_an_application_of_somebody_else_is_held() -> None:
    live = _made(BEFORE)
    live[0]["metadata"]["ownerReferences"][0] |= {"name": "other", "uid": "u2"}
    found = _seen(BEFORE, live)
    assert _fates(found) == {"cert-manager": "held", "ingress": "same", "velero": "same"}
    assert "already owned by another ApplicationSet controller other" in found.applications[0].why
    assert found.differs


def test_what_is_not_valid_or_not_possible_is_held_and_told() -> None:
    edited = _set(("cert-manager", "1.14"), ("Bad Name", "1"), ("ingress", "4.0"), ("velero", "5.0"))
    found = _seen(edited, _made(BEFORE), unmet={"ingress": "application references project x which does not exist"})
    assert _fates(found) == {"Bad Name": "held", "ingress": "held", "cert-manager": "same", "velero": "same"}
    assert len(found.problems) == 2, "of Bad Name: its own name, and its label"
    assert found.differs


def test_a_set_that_can_not_be_generated_does_nothing_and_says_why() -> None:
    edited = _set(("cert-manager", "1.14"))
    edited["spec"]["template"]["spec"]["source"]["path"] = "{{name}}/{{version"
    found = _seen(edited, _made(BEFORE))
    assert not found.applications
    assert found.differs
    assert "spec.source.path" in found.problems[0]


def test_a_set_is_shown_with_its_generators_and_the_condition_that_tells_most() -> None:
    obj = _set()
    obj["spec"]["generators"] = [
        {"matrix": {"generators": [{"clusters": {}}, {"list": {"elements": []}}]}},
        {"git": {}, "selector": {}},
    ]
    view = view_of(ClusterName("hub"), obj)
    assert view.generators == ("matrix(clusters, list)", "git")
    assert (view.state, view.applications, view.said) == ("", None, "")
    obj["status"] = {
        "resourcesCount": 9,
        "conditions": [
            {"type": "ResourcesUpToDate", "status": "False", "message": "x"},
            {"type": "ErrorOccurred", "status": "True", "message": "no such\nproject"},
        ],
    }
    view = view_of(ClusterName("hub"), obj)
    assert (view.state, view.applications, view.said) == ("error", 9, "no such project")
