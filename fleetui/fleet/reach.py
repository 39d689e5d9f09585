"""Where a user may see the objects of one kind who may not see them everywhere.

Owns: `Reach`. Called by `fleetui.fleet.appwatch` after a list was forbidden, and once a minute from then on: an API
server tells nobody that a RoleBinding has come.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fleetui.engine.clock import Clock
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.refusal import WATCHED
from fleetui.fleet.rules import Attributes, attributes
from fleetui.model.errors import ClusterError, ForbiddenError
from fleetui.model.objects import ApiResource, ref_of
from fleetui.ports import Cluster

MOST = 50
"""Namespaces that are looked through where the user may list them: one request each."""
SURVEYED = 600.0
"""Seconds for which a list of the namespaces counts."""

_NAMESPACES = ApiResource(group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False)


class Reached(msgspec.Struct, frozen=True):
    """The namespaces that may be watched, an empty string for all of them.

    `denied` says what may not be, as far as it was wanted: nothing where all of it may. `asked` is how many namespaces
    were asked about.
    """

    namespaces: tuple[str, ...]
    denied: tuple[Attributes, ...] = ()
    asked: int = 1


class Reach:
    """Finds the namespaces in which one cluster lets its user list and watch a resource.

    Args:
        api: the cluster.
        permissions: what the user may do there.
        wanted: where to look; an empty string stands for all namespaces.
        named: namespaces that the settings name, for where not all may be listed.
        clock: the time.
    """

    def __init__(
        self, api: Cluster, permissions: Permissions, *, wanted: Sequence[str], named: Sequence[str], clock: Clock
    ) -> None:
        self._api = api
        self._permissions = permissions
        self._wanted = tuple(wanted)
        self._named = tuple(named)
        self._clock = clock
        self._surveyed_at = float("-inf")
        self._survey: tuple[str, ...] = ()

    async def find(self, resource: ApiResource) -> Reached:
        """Where `resource` may be watched now; a server that can't be asked lets it be tried where it is wanted.

        Never raises for what a cluster answers.
        """
        denied = await self._denied(resource, self._wanted, tried=self._wanted)
        if not denied:
            return Reached(self._wanted)
        if "" not in self._wanted:
            return Reached(_without(self._wanted, denied), denied, asked=len(self._wanted))
        own = tuple(dict.fromkeys(filter(None, (self._api.namespace, *self._named))))
        others = [name for name in await self._all() if name not in own][:MOST]
        candidates = (*own, *others)
        found = _without(candidates, await self._denied(resource, candidates, tried=own))
        return Reached(found, denied, asked=1 + len(candidates))

    def forget(self) -> None:
        """Asks anew the next time, whatever is known."""
        self._surveyed_at = float("-inf")
        self.forget_answers()

    def forget_answers(self) -> None:
        """Drops what is known of the permissions: an answer contradicts it."""
        self._permissions.forget(self._api.name)

    async def _denied(
        self, resource: ApiResource, namespaces: Sequence[str], *, tried: Sequence[str]
    ) -> tuple[Attributes, ...]:
        """What is not allowed in these namespaces; where that can't be said it is allowed in those that are `tried`."""
        asked = [attributes(verb, resource, namespace) for namespace in namespaces for verb in WATCHED]
        answers = await self._permissions.may_each(self._api, asked)
        return tuple(
            each
            for each, answer in answers.items()
            if answer.allowed is False or (answer.allowed is None and each.namespace not in tried)
        )

    async def _all(self) -> tuple[str, ...]:
        """The cluster's namespaces; none where they may not be listed."""
        if not 0 <= self._clock.now() - self._surveyed_at < SURVEYED:
            self._survey = ()
            try:
                listed = await self._api.list(_NAMESPACES)
            except ForbiddenError:
                pass
            except ClusterError:
                return ()
            else:
                self._survey = tuple(sorted(ref_of(each).name for each in listed))
            self._surveyed_at = self._clock.now()
        return self._survey


def _without(namespaces: Sequence[str], denied: Sequence[Attributes]) -> tuple[str, ...]:
    gone = {each.namespace for each in denied}
    return tuple(namespace for namespace in namespaces if namespace not in gone)
