"""An application whose manifests can't be read stays as it was: nothing is applied, and nothing pruned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Repo, application, embedded_hub, phase, running, synced
from tests.unit.data.broken import BROKEN


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as hub:
        yield hub


def config(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def conditions(app: Any) -> list[str]:
    return [one["message"] for one in app["status"].get("conditions", ()) if one["type"] == "ComparisonError"]


async def test_two_hundred_broken_commits_prune_nothing(hub: Hub) -> None:
    repo = Repo()
    repo.push(config("kept", k="v"), config("other"))
    async with running(hub, repo) as process:
        await hub.create(application())
        await hub.until(synced, "synced")
        before = [await hub.get("ConfigMap", name) for name in ("kept", "other")]
        operation = (await hub.app())["status"]["operationState"]
        for broken in BROKEN:
            # `kept` is not in this commit any more: if the file were overlooked, it would be pruned.
            sha = repo.push(config("other"))
            repo.commits[sha][f"shop/{broken.name}"] = broken.content
            repo.moved()
            where = f"shop/{broken.name}" + (f":{broken.line}: " if broken.line is not None else ": ")

            def told(app: Any, where: str = where, said: str = broken.said) -> bool:
                return any(where in message and said in message for message in conditions(app))

            app = await hub.until(told, f"{broken.what} is told")
            assert app["status"]["sync"]["status"] == "Unknown", broken.what
            assert {row["status"] for row in app["status"]["resources"]} == {"Unknown"}, broken.what
            assert app["status"]["operationState"] == operation, broken.what
            assert app["status"]["health"]["status"] == "Healthy", broken.what
        await process.idle()
        assert [await hub.get("ConfigMap", name) for name in ("kept", "other")] == before
        repo.push(config("other"))
        await hub.until(lambda app: synced(app) and not conditions(app), "mended")
        assert await hub.get("ConfigMap", "kept") is None


async def test_what_the_server_refuses_is_logged_with_its_file_and_line(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    repo = Repo()
    wrong: Obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    repo.push(config("fine"), {**wrong, "spec": {"type": "Nonsense", "ports": [{"port": 1}]}})
    async with running(hub, repo):
        await hub.create(
            application(syncPolicy={"automated": {}, "retry": {"limit": 0}, "syncOptions": ["CreateNamespace=true"]})
        )
        app = await hub.until(lambda app: phase(app) == "Failed", "refused")
    row = next(row for row in app["status"]["operationState"]["syncResult"]["resources"] if row["kind"] == "Service")
    assert "shop/all.yaml" not in row["message"], "what Argo CD would say is left as it is"
    told = [record.getMessage() for record in caplog.records if "shop/all.yaml:7: Service" in record.getMessage()]
    assert told
    assert row["message"] in told[0]
