"""What the console says of an application: filters, orders, rows, and why. All pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from fleetui.fleet.views import ChangeSet, Why
from fleetui.model.app import App, AppResource, Automation, Condition, Destination, OperationState, ResourceResult
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, Health, HealthStatus, OperationPhase, SyncStatus
from screens import app_rows, filters
from screens.cells import cell_len
from screens.glyphs import ASCII, UNICODE, for_terminal
from screens.picture import Letterbox, Picture
from screens.status import clusters_line, summary, trouble
from screens.why import why
from screens.words import commit_spans
from tests.screens.fake_fleet import COMMIT, NOW, SHA, app, key, ref, status

if TYPE_CHECKING:
    from screens.host import Host

H, S = HealthStatus, SyncStatus


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", ["checkout", "payments", "telemetry"], id="empty"),
        pytest.param("PAY", ["payments"], id="part-of-the-name"),
        pytest.param("edge", ["telemetry"], id="cluster-as-a-word"),
        pytest.param("cluster:prod", ["checkout", "payments"], id="cluster"),
        pytest.param("health:degraded,unknown", ["payments", "telemetry"], id="any-of"),
        pytest.param("health:d", ["payments"], id="health-from-its-beginning"),
        pytest.param("sync:outofsync", ["payments"], id="sync"),
        pytest.param("!sync:synced", ["payments", "telemetry"], id="negated"),
        pytest.param("prod !health:degraded", ["checkout"], id="all-must-hold"),
        pytest.param("project:team-a", ["payments"], id="project"),
        pytest.param("hub:=prod-eu-1", ["checkout", "payments"], id="hub"),
        pytest.param("namespace:checkout", ["checkout"], id="namespace"),
        pytest.param("engine:argo name:check", ["checkout"], id="engine-and-name"),
        pytest.param("health:", ["checkout", "payments", "telemetry"], id="unfinished"),
        pytest.param("image:x", [], id="unknown-field-is-a-word"),
    ],
)
def test_filter(text: str, found: list[str]) -> None:
    apps = [
        app("checkout"),
        app("payments", health=H.DEGRADED, sync=S.OUT_OF_SYNC, project="team-a"),
        app("telemetry", "edge-07", health=H.UNKNOWN, sync=S.UNKNOWN),
    ]
    wanted = filters.parse(text)
    assert [each.key.name for each in apps if wanted.matches(each, each.key.hub)] == found


# --- order --------------------------------------------------------------------------------------------------------


def picture(*apps: App, **clusters: ClusterState) -> Picture:
    found = Picture()
    statuses = {ClusterName(name): status(name, state) for name, state in clusters.items()}
    found.apply(ChangeSet(apps={each.key: each for each in apps}, clusters=statuses))
    return found


def test_what_needs_a_human_comes_first() -> None:
    failed = OperationState(phase=OperationPhase.FAILED)
    apps = [
        app("a-fine"),
        app("b-progressing-now", health=H.PROGRESSING, since=10),
        app("c-suspended", health=H.SUSPENDED),
        app("d-unknown", health=H.UNKNOWN),
        app("e-not-compared", sync=S.UNKNOWN),
        app("f-progressing-for-long", health=H.PROGRESSING, since=900),
        app("g-differs", sync=S.OUT_OF_SYNC),
        app("h-failed", operation=failed),
        app("i-missing", health=H.MISSING),
        app("j-degraded", health=H.DEGRADED),
    ]
    seen = picture(*apps)
    ordered = sorted(apps, key=lambda each: app_rows.sort_key(app_rows.Order.PROBLEM, each, seen, now=NOW))
    assert "".join(each.key.name[0] for each in ordered) == "jighfdecba"


def test_other_orders_break_ties_by_name() -> None:
    apps = [app("b", "east", since=10), app("a", "west", since=99), app("c", "east", health=H.DEGRADED, since=50)]
    seen = picture(*apps)

    def names(order: app_rows.Order) -> str:
        found = sorted(apps, key=lambda each: app_rows.sort_key(order, each, seen, now=NOW))
        return "".join(each.key.name for each in found)

    assert names(app_rows.Order.NAME) == "abc"
    assert names(app_rows.Order.CLUSTER) == "cba"
    assert names(app_rows.Order.AGE) == "bca"


# --- rows ---------------------------------------------------------------------------------------------------------


def cells(each: App, **clusters: ClusterState) -> dict[str, str]:
    found = app_rows.row(each, picture(each, **clusters), NOW, glyphs=UNICODE)
    texts = (cell.text + "".join(span.text for span in cell.tail) for cell in found.cells)
    return dict(zip((column.id for column in app_rows.COLUMNS), texts, strict=True))


def test_a_healthy_row_is_calm_and_a_sick_one_says_it_twice() -> None:
    assert cells(app("a"))["health"] == "  Healthy"
    assert cells(app("a"))["sync"] == "="
    assert cells(app("a", health=H.DEGRADED))["health"] == "✖ Degraded"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param({"sync": S.OUT_OF_SYNC}, "≠ OutOfSync", id="unknown-how-many"),
        pytest.param({"resources": (AppResource(ref=ref("A", "a"), sync=S.OUT_OF_SYNC),)}, "≠ 1 differs", id="one"),
        pytest.param({"operation": OperationState(phase=OperationPhase.RUNNING)}, "≠ syncing", id="running"),
        pytest.param(
            {"operation": OperationState(phase=OperationPhase.RUNNING, retry_count=2)}, "≠ retry 2", id="retrying"
        ),
        pytest.param({"operation": OperationState(phase=OperationPhase.FAILED)}, "≠ OutOfSync", id="failed"),
        pytest.param({"pending": True}, "≠ asked", id="asked"),
        pytest.param({"refreshing": True}, "≠ comparing", id="refreshing"),
        pytest.param({"deleting": True, "pending": True}, "≠ deleting", id="deleting"),
    ],
)
def test_the_sync_column_says_what_is_being_done(given: dict[str, Any], shown: str) -> None:
    assert cells(app("a", **{"sync": S.OUT_OF_SYNC, **given}))["sync"] == shown


def test_a_stale_row_is_dimmed_and_tells_its_age() -> None:
    each = app("a", "edge")
    seen = picture(each, edge=ClusterState.STALE)
    found = app_rows.row(each, seen, NOW, glyphs=UNICODE)
    assert found.dim
    assert "".join(span.text for span in found.cells[0].tail) == "◷60s"


def test_the_cluster_is_the_one_that_the_application_runs_on() -> None:
    seen = Picture()
    seen.apply(ChangeSet(clusters={ClusterName("west"): status("west", server="https://10.0.0.2:6443")}))

    def where(**destination: str) -> str:
        return seen.cluster_of(app("a", "hub", destination=Destination(**destination)))

    assert where(server="https://kubernetes.default.svc") == "hub"
    assert where(name="in-cluster") == "hub"
    assert where(name="berlin") == "berlin"
    assert where(server="https://10.0.0.2:6443/") == "west"
    assert where(server="https://unknown.example.com:6443") == "unknown.example.com:6443"


# --- why ----------------------------------------------------------------------------------------------------------

LIVE = status("prod-eu-1")


def test_a_calm_application_says_since_when() -> None:
    done = OperationState(phase=OperationPhase.SUCCEEDED, finished_at=NOW - 300, initiated_by="ann")
    assert why(app("a", operation=done), LIVE, NOW) == "Synced to a1b2c3d, healthy since 2h. Last sync 5m ago, by ann."


def test_the_worst_object_explains_the_health() -> None:
    bad = AppResource(ref=ref("Deployment", "api"), health=Health(H.DEGRADED, "0 of 3 ready"))
    slow = AppResource(ref=ref("Job", "x"), health=Health(H.PROGRESSING))
    text = why(app("a", health=H.DEGRADED, since=240, resources=(slow, bad)), LIVE, NOW)
    assert text == "Degraded since 4m: Deployment api: 0 of 3 ready."


def test_what_the_line_says_already_is_not_said_again() -> None:
    one = app("a", health=H.UNKNOWN)
    state = why(one, None, NOW).removesuffix(".").replace("Its health is not known", "Unknown")
    for words, expected in (("It is Unknown. Database d may not be read.", f"{state}: Database d may not be read."),
                            ("It is Unknown.", f"{state}.")):  # fmt: skip
        assert why(one, None, NOW, told=Why(one.key, "Unhealthy", words)) == expected


def test_an_error_of_the_comparison_is_not_said_to_be_why_it_is_degraded() -> None:
    one = replace(app("a", health=H.DEGRADED), conditions=(Condition("ComparisonError", "no such path"),))
    said = why(one, None, NOW, told=Why(one.key, "ComparisonError", "ComparisonError: no such path."))
    assert said.startswith("ComparisonError: no such path.")


def test_errors_of_the_comparison_come_before_health_and_are_not_told_twice() -> None:
    broken = Condition(type="ComparisonError", message="apps/x.yaml:3: mapping values are not allowed here")
    failed = OperationState(phase=OperationPhase.ERROR, finished_at=NOW - 60, message=broken.message)
    text = why(app("a", health=H.MISSING, since=5, sync=S.UNKNOWN, conditions=(broken,)), LIVE, NOW)
    assert text.startswith("ComparisonError: apps/x.yaml:3: mapping values are not allowed here. Missing since 5s")
    assert why(app("a", conditions=(broken,), operation=failed), LIVE, NOW).count("mapping values") == 1


def test_a_failed_sync_names_the_objects_where_it_has_no_message() -> None:
    result = ResourceResult(ref=ref("Job", "migrate"), status="SyncFailed", message="field is immutable")
    failed = OperationState(phase=OperationPhase.FAILED, finished_at=NOW - 60, results=(result,))
    assert "The last sync failed 60s ago: Job migrate: field is immutable." in why(
        app("a", operation=failed), LIVE, NOW
    )


def test_what_differs_is_named_and_that_nobody_will_sync_it() -> None:
    objects = tuple(AppResource(ref=ref("ConfigMap", f"c{number}"), sync=S.OUT_OF_SYNC) for number in range(5))
    gone = AppResource(ref=ref("Job", "old"), sync=S.OUT_OF_SYNC, requires_pruning=True)
    text = why(app("a", sync=S.OUT_OF_SYNC, resources=(*objects, gone), automation=Automation()), LIVE, NOW)
    assert text == (
        "ConfigMap c0, ConfigMap c1, ConfigMap c2 and 2 more differ from Git; Job old no longer in Git, to be pruned;"
        " automated sync is off."
    )


def test_a_running_sync_says_which_try_it_is() -> None:
    running = OperationState(
        phase=OperationPhase.RUNNING,
        started_at=NOW - 12,
        revision=SHA,
        retry_count=1,
        retry_limit=5,
        message="waiting for Job migrate",
    )
    text = why(app("a", operation=running), LIVE, NOW)
    assert text == "Syncing to a1b2c3d since 12s, try 2 of 6: waiting for Job migrate."


def test_of_a_stale_cluster_it_says_first_that_this_is_old() -> None:
    stale = status("edge", ClusterState.UNREACHABLE, since=7300, message="connection refused")
    text = why(app("a", "edge", health=H.DEGRADED), stale, NOW)
    assert text.startswith("edge is unreachable since 2h (connection refused): its last known state is shown. Degraded")


# --- picture ------------------------------------------------------------------------------------------------------


def test_the_letterbox_rings_once_for_all_that_comes_before_it_is_emptied() -> None:
    rings: list[int] = []
    box = Letterbox(lambda: rings.append(1))
    box.put(ChangeSet(apps={key("a"): app("a"), key("b"): app("b")}))
    box.put(ChangeSet(apps={key("a"): app("a", health=H.DEGRADED)}, removed=frozenset({key("b")})))
    found = box.take()
    assert found is not None
    assert len(rings) == 1
    assert found.apps[key("a")].health.status is H.DEGRADED
    assert found.removed == {key("b")}
    assert box.take() is None
    box.put(ChangeSet())
    assert len(rings) == 2


def test_a_clusters_colour_is_the_same_as_long_as_the_console_runs() -> None:
    seen = Picture(["west", "east"])
    assert [seen.place(name) for name in ("east", "north", "west", "north")] == [1, 2, 0, 2]


# --- the terminal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, UNICODE),
        ({"LANG": "C.utf8"}, UNICODE),
        ({"LC_CTYPE": "UTF-8"}, UNICODE),
        ({"LANG": "C"}, ASCII),
        ({}, ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "en_US.UTF-8"}, UNICODE),
        ({"LANG": "de_DE"}, ASCII),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LANG": "en_US.UTF-8", "FLEETUI_ASCII": "1"}, ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "linux", "FLEETUI_ASCII": "0"}, UNICODE),
        ({"LANG": "C", "FLEETUI_ASCII": "0"}, UNICODE),
    ],
)
def test_letters_where_the_terminal_has_no_utf_8(environ: dict[str, str], expected: object) -> None:
    assert for_terminal(environ) is expected


def test_every_ascii_glyph_is_ascii_and_one_health_never_looks_like_another() -> None:
    assert all(glyph.isascii() for glyph in ASCII)
    for glyphs in (ASCII, UNICODE):
        assert len({glyphs.health(each) for each in H}) == len(H)
        assert len({glyphs.sync(each) for each in S}) == len(S)


# --- commits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", range(45, 130, 7))
def test_a_long_subject_is_cut_in_its_middle_and_author_and_age_stay(room: int) -> None:
    commit = replace(COMMIT, subject="raise the memory limit of the checkout workers to what they use at night")
    text = "".join(span.text for span in commit_spans(commit, NOW, room=room))
    assert cell_len(text) <= room
    assert text.endswith("  Ann Lee 4m ago")
    assert text.startswith("  “raise the")
    assert ("…" in text) is (room < 92)


# --- clusters that hubs have registered ------------------------------------------------------------------------------


class Looking:
    """As much of a console as the status bar asks for."""

    glyphs = ASCII

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def now(self) -> float:
        return NOW


def test_a_registered_cluster_is_no_failure_and_goes_when_it_is_not_registered_any_more() -> None:
    picture = Picture()
    edge = status("edge", ClusterState.REGISTERED)
    picture.apply(ChangeSet(clusters={edge.name: edge, ClusterName("hub"): status("hub")}))
    host = cast("Host", Looking(picture))
    assert "".join(span.text for span in summary(host)) == "2 clusters: 1 live 1 registered"
    assert "".join(span.text for span in clusters_line(host, 80)).split() == ["hub", "live", "edge", "registered"]
    assert trouble(host, 80) == ()
    picture.apply(ChangeSet(gone=frozenset({edge.name})))
    assert set(picture.clusters) == {"hub"}
