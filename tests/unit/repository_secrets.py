"""A hub's objects about repositories, made in one line, and a book of logins that a test changes.

Owns: `secret`, `template`, `host_map`, `HandBook`, `books`. Called by the tests of the Git backends.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from backends.argocd_repositories import Book
from backends.repository_access import RepositoryAccess
from fleetui.model.objects import StoredObject
from fleetui.ports import Subscription
from tests.unit.fakes import Closing, manifest, stored


def secret(name: str = "repo", /, *, kind: str = "repository", **data: str) -> StoredObject:
    """A repository Secret; `data` by its keys."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"labels": {"argocd.argoproj.io/secret-type": kind}}
    return stored(manifest("Secret", name, namespace="argocd", metadata=metadata, data=encoded))


def template(name: str = "template", /, **data: str) -> StoredObject:
    return secret(name, kind="repo-creds", **data)


def host_map(name: str, data: Mapping[str, str]) -> StoredObject:
    """One of the ConfigMaps about hosts."""
    return stored(manifest("ConfigMap", name, namespace="argocd", data=dict(data)))


class HandBook:
    """A `WatchedAccess` whose hub says what the test says."""

    def __init__(self, *secrets: StoredObject, certificates: Mapping[str, str] | None = None, hosts: str = "") -> None:
        self._certificates = certificates
        self._hosts = hosts
        self._book = Book()
        self._listeners: list[Callable[[], None]] = []
        self.says(*secrets)

    def says(self, *secrets: StoredObject) -> None:
        self._book = Book(secrets, certificates=self._certificates, known_hosts=self._hosts)
        for listener in self._listeners:
            listener()

    def find(self, url: str, project: str = "") -> RepositoryAccess | None:
        return self._book.find(url, project)

    def address(self, name: str, project: str = "") -> str:
        return self._book.address(name, project)

    def of_project(self, project: str) -> tuple[str, ...]:
        return self._book.of_project(project)

    async def ready(self) -> None:
        return None

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        self._listeners.append(listener)
        return Closing(lambda: self._listeners.remove(listener))


def books(**hubs: HandBook) -> Callable[[str], HandBook | None]:
    """What `GitRepositories` asks: the book of each hub by its name."""
    return hubs.get
