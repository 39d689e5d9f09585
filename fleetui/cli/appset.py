"""`appset generate`: the Applications that ApplicationSets in files make.

Owns: `show_generated`. Nothing is written anywhere: a hub, where one is named, says which clusters it has registered
and how to log in to repositories and hosts.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetui.cli.appset_inputs import Inputs, inputs
from fleetui.cli.files import content_of, objects_of
from fleetui.cli.options import Scope
from fleetui.cli.output import aligned, emit
from fleetui.cli.report import say
from fleetui.engine.application import mapping, text
from fleetui.engine.appset import Generated, GeneratedApplication, Problem
from fleetui.engine.appset.applicationset import names_clusters
from fleetui.engine.appset.asking import answered
from fleetui.engine.appset.generated import PARAMETERS
from fleetui.model.change import Path as Steps
from fleetui.model.errors import ExitCode, UsageError
from fleetui.model.objects import Obj, ref_of
from fleetui.render.lines import lines_of
from fleetui.render.yaml import decode

_KIND = ("argoproj.io", "ApplicationSet")
_TOLD = 20
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def show_generated(
    scope: Scope,
    files: Sequence[Path],
    *,
    clusters: Path | None,
    folders: Mapping[str, Path],
    output: str,
) -> int:
    """Prints the Applications, in the order in which they are made; what is wrong goes to stderr, with file and line.

    Args:
        scope: the hub, where a context is named in it; its namespace is that of ApplicationSets without one.
        files: YAML or JSON, ``-`` being stdin.
        clusters: a file with the clusters, instead of those of the hub.
        folders: folders of this machine that stand for repositories, by URL.
        output: ``yaml``: a stream of documents; ``json``: a list; ``name``: one a line; ``table``.

    Returns exit status 1 where anything is wrong.

    Raises:
        UsageError: a file can't be read, holds no ApplicationSet, or no clusters.
        FleetError: the hub does not answer.
    """
    given = [found for file in files for found in _appsets(file, scope.namespace)]
    if clusters is None and not (scope.contexts or scope.all_contexts) and any(each.wants_clusters for each in given):
        say("fleetui: no clusters are given, so there is the hub itself alone (name --clusters FILE or --context)")
    made = asyncio.run(_generated(given, scope, clusters, folders))
    apps = [app for each in made for app in each.applications]
    _print(apps, output)
    told = [one.where(problem) for one, each in zip(given, made, strict=True) for problem in each.problems]
    for sentence in told[:_TOLD]:
        say(f"fleetui: {sentence}")
    if len(told) > _TOLD:
        say(f"fleetui: and {len(told) - _TOLD} more")
    return ExitCode.FAILED if told else ExitCode.OK


class _Given:
    """An ApplicationSet of a file."""

    def __init__(self, file: Path, line: int, content: str, obj: Obj, namespace: str) -> None:
        self._file = file
        self._line = line
        self._content = content
        metadata = mapping(obj.get("metadata"))
        self.namespace = text(metadata.get("namespace")) or namespace
        self.obj: Obj = {**obj, "metadata": {**metadata, "namespace": self.namespace}}

    @property
    def wants_clusters(self) -> bool:
        """Whether a generator makes something of each registered cluster."""
        return names_clusters(mapping(self.obj.get("spec")).get("generators"))

    def where(self, problem: Problem) -> str:
        """A problem with the file and the line that it comes from."""
        return f"{self._file}:{self._line_of(problem)}: {problem}"

    def _line_of(self, problem: Problem) -> int:
        """That of the field, or of what is nearest around it."""
        if problem.reason == PARAMETERS:
            return self._nearest(_path(problem.field))
        own = _path(f"spec.generators[{problem.generator}].{problem.kind}.template.{problem.field}")
        return self._written(own) or self._nearest(_path(f"spec.template.{problem.field}"))

    def _nearest(self, path: Steps) -> int:
        return next(filter(None, (self._written(path[:end]) for end in range(len(path), 0, -1))), self._line)

    def _written(self, path: Steps) -> int:
        return next(iter(lines_of(self._content, self._line, path)), 0)


def _path(field: str) -> Steps:
    return tuple(int(step[1:-1]) if step.startswith("[") else step for step in _STEP.findall(field))


def _appsets(file: Path, namespace: str) -> list[_Given]:
    content = content_of(file)
    found = []
    for document in objects_of(content, path=str(file)):
        kind = ref_of(document.value).group_kind if isinstance(document.value, dict) else ("", "")
        if kind != _KIND:
            raise UsageError(f"{file}:{document.line}: this is no ApplicationSet of {_KIND[0]}")
        found.append(_Given(file, document.line, decode(content, path=str(file)), document.value, namespace))
    if not found:
        raise UsageError(f"{file} holds no ApplicationSet")
    return found


async def _generated(
    given: Sequence[_Given], scope: Scope, clusters: Path | None, folders: Mapping[str, Path]
) -> list[Generated]:
    async with inputs(scope, clusters, folders, os.environ) as world:
        return [await _one(each, world) for each in given]


async def _one(given: _Given, world: Inputs) -> Generated:
    return await answered(given.obj, world.clusters, lambda question: world.answer(question, given.namespace))


def _print(apps: Sequence[GeneratedApplication], output: str) -> None:
    if output == "name":
        emit("\n".join(f"application.argoproj.io/{app.name}" for app in apps))
    elif output == "json":
        emit([app.app for app in apps], "json")
    elif output == "table":
        emit(aligned(_TITLES, [_row(app) for app in apps]))
    else:
        for number, app in enumerate(apps):
            if number:
                emit("---")
            emit(app.app, "yaml")


_TITLES = ("NAMESPACE", "NAME", "PROJECT", "DESTINATION", "SOURCE", "REVISION", "GENERATOR")


def _row(app: GeneratedApplication) -> list[str]:
    spec = mapping(app.app["spec"])
    destination = mapping(spec.get("destination"))
    sources = [mapping(each) for each in spec.get("sources") or ()] or [mapping(spec.get("source"))]
    server = text(destination.get("name")) or text(destination.get("server"))
    return [
        text(app.app["metadata"].get("namespace")),
        app.name,
        text(spec.get("project")),
        "/".join(filter(None, (server, text(destination.get("namespace"))))),
        ", ".join(_source(each) for each in sources),
        ", ".join(text(each.get("targetRevision")) or "HEAD" for each in sources),
        f"{app.generator} {app.kind} {app.element}",
    ]


def _source(source: Mapping[str, Any]) -> str:
    return text(source.get("chart")) or text(source.get("path")) or text(source.get("repoURL"))
