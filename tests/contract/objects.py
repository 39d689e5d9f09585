"""The objects that the contract tests begin with."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def configmap(name: str, data: Json | None = None, **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"a": "1"}}


def deployment(name: str, **spec: Any) -> Json:
    """A Deployment of no Pods, so that nothing happens to it."""
    labels = {"app": name}
    body: Json = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]},
        },
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body | spec}


def managers(obj: Json) -> dict[tuple[str, str, str], Json]:
    """The field sets of an object by manager, operation and subresource."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields", ())
    }


def without(obj: Json, *keys: str) -> Json:
    """The object without these keys of its metadata."""
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in keys}}
