"""A cluster in which something always happens, and something always breaks; a seed decides what.

Owns: `Churn` (writes of every sort, straight to the store of an embedded cluster) and `Weather` (its faults). Called by
the property test of the informers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from backends.embedded.calls import Call
from backends.embedded.cluster import ADMIN, EmbeddedCluster
from backends.embedded.errors import ApiError
from backends.embedded.faults import Armed, Fault, Kind

Obj = dict[str, Any]
NAMESPACES = ("one", "two", "three")
KINDS = {
    "ConfigMap": ("", "v1", "configmaps"),
    "Secret": ("", "v1", "secrets"),
    "Deployment": ("apps", "v1", "deployments"),
}
NAMES = tuple(f"object-{number}" for number in range(9))
LABEL = "side"
"""The label that moves between two values; a selector takes one of them."""
WAYS = {
    "create": 25,
    "touch": 18,
    "relabel": 12,
    "status": 8,
    "delete": 12,
    "recreate": 8,
    "own": 4,
    "hold": 3,
    "let_go": 4,
    "delete_collection": 1,
    "delete_namespace": 1,
    "compact": 1,
}
"""What is done, and how often one is done in place of another."""
HELD = "example.com/held"


class Churn:
    """Writes at random. `step` makes one, `done` counts those that were carried out."""

    def __init__(self, cluster: EmbeddedCluster, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._store = cluster.store
        self._chance = chance
        for name in NAMESPACES:
            self._store.create(_namespace(name), manager="churn")

    def step(self) -> None:
        """One write; one that the server refuses changes nothing and does not count."""
        way = self._chance.choices(list(WAYS), list(WAYS.values()))[0]
        with suppress(ApiError):
            getattr(self, f"_{way}")()
            self.done[way] += 1

    def any_of(self, kind: str = "") -> tuple[str, str, str]:
        """Kind, namespace and name, of something that may or may not exist."""
        chance = self._chance
        return kind or chance.choice(list(KINDS)), chance.choice(NAMESPACES), chance.choice(NAMES)

    def made(self, kind: str, namespace: str, name: str) -> Obj:
        """An object to be created."""
        group, version, _ = KINDS[kind]
        meta = {"namespace": namespace, "name": name, "labels": {LABEL: self._chance.choice("ab")}}
        body: Obj = {"apiVersion": f"{group}/{version}".strip("/"), "kind": kind, "metadata": meta}
        if kind == "Deployment":
            labels = {"app": name}
            template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
            return body | {"spec": {"selector": {"matchLabels": labels}, "template": template}}
        return body | {"data": {}}

    # --- the ways ---------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        self._store.create(self.made(*self.any_of()), manager="churn")

    def _touch(self) -> None:
        self._annotate("touched", str(self._chance.random()))

    def _relabel(self) -> None:
        def change(meta: Obj) -> None:
            meta["labels"] = {LABEL: "b" if meta.get("labels", {}).get(LABEL) == "a" else "a"}

        self._change(change)

    def _status(self) -> None:
        _, namespace, name = self.any_of()
        status = {"replicas": self._chance.randrange(1000)}
        self._store.patch_status("apps", "Deployment", namespace, name, status, manager="churn")

    def _delete(self) -> None:
        kind, namespace, name = self.any_of()
        policy = self._chance.choice(("Background", "Foreground", "Orphan"))
        self._store.delete(KINDS[kind][0], kind, namespace, name, propagation=policy)

    def _recreate(self) -> None:
        kind, namespace, name = self.any_of()
        self._store.delete(KINDS[kind][0], kind, namespace, name)
        self._store.create(self.made(kind, namespace, name), manager="churn")

    def _own(self) -> None:
        _, namespace, name = self.any_of()
        uid = self._store.get("apps", "Deployment", namespace, name)["metadata"]["uid"]
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid}
        obj = self.made("ConfigMap", namespace, self._chance.choice(NAMES))
        obj["metadata"]["ownerReferences"] = [owner]
        self._store.create(obj, manager="churn")

    def _hold(self) -> None:
        self._change(lambda meta: meta.update(finalizers=[HELD]))

    def _let_go(self) -> None:
        self._change(lambda meta: meta.pop("finalizers", None))

    def _delete_collection(self) -> None:
        kind, namespace, _ = self.any_of()
        group, version, plural = KINDS[kind]
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        query = self._chance.choice(({}, {"labelSelector": f"{LABEL}=a"}))
        path = f"{root}/namespaces/{namespace}/{plural}"
        self._cluster.server.api.handle(Call("DELETE", path, query=query, headers={}, body=b"", user=ADMIN))

    def _delete_namespace(self) -> None:
        name = self._chance.choice(NAMESPACES)
        for kind, (group, _, _) in KINDS.items():
            for obj in self._store.list(group, kind, name):
                if obj["metadata"].pop("finalizers", None):
                    self._store.update(obj, manager="churn")
        self._store.delete("", "Namespace", "", name)
        self._store.create(_namespace(name), manager="churn")

    def _compact(self) -> None:
        self._store.storage.compact()

    def _annotate(self, key: str, value: str) -> None:
        self._change(lambda meta: meta.setdefault("annotations", {}).update({key: value}))

    def _change(self, change: Callable[[Obj], object]) -> None:
        kind, namespace, name = self.any_of()
        obj = self._store.get(KINDS[kind][0], kind, namespace, name)
        change(obj["metadata"])
        self._store.update(obj, manager="churn")


class Weather:
    """Faults at random, each kind as often as the others; `fired` counts what they struck."""

    def __init__(self, cluster: EmbeddedCluster, chance: random.Random) -> None:
        self.fired: Counter[Kind] = Counter()
        self._plan = cluster.faults
        self._chance = chance
        self._bag: list[Callable[[], Fault]] = []
        self._armed: list[Armed] = []

    def change(self) -> None:
        """One more fault; the oldest ends when there are several."""
        if not self._bag:
            self._bag = self._every()
            self._chance.shuffle(self._bag)
        self._armed.append(self._plan.add(self._bag.pop()()))
        if len(self._armed) > 3:
            self._end(self._armed.pop(0))

    def clear(self) -> None:
        """Blue sky."""
        while self._armed:
            self._end(self._armed.pop())

    def _end(self, armed: Armed) -> None:
        armed.clear()
        self.fired[armed.fault.kind] += armed.fired

    def _every(self) -> list[Callable[[], Fault]]:
        chance = self._chance
        kinds: list[Callable[[], Fault]] = [
            lambda: self._fault(Kind.LATENCY, seconds=chance.uniform(0.001, 0.01)),
            lambda: self._fault(Kind.HANG, at=chance.choice((None, 0, chance.randrange(3000)))),
            lambda: self._fault(Kind.RESET, at=chance.choice((None, 0, chance.randrange(3000)))),
            lambda: self._fault(Kind.SLOW, rate=chance.randrange(20_000, 500_000)),
            lambda: self._fault(Kind.WATCH_CUT, at=chance.randrange(4)),
            lambda: self._fault(Kind.NO_BOOKMARKS),
            lambda: self._fault(Kind.CLOCK_JUMP, seconds=chance.choice((-3600.0, 3600.0))),
        ]
        for code in (410, 500, 504):
            kinds.append(lambda code=code: self._fault(Kind.WATCH_ERROR, code=code, at=chance.randrange(4)))  # type: ignore[misc]
        for code in (401, 403, 404, 409, 410, 429, 500, 502, 503, 504):
            kinds.append(lambda code=code: self._fault(Kind.STATUS, code=code))  # type: ignore[misc]
        return kinds

    def _fault(self, kind: Kind, **more: Any) -> Fault:
        chance = self._chance
        verbs = chance.choice(
            (frozenset({"watch"}), frozenset({"list"}), frozenset({"list", "watch"}), frozenset[str]())
        )
        if kind in (Kind.WATCH_CUT, Kind.WATCH_ERROR, Kind.NO_BOOKMARKS):
            verbs = frozenset({"watch"})
        retry_after = chance.choice((None, 1)) if more.get("code") in (429, 503) else None
        return Fault(
            kind=kind,
            verbs=verbs,
            resource=chance.choice(("", "", *(plural for _, _, plural in KINDS.values()), "namespaces")),
            count=chance.randint(1, 4),
            after=chance.choice((0, 0, 0, 1, 2)),
            chance=chance.choice((1.0, 1.0, 0.5)),
            retry_after=retry_after,
            **more,
        )


def _namespace(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
