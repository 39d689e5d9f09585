"""The Argo CD objects of the demo: projects, the Applications of the cast, repository secrets. Pure.

Owns: `cast` and what makes objects of it. Called by `planting` and `fleet`. Each cluster is its own hub; the first one
has registered two others besides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleetui.model.objects import Obj

NAMESPACE = "argocd"
IN_CLUSTER = "https://kubernetes.default.svc"
ARTICLE = Path(__file__).with_name("payments-service.yaml")

CLUSTERS = ("prod-eu-1", "prod-eu-2", "stage-1", "edge-07")
PROD_1, PROD_2, STAGE, EDGE_07 = CLUSTERS
DEPOT = "depot-1"
"""A cluster that no kubeconfig knows: its hub alone has a login for it."""
ADDONS_HUB = PROD_1
"""The hub that has registered all other clusters, and itself: its ApplicationSet gives each of them its addons."""
ADDONS = "addons"
"""The Application that brings this ApplicationSet from Git."""
_SITES = {
    "prod-eu": ("prod", "eu"),
    "prod-us": ("prod", "us"),
    "prod-ap": ("prod", "ap"),
    "stage": ("stage", "eu"),
    "edge": ("edge", "ap"),
    "depot": ("edge", "eu"),
}

_AUTO = {"automated": {"prune": True, "selfHeal": True}}
_MANUAL: Obj = {}


@dataclass(frozen=True)
class Role:
    """One Application of the cast.

    `first` is the subject of the commit that somebody synced it to before the story begins: ``HEAD`` for the newest,
    empty where automated sync does the first sync itself. `by` is who that was. `into` is a cluster that the hub has
    registered, where it runs elsewhere than on its hub.
    """

    cluster: str
    name: str
    repository: str
    path: str
    namespace: str
    project: str
    policy: Mapping[str, Any] = field(default_factory=lambda: _AUTO)
    first: str = ""
    by: str = ""
    recurse: bool = False
    into: str = ""
    article: bool = False


def _payments(cluster: str) -> Role:
    return Role(
        cluster,
        "payments-service",
        "k8s-manifests",
        "apps/payments/production",
        namespace="payments-prod",
        project="production",
        article=True,
    )


def _platform(cluster: str, name: str) -> Role:
    namespace = "ingress-nginx" if name == "ingress-nginx" else "monitoring"
    return Role(cluster, name, "platform", name, namespace=namespace, project="platform", recurse=name == "monitoring")


def _app(cluster: str, name: str, stage: str, *, team: str, **more: Any) -> Role:
    project = "production" if stage == "production" else "staging"
    namespace = f"{team}-{'prod' if stage == 'production' else 'stage'}"
    path = f"apps/{name}/{stage}"
    return Role(cluster, name, "k8s-manifests", path, namespace=namespace, project=project, **more)


def cast(last_good: str) -> list[Role]:
    """The Applications that the story is about, the most telling first.

    Args:
        last_good: the subject of the commit that the troubled ones run before they follow their branch.
    """
    once = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 1, "backoff": {"duration": "5s"}}}
    before = {"first": last_good}
    return [
        _payments(PROD_1),
        _app(PROD_1, "storefront", "production", team="shop", policy=_MANUAL, first="HEAD", by="ben.okafor"),
        _app(PROD_2, "recommendations", "production", team="shop", **before, by="ben.okafor"),
        _app(STAGE, "orders", "staging", team="shop", **before, by="jiwoo.park"),
        _app(STAGE, "search", "staging", team="shop", **before, by="chiara.rossi"),
        _app(PROD_1, "checkout", "production", team="shop"),
        _app(STAGE, "inventory", "staging", team="shop", policy=once, **before, by="jiwoo.park"),
        Role(EDGE_07, "telemetry", "edge", "telemetry", namespace="telemetry", project="edge"),
        _app(PROD_1, "ledger", "production", team="finance"),
        _app(PROD_2, "reports", "production", team="finance", **before, by="deniz.yilmaz"),
        _platform(PROD_1, "monitoring"),
        _payments(PROD_2),
        _app(STAGE, "payments", "staging", team="payments"),
        Role(EDGE_07, "gateway", "edge", "gateway", namespace="gateway", project="edge"),
        Role(PROD_1, "depot-1-gateway", "edge", "gateway", namespace="gateway", project="edge", into=DEPOT),
        replace(
            _app(PROD_1, "ledger", "production", team="finance"),
            name="ledger-standby",
            namespace="standby",
            into=PROD_2,
        ),
        *(_platform(cluster, "ingress-nginx") for cluster in (PROD_1, PROD_2, STAGE)),
        *(_platform(cluster, "node-exporter") for cluster in CLUSTERS),
        Role(ADDONS_HUB, ADDONS, "cluster-addons", "fleet", namespace=NAMESPACE, project="cluster-addons"),
    ]


def extra_cast(cluster: str) -> list[Role]:
    """What a cluster beyond the four of the story runs for certain."""
    return [_platform(cluster, "node-exporter"), _platform(cluster, "ingress-nginx")]


def application(role: Role, *, url: str, revision: str) -> Obj:
    """The Application of a role.

    Args:
        url: of its repository.
        revision: the SHA of the first sync that somebody asks for; empty where nobody does.
    """
    app = _article(url) if role.article else _plain(role, url)
    if revision:
        options = app["spec"].get("syncPolicy", {}).get("syncOptions")
        sync = {"revision": revision, "syncStrategy": {"hook": {}}, **({"syncOptions": options} if options else {})}
        app["operation"] = {"initiatedBy": {"username": role.by}, "sync": sync}
    return app


def _article(url: str) -> Obj:
    import yaml

    app: Obj = yaml.load(ARTICLE.read_bytes(), Loader=yaml.CSafeLoader)
    app["spec"]["source"]["repoURL"] = url
    return app


def _plain(role: Role, url: str) -> Obj:
    source: Obj = {"repoURL": url, "targetRevision": "main", "path": role.path}
    if role.recurse:
        source["directory"] = {"recurse": True}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": role.name, "namespace": NAMESPACE, "labels": {"team": role.namespace.split("-")[0]}},
        "spec": {
            "project": role.project,
            "source": source,
            "destination": {
                **({"name": role.into} if role.into else {"server": IN_CLUSTER}),
                "namespace": role.namespace,
            },
            "syncPolicy": {**role.policy, "syncOptions": ["CreateNamespace=true"]},
        },
    }


PROJECTS = {
    "default": "",
    "production": "What customers use",
    "staging": "What comes next",
    "platform": "What all others stand on",
    "edge": "The sites at the edge",
    "cluster-addons": "What every cluster has, version by version",
    "services": "The long tail of small services",
}


_RULES: Mapping[str, Obj] = {
    "staging": {
        # Always open: what is committed of orders is never synced but by hand.
        "syncWindows": [
            {
                "kind": "deny",
                "schedule": "0 * * * *",
                "duration": "1h",
                "applications": ["orders"],
                "manualSync": True,
                "description": "a load test is running",
            }
        ],
    },
    "production": {
        "destinations": [{"server": "*", "namespace": namespace} for namespace in ("*-prod", "standby")],
        "roles": [
            {
                "name": "on-call",
                "description": "who is woken at night",
                "groups": ["on-call"],
                "policies": ["p, proj:production:on-call, applications, sync, production/*, allow"],
            }
        ],
    },
    "platform": {"orphanedResources": {"warn": False}},
}


def projects(names: Collection[str]) -> list[Obj]:
    """The AppProjects of those names."""
    return [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                **({"description": text} if text else {}),
                "sourceRepos": ["*"],
                "destinations": [{"server": "*", "namespace": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
                **_RULES.get(name, {}),
            },
        }
        for name, text in PROJECTS.items()
        if name in names
    ]


def repository_secret(name: str, url: str) -> Obj:
    """The Secret by which Argo CD knows a repository (label ``argocd.argoproj.io/secret-type``)."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"repo-{name}",
            "namespace": NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "type": "Opaque",
        "stringData": {"type": "git", "name": name, "url": url},
    }


def cluster_secret(name: str, url: str, token: str) -> Obj:
    """The Secret by which Argo CD knows a cluster, as ``argocd cluster add --label`` writes it; its hub itself has the
    URL `IN_CLUSTER`, and no token."""
    config = {"bearerToken": token, "tlsClientConfig": {"insecure": False}} if token else {}
    stage, region = next(site for prefix, site in _SITES.items() if name.startswith(prefix))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"cluster-{name}",
            "namespace": NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": "cluster", "stage": stage, "region": region},
        },
        "type": "Opaque",
        "stringData": {"name": name, "server": url, "config": json.dumps(config)},
    }
