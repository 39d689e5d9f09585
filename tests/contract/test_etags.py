"""Aggregated discovery that is sent once: its ETag, 304 for who has it, and a new one when a definition comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.client import Client

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_what_is_at_hand_is_not_sent_again(api: Client, path: str) -> None:
    first = api.get(path, accept=AGGREGATED)
    assert first.must(200)["kind"] == "APIGroupDiscoveryList"
    assert first.etag.startswith('"')
    assert len(first.etag) == 130, "SHA-512 in hexadecimal, quoted"
    again = api.request("GET", path, headers={"Accept": AGGREGATED, "If-None-Match": first.etag})
    assert (again.status, again.body, again.etag) == (304, "", first.etag)
    other = api.request("GET", path, headers={"Accept": AGGREGATED, "If-None-Match": '"another"'})
    assert other.must(200)["kind"] == "APIGroupDiscoveryList"


def test_a_definition_changes_it(api: Client, define: Callable[..., str]) -> None:
    before = api.get("/apis", accept=AGGREGATED).etag
    define("things", "Thing", SCHEMA)
    after = api.request("GET", "/apis", headers={"Accept": AGGREGATED, "If-None-Match": before})
    assert "Thing" in str(after.must(200))
    assert after.etag != before


def test_plain_discovery_has_none(api: Client) -> None:
    assert api.get("/apis").etag == ""
