"""Where an application's manifests come from, whether it has one source or several.

Owns: `SourceSet`, read from whatever of an Application says it (spec, operation, result, history) and written as Argo
CD writes it (`pkg/apis/application/v1alpha1/types.go`: `GetSource`, `HasMultipleSources`; Argo CD v3.6). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj

_REF = re.compile(r"[a-zA-Z0-9_-]+")
_NO_SOURCE: Mapping[str, str] = {"repoURL": ""}
"""How Go writes a source that is not there."""
_TOOLS = ("helm", "kustomize", "directory", "plugin")
_ALWAYS_WRITTEN = frozenset({"repoURL", "count"})
_RAW = "valuesObject"


@dataclass(frozen=True)
class SourceSet:
    """Sources in their order; `multiple` where they stand in a list, be it of one."""

    sources: tuple[Mapping[str, Any], ...]
    multiple: bool = False

    @classmethod
    def of(cls, holder: Mapping[str, Any]) -> SourceSet:
        """The sources that a spec, a sync operation, its result or a history entry names, as Go writes them; the list
        wins."""
        several = tuple(map(as_go_writes, mappings(holder.get("sources"))))
        return cls(several, True) if several else cls((as_go_writes(mapping(holder.get("source"))),))

    @classmethod
    def of_operation(cls, sync: Mapping[str, Any], spec: Mapping[str, Any]) -> SourceSet:
        """The sources of a sync operation, or else of the spec (`controller/sync.go`, `newSyncOperationResult`)."""
        named = sync.get("sources") or isinstance(sync.get("source"), Mapping)
        return cls.of(sync if named else spec)

    def fields(self) -> Obj:
        """`source` and `sources` of a comparison, a result or a history entry."""
        if self.multiple:
            return {"source": dict(_NO_SOURCE), "sources": [dict(source) for source in self.sources]}
        return {"source": dict(self.sources[0])}

    def result_fields(self, sync: Mapping[str, Any]) -> Obj:
        """`source` and `sources` of the result of an operation; where that names none itself, Argo CD repeats the first
        of several as the one source."""
        named = sync.get("sources") or not self.multiple
        return self.fields() if named else {**self.fields(), "source": dict(self.sources[0])}

    def revisions_of(self, holder: Mapping[str, Any]) -> tuple[str, ...]:
        """The revisions that an operation, a result, a history entry or `status.sync` names for these sources; none
        where it names other ones, or not one for each."""
        if not self.multiple:
            return (text(holder.get("revision")),) if holder.get("revision") else ()
        found = strings(holder.get("revisions"))
        return found if len(found) == len(self.sources) else ()

    def revision_fields(self, revisions: Sequence[str]) -> Obj:
        """`revision` and `revisions` of an operation's result."""
        if not self.multiple:
            return {"revision": revisions[0] if revisions else ""}
        return {"revision": "", **({"revisions": list(revisions)} if revisions else {})}

    def asked(self, revisions: Sequence[str]) -> Obj:
        """Sources and revisions of a sync operation that asks for them (`autoSync`)."""
        if self.multiple:
            return {"sources": [dict(source) for source in self.sources], "revisions": list(revisions)}
        return {"source": dict(self.sources[0]), "revision": next(iter(revisions), "")}

    def wishes(self, revisions: Sequence[str] = ()) -> tuple[str, ...]:
        """What is to be resolved for each source: `revisions` where they say it, else its `targetRevision`."""
        named = revisions if len(revisions) == len(self.sources) else [""] * len(self.sources)
        return tuple(
            wish or text(source.get("targetRevision")) for wish, source in zip(named, self.sources, strict=True)
        )

    def refs(self) -> dict[str, int]:
        """Which source ``$NAME`` stands for in value files, by its place (`util/argo/argo.go`, `GetRefSources`).

        Raises:
            FleetError: a name can't be used, or two sources have it.
        """
        found: dict[str, int] = {}
        for place, source in enumerate(self.sources if self.multiple else ()):
            ref = text(source.get("ref"))
            if not ref:
                continue
            if not _REF.fullmatch(ref):
                raise FleetError(f"sources.ref {ref} cannot contain any special characters except '_' and '-'")
            if f"${ref}" in found:
                raise FleetError("invalid sources: multiple sources had the same `ref` key")
            found[f"${ref}"] = place
        return found

    def problem(self) -> str:
        """Why they can't be worked with, in Argo CD's words; empty where they can
        (`util/argo/argo.go`, `validateSourcePermissions`)."""
        return next(filter(None, map(self.problem_of, self.sources)), "")

    def problem_of(self, source: Mapping[str, Any]) -> str:
        """The same of one of them."""
        what = ("path", "chart", "ref") if self.multiple else ("path", "chart")
        if not text(source.get("repoURL")) or not any(source.get(key) for key in what):
            if self.multiple:
                return (
                    "spec.source.repoURL and either source.path, source.chart, or source.ref are required for source "
                    + _as_go_prints(source)
                )
            return "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
        if source.get("chart") and not source.get("targetRevision"):
            return "spec.source.targetRevision is required if the manifest source is a helm chart"
        return ""


def as_go_writes(source: Mapping[str, Any]) -> Obj:
    """A source without what Argo CD's types leave out when they are written (``omitempty``): what is false, zero or
    empty, but for a tool that is there with nothing said of it."""
    written = {key: value if key == _RAW else _written(value) for key, value in source.items()}
    tools = {key: written[key] for key in _TOOLS if isinstance(source.get(key), Mapping)}
    return {key: value for key, value in written.items() if value or key in _ALWAYS_WRITTEN or key in tools}


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {key: each if key == _RAW else _written(each) for key, each in value.items()}
        return {key: each for key, each in inner.items() if each or key in _ALWAYS_WRITTEN}
    return [_written(each) for each in value] if isinstance(value, list) else value


def is_ref_only(source: Mapping[str, Any]) -> bool:
    """Whether a source gives values to others, and no manifests (`reposerver/repository/repository.go`)."""
    return bool(source.get("ref")) and not source.get("path") and not source.get("chart") and not is_oci(source)


def is_oci(source: Mapping[str, Any]) -> bool:
    return text(source.get("repoURL")).startswith("oci://")


def _as_go_prints(source: Mapping[str, Any]) -> str:
    """An `ApplicationSource` as ``%s`` prints it: the values of its fields in their order."""
    tools = ("nil" if source.get(tool) is None else f"&ApplicationSource{tool.capitalize()}{{…}}" for tool in _TOOLS)
    before, after = ("repoURL", "path", "targetRevision"), ("chart", "ref", "name", "tagPrefix")
    fields = [*(text(source.get(key)) for key in before), *tools, *(text(source.get(key)) for key in after)]
    return f"{{{' '.join(fields)}}}"
