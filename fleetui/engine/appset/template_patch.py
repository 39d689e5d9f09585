"""What is merged with a template: that of a generator with that of its set, and what it made with `templatePatch`.

Owns: `merged_template` and `patched`. Called by `fleetui.engine.appset.template` and by the generators. Pure. The rules
are those of Argo CD v3.6.1 (applicationset/generators/generator_spec_processor.go, `mergeGeneratorTemplate`;
applicationset/controllers/template/patch.go, `applyTemplatePatch`) over mergo v1.0.2 (`deepMerge`) and apimachinery
v0.37.0 (pkg/util/strategicpatch/patch.go, `mergeMap`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.engine.appset.params import size_of
from fleetui.engine.appset.template_shape import typed
from fleetui.model.errors import TemplateError
from fleetui.model.objects import Obj, from_json
from fleetui.model.text import one_line
from fleetui.render.events import Flaw as YamlFlaw
from fleetui.render.events import build

FIELD = "spec.templatePatch"
_MOST_BYTES = 3 * 1024 * 1024
"""What an API server takes at most."""
_RAW = "valuesObject"
_PATCH, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_MERGED_LISTS = ("finalizers",)
"""The one list that a strategic merge does not replace: no other of an Application's has a strategy, but for the
ownerReferences, which are not the template's."""


def merged_template(own: Mapping[str, Any] | None, of_set: Mapping[str, Any]) -> Obj:
    """The template of a generator, with whatever is empty in it taken from that of the set.

    As mergo fills: false and 0 are empty too, maps are filled key by key, lists and `valuesObject` as a whole.
    """
    found: Obj = dict(own or {})
    for key, value in of_set.items():
        mine = found.get(key)
        if isinstance(mine, Mapping) and isinstance(value, Mapping) and key != _RAW:
            found[key] = merged_template(mine, value)
        elif mine is None or (not mine and not (isinstance(mine, Mapping) and key == _RAW)):
            found[key] = value
    return found


def patched(app: Obj, patch: str) -> Obj:
    """The Application with a rendered `templatePatch` merged into it; the project stays what it was.

    Raises:
        TemplateError: the patch is no YAML or JSON, no map, or does not fit an Application.
    """
    merged = _merge(app, _read(patch))
    if isinstance(merged.get("spec"), dict):
        merged["spec"]["project"] = app["spec"]["project"]
    try:
        return typed(merged)
    except TemplateError as error:
        raise TemplateError(f"of the patched Application, {error.field} {error.reason}", field=FIELD) from error


def _read(text: str) -> Mapping[str, Any]:
    try:
        if text.lstrip().startswith("{"):
            value = from_json(text)
        else:
            built = build(text)
            value = None if built is None else built[0]
    except YamlFlaw as flaw:
        raise TemplateError(f"is no YAML once it is rendered: {flaw.told}", field=FIELD) from flaw
    except ValueError as error:
        raise TemplateError(f"is no JSON once it is rendered: {one_line(str(error))}", field=FIELD) from error
    if value is not None and not isinstance(value, Mapping):
        raise TemplateError("is no map once it is rendered", "write it as a part of an Application", field=FIELD)
    if size_of(value) > _MOST_BYTES:
        raise TemplateError("says more than an object may have, once it is rendered", field=FIELD)
    return value or {}


def _merge(before: Mapping[str, Any], patch: Mapping[str, Any], *, raw: bool = False) -> Obj:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive is not None:
        raise TemplateError(f"there is no directive $patch: {one_line(str(directive))}", field=FIELD)
    found = _retained(before, patch)
    for key, value in patch.items():
        if key == _RETAIN or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE):
            name, gone = key.removeprefix(_DELETE), value if isinstance(value, list) else []
            found[name] = [item for item in found.get(name) or [] if item not in gone]
        elif value is None:
            found.pop(key, None)
        else:
            _put(found, key, value, raw=raw)
    return found


def _retained(before: Mapping[str, Any], patch: Mapping[str, Any]) -> Obj:
    if _RETAIN not in patch:
        return dict(before)
    kept = patch[_RETAIN]
    said = [key for key, value in patch.items() if value is not None and not key.startswith("$")]
    if not isinstance(kept, list) or any(key not in kept for key in said):
        raise TemplateError("$retainKeys must list each key of its map", field=FIELD)
    return {key: value for key, value in before.items() if key in kept}


def _put(found: Obj, key: str, value: Any, *, raw: bool) -> None:
    before = found.get(key)
    if raw and type(before) is type(value) and isinstance(value, dict | list):
        # What Argo CD answers here is "unable to find api field in struct RawExtension".
        raise TemplateError(
            f"{key!r} of {_RAW} is there already, and Argo CD merges only the first level of it",
            "write all of valuesObject with $patch: replace",
            field=FIELD,
        )
    if isinstance(value, dict) and isinstance(before, dict):
        found[key] = _merge(before, value, raw=key == _RAW)
    elif isinstance(value, list) and isinstance(before, list):
        found[key] = _joined(before, value) if key in _MERGED_LISTS else value
    elif not (isinstance(value, dict) and value.get(_PATCH) == "delete"):
        found[key] = _bare(value)
    else:
        found.pop(key, None)


def _bare(value: Any) -> Any:
    """What nothing merges with, without its nulls and directives."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if item is not None and not key.startswith("$")}
    if isinstance(value, list):
        return [_bare(item) for item in value if not (isinstance(item, dict) and _PATCH in item)]
    return value


def _joined(before: Sequence[str], patch: Sequence[str]) -> list[str]:
    """Two lists as one, without what is there twice (`normalizeElementOrder`): the patch's items in their order, and
    before one of them those of `before` that stood before it there."""
    found: list[str] = []
    others = [item for item in before if item not in patch]
    for item in dict.fromkeys(patch):
        while others and item in before and before.index(others[0]) < before.index(item):
            found.append(others.pop(0))
        found.append(item)
    return found + others
