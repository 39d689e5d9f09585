"""The process of `tests.bench.servers`: embedded API servers, filled and then left alone.

Answers to LIST are prepared when they are asked for first, because the servers share the machine with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from backends import definitions
from backends.embedded.calls import Call, Reply
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.faults import Fault, Kind
from backends.embedded.watches import Watch
from tests.bench.bench_console import application
from tests.bench.bench_core import deployment

Obj = dict[str, Any]


async def serve(*, clusters: int, objects: int, kind: str, dead: int, hanging: int) -> None:
    """Serves until stdin ends; the first line of it is answered with the contexts, each further one with the time."""
    away = [EmbeddedCluster(f"dead-{number}") for number in range(dead)]
    mute = [EmbeddedCluster(f"hanging-{number}") for number in range(hanging)]
    live = [filled(f"cluster-{number:03}", objects, kind) for number in range(clusters)]
    for cluster in (*live, *away, *mute):
        await cluster.start()
    for cluster in away:
        await cluster.stop()
    for cluster in mute:
        cluster.faults.add(Fault(kind=Kind.HANG))
    contexts = [{"name": c.name, "server": c.url, "token": c.token} for c in (*live, *away, *mute)]
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(time.process_time() if line.strip() else contexts), flush=True)
    for cluster in (*live, *mute):
        await cluster.stop()


def filled(name: str, objects: int, kind: str) -> EmbeddedCluster:
    """A cluster with copies of one object that the server itself has written, managedFields and all."""
    cluster = EmbeddedCluster(name)
    store = cluster.store
    for definition in definitions.load():
        store.create(definition, manager="bench")
    store.create(_named("Namespace", "argocd"), manager="bench")
    model = store.create(_model(kind), manager="argocd-controller")
    resource = store.resources.of(model)
    assert resource is not None
    table = store.table(resource)
    for number in range(1, objects):
        meta = model["metadata"] | {"name": f"app-{number:05}", "uid": str(uuid.uuid4())}
        store.storage.put(table, model | {"metadata": meta})
    store.storage.compact()
    cluster.server.api.handle = prepared(cluster.server.api.handle)  # type: ignore[method-assign, assignment]
    return cluster


def prepared(handle: Callable[[Call], Reply | Watch]) -> Callable[[Call], Reply | Watch]:
    """Answers the same LIST from memory; nothing is written while a benchmark runs."""
    answers: dict[tuple[str, str], Reply] = {}

    def answer(call: Call) -> Reply | Watch:
        if call.method != "GET" or call.flag("watch"):
            return handle(call)
        key = call.path, json.dumps(call.query, sort_keys=True) + call.headers.get("accept", "")
        if key not in answers:
            found = handle(call)
            assert isinstance(found, Reply)
            answers[key] = found
        return answers[key]

    return answer


def _model(kind: str) -> Obj:
    if kind == "Application":
        return application("app-00000")
    made = deployment()
    spec = made["spec"]["template"]["spec"]
    made["metadata"] = {
        "name": "app-00000",
        "namespace": "argocd",
        "labels": {"app": "payments", "team": "core", "tier": "backend", "app.kubernetes.io/managed-by": "argocd"},
        "annotations": made["metadata"]["annotations"] | {"deployment.kubernetes.io/revision": "7"},
    }
    del spec["containers"][0]["env"][1:8], spec["containers"][0]["readinessProbe"]
    return made


def _named(kind: str, name: str) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.argv[1])))
