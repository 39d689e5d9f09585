"""Which Helm values file of its own sources says an application's version.

Owns: `ValuesFiles`. Called by `fleetui.fleet.rolloutcells`, where no element, file of a generator or manifest says it,
and where an operator names the field. How files are named in a source is in `fleetui.render.helm_values`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fleetui.engine.application import Application, mapping, text
from fleetui.engine.giturl import normalized
from fleetui.engine.rollout.truth import versions
from fleetui.engine.sourceset import SourceSet, is_oci
from fleetui.engine.tracking import instance_name
from fleetui.fleet.cells import version_of
from fleetui.fleet.rolloutorigins import File, Origins, filled
from fleetui.model.app import App
from fleetui.model.errors import RefusedError
from fleetui.model.objects import Obj
from fleetui.model.rollout import CellKey, Truth
from fleetui.render.environment import build_environment
from fleetui.render.helm_values import Places, value_files

VALUES = "values"
USUAL_FIELDS = (
    "version", "image.tag", "global.version", "global.image.tag", "{addon}.version", "{addon}.image.tag",
)  # fmt: skip
"""Where a version is looked for when nobody says it."""
_GIVE = "say which with --field, or where with --truth URL#PATH#FIELD"


class ValuesFiles:
    """Finds versions in values. What was read is remembered: made anew for each plan.

    Args:
        origins: opens repositories and reads them.
    """

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self._known: dict[tuple[str, ...], Collection[str]] = {}
        self._texts: dict[tuple[str, File], str] = {}

    async def truth_of(self, cell: CellKey, app: App, obj: Obj, *, field: str, wanted: str) -> Truth | None:
        """Where the version of an application is written; None where it reads no values from Git.

        Args:
            obj: the Application.
            field: the field, with ``{addon}`` and ``{cluster}``; empty for the usual ones, of which the one counts that
                says what the application shows now (or, where none does, what is wanted).

        Raises:
            RefusedError: no field says it, or several do, or there is no branch to commit to.
            FleetError: Git does not answer.
        """
        files = await self.files(app, obj)
        if not files:
            return None
        fields = [filled(each, cell, escape=True) for each in ([field] if field else USUAL_FIELDS)]
        found = await self.said(app, files, fields)
        shown = version_of(app)
        mine = dict(found) if field else _saying(found, shown) or _saying(found, wanted)
        where = ", ".join(f"{file.path} of {file.url}" for file in files)
        if not field and not shown:
            raise RefusedError(
                f"it shows no version, by which to find the field in its files of values ({where})", _GIVE
            )
        if not mine:
            what = f"none says {shown} in {', '.join(fields)}" if not field else f"none has {fields[0]}"
            raise RefusedError(f"of its files of values ({where}) {what}", _GIVE)
        if len(mine) > 1:
            names = " and ".join(truth.field for truth in mine)
            raise RefusedError(f"its version {shown} is in {names} of its files of values ({where})", _GIVE)
        truth = next(iter(mine))
        return Truth(VALUES, truth.url, await self.branch(app, truth), truth.path, field=truth.field)

    async def branch(self, app: App, truth: Truth) -> str:
        """The branch that an application follows for what `said` answers.

        Raises:
            RefusedError: it is none.
        """
        return await self._origins.branch(truth.url, truth.branch, hub=app.key.hub, project=app.project)

    async def said(self, app: App, files: Sequence[File], fields: Collection[str]) -> dict[Truth, str]:
        """What counts of some fields: for each the last file that has it, as Helm reads them (`branch` of these truths
        is what the source follows)."""
        hub, project = app.key.hub, app.project
        login = f"{hub}/{project}"
        if unread := [file for file in files if (login, file) not in self._texts]:
            read = await self._origins.texts(unread, hub=hub, project=project)
            self._texts |= {(login, file): read.get(file, "") for file in unread}
        counting: dict[str, tuple[Truth, str]] = {}
        for file in files:
            content = self._texts[login, file]
            if _says_something(content):
                truths = [Truth(VALUES, *file, field=field) for field in fields]
                read_now = await asyncio.to_thread(versions, content, truths)
                counting |= {truth.field: (truth, version) for truth, version in read_now.items()}
        return dict(counting.values())

    async def files(self, app: App, obj: Obj) -> tuple[File, ...]:
        """The files of values in Git that an Application reads, the one that counts most last; `branch` is the revision
        that the source follows.

        Raises:
            FleetError: Git does not answer, or a source names files that can't be.
        """
        application = Application(obj)
        sources = SourceSet.of(application.spec)
        if not any(mapping(source.get("helm")).get("valueFiles") for source in sources.sources):
            return ()
        refs = {name: sources.sources[place] for name, place in sources.refs().items()}
        beside = {name: await self._paths(app, source) for name, source in refs.items()}
        found: dict[File, None] = {}
        for source in sources.sources:
            options = {**mapping(source.get("helm")), "ignoreMissingValueFiles": True}
            own = await self._paths(app, source)
            places = Places(files=own, folder=text(source.get("path")), refs=beside if sources.multiple else None)
            for file in value_files(options, places, _environment(application, source)):
                of = refs[file.source] if file.source else source
                if not file.url and not _is_chart(of):
                    found[File(text(of.get("repoURL")), text(of.get("targetRevision")), file.path)] = None
        return tuple(found)

    async def _paths(self, app: App, source: Mapping[str, Any]) -> Collection[str]:
        if _is_chart(source):
            return ()
        url, revision = text(source.get("repoURL")), text(source.get("targetRevision")) or "HEAD"
        key = (app.key.hub, app.project, url, revision)
        if key not in self._known:
            repository = self._origins.opened(url, hub=app.key.hub, project=app.project)
            tree = await repository.tree(await repository.resolve(revision))
            self._known[key] = await asyncio.to_thread(lambda: frozenset(tree.files("")))
        return self._known[key]


def reads_from(app: App, urls: Collection[str]) -> bool:
    """Whether one of an application's sources is one of these repositories (URLs that are `normalized`)."""
    return any(normalized(url) in urls for url in (app.source.repo_url, *app.revisions) if url)


def _saying(found: Mapping[Truth, str], version: str) -> dict[Truth, str]:
    return {truth: each for truth, each in found.items() if version and each == version}


def _says_something(content: str) -> bool:
    """Whether there is more than comments in a file; Helm takes one that is empty."""
    return any(line.strip() and not line.startswith(("#", "---")) for line in content.splitlines())


def _is_chart(source: Mapping[str, Any]) -> bool:
    return bool(source.get("chart")) or is_oci(source)


def _environment(app: Application, source: Mapping[str, Any]) -> dict[str, str]:
    return build_environment(
        app=instance_name(app.namespace, app.name),
        namespace=text(mapping(app.spec.get("destination")).get("namespace")),
        project=app.project,
        revision="",
        repo_url=text(source.get("repoURL")),
        path=text(source.get("path")),
        target_revision=text(source.get("targetRevision")),
    )
