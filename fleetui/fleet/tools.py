"""What answers the questions about an application, made when the first is asked.

Owns: `Tools`. Called by `fleetui.fleet.fleet`. It takes 0.06 s to import in all, which the first rows don't wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from fleetui import renderports
from fleetui.engine.clock import Clock
from fleetui.fleet.history import Commits
from fleetui.gitports import Repositories
from fleetui.model.objects import ClusterName
from fleetui.ports import Jq

if TYPE_CHECKING:
    from fleetui.fleet.audit import Audit
    from fleetui.fleet.differ import Differ
    from fleetui.fleet.dispatch import Dispatcher
    from fleetui.fleet.permissions import Permissions
    from fleetui.fleet.planner import Planner
    from fleetui.fleet.podaccess import PodAccess
    from fleetui.fleet.subject import Subject
    from fleetui.fleet.views import Deployed


class Tools:
    """The differ, the planner, the dispatcher and what is known of the user's permissions, for one fleet.

    Args:
        repositories, commits: where desired states lie.
        clock: the time.
        audit: where actions are recorded; None: the file in the user's state folder.
        read_only: refuse every action.
        protects: which clusters want their name typed.
        jq: evaluates the expressions of `ignoreDifferences` that compute.
        renderers: what renders charts and kustomizations.
    """

    def __init__(
        self,
        repositories: Repositories,
        commits: Commits,
        *,
        clock: Clock,
        audit: Audit | None,
        read_only: bool,
        protects: Callable[[ClusterName], bool],
        jq: Jq | None,
        renderers: renderports.Tools | None = None,
    ) -> None:
        self.read_only = read_only
        self._repositories = repositories
        self._commits = commits
        self._clock = clock
        self._audit = audit
        self._protects = protects
        self._jq = jq
        self._renderers = renderers

    @cached_property
    def permissions(self) -> Permissions:
        from fleetui.fleet.permissions import Permissions

        return Permissions(self._clock)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        from fleetui.fleet.dispatch import Dispatcher

        return Dispatcher(
            self.permissions,
            self.audit,
            self._clock,
            repositories=self._repositories,
            read_only=self.read_only,
        )

    def pod_access(self, warn: Callable[[str], object]) -> PodAccess:
        """The way into Pods; `warn` hears of records that could not be written."""
        from fleetui.fleet.podaccess import PodAccess

        return PodAccess(self.permissions, self.audit, read_only=self.read_only, warn=warn)

    @cached_property
    def audit(self) -> Audit:
        from fleetui.fleet.audit import default_audit

        return self._audit or default_audit(self._clock.now)

    async def deployed(self, subject: Subject, history_id: int) -> Deployed:
        """What an entry of the history changed; see `fleetui.fleet.deployed`."""
        from fleetui.fleet.deployed import deployed_changes

        return await deployed_changes(subject, self.differ.desires, history_id)

    @cached_property
    def differ(self) -> Differ:
        from fleetui.fleet.differ import Differ

        return Differ(self._repositories, self._commits, self._jq, tools=self._renderers)

    @cached_property
    def planner(self) -> Planner:
        from fleetui.fleet.planner import Planner

        return Planner(self.differ, self.dispatcher, self._commits, protects=self._protects)
