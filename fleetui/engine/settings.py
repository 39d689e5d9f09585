"""How an engine works.

Owns: `Settings`, given to an engine by the composition root.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`wave_delay`: seconds between two sync waves (`ARGOCD_SYNC_WAVE_DELAY`). `poll`: seconds after which a running
    operation is looked at again even if nothing woke it. `namespace`: where Applications need no namespace in their
    tracking ids. `syncs`: how many sync steps run on one cluster at a time; the others wait, and hold up no other
    cluster's (Argo CD: 10 operation processors for all clusters together). `rollout_grace`: seconds after a change in
    which all Applications of a RollingSync may come to see it, before any of them is synced
    (`ARGOCD_APPLICATIONSET_CONTROLLER_REFRESH_GRACE_PERIOD_SECONDS`).
    """

    wave_delay: float = 2.0
    poll: float = 30.0
    namespace: str = "argocd"
    syncs: int = 10
    rollout_grace: float = 30.0
