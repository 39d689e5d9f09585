"""What wakes which ApplicationSet, and what does not (Argo CD v3.6.1 applicationset_controller.go, its predicates)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.appset.waking import Key, Seen
from fleetui.model.objects import Obj
from tests.unit.fakes import stored

ADDONS = ("argocd", "addons")


def app(*, owner: str = "addons", status: Obj | None = None, **metadata: Any) -> Obj:
    owners = [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": owner, "uid": "1", "controller": True}
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "a",
            "namespace": "argocd",
            "uid": "a",
            "ownerReferences": owners if owner else [],
            **metadata,
        },
        "spec": {"project": "default"},
        "status": status or {},
    }


def appset(*, annotations: Obj | None = None, status: Obj | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "addons", "namespace": "argocd", "uid": "s", "annotations": annotations or {}},
        "spec": spec,
        "status": status or {},
    }


def woken(before: Obj, after: Obj, *, deleted: bool = False) -> tuple[set[Key], set[Key]]:
    seen = Seen()
    new = seen.application(stored(before), deleted=False)
    assert not new.written, "who made a new one knows"
    assert not new.told
    found = seen.application(stored(after), deleted=deleted)
    return set(found.written), set(found.told)


@pytest.mark.parametrize(
    ("after", "written", "told"),
    [
        (app(), set(), set()),
        (app(status={"reconciledAt": "2030-01-01T00:00:00Z"}), set(), set()),
        (app(resourceVersion="7"), set(), set()),
        (app(labels={"x": "y"}), {ADDONS}, set()),
        (app(annotations={"x": "y"}), {ADDONS}, set()),
        (app(finalizers=["x/y"]), {ADDONS}, set()),
        (app() | {"spec": {"project": "other"}}, {ADDONS}, set()),
        (app(status={"health": {"status": "Healthy"}}), set(), {ADDONS}),
        (app(status={"operationState": {"phase": "Running"}}), set(), {ADDONS}),
        (app(owner="others"), {ADDONS, ("argocd", "others")}, set()),
        (app(owner=""), {ADDONS}, set()),
    ],
)
def test_what_becomes_of_an_application_wakes_its_set(after: Obj, written: set[Key], told: set[Key]) -> None:
    assert woken(app(), after) == (written, told)


def test_an_application_that_goes_wakes_its_set() -> None:
    assert woken(app(), app(), deleted=True) == ({ADDONS}, set())
    assert woken(app(owner=""), app(owner=""), deleted=True) == (set(), set())


@pytest.mark.parametrize(
    ("after", "wakes"),
    [
        (appset(), False),
        (appset(status={"conditions": [{"type": "x"}]}), False),
        (appset(status={"applicationStatus": [{"application": "a"}]}), True),
        (appset(goTemplate=True), True),
        (appset(annotations={"x": "y"}), True),
    ],
)
def test_what_becomes_of_a_set_wakes_it(after: Obj, wakes: bool) -> None:
    seen = Seen()
    assert seen.applicationset(stored(appset()), deleted=False)
    assert seen.applicationset(stored(after), deleted=False) is wakes


def test_a_refresh_wakes_and_that_it_was_honoured_does_not() -> None:
    seen = Seen()
    seen.applicationset(stored(appset()), deleted=False)
    asked = appset(annotations={"argocd.argoproj.io/application-set-refresh": "true"})
    assert seen.applicationset(stored(asked), deleted=False)
    assert not seen.applicationset(stored(appset()), deleted=False)
