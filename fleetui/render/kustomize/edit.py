"""What an Application asks of a kustomization besides what the kustomization says.

Owns: `edited` and `substituted`. Follows Argo CD 3.6 (util/kustomize/kustomize.go `Build`), which has `kustomize edit`
write the options into the kustomization file before it is built; so the file's mapping is edited here, for the native
builder and for the binary alike. Called by `build` and by `backends.kustomize`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleetui.model.errors import ManifestError
from fleetui.model.text import one_line
from fleetui.render.kustomize.images import split

_KNOWN = frozenset(
    {
        *("namePrefix", "nameSuffix", "namespace", "images", "replicas", "components", "ignoreMissingComponents"),
        *("commonLabels", "forceCommonLabels", "labelWithoutSelector", "labelIncludeTemplates", "patches"),
        *("commonAnnotations", "forceCommonAnnotations", "commonAnnotationsEnvsubst", "kubeVersion", "apiVersions"),
    }
)
_PRESERVE = "*"
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")


def substituted(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The options with the variables of Argo CD's build environment in place, where Argo CD puts them: in images and
    labels, and in annotations if `commonAnnotationsEnvsubst` is set. An unknown variable is empty, ``$$`` is a dollar.
    """

    def expand(text: Any) -> str:
        return _VARIABLE.sub(lambda match: _variable(match[1] or match[2] or "", environment), str(text))

    changed = dict(options)
    if images := options.get("images"):
        changed["images"] = [expand(image) for image in images]
    for field in ("commonLabels", "commonAnnotations"):
        if values := options.get(field):
            wanted = field == "commonLabels" or options.get("commonAnnotationsEnvsubst")
            changed[field] = {key: expand(value) for key, value in values.items()} if wanted else values
    return changed


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return "$" if name == "$" else environment.get(name, "")


def edited(
    value: Mapping[str, Any], options: Mapping[str, Any], has_component: Callable[[str], bool]
) -> dict[str, Any]:
    """The mapping of a kustomization file with the options written into it.

    Args:
        options: `spec.source.kustomize`, its variables substituted.
        has_component: whether a folder, named from the kustomization's own, holds a kustomization.

    Raises:
        ManifestError: an option is not known, or can't be carried out; the message says which.
    """
    if options.get("version"):
        # Argo CD finds the binaries of other versions by kustomize.path.VERSION in argocd-cm (util/settings).
        raise ManifestError(
            f"kustomize version {one_line(str(options['version']))} is not registered; "
            "fleetui builds as 5.8.2 does, so leave spec.source.kustomize.version out"
        )
    for option in options:
        if option not in _KNOWN and options[option]:
            raise ManifestError(f"the option spec.source.kustomize.{one_line(option)} is not known")
    value = dict(value)
    for option in ("namePrefix", "nameSuffix", "namespace"):
        if options.get(option):
            value[option] = str(options[option])
    if images := options.get("images"):
        value["images"] = _images(images, [*value.get("images", ()), *value.pop("imageTags", ())])
    if replicas := options.get("replicas"):
        own = {replica["name"]: {"name": replica["name"], "count": _count(replica)} for replica in replicas}
        value["replicas"] = _by_name(own, value.get("replicas", ()))
    if labels := options.get("commonLabels"):
        _add_labels(value, _pairs(labels), options)
    if annotations := options.get("commonAnnotations"):
        merged = dict(value.get("commonAnnotations", {}))
        _add(merged, _pairs(annotations), "annotation", force=bool(options.get("forceCommonAnnotations")))
        value["commonAnnotations"] = merged
    if patches := options.get("patches"):
        value["patches"] = [*value.get("patches", ()), *map(_without_nulls, patches)]
    if components := _components(options, has_component):
        known = list(value.get("components", ()))
        value["components"] = known + [each for each in dict.fromkeys(components) if each not in known]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


# --- images and replicas --------------------------------------------------------------------------------------


def _images(wanted: Sequence[Any], present: Sequence[Any]) -> list[dict[str, str]]:
    """`kustomize edit set image`: by name and in its order; ``*`` keeps what the file has."""
    own = {image["name"]: image for image in (_image(str(text)) for text in wanted)}
    for image in present:
        if (new := own.get(image.get("name", ""))) is not None:
            for field, value in new.items():
                if value == _PRESERVE and field != "name":
                    new[field] = image.get(field, "")
    for image in own.values():
        image |= {field: "" for field, value in image.items() if value == _PRESERVE and field != "name"}
    return _by_name(own, present)


def _by_name(own: Mapping[str, dict[str, Any]], present: Sequence[Any]) -> list[dict[str, Any]]:
    # Of several entries with one name the first is kept, as the command does.
    merged = {each.get("name", ""): each for each in reversed(present)} | dict(own)
    return [merged[name] for name in sorted(merged)]


def _image(text: str) -> dict[str, str]:
    """``[old=]name[:tag][@digest]`` (setimage.go `parse`)."""
    old, separator, value = text.partition("=")
    name, tag, digest = split(value if separator else text)
    if not separator and name == text:
        raise ManifestError(
            f"spec.source.kustomize.images: {one_line(text)!r} is not of the form [old=]name:tag or name@digest"
        )
    renamed = {"name": old, "newName": name} if separator else {"name": name}
    return renamed | {"newTag": tag, "digest": digest}


def _count(replica: Mapping[str, Any]) -> int:
    try:
        return int(replica.get("count", 0))
    except (TypeError, ValueError) as error:
        received = one_line(str(replica["count"]))
        raise ManifestError(
            f"spec.source.kustomize.replicas: expected integer value for count. Received: {received}"
        ) from error


# --- labels and annotations -----------------------------------------------------------------------------------


def _pairs(values: Mapping[str, Any]) -> dict[str, str]:
    """`ConvertSliceToMap` of ``key:value`` arguments: the key ends at the first colon, outer quotes go."""
    pairs: dict[str, str] = {}
    for name, value in values.items():
        key, _, text = f"{name}:{value}".partition(":")
        if not key:
            raise ManifestError("spec.source.kustomize: a label or annotation has no name")
        pairs[key] = text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
    return pairs


def _add(present: dict[str, Any], values: Mapping[str, str], kind: str, *, force: bool) -> None:
    for key, value in values.items():
        if key in present and not force:
            option = f"forceCommon{kind.capitalize()}s"
            raise ManifestError(f"{kind} {key} already in kustomization file; set spec.source.kustomize.{option}")
        present[key] = value


def _add_labels(value: dict[str, Any], labels: Mapping[str, str], options: Mapping[str, Any]) -> None:
    force, templates = bool(options.get("forceCommonLabels")), bool(options.get("labelIncludeTemplates"))
    if not options.get("labelWithoutSelector"):
        if templates:
            raise ManifestError("spec.source.kustomize.labelIncludeTemplates needs labelWithoutSelector")
        merged = dict(value.get("commonLabels", {}))
        _add(merged, labels, "label", force=force)
        value["commonLabels"] = merged
        return
    entries = [dict(entry) for entry in value.get("labels", ())]
    same = next((entry for entry in entries if _settings(entry) == (False, templates)), None)
    if same is None:
        same = {"pairs": {}, "includeTemplates": templates}
        entries.append(same)
    same["pairs"] = dict(same.get("pairs", {}))
    _add(same["pairs"], labels, "label", force=force)
    value["labels"] = entries


def _settings(entry: Mapping[str, Any]) -> tuple[bool, bool]:
    return bool(entry.get("includeSelectors")), bool(entry.get("includeTemplates"))


# --- components -----------------------------------------------------------------------------------------------


def _components(options: Mapping[str, Any], has_component: Callable[[str], bool]) -> list[str]:
    wanted = [str(component) for component in options.get("components") or ()]
    if not options.get("ignoreMissingComponents"):
        return wanted
    # Argo CD 3.6.1 means to take every component that is there, but leaves its loop at the first that it finds.
    return [component for component in wanted if has_component(component)][:1]
