"""Large answers come compressed to who takes that, small ones never."""

from __future__ import annotations

import gzip
import json
import ssl
import urllib.request
from email.message import Message

import pytest

from tests.contract.client import Client
from tests.contract.objects import configmap
from tests.controlplane.server import ControlPlane


def fetch(api: Client, path: str, *, ca: str | None, encoding: str) -> tuple[Message, bytes]:
    headers = {"Authorization": f"Bearer {api.token}", "Accept": "application/json", "Accept-Encoding": encoding}
    request = urllib.request.Request(f"{api.url}{path}", headers=headers)
    context = ssl.create_default_context(cafile=ca) if ca else None
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        return answer.headers, answer.read()


def test_what_is_large_comes_compressed(api: Client, configmaps: str, request: pytest.FixtureRequest) -> None:
    ca = None
    if api.url.startswith("https"):
        plane: ControlPlane = request.getfixturevalue("control_plane")
        ca = str(plane.ca_file)
    api.post(configmaps, configmap("small")).must(201)
    api.post(configmaps, configmap("large", {"a": "x" * 200_000})).must(201)
    head, body = fetch(api, f"{configmaps}/large", ca=ca, encoding="gzip")
    assert head["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in head["Vary"]
    assert len(body) < 10_000
    assert json.loads(gzip.decompress(body))["data"] == {"a": "x" * 200_000}
    for name, encoding in (("large", "identity"), ("small", "gzip")):
        head, body = fetch(api, f"{configmaps}/{name}", ca=ca, encoding=encoding)
        assert head["Content-Encoding"] is None
        assert json.loads(body)["metadata"]["name"] == name
