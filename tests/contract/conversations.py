"""Conversations with an API server: requests one after the other, as a table.

Owns: `Step` and the conversations that test_same_conversations.py holds with both servers. In paths and bodies ``NS``
stands for a namespace of the conversation's own, ``GROUP`` for an API group of its own, ``UNIQUE`` for a word that no
other test uses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class Step(NamedTuple):
    """One request.

    `kind` is that of a patch (`client.KINDS`); `user` is who it is made for; `until` is the status to wait for, where
    something follows a moment after the request before; `headers` are sent beside the usual ones.
    """

    method: str
    path: str
    body: Any = None
    kind: str = ""
    user: str = ""
    until: int = 0
    headers: tuple[tuple[str, str], ...] = ()


def get(path: str, **more: Any) -> Step:
    return Step("GET", path, **more)


def post(path: str, body: Any, **more: Any) -> Step:
    return Step("POST", path, body, **more)


def put(path: str, body: Any, **more: Any) -> Step:
    return Step("PUT", path, body, **more)


def patch(kind: str, path: str, body: Any, **more: Any) -> Step:
    return Step("PATCH", path, body, kind, **more)


def delete(path: str, body: Any = None, **more: Any) -> Step:
    return Step("DELETE", path, body, **more)


CONFIGMAPS, SECRETS = "/api/v1/namespaces/NS/configmaps", "/api/v1/namespaces/NS/secrets"
SERVICES, PODS = "/api/v1/namespaces/NS/services", "/api/v1/namespaces/NS/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/NS/deployments"
JOBS = "/apis/batch/v1/namespaces/NS/jobs"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/NS/roles", f"{RBAC}/namespaces/NS/rolebindings"
REVIEWS = "/apis/authorization.k8s.io/v1"
JANE = "jane-UNIQUE"


def role(name: str, *rules: Json) -> Json:
    return {"metadata": {"name": name}, "rules": list(rules)}


def rule(verbs: str, resources: str, groups: str = "", *names: str) -> Json:
    body = {"verbs": verbs.split(), "apiGroups": groups.split() or [""], "resources": resources.split()}
    return body | ({"resourceNames": list(names)} if names else {})


def binding(name: str, kind: str, to: str, *subjects: Json) -> Json:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": to}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": list(subjects)}


def person(name: str = JANE, kind: str = "User") -> Json:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def may(verb: str, resource: str, **more: str) -> Json:
    return {"spec": {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": "NS", **more}}}


def configmap(name: str, **data: str) -> Json:
    return {"metadata": {"name": name}, "data": data or {"a": "1"}}


POD_SPEC: Json = {"containers": [{"name": "web", "image": "nginx"}]}
TEMPLATE: Json = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}


def deployment(name: str, **spec: Any) -> Json:
    body: Json = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {"metadata": {"name": name}, "spec": body | spec}


def definition(schema: Json, *, kind: str = "Widget", **version: Any) -> Json:
    plural = f"{kind.lower()}s"
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}} | version
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    spec = {"group": "GROUP", "scope": "Namespaced", "names": names, "versions": [served]}
    return {"metadata": {"name": f"{plural}.GROUP"}, "spec": spec}


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/GROUP/v1/namespaces/NS/widgets"


def widget(name: str, spec: Json, **more: Any) -> Json:
    return {"apiVersion": "GROUP/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec, **more}


RIGHTS: dict[str, list[Step]] = {
    "a stranger may not": [
        get(CONFIGMAPS, user=JANE),
        get(f"{CONFIGMAPS}/a", user=JANE),
        get("/api/v1/configmaps", user=JANE),
        get(f"{CONFIGMAPS}?watch=true", user=JANE),
        get(f"{CONFIGMAPS}?fieldSelector=metadata.name%3Da", user=JANE),
        post(CONFIGMAPS, configmap("a"), user=JANE),
        put(f"{CONFIGMAPS}/a", configmap("a"), user=JANE),
        patch("merge", f"{CONFIGMAPS}/a", {}, user=JANE),
        delete(f"{CONFIGMAPS}/a", user=JANE),
        delete(CONFIGMAPS, user=JANE),
        get("/api/v1/nodes", user=JANE),
        get("/api/v1/namespaces/NS", user=JANE),
        get(f"{DEPLOYMENTS}/a/scale", user=JANE),
        put("/api/v1/namespaces/NS/finalize", {}, user=JANE),
        get("/apis/nosuch.example.com/v1/namespaces/NS/things", user=JANE),
        get("/metrics", user=JANE),
        get("/<b>", user=JANE),
        get("/apis/apps", user=JANE),
        get("/readyz", user=JANE),
        get("/nosuch"),
    ],
    "a role in a namespace": [
        post(ROLES, role("reader", rule("get list", "configmaps"), rule("get", "secrets", "", "one"))),
        post(BINDINGS, binding("readers", "Role", "reader", person())),
        get(f"{CONFIGMAPS}?labelSelector=x", user=JANE, until=200),
        post(SECRETS, {"metadata": {"name": "one"}}),
        get(f"{SECRETS}/one", user=JANE),
        get(f"{SECRETS}/two", user=JANE),
        get(SECRETS, user=JANE),
        get("/api/v1/configmaps", user=JANE),
        post(CONFIGMAPS, configmap("a"), user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("list", "configmaps"), user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("get", "secrets", name="one"), user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("get", "secrets", name="two"), user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("delete", "configmaps"), user=JANE),
        delete(f"{BINDINGS}/readers"),
        get(f"{CONFIGMAPS}?labelSelector=x", user=JANE, until=403),
    ],
    "a cluster role in a namespace": [
        post(BINDINGS, binding("editors", "ClusterRole", "edit", person())),
        get(f"{CONFIGMAPS}?labelSelector=x", user=JANE, until=200),
        post(CONFIGMAPS, configmap("a"), user=JANE),
        patch("merge", f"{CONFIGMAPS}/a", {"data": {"a": "2"}}, user=JANE),
        get("/api/v1/nodes", user=JANE),
        get(ROLES, user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("create", "pods", subresource="exec"), user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("get", "pods", subresource="log"), user=JANE),
    ],
    "a binding to nothing": [
        post(BINDINGS, binding("lost", "Role", "nosuch", person())),
        post(ROLES, role("other", rule("list", "services"))),
        post(BINDINGS, binding("others", "Role", "other", person())),
        # The authorizer hears of the bindings in their order: once it knows of this one, it knows of the lost one too.
        get(SERVICES, user=JANE, until=200),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("list", "configmaps"), user=JANE),
        get(CONFIGMAPS, user=JANE),
        get(f"{CONFIGMAPS}/a", user=JANE),
    ],
    "rules of subresources, groups and accounts": [
        post(ROLES, role("scaler", rule("get update", "*/scale", "apps"), rule("*", "services", "*"))),
        post(BINDINGS, binding("team", "Role", "scaler", person("team-UNIQUE", "Group"))),
        post(BINDINGS, binding("bots", "Role", "scaler", {"kind": "ServiceAccount", "name": "bot", "namespace": "NS"})),
        get(SERVICES, user="system:serviceaccount:NS:bot", until=200),
        post(
            f"{REVIEWS}/subjectaccessreviews",
            {"spec": may("update", "deployments", group="apps", subresource="scale")["spec"] | {
                "user": "x", "groups": ["team-UNIQUE"]}},
        ),
        post(f"{REVIEWS}/subjectaccessreviews", {"spec": may("get", "deployments")["spec"] | {"user": "x"}}),
        get(SERVICES, user="system:serviceaccount:NS:other"),
        get(f"{DEPLOYMENTS}/a/scale", user="system:serviceaccount:NS:bot"),
        get(f"{DEPLOYMENTS}/a", user="system:serviceaccount:NS:bot"),
        post(f"{REVIEWS}/namespaces/NS/localsubjectaccessreviews",
             may("list", "services") | {"metadata": {"namespace": "NS"},
              "spec": may("list", "services")["spec"] | {"user": "system:serviceaccount:NS:bot"}}),
    ],
    "what one holds": [
        post(ROLES, role("reader", rule("get list", "configmaps"), rule("get", "secrets", "", "one"))),
        post(BINDINGS, binding("readers", "Role", "reader", person())),
        get(f"{CONFIGMAPS}?labelSelector=x", user=JANE, until=200),
        post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "NS"}}, user=JANE),
        post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {}}, user=JANE),
        post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, user=JANE),
    ],
    "reviews that ask for nothing": [
        post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}}),
        post(f"{REVIEWS}/subjectaccessreviews", may("get", "pods")),
        post(f"{REVIEWS}/selfsubjectaccessreviews",
             {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}}, user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews",
             {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/apis/apps"}}}, user=JANE),
        post(f"{REVIEWS}/selfsubjectaccessreviews", may("get", "pods")),
        post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}}),
    ],
    "nobody gives away what he does not hold": [
        post(ROLES, role("granter", rule("get", "configmaps"), rule(
            "create update patch get", "roles rolebindings", "rbac.authorization.k8s.io"))),
        post(BINDINGS, binding("granters", "Role", "granter", person())),
        get(f"{ROLES}/granter", user=JANE, until=200),
        post(ROLES, role("same", rule("get", "configmaps")), user=JANE),
        post(ROLES, role("more", rule("get delete", "configmaps"), rule("get list", "pods pods/log")), user=JANE),
        patch("merge", f"{ROLES}/same", {"rules": [rule("*", "*", "*")]}, user=JANE),
        post(BINDINGS, binding("all", "ClusterRole", "cluster-admin", person()), user=JANE),
        post(BINDINGS, binding("same", "Role", "same", person()), user=JANE),
        post(BINDINGS, binding("none", "Role", "nosuch", person()), user=JANE),
        patch("merge", f"{BINDINGS}/granters", {"roleRef": {"name": "same"}}),
        patch("merge", f"{BINDINGS}/granters", {"metadata": {"labels": {"a": "b"}}}),
    ],
    "speaking for others": [
        post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, user="bob", headers=(
            ("Impersonate-Group", "g"), ("Impersonate-Extra-Scopes", "view"), ("Impersonate-Uid", "u1"))),
        post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, user="system:serviceaccount:NS:bot"),
        post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, user="system:anonymous"),
    ],
    "creating by patch and by put": [
        post(ROLES, role("writer", rule("get update patch", "configmaps leases", "", ))),
        post(ROLES, role("leaser", rule("get update patch", "leases", "coordination.k8s.io"))),
        post(BINDINGS, binding("writers", "Role", "writer", person())),
        post(BINDINGS, binding("leasers", "Role", "leaser", person())),
        get(f"{CONFIGMAPS}/a", user=JANE, until=404),
        get("/apis/coordination.k8s.io/v1/namespaces/NS/leases/a", user=JANE, until=404),
        patch("apply", f"{CONFIGMAPS}/a?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap",
                                                       "metadata": {"name": "a"}},
              user=JANE),
        put("/apis/coordination.k8s.io/v1/namespaces/NS/leases/a", {"metadata": {"name": "a"}}, user=JANE),
    ],
}  # fmt: skip
