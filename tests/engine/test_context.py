"""What an operation's words come to (`util/argo`, `ContainsSyncResource`; `controller/sync.go`; Argo CD v3.6.1)."""

from __future__ import annotations

import pytest

from fleetui.engine.context import is_chosen
from fleetui.model.objects import ObjectRef

API = ObjectRef("apps", "Deployment", "shop", "api")


@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        ({"group": "apps", "kind": "Deployment", "name": "api"}, True),
        ({"group": "apps", "kind": "Deployment", "name": "api", "namespace": "shop"}, True),
        ({"group": "apps", "kind": "Deployment", "name": "api", "namespace": "else"}, False),
        ({"kind": "Deployment", "name": "api"}, False),
        ({"group": "apps", "kind": "Deployment", "name": "ap"}, False),
        ({"group": "apps", "kind": "Deployment", "name": "*"}, False),
        ({}, False),
    ],
)
def test_a_partial_sync_names_its_objects_exactly(chosen: dict[str, str], fits: bool) -> None:
    assert is_chosen(API, [{"kind": "Else", "name": "x"}, chosen]) is fits
