"""The order in which a sync runs its tasks (gitops-engine `sync_tasks.go`, `sync_context.go`)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fleetui.engine.hooks import Phase, delete_policies, hook_types, phases, wave
from fleetui.engine.tasks import KIND_ORDER, Task, defined_by, is_multi_step, order_tasks
from fleetui.model.objects import Obj, ref_of
from tests.engine.objects import NAMESPACE, obj


def task(target: Obj | None, live: Obj | None = None, phase: Phase = Phase.SYNC) -> Task:
    return Task(phase, ref_of(target or live or {}), target, live, NAMESPACE if target is not None else "")


def prune(name: str, *, wave: int | None = None, options: str = "") -> Task:
    return task(None, obj("ConfigMap", name, wave=wave, options=options))


def definition(name: str, group: str, kind: str, *, wave: int | None = None) -> Obj:
    return obj("CustomResourceDefinition", name, spec={"group": group, "names": {"kind": kind}}, wave=wave)


def ordered(*tasks: Task, prune_last: bool = False) -> list[str]:
    shuffled = random.Random(7).sample(tasks, len(tasks))
    return [f"{each.phase}/{each.wave} {each.ref.name}" for each in order_tasks(shuffled, prune_last=prune_last)]


def test_phase_comes_before_wave_before_kind_before_name() -> None:
    assert ordered(
        task(obj("ConfigMap", "fail"), phase=Phase.SYNC_FAIL),
        task(obj("ConfigMap", "post", wave=-9), phase=Phase.POST_SYNC),
        task(obj("Deployment", "b")),
        task(obj("Deployment", "a")),
        task(obj("Widget", "custom")),
        task(obj("ConfigMap", "z")),
        task(obj("Ingress", "late")),
        task(obj("Secret", "late", wave=2)),
        task(obj("ConfigMap", "early", wave=-1)),
        task(obj("ConfigMap", "pre", wave=9), phase=Phase.PRE_SYNC),
    ) == [
        "PreSync/9 pre",
        "Sync/-1 early",
        "Sync/0 z",
        "Sync/0 a",
        "Sync/0 b",
        "Sync/0 late",
        "Sync/0 custom",
        "Sync/2 late",
        "PostSync/-9 post",
        "SyncFail/0 fail",
    ]


def test_kinds_that_nobody_ranked_come_last() -> None:
    assert max(KIND_ORDER.values()) == -1
    assert [KIND_ORDER[kind] for kind in ("Namespace", "Secret", "ConfigMap", "Deployment")] == sorted(
        KIND_ORDER[kind] for kind in ("Namespace", "Secret", "ConfigMap", "Deployment")
    )


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, 0),
        ({"argocd.argoproj.io/sync-wave": "-5"}, -5),
        ({"argocd.argoproj.io/sync-wave": "+5"}, 5),
        ({"argocd.argoproj.io/sync-wave": "x", "helm.sh/hook-weight": "3"}, 3),
        ({"argocd.argoproj.io/sync-wave": "1", "helm.sh/hook-weight": "3"}, 1),
        ({"argocd.argoproj.io/sync-wave": " 1"}, 0),
        ({"argocd.argoproj.io/sync-wave": "1_0"}, 0),
        ({"argocd.argoproj.io/sync-wave": "٣"}, 0),
        ({"argocd.argoproj.io/sync-wave": "1.5"}, 0),
        ({"argocd.argoproj.io/sync-wave": 7}, 0),
    ],
)
def test_wave_reads_what_go_reads(annotations: dict[str, object], expected: int) -> None:
    assert wave({"metadata": {"annotations": annotations}}) == expected


@pytest.mark.parametrize(
    ("annotations", "types", "run"),
    [
        ({"argocd.argoproj.io/hook": "PreSync"}, ["PreSync"], ["PreSync"]),
        ({"argocd.argoproj.io/hook": "PostSync, PreSync,PostSync"}, ["PostSync", "PreSync"], ["PostSync", "PreSync"]),
        ({"argocd.argoproj.io/hook": "Skip"}, ["Skip"], []),
        ({"argocd.argoproj.io/hook": "Skip,Sync"}, ["Skip", "Sync"], ["Sync"]),
        ({"argocd.argoproj.io/hook": "PostDelete"}, ["PostDelete"], []),
        ({"argocd.argoproj.io/hook": "Nonsense"}, [], []),
        ({"helm.sh/hook": "pre-install,pre-upgrade"}, ["PreSync"], ["PreSync"]),
        ({"helm.sh/hook": "post-install,pre-delete"}, ["PostSync", "PreDelete"], ["PostSync"]),
        ({"helm.sh/hook": "test"}, [], []),
        ({"helm.sh/hook": "crd-install"}, [], ["Sync"]),
        ({"helm.sh/hook": "pre-install", "argocd.argoproj.io/hook": "Sync"}, ["Sync"], ["Sync"]),
        ({}, [], ["Sync"]),
    ],
)
def test_hook_types_and_the_phases_they_run_in(annotations: dict[str, str], types: list[str], run: list[str]) -> None:
    manifest = {"metadata": {"annotations": annotations}}
    assert hook_types(manifest) == types
    assert [phase.value for phase in phases(manifest)] == run


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {"BeforeHookCreation"}),
        ({"argocd.argoproj.io/hook-delete-policy": "HookSucceeded,HookFailed"}, {"HookSucceeded", "HookFailed"}),
        ({"argocd.argoproj.io/hook-delete-policy": "never"}, {"BeforeHookCreation"}),
        ({"helm.sh/hook-delete-policy": "hook-succeeded"}, {"HookSucceeded"}),
    ],
)
def test_delete_policies(annotations: dict[str, str], expected: set[str]) -> None:
    assert delete_policies({"metadata": {"annotations": annotations}}) == expected


@pytest.mark.parametrize(
    ("waves", "swapped"),
    [
        ([0, 0], {"p0": 0, "p1": 0}),
        ([1, 2], {"p0": 2, "p1": 1}),
        ([-1, 0, 5], {"p0": 5, "p1": 0, "p2": -1}),
        ([1, 1, 2, 4], {"p0": 4, "p1": 4, "p2": 2, "p3": 1}),
    ],
)
def test_what_was_made_last_is_pruned_first(waves: list[int], swapped: dict[str, int]) -> None:
    tasks = [prune(f"p{index}", wave=each) for index, each in enumerate(waves)]
    order_tasks(tasks, prune_last=False)
    assert {each.ref.name: each.wave for each in tasks} == swapped


def test_prune_last_waits_for_every_wave_of_the_sync_phase() -> None:
    tasks = (
        task(obj("ConfigMap", "a", wave=3)),
        task(obj("ConfigMap", "post", wave=9), phase=Phase.POST_SYNC),
        prune("old", wave=-2),
    )
    assert ordered(*tasks, prune_last=True)[1:] == ["Sync/4 old", "PostSync/9 post"]


def test_prune_last_of_a_single_object_leaves_the_other_prunes() -> None:
    assert ordered(task(obj("ConfigMap", "a", wave=-3)), prune("old", options="PruneLast=true"), prune("other")) == [
        "Sync/-3 a",
        "Sync/0 other",
        "Sync/1 old",
    ]


def test_a_namespace_moves_before_what_lives_in_it() -> None:
    assert ordered(
        task(obj("Namespace", "new", wave=5)),
        task(obj("ConfigMap", "a", namespace="new", wave=-1)),
        task(obj("ConfigMap", "b", namespace="other", wave=-2)),
    ) == ["Sync/-2 b", "Sync/-1 new", "Sync/-1 a"]


def test_a_namespace_moves_into_the_phase_of_the_hook_that_needs_it() -> None:
    hook = task(obj("Job", "migrate", namespace="new", hook="PreSync"), phase=Phase.PRE_SYNC)
    assert ordered(task(obj("Namespace", "new")), hook) == ["PreSync/0 new", "PreSync/0 migrate"]


def test_the_applications_namespace_moves_before_cluster_scoped_objects_too() -> None:
    # Argo CD fills the application's namespace into everything it applies (`getSyncTasks`).
    assert ordered(task(obj("Namespace", NAMESPACE, wave=1)), task(obj("ClusterRole", "r"))) == [
        f"Sync/0 {NAMESPACE}",
        "Sync/0 r",
    ]


def test_a_definition_moves_before_its_instances() -> None:
    assert ordered(
        task(definition("widgets", "example.com", "Widget", wave=3)),
        task(definition("gadgets", "example.com", "Gadget", wave=2)),
        task(obj("Widget", "w", wave=1)),
    ) == ["Sync/1 widgets", "Sync/1 w", "Sync/2 gadgets"]


def test_what_is_pruned_moves_nothing() -> None:
    assert ordered(task(obj("Namespace", "new", wave=1)), task(None, obj("ConfigMap", "a", namespace="new"))) == [
        "Sync/0 a",
        "Sync/1 new",
    ]


def test_odd_definitions_do_no_harm() -> None:
    specs: list[Any] = [None, 3, {"names": []}, {"group": 1, "names": {"kind": "Widget"}}]
    odd = [task(obj("CustomResourceDefinition", f"odd{index}", spec=spec)) for index, spec in enumerate(specs)]
    widget = task(obj("Widget", "w", wave=-1))
    assert len(ordered(*odd, widget)) == 5
    assert not defined_by(odd, widget.ref)
    assert defined_by([task(definition("widgets", "example.com", "Widget"))], widget.ref)


def test_one_step_or_several() -> None:
    one = [task(obj("ConfigMap", "a")), task(obj("Deployment", "b"))]
    assert not is_multi_step([])
    assert not is_multi_step(one)
    assert is_multi_step([*one, task(obj("ConfigMap", "c", wave=1))])
    assert is_multi_step([*one, task(obj("ConfigMap", "d"), phase=Phase.SYNC_FAIL)])


def test_ordering_thousands_of_objects_takes_no_time_by_the_square() -> None:
    tasks = [task(obj("ConfigMap", f"c{index:05}", namespace=f"ns{index % 50}")) for index in range(5000)]
    tasks += [task(obj("Namespace", f"ns{index}", wave=1)) for index in range(50)]
    names = [each.ref.name for each in order_tasks(tasks, prune_last=False)]
    assert names.index("ns7") + 1 == names.index("c00007")
