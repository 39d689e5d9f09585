"""How an object stands, judged from the object alone: Argo CD's rules, with Argo CD's words.

Owns: `assess` (one object) and `aggregate` (an application from its objects). Called by the engine, by `fleetui.fleet`
for trees, and by the command line. Pure: no clock, no I/O, no async; nothing here raises on an odd object.
"""

from fleetui.health.aggregation import AppMember, aggregate
from fleetui.health.assessment import Customizations, assess

__all__ = ["AppMember", "Customizations", "aggregate", "assess"]
