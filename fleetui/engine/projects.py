"""A project as the engine reads it: what its applications may come from, go to and hold.

Owns: `Project`, the typed view of an `AppProject`, and what it permits (Argo CD v3.6.1
pkg/apis/application/v1alpha1/app_project_types.go and types.go; util/argo/argo.go, `ValidatePermissions`). Called by
the engine before it compares and syncs, and by `fleetui.fleet`. Pure. What its sync windows allow is in
`fleetui.engine.windows`; which projects there are, in `fleetui.engine.hubprojects`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fleetui.engine.application import Application, mapping, mappings, strings, text
from fleetui.engine.giturl import normalized
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.windows import Window, windows_in
from fleetui.model.globs import glob_matches
from fleetui.model.objects import Discovery, Obj, ObjectRef, ref_of
from fleetui.model.pathglobs import glob_matches_path, path_matches
from fleetui.model.selectors import of_label_selector
from fleetui.model.status import SyncStatus

PROJECT_KIND = "AppProject"
DEFAULT = "default"


@dataclass(frozen=True)
class Place:
    """A cluster as a project names it: the server and the name that it is registered with, and the project to which
    it is bound, empty where it is bound to none."""

    server: str
    name: str = ""
    project: str = ""
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Allowed:
    """One entry of `spec.destinations`; each part is a glob, and forbids with a ``!`` before it."""

    server: str = ""
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Listed:
    """One entry of a list of kinds; each part is a pattern of Go's `filepath.Match`, an empty `name` is any."""

    group: str
    kind: str
    name: str = ""

    def names(self, ref: ObjectRef, *, named: bool) -> bool:
        return (
            path_matches(self.kind, ref.kind)
            and path_matches(self.group, ref.group)
            and (not named or not self.name or path_matches(self.name, ref.name))
        )


@dataclass(frozen=True)
class Role:
    """One of `spec.roles`: shown, and enforced by whoever serves an API to people."""

    name: str
    description: str = ""
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tokens: int = 0


@dataclass(frozen=True)
class Orphaned:
    """`spec.orphanedResources`: whether orphans are warned of, and which are ignored (globs of group, kind, name)."""

    warn: bool = False
    ignore: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class GlobalProject:
    """An entry of `globalProjects`: the project of that name gives its rules to those that a metav1.LabelSelector
    selects."""

    name: str
    selector: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def selects(self, project: Project) -> bool:
        """Whether a project gets its rules (`GetGlobalProjects`); an unreadable selector selects none."""
        try:
            return project.name != self.name and of_label_selector(self.selector)(project.labels)
        except (AttributeError, KeyError, TypeError):
            return False


@dataclass(frozen=True)
class Project:
    """An AppProject. `namespace_whitelist` is None where the project has none, and then permits every kind."""

    name: str
    description: str = ""
    source_repos: tuple[str, ...] = ()
    destinations: tuple[Allowed, ...] = ()
    cluster_whitelist: tuple[Listed, ...] = ()
    cluster_blacklist: tuple[Listed, ...] = ()
    namespace_whitelist: tuple[Listed, ...] | None = None
    namespace_blacklist: tuple[Listed, ...] = ()
    source_namespaces: tuple[str, ...] = ()
    only_scoped_clusters: bool = False
    service_accounts: bool = False
    """Whether it has `destinationServiceAccounts`."""
    orphaned: Orphaned | None = None
    windows: tuple[Window, ...] = ()
    roles: tuple[Role, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unserved: str = ""
    """Which of the project's demands this engine can't meet, in a sentence; its applications are not synced then."""

    def permits_source(self, url: str) -> bool:
        """Whether applications may come from a repository (`IsSourcePermitted`)."""
        asked, permitted = normalized(url), False
        for pattern in self.source_repos:
            denies = pattern.startswith("!")
            glob = normalized(pattern.removeprefix("!"))
            if denies and glob_matches_path(glob, asked):
                return False
            permitted = permitted or denies or glob == "*" or glob_matches_path(glob, asked)
        return permitted

    def permits_destination(self, place: Place, namespace: str) -> bool:
        """Whether applications may go to a namespace of a cluster (`IsDestinationPermitted`)."""
        if self.only_scoped_clusters and place.project != self.name:
            return False
        destinations = self.destinations
        if place.project == self.name:
            # As if the project had named it (`GetAppProjectByName`).
            destinations += tuple(Allowed(place.server, namespace=each) for each in place.namespaces or ("*",))
        permitted = False
        for allowed in destinations:
            name = bool(place.name) and _fits(allowed.name, place.name)
            server = bool(place.server) and _fits(allowed.server, place.server)
            inside = _fits(allowed.namespace, namespace)
            if (server or name) and inside:
                permitted = True
            elif inside:
                if (not name and _denies(allowed.name)) or (not server and _denies(allowed.server)):
                    return False
            elif server and _denies(allowed.namespace):
                return False
        return permitted

    def permits_kind(self, ref: ObjectRef, *, namespaced: bool) -> bool:
        """Whether the project may hold an object (`IsGroupKindNamePermitted`)."""
        if namespaced:
            white, black = self.namespace_whitelist, self.namespace_blacklist
        else:
            white, black = self.cluster_whitelist, self.cluster_blacklist
        named = not namespaced
        return (white is None or any(each.names(ref, named=named) for each in white)) and not any(
            each.names(ref, named=named) for each in black
        )

    def permits_applications_in(self, namespace: str, control_plane: str) -> bool:
        """Whether Applications of a namespace may use the project (`IsAppNamespacePermitted`); those of the control
        plane always may."""
        return namespace in {"", control_plane} or any(_listed(each, namespace) for each in self.source_namespaces)

    def merged(self, other: Project) -> Project:
        """With what a global project adds (`mergeVirtualProject`)."""
        white = self.namespace_whitelist
        if white is not None or other.namespace_whitelist:
            white = (*(white or ()), *(other.namespace_whitelist or ()))
        return replace(
            self,
            source_repos=self.source_repos + other.source_repos,
            destinations=self.destinations + other.destinations,
            cluster_whitelist=self.cluster_whitelist + other.cluster_whitelist,
            cluster_blacklist=self.cluster_blacklist + other.cluster_blacklist,
            namespace_whitelist=white,
            namespace_blacklist=self.namespace_blacklist + other.namespace_blacklist,
            windows=self.windows + other.windows,
        )


@dataclass(frozen=True)
class Permits:
    """What a project permits at one destination."""

    project: Project
    place: Place

    def live(self, ref: ObjectRef) -> bool:
        """Whether an object that is there counts as the project's (`IsLiveResourcePermitted`): what does not is
        neither compared nor deleted."""
        if not self.project.permits_kind(ref, namespaced=bool(ref.namespace)):
            return False
        return not ref.namespace or self.project.permits_destination(self.place, ref.namespace)

    def objection(self, obj: Obj, discovery: Discovery) -> str:
        """Why an object whose kind is served may not be synced, in Argo CD's words (controller/sync.go,
        `validateSyncPermissions`); empty where it may."""
        ref, resource = ref_of(obj), discovery.of(obj)
        namespaced = resource is not None and resource.namespaced
        if not self.project.permits_kind(ref, namespaced=namespaced):
            return f"resource {ref.group}:{ref.kind} is not permitted in project {self.project.name}"
        if namespaced and not self.project.permits_destination(self.place, ref.namespace):
            return f"namespace {ref.namespace} is not permitted in project '{self.project.name}'"
        return ""

    def shown(self, rows: Iterable[Obj]) -> list[Obj]:
        """`status.resources`, in which what the project may not hold is Unknown (controller/state.go)."""
        return [row if self._may_hold(row) else {**row, "status": SyncStatus.UNKNOWN.value} for row in rows]

    def _may_hold(self, row: Obj) -> bool:
        ref = ObjectRef(*(text(row.get(key)) for key in ("group", "kind", "namespace", "name")))
        return self.project.permits_kind(ref, namespaced=bool(ref.namespace))


def spec_problems(app: Application, project: Project, place: Place | None, missing: str) -> list[str]:
    """What is wrong with an Application's spec or not permitted, each in Argo CD's words (`ValidatePermissions`). A
    source that can't be read ends the list, and so does a cluster that is not there: `place` is None then, and
    `missing` says why."""
    if problem := app.problem():
        return [problem]
    found: list[str] = []
    wanted = SourceSet.of(app.spec)
    for source in wanted.sources:
        if problem := wanted.problem_of(source):
            return [*found, problem]
        if not project.permits_source(url := text(source.get("repoURL"))):
            found.append(f"application repo {url} is not permitted in project '{project.name}'")
    if place is None:
        return [*found, missing]
    namespace = app.destination_namespace
    if not project.permits_destination(place, namespace):
        server = place.name if app.destination.get("name") else place.server
        found.append(
            f"application destination server '{server}' and namespace '{namespace}' do not match any of the "
            f"allowed destinations in project '{project.name}'"
        )
    return found


def project_of(obj: Mapping[str, Any]) -> Project:
    """The view of an `AppProject` object; what is malformed in it permits nothing."""
    metadata, spec = mapping(obj.get("metadata")), mapping(obj.get("spec"))
    name = text(metadata.get("name"))
    namespaced, orphaned = spec.get("namespaceResourceWhitelist"), spec.get("orphanedResources")
    return Project(
        name=name,
        description=text(spec.get("description")),
        source_repos=strings(spec.get("sourceRepos")),
        destinations=tuple(
            Allowed(text(each.get("server")), text(each.get("name")), text(each.get("namespace")))
            for each in mappings(spec.get("destinations"))
        ),
        cluster_whitelist=_kinds(spec.get("clusterResourceWhitelist")),
        cluster_blacklist=_kinds(spec.get("clusterResourceBlacklist")),
        namespace_whitelist=None if namespaced is None else _kinds(namespaced),
        namespace_blacklist=_kinds(spec.get("namespaceResourceBlacklist")),
        source_namespaces=strings(spec.get("sourceNamespaces")),
        only_scoped_clusters=spec.get("permitOnlyProjectScopedClusters") is True,
        service_accounts=bool(spec.get("destinationServiceAccounts")),
        orphaned=_orphaned(orphaned) if isinstance(orphaned, Mapping) else None,
        windows=windows_in(spec.get("syncWindows")),
        roles=tuple(map(_role, mappings(spec.get("roles")))),
        labels=mapping(metadata.get("labels")),
        unserved=_unserved(name, spec),
    )


DEFAULT_PROJECT = Project(
    DEFAULT,
    source_repos=("*",),
    destinations=(Allowed(server="*", namespace="*"),),
    cluster_whitelist=(Listed("*", "*"),),
)
"""The project that Argo CD's API server makes on a hub that has none of that name (v3.6.1 server/server.go)."""


def _unserved(name: str, spec: Mapping[str, Any]) -> str:
    demands = {
        "signatureKeys": "signed commits",
        "sourceIntegrity": "checks of its sources' integrity",
    }
    for key, words in demands.items():
        if spec.get(key):
            return f"project '{name}' demands {words} ({key}), which this engine can't verify: it syncs nothing of it"
    return ""


def _kinds(entries: Any) -> tuple[Listed, ...]:
    return tuple(
        Listed(text(each.get("group")), text(each.get("kind")), text(each.get("name"))) for each in mappings(entries)
    )


def _orphaned(settings: Mapping[str, Any]) -> Orphaned:
    return Orphaned(settings.get("warn") is True, tuple(mappings(settings.get("ignore"))))


def _role(entry: Mapping[str, Any]) -> Role:
    tokens: Sequence[object] = mappings(entry.get("jwtTokens"))
    return Role(
        text(entry.get("name")),
        text(entry.get("description")),
        strings(entry.get("policies")),
        strings(entry.get("groups")),
        len(tokens),
    )


def _denies(pattern: str) -> bool:
    return pattern.startswith("!")


def _fits(pattern: str, value: str) -> bool:
    if _denies(pattern):
        return not glob_matches(pattern[1:], value)
    return pattern == "*" or glob_matches(pattern, value)


def _listed(pattern: str, namespace: str) -> bool:
    """Whether a namespace fits an entry of `sourceNamespaces`: a glob, or a regular expression between slashes."""
    if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            if re.search(pattern[1:-1], namespace):
                return True
        except re.error:
            pass
    return glob_matches(pattern, namespace)
