"""Which registered cluster a destination names: Argo CD's rule and its words."""

from __future__ import annotations

import pytest

from fleetui.engine.lookup import by_server, no_such_name, no_such_server, server_of
from fleetui.hubports import Registration
from fleetui.model.errors import MissingError
from fleetui.model.servers import ServerIdentity

HUB = "https://kubernetes.default.svc"


def registered(name: str, server: str, source: str = "") -> Registration:
    return Registration(source=source or name, name=name, server=server, identity=ServerIdentity.of(server))


KNOWN = (
    registered("edge", "https://edge:6443"),
    registered("twice", "https://two:6443"),
    registered("twice", "https://one:6443"),
    registered("", "https://nameless:6443"),
    registered("the-hub", HUB),
)


@pytest.mark.parametrize(
    ("server", "name", "expected"),
    [
        ("https://edge:6443", "", "https://edge:6443"),
        ("https://edge:6443//", "", "https://edge:6443"),
        ("https://unknown", "", "https://unknown"),
        ("", "edge", "https://edge:6443"),
        ("", "unknown", ""),
        ("", "in-cluster", HUB),
        ("", "the-hub", HUB),
    ],
)
def test_a_destination_means_a_server(server: str, name: str, expected: str) -> None:
    assert server_of(server, name, KNOWN) == expected


def test_a_cluster_that_was_named_in_cluster_is_the_one_of_that_name() -> None:
    """`GetClusterServersByName` falls back on the hub only where nobody has the name."""
    assert server_of("", "in-cluster", [registered("in-cluster", "https://other")]) == "https://other"


@pytest.mark.parametrize(
    ("server", "name", "words"),
    [
        ("", "", "Destination server missing from app spec"),
        ("https://x", "y", "application destination can't have both name and server defined: y https://x"),
        ("", "twice", "there are 2 clusters with the same name: [https://one:6443 https://two:6443]"),
    ],
)
def test_what_means_none_or_several_is_refused_in_argo_cds_words(server: str, name: str, words: str) -> None:
    with pytest.raises(MissingError) as caught:
        server_of(server, name, KNOWN)
    assert str(caught.value) == words


def test_the_first_of_two_secrets_for_one_server_counts() -> None:
    twins = (registered("a", "https://x", "one"), registered("b", "https://x", "two"))
    assert by_server("https://x", twins) is twins[0]
    assert by_server("https://y", twins) is None
    assert by_server("", (registered("odd", ""),)) is None


def test_what_is_not_there_is_told_in_argo_cds_words() -> None:
    assert str(no_such_name("x")) == "there are no clusters with this name: x"
    assert str(no_such_server("https://x/")) == (
        'error getting cluster by server "https://x/": rpc error: code = NotFound desc = cluster "https://x" not found'
    )
