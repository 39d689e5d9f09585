"""What is desired against what is live: the differences, who made them, and how they are shown.

Called by the engine, by `fleetui.fleet` and by the command line. Pure: no clock, no I/O, no async; only the errors of
`fleetui.model.errors` come out. The usual way is `normalize` both sides, `ignore` what the user ignores, `mask` what is
secret, `compare`; where no API server's dry run is at hand, `merge` says first what an apply would leave.
"""

from fleetui.diff.ignore import Ignored, IgnoreRule, ignore, rules_of
from fleetui.diff.mask import mask
from fleetui.diff.normalize import normalize
from fleetui.diff.ownership import blame
from fleetui.diff.predicted import merge
from fleetui.diff.structure import apply_changes, compare, same

__all__ = [
    "IgnoreRule",
    "Ignored",
    "apply_changes",
    "blame",
    "compare",
    "ignore",
    "mask",
    "merge",
    "normalize",
    "rules_of",
    "same",
]
