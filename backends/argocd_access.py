"""The logins of one hub, watched.

Owns: `HubAccess`: one watch of the repository Secrets, one of each of the two ConfigMaps about hosts, in the namespaces
of Argo CD's control plane alone. Made by the composition root, one for each hub whose repositories are opened. What the
objects say is read by `backends.argocd_repositories`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from backends.argocd_repositories import (
    KNOWN_HOSTS,
    REPOSITORY,
    TEMPLATE,
    TLS_CERTIFICATES,
    TYPE_LABEL,
    Book,
    known_hosts_of,
    texts_of,
)
from backends.git_poll import Closing
from backends.repository_access import RepositoryAccess
from fleetui.engine.clock import SystemClock
from fleetui.engine.gathering import Rechecked
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.ports import Cluster, Subscription

_log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for the first listing; then the user's own logins are used until the hub has answered."""

_SECRET = ApiResource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)
_CONFIG_MAP = ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
_LABELS = f"{TYPE_LABEL} in ({REPOSITORY},{TEMPLATE})"


class HubAccess:
    """See `backends.repository_access.WatchedAccess`; nothing is known where the hub may not be asked.

    Args:
        hub: the cluster.
        namespaces: those of Argo CD's control plane; whoever may write there decides which logins are used.
    """

    def __init__(self, hub: Cluster, namespaces: tuple[str, ...]) -> None:
        self._hub = hub
        self._book = Book()
        self._objects: dict[tuple[str, str], dict[ObjectRef, StoredObject]] = {}
        self._watches: list[Rechecked] = []
        self._refused: set[tuple[str, str]] = set()
        self._listeners: dict[object, Callable[[], None]] = {}
        self._waiting = {(namespace, what) for namespace in namespaces for what in ("", TLS_CERTIFICATES, KNOWN_HOSTS)}
        self._known = asyncio.Event()
        for each in tuple(self._waiting):
            self._start(each)

    def close(self) -> None:
        """Ends the watches; what is known stays."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        self._known.set()

    def find(self, url: str, project: str = "") -> RepositoryAccess | None:
        return self._book.find(url, project)

    def address(self, name: str, project: str = "") -> str:
        return self._book.address(name, project)

    def of_project(self, project: str) -> tuple[str, ...]:
        """See `Book.of_project`."""
        return self._book.of_project(project)

    async def ready(self) -> None:
        if self._known.is_set():
            return
        try:
            await asyncio.wait_for(self._known.wait(), PATIENCE)
        except TimeoutError:
            _log.warning("%s: its repository Secrets are not listed yet; your own logins are used", self._hub.name)
            # Nobody else waits as long: what comes late is told like any change.
            self._known.set()

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        key = object()
        self._listeners[key] = listener
        return Closing(partial(self._listeners.__delitem__, key))

    # --- what the watches say ---------------------------------------------------------------------------------------

    def _start(self, each: tuple[str, str]) -> None:
        namespace, name = each
        watch = Rechecked(
            self._hub,
            SystemClock(),
            settle=partial(self._settle, each),
            change=partial(self._take, each),
            refused=partial(self._refuse, each),
        )
        self._watches.append(watch)
        if name:
            watch.start(_CONFIG_MAP, namespace=namespace, fields=f"metadata.name={name}")
        else:
            watch.start(_SECRET, namespace=namespace, labels=_LABELS)

    def _settle(self, each: tuple[str, str], objects: Sequence[StoredObject]) -> None:
        self._refused.discard(each)
        known = self._objects.get(each, {})
        self._take(each, objects, set(known) - {obj.ref for obj in objects})
        self._have(each)

    def _refuse(self, each: tuple[str, str], error: ForbiddenError) -> None:
        if each not in self._refused:
            _log.warning("%s: %s; your own logins are used", self._hub.name, error)
        self._refused.add(each)
        self._have(each)

    def _take(self, each: tuple[str, str], objects: Sequence[StoredObject], gone: set[ObjectRef]) -> None:
        known = self._objects.setdefault(each, {})
        if not gone and all(obj.ref in known and known[obj.ref].raw == obj.raw for obj in objects):
            return
        for ref in gone:
            known.pop(ref, None)
        known |= {obj.ref: obj for obj in objects}
        before, self._book = self._book, self._read()
        for name, problem in self._book.problems.items():
            if before.problems.get(name) != problem:
                _log.warning("%s: %s", self._hub.name, problem)
        for listener in list(self._listeners.values()):
            listener()

    def _read(self) -> Book:
        secrets: list[StoredObject] = []
        certificates: dict[str, str] = {}
        hosts: list[str] = []
        for (_, name), objects in self._objects.items():
            for obj in objects.values():
                if name == TLS_CERTIFICATES:
                    certificates |= {host.lower(): pem for host, pem in texts_of(obj).items()}
                elif name == KNOWN_HOSTS:
                    hosts.append(known_hosts_of(obj))
                else:
                    secrets.append(obj)
        return Book(secrets, certificates=certificates, known_hosts="\n".join(hosts))

    def _have(self, each: tuple[str, str]) -> None:
        self._waiting.discard(each)
        if not self._waiting:
            self._known.set()
