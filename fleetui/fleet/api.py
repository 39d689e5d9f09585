"""The fleet as screens and commands see it.

Owns: the Protocol `Fleet`, implemented by `fleetui.fleet.fleet.LiveFleet`. Coroutines run on the engine's loop;
a screen reaches them through `fleetui.runtime.Runtime.call`, which returns to the screen's own loop. All raise only
the errors of `fleetui.model.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from fleetui.fleet.cells import CellRules
from fleetui.fleet.views import (
    Action,
    AppDiff,
    ChangeSet,
    Deployed,
    HistoryRow,
    ObjectEvent,
    Orphans,
    Outcome,
    Plan,
    PodLog,
    PodView,
    PodViews,
    Tree,
    Why,
)
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.status import ClusterStatus
from fleetui.podports import ExecSession
from fleetui.ports import Subscription

if TYPE_CHECKING:
    from fleetui.engine.appset.preview import Preview
    from fleetui.fleet.appsets import AppSetKey, AppSets
    from fleetui.fleet.projects import Projects
    from fleetui.fleet.rolloutapi import Rollouts


class LogSink(Protocol):
    """Takes a log, on the engine's thread. Each of its lines begins with its time and a blank."""

    def began(self) -> None:
        """The log comes, or comes anew: its first lines may be ones that were there before."""
        ...

    def take(self, piece: bytes) -> None:
        """The next bytes, as they are."""
        ...

    def say(self, message: str) -> None:
        """Why nothing more comes now, in a sentence."""
        ...


class Fleet(Protocol):
    """The live picture of every chosen cluster, and the one way to change something in it."""

    @property
    def read_only(self) -> bool: ...

    @property
    def cell_rules(self) -> CellRules:
        """Which applications are addons."""
        ...

    @property
    def apps(self) -> Mapping[AppKey, App]: ...

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]: ...

    @property
    def rollouts(self) -> Rollouts:
        """The rollouts of addons over this fleet."""
        ...

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        """Calls `listener` on the engine's thread with the whole picture at once, then with each merged change set, at
        most ten a second."""
        ...

    async def login(self, cluster: ClusterName) -> None:
        """Logs in to a cluster anew; the terminal must be free, because some login plugins ask there.

        Raises:
            MissingError: the fleet has no such cluster.
            RefusedError: another login is going on, or this cluster's has nothing that could be renewed.
            UnauthorizedError: no login could be had.
        """
        ...

    async def retry(self, cluster: ClusterName) -> None:
        """Asks a cluster that does not answer now, and looks again at what may be seen of it.

        Raises:
            MissingError: the fleet has no such cluster.
        """
        ...

    async def greet(self) -> None:
        """Makes one small request to each cluster that answers, so that its latency is known; none of them is awaited
        that does not."""
        ...

    async def loaded(self) -> None:
        """Returns when every cluster has either listed its applications or failed to."""
        ...

    async def registered(self, *, check: bool = False) -> None:
        """Returns when it is known which clusters the hubs have registered, with `check` also how these are; until then
        only those are known that an application needed."""
        ...

    def watch_tree(self, key: AppKey) -> Subscription:
        """Keeps everything below one application watched, so that its changes come in `ChangeSet.trees`."""
        ...

    async def tree(self, key: AppKey) -> Tree: ...

    async def diff(self, key: AppKey, ref: ObjectRef | None = None, *, revision: str = "") -> AppDiff:
        """The application (or one object of it) compared with Git at `revision`, or at the revision it was last
        compared with. With `ref`, the object is in the answer also where nothing differs."""
        ...

    async def with_commits(self, diff: AppDiff) -> AppDiff:
        """The diff (one of `diff`'s) with the commit of each change that Git's side makes, which may take long: the
        latest one that wrote a line of it, where that can be told for sure. What keeps Git from being asked is a note.
        """
        ...

    async def history(self, key: AppKey) -> tuple[HistoryRow, ...]: ...

    async def deployed(self, key: AppKey, history_id: int) -> Deployed:
        """What an entry of the history changed.

        Raises:
            MissingError: there is no such application or entry.
        """
        ...

    async def orphans(self, key: AppKey) -> Orphans:
        """What nobody manages in the namespace that an application is synced into, over all engines.

        Raises:
            ClusterError: its cluster can't be asked.
        """
        ...

    async def events(self, key: AppKey, ref: ObjectRef | None = None) -> tuple[ObjectEvent, ...]:
        """The Events about everything in an application's tree, or about one object where it runs; the newest last.

        Raises:
            ClusterError: they can't be listed.
        """
        ...

    async def why(self, key: AppKey) -> Why:
        """What the application waits for; what could not be asked is in its notes.

        Raises:
            MissingError: there is no such application.
        """
        ...

    async def projects(self) -> Projects:
        """The Argo CD projects of every chosen cluster, as they are now."""
        ...

    async def appsets(self) -> AppSets:
        """The ApplicationSets of every chosen cluster, as they are now."""
        ...

    async def preview(self, key: AppSetKey, edited: Obj | None = None) -> Preview:
        """What an ApplicationSet would do to its Applications now: as it is, or as `edited` has it, which need not be
        there yet.

        Raises:
            MissingError: there is no such set or no such cluster.
            ClusterError: the hub can't be asked.
        """
        ...

    async def pods(self, key: AppKey, ref: ObjectRef | None = None) -> PodViews:
        """The Pods in an application's tree, or at and below one object of it.

        Raises:
            MissingError: `ref` is nothing of the tree.
            ClusterError: they can't be read.
        """
        ...

    def follow_log(self, log: PodLog, sink: LogSink) -> Subscription:
        """Hands a log to `sink`, and what is written to it from then on; goes on when the container starts anew or the
        connection breaks, until the subscription is closed."""
        ...

    def shell(
        self, pod: PodView, container: str, *, warn: Callable[[str], object]
    ) -> AbstractAsyncContextManager[ExecSession]:
        """A shell in a container, on a terminal; the audit record is written, and `warn` told on the engine's thread
        where it could not be.

        Raises:
            RefusedError: read-only, or not permitted.
            MissingError: the fleet has no such cluster any more.
            ClusterError: the API server or the node did not do it.
        """
        ...

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        """The live object, a Secret's values masked and managedFields left out."""
        ...

    async def plan(self, action: Action) -> Plan: ...

    async def execute(self, action: Action) -> Outcome:
        """Carries the action out once, never retried, and writes the audit record.

        Raises:
            RefusedError: read-only, or the application's own state forbids it.
        """
        ...
