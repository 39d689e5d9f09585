"""How an engine works.

Owns: `Settings`, given to an engine by the composition root.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`wave_delay`: seconds between two sync waves (`ARGOCD_SYNC_WAVE_DELAY`). `poll`: seconds after which a running
    operation is looked at again even if nothing woke it. `namespace`: where Applications need no namespace in their
    tracking ids.
    """

    wave_delay: float = 2.0
    poll: float = 30.0
    namespace: str = "argocd"
