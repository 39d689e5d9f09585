"""What has to be written so that the Applications of an ApplicationSet are as they were generated.

Owns: `change_of` and `removal_of`: from an ApplicationSet, a generated Application and the one that is there to what is
written (Argo CD v3.6.1 `applicationset/controllers/applicationset_controller.go`, `createOrUpdateInCluster` and
`deleteInCluster`; `applicationset/utils/createOrUpdate.go`). Pure; carried out by
`fleetui.engine.appset.reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetui.diff.ignore import IgnoreRule, ignore
from fleetui.diff.structure import copy_tree
from fleetui.engine.application import (
    FINALIZER,
    GROUP,
    KIND,
    POST_DELETE_FINALIZER,
    PRE_DELETE_FINALIZER,
    PREFIX,
    REFRESH,
    mapping,
    mappings,
    strings,
    text,
)
from fleetui.engine.appset.applicationset import ApplicationSet, controller_of, name_of
from fleetui.engine.appset.specs import normalised
from fleetui.engine.status import merge_patch
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import Obj
from fleetui.ports import PathExpressions

PRESERVED_ANNOTATIONS = ("notified.notifications.argoproj.io", REFRESH, PREFIX + "hydrate")
"""Annotations that others put on Applications, and that stay in any case."""
PRESERVED_FINALIZERS = (PRE_DELETE_FINALIZER, POST_DELETE_FINALIZER)


@dataclass(frozen=True)
class Change:
    """What is to become of one Application.

    `verb`: ``created``, ``updated`` or ``unchanged``, as Argo CD's Events have it. `body`: the object to create, or the
    merge patch. `problem`: why nothing can be written.
    """

    name: str
    verb: str
    body: Obj = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Removal:
    """An Application that is to go. `finalizers`: those that it is given first, because the cluster that it names is
    gone and nothing there can be deleted; None where they stay."""

    name: str
    uid: str
    finalizers: tuple[str, ...] | None = None


def change_of(
    appset: ApplicationSet,
    generated: Mapping[str, Any],
    live: Mapping[str, Any] | None,
    *,
    evaluate: PathExpressions | None = None,
) -> Change:
    """What is written so that an Application is as it was generated.

    Args:
        appset: the set that generated it.
        generated: with `metadata`, `spec` and, where a sync is asked for, `operation`.
        live: the Application of that name, if there is one.
        evaluate: where expressions of `ignoreApplicationDifferences` that compute are evaluated.
    """
    name = name_of(generated)
    wanted = _wanted(generated)
    try:
        if live is None:
            return Change(name, "created", _owned(appset, wanted, wanted))
        desired = _owned(appset, _merged(appset, wanted, live), live)
        now = {**live, "spec": normalised(mapping(live.get("spec")))}
        desired, now = _without_ignored(appset.ignore_rules, desired, now, evaluate)
    except FleetError as error:
        return Change(name, "unchanged", problem=error.message)
    patch = merge_patch(_parts(now), _parts(desired))
    return Change(name, "updated", patch) if patch else Change(name, "unchanged")


def spec_differs(
    rules: Sequence[IgnoreRule],
    generated: Mapping[str, Any],
    live: Mapping[str, Any],
    *,
    evaluate: PathExpressions | None = None,
) -> bool:
    """Whether `change_of` would change the spec (`SpecsEquivalent`). False where that can't be told: a rule that can't
    be applied would make it differ for ever."""
    before, after = ({**each, "spec": normalised(mapping(each.get("spec")))} for each in (live, generated))
    try:
        after, before = _without_ignored(rules, after, before, evaluate)
    except FleetError:
        return False
    return bool(merge_patch(before["spec"], after["spec"]))


def removal_of(app: Mapping[str, Any], *, is_destination: Callable[[Mapping[str, Any]], bool]) -> Removal | None:
    """How an Application that is generated no more goes (`removeFinalizerOnInvalidDestination`); None where it is going
    already. `is_destination` says whether there is such a cluster."""
    metadata = mapping(app.get("metadata"))
    name, uid, finalizers = text(metadata.get("name")), text(metadata.get("uid")), strings(metadata.get("finalizers"))
    if FINALIZER not in finalizers or is_destination(mapping(mapping(app.get("spec")).get("destination"))):
        return None if metadata.get("deletionTimestamp") else Removal(name, uid)
    return Removal(name, uid, tuple(each for each in finalizers if each != FINALIZER))


def _wanted(generated: Mapping[str, Any]) -> Obj:
    """What was generated, normalised, with what a write is about and nothing else."""
    given = mapping(generated.get("metadata"))
    kept = ("name", "namespace", "labels", "annotations", "finalizers")
    wanted: Obj = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": KIND,
        "metadata": {key: copy_tree(given[key]) for key in kept if given.get(key)},
        "spec": normalised(mapping(generated.get("spec"))),
    }
    if generated.get("operation") is not None:
        wanted["operation"] = copy_tree(generated["operation"])
    return wanted


def _merged(appset: ApplicationSet, wanted: Obj, live: Mapping[str, Any]) -> Obj:
    """The live Application with what was generated in the place of what it has, but for what is preserved."""
    there = mapping(live.get("metadata"))
    annotations = dict(mapping(wanted["metadata"].get("annotations")))
    labels = dict(mapping(wanted["metadata"].get("labels")))
    for kept, keys, given in (
        (annotations, (*appset.preserved_annotations, *PRESERVED_ANNOTATIONS), mapping(there.get("annotations"))),
        (labels, appset.preserved_labels, mapping(there.get("labels"))),
    ):
        kept.update({key: given[key] for key in keys if key in given})
    finalizers = [*strings(wanted["metadata"].get("finalizers"))]
    for preserved in PRESERVED_FINALIZERS:
        # A stage may follow on a slash.
        finalizers += [each for each in strings(there.get("finalizers")) if each.startswith(preserved)]
    metadata = {**there, "labels": labels, "annotations": annotations, "finalizers": finalizers}
    operation = wanted.get("operation", live.get("operation"))
    return {**live, "metadata": metadata, "spec": wanted["spec"], "operation": operation}


def _owned(appset: ApplicationSet, desired: Obj, live: Mapping[str, Any]) -> Obj:
    """`desired` with the owner reference of the set (controller-runtime `controllerutil.SetControllerReference`).

    Raises:
        RefusedError: somebody else controls it; the message is Argo CD's.
    """
    reference = appset.owner_reference
    other = controller_of(live)
    if other and _owner(other) != _owner(reference):
        raise RefusedError(
            f"error while wrapping using MutateFn: Object {appset.namespace}/{desired['metadata']['name']} is already "
            f"owned by another {text(other.get('kind'))} controller {text(other.get('name'))}"
        )
    references = [dict(each) for each in mappings(mapping(live.get("metadata")).get("ownerReferences"))]
    same = next((place for place, each in enumerate(references) if _owner(each) == _owner(reference)), None)
    if same is None:
        references.append(reference)
    else:
        references[same] = reference
    return {**desired, "metadata": {**desired["metadata"], "ownerReferences": references}}


def _owner(reference: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        text(reference.get("apiVersion")).rpartition("/")[0],
        text(reference.get("kind")),
        text(reference.get("name")),
    )


def _without_ignored(
    rules: Sequence[IgnoreRule], desired: Obj, live: Obj, evaluate: PathExpressions | None
) -> tuple[Obj, Obj]:
    """Both without what `ignoreApplicationDifferences` ignores (`applyIgnoreDifferences`).

    Raises:
        RefusedError: an expression could not be evaluated, so that what it hides would be overwritten.
    """
    if not rules:
        return desired, live
    result = ignore(rules, _typed(desired), _typed(live), evaluate=evaluate)
    if result.unevaluated:
        raise RefusedError(f"failed to apply ignore differences: {result.unevaluated[0]}")
    after, before = dict(result.desired or {}), dict(result.live or {})
    # Without a field its parent may be empty, and say nothing any more.
    for side in (after, before):
        side["spec"] = normalised(mapping(side.get("spec")))
    # An expression must not touch what the write is about.
    after["operation"] = desired.get("operation")
    return after, before


def _typed(app: Obj) -> Obj:
    return {**app, "apiVersion": f"{GROUP}/v1alpha1", "kind": KIND}


def _parts(app: Mapping[str, Any]) -> Obj:
    """What an update is about; what is empty is absent."""
    metadata = mapping(app.get("metadata"))
    about = {key: metadata.get(key) for key in ("labels", "annotations", "finalizers", "ownerReferences")}
    parts: Obj = {"metadata": {key: value for key, value in about.items() if value}, "spec": app.get("spec")}
    return parts | ({"operation": app["operation"]} if app.get("operation") is not None else {})
