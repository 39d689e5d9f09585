"""Whether a document can be a Kubernetes object at all.

Owns: `check_shape`. An API server refuses such an object as a whole, in words that name no file; here the line is
known. What the kind itself wants is the server's to say. Called by `fleetui.render.directory`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from fleetui.model.change import Path
from fleetui.model.errors import ManifestError
from fleetui.model.text import one_line
from fleetui.render.lines import lines_of

_TEXTS = ("name", "generateName", "namespace")
_MAPS = ("labels", "annotations")
_LISTS = ("finalizers", "ownerReferences", "managedFields")
_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping"}


def check_shape(obj: Mapping[str, Any], text: str, *, line: int, path: str) -> None:
    """Returns where apiVersion and metadata have the types that every object has; `obj` has a kind.

    Args:
        obj: the object.
        text: of the file `path`, in which it begins at `line`.

    Raises:
        ManifestError: they have not; it names the line of the field.
    """

    def wrong(field: Path, message: str, hint: str) -> NoReturn:
        lines = lines_of(text, line, field) if field else ()
        raise ManifestError(message, path=path, line=lines[0] if lines else line, hint=hint)

    kind = obj.get("kind")
    version = obj.get("apiVersion")
    if not isinstance(version, str) or not version or version.count("/") > 1:
        said = "has no apiVersion" if version in (None, "") else f"has the apiVersion {one_line(str(version))[:60]!r}"
        wrong(("apiVersion",), f"the {kind} {said}", "write GROUP/VERSION, such as apps/v1, or v1")
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        said = "no metadata" if metadata is None else f"{_kind_of(metadata)} for its metadata"
        wrong(("metadata",), f"the {kind} has {said}", "write metadata: with a name: below it")
    for key in _TEXTS:
        value = metadata.get(key)
        if value is not None and not isinstance(value, str):
            hint = "write it in quotes" if isinstance(value, bool | int | float) else "write a text"
            wrong(("metadata", key), f"the {key} of the {kind} is {_kind_of(value)}", hint)
    if not metadata.get("name") and not metadata.get("generateName"):
        wrong(("metadata",), f"the {kind} has no name", "write metadata.name")
    for key in _MAPS:
        value = metadata.get(key)
        if value is not None and not isinstance(value, Mapping):
            wrong(("metadata", key), f"the {key} of the {kind} are {_kind_of(value)}", "write KEY: VALUE below it")
        for name, item in (value or {}).items():
            if item is not None and not isinstance(item, str):
                message = f"the value of {key[:-1]} {one_line(name)} is {_kind_of(item)}, not a text"
                hint = "write it in quotes" if isinstance(item, bool | int | float) else "write a text"
                wrong(("metadata", key, name), message, hint)
    for key in _LISTS:
        value = metadata.get(key)
        if value is not None and not isinstance(value, list):
            wrong(
                ("metadata", key),
                f"the {key} of the {kind} are {_kind_of(value)}",
                "write a list, with a - before each",
            )


def _kind_of(value: Any) -> str:
    return _NAMES.get(type(value), "nothing")
