"""History rows beside their commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from fleetui.fleet.audit import AuditRecord, Ending
from fleetui.fleet.history import Commits, history_of, origin_of
from fleetui.gitports import Repository
from fleetui.model.app import App, AppKey, HistoryEntry, Source
from fleetui.model.change import Commit
from fleetui.model.errors import GitError, PathNotFoundError, RepositoryUnreachableError, RevisionNotFoundError
from fleetui.model.objects import ClusterName
from fleetui.model.times import parse_time
from fleetui.ports import Subscription
from fleetui.renderports import Tree
from tests.trees import DictTree
from tests.uncommitted import Uncommitted
from tests.unit.fakes import Closing

KEY = AppKey(ClusterName("hub"), "argo", "argocd", "payments")
FOLDER = "apps/payments"
SOURCE = Source(repo_url="https://git.example/k8s", path="apps")


class FakeRepository(Uncommitted):
    """Commits by revision, their files below `FOLDER`; those in `unfetched` are known after a fetch."""

    def __init__(self, *known: str, unfetched: str = "", error: GitError | None = None) -> None:
        self.put: list[tuple[str, str, str, str, tuple[str, str]]] = []
        self.url = SOURCE.repo_url
        self.known, self.unfetched, self.error = set(known), unfetched, error
        self.fetches = 0
        self.files_of: dict[str, Mapping[str, bytes]] = {}

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        if self.error is not None:
            raise self.error
        if fetch:
            self.fetches += 1
            self.known.add(self.unfetched)
        if revision not in self.known:
            raise RevisionNotFoundError(f"{self.url} has no revision {revision}")
        return revision

    async def tree(self, sha: str) -> Tree:
        files = {f"{FOLDER}/{name}": content for name, content in self.files_of.get(sha, {}).items()}
        return DictTree(files | {"README.md": b""}, sha)

    async def commit(self, sha: str) -> Commit:
        return Commit(sha, "Ann Lee", "ann@example.com", 1.0, f"subject of {sha}")

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        raise PathNotFoundError(f"{self.url} has no {path}")

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        self.put.append((branch, path, revision, message, author))
        return "c" * 40

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        return Closing(lambda: None)


class FakeRepositories:
    def __init__(self, repository: FakeRepository) -> None:
        self.repository = repository

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        return self.repository

    async def close(self) -> None:
        return None


def app(*entries: HistoryEntry) -> App:
    return App(key=KEY, source=SOURCE, history=entries)


async def told(repository: FakeRepository, *entries: HistoryEntry) -> list[tuple[int, str, bool]]:
    rows = await history_of(app(*entries), Commits(FakeRepositories(repository)))
    return [(row.id, row.commit.subject if row.commit else row.problem, row.current) for row in rows]


async def test_newest_first_and_the_newest_is_what_runs() -> None:
    rows = await told(FakeRepository("a", "b"), HistoryEntry(0, "a"), HistoryEntry(1, "b"), HistoryEntry(2, "a"))
    assert rows == [(2, "subject of a", True), (1, "subject of b", False), (0, "subject of a", False)]


async def test_a_commit_newer_than_the_mirror_is_fetched() -> None:
    repository = FakeRepository("a", unfetched="b")
    assert await told(repository, HistoryEntry(0, "b")) == [(0, "subject of b", True)]
    assert repository.fetches == 1


async def test_what_git_can_not_say_is_said() -> None:
    assert await told(FakeRepository(), HistoryEntry(0, "gone")) == [
        (0, "https://git.example/k8s has no revision gone", True)
    ]
    away = FakeRepository(error=RepositoryUnreachableError("https://git.example/k8s does not answer"))
    assert await told(away, HistoryEntry(0, "a")) == [(0, "https://git.example/k8s does not answer", True)]
    chart = HistoryEntry(0, "1.2.3", source=Source(repo_url="https://charts.example", chart="redis"))
    assert await told(FakeRepository(), chart) == [(0, "version 1.2.3 of chart redis: no commit", True)]
    assert await told(FakeRepository(), HistoryEntry(0, "")) == [(0, "no revision is on record", True)]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({}, True),
        ({"action": "rollback"}, True),
        ({"action": "refresh"}, False),
        ({"ending": Ending.REFUSED}, False),
        ({"dry_run": True}, False),
        ({"time": "2026-03-01T10:00:04Z"}, True),
        ({"time": "2026-03-01T10:00:10Z"}, False),
        ({"time": "2026-03-01T09:45:00Z"}, False),
    ],
)
def test_who_asked_for_an_entry_is_the_last_who_did_before_it_began(record: dict[str, Any], found: bool) -> None:
    known: dict[str, Any] = {"time": "2026-03-01T09:59:58Z", "who": "ann@bastion", "origin": "ssh 10.0.0.7"}
    known |= {"action": "sync", "app": "argocd/payments", "cluster": "hub", "ending": Ending.ACCEPTED}
    entry = HistoryEntry(1, "a", started_at=parse_time("2026-03-01T10:00:00Z"))
    origin = origin_of(entry, [AuditRecord(**{**known, **record})])
    assert origin == ("ann@bastion, ssh 10.0.0.7" if found else "")
    assert origin_of(msgspec.structs.replace(entry, automated=True), [AuditRecord(**known)]) == ""
