"""Whether the operator may do something, asked of the API server itself.

Owns: `Permissions`. Called by the planner and the dispatcher before a write, by `fleetui.fleet.reach` and
`fleetui.fleet.trees` before a watch. Reviews of rules answer many questions with one request; what the rules can't say
is asked alone. A server that can't be asked is no refusal: it will decide itself when the request comes.

An answer counts for a minute, and for one cluster: a cluster is one context, and so one user. It is dropped sooner by
whoever knows better (`forget`): after an answer of 403 that contradicts it, after a login, on a hard refresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from fleetui.engine.application import mapping, text
from fleetui.engine.clock import Clock
from fleetui.fleet.rules import Attributes, Rules, attributes, rules_of
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ClusterName, Obj
from fleetui.model.text import one_line
from fleetui.ports import Cluster

T = TypeVar("T")

KEPT = 60.0
"""Seconds for which an answer counts."""

_AT_ONCE = 8
"""Reviews on their way to one cluster; a tree asks for thirty kinds where its server can't list its rules."""


def _review(kind: str) -> ApiResource:
    return ApiResource(
        group="authorization.k8s.io",
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        namespaced=False,
        verbs=frozenset({"create"}),
    )


_ACCESS = _review("SelfSubjectAccessReview")
_RULES = _review("SelfSubjectRulesReview")


class Permission(msgspec.Struct, frozen=True):
    """`allowed` is None where the server could not be asked; `reason` then says why, and else what the server says."""

    allowed: bool | None
    reason: str = ""


class Permissions:
    """The operator's permissions on every cluster (SelfSubjectAccessReview and SelfSubjectRulesReview,
    k8s.io/api/authorization/v1)."""

    def __init__(self, clock: Clock) -> None:
        self._access = _Answers[Permission](clock)
        self._rules = _Answers[Rules](clock)
        self._turns: dict[ClusterName, asyncio.Semaphore] = {}

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
        """Whether `verb` (such as ``patch``) is allowed on one object, or without `name` on the collection."""
        asked = attributes(verb, resource, namespace, name=name, subresource=subresource)
        return await self._may(api, asked)

    async def may_each(self, api: Cluster, asked: Iterable[Attributes]) -> Mapping[Attributes, Permission]:
        """As `may`, for many questions: one request a namespace, and one for each that its rules leave open."""
        questions = list(dict.fromkeys(asked))
        namespaces = {each.namespace for each in questions if each.namespace}
        reviews = await asyncio.gather(*(self._listed(api, namespace) for namespace in namespaces))
        rules = dict(zip(namespaces, reviews, strict=True))
        known = {each: _by_rules(rules.get(each.namespace), each) for each in questions}
        opened = [each for each, permission in known.items() if permission is None]
        answers = await asyncio.gather(*(self._may(api, each) for each in opened))
        told = dict(zip(opened, answers, strict=True))
        return {each: permission or told[each] for each, permission in known.items()}

    def forget(self, cluster: ClusterName) -> None:
        """Drops what is known of a cluster; an answer that is still on its way is not kept either."""
        self._access.forget(cluster)
        self._rules.forget(cluster)

    async def _may(self, api: Cluster, asked: Attributes) -> Permission:
        async def ask() -> tuple[Permission, bool]:
            permission = await self._ask_access(api, asked)
            return permission, permission.allowed is not None

        return await self._access.get(api.name, asked, ask)

    async def _listed(self, api: Cluster, namespace: str) -> Rules:
        async def ask() -> tuple[Rules, bool]:
            try:
                return rules_of(await self._post(api, _RULES, {"namespace": namespace})), True
            except ClusterError as error:
                return Rules(incomplete=True, problem=str(error)), False

        return await self._rules.get(api.name, namespace, ask)

    async def _ask_access(self, api: Cluster, asked: Attributes) -> Permission:
        given = {key: value for key, value in msgspec.structs.asdict(asked).items() if value or key == "group"}
        try:
            answer = await self._post(api, _ACCESS, {"resourceAttributes": given})
        except ClusterError as error:
            return Permission(None, str(error))
        return _read(mapping(answer.get("status")))

    async def _post(self, api: Cluster, kind: ApiResource, spec: Obj) -> Obj:
        review: Obj = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
        async with self._turns.setdefault(api.name, asyncio.Semaphore(_AT_ONCE)):
            return await api.create(kind, review, field_manager="fleetui")


def _by_rules(rules: Rules | None, asked: Attributes) -> Permission | None:
    allowed = rules.allow(asked) if rules is not None else None
    return None if allowed is None else Permission(allowed)


def _read(status: Mapping[str, Any]) -> Permission:
    allowed = status.get("allowed")
    reason = one_line(text(status.get("reason")) or text(status.get("evaluationError")))
    return Permission(allowed if isinstance(allowed, bool) else None, reason)


class _Answers(Generic[T]):
    """Answers by cluster and question, each asked for once at a time, however many want it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[ClusterName, dict[object, tuple[float, T]]] = {}
        self._asking: dict[tuple[ClusterName, object], asyncio.Lock] = {}

    async def get(self, cluster: ClusterName, question: object, ask: Callable[[], Awaitable[tuple[T, bool]]]) -> T:
        """The answer that is known, or the one of `ask`, which also says whether it is to be kept."""
        lock = self._asking.setdefault((cluster, question), asyncio.Lock())
        async with lock:
            known = self._known.setdefault(cluster, {})
            kept = known.get(question)
            if kept is not None and 0 <= self._clock.now() - kept[0] < KEPT:
                return kept[1]
            try:
                answer, keep = await ask()
            finally:
                self._asking.pop((cluster, question), None)
            if keep:
                known[question] = (self._clock.now(), answer)  # of nobody's any more where it was forgotten meanwhile
            return answer

    def forget(self, cluster: ClusterName) -> None:
        self._known.pop(cluster, None)
