"""The addon matrix: what stands where, totals, groups, filters; and that keeping it is as good as making it anew."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.fleet.matrix import Matrix, Tally, natural
from fleetui.fleet.matrixfilter import parse
from fleetui.model.app import App, AppKey, AppResource, Destination
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.rollout import CellKey
from fleetui.model.status import ClusterState, ClusterStatus, Health, HealthStatus, SyncStatus

STAGES = {"seoul-1": "canary", "tokyo-1": "canary", "paris-1": "prod", "milan-1": "prod", "milan-10": "prod", "lab": ""}


def status(name: str, stage: str = "", state: ClusterState = ClusterState.LIVE) -> ClusterStatus:
    labels = {"stage": stage, "id": name} if stage else {"argocd.argoproj.io/secret-type": "cluster"}
    return ClusterStatus(ClusterName(name), state, 0.0, server=f"https://{name}", origin="hub hub", labels=labels)


CLUSTERS = [status(name, stage) for name, stage in STAGES.items()] + [status("hub")]


def app(cluster: str, addon: str, version: str, health: HealthStatus = HealthStatus.HEALTHY, **more: Any) -> App:
    return App(
        AppKey(ClusterName("hub"), "argo", "argocd", f"{cluster}-{addon}"),
        **{
            "application_set": "addons",
            "labels": {"version": version},
            "destination": Destination(server=f"https://{cluster}"),
            "sync": SyncStatus.SYNCED,
            "health": Health(health),
            **more,
        },
    )


def key(cluster: str, addon: str) -> CellKey:
    return CellKey(ClusterName(cluster), addon)


def matrix(*apps: App, group_by: str = "stage") -> Matrix:
    made = Matrix(group_by=group_by)
    made.update(apps, clusters=CLUSTERS)
    return made


DNS = [
    app("seoul-1", "dns", "1.15.0"),
    app("tokyo-1", "dns", "1.15.0", HealthStatus.PROGRESSING),
    app("paris-1", "dns", "1.14.5"),
    app("milan-1", "dns", "1.9.0", HealthStatus.DEGRADED),
    app("milan-10", "dns", "1.14.5"),
    app("lab", "dns", "main"),
]


def drifted(one: App) -> App:
    changed = tuple(AppResource(ObjectRef("", "ConfigMap", "a", str(n)), sync=SyncStatus.OUT_OF_SYNC) for n in range(2))
    return msgspec.structs.replace(one, sync=SyncStatus.OUT_OF_SYNC, resources=changed)


def test_rows_are_clusters_by_group_and_columns_are_addons() -> None:
    made = matrix(*DNS, app("paris-1", "alerts", "0.9"), App(AppKey(ClusterName("hub"), "argo", "argocd", "shop")))
    assert made.groups == [
        ("canary", ["seoul-1", "tokyo-1"]),
        ("prod", ["milan-1", "milan-10", "paris-1"]),
        ("", ["lab"]),
    ]
    assert made.addons == ["alerts", "dns"]
    assert made.total == 7
    cell = made.cells[key("milan-1", "dns")]
    assert (cell.version, cell.health, cell.sync, cell.drift) == ("1.9.0", HealthStatus.DEGRADED, SyncStatus.SYNCED, 0)
    assert made.cells.get(key("lab", "alerts")) is None
    made.group("")
    assert [name for name, _ in made.groups] == [""]
    assert made.group_labels == ["stage"], "by a label that each cluster has for itself nothing is grouped"


def test_totals_stand_at_both_edges() -> None:
    made = matrix(*DNS, drifted(app("paris-1", "alerts", "0.9")))
    assert made.of_cluster(ClusterName("paris-1")).cells == 2
    assert made.of_cluster(ClusterName("paris-1")).differ == 1
    assert made.cells[key("paris-1", "alerts")].drift == 2
    assert made.of_addon("dns", "prod").by_version == [("1.14.5", 2), ("1.9.0", 1)]
    assert made.of_addon("dns").health[HealthStatus.PROGRESSING] == 1
    assert made.of_all.cells == 7


def test_a_cell_is_behind_or_ahead_of_what_its_group_usually_has() -> None:
    made = matrix(*DNS)
    skews = {cell.cluster: made.skew(made.cells[cell]) for cell in made.cells}
    assert skews == {"seoul-1": 0, "tokyo-1": 0, "paris-1": 0, "milan-1": -1, "milan-10": 0, "lab": 0}
    made.group("")
    assert made.skew(made.cells[key("paris-1", "dns")]) == -1, "of equally common ones the newest is held against"
    assert made.skew(made.cells[key("lab", "dns")]) == 0, "a branch is neither before nor behind a version"
    same = matrix(app("seoul-1", "dns", "1.15"), app("tokyo-1", "dns", "1.15.0"))
    assert {same.skew(cell) for cell in same.cells.values()} == {0}


def test_a_change_of_one_application_touches_its_cell_alone() -> None:
    made = matrix(*DNS)
    touched = made.update([app("paris-1", "dns", "1.14.5", HealthStatus.DEGRADED)])
    assert tuple(touched) == ({key("paris-1", "dns")}, False, False)
    assert tuple(made.update([app("paris-1", "dns", "1.14.5", HealthStatus.DEGRADED)])) == (frozenset(), False, False)
    assert tuple(made.update([app("tokyo-1", "dns", "1.16.0")])) == ({key("tokyo-1", "dns")}, False, True)
    assert made.update([app("tokyo-1", "x", "1.0")]).shape
    assert tuple(made.update(removed=[app("tokyo-1", "x", "1.0").key])) == ({key("tokyo-1", "x")}, True, False)


def test_what_a_hub_last_said_is_stale_while_it_is_away_and_clusters_move_with_their_labels() -> None:
    made = matrix(*DNS)
    away = made.update(clusters=[status("hub", state=ClusterState.UNREACHABLE)])
    assert len(away.cells) == len(DNS)
    assert all(cell.stale for cell in made.cells.values())
    assert made.update(clusters=[status("hub")]).cells == away.cells
    assert made.update(clusters=[status("lab", "canary")]).shape
    assert made.groups[0] == ("canary", ["lab", "seoul-1", "tokyo-1"])
    assert made.of_addon("dns", "canary").cells == 3
    renamed = msgspec.structs.replace(status("lab-2", "canary"), server="https://lab")
    assert made.update(clusters=[renamed], gone=[ClusterName("lab")]).shape
    assert key("lab-2", "lab-dns") in made.cells, "the name that its applications were made with is not known any more"


def test_the_worst_of_several_in_one_place_is_shown() -> None:
    other = msgspec.structs.replace(DNS[0], key=AppKey(ClusterName("hub"), "argo", "other", "dns-seoul-1"))
    sick = msgspec.structs.replace(other, health=Health(HealthStatus.DEGRADED))
    made = matrix(*DNS, other)
    assert made.cells[key("seoul-1", "dns")].more == 1
    made.update([sick])
    assert made.cells[key("seoul-1", "dns")].app == sick.key
    assert made.apps_at(key("seoul-1", "dns")) == [sick.key, DNS[0].key]
    assert made.of_addon("dns").cells == len(DNS)
    made.update(removed=[sick.key])
    assert made.cells[key("seoul-1", "dns")].app == DNS[0].key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "seoul-1 tokyo-1 paris-1 milan-1 milan-10 lab"),
        ("cluster:milan-*", "milan-1 milan-10"),
        ("cluster:=milan-1,lab", "milan-1 lab"),
        ("cluster:1", "seoul-1 tokyo-1 paris-1 milan-1 milan-10"),
        ("!stage=prod", "seoul-1 tokyo-1 lab"),
        ("stage!=prod", "seoul-1 tokyo-1 lab"),
        ("stage=prod health:DEG", "milan-1"),
        ("health:degraded,progressing", "tokyo-1 milan-1"),
        ("version:<1.14", "milan-1"),
        ("version:>=1.14.5 version:<1.15", "paris-1 milan-10"),
        ("version:~1.14", "paris-1 milan-10"),
        ("version:main,^1.15", "seoul-1 tokyo-1 lab"),
        ("version:<nonsense", ""),
        ("stage=(", ""),
        ("tokyo", "tokyo-1"),
        ("addon:d?s sync:outofsync", ""),
        ("app:lab-dns hub:hub ! version:", "lab"),
    ],
)
def test_a_filter_takes_cells_by_cluster_addon_state_version_and_label(text: str, shown: str) -> None:
    made = matrix(*DNS)
    made.show(parse(text))
    assert {cell.cluster for cell in made.cells} == set(shown.split())
    assert {name for _, clusters in made.groups for name in clusters} == set(shown.split())
    assert made.total == len(DNS)
    assert not made.show(parse(f" {text}  "))


def test_names_are_ordered_as_people_count() -> None:
    assert sorted(["c10", "c2", "10", "b", "2", ""], key=natural) == ["", "2", "10", "b", "c2", "c10"]


# --- kept or made anew ----------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["seoul-1", "tokyo-1", "lab"])
_APPS = st.builds(
    lambda cluster, addon, version, health, sync: app(cluster, addon, version, health, sync=sync),
    _NAMES,
    st.sampled_from(["dns", "alerts"]),
    st.sampled_from(["1.0", "1.1", "main"]),
    st.sampled_from(HealthStatus),
    st.sampled_from(SyncStatus),
)
_STATUSES = st.builds(
    status, st.one_of(_NAMES, st.just("hub")), st.sampled_from(["", "a", "b"]), st.sampled_from(ClusterState)
)
_STEPS = st.one_of(
    _APPS.map(lambda one: ("app", one)),
    _APPS.map(lambda one: ("removed", one.key)),
    _STATUSES.map(lambda one: ("status", one)),
    _NAMES.map(lambda name: ("gone", name)),
    st.sampled_from(["", "health:healthy", "stage=a", "version:>1.0"]).map(lambda text: ("filter", text)),
    st.sampled_from(["", "stage"]).map(lambda label: ("group", label)),
)


def _told(tally: Tally) -> tuple[object, ...]:
    return tally.cells, tally.differ, +tally.health, dict(tally.versions)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, max_size=25))
def test_kept_it_is_as_if_it_were_made_anew(steps: list[tuple[str, Any]]) -> None:
    kept, apps, statuses, text, label = Matrix(), {}, {}, "", ""
    for verb, what in steps:
        match verb:
            case "app":
                apps[what.key] = what
                kept.update([what])
            case "removed":
                apps.pop(what, None)
                kept.update(removed=[what])
            case "status":
                statuses[what.name] = what
                kept.update(clusters=[what])
            case "gone":
                statuses.pop(what, None)
                kept.update(gone=[what])
            case "filter":
                text = what
                kept.show(parse(text))
            case "group":
                label = what
                kept.group(label)
    anew = Matrix(group_by=label)
    anew.show(parse(text))
    anew.update(apps.values(), clusters=statuses.values())
    assert kept.cells == anew.cells
    assert (kept.groups, kept.addons, kept.total) == (anew.groups, anew.addons, anew.total)
    assert _told(kept.of_all) == _told(anew.of_all)
    for addon in anew.addons:
        for group, _ in anew.groups:
            assert _told(kept.of_addon(addon, group)) == _told(anew.of_addon(addon, group))
