"""A fleet with addons for the stories of rollouts: a real hub, twelve registered sites, and Git that says what runs.

Owns: `Addons`. An app of apps brings the article's ApplicationSet out of a Git repository into the hub, and the engine
reconciles both. Nothing here knows what a rollout should come to.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.server import ControlPlane
from tests.e2e.client import Client, Json
from tests.e2e.conftest import Stage, on_stage
from tests.e2e.manifests import config_map
from tests.e2e.recorder import Call, Recorder
from tests.e2e.sites import Sites
from tests.e2e.story import PROJECT, Repository, settings
from tests.waiting import wait_until

PATIENCE = 60.0
CANARY = ("seoul-1",)
EARLY = ("busan-1", "osaka-1", "tokyo-1", "lima-1")
LATE = ("basel-1", "delhi-1", "hanoi-1", "macau-1", "milan-1", "paris-1", "porto-1")
STAGES = {site: stage for stage, sites in (("canary", CANARY), ("early", EARLY), ("late", LATE)) for site in sites}
WAVES = ("--wave=canary:stage=canary", "--wave=early:stage=early", "--wave=late:rest")
ADDON, OLD, NEW = "cert-manager", "1.14", "1.15"
FILE = "fleet/cluster-addons.yaml"
_ROOT = "fleet"
_RBAC = "rbac.authorization.k8s.io"
_LOOKING = [
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "addons-viewer"},
        "rules": [{"apiGroups": ["argoproj.io", ""], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    },
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "addons-viewer"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "addons-viewer"},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "viewer"}],
    },
]


def applicationset(url: str, *, automated: bool = True) -> str:
    """The article's, with the braces that its print has lost, and what the engine needs to make namespaces."""
    policy = "\n        automated: {prune: true, selfHeal: true}" if automated else ""
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: cluster-addons
  namespace: argocd
spec:
  generators:
  - matrix:
      generators:
      - clusters: {{selector: {{matchLabels: {{fleet: edge}}}}}}  # One entry per registered cluster
      - list:
          elements:
          - addon: cert-manager
            version: "1.14"
          - addon: metrics-server
            version: "0.7"  # 0.8 wants a newer kubelet
  template:
    metadata:
      name: '{{{{name}}}}-{{{{addon}}}}'
      labels: {{addon: '{{{{addon}}}}'}}
    spec:
      project: cluster-addons
      source:
        repoURL: {url}
        targetRevision: main
        path: '{{{{addon}}}}/{{{{version}}}}'
      destination:
        server: '{{{{server}}}}'
        namespace: '{{{{addon}}}}'
      syncPolicy:{policy}
        retry: {{limit: 0}}
        syncOptions: [CreateNamespace=true]
"""


def content(addon: str, version: str, **more: Json) -> dict[str, str | None]:
    """A version of an addon as files."""
    objects = {"addon": config_map(addon, version=version)} | more
    return {f"{addon}/{version}/{name}.yaml": yaml.safe_dump(obj) for name, obj in objects.items()}


class Addons:
    """The fleet, and commands over it as a person gives them.

    Args:
        plane: the hub.
        stage: the engine of it.
        sites: the registered clusters.
        folder: for the repository and the homes of the commands.
    """

    def __init__(self, plane: ControlPlane, stage: Stage, sites: Sites, folder: Path) -> None:
        self.plane, self.stage, self.sites = plane, stage, sites
        self.repository = Repository(folder)
        self.client = Client(plane.kubeconfig())
        self._folder = folder
        self._begun: list[subprocess.Popen[str]] = []
        self.original = applicationset(self.repository.url)

    # --- the stage --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Commits the addons, registers the sites, and has the ApplicationSet brought."""
        # A limit is new in 1.15; where somebody has made one by hand that must not change, it can't come.
        limits = config_map("limits", issuers="20")
        files = content(ADDON, OLD) | content(ADDON, NEW, limits=limits) | content(ADDON, "1.16")
        self.repository.commit(files | content("metrics-server", "0.7") | {FILE: self.original}, "addons")
        for site in STAGES:
            self.client.apply(self.sites.secret(site))
        self.client.apply({**PROJECT, "metadata": {"name": "cluster-addons", "namespace": "argocd"}})
        self.client.apply(self._root())
        self.until_everywhere(OLD)

    def close(self) -> None:
        self._end_commands()
        self.client.delete("application", _ROOT, "argocd")
        self.client.delete("applicationset", "cluster-addons", "argocd", propagation="Orphan")
        for app in self.client.all("application", "argocd"):
            self.client.delete("application", app["metadata"]["name"], "argocd")
        for rollout in self.stored():
            self.client.delete("configmap", rollout["metadata"]["name"], "argocd")
        wait_until(lambda: not self.client.all("application", "argocd"), PATIENCE, "the applications go")
        for site in STAGES:
            self.client.delete("secret", f"cluster-{site}", "argocd")
        self.client.delete("appproject", "cluster-addons", "argocd")
        for each in _LOOKING:
            self.plane.kubectl("delete", "--ignore-not-found", str(each["kind"]), "addons-viewer")
        self.client.close()

    def reset(self, *, automated: bool = True) -> None:
        """Git as it was at first, and no rollout; waits until all sites run that."""
        self._end_commands()
        for rollout in self.stored():
            self.client.delete("configmap", rollout["metadata"]["name"], "argocd")
        if self.text != self.original:
            self.commit(self.original, "as it was at first")
        self.until_everywhere(OLD)
        if not automated:
            self.commit(applicationset(self.repository.url, automated=False), "sync by hand")
            wait_until(lambda: not any(map(_automated, self.apps())), PATIENCE, "nothing is synced by itself")

    def commit(self, text: str, subject: str) -> str:
        """Commits the ApplicationSet's file, and has it looked at."""
        return self.push({FILE: text}, subject)

    def push(self, files: Mapping[str, str | None], subject: str) -> str:
        self.repository.pull()
        sha = self.repository.commit(files, subject)
        self.client.patch(
            "application", _ROOT, "argocd", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        )
        return sha

    def let_viewer_look(self) -> None:
        """Lets the hub's viewer see what an operator has to see, and change nothing."""
        self.plane.kubectl(
            "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": _LOOKING})
        )

    def _root(self) -> Json:
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": _ROOT, "namespace": "argocd"},
            "spec": {
                "project": "cluster-addons",
                "source": {"repoURL": self.repository.url, "targetRevision": "main", "path": "fleet"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "argocd"},
                "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            },
        }

    # --- commands ---------------------------------------------------------------------------------------------------

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """That of a command; all of them are one person's."""
        home = {"HOME": "", "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state"}
        places = {name: str(self._folder / "home" / folder) for name, folder in home.items()}
        return settings() | places | {"KUBECONFIG": str(kubeconfig or self.plane.kubeconfig())}

    def begin(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.Popen[str]:
        """`fleetui rollout` with these arguments, in pipes."""
        command = [sys.executable, "-m", "fleetui", "rollout", *arguments]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(kubeconfig),
            start_new_session=True,
        )
        self._begun.append(process)
        return process

    def _end_commands(self) -> None:
        for process in self._begun:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self._begun.clear()

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        return ended(self.begin(*arguments, kubeconfig=kubeconfig))

    def json(self, *arguments: str, status: int = 0) -> Any:
        """What a command prints with `-o json`; nothing else stands there, nor colours."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "\x1b" not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def until(self, predicate: Callable[[Json], object], description: str) -> None:
        """Waits until what is stored of the only rollout says so, as kubectl shows it."""
        try:
            wait_until(lambda: any(predicate(each["data"]) for each in self.stored()), PATIENCE, description)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run('status').stdout}\n{self.stage.engine.log[-4000:]}") from error

    def driver(self) -> Json:
        """Who drives the only rollout."""
        (stored,) = self.stored()
        found: Json = json.loads(stored["data"]["driver"])
        return found

    # --- looking ----------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The ApplicationSet's file, at the branch's tip."""
        return self.repository.show(FILE)

    def versions(self, addon: str = ADDON) -> dict[str, str | None]:
        """What each site runs."""
        return {site: self.sites.version(site, addon) for site in STAGES}

    def contents(self) -> dict[str, list[Json]]:
        """Everything that an addon may have changed at each site, without what counts changes."""
        return {site: self.sites.config_maps(site) for site in STAGES}

    def apps(self) -> list[Json]:
        """The addon's Applications."""
        found = self.client.all("application", "argocd")
        return [app for app in found if app["metadata"].get("labels", {}).get("addon") == ADDON]

    def specs(self) -> dict[str, Json]:
        return {app["metadata"]["name"]: app["spec"] for app in self.apps()}

    def stored(self) -> list[Json]:
        """The ConfigMaps of rollouts."""
        found = self.client.all("configmap", "argocd")
        return [each for each in found if "fleetui.io/rollout" in each["metadata"].get("labels", {})]

    def settled(self, version: str) -> set[str]:
        """The sites whose Application is synced and healthy at a version."""
        return {
            site
            for site in STAGES
            for app in self.apps()
            if app["metadata"]["name"] == f"{site}-{ADDON}" and _is_at(app, version)
        }

    def until_everywhere(self, version: str) -> None:
        wait_until(lambda: self.settled(version) == set(STAGES), PATIENCE, f"all sites have {version}")
        assert set(self.versions().values()) == {version}


def _is_at(app: Json, version: str) -> bool:
    path = f"{ADDON}/{version}"
    status = app.get("status", {})
    sync = status.get("sync", {})
    return (
        app["spec"]["source"]["path"] == path
        and sync.get("status") == "Synced"
        and sync.get("comparedTo", {}).get("source", {}).get("path") == path
        and status.get("health", {}).get("status") == "Healthy"
        and "operation" not in app
    )


def _automated(app: Json) -> bool:
    return "automated" in app["spec"].get("syncPolicy", {})


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Waits for the end of a command."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end:\n{out}\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextmanager
def fleet_with_addons(plane: ControlPlane, folder: Path) -> Iterator[Addons]:
    """The fleet, with its addons at their old version."""
    with on_stage(plane, folder) as stage, Sites(STAGES, STAGES) as sites:
        addons = Addons(plane, stage, sites, folder)
        try:
            addons.open()
            yield addons
        finally:
            addons.close()


@contextmanager
def before_the_hub(addons: Addons, folder: Path) -> Iterator[Recorder]:
    """What a command asks of the hub, and a place to strike from."""
    with Recorder(addons.plane.kubeconfig(), folder) as recorder:
        yield recorder


def strike(hub: Recorder, process: subprocess.Popen[str], *, after: int) -> None:
    """Kills a command when the hub has carried out so many writes of it, and before it hears of the last one."""
    left = [after]

    def answered(call: Call) -> None:
        if call.writes and call.status < 300 and ("/applications/" in call.path or "/configmaps" in call.path):
            left[0] -= 1
            if left[0] == 0:
                process.kill()
                process.wait()

    hub.answered = answered


def synced(calls: Sequence[Call]) -> list[str]:
    """The Applications for which a sync was asked for, and granted."""
    return [
        call.path.rsplit("/", 1)[1]
        for call in calls
        if call.writes and call.status < 300 and "/applications/" in call.path and "operation" in json.dumps(call.body)
    ]
