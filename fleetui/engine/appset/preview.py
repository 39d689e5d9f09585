"""What an ApplicationSet would do to the Applications that are there.

Owns: `preview`, field by field. Called by `fleetui.fleet.appsets`, with a set as it is or as somebody has edited it.
Pure, and decides nothing: what is written is `updates.change_of`'s to say, and what is made `generate`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from fleetui.diff.fields import managed_fields_of
from fleetui.diff.structure import compare
from fleetui.engine.application import mapping, text
from fleetui.engine.appset.applicationset import ApplicationSet, name_of
from fleetui.engine.appset.generated import VALIDATION, Generated
from fleetui.engine.appset.rolling import without_automation
from fleetui.engine.appset.updates import change_of
from fleetui.model.change import ObjectDiff
from fleetui.model.objects import Obj, merge_patched, ref_of
from fleetui.model.text import one_line, sanitize_all
from fleetui.ports import PathExpressions


class Fate(StrEnum):
    """What becomes of an Application; in the order in which it is worth to be looked at."""

    DELETED = "deleted"
    CREATED = "created"
    CHANGED = "changed"
    HELD = "held"
    """It is wrong, or another's, and stays as it is."""
    KEPT = "kept"
    """The set's policy leaves it as it is."""
    SAME = "same"


class Previewed(msgspec.Struct, frozen=True):
    """One Application: what becomes of it, why where that needs a word, and which of its fields change."""

    name: str
    fate: Fate
    diff: ObjectDiff | None = None
    why: str = ""


class Preview(msgspec.Struct, frozen=True):
    """Everything that would be done; all text is sanitised. `problems` are sentences about the generation; where they
    keep the set from being generated at all, nothing is done, and there are no `applications`."""

    applications: tuple[Previewed, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything would be written, or is wrong."""
        return bool(self.problems) or any(each.fate not in _QUIET for each in self.applications)

    def count(self, fate: Fate) -> int:
        """So many Applications have this fate."""
        return sum(each.fate is fate for each in self.applications)


_QUIET = frozenset({Fate.KEPT, Fate.SAME})
_ORDER = {fate: place for place, fate in enumerate(Fate)}


def preview(
    appset: ApplicationSet,
    generated: Generated,
    live: Sequence[Obj],
    *,
    unmet: Mapping[str, str] | None = None,
    evaluate: PathExpressions | None = None,
) -> Preview:
    """What the set would do.

    Args:
        appset: as it is to be; its uid is that of the set that is there, if there is one.
        generated: what it makes, with no question open.
        live: the Applications of its namespace, whoever made them.
        unmet: by name, why the hub can't have an Application that was made.
        evaluate: as for `change_of`.
    """
    problems = tuple(one_line(str(problem)) for problem in generated.problems)
    if any(problem.reason != VALIDATION for problem in generated.problems):
        return Preview(problems=problems)
    there = {name_of(app): app for app in live}
    held = dict.fromkeys(generated.held, "it is not valid") | dict(unmet or {})
    found = [
        Previewed(name, Fate.HELD, why=why) if (why := held.get(name)) else _one(appset, app, there.get(name), evaluate)
        for name, app in ((each.name, _to_write(appset, each.app)) for each in generated.applications)
    ]
    made = {each.name for each in generated.applications}
    found += [Previewed(name, Fate.HELD, why=why) for name, why in held.items() if name not in made]
    if generated.complete:
        gone = [app for name, app in there.items() if appset.owns(app) and name not in made and name not in held]
        found += [_gone(appset, app) for app in gone]
    shown = [msgspec.structs.replace(each, name=one_line(each.name), why=one_line(each.why)) for each in found]
    return Preview(tuple(sorted(shown, key=lambda each: (_ORDER[each.fate], each.name))), problems)


def _to_write(appset: ApplicationSet, app: Obj) -> Obj:
    """A generated Application as it is written first; whose turn it is to be synced comes later."""
    return without_automation(app) if appset.rolls else app


def _one(appset: ApplicationSet, wanted: Obj, live: Obj | None, evaluate: PathExpressions | None) -> Previewed:
    name = name_of(wanted)
    change = change_of(appset, wanted, live, evaluate=evaluate)
    if change.problem:
        return Previewed(name, Fate.HELD, why=change.problem)
    if live is None:
        return Previewed(name, Fate.CREATED, _diff(change.body, None))
    if change.verb == "unchanged":
        return Previewed(name, Fate.SAME)
    diff = _diff(merge_patched(_written(live), change.body), live)
    if appset.owns(live) and not appset.policy.updates:
        return Previewed(name, Fate.KEPT, diff, f"applicationsSync is {_policy(appset)}, which changes none")
    return Previewed(name, Fate.CHANGED, diff)


def _gone(appset: ApplicationSet, app: Obj) -> Previewed:
    if not appset.policy.deletes:
        why = f"it is made no more, and applicationsSync is {_policy(appset)}, which deletes none"
        return Previewed(name_of(app), Fate.KEPT, why=why)
    return Previewed(name_of(app), Fate.DELETED, _diff(None, app), "it is made no more")


def _diff(desired: Obj | None, live: Obj | None) -> ObjectDiff:
    before = None if live is None else sanitize_all(_written(live))
    after = None if desired is None else sanitize_all(desired)
    changes = compare(after, before, managed_fields=managed_fields_of(live))
    return ObjectDiff(ref_of(after or before or {}), live=before, desired=after, changes=tuple(changes))


def _written(app: Mapping[str, Any]) -> Obj:
    """What of an Application an ApplicationSet writes."""
    metadata = mapping(app.get("metadata"))
    about = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
    found: Obj = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    found["metadata"] = {key: metadata[key] for key in about if metadata.get(key)}
    return found | {key: app[key] for key in ("spec", "operation") if app.get(key) is not None}


def _policy(appset: ApplicationSet) -> str:
    return text(mapping(appset.spec.get("syncPolicy")).get("applicationsSync"))
