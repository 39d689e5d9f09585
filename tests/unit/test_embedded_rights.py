"""Roles, bindings and who may be whom, on a store alone; both servers' answers are compared in tests/contract."""

from __future__ import annotations

from typing import Any

import pytest

from backends.embedded.access import AUTHENTICATED, MASTERS, NOBODY, Access, User, access_of
from backends.embedded.errors import ApiError
from backends.embedded.escalation import guard
from backends.embedded.impersonation import impersonated
from backends.embedded.rbac import GROUP, REMEMBERED, Authorizer, Rule
from backends.embedded.store import ObjectStore

Obj = dict[str, Any]
JANE = User("jane", ("team", AUTHENTICATED))
ROOT = User("root", (MASTERS, AUTHENTICATED))


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore()


def create(store: ObjectStore, kind: str, name: str, *, namespace: str = "", **more: Any) -> None:
    meta: Obj = {"name": name, **more.pop("metadata", {})} | ({"namespace": namespace} if namespace else {})
    store.create({"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta, **more}, manager="test")


def rule(verbs: str, resources: str, groups: str = "") -> Obj:
    return {"verbs": verbs.split(), "apiGroups": groups.split() or [""], "resources": resources.split()}


def bind(store: ObjectStore, role: str, *, to: Obj, kind: str = "ClusterRole", namespace: str = "") -> None:
    reference = {"apiGroup": GROUP, "kind": kind, "name": role}
    of = "RoleBinding" if namespace else "ClusterRoleBinding"
    create(store, of, f"{role}-{to['name']}", namespace=namespace, roleRef=reference, subjects=[to])


@pytest.mark.parametrize(
    ("given", "access", "allowed"),
    [
        (Rule(("get",), ("",), ("pods",)), Access(JANE, "get", "", "pods"), True),
        (Rule(("get",), ("",), ("pods",)), Access(JANE, "list", "", "pods"), False),
        (Rule(("get",), ("",), ("pods",)), Access(JANE, "get", "apps", "pods"), False),
        (Rule(("get",), ("",), ("pods",)), Access(JANE, "get", "", "pods", subresource="log"), False),
        (Rule(("get",), ("",), ("pods/log",)), Access(JANE, "get", "", "pods", subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), Access(JANE, "get", "", "pods", subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), Access(JANE, "get", "", "pods"), False),
        (Rule(("*",), ("*",), ("*",)), Access(JANE, "delete", "apps", "deployments", subresource="scale"), True),
        (Rule(("*",), ("*",), ("*",)), Access(JANE, "get", path="/metrics"), False),
        (Rule(("get",), ("",), ("pods",), ("a",)), Access(JANE, "get", "", "pods", name="a"), True),
        (Rule(("get",), ("",), ("pods",), ("a",)), Access(JANE, "get", "", "pods"), False),
        (Rule(("get",), non_resource_urls=("/healthz/*",)), Access(JANE, "get", path="/healthz/ping"), True),
        (Rule(("get",), non_resource_urls=("/healthz/*",)), Access(JANE, "get", path="/livez"), False),
    ],
)
def test_what_a_rule_allows(given: Rule, access: Access, allowed: bool) -> None:
    assert given.allows(access) is allowed


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "1"}, ("watch", "", "pods", "n", "", "")),
        ("GET", "/api/v1/namespaces/n", {}, ("get", "", "namespaces", "n", "n", "")),
        (
            "GET",
            "/apis/apps/v1/namespaces/n/deployments/d/scale",
            {},
            ("get", "apps", "deployments", "n", "d", "scale"),
        ),
        ("DELETE", "/api/v1/namespaces/n/pods", {}, ("deletecollection", "", "pods", "n", "", "")),
        ("PUT", "/api/v1/namespaces/n/finalize", {}, ("update", "", "namespaces", "n", "n", "finalize")),
        ("GET", "/api/v1/pods", {"fieldSelector": "metadata.name=a"}, ("list", "", "pods", "", "a", "")),
    ],
)
def test_what_a_request_wants(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    found = access_of(JANE, method, path, query)
    assert (found.verb, found.group, found.plural, found.namespace, found.name, found.subresource) == expected


def test_bindings_of_users_groups_and_accounts(store: ObjectStore) -> None:
    authorizer = Authorizer(store)
    bot = User("system:serviceaccount:shop:bot")
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, manager="test")

    def may(user: User, verb: str, plural: str, namespace: str = "shop") -> bool:
        return authorizer.decide(Access(user, verb, "", plural, namespace)).allowed

    assert not may(JANE, "list", "configmaps")
    bind(store, "view", to={"kind": "Group", "name": "team", "apiGroup": GROUP})
    assert may(JANE, "list", "configmaps")
    assert not may(JANE, "list", "secrets")
    assert not may(NOBODY, "list", "configmaps")
    bind(store, "edit", to={"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}, namespace="shop")
    assert may(bot, "create", "secrets")
    assert not may(bot, "create", "secrets", "default")
    store.delete(GROUP, "ClusterRoleBinding", "", "view-team")
    assert not may(JANE, "list", "configmaps")
    assert authorizer.decide(Access(ROOT, "anything", "at", "all")).allowed


def test_what_is_remembered_of_users_is_bounded(store: ObjectStore) -> None:
    authorizer = Authorizer(store)
    for number in range(REMEMBERED + 10):
        authorizer.decide(Access(User(f"user-{number}"), "get", "", "pods"))
    assert len(authorizer._held) <= REMEMBERED


def test_a_role_becomes_part_of_those_that_select_it(store: ObjectStore) -> None:
    def rules(name: str) -> list[Obj]:
        found: list[Obj] = store.get(GROUP, "ClusterRole", "", name)["rules"]
        return found

    wanted = rule("get list watch", "lamps", "example.com")
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    create(store, "ClusterRole", "lamps", metadata={"labels": labels}, rules=[wanted])
    for name in ("view", "edit", "admin"):
        assert wanted in rules(name), name
    managers = {entry["manager"] for entry in store.get(GROUP, "ClusterRole", "", "view")["metadata"]["managedFields"]}
    assert "clusterrole-aggregation-controller" in managers
    store.delete(GROUP, "ClusterRole", "", "lamps")
    for name in ("view", "edit", "admin"):
        assert wanted not in rules(name), name


def test_nobody_gives_away_what_he_does_not_hold(store: ObjectStore) -> None:
    authorizer = Authorizer(store)
    access = Access(JANE, "create", GROUP, "clusterroles")
    look = guard(authorizer, access)
    assert look is not None
    assert guard(authorizer, Access(ROOT, "create", GROUP, "clusterroles")) is None
    assert guard(authorizer, Access(JANE, "create", "", "pods")) is None
    new = {"metadata": {"name": "r"}, "rules": [rule("get list", "pods"), rule("get", "nodes")]}
    with pytest.raises(ApiError) as refused:
        look(new, None)
    assert refused.value.code == 403
    assert refused.value.message.splitlines() == [
        'clusterroles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["team" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:",
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
    ]
    look(new | {"metadata": {"name": "r", "finalizers": ["a/b"]}}, new)  # the garbage collector may do its work
    create(store, "ClusterRole", "all-pods", rules=[rule("*", "pods"), rule("*", "nodes")])
    bind(store, "all-pods", to={"kind": "User", "name": "jane", "apiGroup": GROUP})
    look(new, None)


def test_speaking_for_others_has_to_be_allowed(store: ObjectStore) -> None:
    authorizer = Authorizer(store)
    headers = [("impersonate-user", "bob"), ("impersonate-group", "g"), ("impersonate-extra-scopes", "view")]
    assert impersonated(JANE, [("accept", "x")], authorizer) is JANE
    bob = impersonated(ROOT, headers, authorizer)
    assert bob == User("bob", ("g", AUTHENTICATED), "", (("scopes", ("view",)),))
    with pytest.raises(ApiError, match='User "jane" cannot impersonate resource "users"'):
        impersonated(JANE, headers, authorizer)
    create(store, "ClusterRole", "faces", rules=[rule("impersonate", "users groups")])
    bind(store, "faces", to={"kind": "User", "name": "jane", "apiGroup": GROUP})
    with pytest.raises(ApiError, match=r'cannot impersonate resource "userextras/scopes"'):
        impersonated(JANE, headers, authorizer)
    assert impersonated(JANE, headers[:2], authorizer).name == "bob"
    with pytest.raises(ApiError, match="without impersonating a user"):
        impersonated(ROOT, headers[1:], authorizer)
