"""The kustomization file.

Owns: `Kustomization` with its parts, `read` and `NAMES`. Follows api 0.21.2 (types/kustomization.go); a field that is
not here is refused. Called by `target`, `edit`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from fleetui.model.errors import ManifestError
from fleetui.model.text import one_line
from fleetui.render.kustomize.errors import Unsupported
from fleetui.render.kustomize.selectors import Selector
from fleetui.render.lines import lines_of
from fleetui.render.yaml import decode, documents

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
VERSION = "kustomize.config.k8s.io/v1beta1"
COMPONENT_VERSION = "kustomize.config.k8s.io/v1alpha1"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Field(_Part, frozen=True):
    """A field specification of the user's own."""

    path: str = ""
    group: str = ""
    version: str = ""
    kind: str = ""
    create: bool = False


class Labels(_Part, frozen=True):
    pairs: dict[str, str] = {}
    include_selectors: bool = False
    include_templates: bool = False
    include_volume_claim_templates: bool = False
    fields: list[Field] = []


class PatchOptions(_Part, frozen=True):
    allow_name_change: bool = False
    allow_kind_change: bool = False


class Patch(_Part, frozen=True):
    path: str = ""
    patch: str = ""
    target: Selector | None = None
    options: PatchOptions | None = None


class Image(_Part, frozen=True):
    name: str = ""
    new_name: str = ""
    tag_suffix: str = ""
    new_tag: str = ""
    digest: str = ""


class Replica(_Part, frozen=True):
    name: str = ""
    count: int = 0


class GeneratorOptions(_Part, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    disable_name_suffix_hash: bool = False
    immutable: bool = False


class Generator(_Part, frozen=True):
    """A ConfigMap or, with a `type` as well, a Secret."""

    name: str = ""
    namespace: str = ""
    behavior: str = ""
    literals: list[str] = []
    files: list[str] = []
    envs: list[str] = []
    env: str = ""
    options: GeneratorOptions | None = None
    type: str = ""


class FieldOptions(_Part, frozen=True):
    delimiter: str = ""
    index: int = 0
    encoding: str = ""
    create: bool = False


class Source(_Part, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    field_path: str = ""
    options: FieldOptions | None = None


class Target(_Part, frozen=True):
    select: Selector | None = None
    reject: list[Selector] = []
    field_paths: list[str] = []
    options: FieldOptions | None = None


class Replacement(_Part, frozen=True):
    """Inline, or in the file `path`."""

    source: Source | None = None
    source_value: str | None = None
    targets: list[Target] | None = None
    path: str = ""


class LegacySortOptions(_Part, frozen=True):
    order_first: list[str] = []
    order_last: list[str] = []


class SortOptions(_Part, frozen=True):
    order: str = ""
    legacy_sort_options: LegacySortOptions | None = None


class Kustomization(_Part, frozen=True):
    api_version: str = ""
    kind: str = "Kustomization"
    metadata: dict[str, Any] = {}
    resources: list[str] = []
    bases: list[str] = []
    components: list[str] = []
    name_prefix: str = ""
    name_suffix: str = ""
    namespace: str = ""
    labels: list[Labels] = []
    common_labels: dict[str, str] = {}
    common_annotations: dict[str, str] = {}
    patches: list[Patch] = []
    patches_strategic_merge: list[str] = []
    patches_json6902: list[Patch] = msgspec.field(default=[], name="patchesJson6902")
    images: list[Image] = []
    image_tags: list[Image] = []
    replicas: list[Replica] = []
    replacements: list[Replacement] = []
    config_map_generator: list[Generator] = []
    secret_generator: list[Generator] = []
    generator_options: GeneratorOptions | None = None
    sort_options: SortOptions | None = None


@lru_cache(maxsize=512)
def read(content: bytes, file: str) -> dict[str, Any]:
    """The mapping that a kustomization file holds, without its nulls; remembered, so not to be changed.

    Raises:
        ManifestError: it holds none.
        Unsupported: it holds several documents, or nulls in lists.
    """
    found = list(documents(content, path=file))
    if not found:
        raise ManifestError("the kustomization is empty; list something in resources", path=file)
    if len(found) > 1:
        raise Unsupported("a kustomization of several documents", path=file, line=found[1].line)
    value, line = found[0]
    if not isinstance(value, dict):
        raise ManifestError("the kustomization is no mapping", path=file, line=line)
    cleaned: dict[str, Any] = _without_nulls(value, file)
    return cleaned


def _without_nulls(value: Any, file: str) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item, file) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if any(item is None for item in value):
            raise Unsupported("a null in a list of the kustomization", path=file)
        return [_without_nulls(item, file) for item in value]
    return value


@lru_cache(maxsize=512)
def unedited(content: bytes, file: str) -> Kustomization:
    """The kustomization that a file holds; remembered.

    Raises:
        ManifestError, Unsupported: as for `read` and `parsed`.
    """
    return parsed(read(content, file), content, file)


def parsed(value: Mapping[str, Any], content: bytes, file: str) -> Kustomization:
    """A kustomization of the mapping that `read` gave, edited; `content` is only for the lines in errors.

    Raises:
        ManifestError: a field has another type than it must have.
        Unsupported: a field is not known here.
    """
    try:
        kustomization = msgspec.convert(value, Kustomization)
    except msgspec.ValidationError as error:
        raise _explained(str(error), content, file) from error
    kind, version = kustomization.kind or "Kustomization", kustomization.api_version
    if kind not in ("Kustomization", "Component"):
        raise ManifestError("kind should be Kustomization or Component", path=file, line=line_of(content, "kind"))
    wanted = COMPONENT_VERSION if kind == "Component" else VERSION
    if version and version != wanted:
        line = line_of(content, "apiVersion")
        raise ManifestError(f"apiVersion for {kind} should be {wanted}", path=file, line=line)
    if not set(value) - {"apiVersion", "kind"}:
        raise ManifestError("the kustomization is empty; list something in resources", path=file, line=1)
    if any(generator.type for generator in kustomization.config_map_generator):
        raise Unsupported("a ConfigMap with a type", path=file, line=line_of(content, "configMapGenerator"))
    return kustomization


_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`(?: - at `\$(.*)`)?")
_WRONG = re.compile(r"Expected `([^`]*)`, got `([^`]*)`(?: - at `\$\.(.*)`)?")
_WORDS = {"str": "text (quote it)", "int": "a whole number", "bool": "true or false", "array": "a list"}


def _explained(message: str, content: bytes, file: str) -> ManifestError:
    if match := _UNKNOWN.fullmatch(message):
        name, within = match[1], (match[2] or "").lstrip(".")
        place = f" in {within}" if within else ""
        return Unsupported(f"the field {one_line(name)}{place}", path=file, line=line_of(content, within or name, name))
    if match := _WRONG.fullmatch(message):
        wanted, got, where = match[1], match[2], match[3] or "the kustomization"
        line = line_of(content, where)
        wanted = _WORDS.get(wanted.removesuffix(" | null"), "a mapping")
        return ManifestError(f"{one_line(where)} must be {wanted}, not {got}", path=file, line=line)
    return ManifestError(f"not a valid kustomization: {one_line(message)}", path=file)


@lru_cache(maxsize=1024)
def line_of(content: bytes, path: str, name: str = "") -> int | None:
    """The line of a field such as ``images[0].newTag``; of the first that can be found on the way to it."""
    parts: list[str | int] = []
    for part in re.findall(r"[^.\[\]]+", path):
        if part == "...":
            break
        parts.append(int(part) if part.isdigit() else part)
    if name and parts != [name]:
        parts.append(name)
    document = next(documents(content))
    text = decode(content)
    for end in range(len(parts), 0, -1):
        if lines := lines_of(text, document.line, tuple(parts[:end])):
            return lines[0]
    return None
