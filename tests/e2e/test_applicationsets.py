"""The article's ApplicationSet on a real hub: three clusters, three addons, and clusters that come and go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.client import Client, Json
from tests.e2e.conftest import Stage, on_stage
from tests.e2e.manifests import config_map
from tests.e2e.sites import Sites
from tests.e2e.story import Repository
from tests.waiting import wait_until

pytestmark = pytest.mark.real

PATIENCE = 40.0
ADDONS = ("cert-manager", "ingress-nginx", "metrics-server")


def applicationset(repository: str, *, go: bool) -> Json:
    """The article's matrix of clusters and addons, in either dialect of templates."""
    name, addon, server = ("{{.name}}", "{{.addon}}", "{{.server}}") if go else ("{{name}}", "{{addon}}", "{{server}}")
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "addons", "namespace": "argocd"},
        "spec": {
            **({"goTemplate": True, "goTemplateOptions": ["missingkey=error"]} if go else {}),
            "generators": [
                {
                    "matrix": {
                        "generators": [
                            {"clusters": {"selector": {"matchLabels": {"fleet": "edge"}}}},
                            {"list": {"elements": [{"addon": each} for each in ADDONS]}},
                        ]
                    }
                }
            ],
            "template": {
                "metadata": {"name": f"{name}-{addon}"},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": repository, "targetRevision": "main", "path": addon},
                    "destination": {"server": server, "namespace": addon},
                    "syncPolicy": {
                        "automated": {"prune": True, "selfHeal": True},
                        "syncOptions": ["CreateNamespace=true"],
                    },
                },
            },
        },
    }


@pytest.fixture
def stage(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Stage]:
    with on_stage(control_plane, tmp_path) as ready:
        yield ready


def test_the_articles_addons_follow_the_clusters(stage: Stage, tmp_path: Path) -> None:
    repository, client = Repository(tmp_path), Client(stage.plane.kubeconfig())
    files = {f"{addon}/all.yaml": json.dumps(config_map(addon, version="1.14")) for addon in ADDONS}
    repository.commit(files, "addons")

    def states() -> dict[str, tuple[str, ...]]:
        apps = [app for app in client.all("application", "argocd") if "ownerReferences" in app["metadata"]]
        status = {app["metadata"]["name"]: app.get("status", {}) for app in apps}
        return {
            name: tuple(each.get(key, {}).get("status", "") for key in ("sync", "health"))
            for name, each in status.items()
        }

    def of(*clusters: str) -> set[str]:
        return {f"{cluster}-{addon}" for cluster in clusters for addon in ADDONS}

    def until(*clusters: str) -> None:
        wanted = dict.fromkeys(of(*clusters), ("Synced", "Healthy"))
        wait_until(lambda: states() == wanted, PATIENCE, f"the addons of {clusters} run, and no others")

    def created(mark: int) -> list[str]:
        calls = [call for call in stage.recorder.since(mark) if call.method == "POST" and call.about("applications")]
        return sorted(call.body["metadata"]["name"] for call in calls)

    def status_of_set() -> Json:
        found: Json = (client.get("applicationset", "addons", "argocd") or {}).get("status", {})
        return found

    with Sites(("seoul-1", "tokyo-1", "osaka-1", "lab-1")) as sites:
        try:
            for cluster in ("seoul-1", "tokyo-1", "osaka-1"):
                client.apply(sites.secret(cluster))
            client.apply(applicationset(repository.url, go=False))
            until("seoul-1", "tokyo-1", "osaka-1")
            assert created(0) == sorted(of("seoul-1", "tokyo-1", "osaka-1")), "each is made once"
            assert sites.version("tokyo-1", "cert-manager") == "1.14"
            wait_until(lambda: status_of_set().get("health", {}).get("status") == "Healthy", PATIENCE, "and told so")
            assert status_of_set()["resourcesCount"] == 9

            mark = len(stage.recorder.calls)
            client.apply(sites.secret("lab-1"))
            until("seoul-1", "tokyo-1", "osaka-1", "lab-1")
            assert created(mark) == sorted(of("lab-1")), "a cluster came: its three, and nothing else is made"
            assert sites.version("lab-1", "ingress-nginx") == "1.14"

            mark = len(stage.recorder.calls)
            client.apply(applicationset(repository.url, go=True))
            client.delete("secret", "cluster-tokyo-1", "argocd")
            until("seoul-1", "osaka-1", "lab-1")
            writes = [call for call in stage.recorder.since(mark) if call.writes and "/applications/" in call.path]
            assert {call.path.rsplit("/", 1)[1] for call in writes if call.method == "DELETE"} == of("tokyo-1")
            assert not [call for call in writes if "spec" in (call.body or {})], "the other dialect says the same"
            assert sites.version("tokyo-1", "cert-manager") == "1.14", "what it left there, nobody could take away"
        finally:
            client.delete("applicationset", "addons", "argocd", propagation="Orphan")
            for name in states():
                client.delete("application", name, "argocd")
            wait_until(lambda: not states(), PATIENCE, "the rest goes, and takes along what it made")
            for cluster in ("seoul-1", "tokyo-1", "osaka-1", "lab-1"):
                client.delete("secret", f"cluster-{cluster}", "argocd")
            client.close()
