"""A fleet of addons for tests of rollouts: a real repository, an ApplicationSet in it, and the applications of it.

Owns: `AddonFleet`. Called by the tests of `fleetui.fleet.rollouttruth` and `rolloutplan`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from backends.git import GitRepositories
from fleetui.engine.appset.questions import Answer, GitFiles, Question
from fleetui.engine.clock import Clock
from fleetui.fleet.audit import Operator
from fleetui.fleet.cells import cell_of, version_of
from fleetui.fleet.desired import Desires
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.rolloutchanges import Changes, Served
from fleetui.fleet.rolloutorigins import Origins, SetKey
from fleetui.fleet.rolloutplan import RolloutPlanner
from fleetui.fleet.rolloutrefusals import Refusals
from fleetui.fleet.rollouttruth import GitTruths
from fleetui.gitports import GitHosts
from fleetui.hubports import Registration
from fleetui.model.app import App, AppKey, AppResource, Automation, Destination, Source
from fleetui.model.errors import FleetError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef
from fleetui.model.pathglobs import path_matches
from fleetui.model.rollout import Rollout
from fleetui.model.servers import ServerIdentity
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Subscription
from fleetui.renderports import Tools
from tests.unit.fakes import APPLICATION, Closing, FakeClock, FakeCluster
from tests.unit.git_source import Source as Git

HUB = ClusterName("hub")
SET = SetKey(HUB, "argocd", "cluster-addons")
CLUSTERS = ("seoul-1", "seoul-2", "tokyo-1")
VERSIONS = {"cert-manager": "1.14", "dns": "0.7"}
FILE = "apps/cluster-addons.yaml"

APPSET = """# Every addon on every cluster.
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: cluster-addons
  namespace: argocd
spec:
  generators:
    - matrix:
        generators:
          - clusters: {selector: {matchLabels: {addons: all}}}
          - list:
              elements:
                - {addon: cert-manager, version: "1.14"}  # see the runbook
                - {addon: dns, version: "0.7"}
  template:
    metadata: {name: '{{name}}-{{addon}}'}
    spec:
      project: default
      source: {repoURL: 'GIT_URL', targetRevision: main, path: 'addons/{{addon}}/{{version}}'}
      destination: {server: '{{server}}', namespace: '{{addon}}'}
"""


class AddonFleet:
    """Clusters and addons as `APPSET` has them, and what rollouts over them are planned and carried out with.

    `others` are rollouts that there are; `objects` those of applications, by name, where they are asked for; `away`
    clusters can't be asked what they serve.
    """

    def __init__(
        self,
        folder: Path,
        *,
        appset: str = APPSET,
        clusters: Sequence[str] = CLUSTERS,
        hub: FakeCluster | None = None,
        hosts: GitHosts | None = None,
        tools: Tools | None = None,
    ) -> None:
        self.tools = tools
        self.git = Git(folder / "work")
        self.git.git("config", "receive.denyCurrentBranch", "ignore")
        self.git.put(FILE, appset.replace("GIT_URL", self.git.url).encode())
        for addon, versions in {"cert-manager": ("1.14", "1.15"), "dns": ("0.7", "0.8")}.items():
            for version in versions:
                self.addon(addon, version)
        self.first = self.git.commit("first")
        self.repositories = GitRepositories(folder / "cache", interval=3600)
        self.hub = hub or FakeCluster("hub")
        self.others: list[Rollout] = []
        self.hosts = hosts
        self.away: set[str] = set()
        self.objects: dict[str, Obj] = {}
        self.statuses = {
            ClusterName(name): ClusterStatus(
                ClusterName(name), ClusterState.LIVE, 0.0, server=f"https://{name}", labels={"region": name[:5]}
            )
            for name in clusters
        }
        parent = App(
            AppKey(HUB, "argo", "argocd", "root"),
            source=Source(self.git.url, "apps", "main"),
            automation=Automation(enabled=True),
            resources=(AppResource(ObjectRef("argoproj.io", "ApplicationSet", "argocd", "cluster-addons")),),
        )
        made = [self.app(cluster, addon, version) for cluster in clusters for addon, version in VERSIONS.items()]
        self.apps = {app.key: app for app in (parent, *made)}
        self.origins = Origins(self.repositories, lambda: self.apps, self._registered, Answering(self.repositories))
        self.truths = GitTruths(self.origins, lambda: self.apps, hosts)
        self.clock = FakeClock()

    def planner(self, *, protects: Callable[[str], bool] = lambda _: False, read_only: bool = False) -> RolloutPlanner:
        clock: Clock = self.clock
        refusals = Refusals(lambda _: self.hub, self._app_resource, Permissions(clock), clock, read_only=read_only)
        return RolloutPlanner(
            lambda: self.apps,
            lambda: self.statuses,
            origins=self.origins,
            changes=Changes(Desires(self.repositories, self.tools), self._served),
            refusals=refusals,
            others=self._others,
            obj=self._object,
            hosts=self.hosts,
            protects=protects,
            operator=Operator("ann", "bastion", "tty"),
            clock=clock,
        )

    def addon(self, addon: str, version: str, **data: str) -> None:
        """Writes an addon's folder of a version."""
        content = {"version": version, **data}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": addon}, "data": content}
        self.git.put(f"addons/{addon}/{version}/all.yaml", msgspec.json.encode(obj))

    def app(self, cluster: str, addon: str, version: str) -> App:
        return App(
            AppKey(HUB, "argo", "argocd", f"{cluster}-{addon}"),
            project="default",
            application_set="cluster-addons",
            source=Source(self.git.url, f"addons/{addon}/{version}", "main"),
            destination=Destination(server=f"https://{cluster}", namespace=addon),
        )

    @property
    def text(self) -> str:
        """The ApplicationSet's file at the tip of main, byte for byte."""
        return self.git.git("show", f"main:{FILE}") + "\n"

    async def close(self) -> None:
        await self.repositories.close()

    def versions(self) -> dict[str, str]:
        """What the matrix says."""
        names = ClusterNames(self.statuses.values())
        return {str(cell): version_of(app) for app in self.apps.values() if (cell := cell_of(app, names))}

    async def _registered(self, _: ClusterName) -> Sequence[Registration]:
        return [
            Registration(
                source=f"Secret argocd/{name}",
                name=name,
                server=status.server,
                labels={"addons": "all"},
                identity=ServerIdentity.of(status.server),
            )
            for name, status in self.statuses.items()
        ]

    async def _served(self, app: App) -> Served:
        if app.destination.server.removeprefix("https://") in self.away:
            raise FleetError("it does not answer")
        return Served(self.hub.served)

    async def _app_resource(self, _: AppKey) -> ApiResource:
        return APPLICATION

    async def _object(self, key: AppKey) -> Obj:
        app = self.apps[key]
        source = {
            "repoURL": app.source.repo_url,
            "path": app.source.path,
            "targetRevision": app.source.target_revision,
        }
        destination = {"server": app.destination.server, "namespace": app.destination.namespace}
        made = {
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"project": app.project, "source": source, "destination": destination},
        }
        return self.objects.get(key.name, made)

    async def _others(self) -> Sequence[Rollout]:
        return self.others


class Answering:
    """Answers what git files generators ask."""

    def __init__(self, repositories: GitRepositories) -> None:
        self._repositories = repositories

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        assert isinstance(question, GitFiles)
        repository = self._repositories.open(question.url)
        tree = await repository.tree(await repository.resolve(question.revision))
        files = await asyncio.to_thread(lambda: dict(tree.files("")))
        return Answer(value={path: files[path] for path in files if path_matches(question.pattern, path)})

    def subscribe(
        self, question: Question, listener: Callable[[], None], *, hub: ClusterName, namespace: str
    ) -> Subscription:
        return Closing(lambda: None)
