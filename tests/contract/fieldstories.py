"""Still more conversations: field managers, patches, definitions and custom objects, deletion, what a server says.

Owns: `ALL`, as `stories` owns those about objects, lists and watches.
"""

from __future__ import annotations

from tests.contract.conversations import (
    CONFIGMAPS,
    DEFINITIONS,
    DEPLOYMENTS,
    SERVICES,
    WIDGETS,
    Json,
    Step,
    configmap,
    definition,
    delete,
    get,
    patch,
    post,
    put,
    widget,
)
from tests.contract.stories import OWN, TABLE, A, applied, own

WEB: Json = {"name": "web", "image": "nginx", "env": [{"name": "A", "value": "1"}],
             "ports": [{"containerPort": 80}, {"containerPort": 81}]}  # fmt: skip


def apply_template(manager: str, containers: list[Json]) -> Step:
    """Applies a PodTemplate, which has a Pod's lists and no controller."""
    head: Json = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t"}}
    path = f"/api/v1/namespaces/NS/podtemplates/t?fieldManager={manager}"
    return patch("apply", path, head | {"template": {"spec": {"containers": containers}}})


FIELDS: dict[str, list[Step]] = {
    "apply makes, changes and gives up": [
        patch("apply", f"{A}?fieldManager=one", applied("a", {"x": "1", "y": "1"})),
        patch("apply", f"{A}?fieldManager=one", applied("a", {"x": "1", "y": "1"})),
        patch("apply", f"{A}?fieldManager=two", applied("a", {"y": "1", "z": "1"})),
        patch("apply", f"{A}?fieldManager=two", applied("a", {"x": "2"})),
        patch("apply", f"{A}?fieldManager=two&force=true", applied("a", {"x": "2"}, labels={"l": "1"})),
        patch("apply", f"{A}?fieldManager=one", applied("a", {"y": "1"})),
        patch("merge", f"{A}?fieldManager=three", {"data": {"x": "3"}}),
        patch("apply", f"{A}?fieldManager=two", applied("a", {"x": "4"})),
        patch("apply", f"{A}?fieldManager=two", applied("a")),
        patch("apply", f"{A}?fieldManager=one", applied("a")),
        patch("merge", f"{A}?fieldManager=three", {"metadata": {"managedFields": [{}]}}),
        patch("merge", f"{A}?fieldManager=three", {"metadata": {"managedFields": []}}),
        patch("apply", f"{A}?fieldManager=one", applied("a", {"q": "1"})),
        put(f"{A}?fieldManager=four", configmap("a", b="2")),
    ],
    "what cannot be applied": [
        patch("apply", A, applied("a")),
        patch("apply", f"{A}?fieldManager=m", applied("b")),
        patch("apply", f"{A}?fieldManager=m", applied("a", managedFields=[{}])),
        patch("apply", f"{A}?fieldManager=m", applied("a") | {"kind": "Secret"}),
        patch("apply", f"{A}?fieldManager=m", applied("a") | {"nonsense": 1}),
        patch("apply", f"{A}?fieldManager=m", applied("a", {"x": 1})),
        patch("apply", f"{A}?fieldManager=m", "a: [", ),
        patch("apply", f"{A}?fieldManager=m", []),
        patch("merge", f"{A}?force=true", {}),
        patch("apply", f"{A}?fieldManager=m", applied("a", uid="x")),
        patch("apply", f"{A}?fieldManager=m", applied("a", resourceVersion="1")),
        patch("apply", f"{DEPLOYMENTS}/d/status?fieldManager=m", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 1}}),
    ],
    "lists with keys": [
        apply_template("one", [WEB]),
        apply_template("two", [
            {"name": "web", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 80, "name": "http"}]},
            {"name": "side", "image": "busybox"}]),
        apply_template("two", [{"name": "web", "image": "other", "env": [{"name": "A", "value": "2"}],
                                "ports": [{"containerPort": 80, "protocol": "UDP"}]}]),
        apply_template("two", [{"image": "nameless"}]),
        apply_template("two", [{"name": "web", "env": [{"name": "A"}, {"name": "A"}]}]),
        apply_template("one", [{"name": "web", "image": "nginx"}]),
        apply_template("three", [{"name": "web", "resources": {"limits": {"cpu": "0.5"}}}]),
        patch("apply", f"{SERVICES}/s?fieldManager=one", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [
                {"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "protocol": "TCP", "name": "t"}]}}),
        patch("apply", f"{SERVICES}/s?fieldManager=two", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "finalizers": ["a.b/c"]},
            "spec": {"ports": [{"port": 53, "protocol": "TCP", "targetPort": 5353}]}}),
        patch("apply", f"{SERVICES}/s?fieldManager=one", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [
                {"port": 53, "protocol": "UDP", "name": "u"}]}}),
        patch("json", f"{SERVICES}/s", [{"op": "remove", "path": "/metadata/finalizers"}]),
    ],
    "patches": [
        post(CONFIGMAPS, configmap("a")),
        patch("merge", A, "nonsense"),
        patch("merge", A, []),
        patch("json", A, {}),
        patch("json", A, [{"op": "replace", "path": "/data/nosuch", "value": "1"}]),
        patch("json", A, [{"op": "test", "path": "/data/a", "value": "2"}]),
        patch("json", A, [{"op": "nonsense", "path": "/data/a"}]),
        patch("json", A, [{"op": "add", "path": "/data/b~1c", "value": "2"}, {"op": "copy", "from": "/data/a",
                                                                         "path": "/data/d"}]),
        patch("merge", A, {"data": {"a": 1}}),
        patch("strategic", A, {"data": {"q": "1", "$patch": "replace"}}),
        patch("merge", A, {"data": None}),
        patch("merge", f"{CONFIGMAPS}/nosuch", {}),
        Step("PATCH", A, {}),
        Step("PATCH", A, {}, headers=(("Content-Type", "text/plain"),)),
        Step("POST", A, {}),
        Step("PUT", CONFIGMAPS, {}),
    ],
}  # fmt: skip

SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5, "minLength": 2},
                "port": {"x-kubernetes-int-or-string": True},
                "maybe": {"type": "string", "nullable": True, "default": "d"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "atoms": {"type": "array", "x-kubernetes-list-type": "atomic", "maxItems": 3,
                          "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "count": {"type": "integer", "default": 1},
                            "subs": {"type": "array", "x-kubernetes-list-type": "map",
                                     "x-kubernetes-list-map-keys": ["id"],
                                     "items": {"type": "object", "required": ["id"], "properties": {
                                         "id": {"type": "integer"}, "v": {"type": "string"}}}},
                        },
                    },
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "when": {"type": "string", "format": "date-time"},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic",
                          "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
                "nested": {"type": "object", "default": {}, "properties": {
                    "x": {"type": "integer", "default": 7}}},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}  # fmt: skip
MADE = [
    post(DEFINITIONS, definition(SCHEMA, subresources={"status": {}})),
    get(WIDGETS, until=200),
]


def apply_widget(manager: str, spec: Json, **parameters: str) -> Step:
    more = "".join(f"&{key}={value}" for key, value in parameters.items())
    return patch("apply", f"{WIDGETS}/w?fieldManager={manager}{more}", widget("w", spec))


CUSTOM: dict[str, list[Step]] = {
    "defaults and pruning": [
        *MADE,
        post(WIDGETS, widget("w", {"size": 3, "junk": 1, "free": {"any": [1]}, "parts": [{"name": "p", "junk": 1}]})),
        post(f"{WIDGETS}?fieldValidation=Strict", widget("x", {"size": 3, "junk": 1, "parts": [{"name": "p", "j": 1}]}),
             ),
        post(f"{WIDGETS}?fieldValidation=Warn", widget("x", {"size": 3, "junk": 1}, extra=1)),
        post(WIDGETS, widget("y", {"size": 3, "maybe": None, "port": "http", "labels": {"a": "b"}})),
        post(WIDGETS, widget("z", {"size": 3, "maybe": "m", "port": 80, "nested": {"x": 1}})),
        get(f"{WIDGETS}/z"),
    ],
    "a schema refuses": [
        *MADE,
        post(WIDGETS, widget("w", {})),
        post(WIDGETS, {"apiVersion": "GROUP/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": "text"}),
        post(WIDGETS, widget("w", {"size": 0})),
        post(WIDGETS, widget("w", {"size": 10})),
        post(WIDGETS, widget("w", {"size": "3"})),
        post(WIDGETS, widget("w", {"size": 3, "color": "green"})),
        post(WIDGETS, widget("w", {"size": 3, "name": "A"})),
        post(WIDGETS, widget("w", {"size": 3, "name": "toolong"})),
        post(WIDGETS, widget("w", {"size": 3, "port": True})),
        post(WIDGETS, widget("w", {"size": 3, "tags": ["a", "a"]})),
        post(WIDGETS, widget("w", {"size": 3, "parts": [{"name": "a"}, {"name": "a"}]})),
        post(WIDGETS, widget("w", {"size": 3, "parts": [{"count": 1}]})),
        post(WIDGETS, widget("w", {"size": 3, "atoms": [{}, {}, {}, {}]})),
        post(WIDGETS, widget("w", {"size": 3, "labels": {"a": 1}})),
        post(WIDGETS, widget("w", {"size": 3, "when": "yesterday"})),
        post(WIDGETS, widget("w", {"size": None})),
        post(WIDGETS, widget("w", {"size": 3}) | {"kind": "Other"}),
        post(WIDGETS, widget("w", {"size": 3}) | {"apiVersion": "GROUP/v2"}),
        post(WIDGETS, widget("W", {"size": 3})),
    ],
    "apply by list type": [
        *MADE,
        apply_widget("one", {"size": 3, "tags": ["a", "b"], "atoms": [{"a": "1"}], "whole": {"a": "1"},
                             "parts": [{"name": "p", "count": 2, "subs": [{"id": 1, "v": "x"}]}, {"name": "q"}]}),
        apply_widget("two", {"size": 3, "tags": ["b", "c"], "parts": [
            {"name": "p", "subs": [{"id": 2, "v": "y"}]}, {"name": "r", "count": 5}]}),
        apply_widget("two", {"size": 3, "atoms": [{"a": "2"}]}),
        apply_widget("two", {"size": 3, "whole": {"b": "2"}}),
        apply_widget("two", {"size": 3, "parts": [{"name": "p", "count": 3, "subs": [{"id": 1, "v": "z"}]}]}),
        apply_widget("two", {"size": 3, "parts": [{"name": "p", "subs": [{"id": 1, "v": "z"}]}]}, force="true"),
        apply_widget("one", {"size": 3, "tags": ["a"]}),
        apply_widget("two", {"size": 4}),
        apply_widget("two", {"size": 4}, force="true"),
        apply_widget("three", {"size": 4, "parts": [{"count": 1}]}),
        apply_widget("three", {"size": 4, "tags": ["z", "z"]}),
        patch("merge", f"{WIDGETS}/w?fieldManager=four", {"spec": {"parts": [{"name": "n"}]}}),
        patch("apply", f"{WIDGETS}/w/status?fieldManager=five", widget("w", {"size": 9}, status={"phase": "Up"})),
        patch("strategic", f"{WIDGETS}/w", {"spec": {"size": 5}}),
        patch("json", f"{WIDGETS}/w?fieldManager=six", [{"op": "replace", "path": "/spec/size", "value": 6}]),
    ],
    "definitions that make no sense": [
        post(DEFINITIONS, definition({"type": "string"})),
        post(DEFINITIONS, definition({"type": "object", "properties": {"spec": {}}})),
        post(DEFINITIONS, definition({"type": "object", "properties": {"spec": {
            "type": "array"}}})),
        post(DEFINITIONS, definition(SCHEMA) | {"metadata": {"name": "other.GROUP"}}),
        post(DEFINITIONS, definition(SCHEMA, storage=False)),
        post(DEFINITIONS, definition(SCHEMA, name="v1.0")),
        post(DEFINITIONS, definition({"type": "object", "properties": {"spec": {"type": "array",
             "x-kubernetes-list-type": "map", "items": {"type": "object"}}}})),
        post(DEFINITIONS, definition({"type": "object", "properties": {"spec": {"type": "string", "default": 3}}})),
        post(DEFINITIONS, definition(SCHEMA, additionalPrinterColumns=[{"name": "a", "type": "nonsense",
                                                                        "jsonPath": ".x"}])),
    ],
    "columns and selectable fields": [
        post(DEFINITIONS, definition(SCHEMA, subresources={"status": {}}, selectableFields=[
            {"jsonPath": ".spec.color"}], additionalPrinterColumns=[
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How big."},
            {"name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].name", "priority": 1},
            {"name": "When", "type": "date", "jsonPath": ".spec.when"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        ])),
        get(WIDGETS, until=200),
        post(WIDGETS, widget("w", {"size": 3, "parts": [{"name": "a"}, {"name": "b"}],
                                   "when": "2020-01-01T00:00:00Z"})),
        get(f"{WIDGETS}/w?includeObject=None", headers=TABLE),
        get(f"{WIDGETS}?includeObject=None", headers=TABLE),
        get(f"{WIDGETS}?fieldSelector=spec.color%3Dblue"),
        get(f"{WIDGETS}?fieldSelector=spec.color%3Dred"),
        get(f"{WIDGETS}?fieldSelector=spec.size%3D3"),
    ],
}  # fmt: skip

HELD: Json = {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}, "data": {"a": "1"}}
DELETION: dict[str, list[Step]] = {
    "finalizers": [
        post(CONFIGMAPS, HELD),
        delete(A),
        delete(A),
        get(A),
        patch("merge", A, {"data": {"b": "2"}}),
        patch("merge", A, {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}),
        patch("merge", A, {"metadata": {"deletionTimestamp": None}}),
        post(CONFIGMAPS, configmap("a")),
        patch("merge", A, {"metadata": {"finalizers": None}}),
        get(A),
        delete(A),
    ],
    "policies": [
        post(CONFIGMAPS, configmap("a")),
        delete(A, {"propagationPolicy": "Nonsense"}),
        delete(A, {"propagationPolicy": "Orphan", "orphanDependents": True}),
        delete(A, {"preconditions": {"uid": "nonsense"}}),
        delete(A, {"preconditions": {"resourceVersion": "1"}}),
        delete(A, {"gracePeriodSeconds": -1}),
        delete(A, {"kind": "Nonsense"}),
        delete(A, "nonsense"),
        delete(A, {"preconditions": {"uid": "UID"}}),
        delete(A),
    ],
    "collections": [
        *(post(CONFIGMAPS, own(name)) for name in "abc"),
        delete(f"{CONFIGMAPS}?{OWN}&fieldSelector=metadata.name%3Da"),
        delete(f"{CONFIGMAPS}?{OWN}&limit=1"),
        get(f"{CONFIGMAPS}?{OWN}"),
    ],
}
SAID: dict[str, list[Step]] = {
    "paths": [
        get("/healthz"),
        get("/livez/ping"),
        get("/readyz/nosuch"),
        get("/api"),
        get("/apis/apps"),
        get("/apis/apps/v1"),
        get("/apis/apps/v2"),
        get("/apis/rbac.authorization.k8s.io/v1"),
        get("/api/v1/nosuch"),
        get("/api/v1/namespaces/NS/nosuch"),
        get("/api/v1/namespaces/NS/nodes"),
        get(f"{A}/nosuch"),
        get("/apis/nosuch.example.com"),
        get("/apis/nosuch.example.com/v1/things"),
        get("/api/v2"),
        Step("POST", "/api/v1"),
        Step("POST", "/version"),
        get("/api/v1/namespaces/nosuch-UNIQUE/configmaps"),
        get("/api/v1/namespaces/nosuch-UNIQUE/configmaps/a"),
        post("/api/v1/namespaces/nosuch-UNIQUE/configmaps", configmap("a")),
        Step("DELETE", "/api/v1/configmaps"),
        Step("POST", "/api/v1/configmaps", configmap("a")),
        Step("OPTIONS", CONFIGMAPS),
    ],
}
ALL = {**FIELDS, **CUSTOM, **DELETION, **SAID}
