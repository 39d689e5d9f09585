"""ConfigMaps and Secrets made from literals, files and env files.

Owns: `generate`, `absorb`, `add_hashes`, `content_hash`. Follows api 0.21.2 (internal/generators, kv/kv.go,
hasher/hasher.go, and of resmap/reswrangler.go `appendReplaceOrMerge`). Called by `target`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import Generator, GeneratorOptions
from fleetui.render.kustomize.patches import Loader
from fleetui.render.kustomize.resource import BEHAVIOR, ENABLED, NEEDS_HASH, Resource, Resources
from fleetui.render.kustomize.values import Quoted, finished, is_null, new_key, text_of, written

_BEHAVIORS = ("create", "replace", "merge")
_MAX_LINE = 64 * 1024
_LINE_LENGTH = 70
_UNSURE = re.compile("[\r\x85\u2028\u2029\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def generate(
    kind: str, generator: Generator, common: GeneratorOptions | None, loader: Loader, line: int | None
) -> Resource:
    """The object that one entry of configMapGenerator or secretGenerator describes.

    Raises:
        ManifestError, Problem: a source can't be read, or a key is there twice.
    """
    if not generator.name:
        raise Problem(f"an entry of the {kind} generator has no name")
    options = _options(generator.options, common)
    metadata: dict[str, Any] = {"name": generator.name}
    if generator.namespace:
        metadata["namespace"] = generator.namespace
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    pairs = _pairs(generator, loader)
    if kind == "Secret":
        obj["type"] = generator.type or "Opaque"
        obj["data"] = {new_key(key): _written(_base64(value)) for key, value in pairs.items()}
    else:
        _put_data(obj, pairs)
    if options.labels:
        metadata["labels"] = dict(options.labels)
    if options.immutable:
        obj["immutable"] = True
    behavior = generator.behavior if generator.behavior in _BEHAVIORS else "unspecified"
    marks = {BEHAVIOR: behavior} if options.disable_name_suffix_hash else {BEHAVIOR: behavior, NEEDS_HASH: ENABLED}
    metadata["annotations"] = dict(options.annotations) | marks
    return Resource(obj, loader.file, line or 1)


def _options(own: GeneratorOptions | None, common: GeneratorOptions | None) -> GeneratorOptions:
    own, common = own or GeneratorOptions(), common or GeneratorOptions()
    return GeneratorOptions(
        labels=common.labels | own.labels,
        annotations=common.annotations | own.annotations,
        disable_name_suffix_hash=own.disable_name_suffix_hash or common.disable_name_suffix_hash,
        immutable=own.immutable or common.immutable,
    )


def _put_data(obj: dict[str, Any], pairs: Mapping[str, bytes]) -> None:
    for key, value in pairs.items():
        try:
            text = value.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[new_key(key)] = _written(_base64(value))
            continue
        if _UNSURE.search(text):
            raise UnsupportedProblem(f"a ConfigMap with control characters or carriage returns in {key}")
        obj.setdefault("data", {})[new_key(key)] = _written(text)


def _written(text: str) -> str:
    return Quoted(text) if "\n" in text else written(text)


def _base64(value: bytes) -> str:
    """As kyaml writes it: several lines where it is longer than one."""
    encoded = base64.b64encode(value).decode()
    if len(encoded) < _LINE_LENGTH:
        return encoded
    lines = [encoded[start : start + _LINE_LENGTH] for start in range(0, len(encoded), _LINE_LENGTH)]
    return "".join(f"{line}\n" for line in lines)


# --- sources --------------------------------------------------------------------------------------------------


def _pairs(generator: Generator, loader: Loader) -> dict[str, bytes]:
    pairs: dict[str, bytes] = {}
    for key, value in _sources(generator, loader):
        if key in pairs:
            raise Problem(f"{generator.name} has the key {key} twice")
        pairs[key] = value
    return dict(sorted(pairs.items()))


def _sources(generator: Generator, loader: Loader) -> Iterator[tuple[str, bytes]]:
    for path in [*generator.envs, *([generator.env] if generator.env else [])]:
        yield from _env_lines(loader.load(path)[0], path)
    for literal in generator.literals:
        key, separator, value = literal.partition("=")
        if not key or not separator:
            raise Problem(f"the literal {literal!r} of {generator.name} is not of the form key=value")
        yield key, _unquoted(value).encode()
    for source in generator.files:
        key, path = _file_source(source)
        yield key, loader.load(path)[0]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value


def _file_source(source: str) -> tuple[str, str]:
    key, separator, path = source.partition("=")
    if not separator:
        return posixpath.basename(source.rstrip("/")), source
    if not key or not path or "=" in path:
        raise Problem(f"the file source {source!r} is not of the form path or key=path")
    return key, path


def _env_lines(content: bytes, path: str) -> Iterator[tuple[str, bytes]]:
    for number, raw in enumerate(content.split(b"\n")):
        if len(raw) >= _MAX_LINE:
            raise UnsupportedProblem(f"an env file with a line of more than {_MAX_LINE // 1024} KiB, {path},")
        try:
            line = raw.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise Problem(f"line {number + 1} of {path} is no text in UTF-8") from error
        line = (line.removeprefix("\ufeff") if number == 0 else line).lstrip(" \t\n\v\f\r\x85\xa0\u2003\u3000")
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            if key:
                yield key, value.encode()


# --- behavior -------------------------------------------------------------------------------------------------


def absorb(generated: Resource, resources: Resources) -> None:
    """Adds a generated object, or replaces or merges the one that it is named after."""
    behavior = generated.annotation(BEHAVIOR)
    wanted = generated.id
    found = resources.with_any_id(wanted.equals)
    if not found:
        if behavior in ("merge", "replace"):
            raise Problem(f"{wanted} does not exist, so there is nothing to {behavior}")
        resources.add_all([generated])
        return
    if len(found) > 1:
        raise Problem(f"{len(found)} objects could be meant by the generated {wanted}")
    if behavior not in ("merge", "replace"):
        raise Problem(f"{wanted} exists already; give the generator the behavior merge or replace")
    old = found[0]
    generated.copy_metadata(old)
    if behavior == "merge":
        _merge_data(generated, old)
    if not generated.id.equals(old.id):
        raise Problem(f"{wanted} and {old.id} are not the same object")
    resources[next(i for i, each in enumerate(resources) if each is old)] = generated


def _merge_data(generated: Resource, old: Resource) -> None:
    data, binary = _texts(old, "data"), _texts(old, "binaryData")
    if generated.kind == "Secret":
        data |= {key: _base64(value.encode()) for key, value in _texts(old, "stringData").items()}
    for field, values in (("data", data), ("binaryData", binary)):
        merged = values | _texts(generated, field)
        if any(map(_UNSURE.search, merged.values())):
            raise UnsupportedProblem("a merged ConfigMap with control characters or carriage returns")
        generated.obj.pop(field, None)
        if merged:
            generated.obj[field] = {new_key(key): _written(str(text)) for key, text in sorted(merged.items())}


def _texts(resource: Resource, field: str) -> dict[str, str]:
    values = resource.obj.get(field)
    if is_null(values):
        return {}
    if not isinstance(values, dict):
        raise Problem(f"{field} of {resource.id} is no mapping")
    return {key: "" if is_null(value) else text_of(value) for key, value in values.items()}


# --- hashes ---------------------------------------------------------------------------------------------------


def add_hashes(resources: Resources) -> None:
    """HashTransformer.go: the content's hash behind the names of what was generated."""
    for resource in resources:
        if resource.enabled(NEEDS_HASH):
            digest = content_hash(resource)
            resource.store_id()
            resource.set_name(f"{resource.name}-{digest}")


def content_hash(resource: Resource) -> str:
    """The ten characters that kustomize and `kubectl create configmap --append-hash` put behind the name."""
    if resource.kind == "ConfigMap":
        fields, optional = ["data"], "binaryData"
    elif resource.kind == "Secret":
        fields, optional = ["type", "data"], "stringData"
    else:
        raise UnsupportedProblem(f"the hash of a {resource.kind}")
    # The name is left out, though the field is there: hasher.go looks for a field "metadata/name".
    hashed: dict[str, Any] = {"kind": resource.kind, "name": ""}
    hashed |= {field: _hashable(resource.obj.get(field, "")) for field in fields}
    if isinstance(extra := resource.obj.get(optional), dict):
        hashed[optional] = _hashable(extra)
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.translate(_GO_ESCAPES).encode()).hexdigest()
    return digest[:10].translate(_UNLIKE_WORDS)


_GO_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_UNLIKE_WORDS = str.maketrans("013ae", "ghkmt")


def _hashable(value: Any) -> Any:
    if isinstance(value, dict | list):
        if any(
            isinstance(item, float | dict | list) for item in (value.values() if isinstance(value, dict) else value)
        ):
            raise UnsupportedProblem("the hash of data that is no text")
        return finished(value)
    return text_of(value)
