"""Logging in: a credential plugin that asks, asked for by the operator at the terminal.

Owns: `run_login`. The plugin has the terminal, and what it keeps for the next time is its own affair.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from fleetui.cli.connect import chosen_contexts
from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.model.errors import ForbiddenError, NotFoundError
from fleetui.model.objects import ApiResource
from fleetui.model.text import one_line

if TYPE_CHECKING:
    from backends.kube.cluster import KubeCluster

_REVIEW = ApiResource("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False)


def run_login(scope: Scope, context: str) -> None:
    """Logs in to the context (the current one where it is empty) and says as whom.

    Raises:
        UsageError: there is no such context.
        RefusedError: its login is a fixed one.
        UnauthorizedError: the plugin gave none, or the API server refuses it.
    """
    from backends.kube.cluster import KubeCluster

    kubeconfig, names = chosen_contexts(replace(scope, contexts=(context,) if context else scope.contexts[:1]))
    cluster = KubeCluster(kubeconfig.context(names[0]))
    user = asyncio.run(_log_in(cluster))
    say(f"logged in to {cluster.name} ({cluster.server}){f' as {user}' if user else ''}")


async def _log_in(cluster: KubeCluster) -> str:
    try:
        await cluster.login()
        return await _user(cluster)
    finally:
        await cluster.close()


async def _user(cluster: KubeCluster) -> str:
    """Whom the API server takes us for; empty where it does not say (before Kubernetes 1.28)."""
    review = {"apiVersion": _REVIEW.api_version, "kind": _REVIEW.kind}
    try:
        answer = await cluster.create(_REVIEW, review, field_manager="fleetui")
    except (NotFoundError, ForbiddenError):
        return ""
    return one_line(str(((answer.get("status") or {}).get("userInfo") or {}).get("username", "")))
