"""Git hosts for the tests: what they answer is recorded in `tests/unit/data/hosts`.

Owns: `HostServer`, `spec`, and a hub with one Secret. The recorded answers are cut down from the providers' documented
ones to what is read of them, and a little more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from backends.hosts.generators import PARAMETERS
from fleetui.model.objects import ObjectRef
from tests.unit.charts import Server
from tests.unit.fakes import FakeCluster
from tests.unit.repository_secrets import host_map, secret

DATA = Path(__file__).parent / "data" / "hosts"


class HostServer(Server):
    """Answers what was recorded of a kind of host, 404 to the rest; notes what is posted."""

    def __init__(self, kind: str = "") -> None:
        super().__init__()
        self.routes: dict[str, dict[str, Any]] = json.loads((DATA / f"{kind}.json").read_text()) if kind else {}
        self.requests: list[str] = []
        self.posted: list[Any] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if body := await request.text():
            self.posted.append(json.loads(body))
        return await super().handle(request)

    def fallback(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = f"{request.method} {request.raw_path}"
        self.requests.append(wanted)
        known = self.routes.get(wanted)
        if known is None:
            return web.json_response({"message": "Not Found"}, status=404)
        headers = {name: value.replace("{base}", self.url) for name, value in known.get("headers", {}).items()}
        status = known.get("status", 200)
        if "body" not in known:
            return web.Response(status=status, headers=headers)
        return web.json_response(known["body"], status=status, headers=headers)


def spec(**generator: Any) -> str:
    return msgspec.json.encode(generator, order="sorted").decode()


def hub(*, labels: bool = False, parameters: dict[str, str] | None = None, **secrets: dict[str, str]) -> FakeCluster:
    """One with Secrets in the namespace ``argocd``, and what Argo CD is told there."""
    cluster = FakeCluster()
    for name, data in secrets.items():
        made = secret(name, kind="scm-creds" if labels else "other", **data)
        cluster.objects[made.ref] = made.decode()
    if parameters is not None:
        cluster.objects[ObjectRef("", "ConfigMap", "argocd", PARAMETERS)] = host_map(PARAMETERS, parameters).decode()
    return cluster
