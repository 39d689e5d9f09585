"""Whether a sync would change an object: what counts of a dry run's answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetui.engine.application import COMPARE_OPTIONS, TRACKING_ID, DryRun
from fleetui.engine.desired import Target
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.predict import Predictor
from fleetui.model.objects import Obj, ref_of
from tests.unit.fakes import FakeCluster, manifest

OWNED: dict[str, Any] = {"f:data": {"f:a": {}}}


def settings(owned: Any = OWNED, **data: str) -> Obj:
    """A ConfigMap as it is after our apply of `owned`."""
    entry = {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": owned}
    return manifest("ConfigMap", "settings", metadata={"managedFields": [entry]}, data=data)


async def modified(target: Obj, live: Obj, answer: Obj, **options: Any) -> bool:
    cluster = FakeCluster()
    cluster.answer = lambda verb, name, body: answer
    found = await Predictor(cluster, asyncio.Semaphore(1)).modified(
        Target(ref_of(target), target), live, cluster.served, ignoring=Ignoring(), **options
    )
    asked = ["configmaps dry-run"] if options.get("dry_run", DryRun()).asked else []
    assert [write[1] for write in cluster.writes] == asked
    return found


@pytest.mark.parametrize("mutations", [False, True])
async def test_what_a_webhook_writes_anew_each_time_counts_only_where_that_is_wanted(mutations: bool) -> None:
    target = manifest("ConfigMap", "settings", data={"a": "1"})
    live, answer = settings(a="one", stamp="12:00"), settings(a="one", stamp="12:01")
    assert await modified(target, live, answer, dry_run=DryRun(mutations=mutations)) is mutations
    assert await modified(target, live, settings(a="two", stamp="12:01"))


async def test_a_field_that_left_git_counts_and_one_that_is_nobodys_does_not() -> None:
    target = manifest("ConfigMap", "settings", data={"a": "1"})
    both: dict[str, Any] = {"f:data": {"f:a": {}, "f:b": {}}}
    assert await modified(target, settings(both, a="1", b="2"), settings(a="1"))
    assert not await modified(target, settings(a="one", b="2"), settings(a="one"))


@pytest.mark.parametrize(
    ("labels", "annotations", "differs"),
    [
        ({"app.kubernetes.io/instance": "shop"}, {}, False),
        ({}, {}, True),
        ({"app.kubernetes.io/instance": "shop"}, {TRACKING_ID: "other:/ConfigMap:default/settings"}, True),
    ],
)
async def test_what_a_label_tracked_before_is_no_difference(labels: Any, annotations: Any, differs: bool) -> None:
    tracking = {TRACKING_ID: "shop:/ConfigMap:default/settings"}
    target = manifest("ConfigMap", "settings", metadata={"annotations": tracking}, data={"a": "1"})
    fields = {**OWNED, "f:metadata": {"f:annotations": {f"f:{TRACKING_ID}": {}}}}
    entry = {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": fields}
    live = manifest("ConfigMap", "settings", metadata={"labels": labels, "annotations": annotations}, data={"a": "1"})
    metadata = {"labels": labels, "annotations": tracking, "managedFields": [entry]}
    answer = manifest("ConfigMap", "settings", metadata=metadata, data={"a": "1"})
    assert await modified(target, live, answer) is differs


async def test_a_server_that_is_not_to_be_asked_is_not() -> None:
    target = manifest("ConfigMap", "settings", data={"a": "1"})
    offline = DryRun(asked=False)
    assert await modified(target, settings(a="2"), {}, dry_run=offline)
    assert not await modified(target, settings(a="1", theirs="x"), {}, dry_run=offline)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", DryRun()),
        ("ServerSideDiff=true, IncludeMutationWebhook=true", DryRun(mutations=True)),
        ("ServerSideDiff=false", DryRun(asked=False)),
    ],
)
def test_compare_options(options: str, expected: DryRun) -> None:
    app = manifest("Application", "shop", metadata={"annotations": {COMPARE_OPTIONS: options}})
    assert DryRun.of(app) == expected
