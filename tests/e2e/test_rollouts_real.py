"""A rollout over twelve clusters in three waves, by the installed program: killed, carried on, taken back, halted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.client import Client, Json
from tests.e2e.conftest import Stage, on_stage
from tests.e2e.manifests import config_map
from tests.e2e.story import Repository, settings
from tests.e2e.test_applicationsets import Sites
from tests.waiting import wait_until

pytestmark = pytest.mark.real

PATIENCE = 60.0
CLUSTERS = tuple(f"edge-{number:02}" for number in range(12))
FILE = "appsets/addons.yaml"
APPSET = """\
# The addons of every edge cluster.
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: addons
  namespace: argocd
spec:
  generators:
    - matrix:
        generators:
          - clusters:
              selector: {matchLabels: {fleet: edge}}
          - list:
              elements:
                - addon: cert-manager
                  version: "1.14.0"  # moved by rollouts
  template:
    metadata:
      name: '{{name}}-{{addon}}'
    spec:
      project: default
      source: {repoURL: REPOSITORY, targetRevision: main, path: '{{addon}}/{{version}}'}
      destination: {server: '{{server}}', namespace: '{{addon}}'}
      syncPolicy:
        automated: {prune: true, selfHeal: true}
        syncOptions: [CreateNamespace=true]
        retry: {limit: 0}
"""


def root(repository: str) -> Json:
    """The application that brings the ApplicationSet into the hub."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "root", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository, "targetRevision": "main", "path": "appsets"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "argocd"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


class Program:
    """`fleetui rollout` as an operator types it."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._options = ["--kubeconfig", str(kubeconfig)]
        self._environment = settings() | {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)}

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fleetui", "rollout", *arguments, *self._options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=self._environment)

    def run(self, *arguments: str, status: int = 0) -> str:
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == status, f"{arguments}: {process.returncode}\n{out}\n{err}"
        return out + err

    def phase(self, name: str) -> str:
        out, _ = self.begin("status", name, "-o", "json").communicate(timeout=PATIENCE)
        return str(json.loads(out)["phase"])


def _git(where: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=where, check=True, capture_output=True, text=True, env=settings()
    ).stdout


@pytest.fixture
def stage(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Stage]:
    with on_stage(control_plane, tmp_path) as ready:
        yield ready


def test_an_addon_over_twelve_clusters(stage: Stage, tmp_path: Path) -> None:
    repository, client = Repository(tmp_path), Client(stage.plane.kubeconfig())
    before = APPSET.replace("REPOSITORY", repository.url)
    broken = json.dumps(config_map("No_Name", version="1.16.0"))
    repository.commit(
        {
            FILE: before,
            "cert-manager/1.14.0/all.yaml": json.dumps(config_map("cert-manager", version="1.14.0")),
            "cert-manager/1.15.0/all.yaml": json.dumps(config_map("cert-manager", version="1.15.0")),
            "cert-manager/1.16.0/all.yaml": broken,
        },
        "addons",
    )

    def file() -> str:
        return _git(repository.bare, "show", "main:" + FILE)

    def commits() -> list[str]:
        return _git(repository.bare, "log", "--format=%s", "main", "--", FILE).splitlines()

    with Sites(CLUSTERS) as sites:

        def running(version: str) -> int:
            return sum(sites.version(name, "cert-manager") == version for name in CLUSTERS)

        try:
            for name in CLUSTERS:
                client.apply(sites.secret(name))
            client.apply(root(repository.url))
            wait_until(lambda: running("1.14.0") == 12, PATIENCE, "the addon runs on twelve clusters")
            program = Program(stage.plane.kubeconfig(), tmp_path / "home")
            waves = ["--wave", "canary:1", "--wave", "some:3", "--wave", "rest"]
            gates = ["--gate", "synced", "--gate", "healthy:1s"]

            driver = program.begin("start", "cert-manager=1.15.0", "--name", "cm-115", *waves, *gates)
            wait_until(lambda: len(commits()) >= 3, PATIENCE, "the second wave is written")
            driver.kill()
            driver.communicate()
            assert program.phase("cm-115") == "running"
            program.run("resume", "cm-115")
            assert running("1.15.0") == 12
            assert len(commits()) == 4, "each wave is written once"
            assert '- addon: cert-manager\n                  version: "1.15.0"  # moved by rollouts' in file()

            program.run("rollback", "cm-115")
            assert running("1.14.0") == 12
            assert file() == before, "what was is restored byte by byte"
            told = program.run("export", "cm-115")
            assert told.count("| restored |") == 12

            said = program.run("start", "cert-manager=1.16.0", "--name", "cm-116", *waves, *gates, status=1)
            assert "halted: 1 cell of wave canary failed, none may" in said
            assert running("1.14.0") >= 11, "no cluster behind the canary was touched"
            program.run("rollback", "cm-116")
            assert (running("1.14.0"), file()) == (12, before)
        finally:
            client.delete("applicationset", "addons", "argocd")
            client.delete("application", "root", "argocd")
            for name in CLUSTERS:
                client.delete("secret", f"cluster-{name}", "argocd")
            client.close()
