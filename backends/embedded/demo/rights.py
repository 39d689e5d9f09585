"""What the demo's second user may do: look at everything that `view` shows, and at the applications.

Owns: `rights`. Called by `planting`.
"""

from __future__ import annotations

from collections.abc import Iterator

from backends.embedded.cluster import VIEWER
from backends.embedded.rbac import GROUP
from fleetui.model.objects import Obj

_TO_VIEW = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}


def rights() -> Iterator[Obj]:
    """A role that makes `view` show the applications, and the binding of the viewers to it."""
    head = {"apiVersion": f"{GROUP}/v1"}
    yield head | {
        "kind": "ClusterRole",
        "metadata": {"name": "argocd-aggregate-to-view", "labels": _TO_VIEW},
        "rules": [{"apiGroups": ["argoproj.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    }
    yield head | {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": VIEWER.groups[0]}],
    }
