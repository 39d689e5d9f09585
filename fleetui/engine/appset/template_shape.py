"""What fields an Application made by an ApplicationSet may have, and of what type.

Owns: `typed`, and the types of Argo CD v3.6.1 (pkg/apis/application/v1alpha1/types.go) that a template reaches.
Called by `fleetui.engine.appset.template` on whatever was rendered or patched. Pure. A Go program that decodes an
object into a type drops the fields that it has not, and writes no empty ones; so does this. A field without a default
is one that the definition of Applications requires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fleetui.model.errors import TemplateError
from fleetui.model.objects import Obj

Texts = dict[str, str]


class _Part(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A struct of Go: unknown fields are dropped, empty ones not written."""


class HelmParameter(_Part):
    name: str = ""
    value: str = ""
    force_string: bool = False


class HelmFileParameter(_Part):
    name: str = ""
    path: str = ""


class Helm(_Part):
    value_files: list[str] = []
    parameters: list[HelmParameter] = []
    release_name: str = ""
    values: str = ""
    file_parameters: list[HelmFileParameter] = []
    version: str = ""
    pass_credentials: bool = False
    ignore_missing_value_files: bool = False
    skip_crds: bool = False
    values_object: Obj | None = None
    namespace: str = ""
    kube_version: str = ""
    api_versions: list[str] = []
    skip_tests: bool = False
    skip_schema_validation: bool = False


class KustomizeReplica(_Part):
    name: str
    count: int | str


class KustomizeTarget(_Part):
    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    annotation_selector: str = ""
    label_selector: str = ""


class KustomizePatch(_Part):
    path: str = ""
    patch: str = ""
    target: KustomizeTarget | None = None
    options: dict[str, bool] = {}


class Kustomize(_Part):
    name_prefix: str = ""
    name_suffix: str = ""
    images: list[str] = []
    common_labels: Texts = {}
    version: str = ""
    common_annotations: Texts = {}
    force_common_labels: bool = False
    force_common_annotations: bool = False
    namespace: str = ""
    common_annotations_envsubst: bool = False
    replicas: list[KustomizeReplica] = []
    patches: list[KustomizePatch] = []
    components: list[str] = []
    ignore_missing_components: bool = False
    label_without_selector: bool = False
    kube_version: str = ""
    api_versions: list[str] = []
    label_include_templates: bool = False


class JsonnetVariable(_Part):
    name: str
    value: str
    code: bool = False


class Jsonnet(_Part):
    ext_vars: list[JsonnetVariable] = []
    tlas: list[JsonnetVariable] = []
    libs: list[str] = []


class Directory(_Part):
    recurse: bool = False
    jsonnet: Jsonnet | None = None
    exclude: str = ""
    include: str = ""
    disable_extension_filter: bool = False

    def __post_init__(self) -> None:
        if self.jsonnet == Jsonnet():  # `omitzero`
            self.jsonnet = None


class Named(_Part):
    """A name and a value: an entry of `spec.info`, or a variable of a plugin's environment."""

    name: str
    value: str


class PluginParameter(_Part):
    name: str = ""
    string: str | None = None
    map: Texts | None = None
    array: list[str] | None = None


class Plugin(_Part):
    name: str = ""
    env: list[Named] = []
    parameters: list[PluginParameter] = []


class Source(_Part):
    repo_url: str = msgspec.field(name="repoURL")
    path: str = ""
    target_revision: str = ""
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    directory: Directory | None = None
    plugin: Plugin | None = None
    chart: str = ""
    ref: str = ""
    name: str = ""
    tag_prefix: str = ""


class DrySource(_Part):
    repo_url: str = msgspec.field(name="repoURL")
    target_revision: str
    path: str
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    directory: Directory | None = None
    plugin: Plugin | None = None


class SyncSource(_Part):
    target_branch: str
    path: str
    repo_url: str = msgspec.field(default="", name="repoURL")


class HydrateTo(_Part):
    target_branch: str


class SourceHydrator(_Part):
    dry_source: DrySource
    sync_source: SyncSource
    hydrate_to: HydrateTo | None = None


class Destination(_Part):
    server: str = ""
    namespace: str = ""
    name: str = ""


class Automated(_Part):
    prune: bool | None = None
    self_heal: bool | None = None
    allow_empty: bool | None = None
    enabled: bool | None = None


class Backoff(_Part):
    duration: str = ""
    factor: int | None = None
    max_duration: str = ""


class Retry(_Part):
    limit: int = 0
    backoff: Backoff | None = None
    refresh: bool = False


class NamespaceMetadata(_Part):
    labels: Texts = {}
    annotations: Texts = {}


class SyncPolicy(_Part):
    automated: Automated | None = None
    sync_options: list[str] = []
    retry: Retry | None = None
    managed_namespace_metadata: NamespaceMetadata | None = None


class IgnoredDifference(_Part):
    kind: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: list[str] = msgspec.field(default_factory=list, name="jsonPointers")
    jq_path_expressions: list[str] = msgspec.field(default_factory=list, name="jqPathExpressions")
    managed_fields_managers: list[str] = []


class Spec(_Part):
    destination: Destination
    project: str
    source: Source | None = None
    sync_policy: SyncPolicy | None = None
    ignore_differences: list[IgnoredDifference] = []
    info: list[Named] = []
    revision_history_limit: int | None = None
    sources: list[Source] = []
    source_hydrator: SourceHydrator | None = None


class Metadata(_Part):
    """What of an Application's metadata Argo CD takes from a template (applicationset_controller.go,
    `createOrUpdateInCluster`)."""

    name: str = ""
    namespace: str = ""
    labels: Texts = {}
    annotations: Texts = {}
    finalizers: list[str] = []


class Made(_Part):
    metadata: Metadata
    spec: Spec
    operation: Obj | None = None


_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`(?: - at `\$\.?(?P<field>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`(?: - at `\$\.?(?P<field>[^`]*)`)?")
_WORDS = {
    "str": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "object": "a map",
    "array": "a list",
}


def typed(app: Mapping[str, Any]) -> Obj:
    """The Application with the fields that there are, in new maps and lists; what `valuesObject` holds is shared.

    Raises:
        TemplateError: a field is missing or has another type; `field` names it.
    """
    try:
        made: Obj = msgspec.to_builtins(msgspec.convert(app, Made))
    except msgspec.ValidationError as error:
        raise _told(str(error), app) from error
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **made}


def _told(said: str, app: Mapping[str, Any]) -> TemplateError:
    """What msgspec says of an object, in the words of the field."""
    if missing := _MISSING.fullmatch(said):
        return TemplateError("is required", field=f"{missing['field'] or ''}.{missing['name']}".lstrip("."))
    if wrong := _WRONG_TYPE.fullmatch(said):
        wanted = " or ".join(_WORDS.get(word, word) for word in wrong["wanted"].split(" | ") if word != "null")
        got = _WORDS.get(wrong["got"], wrong["got"])
        return TemplateError(f"must be {wanted}, and is {got}", field=_exact(wrong["field"] or "", app))
    return TemplateError(said)


def _exact(field: str, app: Mapping[str, Any]) -> str:
    """`field` with the key of a map of texts, which msgspec does not name."""
    before, marked, after = field.partition("[...]")
    if not marked:
        return field
    value: Any = app
    for name, place in re.findall(r"(\w+)|\[(\d+)\]", before):
        value = value[name] if name else value[int(place)]
    wanted = bool if before.endswith("options") else str
    key = next((key for key, item in value.items() if not isinstance(item, wanted)), "")
    return f"{before}.{key}{after}"
