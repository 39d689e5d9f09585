"""Whether the operator may do something to an object, asked of the API server itself.

Owns: `Permissions`. Called by the planner and the dispatcher. An answer is kept for a minute. A server that can't be
asked is no refusal: it will decide itself when the write comes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.engine.clock import Clock
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, Obj
from fleetui.model.text import one_line
from fleetui.ports import Cluster

KEPT = 60.0
"""Seconds for which an answer counts."""

_REVIEW = ApiResource(
    group="authorization.k8s.io",
    version="v1",
    kind="SelfSubjectAccessReview",
    plural="selfsubjectaccessreviews",
    namespaced=False,
    verbs=frozenset({"create"}),
)


class Permission(msgspec.Struct, frozen=True):
    """`allowed` is None where the server could not be asked; `reason` then says why, and else what the server says."""

    allowed: bool | None
    reason: str = ""


class Permissions:
    """The operator's permissions on every cluster (SelfSubjectAccessReview, authorization.k8s.io/v1)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[float, Permission]] = {}

    async def may(
        self,
        api: Cluster,
        verb: str,
        *,
        resource: ApiResource,
        namespace: str,
        name: str = "",
        subresource: str = "",
    ) -> Permission:
        """Whether `verb` (such as ``patch``) is allowed on one object."""
        key = (api.name, verb, resource.full_name, namespace, name, subresource)
        known = self._known.get(key)
        if known is not None and 0 <= self._clock.now() - known[0] < KEPT:
            return known[1]
        attributes = {
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
            "verb": verb,
            "namespace": namespace,
            "name": name,
        } | ({"subresource": subresource} if subresource else {})
        permission = await _ask(api, attributes)
        if permission.allowed is not None:
            self._known[key] = (self._clock.now(), permission)
        return permission


async def _ask(api: Cluster, attributes: dict[str, str]) -> Permission:
    review: Obj = {
        "apiVersion": _REVIEW.api_version,
        "kind": _REVIEW.kind,
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await api.create(_REVIEW, review, field_manager="fleetui")
    except ClusterError as error:
        return Permission(None, str(error))
    return _read(mapping(answer.get("status")))


def _read(status: Any) -> Permission:
    allowed = status.get("allowed")
    reason = one_line(text(status.get("reason")) or text(status.get("evaluationError")))
    return Permission(allowed if isinstance(allowed, bool) else None, reason)
