"""A repository that does not answer: what is known of it holds for a while, and nobody waits for it at every event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetui.engine import comparing, sources
from fleetui.engine.sources import AWAY, KEPT, Sources
from fleetui.model.errors import RepositoryUnreachableError
from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Repo, application, embedded_hub, eventually, running, synced

SOURCE = {"repoURL": Repo.url, "path": "shop", "targetRevision": "main"}
CONFIG: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}


class Remote(Repo):
    """A repository with a mirror: a commit that was fetched is known although the remote is away. Counts questions."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        if revision in self.commits and not fetch:
            return revision
        self.asked += 1
        return await super().resolve(revision, fetch=fetch)


@pytest.fixture
def repo() -> Remote:
    return Remote()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as running_hub:
        yield running_hub


class Overtaken(Repo):
    """A repository of two commits, of which the second is fetched while the first one is read."""

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        found = await super().resolve(revision)
        if len(self.commits) < 2:
            self.push(CONFIG)
        return found


async def test_a_revision_that_moves_while_it_is_read_is_not_kept() -> None:
    repo = Overtaken()
    first = repo.push(CONFIG)
    found = Sources(repo, lambda _: None)
    assert await found.resolve(SOURCE, "main") == first
    assert await found.resolve(SOURCE, "main") == repo.head != first


async def test_a_revision_is_known_for_a_minute_and_a_failure_for_seconds(repo: Remote) -> None:
    now = 0.0
    found = Sources(repo, lambda _: None, now=lambda: now)
    sha = repo.push(CONFIG)
    assert await found.resolve(SOURCE, "main") == await found.resolve(SOURCE, "main") == sha
    assert repo.asked == 1
    repo.down = RepositoryUnreachableError("no route to git.example", url=repo.url)
    assert await found.resolve(SOURCE, "main") == sha
    now = KEPT
    for _ in range(3):
        with pytest.raises(RepositoryUnreachableError, match=r"no route to git\.example"):
            await found.resolve(SOURCE, "main")
    assert repo.asked == 2, "not asked again at once"
    assert await found.resolve(SOURCE, sha) == sha, "a whole SHA needs no remote"
    with pytest.raises(RepositoryUnreachableError):
        await found.resolve(SOURCE, "main", fetch=True)
    assert repo.asked == 3, "who insists has it asked"
    repo.down = None
    with pytest.raises(RepositoryUnreachableError):
        await found.resolve(SOURCE, "main")
    now += AWAY
    assert await found.resolve(SOURCE, "main") == sha
    repo.down = RepositoryUnreachableError("no route", url=repo.url)
    with pytest.raises(RepositoryUnreachableError):
        await found.resolve(SOURCE, "main", fetch=True)
    repo.down = None
    repo.moved()
    assert await found.resolve(SOURCE, "main") == sha, "what tells of itself is asked"
    found.close()


async def test_meanwhile_the_cluster_is_held_to_the_commit_that_is_known(hub: Hub, repo: Remote) -> None:
    repo.push(CONFIG)
    await hub.create(application())
    async with running(hub, repo) as engine:
        before = await hub.until(synced, "the first sync")
        repo.down = RepositoryUnreachableError("no route to git.example", url=repo.url)
        repo.moved()
        await hub.patch("ConfigMap", "a", {"data": {"k": "2"}})
        await eventually(lambda: _holds(hub, "1"), "healed")
        app = await hub.until(synced, "in sync")
        assert app["status"]["sync"] == before["status"]["sync"]
        assert "conditions" not in app["status"]
        # Who asks is told, and what comes from the cluster does not take it back.
        await hub.patch("Application", "shop", _REFRESH, namespace="argocd")
        await hub.until(lambda app: app["status"]["sync"]["status"] == "Unknown", "told")
        await hub.patch("ConfigMap", "a", {"data": {"k": "3"}})
        await engine.idle()
        app = await hub.app()
        assert app["status"]["sync"]["status"] == "Unknown"
        assert "no route to git.example" in app["status"]["conditions"][0]["message"]
        repo.down = None
        repo.moved()
        await hub.until(lambda app: synced(app) and "conditions" not in app["status"], "and it goes on by itself")
        assert await _holds(hub, "1")


async def test_the_grace_ends(hub: Hub, repo: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.push(CONFIG)
    await hub.create(application())
    monkeypatch.setattr(sources, "KEPT", 0.0)
    monkeypatch.setattr(comparing, "REPOSITORY_GRACE", 0.0)
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
        repo.down = RepositoryUnreachableError("no route to git.example", url=repo.url)
        await hub.patch("ConfigMap", "a", {"metadata": {"annotations": {"example.com/note": "1"}}})
        await hub.until(lambda app: app["status"]["sync"]["status"] == "Unknown", "nobody had to ask")


_REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


async def _holds(hub: Hub, value: str) -> bool:
    return (await hub.get("ConfigMap", "a") or {}).get("data") == {"k": value}
