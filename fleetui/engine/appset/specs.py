"""`spec` of an Application as Argo CD compares and writes it, so that two texts of the same spec are equal.

Owns: `normalised`. What says nothing is dropped by the types of `template_shape`, then `NormalizeApplicationSpec` takes
off what is empty (Argo CD v3.6.1 `util/argo/argo.go`). Pure; called by `fleetui.engine.appset.updates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetui.engine.application import mappings
from fleetui.engine.appset.template_shape import Spec
from fleetui.model.objects import Obj

_UNCOUNTED = {"forceCommonLabels", "forceCommonAnnotations", "commonAnnotationsEnvsubst", "labelWithoutSelector"}
_UNCOUNTED |= {"labelIncludeTemplates"}
"""Settings of a kustomization that alone make none (`ApplicationSourceKustomize.IsZero`)."""


def normalised(spec: Mapping[str, Any]) -> Obj:
    """`spec` of an Application without what says nothing; as it is where it is none that Argo CD could read."""
    try:
        given = msgspec.convert({"project": "", "destination": {}, **spec}, Spec)
    except msgspec.ValidationError:
        return dict(spec)
    tidy: Obj = msgspec.to_builtins(given)
    tidy["project"] = given.project or "default"
    if tidy.get("syncPolicy") == {}:
        del tidy["syncPolicy"]
    for source in mappings(tidy.get("sources")) or mappings([tidy.get("source")]):
        _drop_empty_tools(source)
    return tidy


def _drop_empty_tools(source: Any) -> None:
    kustomize, helm = source.get("kustomize"), source.get("helm")
    if kustomize is not None and not kustomize.keys() - _UNCOUNTED:
        del source["kustomize"]
    # An object of values without any is none (`ValuesIsEmpty`).
    if helm is not None and all(value == {} for value in helm.values()):
        del source["helm"]
    if source.get("directory") == {}:
        del source["directory"]
