"""How an object stands, judged from the object alone: Argo CD's rules, or Flux's, in their words.

Owns: `assess` and `judge` (one object, from anywhere or from an API server), `kstatus` (one object, as Flux sees it)
and `aggregate` (an application from its objects).
Called by the engine, by `fleetui.fleet` for trees, and by the command line. Pure: no I/O, no async, and no clock except
for the 15 seconds of a Pod in kstatus; nothing here raises on an odd object.
"""

from collections.abc import Mapping
from pathlib import Path

from fleetui.health.aggregation import AppMember, aggregate
from fleetui.health.assessment import Customizations, Judge, assess, judge
from fleetui.health.kstatus import Kstatus, kstatus

__all__ = [
    "AppMember",
    "Customizations",
    "Judge",
    "Kstatus",
    "aggregate",
    "assess",
    "judge",
    "kstatus",
    "load_customizations",
]


def load_customizations(folder: Path | None = None, *, config: Mapping[str, str] | None = None) -> Customizations:
    """Argo CD's scripts as customizations for `assess`; Lua itself is loaded when the first of them is run.

    Args:
        folder: laid out like Argo CD's ``resource_customizations``.
        config: the data of a hub's ``argocd-cm``; what it says comes first.

    Raises:
        UsageError: the folder can't be read, or a value is not what its key promises.
    """
    from fleetui.health.lua.customizations import LuaCustomizations
    from fleetui.health.lua.library import read_config, read_folder

    libraries = [read_config(config)] if config else []
    return LuaCustomizations([*libraries, read_folder(Path(folder))] if folder else libraries)
