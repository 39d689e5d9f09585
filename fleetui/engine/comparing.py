"""Comparing Applications, and what is done while a repository does not answer.

Owns: `Subject`, an Application that can be compared, and `Comparer`, one for each engine. Called by
`fleetui.engine.reconcile` and `fleetui.engine.operate`. Never here: how one comparison is made
(`fleetui.engine.observe`). What is kept in memory (since when a repository does not answer) may be lost without harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleetui.diff.ignore import rules_of
from fleetui.engine.application import GROUP, KIND, Application, mapping
from fleetui.engine.clock import Clock
from fleetui.engine.compare import Comparison
from fleetui.engine.destination import Destination
from fleetui.engine.ignoring import Ignoring
from fleetui.engine.observe import observe, unreadable
from fleetui.engine.overrides import Overrides
from fleetui.engine.projects import Permits
from fleetui.engine.sources import COMMIT, Sources
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.status import compared_to
from fleetui.health import Judge
from fleetui.model.errors import RepositoryUnreachableError
from fleetui.model.objects import ObjectRef
from fleetui.ports import Jq

REPOSITORY_GRACE = 180.0
"""Seconds for which an application is compared with the commit that is known of a repository that can't be reached
(Argo CD's `repo-error-grace-period`)."""


@dataclass(frozen=True)
class Subject:
    """An Application, the cluster it names, its name within tracking ids, and what its project permits there."""

    app: Application
    destination: Destination
    instance: str
    permits: Permits

    @property
    def ref(self) -> ObjectRef:
        """The Application as an object of the hub."""
        return ObjectRef(GROUP, KIND, self.app.namespace, self.app.name)

    def written(self, app: Application) -> Subject:
        """The same, after the Application was written."""
        return replace(self, app=app)


class Comparer:
    """Compares the Applications of one hub.

    Args:
        sources: where desired states are read.
        overrides: what the hub's ``argocd-cm`` says at this moment.
        clock: the time.
        jq: evaluates the expressions of `ignoreDifferences` that compute.
    """

    def __init__(self, sources: Sources, overrides: Callable[[], Overrides], clock: Clock, jq: Jq | None) -> None:
        self._sources = sources
        self._overrides = overrides
        self._clock = clock
        self._jq = jq
        self._unreachable_since: dict[ObjectRef, float] = {}

    @property
    def judge(self) -> Judge:
        """The health of a live object, as the hub has it."""
        return self._overrides().judge

    def ignoring(self, app: Application) -> Ignoring:
        """The differences that the application and its hub ignore."""
        return Ignoring((*rules_of(app.obj)[0], *self._overrides().rules), self._jq)

    def forget(self, ref: ObjectRef) -> None:
        """Drops what is kept of an Application that is gone."""
        self._unreachable_since.pop(ref, None)

    async def compare(
        self, subject: Subject, *, wanted: SourceSet | None = None, revisions: Sequence[str] = (), fetch: bool = False
    ) -> Comparison:
        """See `fleetui.engine.observe.observe`.

        Raises:
            RepositoryUnreachableError: the repository can't be reached now.
        """
        return await observe(
            subject.app,
            subject.destination,
            self._sources,
            instance=subject.instance,
            overrides=self._overrides(),
            permits=subject.permits,
            wanted=wanted,
            revisions=revisions,
            fetch=fetch,
            jq=self._jq,
        )

    async def unreadable(
        self, subject: Subject, error: RepositoryUnreachableError, wanted: SourceSet, revisions: Sequence[str] = ()
    ) -> Comparison:
        """The comparison of an application whose repository can't be reached."""
        return await unreadable(
            subject.app,
            subject.destination,
            error,
            instance=subject.instance,
            overrides=self._overrides(),
            permits=subject.permits,
            wanted=wanted,
            revisions=revisions,
        )

    async def compare_anew(self, subject: Subject) -> Comparison | float:
        """The comparison with what is in Git now, asking for what is new where somebody wants a refresh; or in how many
        seconds to look again, for a repository that does not answer for a moment changes nothing."""
        app = subject.app
        if app.refresh == "hard":
            self._sources.forget()
            subject.destination.predictor.forget()
        try:
            comparison = await self.compare(subject, fetch=bool(app.refresh))
        except RepositoryUnreachableError as error:
            return await self._meanwhile(subject, error)
        self._unreachable_since.pop(subject.ref, None)
        return comparison

    async def _meanwhile(self, subject: Subject, error: RepositoryUnreachableError) -> Comparison | float:
        """The comparison while the repository does not answer: with the commit that is known, for as long as the grace
        lasts. It ends at once for who asks for a refresh, and begins anew only when the repository has answered."""
        now, app = self._clock.now(), subject.app
        if app.refresh:
            self._unreachable_since[subject.ref] = -math.inf
        left = self._unreachable_since.setdefault(subject.ref, now) + REPOSITORY_GRACE - now
        before = mapping(app.status.get("sync"))
        wanted = SourceSet.of(app.spec)
        known = wanted.revisions_of(before)
        pairs = zip(known, wanted.sources, strict=False)
        exact = all(COMMIT.fullmatch(each) or source.get("chart") for each, source in pairs)
        if left > 0 and known and exact and before.get("comparedTo") == compared_to(app):
            try:
                return await self.compare(subject, revisions=known)
            except RepositoryUnreachableError:
                if app.operation is None:
                    return left
        return await self.unreadable(subject, error, wanted)
