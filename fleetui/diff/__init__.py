"""What is desired against what is live: the differences, who made them, and how they are shown.

Called by the engine, by `fleetui.fleet` and by the command line. Pure: no clock, no I/O, no async; only the errors of
`fleetui.model.errors` come out. `object_diff` is the whole way: `normalize` both sides, `ignore` what the user ignores,
`mask` what is secret, `compare`; where no API server's dry run is at hand, `merge` says what an apply would leave.
"""

from fleetui.diff.ignore import Ignored, IgnoreRule, ignore, rules_of
from fleetui.diff.mask import mask
from fleetui.diff.normalize import CompareOptions, normalize
from fleetui.diff.objects import is_modified, object_diff
from fleetui.diff.ownership import blame
from fleetui.diff.patch import apply_changes, json_patch
from fleetui.diff.predicted import merge
from fleetui.diff.render import DiffRow, RowKind, lines, near_differences, rows, unified
from fleetui.diff.structure import compare, same
from fleetui.diff.summary import audit_changes, summary, to_json

__all__ = [
    "CompareOptions",
    "DiffRow",
    "IgnoreRule",
    "Ignored",
    "RowKind",
    "apply_changes",
    "audit_changes",
    "blame",
    "compare",
    "ignore",
    "is_modified",
    "json_patch",
    "lines",
    "mask",
    "merge",
    "near_differences",
    "normalize",
    "object_diff",
    "rows",
    "rules_of",
    "same",
    "summary",
    "to_json",
    "unified",
]
