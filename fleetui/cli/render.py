"""`render`: the manifests that a folder or an Application gives, without a cluster.

Owns: `show_manifests`. The engine's own door renders, so that what is printed is what it would apply; only the tracking
id and the destination's namespace are not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fleetui.cli.files import objects_in
from fleetui.cli.output import emit
from fleetui.cli.renderers import Renderers
from fleetui.cli.report import say
from fleetui.engine.application import GROUP, KIND, Application, text
from fleetui.engine.loading import Loader, Remotes, charts_of
from fleetui.engine.rendering import Checkout, Place, Renderer
from fleetui.engine.sourceset import SourceSet, is_oci
from fleetui.engine.tracking import instance_name
from fleetui.model.errors import ExitCode, FleetError, UsageError
from fleetui.model.objects import Discovery, Obj, ref_of, split_api_version
from fleetui.render.directory import Manifest

_NO_CLUSTER = Discovery(())
_HINT = " (its folders count only for an Application with directory.recurse)"


def show_manifests(path: Path | None, files: Sequence[Path], revision: str, output: str) -> int:
    """Prints the manifests of a folder, or of the Applications in files (``-`` being stdin), in their order.

    Args:
        path: a folder of this machine: as it is there, or with `revision` as a commit of its repository has it.
        revision: a branch, tag or commit, instead of what the Applications follow.
        output: ``yaml``: a stream of documents; ``json``: a list; ``name``: one ``KIND.GROUP/NAME`` a line.

    Raises:
        UsageError: neither a folder nor files are given, or both; a file holds no Application.
        FleetError: it can't be rendered; with file and line where they are known.
    """
    if (path is None) == (not files):
        raise UsageError("it takes a folder, or -f with an Application", "write render FOLDER or render -f APP.yaml")
    if path is not None:
        found = asyncio.run(_of_folder(*_with_root(path, in_git=bool(revision)), revision))
    else:
        found = asyncio.run(_of_applications([app for file in files for app in _applications(file)], revision))
    if not found:
        say(f"fleetui: {path or 'what is asked for'} gives no manifests{_HINT if _has_folders(path) else ''}")
    _print([manifest.obj for manifest in found], output)
    return ExitCode.OK


def _applications(file: Path) -> list[Application]:
    found = []
    for document in objects_in(file):
        kind = ref_of(document.value).group_kind if isinstance(document.value, dict) else ("", "")
        if kind != (GROUP, KIND):
            raise UsageError(f"{file}:{document.line}: this is no Application of {GROUP}")
        app = Application(document.value)
        problem = app.problem() or SourceSet.of(app.spec).problem()
        if problem:
            raise UsageError(f"{file}:{document.line}: {problem}")
        found.append(app)
    if not found:
        raise UsageError(f"{file} holds no Application")
    return found


def _with_root(path: Path, *, in_git: bool) -> tuple[Path, Path]:
    """A folder, and that of the repository which it is in; itself where it is in none."""
    if not path.is_dir():
        raise UsageError(f"{path} is no folder")
    whole = path.resolve()
    root = next((each for each in (whole, *whole.parents) if (each / ".git").exists()), None)
    if in_git and root is None:
        raise UsageError(f"{path} is in no Git repository", "leave --revision out")
    return whole, root or whole


def _has_folders(path: Path | None) -> bool:
    return path is not None and any(each.is_dir() and not each.name.startswith(".") for each in path.iterdir())


async def _of_folder(whole: Path, root: Path, revision: str) -> list[Manifest]:
    from backends.folder_tree import FolderTree
    from backends.git import GitRepositories

    source = {"repoURL": root.as_uri(), "path": whole.relative_to(root).as_posix()}
    place = Place(whole.name, "", _NO_CLUSTER)
    renderers = Renderers()
    repositories = GitRepositories()
    try:
        checkout = Checkout("", revision, FolderTree(root))
        if revision:
            repository = repositories.open(root.as_uri())
            sha = await repository.resolve(revision)
            checkout = Checkout(sha, revision, await repository.tree(sha))
        return list((await Renderer(renderers.tools).render(source, checkout, place)).manifests)
    finally:
        await renderers.close()
        await repositories.close()


async def _of_applications(apps: Sequence[Application], revision: str) -> list[Manifest]:
    from backends.git import GitRepositories

    renderers = Renderers()
    repositories = GitRepositories()

    async def resolve(source: Mapping[str, Any], wish: str) -> str:
        url, chart = text(source.get("repoURL")), text(source.get("chart"))
        if chart or is_oci(source):
            return await charts_of(renderers.tools.charts).resolve(url, chart, wish)
        return await repositories.open(url).resolve(wish or "HEAD", tag_prefix=text(source.get("tagPrefix")))

    load = partial(Loader(renderers.tools).load, remotes=Remotes(resolve, repositories.open))
    found: list[Manifest] = []
    try:
        for app in apps:
            wanted = SourceSet.of(app.spec)
            if revision and len(wanted.sources) > 1:
                raise UsageError(f"{app.name} has several sources, and one revision can't stand for all of them")
            place = Place.of(app, instance_name(app.namespace or "argocd", app.name), _NO_CLUSTER)
            try:
                found += (await load(wanted, place, revisions=(revision,) if revision else ())).manifests
            except FleetError as error:
                if len(apps) > 1:
                    error.message = f"application {app.name}: {error.message}"
                raise
    finally:
        await renderers.close()
        await repositories.close()
    return found


def _print(objects: Sequence[Obj], output: str) -> None:
    if output == "name":
        emit("\n".join(_name(obj) for obj in objects))
    elif output == "json":
        emit(list(objects), "json")
    else:
        for number, obj in enumerate(objects):
            if number:
                emit("---")
            emit(obj, "yaml")


def _name(obj: Obj) -> str:
    ref = ref_of(obj)
    group = split_api_version(str(obj.get("apiVersion", "")))[0]
    kind = f"{ref.kind}.{group}" if group else ref.kind
    return f"{kind.lower()}/{ref.name}"
