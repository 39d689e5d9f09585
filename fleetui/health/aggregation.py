"""The health of an application from that of its objects.

Owns: `AppMember`, `aggregate`. Rules: argo-cd v3.6.1, controller/health.go (the same since v3.4, but for the message).
Called by the engine after each comparison. Children of managed objects never come in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fleetui.model.objects import ObjectRef
from fleetui.model.status import HEALTH_ORDER, Health, HealthStatus

_SHOWN = 3
_APPLICATION = ("argoproj.io", "Application")


class AppMember(msgspec.Struct, frozen=True):
    """One managed object of an application, as far as the application's health depends on it.

    `present`: there is a live object. `health`: what `assess` says of it, None where it has none.
    `hook`: it is a sync hook (`hooks.is_hook` of the live object) or is never applied (`hooks.is_skipped` of the
    desired one). `ignored`: the live object is annotated ``argocd.argoproj.io/ignore-healthcheck: "true"``.
    `itself`: it is the very Application whose health is asked for.
    """

    ref: ObjectRef
    present: bool
    health: Health | None = None
    hook: bool = False
    ignored: bool = False
    itself: bool = False

    @property
    def counted(self) -> Health | None:
        """The health that counts; None where this member has no say.

        An absent object does not count: OutOfSync says it already. Nor does a child Application that is Missing or
        Unknown: that is its own trouble.
        """
        if self.hook or self.ignored or self.itself or not self.present or self.health is None:
            return None
        loose = self.ref.group_kind == _APPLICATION
        if loose and self.health.status in {HealthStatus.MISSING, HealthStatus.UNKNOWN}:
            return None
        return self.health


def aggregate(members: Iterable[AppMember], *, explain: bool = False) -> Health:
    """The worst health that counts; Missing where there are objects and none of them is live; else Healthy.

    Args:
        members: the managed objects, in the order in which the message is to name them.
        explain: say in the message which objects caused it, as Argo CD does from v3.6 on; older ones leave it empty.
    """
    worst = HealthStatus.HEALTHY
    causes: list[ObjectRef] = []
    expected = present = False
    for member in members:
        expected = expected or not member.hook
        present = present or (member.present and not member.hook)
        health = member.counted
        if health is None or health.status is HealthStatus.HEALTHY:
            continue
        if HEALTH_ORDER[health.status] > HEALTH_ORDER[worst]:
            worst, causes = health.status, []
        if health.status is worst:
            causes.append(member.ref)
    if expected and not present:
        return Health(HealthStatus.MISSING)
    return Health(worst, _caused_by(causes) if explain else "")


def _caused_by(causes: Sequence[ObjectRef]) -> str:
    if not causes:
        return ""
    named = ", ".join(_name(ref) for ref in causes[:_SHOWN])
    more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
    return f"Caused by {named}{more}"


def _name(ref: ObjectRef) -> str:
    kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
    return f"{kind}:{ref.namespace}/{ref.name}" if ref.namespace else f"{kind}:{ref.name}"
