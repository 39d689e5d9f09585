"""Health of the kinds that matter most beside Kubernetes' own, without any Lua.

Owns: `find`, the table of these kinds, and `of_conditions` for kinds that no table has. Called by `assessment` for a
kind that its own table does not have. Each rule
says what Argo CD's script for the kind says (argo-cd v3.6.1 resource_customizations/GROUP/KIND/health.lua), word for
word; a field of another type than its kind gives it is odd instead of a Lua error.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds import argo, certificates, clusterapi, crossplane, flux, gateway, scaling, secrets, storage
from fleetui.health.kinds.generic import is_custom, of_conditions
from fleetui.health.reading import Section
from fleetui.model.status import Health

__all__ = ["find", "is_custom", "of_conditions"]

Rule = Callable[[Section], Health | None]

_RULES: dict[tuple[str, str], Rule] = {
    **argo.RULES,
    **certificates.RULES,
    **clusterapi.RULES,
    **crossplane.RULES,
    **flux.RULES,
    **gateway.RULES,
    **scaling.RULES,
    **secrets.RULES,
    **storage.RULES,
}


def find(group: str, kind: str) -> Rule | None:
    """The rule for a kind, whatever its version; None where there is none."""
    found = _RULES.get((group, kind))
    return found if found is not None else crossplane.of_group(group)
