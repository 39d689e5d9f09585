"""The generators that look into a repository or an artifact: git and oci (argo-cd v3.6.1,
applicationset/generators/repo_path_utils.go).

Owns: their parameters. Called by `fleetui.engine.appset.generators`. Pure: which folders and files there are is asked.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.engine.appset import reading
from fleetui.engine.appset.params import Params, as_go_decodes, flattened
from fleetui.engine.appset.questions import ChartVersions, GitDirectories, GitFiles, Question
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.world import World, spec_text
from fleetui.model.errors import ManifestError
from fleetui.model.names import sanitized_name
from fleetui.model.pathglobs import path_matches
from fleetui.render.events import Flaw as YamlFlaw
from fleetui.render.events import build
from fleetui.render.yaml import decode


def of_git(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each folder, or for each map in the files, that the patterns find."""
    url, revision = reading.text(spec, "repoURL", at), reading.text(spec, "revision", at)

    def files(pattern: str) -> Question:
        return GitFiles(url, revision, world.project, pattern)

    if reading.maps(spec, "directories", at):
        return _of_folders(spec, GitDirectories(url, revision, world.project), world, at)
    return _of_files(spec, [files(pattern) for pattern in _patterns(spec, at)], world, at)


def of_oci(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """The same of an OCI artifact."""
    url, revision = reading.text(spec, "repoURL", at), reading.text(spec, "revision", at)
    asked = {"repoURL": url, "revision": revision, "project": world.project}
    if spec.get("requeueAfterSeconds") is not None:
        asked["requeueAfterSeconds"] = spec["requeueAfterSeconds"]
    if reading.maps(spec, "directories", at):
        return _of_folders(spec, ChartVersions(spec_text(asked)), world, at)
    questions = [ChartVersions(spec_text({**asked, "pattern": pattern})) for pattern in _patterns(spec, at)]
    return _of_files(spec, questions, world, at)


def _patterns(spec: Mapping[str, Any], at: str) -> list[str]:
    files = reading.maps(spec, "files", at)
    if not files:
        raise Flaw(at, "has neither directories nor files", "say which to look at")
    return [reading.text(item, "path", f"{at}.files[{number}]") for number, item in enumerate(files)]


def _of_folders(spec: Mapping[str, Any], question: Question, world: World, at: str) -> list[Params]:
    rules = [
        (reading.text(item, "path", where), reading.flag(item, "exclude", where))
        for number, item in enumerate(reading.maps(spec, "directories", at))
        for where in [f"{at}.directories[{number}]"]
    ]
    paths: Sequence[str] = world.ask(question, at)
    prefix, values = reading.text(spec, "pathParamPrefix", at), reading.text_map(spec, "values", at)
    return [
        world.with_values(_of_path(path, "", prefix, go=world.go), values, at) for path in paths if _chosen(path, rules)
    ]


def _chosen(path: str, rules: Sequence[tuple[str, bool]]) -> bool:
    """A folder that one pattern excludes is out, whatever others say."""
    matched = {exclude for pattern, exclude in rules if path_matches(pattern, path)}
    return matched == {False}


def _of_files(spec: Mapping[str, Any], questions: Sequence[Question], world: World, at: str) -> list[Params]:
    rules = reading.maps(spec, "files", at)
    contents: dict[str, bytes] = {}
    excluded: set[str] = set()
    for number, (rule, found) in enumerate(zip(rules, world.ask_all(questions, at), strict=True)):
        if reading.flag(rule, "exclude", f"{at}.files[{number}]"):
            excluded |= found.keys()
        else:
            contents |= found
    prefix, values = reading.text(spec, "pathParamPrefix", at), reading.text_map(spec, "values", at)
    made: list[Params] = []
    for path in sorted(contents.keys() - excluded):
        for found in _maps_in(contents[path], path, world, at):
            params = found if world.go else flattened(found)
            params = {**params, **_of_path(posixpath.dirname(path) or ".", path, prefix, go=world.go)}
            made.append(world.with_values(params, values, at))
    return made


def _maps_in(content: bytes, path: str, world: World, at: str) -> list[Params]:
    """The one map of a file, or the list of maps; an empty file is an empty map."""
    try:
        built = build(decode(content, path=path))
    except YamlFlaw as flaw:
        raise Flaw(at, f"{path}{f':{flaw.line}' if flaw.line else ''} is no YAML: {flaw.message}") from flaw
    except ManifestError as error:
        raise Flaw(at, str(error)) from error
    said = {} if built is None else built[0]
    world.weigh(said, at)
    value = as_go_decodes(said)
    found = value if isinstance(value, list) else [value]
    for item in found:
        if item is not None and not isinstance(item, dict):
            raise Flaw(at, f"{path} holds neither a map nor a list of maps")
    return [item or {} for item in found]


def _of_path(folder: str, file: str, prefix: str, *, go: bool) -> Params:
    """The parameters of a folder, and of a file in it where there is one."""
    steps = folder.split("/")
    base, name = _base(folder), _base(file) if file else ""
    if go:
        said: Params = {"path": folder, "basename": base, "basenameNormalized": sanitized_name(base)}
        if file:
            said |= {"filename": name, "filenameNormalized": sanitized_name(name)}
        said["segments"] = tuple(steps)
        return {prefix: {"path": said}} if prefix else {"path": said}
    key = f"{prefix}.path" if prefix else "path"
    flat = {key: folder, f"{key}.basename": base, f"{key}.basenameNormalized": sanitized_name(base)}
    if file:
        flat |= {f"{key}.filename": name, f"{key}.filenameNormalized": sanitized_name(name)}
    return flat | {f"{key}[{number}]": step for number, step in enumerate(steps) if step}


def _base(path: str) -> str:
    """Go's `path.Base`."""
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")
