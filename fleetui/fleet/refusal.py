"""What to say where something may not be read: which permission is missing, how to look, what would help.

Owns: `missing`. Pure; called by `fleetui.fleet.reach` and `fleetui.fleet.trees`. What the user is called is not known
here: the API server says it in its own refusals.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.fleet.rules import Attributes

WATCHED = ("list", "watch")
"""What showing objects of a kind takes."""
_SHOWN = 4
"""Resources that are named one by one."""


def missing(denied: Sequence[Attributes]) -> tuple[str, str]:
    """What is not allowed, and what to do about it; both without the cluster's name.

    ``you may not list secrets in namespace shop`` and ``see kubectl auth can-i list secrets -n shop; a Role in shop
    with get, list, watch on secrets gives it``. The first of `denied` decides on the namespace and the command.
    """
    first = denied[0]
    here = [each for each in denied if each.namespace == first.namespace]
    verbs = list(dict.fromkeys(each.verb for each in here if each.full_name == first.full_name))
    resources = list(dict.fromkeys(each.full_name for each in here))
    where = f" in namespace {first.namespace}" if first.namespace else " in all namespaces"
    flag = f"-n {first.namespace}" if first.namespace else "-A"
    role = f"Role in {first.namespace}" if first.namespace else "ClusterRole, or a Role for one namespace,"
    elsewhere = len({each.namespace for each in denied}) - 1
    more = f" and in {elsewhere} more" if elsewhere else ""
    return (
        f"you may not {' or '.join(verbs)} {_named(resources)}{where}{more}",
        f"see kubectl auth can-i {verbs[0]} {first.full_name} {flag}; "
        f"a {role} with get, list, watch on {_named(resources)} gives it",
    )


def sentence(denied: Sequence[Attributes]) -> str:
    """Both halves of `missing` as one sentence."""
    return "{} ({})".format(*missing(denied))


def _named(resources: Sequence[str]) -> str:
    shown = ", ".join(resources[:_SHOWN])
    return f"{shown} and {len(resources) - _SHOWN} more kinds" if len(resources) > _SHOWN else shown
