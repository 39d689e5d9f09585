"""An Argo CD Application as its JSON has it, decoded in part and whatever its shape.

Owns: `read`, and the structs of those fields that `backends.argocd` needs (pkg/apis/application/v1alpha1/types.go,
Argo CD 3.6). All text that comes out is sanitised. Never here: what the fields mean.
"""

from __future__ import annotations

import re
import types
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from fleetui.model.text import sanitize_all

S = TypeVar("S", bound=msgspec.Struct)

# What sanitize might change, as it stands in JSON: escapes other than \n, \t, \" and \\, and beyond ASCII DEL, C1 and
# bidi marks in UTF-8. The second takes 30 ms for 1,000 Applications and is asked only where it can match.
_ESCAPE = re.compile(rb"\\[ubfr]")
_CONTROL = re.compile(rb"\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xed[\xa0-\xbf]")
_ODD = object()


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Parameter(_Wire, frozen=True):
    name: str = ""
    value: str = ""


class Helm(_Wire, frozen=True):
    parameters: list[Parameter] | None = None


class Source(_Wire, frozen=True):
    repo_url: str = msgspec.field(default="", name="repoURL")
    path: str = ""
    target_revision: str = ""
    chart: str = ""
    ref: str = ""
    helm: Helm | None = None


class SyncSource(_Wire, frozen=True):
    repo_url: str = msgspec.field(default="", name="repoURL")
    path: str = ""
    target_branch: str = ""


class SourceHydrator(_Wire, frozen=True):
    dry_source: Source = Source()
    sync_source: SyncSource = SyncSource()


class Destination(_Wire, frozen=True):
    server: str = ""
    name: str = ""
    namespace: str = ""


class Automated(_Wire, frozen=True):
    enabled: bool | None = None
    prune: bool | None = None
    self_heal: bool | None = None
    allow_empty: bool | None = None


class SyncPolicy(_Wire, frozen=True):
    automated: Automated | None = None
    sync_options: list[str] | None = None


class Spec(_Wire, frozen=True):
    project: str = ""
    source: Source | None = None
    sources: list[Source] | None = None
    source_hydrator: SourceHydrator | None = None
    destination: Destination = Destination()
    sync_policy: SyncPolicy | None = None


class InitiatedBy(_Wire, frozen=True):
    username: str = ""
    automated: bool = False


class Retry(_Wire, frozen=True):
    limit: int = 0


class SyncOperation(_Wire, frozen=True):
    revision: str = ""
    revisions: list[str] | None = None
    dry_run: bool = False


class Operation(_Wire, frozen=True):
    initiated_by: InitiatedBy = InitiatedBy()
    retry: Retry = Retry()
    sync: SyncOperation = SyncOperation()


class ResourceResult(_Wire, frozen=True):
    group: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    status: str = ""
    message: str = ""
    hook_type: str = ""
    hook_phase: str = ""
    sync_phase: str = ""


class SyncResult(_Wire, frozen=True):
    revision: str = ""
    revisions: list[str] | None = None
    resources: list[ResourceResult] | None = None


class OperationState(_Wire, frozen=True):
    operation: Operation = Operation()
    phase: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    retry_count: int = 0
    sync_result: SyncResult | None = None


class ComparedTo(_Wire, frozen=True):
    source: Source | None = None
    sources: list[Source] | None = None


class SyncState(_Wire, frozen=True):
    status: str = ""
    revision: str = ""
    revisions: list[str] | None = None
    compared_to: ComparedTo | None = None


class HealthState(_Wire, frozen=True):
    status: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Resource(_Wire, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    status: str = ""
    health: HealthState | None = None
    hook: bool = False
    requires_pruning: bool = False
    sync_wave: int = 0


class History(_Wire, frozen=True):
    id: int = 0
    revision: str = ""
    revisions: list[str] | None = None
    source: Source | None = None
    sources: list[Source] | None = None
    deploy_started_at: str | None = None
    deployed_at: str | None = None
    initiated_by: InitiatedBy = InitiatedBy()


class Condition(_Wire, frozen=True):
    type: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Summary(_Wire, frozen=True):
    images: list[str] | None = None


class Status(_Wire, frozen=True):
    sync: SyncState = SyncState()
    health: HealthState = HealthState()
    operation_state: OperationState | None = None
    resources: list[Resource] | None = None
    history: list[History] | None = None
    conditions: list[Condition] | None = None
    summary: Summary = Summary()
    reconciled_at: str | None = None


class Application(_Wire, frozen=True):
    spec: Spec = Spec()
    status: Status = Status()
    operation: Operation | None = None


_DECODER = msgspec.json.Decoder(Application)


def read(raw: bytes) -> Application:
    """The Application in `raw`. Never raises: a field of another shape than Argo CD writes is as if it were absent."""
    if not _suspect(raw):
        try:
            return _DECODER.decode(raw)
        except msgspec.MsgspecError:
            pass
    try:
        value = sanitize_all(msgspec.json.decode(raw))
    except msgspec.MsgspecError:
        return Application()
    try:
        return msgspec.convert(value, Application)
    except msgspec.ValidationError:
        return tolerant(Application, value)


def tolerant(kind: type[S], value: Any) -> S:
    """`value` as the struct `kind`, leaving out at any depth what doesn't fit."""
    made = _fit(kind, value)
    return kind() if made is _ODD else made


def _fit(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _fit_struct(kind, value) if isinstance(value, dict) else _ODD
    if get_origin(kind) is list:
        return _fit_list(get_args(kind)[0], value) if isinstance(value, list) else _ODD
    if get_origin(kind) in {Union, types.UnionType}:
        inner = next(arg for arg in get_args(kind) if arg is not type(None))
        return None if value is None else _fit(inner, value)
    return value if type(value) is kind else _ODD


def _fit_struct(kind: type[msgspec.Struct], value: dict[str, Any]) -> msgspec.Struct:
    fields = msgspec.structs.fields(kind)
    made = {field.name: _fit(field.type, value[field.encode_name]) for field in fields if field.encode_name in value}
    return kind(**{name: part for name, part in made.items() if part is not _ODD})


def _fit_list(kind: Any, values: list[Any]) -> list[Any]:
    return [part for part in (_fit(kind, value) for value in values) if part is not _ODD]


def _suspect(raw: bytes) -> bool:
    return b"\x7f" in raw or bool(_ESCAPE.search(raw)) or (not raw.isascii() and bool(_CONTROL.search(raw)))
