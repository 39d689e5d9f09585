"""From a repository Secret in the hub to what is synced: without it, with it, and when it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.argocd_access import HubAccess
from backends.git import GitRepositories
from fleetui.model.objects import Obj
from tests.engine.bench import application, embedded_hub, running, synced
from tests.unit.git_source import Source, WebServer
from tests.unit.repository_secrets import secret


def created(name: str, **data: str) -> Obj:
    """The Secret as it is sent to the hub."""
    made = secret(name, **data).decode()
    labels = made["metadata"]["labels"]
    return {**made, "metadata": {"name": name, "namespace": "argocd", "labels": labels}}


def error(app: Any) -> str:
    """The message of the ComparisonError."""
    found = [each["message"] for each in app.get("status", {}).get("conditions", ())]
    return next(iter(found), "")


async def test_a_secret_in_the_hub_is_what_an_application_waits_for(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.put("shop/all.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n")
    source.commit()
    source.publish(tmp_path / "web" / "shop.git")
    web = WebServer(tmp_path / "web", login="ada:s3cr3t")
    url = web.url("shop.git")
    async with embedded_hub(tmp_path) as hub:
        access = HubAccess(hub.api, ("argocd",))
        repositories = GitRepositories(tmp_path / "cache", interval=3600, books={"hub": access}.get)
        try:
            await hub.create(created("other", url="https://git.example", password="x"))
            await hub.create(application(source={"repoURL": url, "path": "shop", "targetRevision": "main"}))
            async with running(hub, repositories):
                app = await hub.until(error, "the login is missing")
                assert "refused the login" in error(app)
                await hub.create(created("shop", url=url, username="ada", password="s3cr3t", depth="deep"))
                app = await hub.until(lambda app: "depth is no" in error(app), "a broken Secret is named")
                assert "Secret argocd/shop: depth is no whole number" in error(app)
                assert "s3cr3t" not in str(app)
                await hub.patch("Secret", "shop", {"data": {"depth": None}}, namespace="argocd")
                app = await hub.until(synced, "the application is synced")
                assert not error(app)
                await hub.delete("Secret", "shop", "argocd")
                await hub.until(lambda app: "refused the login" in error(app), "the login is gone")
        finally:
            access.close()
            await repositories.close()
            web.close()
