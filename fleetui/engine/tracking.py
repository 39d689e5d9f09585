"""Which application an object belongs to, as Argo CD writes it on the object.

Owns: `Tracking`, how a hub's objects say it (``argocd-cm``: ``application.resourceTrackingMethod``,
``application.instanceLabelKey``, ``installationID``), and the tracking id
(``<app>:<group>/<Kind>:<namespace>/<name>``). Rules: argo-cd v3.6.1 util/argo/resource_tracking.go and
controller/state.go (`isSelfReferencedObj`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import PREFIX, TRACKING_ID, annotation, mapping, text
from fleetui.model.objects import Obj, ObjectRef, ref_of

CONTROL_PLANE_NAMESPACE = "argocd"
INSTANCE_LABEL = "app.kubernetes.io/instance"
INSTALLATION_ID = PREFIX + "installation-id"
ANNOTATION, LABEL, BOTH = "annotation", "label", "annotation+label"

_LONGEST_LABEL = 63
_TAIL = re.compile(r"[^a-zA-Z0-9]+$")


def instance_name(namespace: str, name: str, control_plane_namespace: str = CONTROL_PLANE_NAMESPACE) -> str:
    """The application's name within tracking ids: qualified outside of the control plane's namespace."""
    return name if namespace == control_plane_namespace else f"{namespace}_{name}"


def tracking_id(app: str, ref: ObjectRef, destination_namespace: str) -> str:
    """The tracking id of an object; a cluster-scoped one carries the application's destination namespace."""
    return f"{app}:{ref.group}/{ref.kind}:{ref.namespace or destination_namespace}/{ref.name}"


def owner_of(obj: Mapping[str, Any]) -> str:
    """The application that an object's tracking id names; empty where it has none."""
    return annotation(obj, TRACKING_ID).partition(":")[0]


@dataclass(frozen=True)
class Tracking:
    """How the objects of one hub say which application they belong to; as it is made here, Argo CD's default.

    `method`: `ANNOTATION`, `LABEL` or `BOTH`; anything else is the first, as in Argo CD. `label`: which label.
    `installation`: what tells the objects of several Argo CDs in one cluster apart; empty where there is only one.
    """

    method: str = ANNOTATION
    label: str = INSTANCE_LABEL
    installation: str = ""

    @property
    def by_label(self) -> bool:
        """Whether the label alone says it."""
        return self.method == LABEL

    def mark(self, metadata: Mapping[str, Any], ref: ObjectRef, app: str, namespace: str) -> Obj:
        """The metadata of a desired object with what says that it belongs to `app`.

        Args:
            metadata: as it is written in Git.
            ref: what the object is.
            app: the application's name within tracking ids.
            namespace: the application's destination namespace.
        """
        marked: Obj = {**metadata}
        if not self.by_label:
            annotations: Obj = {**mapping(metadata.get("annotations"))}
            annotations.pop(INSTALLATION_ID, None)
            if self.installation:
                annotations[INSTALLATION_ID] = self.installation
            marked["annotations"] = {**annotations, TRACKING_ID: tracking_id(app, ref, namespace)}
        if self.method in {LABEL, BOTH}:
            # A name that is too long for a label is refused by the API server where the label alone has to tell.
            value = app if self.by_label else _shortened(app)
            marked["labels"] = {**mapping(metadata.get("labels")), self.label: value}
        return marked

    def owner(self, labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> str:
        """The application that an object's labels and annotations name; empty where they name none of this hub's."""
        if self.by_label:
            return text(labels.get(self.label))
        if self.installation and annotations.get(INSTALLATION_ID) != self.installation:
            return ""
        found = text(annotations.get(TRACKING_ID))
        return found.partition(":")[0] if _parsed(found) is not None else ""

    def owner_of(self, obj: Mapping[str, Any] | None) -> str:
        """The application that a decoded object names; empty where it names none."""
        metadata = mapping(mapping(obj).get("metadata"))
        return self.owner(mapping(metadata.get("labels")), mapping(metadata.get("annotations")))

    def is_own(self, live: Mapping[str, Any]) -> bool:
        """Whether a live object without a desired one speaks of itself, not of one that it was copied from.

        (The namespace is ignored where the live object has none. A label can't tell, and what says nothing counts as
        managed.)
        """
        return self.by_label or not self.owner_of(live) or names_itself(annotation(live, TRACKING_ID), ref_of(live))

    def normalized(self, live: Obj, target: Mapping[str, Any]) -> Obj:
        """The live object as it is compared with its manifest (`Normalize`).

        An object that is labelled, and has no tracking id, comes from a time when labels tracked: that is no
        difference. Another one's tracking id is.
        """
        metadata = mapping(live.get("metadata"))
        labels, annotations = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
        if self.by_label or not labels.get(self.label) or live.get("kind") == "CustomResourceDefinition":
            return live
        tracked = annotation(target, TRACKING_ID)
        if tracked and not annotations.get(TRACKING_ID):
            annotations = {**annotations, TRACKING_ID: tracked}
        if not mapping(mapping(target.get("metadata")).get("labels")).get(self.label):
            labels = {key: value for key, value in labels.items() if key != self.label}
        return {**live, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


BY_ANNOTATION = Tracking()


def names_itself(tracking: str, mine: ObjectRef) -> bool:
    """Whether the tracking id of the object `mine` speaks of it; one that can't be read counts as if it did."""
    told = _parsed(tracking)
    if told is None:
        return True
    kind = (told.group, told.kind, told.name) == (mine.group, mine.kind, mine.name)
    return kind and mine.namespace in {"", told.namespace}


def _parsed(tracking: str) -> ObjectRef | None:
    """The object that a tracking id speaks of; None where it can't be read (`ParseAppInstanceValue`)."""
    parts = tracking.split(":", 2)
    if len(parts) != 3 or parts[1].count("/") != 1 or parts[2].count("/") != 1:
        return None
    return ObjectRef(*parts[1].split("/"), *parts[2].split("/"))


def _shortened(name: str) -> str:
    """A name as the value of a label (`TruncateLabel`)."""
    return name if len(name) <= _LONGEST_LABEL else _TAIL.sub("", name[:_LONGEST_LABEL])
