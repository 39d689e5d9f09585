"""CustomResourceDefinitions: the kinds that come and go while the server runs.

Owns: turning a definition into served resources, and the definition's status. Works on each event of the store.
Rules: apiextensions-apiserver v0.37 pkg/controller/status/naming_controller.go,
pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from backends.embedded.registry import ResourceType, Subresource
from backends.embedded.storage import Event, Obj
from fleetui.model.times import format_time

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_AGE = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": "CreationTimestamp is a timestamp representing the server time when this object was created.",
}


class Definitions:
    """Serves what the definitions in one store say."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def on_event(self, event: Event) -> None:
        """Serves a new definition, follows a changed one, stops serving one that went."""
        if event.resource.group_kind != DEFINITION:
            return
        spec = event.obj["spec"]
        if event.type == "DELETED":
            self._withdraw(spec["group"], spec["names"]["plural"], spec["names"]["kind"])
        elif event.before is None or event.old is None or event.old["spec"] != spec:
            self._serve(event.obj)
            self._accept(event.obj)

    def _serve(self, definition: Obj) -> None:
        spec = definition["spec"]
        registry = self._store.resources
        registry.remove(spec["group"], spec["names"]["plural"])
        for resource in resources_of(definition):
            registry.add(resource)
        stored = registry.by_kind(spec["group"], spec["names"]["kind"])
        if stored is not None:
            self._store.table(stored).resource = stored

    def _withdraw(self, group: str, plural: str, kind: str) -> None:
        resource = self._store.resources.by_kind(group, kind)
        self._store.resources.remove(group, plural)
        if resource is not None:
            self._store.storage.drop(self._store.table(resource))

    def _accept(self, definition: Obj) -> None:
        spec, status = definition["spec"], definition.get("status") or {}
        now = format_time(self._store.clock())
        stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
        before = {entry["type"]: entry for entry in status.get("conditions") or ()}
        wanted = [
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
        conditions = [
            before.get(type_)
            or {
                "lastTransitionTime": now,
                "message": message,
                "reason": reason,
                "status": "True",
                "type": type_,
            }
            for type_, reason, message in wanted
        ]
        versions = list(dict.fromkeys([*(status.get("storedVersions") or ()), stored]))
        others = [entry for entry in before.values() if entry["type"] not in ("NamesAccepted", "Established")]
        conditions += others
        made = {"acceptedNames": spec["names"], "conditions": conditions, "storedVersions": versions}
        self._store.patch_status(*DEFINITION, "", definition["metadata"]["name"], made, manager="kube-apiserver")


def resources_of(definition: Obj) -> list[ResourceType]:
    """What a definition serves: one resource for each served version, the storage version always among them."""
    versions = definition["spec"]["versions"]
    stored = next(version["name"] for version in versions if version.get("storage"))
    ordered = sorted(versions, key=lambda version: version_rank(version["name"]))
    return [_resource(definition["spec"], version, stored) for version in ordered if version.get("served")]


def _resource(spec: Obj, version: Obj, stored: str) -> ResourceType:
    names, group = spec["names"], spec["group"]
    declared = version.get("subresources") or {}
    subresources: dict[str, Subresource] = {}
    if "status" in declared:
        subresources["status"] = Subresource(group, version["name"], names["kind"], ("get", "patch", "update"))
    if "scale" in declared:
        subresources["scale"] = Subresource("autoscaling", "v1", "Scale", ("get", "patch", "update"))
    schema: dict[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return ResourceType(
        group=group,
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        verbs=VERBS,
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        list_kind=names.get("listKind") or f"{names['kind']}List",
        storage_version=stored,
        custom=True,
        schema=schema,
        columns=tuple(version.get("additionalPrinterColumns") or (_AGE,)),
        scale_paths=declared.get("scale"),
        selectable=tuple(field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()),
    )


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts API versions as the real server prefers them: GA before beta before alpha, then the higher number
    (apimachinery pkg/version/helpers.go)."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return stage, -int(match[1]), -int(match[3] or 0), version
