"""Asking a fleet what an application waits for.

Owns: `why`, which gathers what `fleetui.fleet.why` judges. Called by the command line.
"""

from __future__ import annotations

from contextlib import closing, suppress

from fleetui.fleet.api import Fleet
from fleetui.fleet.cause import culprit_of
from fleetui.fleet.views import ObjectEvent
from fleetui.fleet.why import Why, explain
from fleetui.model.app import AppKey
from fleetui.model.errors import ClusterError, MissingError
from fleetui.model.objects import Obj


async def why(fleet: Fleet, key: AppKey) -> tuple[Why, tuple[str, ...]]:
    """What an application waits for, and a sentence for each thing that could not be asked.

    Raises:
        MissingError: the application has gone.
    """
    app, notes = fleet.apps.get(key), []
    if app is None:
        raise MissingError(f"{key} is gone")
    events: tuple[ObjectEvent, ...] = ()
    with closing(fleet.watch_tree(key)):  # all that follows is of the tree, which would be listed anew each time
        tree = await fleet.tree(key)
        if tree.problem:
            notes.append(tree.problem)
        try:
            events = await fleet.events(key)
        except ClusterError as error:
            notes.append(f"Events are missing: {error}")
        culprit = culprit_of(tree)
        live: Obj | None = None
        if culprit is not None:
            with suppress(ClusterError, MissingError):  # the tree says so, and what it says of the object is shown
                live = await fleet.manifest(key, culprit.ref)
    found = explain(app, cluster=fleet.clusters.get(key.hub), tree=tree, culprit=culprit, live=live, events=events)
    return found, tuple(notes)
