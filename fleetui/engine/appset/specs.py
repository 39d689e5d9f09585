"""`spec` of an Application as Argo CD's Go types hold it, so that two texts of the same spec are equal.

Owns: `normalised`. Argo CD decodes what a template gives and what the cluster has into `ApplicationSpec`
(`pkg/apis/application/v1alpha1/types.go`, v3.6.1), and compares and writes that: unknown fields are dropped, values
that say nothing too, and `NormalizeApplicationSpec` (`util/argo/argo.go`) takes off what is empty. Pure; called by
`fleetui.engine.appset.updates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleetui.model.objects import Obj

_ZERO: tuple[Any, ...] = (None, "", False, 0, [], {})

OMITTED = "omitted where it is its zero value"
WRITTEN = "written in any case"
POINTER = "a pointer: kept with any value but null"


class _Struct(NamedTuple):
    """A struct: its fields, and whether it is kept when it is empty (a pointer to one) and whether there are many."""

    fields: Mapping[str, Any]
    pointer: bool = False
    many: bool = False


def _omitted(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, OMITTED)


_JSONNET_VAR = {"name": WRITTEN, "value": WRITTEN, "code": OMITTED}
_JSONNET = {"extVars": _Struct(_JSONNET_VAR, many=True), "tlas": _Struct(_JSONNET_VAR, many=True), **_omitted("libs")}
_DIRECTORY = {"jsonnet": _Struct(_JSONNET), **_omitted("recurse", "exclude", "include", "disableExtensionFilter")}
_HELM = {
    **_omitted("valueFiles", "releaseName", "values", "version", "passCredentials", "ignoreMissingValueFiles"),
    **_omitted("skipCrds", "namespace", "kubeVersion", "apiVersions", "skipTests", "skipSchemaValidation"),
    "valuesObject": POINTER,
    "parameters": _Struct(_omitted("name", "value", "forceString"), many=True),
    "fileParameters": _Struct(_omitted("name", "path"), many=True),
}
_SELECTOR = _omitted("group", "version", "kind", "name", "namespace", "annotationSelector", "labelSelector")
_KUSTOMIZE = {
    **_omitted("namePrefix", "nameSuffix", "images", "commonLabels", "version", "commonAnnotations", "namespace"),
    **_omitted("forceCommonLabels", "forceCommonAnnotations", "commonAnnotationsEnvsubst", "components"),
    **_omitted("ignoreMissingComponents", "labelWithoutSelector", "labelIncludeTemplates", "kubeVersion"),
    **_omitted("apiVersions"),
    "replicas": _Struct({"name": WRITTEN, "count": POINTER}, many=True),
    "patches": _Struct({**_omitted("path", "patch", "options"), "target": _Struct(_SELECTOR, pointer=True)}, many=True),
}
_PLUGIN = {
    "name": OMITTED,
    "env": _Struct({"name": WRITTEN, "value": WRITTEN}, many=True),
    "parameters": _Struct({"name": OMITTED, "string": POINTER, "map": POINTER, "array": POINTER}, many=True),
}
_TOOLS = {
    "helm": _Struct(_HELM, pointer=True),
    "kustomize": _Struct(_KUSTOMIZE, pointer=True),
    "directory": _Struct(_DIRECTORY, pointer=True),
    "plugin": _Struct(_PLUGIN, pointer=True),
}
_SOURCE = {"repoURL": WRITTEN, **_omitted("path", "targetRevision", "chart", "ref", "name", "tagPrefix"), **_TOOLS}
_DRY_SOURCE = {"repoURL": WRITTEN, "targetRevision": WRITTEN, "path": WRITTEN, **_TOOLS}
_RETRY = {
    **_omitted("limit", "refresh"),
    "backoff": _Struct({**_omitted("duration", "maxDuration"), "factor": POINTER}, pointer=True),
}
_SYNC_POLICY = {
    "automated": _Struct(dict.fromkeys(("prune", "selfHeal", "allowEmpty", "enabled"), POINTER), pointer=True),
    "syncOptions": OMITTED,
    "retry": _Struct(_RETRY, pointer=True),
    "managedNamespaceMetadata": _Struct(_omitted("labels", "annotations"), pointer=True),
}
_IGNORED = {
    "kind": WRITTEN,
    **_omitted("group", "name", "namespace", "jsonPointers", "jqPathExpressions", "managedFieldsManagers"),
}
_HYDRATOR = {
    "drySource": _Struct(_DRY_SOURCE),
    "syncSource": _Struct({"targetBranch": WRITTEN, "path": WRITTEN, "repoURL": OMITTED}),
    "hydrateTo": _Struct({"targetBranch": WRITTEN}, pointer=True),
}
_SPEC = {
    "source": _Struct(_SOURCE, pointer=True),
    "sources": _Struct(_SOURCE, many=True),
    "sourceHydrator": _Struct(_HYDRATOR, pointer=True),
    "destination": _Struct(_omitted("server", "namespace", "name"), pointer=True),
    "project": WRITTEN,
    "syncPolicy": _Struct(_SYNC_POLICY),
    "ignoreDifferences": _Struct(_IGNORED, many=True),
    "info": _Struct({"name": WRITTEN, "value": WRITTEN}, many=True),
    "revisionHistoryLimit": POINTER,
}

_UNCOUNTED = {"forceCommonLabels", "forceCommonAnnotations", "commonAnnotationsEnvsubst", "labelWithoutSelector"}
_UNCOUNTED |= {"labelIncludeTemplates"}
"""Settings of a kustomization that alone make none (`ApplicationSourceKustomize.IsZero`)."""


def normalised(spec: Mapping[str, Any]) -> Obj:
    """`spec` of an Application without what says nothing: as Argo CD compares and writes it."""
    tidy = _tidy(spec, _SPEC)
    tidy.setdefault("destination", {})
    tidy["project"] = tidy["project"] or "default"
    sources = tidy["sources"] if "sources" in tidy else [tidy["source"]] if "source" in tidy else []
    for source in sources:
        kustomize = source.get("kustomize")
        if kustomize is not None and not kustomize.keys() - _UNCOUNTED:
            del source["kustomize"]
        helm = source.get("helm")
        # An object of values without any is none (`ValuesIsEmpty`).
        if helm is not None and not any(value != {} for value in helm.values()):
            del source["helm"]
        if source.get("directory") == {}:
            del source["directory"]
    return tidy


def _tidy(value: Mapping[str, Any], fields: Mapping[str, Any]) -> Obj:
    tidy: Obj = {}
    for name, kind in fields.items():
        given = value.get(name)
        if kind is WRITTEN:
            tidy[name] = "" if given is None else given
        elif kind is POINTER:
            if given is not None:
                tidy[name] = given
        elif kind is OMITTED:
            if not _is_zero(given):
                tidy[name] = given
        elif kind.many:
            entries = [_tidy(entry, kind.fields) for entry in given or () if isinstance(entry, Mapping)]
            if entries:
                tidy[name] = entries
        elif isinstance(given, Mapping):
            inner = _tidy(given, kind.fields)
            if inner or kind.pointer:
                tidy[name] = inner
    return tidy


def _is_zero(value: Any) -> bool:
    return any(value == zero and type(value) is type(zero) for zero in _ZERO)
