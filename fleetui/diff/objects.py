"""One object compared with Git, from raw objects to what a screen shows.

Owns: `object_diff`, which puts the steps of this package in their order, and `is_modified`. Called by `fleetui.fleet`
for diffs, by plans, and by the command line for two files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleetui.diff.fields import managed_fields_of
from fleetui.diff.ignore import IgnoreRule, ignore
from fleetui.diff.mask import mask
from fleetui.diff.normalize import DEFAULTS, CompareOptions, normalize
from fleetui.diff.predicted import merge
from fleetui.diff.structure import compare
from fleetui.model.change import ObjectDiff
from fleetui.model.errors import FleetError
from fleetui.model.objects import ref_of
from fleetui.ports import PathExpressions


def object_diff(
    desired: Mapping[str, Any] | None,
    live: Mapping[str, Any] | None,
    *,
    predicted: Mapping[str, Any] | None = None,
    rules: Iterable[IgnoreRule] = (),
    evaluate: PathExpressions | None = None,
    options: CompareOptions = DEFAULTS,
    file: str = "",
    line: int | None = None,
) -> tuple[ObjectDiff, tuple[str, ...]]:
    """What a sync would change in one object: normalised, without what is ignored, secrets masked, each live value
    with who set it.

    Args:
        desired: the manifest; None for an object that Git does not list.
        live: the object as the server gives it; None where there is none.
        predicted: a server's dry-run answer to applying `desired`; without it, `predicted.merge` stands in.
        rules, options: what to ignore.
        evaluate: as for `ignore`.
        file, line: where `desired` is written.

    Returns:
        The difference, and a sentence for each rule that could not be applied.

    Raises:
        FleetError: both sides are None, or nested too deeply.
    """
    subject = live if live is not None else desired
    if subject is None:
        raise FleetError("there is neither a desired nor a live object to compare")
    if desired is not None and predicted is None:
        predicted = merge(desired, live)
    managed_fields = managed_fields_of(live)
    options = options.about(desired or {})
    sides = ignore(
        rules,
        None if desired is None or predicted is None else normalize(predicted, options),
        None if live is None else normalize(live, options),
        managed_fields=managed_fields,
        evaluate=evaluate,
    )
    after, before = mask(sides.desired, sides.live)
    changes = compare(after, before, managed_fields=managed_fields)
    diff = ObjectDiff(ref_of(subject), live=before, desired=after, changes=tuple(changes), file=file, line=line)
    return diff, (*sides.problems, *sides.unevaluated)


def is_modified(predicted: Mapping[str, Any] | None, live: Mapping[str, Any] | None) -> bool:
    """Whether an apply would change the live object.

    Both are normalised here. An object that is not there yet is modified, one that Git does not list is not (argo-cd,
    gitops-engine/pkg/diff: `handleResourceCreateOrDeleteDiff`): that it is out of sync is decided elsewhere.
    """
    if predicted is None:
        return False
    return live is None or bool(compare(normalize(predicted), normalize(live), managed_fields=()))
