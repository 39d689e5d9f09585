"""From options to a running fleet: which clusters, which repositories, wired together.

Owns: `Connection` and `connected`. The composition root proper: backends are made here and handed to the core.
Nothing heavy is imported before a coroutine of this module runs on the engine's thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fleetui.cli.hosting import Hosting
from fleetui.cli.options import Scope
from fleetui.cli.renderers import Renderers
from fleetui.model.errors import UsageError

if TYPE_CHECKING:
    from backends.argocd_access import HubAccess
    from backends.jq import JqWorker
    from backends.kube.context import ContextConfig
    from backends.kube.firstlook import FirstLook
    from backends.kube.kubeconfig import Kubeconfig
    from backends.rollout_gates import HttpGates
    from fleetui.engine.rollout.ports import Verdict
    from fleetui.fleet.fleet import LiveFleet
    from fleetui.fleet.store import LiveStore
    from fleetui.gitports import Repositories, Repository
    from fleetui.model.rollout import Gate, Rollout
    from fleetui.model.servers import ServerIdentity
    from fleetui.ports import PathExpressions

T = TypeVar("T")


def chosen_contexts(scope: Scope) -> tuple[Kubeconfig, tuple[str, ...]]:
    """The kubeconfig and the contexts of it that the options name; the current one where they name none.

    Raises:
        UsageError: there is no usable kubeconfig, or a context does not exist.
    """
    from backends.kube.kubeconfig import load

    kubeconfig = load([scope.kubeconfig] if scope.kubeconfig else None)
    if scope.all_contexts:
        if not kubeconfig.contexts:
            raise UsageError("the kubeconfig has no contexts", "fleetui demo shows a fleet without one")
        return kubeconfig, kubeconfig.contexts
    chosen = (kubeconfig.context(name).name for name in scope.contexts or ("",))
    return kubeconfig, tuple(dict.fromkeys(chosen))


def scope_of(scope: Scope, app: str) -> Scope:
    """The scope with the context that an APP argument begins with, where the options name none.

    So ``CONTEXT/[NAMESPACE/]NAME``, which the console shows in "same as", works as it stands.

    Raises:
        UsageError: there is no usable kubeconfig.
    """
    if scope.contexts or scope.all_contexts or "/" not in app:
        return scope
    from backends.kube.kubeconfig import load

    kubeconfig = load([scope.kubeconfig] if scope.kubeconfig else None)
    named = [name for name in kubeconfig.contexts if app.startswith(f"{name}/")]
    return replace(scope, contexts=tuple(named)) if named else scope


def one_way_each(contexts: Iterable[ContextConfig], *, current: str) -> dict[str, tuple[str, ...]]:
    """One context for each API server, with the names of the others that lead to it: the current one, or the first."""
    from backends.kube.identity import identity_of

    leaders: dict[str, tuple[ServerIdentity, list[str]]] = {}
    for context in sorted(contexts, key=lambda context: context.name != current):
        identity = identity_of(context)
        others = next((others for known, others in leaders.values() if known.same(identity)), None)
        if others is None:
            leaders[context.name] = (identity, [])
        else:
            others.append(context.name)
    return {name: tuple(others) for name, (_, others) in leaders.items()}


class Connection:
    """The clusters and repositories of one run; made and used on the engine's loop.

    Args:
        scope: the options.
        git_interval: seconds between two looks at a remote repository.
        first_look: what the console has asked for already.
        qps: background requests a second to each cluster, 0: without a bound; None: what a shared one can bear.
    """

    def __init__(
        self,
        scope: Scope,
        *,
        git_interval: float = 60.0,
        first_look: FirstLook | None = None,
        qps: float | None = None,
    ) -> None:
        from backends.argocd_clusters import ClusterSecrets
        from backends.flux_kubeconfig import FluxKubeconfigs
        from backends.kube.cluster import KubeCluster
        from backends.kube.identity import identity_of
        from backends.kube.throttle import RATE
        from fleetui.cli.limits import allow_many_files
        from fleetui.config import Paths, load_settings
        from fleetui.fleet.cells import CellRules
        from fleetui.fleet.clusters import Clusters
        from fleetui.fleet.store import LiveStore
        from fleetui.model import selectors
        from fleetui.model.objects import ClusterName

        allow_many_files()
        paths = Paths.of(os.environ)
        settings = load_settings(paths.settings_file)
        qps = RATE if qps is None else qps
        kubeconfig, names = chosen_contexts(scope)
        contexts = [kubeconfig.context_or_problem(name) for name in names]
        leaders = one_way_each(contexts, current=kubeconfig.current)
        self.scope = scope
        self._named = settings.namespaces
        self._cell_rules = CellRules(
            settings.addon_label, selectors.parse(settings.addon_selector) if settings.addon_selector else None
        )
        self.stores: tuple[LiveStore, ...] = tuple(
            LiveStore(
                KubeCluster(
                    context,
                    name=context.name,
                    protected=settings.protects(context.name),
                    first_look=first_look,
                    cache=paths.discovery_folder,
                    qps=qps,
                )
            )
            for context in contexts
            if context.name in leaders
        )
        self.clusters = Clusters(
            self.stores,
            ClusterSecrets(
                settings.argocd_namespaces,
                consented=settings.hub_exec_plugins,
                protects=settings.protects,
                qps=qps,
            ),
            FluxKubeconfigs(consented=settings.hub_exec_plugins, protects=settings.protects, qps=qps),
            identities={ClusterName(context.name): identity_of(context) for context in contexts},
            aliases={ClusterName(name): others for name, others in leaders.items()},
        )
        self._logins: dict[str, HubAccess] = {}
        self._argocd_namespaces = settings.argocd_namespaces
        self.webhook_listen = settings.webhook_listen
        self.repositories: Repositories = _OpenedLater(git_interval, self.logins_of, submodules=settings.git_submodules)
        self._renderers: dict[str, Renderers] = {}
        self.hosting = Hosting(
            self.repositories,
            charts=lambda hub: self.renderers_of(hub).charts,
            kinds=settings.git_hosts,
            hubs=lambda name: next((store.api for store in self.stores if store.api.name == name), None),
            logins=self.logins_of,
        )
        self.jq = _JqLater()
        self.gates = _GatesLater()

    def fleet(self, *, protects: Callable[[str], bool] = lambda _: False) -> LiveFleet:
        """The live fleet over these clusters; not started.

        Args:
            protects: which clusters want their name typed before a change, besides those of the settings.
        """
        from backends.argocd import ArgoDialect
        from backends.flux import FluxKustomizations, FluxReleases
        from fleetui.fleet.fleet import LiveFleet

        return LiveFleet(
            self.clusters,
            [ArgoDialect(), FluxKustomizations(), FluxReleases()],
            self.repositories,
            read_only=self.scope.read_only,
            namespaces=(self.scope.namespace,),
            named=self._named,
            protects=protects,
            cell_rules=self._cell_rules,
            answers=self.hosting,
            hosts=self.hosting,
            outside=self.gates,
            jq=self.jq,
            # What one hub logs in to is nothing for the charts of another.
            renderers=self.renderers_of(self.stores[0].api.name if len(self.stores) == 1 else "").tools,
        )

    def renderers_of(self, hub: str) -> Renderers:
        """What renders for one hub, with its logins to repositories of charts; for no hub by name, with none."""
        return self._renderers.setdefault(hub, Renderers(lambda: self.logins_of(hub)))

    def logins_of(self, hub: str) -> HubAccess | None:
        """What one hub says about logins to repositories, watched from the first question on."""
        store = next((store for store in self.stores if store.api.name == hub), None)
        if store is not None and hub not in self._logins:
            from backends.argocd_access import HubAccess

            self._logins[hub] = HubAccess(store.api, self._argocd_namespaces)
        return self._logins.get(hub)

    async def close(self) -> None:
        """Ends every watch and every process."""
        self.jq.close()
        for logins in self._logins.values():
            logins.close()
        await self.clusters.close()
        for store in self.stores:
            store.close()
            await store.api.close()
        await self.hosting.close()
        await self.gates.close()
        await self.repositories.close()
        for renderers in self._renderers.values():
            await renderers.close()


class _OpenedLater:
    """Repositories that cost nothing, not even an import, until one of them is opened."""

    def __init__(self, interval: float, books: Callable[[str], HubAccess | None], *, submodules: bool) -> None:
        self._interval = interval
        self._submodules = submodules
        self._books = books
        self._made: Repositories | None = None

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        if self._made is None:
            from backends.git import GitRepositories

            self._made = GitRepositories(interval=self._interval, books=self._books, submodules=self._submodules)
        return self._made.open(url, hub=hub, project=project)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()


class _JqLater:
    """A jq that costs nothing, not even an import, before there is something to evaluate."""

    def __init__(self) -> None:
        self._made: JqWorker | None = None

    async def run(self, work: Callable[[PathExpressions], T]) -> T:
        if self._made is None:
            from backends.jq import JqWorker

            self._made = JqWorker()
        return await self._made.run(work)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


class _GatesLater:
    """What gates ask over HTTP, at no cost before one does."""

    def __init__(self) -> None:
        self._made: HttpGates | None = None

    @property
    def _gates(self) -> HttpGates:
        if self._made is None:
            from backends.rollout_gates import HttpGates

            self._made = HttpGates()
        return self._made

    async def metric(self, gate: Gate) -> Verdict:
        return await self._gates.metric(gate)

    async def webhook(self, gate: Gate, rollout: Rollout, wave: str) -> Verdict:
        return await self._gates.webhook(gate, rollout, wave)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()


def with_fleet(scope: Scope, work: Callable[[LiveFleet], Coroutine[Any, Any, T]]) -> T:
    """Starts a fleet on an engine thread, runs `work` there and ends everything again; returns its result."""
    from fleetui.runtime import Runtime

    with Runtime() as runtime:
        return runtime.submit(on_fleet(scope, work)).result()


async def on_fleet(scope: Scope, work: Callable[[LiveFleet], Coroutine[Any, Any, T]]) -> T:
    """As `with_fleet`, on the engine's thread already."""
    connection = Connection(scope)
    fleet = connection.fleet()
    try:
        await fleet.start()
        return await work(fleet)
    finally:
        await fleet.close()
        await connection.close()
