"""An application that several contexts lead to is shown once."""

from __future__ import annotations

from fleetui.fleet.unique import Unique
from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName

FIRST, SECOND = (AppKey(ClusterName(hub), "argo", "argocd", "shop") for hub in ("first", "second"))


def unique() -> Unique:
    return Unique([FIRST.hub, SECOND.hub])


def test_the_first_context_shows_it_whoever_comes_first() -> None:
    ways = unique()
    assert ways.take(SECOND, "u") == (True, None)
    assert ways.take(FIRST, "u") == (True, SECOND)
    assert ways.take(SECOND, "u") == (False, FIRST)
    assert ways.take(SECOND, "other") == (True, None)


def test_the_other_context_shows_it_once_the_first_may_not_see_it_any_more() -> None:
    ways = unique()
    ways.take(FIRST, "u")
    assert ways.forget({FIRST}) == [(FIRST, "u")]
    assert ways.take(SECOND, "u") == (True, None)


def test_one_that_went_is_free_again() -> None:
    ways = unique()
    ways.take(FIRST, "u")
    ways.drop(SECOND, "u")
    assert ways.take(SECOND, "u") == (False, FIRST)
    ways.drop(FIRST, "u")
    assert ways.take(SECOND, "u") == (True, None)
