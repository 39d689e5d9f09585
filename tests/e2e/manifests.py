"""Manifests of the stories: owns the objects that are committed to Git, and nothing about what becomes of them."""

from __future__ import annotations

from typing import Any

import yaml

from tests.e2e.client import Json

FOLDER = "apps/payments/production"
ANNOTATION = "argocd.argoproj.io/"


def files(**objects: Json | None) -> dict[str, str | None]:
    """One file of the application's folder for each object; None deletes one."""
    return {
        f"{FOLDER}/{name}.yaml": None if obj is None else yaml.safe_dump(obj, sort_keys=False)
        for name, obj in objects.items()
    }


def article(*, color: str = "blue", image: str = "registry.example.com/payments:1.98") -> dict[str, str | None]:
    """The article's application: a ConfigMap, a Deployment, a Service, and a file that is no manifest."""
    return {f"{FOLDER}/README.md": "# payments\n"} | files(
        settings=config_map("settings", color=color), deployment=deployment(image=image), service=service()
    )


def config_map(name: str, /, *, annotations: dict[str, str] | None = None, **data: str) -> Json:
    return _with(annotations, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def deployment(name: str = "payments-api", *, image: str = "registry.example.com/payments:1.98", **spec: Any) -> Json:
    labels = {"app": name}
    container = {"name": "api", "image": image, "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": dict(labels)}, "template": template, **spec},
    }


def service(name: str = "payments-api") -> Json:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def hook(name: str, phase: str, *, image: str = "registry.example.com/migrate:1", policy: str = "") -> Json:
    """A Job that is a hook; with a name that ends in ``-`` it has `generateName`."""
    annotations = {ANNOTATION + "hook": phase} | ({ANNOTATION + "hook-delete-policy": policy} if policy else {})
    named = {"generateName": name} if name.endswith("-") else {"name": name}
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**named, "annotations": annotations},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def definition() -> Json:
    """The definition of Widgets."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def widget(name: str = "gear", *, size: int = 3) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}}


def waved(number: int, obj: Json) -> Json:
    """The object in a sync wave."""
    return _with({ANNOTATION + "sync-wave": str(number)}, obj)


def _with(annotations: dict[str, str] | None, obj: Json) -> Json:
    if annotations:
        obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), **annotations}
    return obj
