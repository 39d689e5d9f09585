"""How an object stands, judged from the object alone: Argo CD's rules, or Flux's, in their words.

Owns: `assess` (one object), `kstatus` (one object, as Flux sees it) and `aggregate` (an application from its objects).
Called by the engine, by `fleetui.fleet` for trees, and by the command line. Pure: no I/O, no async, and no clock except
for the 15 seconds of a Pod in kstatus; nothing here raises on an odd object.
"""

from fleetui.health.aggregation import AppMember, aggregate
from fleetui.health.assessment import Customizations, assess
from fleetui.health.kstatus import Kstatus, kstatus

__all__ = ["AppMember", "Customizations", "Kstatus", "aggregate", "assess", "kstatus"]
