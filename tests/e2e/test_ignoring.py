"""An expression of `ignoreDifferences` that computes, through the installed program: the engine's and `diff`'s view."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.demo.fleet import DemoFleet
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.model.objects import ApiResource, Obj
from fleetui.ports import PatchType
from tests.e2e.story import settings

APP = "payments-service"
RULE = {"group": "apps", "kind": "Deployment", "jqPathExpressions": ['.spec | .[keys[] | select(test("^replicas$"))]']}


@pytest.mark.skipif(importlib.util.find_spec("jq") is None, reason="jq is an extra: pip install 'fleetui[jq]'")
async def test_what_an_expression_computes_is_no_difference_to_any_command(tmp_path: Path) -> None:
    environment = settings() | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with DemoFleet(tmp_path / "demo", clusters=1, pace=None, pod_delay=(0.0, 0.0)) as demo:
        api = KubeCluster(load([demo.kubeconfig]).context(""))

        def fleetui(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "fleetui", *arguments, "--kubeconfig", str(demo.kubeconfig)]
            return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)

        async def resource(kind: str) -> ApiResource:
            return next(each for each in await api.discover() if each.kind == kind)

        async def patched(kind: str, obj: Obj, spec: Any) -> Obj:
            name, namespace, at = obj["metadata"]["name"], obj["metadata"]["namespace"], await resource(kind)
            body = {"spec": spec}
            return await api.patch(at, name, namespace, body, kind=PatchType.MERGE, field_manager="kubectl-scale")

        try:
            assert fleetui("engine", "run", "--once").returncode == 0
            app = await api.get(await resource("Application"), APP, "argocd")
            row = next(row for row in app["status"]["resources"] if row["kind"] == "Deployment")
            deployment = await api.get(await resource("Deployment"), row["name"], row["namespace"])
            await patched("Deployment", deployment, {"replicas": 7})
            assert fleetui("diff", APP).returncode == 4

            await patched("Application", app, {"ignoreDifferences": [RULE]})
            diff = fleetui("diff", APP)
            assert (diff.returncode, diff.stdout, diff.stderr) == (0, "", "")
            assert fleetui("engine", "run", "--once").returncode == 0
            app = await api.get(await resource("Application"), APP, "argocd")
            assert (app["status"]["sync"]["status"], app["status"].get("conditions")) == ("Synced", None)
            deployment = await api.get(await resource("Deployment"), row["name"], row["namespace"])
            assert deployment["spec"]["replicas"] == 7

            await patched("Application", app, {"ignoreDifferences": [{**RULE, "jqPathExpressions": [".spec |"]}]})
            diff = fleetui("diff", APP)
            assert diff.returncode == 4
            assert "ignoreDifferences: '.spec |' is no jq: syntax error" in diff.stderr + diff.stdout
        finally:
            await api.close()
