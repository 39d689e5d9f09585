"""What the reconciler of ApplicationSets asks of the world beyond its hub's objects.

Owns: the Protocol `Answers`. Implemented in `backends`; as in `fleetui.ports`, all runs on the engine's event loop.
Called by `fleetui.engine.appset.controller` and by the command line, which have what `generate` leaves open answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fleetui.engine.appset.questions import Answer, Question
from fleetui.model.objects import ClusterName
from fleetui.ports import Subscription


class Answers(Protocol):
    """Answers the questions that generators ask."""

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        """What the world says. Raises no error of `fleetui.model.errors`: what can't be had is `Answer.problem`.

        Args:
            question: what a generator asks.
            hub: the cluster of the ApplicationSet, whose logins, Secrets and ConfigMaps are used.
            namespace: that of the ApplicationSet, where the objects are that the generator names.
            fresh: asks for what is new, whatever is remembered (the annotation
                ``argocd.argoproj.io/application-set-refresh``, a webhook).
        """
        ...

    def subscribe(
        self, question: Question, listener: Callable[[], None], *, hub: ClusterName, namespace: str
    ) -> Subscription:
        """Calls `listener` whenever the answer may be another than before: after each fetch that moved a reference of
        the repository, for the questions of Git. What tells of nothing by itself calls never; it is asked again after
        the generator's `requeueAfterSeconds`."""
        ...
