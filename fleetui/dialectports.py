"""How one tool writes an application down.

Owns: the Protocol `Dialect`. Implemented in `backends`; asked by `fleetui.fleet`. Pure, nothing here makes a request;
as in `fleetui.ports`, the errors of `fleetui.model.errors` alone are raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleetui.gitports import Folder
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef, StoredObject


class Dialect(Protocol):
    """How one tool writes an application down: objects to the model, actions to patches. Pure: no I/O."""

    @property
    def name(self) -> str: ...

    @property
    def app_kind(self) -> tuple[str, str]:
        """Group and kind of the application object."""
        ...

    @property
    def app_resource(self) -> ApiResource | None:
        """The resource of the application object where every server that has it serves the same one, so that it can be
        listed before discovery has answered; None where discovery must be asked."""
        ...

    def app(self, hub: ClusterName, obj: StoredObject) -> App: ...

    def key(self, hub: ClusterName, obj: StoredObject) -> AppKey: ...

    def sync_patch(
        self,
        obj: StoredObject,
        *,
        revision: str = "",
        prune: bool = False,
        dry_run: bool = False,
        resources: Sequence[ObjectRef] = (),
        username: str,
    ) -> list[Obj]:
        """The JSON patch that asks for a sync.

        Raises:
            RefusedError: another operation is in progress, the application is being deleted, or its rules forbid it.
        """
        ...

    def refresh_patch(self, obj: StoredObject, *, hard: bool = False, now: float) -> Obj:
        """The merge patch that asks for a new comparison."""
        ...

    def rollback_patch(
        self, obj: StoredObject, *, history_id: int, prune: bool = False, dry_run: bool = False, username: str
    ) -> list[Obj]:
        """The JSON patch that asks for a sync to a former revision, and switches automated sync off where it is on.

        Raises:
            RefusedError: as for `sync_patch`.
            MissingError: the history has no such id.
        """
        ...

    def automation_patch(self, obj: StoredObject, *, on: bool) -> list[Obj]:
        """The JSON patch that suspends automated sync, or resumes it.

        Raises:
            RefusedError: it is so already, or there is none that could be resumed.
        """
        ...

    def terminate_patch(self, obj: StoredObject) -> list[Obj]:
        """The JSON patch that asks the running operation to end.

        Raises:
            RefusedError: none is running.
        """
        ...

    def folder(self, obj: StoredObject, *, history_id: int) -> Folder:
        """Where in Git the application lies, and what a history entry deployed from there.

        Raises:
            RefusedError: it does not lie in one folder of a Git repository, or lay elsewhere then.
            MissingError: the history has no such id.
        """
        ...
