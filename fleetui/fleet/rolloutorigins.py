"""Where in Git the version of each cell is written.

Owns: `Origins`, which finds it: through the ApplicationSet that makes the application, and the application that brings
this ApplicationSet into the hub; and `parent_of`. Called by the plan of a rollout and by `fleetui.fleet.rollouttruth`.
How a file is read and edited is in `fleetui.engine.rollout.truth`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from fleetui.engine.application import GROUP, mapping, mappings, text
from fleetui.engine.appset.asking import NoAnswers, answered
from fleetui.engine.appset.generated import Generated, RegisteredCluster
from fleetui.engine.appset.ports import Answers
from fleetui.engine.appset.questions import Answer, GitFiles, Question
from fleetui.engine.giturl import normalized
from fleetui.engine.rollout.elements import elements_of, file_of
from fleetui.engine.rollout.truth import ELEMENT
from fleetui.engine.rollout.truthtext import document_of
from fleetui.fleet.cells import version_of
from fleetui.fleet.rolloutflux import FluxSources
from fleetui.fleet.rolloutflux import field_of as flux_field_of
from fleetui.gitports import Repositories, Repository
from fleetui.hubports import Registration
from fleetui.model.app import APP_KINDS, App, AppKey
from fleetui.model.errors import FleetError, ManifestError, RefusedError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.rollout import CellKey, Truth
from fleetui.renderports import Tree

APPLICATION_SET = "ApplicationSet"
ARGO, KUSTOMIZATION = "argo", "flux"
"""Dialects."""
_GROUPS = {APPLICATION_SET: GROUP} | {kind: group for group, kind in APP_KINDS.values()}
_TEXTS = (".yaml", ".yml", ".json")
_GIVE = "say where with --truth URL#PATH"


class SetKey(NamedTuple):
    """An ApplicationSet's identity."""

    hub: ClusterName
    namespace: str
    name: str

    @property
    def document(self) -> str:
        """As `Truth.document` has it."""
        return f"{APPLICATION_SET} {self.namespace}/{self.name}"


class File(NamedTuple):
    """A file of a branch."""

    url: str
    branch: str
    path: str


class Made(NamedTuple):
    """An ApplicationSet as Git has it, what it generates, and where it is written."""

    key: SetKey
    file: File
    appset: Obj
    generated: Generated


def parent_of(app: App, brought: Mapping[tuple[ClusterName, ObjectRef], AppKey]) -> AppKey | None:
    """The application that brings an application's manifest, or its ApplicationSet's, into the hub (app of apps, or
    Flux's Kustomization); None where none does. `brought`: what `parents` says."""
    return brought.get((app.key.hub, _owner(app)))


def parents(apps: Iterable[App]) -> dict[tuple[ClusterName, ObjectRef], AppKey]:
    """The application that holds each ApplicationSet and each application, by hub and object."""
    kinds = {(GROUP, APPLICATION_SET), *APP_KINDS.values()}
    return {
        (app.key.hub, resource.ref): app.key
        for app in apps
        if app.key.dialect == ARGO or not app.destination.name  # what Flux applies elsewhere is not in the hub
        for resource in app.resources
        if resource.ref.group_kind in kinds and resource.ref.name
    }


def set_of(app: App) -> SetKey | None:
    """The ApplicationSet that makes an application; it is in the same namespace (argo-cd v3.6,
    applicationset_controller.go)."""
    return SetKey(app.key.hub, app.key.namespace, app.application_set) if app.application_set else None


def _owner(app: App) -> ObjectRef:
    if app.application_set:
        return ObjectRef(GROUP, APPLICATION_SET, app.key.namespace, app.application_set)
    return app.key.ref


class Origins:
    """Finds where versions are written.

    Args:
        repositories: where Git repositories are opened.
        apps: all applications of the fleet, as they are now.
        registered: what a hub registers.
        answers: answers what generators ask; None: those that ask nothing work.
        flux: knows what Kustomizations apply; None: where there is no Flux.
    """

    def __init__(
        self,
        repositories: Repositories,
        apps: Callable[[], Mapping[AppKey, App]],
        registered: Callable[[ClusterName], Awaitable[Sequence[Registration]]],
        answers: Answers | None = None,
        flux: FluxSources | None = None,
    ) -> None:
        self._repositories = repositories
        self._apps = apps
        self._registered = registered
        self._answers = answers or NoAnswers()
        self._flux = flux
        self.vouched: set[str] = set()
        """The repositories that an operator of this process has named as those in which versions are written."""

    def vouch(self, truths: Iterable[str]) -> None:
        """Takes note of where an operator says that versions are, as ``URL#PATH``."""
        self.vouched.update(truth.partition("#")[0] for truth in truths)

    def opened(self, url: str, *, hub: ClusterName, project: str = "") -> Repository:
        """A repository, logged in to as a hub says."""
        return self._repositories.open(url, hub=hub, project=project)

    # --- ApplicationSets ----------------------------------------------------------------------------------------------

    async def made(self, key: SetKey, truths: Sequence[str] = ()) -> Made:
        """An ApplicationSet as the tip of its branch has it, and what it generates there.

        Args:
            truths: where an operator says that versions are, as ``URL#PATH``.

        Raises:
            RefusedError: it can't be found in Git, or generates nothing that counts; the sentence says what to do.
            FleetError: Git does not answer.
        """
        file, found = await self._written(key.hub, key.document, truths)
        return Made(key, file, found, await self.generated(key, found))

    async def made_at(self, key: SetKey, file: File) -> Made:
        """The same, where it is known in which file it is written.

        Raises:
            RefusedError: there is no such file, or what it makes does not count.
            ManifestError: the file can't be read, or does not hold it.
            FleetError: Git does not answer.
        """
        found = (await self.texts([file], hub=key.hub)).get(file)
        if found is None:
            raise RefusedError(f"there is no file {file.path} in {file.url} ({file.branch}) any more", _GIVE)
        written = document_of(found, file.path, key.document).value
        return Made(key, file, written, await self.generated(key, written))

    async def generated(self, key: SetKey, appset: Obj, files: Mapping[File, bytes] | None = None) -> Generated:
        """What an ApplicationSet generates, with some files of Git as they are to be.

        Raises:
            RefusedError: a generator or the template is wrong; the sentence names what and where.
        """
        clusters = [RegisteredCluster.of(each) for each in await self._registered(key.hub)]
        appset = {**appset, "metadata": {**mapping(appset.get("metadata")), "namespace": key.namespace}}
        edited = {(file.url, file.path): content for file, content in (files or {}).items()}

        async def ask(question: Question) -> Answer:
            answer = await self._answers.answer(question, hub=key.hub, namespace=key.namespace, fresh=True)
            if not isinstance(question, GitFiles) or not isinstance(answer.value, Mapping):
                return answer
            url = question.url
            return Answer({path: edited.get((url, path), content) for path, content in answer.value.items()})

        found = await answered(appset, clusters, ask)
        if not found.complete:
            raise RefusedError(f"{key.document} of {key.hub} makes nothing as it is: {found.problems[0]}")
        return found

    def truths_of(self, made: Made) -> dict[str, Truth]:
        """Where the version of each application that an ApplicationSet makes is written, by the application's name."""
        applications = made.generated.applications
        found = {
            name: Truth(ELEMENT, *made.file, document=made.key.document, field=str(element))
            for name, element in elements_of(made.appset, applications).items()
        }
        for each in applications:
            if each.name not in found and (file := file_of(made.appset, each)) is not None:
                url, branch, path, field = file
                found[each.name] = Truth("file", url, branch, path, field=field.replace(".", r"\."))
        return found

    # --- applications of their own ------------------------------------------------------------------------------------

    async def truth_of(self, app: App, truths: Sequence[str] = ()) -> Truth:
        """Where the version of an application is written that no ApplicationSet makes: in its own manifest.

        Raises:
            RefusedError: it can't be found.
        """
        ref = app.key.ref
        document = f"{ref.kind} {ref.namespace}/{ref.name}"
        file, found = await self._written(app.key.hub, document, truths)
        if app.key.dialect != ARGO:
            await self._refuse_shared(app, file, found)
        field = _field_of(app, found) if app.key.dialect == ARGO else flux_field_of(app, found)
        if not field:
            hint = "say where with --truth URL#PATH#FIELD"
            raise RefusedError(f"{app.key}: its manifest {file.path} of {file.url} names no version of its own", hint)
        return Truth("manifest", *file, document=document, field=field)

    async def _refuse_shared(self, app: App, file: File, manifest: Obj) -> None:
        """A manifest may be applied twice: to other hubs, and where it names no namespace, to several."""
        namespaces = {app.key.namespace} if mapping(manifest.get("metadata")).get("namespace") else None
        apps = self._apps()
        for other in apps.values():
            alike = (other.key.dialect, other.key.name) == (app.key.dialect, app.key.name) and other.key != app.key
            if not alike or (namespaces is not None and other.key.namespace not in namespaces):
                continue
            parent = apps.get(parents(apps.values()).get((other.key.hub, other.key.ref), _NOBODY))
            if parent is None:
                continue
            url, _, path = await self._applied(parent, str(other.key))
            if normalized(url) == normalized(file.url) and (not path or f"{file.path}/".startswith(f"{path}/")):
                raise RefusedError(f"{app.key}: {file.path} of {file.url} is {other.key} too, which would move with it")

    async def given(
        self, cells: Iterable[CellKey], truths: Sequence[str], *, hub: ClusterName, project: str
    ) -> dict[CellKey, tuple[Truth, ...]]:
        """Where an operator says that the versions of cells are, as ``URL#PATH#FIELD`` with ``{cluster}`` and
        ``{addon}`` in path and field; empty where they name no field.

        Raises:
            RefusedError: there is no branch to commit to.
        """
        fields = [each for each in map(_with_field, truths) if each is not None]
        branches = {url: await self.branch(url, "", hub=hub, project=project) for url in {each[0] for each in fields}}
        if not fields:
            return {}
        return {
            cell: tuple(
                Truth("values", url, branches[url], filled(path, cell), field=filled(field, cell, escape=True))
                for url, path, field in fields
            )
            for cell in cells
        }

    async def behind(self, keys: Iterable[AppKey]) -> set[str]:
        """The repositories that are named by what makes applications or brings their manifests: the generators of their
        ApplicationSets, and Flux's sources. What can't be asked names none."""
        apps = self._apps()
        mine = [apps[key] for key in dict.fromkeys(keys) if key in apps]
        brought = parents(apps.values()) if mine else {}
        found: set[str] = set()
        for key in dict.fromkeys(filter(None, map(set_of, mine))):
            with suppress(FleetError):
                found |= {truth.url for truth in self.truths_of(await self.made(key)).values()}
        for parent in dict.fromkeys(filter(None, (parent_of(app, brought) for app in mine))):
            with suppress(FleetError):
                found.add((await self._applied(apps[parent], str(parent)))[0])
        return found

    # --- Git ----------------------------------------------------------------------------------------------------------

    async def _written(self, hub: ClusterName, document: str, truths: Sequence[str]) -> tuple[File, Obj]:
        kind, _, full = document.partition(" ")
        namespace, _, name = full.partition("/")
        for given in truths:
            url, _, path = given.partition("#")
            if path and "#" not in path:
                file = File(url, await self.branch(url, "", hub=hub), path)
                found = _found(await self._texts(file, hub=hub), document)
                if found is not None:
                    return file._replace(path=found[0]), found[1]
        apps = self._apps()
        ref = ObjectRef(_GROUPS[kind], kind, namespace, name)
        parent = apps.get(parents(apps.values()).get((hub, ref), _NOBODY))
        if parent is None:
            raise RefusedError(f"{document} of {hub}: no application brings it from Git", _GIVE)
        url, revision, path = await self._applied(parent, document)
        branch = await self.branch(url, revision, hub=hub, project=parent.project)
        file = File(url, branch, path)
        found = _found(await self._texts(file, hub=hub, project=parent.project), document)
        if found is None:
            where = f"{path or 'the root'} of {url} ({branch})"
            raise RefusedError(f"{document}: {parent.key} brings it, and no file below {where} is it", _GIVE)
        return file._replace(path=found[0]), found[1]

    async def _applied(self, parent: App, document: str) -> tuple[str, str, str]:
        """URL, revision and path of what an application brings."""
        source = parent.source
        if parent.key.dialect == KUSTOMIZATION and self._flux is not None:
            return await self._flux.applied(parent)
        if source.chart or not source.repo_url:
            what = f"{document} of {parent.key.hub} comes from a chart of {parent.key}, not from a file"
            raise RefusedError(what, _GIVE)
        return source.repo_url, source.target_revision, source.path

    async def branch(self, url: str, revision: str, *, hub: ClusterName, project: str = "") -> str:
        """The branch that is meant.

        Raises:
            RefusedError: it is none, so nothing can be committed to it.
        """
        try:
            return await self.opened(url, hub=hub, project=project).branch(revision)
        except RefusedError as error:
            raise RefusedError(f"{error.message}, and takes no commit", _GIVE) from error

    async def texts(self, files: Iterable[File], *, hub: ClusterName, project: str = "") -> dict[File, str]:
        """Files at the tips of their branches, as they were last seen; those that there are.

        Raises:
            ManifestError: one is no text.
        """
        found: dict[File, str] = {}
        wanted = list(dict.fromkeys(files))
        for url, branch in dict.fromkeys((file.url, file.branch) for file in wanted):
            repository = self.opened(url, hub=hub, project=project)
            tree = await repository.tree(await repository.resolve(branch))
            mine = [file for file in wanted if (file.url, file.branch) == (url, branch)]
            contents = await asyncio.to_thread(_contents, tree, mine)
            found |= {file: text_in(content, file.path) for file, content in contents.items()}
        return found

    async def _texts(self, place: File, *, hub: ClusterName, project: str = "") -> dict[str, bytes]:
        """The YAML and JSON files below a folder, or the one file, at the tip of a branch."""
        repository = self.opened(place.url, hub=hub, project=project)
        tree = await repository.tree(await repository.resolve(place.branch))
        path = "/".join(part for part in place.path.split("/") if part not in ("", "."))

        def read() -> dict[str, bytes]:
            everything = tree.files("")
            inside = f"{path}/" if path else ""
            names = [each for each in everything if each == path or each.startswith(inside)]
            return {each: everything[each] for each in names if each.endswith(_TEXTS)}

        return await asyncio.to_thread(read)


def _contents(tree: Tree, files: Iterable[File]) -> dict[File, bytes]:
    everything = tree.files("")
    return {file: everything[file.path] for file in files if file.path in everything}


def text_in(content: bytes, path: str) -> str:
    """A file's text.

    Raises:
        ManifestError: it is none in UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ManifestError("not text in UTF-8", path=path, hint="save it in UTF-8") from error


_NOBODY = AppKey(ClusterName(""), "", "", "")


def _found(files: Mapping[str, bytes], document: str) -> tuple[str, Obj] | None:
    """The one file that holds an object.

    Raises:
        RefusedError: several do.
    """
    kind, _, full = document.partition(" ")
    words = kind.encode(), full.rpartition("/")[2].encode()
    found: list[tuple[str, Any]] = []
    for path, content in files.items():
        if all(word in content for word in words):
            try:
                found.append((path, document_of(content.decode(), path, document).value))
            except (ManifestError, UnicodeDecodeError):
                continue  # templates of a chart, and files that hold other objects
    if len(found) > 1:
        raise RefusedError(f"{document} is written in {' and in '.join(path for path, _ in found)}", _GIVE)
    return found[0] if found else None


def _with_field(truth: str) -> tuple[str, str, str] | None:
    url, _, rest = truth.partition("#")
    path, _, field = rest.partition("#")
    return (url, path, field) if field else None


def filled(text: str, cell: CellKey, *, escape: bool = False) -> str:
    """A path or a field with a cell's names in it; a dot in one is no end of a field's part."""
    for name, value in (("{cluster}", cell.cluster), ("{addon}", cell.addon)):
        text = text.replace(name, re.sub(r"([.=\\])", r"\\\1", value) if escape else value)
    return text


def _field_of(app: App, obj: Obj) -> str:
    """Which field of an Application's manifest says its version, by the rules of `fleetui.fleet.cells.version_of`."""
    spec, version = mapping(obj.get("spec")), version_of(app)
    several = mappings(spec.get("sources"))
    sources = [(f"spec.sources.{number}", each) for number, each in enumerate(several)]
    for at, source in sources or [("spec.source", mapping(spec.get("source")))]:
        if source.get("chart"):
            return f"{at}.targetRevision"
        for parameter in mappings(mapping(source.get("helm")).get("parameters")):
            if parameter.get("name") == "version" and parameter.get("value") == version:
                return f"{at}.helm.parameters.name=version.value"
        parts = text(source.get("path")).split("/")
        if version in parts:
            return f"{at}.path#{parts.index(version)}"
        if version and version in text(source.get("targetRevision")):
            return f"{at}.targetRevision"
    return ""
