"""An `ApplicationSet` object as its reconciler reads it.

Owns: `ApplicationSet`, a typed view of everything but the generators and the template, and the names of Argo CD's
annotations and finalizers. The rules are Argo CD's (`pkg/apis/application/v1alpha1/applicationset_types.go`, v3.6.1).
A malformed object gives defaults, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleetui.diff.ignore import IgnoreRule
from fleetui.engine.application import FINALIZER, GROUP, PREFIX, mapping, mappings, strings, text
from fleetui.engine.application import KIND as APPLICATION
from fleetui.model.objects import Obj, ObjectRef

KIND = "ApplicationSet"
REFRESH = PREFIX + "application-set-refresh"
MANAGER = "argocd-applicationset-controller"
"""Under which Argo CD's controller writes, and the engine in its place."""


class Policy(NamedTuple):
    """`syncPolicy.applicationsSync`: whether Applications that are there are changed, and those that are generated no
    more deleted (`ApplicationsSyncPolicy.AllowUpdate`, `AllowDelete`)."""

    updates: bool
    deletes: bool


POLICIES = {
    "": Policy(updates=True, deletes=True),
    "sync": Policy(updates=True, deletes=True),
    "create-only": Policy(updates=False, deletes=False),
    "create-update": Policy(updates=True, deletes=False),
    "create-delete": Policy(updates=False, deletes=True),
}


@dataclass(frozen=True)
class ApplicationSet:
    """The view of one ApplicationSet."""

    obj: Obj

    @property
    def metadata(self) -> Mapping[str, Any]:
        return mapping(self.obj.get("metadata"))

    @property
    def spec(self) -> Mapping[str, Any]:
        return mapping(self.obj.get("spec"))

    @property
    def status(self) -> Mapping[str, Any]:
        return mapping(self.obj.get("status"))

    @property
    def namespace(self) -> str:
        return text(self.metadata.get("namespace"))

    @property
    def name(self) -> str:
        return text(self.metadata.get("name"))

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(GROUP, KIND, self.namespace, self.name)

    @property
    def uid(self) -> str:
        return text(self.metadata.get("uid"))

    @property
    def finalizers(self) -> tuple[str, ...]:
        return strings(self.metadata.get("finalizers"))

    @property
    def deleting(self) -> bool:
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def refresh(self) -> bool:
        """Whether somebody asks for a generation with everything asked anew."""
        return REFRESH in mapping(self.metadata.get("annotations"))

    @property
    def policy(self) -> Policy:
        wish = text(mapping(self.spec.get("syncPolicy")).get("applicationsSync"))
        return POLICIES.get(wish, Policy(updates=False, deletes=False))

    @property
    def preserved_annotations(self) -> tuple[str, ...]:
        return strings(mapping(self.spec.get("preservedFields")).get("annotations"))

    @property
    def preserved_labels(self) -> tuple[str, ...]:
        return strings(mapping(self.spec.get("preservedFields")).get("labels"))

    @property
    def ignore_rules(self) -> tuple[IgnoreRule, ...]:
        """`ignoreApplicationDifferences`."""
        return tuple(
            IgnoreRule(
                group=GROUP,
                kind=APPLICATION,
                name=text(entry.get("name")),
                json_pointers=strings(entry.get("jsonPointers")),
                jq_path_expressions=strings(entry.get("jqPathExpressions")),
            )
            for entry in mappings(self.spec.get("ignoreApplicationDifferences"))
        )

    # --- RollingSync --------------------------------------------------------------------------------------------------

    @property
    def rolls(self) -> bool:
        """Whether the strategy is RollingSync (`IsRollingSyncStrategy`)."""
        strategy = mapping(self.spec.get("strategy"))
        return strategy.get("type") == "RollingSync" and isinstance(strategy.get("rollingSync"), Mapping)

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """Those of a RollingSync; none for any other strategy."""
        rolling = mapping(mapping(self.spec.get("strategy")).get("rollingSync"))
        return mappings(rolling.get("steps")) if self.rolls else []

    @property
    def deletes_in_reverse(self) -> bool:
        """Whether the Applications go one after the other, those of the last step first (`IsDeletionOrderReversed`)."""
        return bool(self.steps) and text(mapping(self.spec.get("strategy")).get("deletionOrder")).lower() == "reverse"

    # --- owners -------------------------------------------------------------------------------------------------------

    @property
    def owner_reference(self) -> Obj:
        """The one that its Applications have."""
        return {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def owns(self, app: Mapping[str, Any]) -> bool:
        """Whether an Application is one of this set's (`appControllerIndexer`: by the name of its controller)."""
        metadata = mapping(app.get("metadata"))
        return text(metadata.get("namespace")) == self.namespace and owner_of(app) == self.name

    def without_finalizer(self) -> tuple[str, ...]:
        """The finalizers but for the one that keeps the set until its Applications are dealt with."""
        return tuple(each for each in self.finalizers if each != FINALIZER)


def name_of(app: Mapping[str, Any]) -> str:
    """The name of an Application."""
    return text(mapping(app.get("metadata")).get("name"))


def owner_of(app: Mapping[str, Any]) -> str:
    """The name of the ApplicationSet that controls an Application; empty where none does."""
    controller = controller_of(app)
    if controller.get("kind") != KIND or controller.get("apiVersion") != f"{GROUP}/v1alpha1":
        return ""
    return text(controller.get("name"))


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference that controls an object; empty where none does."""
    references = mappings(mapping(obj.get("metadata")).get("ownerReferences"))
    return next((each for each in references if each.get("controller") is True), {})


def names_clusters(generators: Any) -> bool:
    """Whether a generator, or one nested in it, lists clusters (`controllers/clustereventhandler.go`): what a hub
    registers changes what it gives."""
    return any(each.get("clusters") is not None for each in each_generator(generators))


def each_generator(generators: Any) -> Iterator[Mapping[str, Any]]:
    """All generators, nested ones too."""
    for generator in mappings(generators):
        yield generator
        for nesting in ("matrix", "merge"):
            yield from each_generator(mapping(generator.get(nesting)).get("generators"))
