"""What we wrote hides what the watch has not shown yet, and never longer."""

from __future__ import annotations

from fleetui.engine.overlay import PATIENCE, Overlay
from fleetui.model.objects import Obj, ObjectRef, StoredObject
from tests.engine.fake_clock import FakeClock
from tests.unit.fakes import manifest, stored

REF = ObjectRef("", "ConfigMap", "default", "a")


def obj(version: str, uid: str = "1", **data: str) -> Obj:
    return manifest("ConfigMap", "a", metadata={"resourceVersion": version, "uid": uid}, data=data)


def seen(overlay: Overlay, version: str, uid: str = "1", *, deleted: bool = False) -> bool:
    return overlay.seen(stored(obj(version, uid)), deleted=deleted)


def data(overlay: Overlay, cached: StoredObject | None) -> dict[str, str] | None:
    found = overlay.get(REF, cached)
    return None if found is None else found["data"]


def make() -> tuple[Overlay, FakeClock]:
    clock = FakeClock()
    return Overlay(clock.now), clock


def test_what_was_written_is_seen_before_the_watch_shows_it() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5", new="x"))
    assert data(overlay, None) == {"new": "x"}
    assert data(overlay, stored(obj("4", old="x"))) == {"new": "x"}


def test_the_watch_wins_once_it_is_as_new() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5", new="x"))
    assert data(overlay, stored(obj("5", watched="x"))) == {"watched": "x"}
    assert len(overlay) == 0


def test_versions_are_numbers_not_text() -> None:
    overlay, _ = make()
    overlay.wrote(obj("10", new="x"))
    assert data(overlay, stored(obj("9", old="x"))) == {"new": "x"}


def test_our_own_write_coming_back_is_nothing_new() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5"))
    assert seen(overlay, "5")
    assert len(overlay) == 0
    assert not seen(overlay, "5"), "a second showing is not ours any more"


def test_a_write_that_is_news_wakes() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5"), quiet=False)
    assert not seen(overlay, "5")
    assert len(overlay) == 0


def test_somebody_elses_write_wakes() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5"))
    assert not seen(overlay, "4"), "an older one is not ours, and the wait goes on"
    assert len(overlay) == 1
    assert not seen(overlay, "6")
    assert len(overlay) == 0


def test_a_deletion_ends_the_wait() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5", new="x"))
    assert not seen(overlay, "4", deleted=True), "the watch never showed our version of this very object"
    assert data(overlay, None) is None


def test_the_deletion_of_a_namesake_before_does_not() -> None:
    overlay, _ = make()
    overlay.wrote(obj("9", "new", fresh="x"))
    seen(overlay, "8", "old", deleted=True)
    assert data(overlay, None) == {"fresh": "x"}


def test_an_answer_read_after_the_deletion_was_shown_brings_nothing_back() -> None:
    overlay, _ = make()
    seen(overlay, "6", deleted=True)
    overlay.wrote(obj("5"))
    assert data(overlay, None) is None
    assert len(overlay) == 0


def test_what_the_server_said_is_gone_is_gone_though_the_watch_lags() -> None:
    overlay, _ = make()
    overlay.wrote(obj("5"))
    overlay.deleted(REF, "1")
    assert data(overlay, stored(obj("5"))) is None
    assert data(overlay, stored(obj("7", "2", other="x"))) == {"other": "x"}


def test_gone_without_a_uid_hides_nothing() -> None:
    overlay, _ = make()
    overlay.deleted(REF, "")
    assert data(overlay, stored(obj("5", there="x"))) == {"there": "x"}


def test_the_watch_is_believed_again_after_a_while() -> None:
    # The object went while the watch was down: no event will ever tell.
    overlay, clock = make()
    overlay.wrote(obj("5", new="x"))
    clock.advance(PATIENCE - 1)
    assert data(overlay, None) == {"new": "x"}
    clock.advance(1)
    assert data(overlay, None) is None
    assert len(overlay) == 0


def test_an_object_may_come_back_under_its_uid() -> None:
    # A restored etcd.
    overlay, clock = make()
    overlay.deleted(REF, "1")
    clock.advance(PATIENCE)
    assert data(overlay, stored(obj("3", back="x"))) == {"back": "x"}
