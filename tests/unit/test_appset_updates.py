"""What is written for an Application beyond what the real Argo CD was told (tests/e2e/set_verdicts.py)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.specs import normalised
from fleetui.engine.appset.updates import Removal, change_of, removal_of, spec_differs
from fleetui.model.objects import Obj

FINALIZER = "resources-finalizer.argocd.argoproj.io"
SOURCE = {"repoURL": "https://git.example/a.git", "path": "a"}


def appset(*, uid: str = "new", **spec: Any) -> ApplicationSet:
    return ApplicationSet({"metadata": {"name": "addons", "namespace": "argocd", "uid": uid}, "spec": spec})


def app(**spec: Any) -> Obj:
    destination = {"server": "https://kubernetes.default.svc", "namespace": "a"}
    return {
        "metadata": {"name": "a", "namespace": "argocd"},
        "spec": {"project": "default", "source": SOURCE, "destination": destination, **spec},
    }


def made(of: ApplicationSet, **spec: Any) -> Obj:
    return change_of(of, app(**spec), None).body


def test_a_set_that_was_made_anew_takes_its_applications_over() -> None:
    change = change_of(appset(), app(), made(appset(uid="old")))
    assert change.verb == "updated"
    assert [each["uid"] for each in change.body["metadata"]["ownerReferences"]] == ["new"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"syncPolicy": {}}, {}),
        ({"syncPolicy": {"syncOptions": []}}, {}),
        ({"info": []}, {}),
        ({"project": ""}, {"project": "default"}),
        ({"source": {**SOURCE, "helm": {"valuesObject": {}, "values": ""}}}, {}),
        ({"source": {**SOURCE, "kustomize": {"labelWithoutSelector": True}}}, {}),
        ({"source": {**SOURCE, "directory": {"recurse": False, "jsonnet": {}}}}, {}),
        ({"source": {**SOURCE, "chart": "", "unknown": 1}}, {}),
        ({"sources": [{**SOURCE, "directory": {}}], "source": None}, {"sources": [SOURCE], "source": None}),
    ],
)
def test_specs_that_say_the_same_are_the_same(one: Obj, other: Obj) -> None:
    assert normalised(app(**one)["spec"]) == normalised(app(**other)["spec"])
    assert change_of(appset(), app(**one), made(appset(), **other)).verb == "unchanged"


@pytest.mark.parametrize(
    "changed",
    [
        {"syncPolicy": {"automated": {}}},
        {"syncPolicy": {"automated": {"prune": False}}},
        {"revisionHistoryLimit": 0},
        {"source": {**SOURCE, "plugin": {}}},
        {"source": {**SOURCE, "directory": {"include": "*.yaml"}}},
        {"source": {**SOURCE, "helm": {"valuesObject": {"a": None}}}},
    ],
)
def test_what_says_something_is_written(changed: Obj) -> None:
    assert change_of(appset(), app(**changed), made(appset())).verb == "updated"
    assert spec_differs((), app(**changed), made(appset()))


def test_an_expression_that_cannot_be_evaluated_writes_nothing() -> None:
    of = appset(ignoreApplicationDifferences=[{"jqPathExpressions": ["input"]}])
    change = change_of(of, app(project="other"), made(of))
    assert change.verb == "unchanged"
    assert change.problem.startswith("failed to apply ignore differences: ")
    assert not spec_differs(of.ignore_rules, app(project="other"), made(of)), "or it would wait for ever"


def test_an_application_that_is_going_is_not_deleted_again_but_let_go_of_where_its_cluster_went() -> None:
    metadata = {"name": "a", "uid": "u", "finalizers": [FINALIZER, "x/y"]}
    going = {**metadata, "deletionTimestamp": "2030-01-01T00:00:00Z"}
    assert removal_of({"metadata": metadata}, is_destination=lambda _: True) == Removal("a", "u")
    assert removal_of({"metadata": going}, is_destination=lambda _: True) is None
    assert removal_of({"metadata": going}, is_destination=lambda _: False) == Removal("a", "u", ("x/y",))
