"""The projects of a hub, watched.

Owns: `HubProjects`: one watch of the AppProjects of the control plane, and which of them an Application belongs to
(Argo CD v3.6.1 controller/appcontroller.go, `getAppProj` and `projectErrorToCondition`; util/argo/argo.go,
`GetAppProjectByName`, `GetAppVirtualProject`). Called by the engine. What a project permits is in
`fleetui.engine.projects`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from fleetui.engine.application import GROUP, Application
from fleetui.engine.clock import Clock
from fleetui.engine.gathering import Rechecked
from fleetui.engine.overrides import Overrides
from fleetui.engine.projects import DEFAULT, DEFAULT_PROJECT, PROJECT_KIND, Project, project_of
from fleetui.engine.status import INVALID_SPEC_ERROR, UNKNOWN_ERROR
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.ports import Cluster

_log = logging.getLogger(__name__)

IMPERSONATES = (
    "project '{name}' wants its syncs made as service accounts (destinationServiceAccounts, impersonation is on in "
    "argocd-cm), which this engine can't do: it syncs nothing of it"
)


class ProjectError(Exception):
    """An Application that has no project: none of that name, or none that it may use.

    `condition` and `shown` are the type and the message of the Application's condition.
    """

    def __init__(self, condition: str, shown: str, message: str = "") -> None:
        super().__init__(message or shown)
        self.condition = condition
        self.shown = shown


class HubProjects:
    """The projects of one hub.

    Args:
        hub: the cluster.
        namespace: of the control plane: projects elsewhere are none.
        overrides: says which of them are global.
        clock: for the next look at what may not be read.
        changed: called with the names of the projects that became others.
        repositories: the URLs that are a project's own, beside its `sourceRepos`.
    """

    def __init__(
        self,
        hub: Cluster,
        *,
        namespace: str,
        overrides: Callable[[], Overrides],
        clock: Clock,
        changed: Callable[[Collection[str]], None],
        repositories: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        self._repositories = repositories
        self._hub = hub
        self._namespace = namespace
        self._overrides = overrides
        self._changed = changed
        self._projects: dict[str, Project] = {}
        self._refusal: ForbiddenError | None = None
        self._known = asyncio.Event()
        self._watch = Rechecked(
            hub, clock, settle=self._settle, change=self._change, refused=self._refuse, failed=self._fail
        )

    def start(self, resource: ApiResource | None) -> None:
        """Begins to watch; returns at once. Without a `resource` the hub does not know projects, and has none."""
        if resource is None:
            self._known.set()
        else:
            self._watch.start(resource, namespace=self._namespace)

    def close(self) -> None:
        """Ends the watch; what is known stays."""
        self._watch.close()

    async def known(self) -> None:
        """Returns when the projects have been read or may not be, however long that takes."""
        await self._known.wait()

    def names(self) -> frozenset[str]:
        """The names of all projects; `default` is there in any case, as for `of`.

        Raises:
            ForbiddenError: projects can't be read.
        """
        if self._refusal is not None:
            raise self._refusal
        return frozenset((*self._projects, DEFAULT))

    def of(self, app: Application) -> Project:
        """The project of an Application. Where the hub has no project ``default`` it is the one that Argo CD's API
        server would make.

        Raises:
            ProjectError: there is none of that name, the Application may not use it, or projects can't be read.
        """
        name = app.project
        if self._refusal is not None:
            raise ProjectError(UNKNOWN_ERROR, f"could not retrieve AppProject '{name}': {self._refusal}")
        project = self._projects.get(name) or (DEFAULT_PROJECT if name == DEFAULT else None)
        if project is None:
            lookup = f'error getting app project "{name}": {PROJECT_KIND.lower()}.{GROUP} "{name}" not found'
            shown = f"Application referencing project {name} which does not exist"
            raise ProjectError(INVALID_SPEC_ERROR, shown, lookup)
        if not project.permits_applications_in(app.namespace, self._namespace):
            words = f"application '{app.name}' in namespace '{app.namespace}' is not permitted to use project '{name}'"
            raise ProjectError(UNKNOWN_ERROR, words)
        overrides = self._overrides()
        if overrides.impersonates and project.service_accounts:
            project = replace(project, unserved=IMPERSONATES.format(name=name))
        project = replace(project, source_repos=(*project.source_repos, *self._repositories(name)))
        given = [each.name for each in overrides.global_projects if each.selects(project)]
        for other in filter(None, map(self._projects.get, given)):
            project = project.merged(other)
        return project

    # --- what the watch says ----------------------------------------------------------------------------------------

    def _settle(self, objects: Sequence[StoredObject]) -> None:
        self._take({obj.ref.name: project_of(obj.decode()) for obj in objects})
        self._known.set()

    def _change(self, objects: Sequence[StoredObject], gone: set[ObjectRef]) -> None:
        names = {ref.name for ref in gone}
        kept = {name: project for name, project in self._projects.items() if name not in names}
        self._take(kept | {obj.ref.name: project_of(obj.decode()) for obj in objects})

    def _take(self, projects: dict[str, Project]) -> None:
        names = projects.keys() | self._projects.keys()
        differ = {name for name in names if projects.get(name) != self._projects.get(name)}
        if differ & {each.name for each in self._overrides().global_projects}:
            differ |= {DEFAULT, *names}
        if self._refusal is not None:
            self._refusal, differ = None, {DEFAULT, *names}
        self._projects = projects
        if differ:
            self._changed(differ)

    def _refuse(self, error: ForbiddenError) -> None:
        if self._refusal is None:
            _log.warning("%s: %s; nothing is synced while projects can't be read", self._hub.name, error)
        self._refusal = error
        self._known.set()

    def _fail(self, error: Exception) -> None:
        # What is known stays.
        if not self._known.is_set():
            _log.warning("%s: the projects can't be read yet: %s", self._hub.name, error)
