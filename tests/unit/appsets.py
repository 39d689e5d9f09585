"""ApplicationSets for tests: the article's, and short ways to others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from fleetui.engine.appset import RegisteredCluster
from fleetui.model.objects import Obj

SEOUL = RegisteredCluster("seoul-1", "https://seoul-1", labels={"region": "kr"}, annotations={"note": "first"})
TOKYO = RegisteredCluster("tokyo-1", "https://tokyo-1", labels={"region": "jp"})
HUB = RegisteredCluster("in-cluster", "https://kubernetes.default.svc")
THREE = (TOKYO, HUB, SEOUL)

ADDONS = (
    {"addon": "cert-manager", "version": "1.14"},
    {"addon": "external-secrets", "version": "0.9"},
    {"addon": "metrics-server", "version": "0.7"},
)


def elements(*found: Any) -> Obj:
    """A list generator."""
    return {"list": {"elements": list(found)}}


def matrix(*generators: Obj) -> Obj:
    return {"matrix": {"generators": list(generators)}}


def merge(*generators: Obj, keys: tuple[str, ...] = ("name",)) -> Obj:
    return {"merge": {"mergeKeys": list(keys), "generators": list(generators)}}


def appset(*generators: Obj, name: str = "{{name}}", go: bool = False, **spec: Any) -> Obj:
    """An ApplicationSet whose template says nothing but a name."""
    destination = {"server": "https://one", "namespace": "apps"}
    source = {"repoURL": "https://git.example/apps", "path": "apps"}
    template = {
        "metadata": {"name": name},
        "spec": {"project": "default", "source": source, "destination": destination},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "some", "namespace": "argocd"},
        "spec": {"goTemplate": go, "generators": list(generators), "template": template, **spec},
    }


def article(said: Mapping[str, str], *, go: bool = False) -> Obj:
    """The article's ApplicationSet, with these four texts in its template."""
    made = appset(matrix({"clusters": {}}, elements(*ADDONS)), name=said["name"], go=go)
    made["spec"]["template"]["spec"] = {
        "project": "cluster-addons",
        "source": {
            "repoURL": "https://github.com/myorg/cluster-addons",
            "targetRevision": "main",
            "path": said["path"],
        },
        "destination": {"server": said["server"], "namespace": said["namespace"]},
    }
    return made


BOMB = "a: &a [one,one,one,one,one,one,one,one,one]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n" for before, after in itertools.pairwise("abcdef")
)
"""YAML of a few lines that says 600,000 values, which is less than a document may."""

PRINTED = {"name": "-", "path": "/", "server": "", "namespace": ""}
RESTORED = {
    "name": "{{name}}-{{addon}}",
    "path": "addons/{{addon}}/{{version}}",
    "server": "{{server}}",
    "namespace": "{{addon}}",
}
RESTORED_GO = {key: text.replace("{{", "{{.") for key, text in RESTORED.items()}
