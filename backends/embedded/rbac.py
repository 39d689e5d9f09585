"""Who may do what: roles and bindings, as the objects in the store say.

Owns: `Authorizer`. Reads Roles, ClusterRoles and their bindings of one store; written by nobody here (`escalation`
looks at what is about to be written). Called by `handlers` and `reviews`. Rules: Kubernetes v1.37
plugin/pkg/auth/authorizer/rbac/rbac.go, pkg/registry/rbac/validation/rule.go, pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from backends.embedded import errors
from backends.embedded.access import MASTERS, Access, User, refusal
from backends.embedded.storage import Event, Record, key_of

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

GROUP = "rbac.authorization.k8s.io"
KINDS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
SERVICE_ACCOUNT = "system:serviceaccount:"
REMEMBERED = 1_000
"""Users and namespaces whose rules are kept."""


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """A PolicyRule."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] | None = ()
    resources: tuple[str, ...] | None = ()
    resource_names: tuple[str, ...] | None = ()
    non_resource_urls: tuple[str, ...] | None = msgspec.field(default=(), name="nonResourceURLs")

    def allows(self, access: Access) -> bool:
        """Whether it lets somebody do that (RuleAllows)."""
        if not _either(self.verbs, access.verb):
            return False
        if access.path:
            return any(url_covers(url, access.path) for url in self.non_resource_urls or ())
        return (
            _either(self.api_groups or (), access.group)
            and self._takes_resource(access)
            and (not self.resource_names or access.name in self.resource_names)
        )

    def _takes_resource(self, access: Access) -> bool:
        wanted = ("*", access.resource, f"*/{access.subresource}" if access.subresource else "*")
        return any(resource in wanted for resource in self.resources or ())


def _either(values: tuple[str, ...], wanted: str) -> bool:
    return "*" in values or wanted in values


def url_covers(pattern: str, path: str) -> bool:
    """Whether a nonResourceURL takes in a path, or another pattern."""
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


class Decision(msgspec.Struct, frozen=True):
    """Whether somebody may, and what the authorizer says of it."""

    allowed: bool
    reason: str = ""


class Grant(msgspec.Struct, frozen=True):
    """A rule that somebody holds, and through what; or why a binding of his gives nothing."""

    rule: Rule | None
    source: str


class Authorizer:
    """Answers from the roles and bindings of a store; what a user holds is kept until one of them changes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._held: dict[tuple[User, str], tuple[Grant, ...]] = {}
        store.storage.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        if event.resource.group == GROUP:
            self._held.clear()

    def decide(self, access: Access) -> Decision:
        """Whether a user may do something. A member of system:masters may do everything."""
        if MASTERS in access.user.groups:
            return Decision(allowed=True)
        grants = self.grants(access.user, access.namespace)
        for grant in grants:
            if grant.rule is not None and grant.rule.allows(access):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant.source}")
        faults = list(dict.fromkeys(grant.source for grant in grants if grant.rule is None))
        text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        return Decision(allowed=False, reason=f"rbac: RBAC: {text}" if faults else "")

    def authorize(self, access: Access) -> None:
        """Refuses what nothing allows.

        Raises:
            ApiError: 403.
        """
        decision = self.decide(access)
        if not decision.allowed:
            raise refusal(access, decision.reason)

    def grants(self, user: User, namespace: str) -> tuple[Grant, ...]:
        """What a user holds in a namespace, what he holds in the whole cluster first (VisitRulesFor)."""
        key = user, namespace
        if key not in self._held:
            if len(self._held) >= REMEMBERED:
                self._held.clear()
            found = list(self._bound(user, "ClusterRoleBinding", ""))
            if namespace:
                found.extend(self._bound(user, "RoleBinding", namespace))
            self._held[key] = tuple(found)
        return self._held[key]

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """The rules alone."""
        return [grant.rule for grant in self.grants(user, namespace) if grant.rule is not None]

    def rules_of(self, reference: Mapping[str, Any], namespace: str) -> list[Rule]:
        """The rules of a role that a binding refers to.

        Raises:
            ApiError: 404, there is no such role.
        """
        kind, name = reference.get("kind", ""), reference.get("name", "")
        found = self._record(kind, namespace if kind == "Role" else "", name)
        if found is None:
            raise errors.not_found(GROUP, kind.lower(), name)
        return msgspec.convert(found.decode().get("rules") or [], list[Rule])

    def _bound(self, user: User, kind: str, namespace: str) -> Iterator[Grant]:
        for binding in self._store.list(GROUP, kind, namespace):
            subject = next((s for s in binding.get("subjects") or () if _is(user, s, namespace)), None)
            if subject is None:
                continue
            try:
                rules = self.rules_of(binding["roleRef"], namespace)
            except errors.ApiError as error:
                yield Grant(None, error.message)
                continue
            source = _told(binding, subject, namespace)
            yield from (Grant(rule, source) for rule in rules)

    def _record(self, kind: str, namespace: str, name: str) -> Record | None:
        return self._store.storage.lookup((GROUP, kind), key_of(namespace, name)) if kind in KINDS else None


def _is(user: User, subject: Mapping[str, Any], namespace: str) -> bool:
    """Whether a subject is that user (appliesToUser)."""
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(name == user.name)
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            where = subject.get("namespace") or namespace
            return bool(where) and user.name == f"{SERVICE_ACCOUNT}{where}:{name}"
    return False


def _told(binding: Mapping[str, Any], subject: Mapping[str, Any], namespace: str) -> str:
    """A binding in the words of an authorizer's reason."""
    name, who = binding["metadata"]["name"], subject.get("name", "")
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    full = f"{name}/{namespace}" if namespace else name
    role = binding["roleRef"]
    return f'{kind} "{full}" of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{who}"'
