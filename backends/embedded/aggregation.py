"""Aggregated ClusterRoles: their rules are those of the ClusterRoles that they select.

Owns: `Aggregation`. Works on each event of the store, so that a role's effect is there when the write that made it is
answered; on a real cluster a controller does so a moment later. Rules: Kubernetes v1.37
pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.embedded import selectors
from backends.embedded.rbac import GROUP
from backends.embedded.storage import Event
from backends.embedded.writing import Request

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

MANAGER = "clusterrole-aggregation-controller"
PASSES = 100
"""More would mean roles that select each other in a ring and never agree."""

ROLE = (GROUP, "ClusterRole")
Obj = dict[str, Any]


class Aggregation:
    """Keeps the aggregated roles of one store up to date."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._settling = False

    def on_event(self, event: Event) -> None:
        """Settles all, since a role came, changed or went."""
        if event.resource.group_kind == ROLE and not self._settling:
            self.settle()

    def settle(self) -> None:
        """Looks at the aggregated roles until none changes: one may be part of another."""
        self._settling = True
        try:
            for _ in range(PASSES):
                if not self._change():
                    return
        finally:
            self._settling = False

    def _change(self) -> bool:
        """Whether there was one to bring up to date; the last by name first, which is the smallest of the usual."""
        roles = self._store.list(*ROLE)
        for role in reversed(roles):
            if role.get("aggregationRule"):
                rules = _gathered(role, roles)
                if rules != (role.get("rules") or []):
                    self._write(role["metadata"]["name"], rules)
                    return True
        return False

    def _write(self, name: str, rules: list[Any]) -> None:
        resource = self._store.resources.by_kind(*ROLE)
        assert resource is not None
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        config = head | {"metadata": {"name": name}, "rules": rules}
        self._store.apply(resource, "", name, config, request=Request(MANAGER, force=True))


def _gathered(role: Obj, roles: list[Obj]) -> list[Any]:
    rules: list[Any] = []
    for wanted in role["aggregationRule"].get("clusterRoleSelectors") or ():
        takes = selectors.of_label_selector(wanted)
        for other in roles:
            if other is not role and takes(other["metadata"].get("labels") or {}):
                rules.extend(rule for rule in other.get("rules") or () if rule not in rules)
    return rules
