"""Watches: where they begin, what they let through, bookmarks, and versions that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile

from tests.contract.client import Client, Json
from tests.contract.objects import ANYTHING, configmap

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def told(events: Iterator[Json], until: str) -> list[tuple[str, str]]:
    """Type and name of each event up to the one about `until`, which is left out."""
    found = ((event["type"], event["object"]["metadata"].get("name", "")) for event in events)
    return [entry for entry in takewhile(lambda entry: entry[1] != until, found) if entry[1] != "kube-root-ca.crt"]


def version_of(api: Client, path: str) -> str:
    return str(api.get(path).must()["metadata"]["resourceVersion"])


def test_a_watch_goes_on_where_the_list_ended(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("before")).must(201)
    start = version_of(api, configmaps)
    api.post(configmaps, configmap("a")).must(201)
    with api.watch(f"{configmaps}?resourceVersion={start}") as events:
        api.patch(f"{configmaps}/a", {"data": {"a": "2"}}).must()
        api.delete(f"{configmaps}/a").must()
        api.post(configmaps, configmap("end")).must(201)
        assert told(events, "end") == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_events_carry_the_object_at_the_version_of_the_change(api: Client, configmaps: str) -> None:
    made = api.post(configmaps, configmap("a")).must(201)
    with api.watch(f"{configmaps}?resourceVersion={made['metadata']['resourceVersion']}") as events:
        changed = api.patch(f"{configmaps}/a", {"data": {"a": "2"}}).must()
        api.delete(f"{configmaps}/a").must()
        mine = (event for event in events if event["object"]["metadata"]["name"] == "a")
        assert next(mine)["object"] == changed
        gone = next(mine)["object"]
    assert gone["data"] == {"a": "2"}
    assert int(gone["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


def test_without_a_version_a_watch_begins_with_what_is_there(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    with api.watch(configmaps) as events:
        api.post(configmaps, configmap("end")).must(201)
        assert told(events, "end") == [("ADDED", "a")]


def test_objects_enter_and_leave_a_selection(api: Client, configmaps: str) -> None:
    start = version_of(api, configmaps)
    with api.watch(f"{configmaps}?resourceVersion={start}&labelSelector=on%3Dyes") as events:
        api.post(configmaps, configmap("a")).must(201)
        api.patch(f"{configmaps}/a", {"metadata": {"labels": {"on": "yes"}}}).must()
        api.patch(f"{configmaps}/a", {"data": {"a": "2"}}).must()
        off = api.patch(f"{configmaps}/a", {"metadata": {"labels": None}}).must()
        api.post(configmaps, configmap("end", labels={"on": "yes"})).must(201)
        seen = [next(events) for _ in range(4)]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in seen] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "end"),
    ]
    left = seen[2]["object"]["metadata"]
    assert left["labels"] == {"on": "yes"}, "the last state that was selected"
    assert left["resourceVersion"] == off["metadata"]["resourceVersion"]


def test_a_single_object_can_be_watched(api: Client, configmaps: str) -> None:
    start = version_of(api, configmaps)
    with api.watch(f"{configmaps}?resourceVersion={start}&fieldSelector=metadata.name%3Db") as events:
        api.post(configmaps, configmap("a")).must(201)
        api.post(configmaps, configmap("b")).must(201)
        assert next(events)["object"]["metadata"]["name"] == "b"


def test_a_watch_ends_when_its_time_is_up(api: Client, configmaps: str) -> None:
    start = version_of(api, configmaps)
    with api.watch(f"{configmaps}?resourceVersion={start}&labelSelector=none", seconds=1) as events:
        assert list(events) == []


def test_initial_events_end_with_a_bookmark(api: Client, configmaps: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with api.watch(f"{configmaps}?{query}&labelSelector=!none&fieldSelector=metadata.name%3Da") as events:
        first, second = next(events), next(events)
    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
    assert (second["type"], second["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    meta = second["object"]["metadata"]
    assert meta["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(meta["resourceVersion"]) >= int(first["object"]["metadata"]["resourceVersion"])


def test_a_version_that_is_too_old_is_an_error_event(api: Client, define: Callable[..., str]) -> None:
    """Version 1 is older than anything that a server remembers of a kind that it has just begun to serve."""
    with api.watch(define("things", "Thing", ANYTHING) + "?resourceVersion=1") as events:
        event = next(events)
    status = event["object"]
    assert (event["type"], status["kind"]) == ("ERROR", "Status")
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_tables_can_be_watched(api: Client, configmaps: str) -> None:
    start = version_of(api, configmaps)
    with api.watch(f"{configmaps}?resourceVersion={start}", accept=TABLE) as events:
        api.post(configmaps, configmap("a")).must(201)
        rows = (event["object"]["rows"][0] for event in events)
        row = next(row for row in rows if row["cells"][0] == "a")
    assert row["cells"][:2] == ["a", 1]
    assert row["object"]["kind"] == "PartialObjectMetadata"
