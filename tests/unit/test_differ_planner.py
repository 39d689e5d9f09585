"""Differences from Git and plans of actions, over a scripted cluster and repository."""

from __future__ import annotations

import base64
import importlib.util
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.jq import JqWorker
from fleetui.engine.overrides import Overrides, Written, overrides_of
from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.deployed import deployed_changes
from fleetui.fleet.desired import Desires
from fleetui.fleet.differ import Differ
from fleetui.fleet.dispatch import Dispatcher
from fleetui.fleet.history import Commits
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.planner import Planner, changed, command_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import Action, ActionKind, Plan
from fleetui.model.app import AppKey
from fleetui.model.change import Blame, Change, ChangeKind, ObjectDiff
from fleetui.model.errors import (
    FleetError,
    ForbiddenError,
    GitError,
    ManifestError,
    MissingError,
    NotFoundError,
    RepositoryUnreachableError,
)
from fleetui.model.objects import ClusterName, Discovery, Obj, ObjectRef
from fleetui.ports import Jq
from tests.unit.fakes import (
    APPLICATION,
    CONFIG_MAP,
    PROJECT,
    SECRET,
    SERVED,
    FakeClock,
    FakeCluster,
    manifest,
    resource,
    stored,
)
from tests.unit.test_dispatch import Pages
from tests.unit.test_history import FakeRepositories, FakeRepository

NS = "payments-prod"
OLD, NEW = "0" * 40, "1" * 40
ARGO = ArgoDialect()
SETTINGS = ObjectRef("", "ConfigMap", NS, "settings")
TOKEN = ObjectRef("", "Secret", NS, "token")
FRESH = ObjectRef("", "ConfigMap", NS, "fresh")
STALE = ObjectRef("", "ConfigMap", NS, "stale")

SOURCE = {"repoURL": "https://git.example/k8s", "path": "apps/payments", "targetRevision": "main"}
SETTINGS_YAML = b"""\
# the first line is a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, endpoint: https://api}
"""
TOKEN_YAML = b"""\
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {password: correct-horse}
"""
FRESH_YAML = b"""\
apiVersion: v1
kind: ConfigMap
metadata: {name: fresh}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}
"""


def tracking(kind: str, name: str) -> dict[str, str]:
    return {"argocd.argoproj.io/tracking-id": f"payments:/{kind}:{NS}/{name}"}


def live(kind: str, name: str, *, fields: Obj | None = None, **rest: Any) -> Obj:
    """A tracked live object; `fields` are what kubectl-edit owns of it."""
    entry = {"manager": "kubectl-edit", "operation": "Update", "time": "2026-03-01T10:00:00Z", "fieldsV1": fields or {}}
    metadata = {"annotations": tracking(kind, name), "managedFields": [{"apiVersion": "v1", **entry}]}
    return manifest(kind, name, namespace=NS, metadata=metadata, **rest)


def application(**spec: Any) -> Obj:
    resource = {"version": "v1", "kind": "ConfigMap", "namespace": NS, "name": "stale", "requiresPruning": True}
    history = [
        {"id": 3, "revision": OLD, "source": SOURCE, "initiatedBy": {"username": "ann"}},
        {"id": 4, "revision": NEW, "source": SOURCE, "initiatedBy": {"automated": True}},
    ]
    return manifest(
        "Application",
        "payments",
        namespace="argocd",
        api_version="argoproj.io/v1alpha1",
        spec={"source": SOURCE, "destination": {"name": "prod-eu-1", "namespace": NS}, **spec},
        status={"sync": {"revision": NEW}, "resources": [resource], "history": history},
    )


class Desk:
    """A differ and a planner over one application that runs in another cluster than its hub."""

    def __init__(
        self, *objects: Obj, read_only: bool = False, protected: bool = False, jq: Jq | None = None, **spec: Any
    ) -> None:
        self.hub, self.prod = FakeCluster("hub"), FakeCluster("prod-eu-1")
        self.repository = FakeRepository(OLD, NEW, "main")
        files = {"settings.yaml": SETTINGS_YAML, "token.yaml": TOKEN_YAML, "fresh.yaml": FRESH_YAML}
        self.repository.files_of = {NEW: files, "main": files, OLD: {"settings.yaml": SETTINGS_YAML}}
        self.dry_run_fails: Exception | None = None
        self.prod.answer = self._dry_run
        self.hub.answer = lambda verb, name, body: {"status": {"allowed": True}}
        clock = FakeClock()
        self.stores = {cluster.name: LiveStore(cluster) for cluster in (self.hub, self.prod)}
        self._watch(objects, application(**spec))
        repositories = FakeRepositories(self.repository)
        commits = Commits(repositories)
        audit = Audit(Pages(), Operator("ann", "bastion", "no terminal"), now=clock.now)
        dispatcher = Dispatcher(Permissions(clock), audit, clock, repositories=repositories, read_only=read_only)
        self.config: dict[str, str] = {}
        self.differ = Differ(repositories, commits, jq)
        self.planner = Planner(
            self.differ, dispatcher, commits, protects=lambda cluster: protected and cluster == "prod-eu-1"
        )

    def _watch(self, objects: tuple[Obj, ...], app: Obj) -> None:
        self.stores[self.hub.name].want(APPLICATION)
        self.hub.watch_of("Application").lists(stored(app))
        for watched in (CONFIG_MAP, SECRET):
            self.stores[self.prod.name].want(watched)
            mine = [stored(obj) for obj in objects if obj["kind"] == watched.kind]
            self.prod.watch_of(watched.kind).lists(*mine)

    def _dry_run(self, verb: str, name: str, body: Any) -> Obj:
        """What a server-side apply of a ConfigMap or Secret comes to."""
        if self.dry_run_fails is not None:
            raise self.dry_run_fails
        values = {key: base64.b64encode(value.encode()).decode() for key, value in body.pop("stringData", {}).items()}
        return {**body, "data": {**body.get("data", {}), **values}}

    @property
    def subject(self) -> Subject:
        hub = self.stores[self.hub.name]
        found = hub.get(ObjectRef("argoproj.io", "Application", "argocd", "payments"))
        assert found is not None
        place = self.stores[self.prod.name]
        return Subject(ARGO.app(self.hub.name, found), hub=hub, dialect=ARGO, place=place, overrides=self._overrides)

    async def _overrides(self) -> Overrides:
        return overrides_of(Written(self.config))

    async def objects(self, ref: ObjectRef | None = None, **options: Any) -> dict[ObjectRef, ObjectDiff]:
        return {each.ref: each for each in (await self.differ.diff(self.subject, ref, **options)).objects}

    async def plan(self, kind: ActionKind = ActionKind.SYNC, **fields: Any) -> Plan:
        return await self.planner.plan(Action(kind, self.subject.app.key, **fields), self.subject)


DRIFTED = live(
    "ConfigMap", "settings", fields={"f:data": {"f:color": {}}}, data={"color": "red", "endpoint": "https://api"}
)
SECRET_LIVE = live("Secret", "token", data={"password": base64.b64encode(b"battery-staple").decode()})
STALE_LIVE = live("ConfigMap", "stale", data={"a": "b"})


async def test_every_object_that_differs_says_how_where_and_who() -> None:
    found = await Desk(DRIFTED, SECRET_LIVE, STALE_LIVE).objects()
    assert set(found) == {SETTINGS, TOKEN, FRESH, STALE}
    settings = found[SETTINGS]
    assert (settings.file, settings.line) == ("apps/payments/settings.yaml", 2)
    (change,) = settings.changes
    assert (change.dotted, change.kind, change.before, change.after) == (
        "data.color",
        ChangeKind.CHANGE,
        "red",
        "blue",
    )
    assert change.blame == Blame("kubectl-edit", "Update", 1772359200.0)
    assert (found[FRESH].live, found[FRESH].file) == (None, "apps/payments/fresh.yaml")
    assert found[STALE].desired is None
    assert found[STALE].live is not None


async def test_what_may_not_be_read_is_left_out_and_said_and_the_others_are_compared() -> None:
    desk = Desk(DRIFTED)
    store = desk.stores[desk.prod.name]
    store.knows = lambda ref: ref.kind != "Secret"  # type: ignore[method-assign]

    async def refused(*_: Any, **__: Any) -> Obj:
        raise ForbiddenError('secrets "token" is forbidden: User "ann" cannot get resource "secrets"', code=403)

    desk.prod.get = refused  # type: ignore[method-assign]
    found = await desk.differ.diff(desk.subject, None)
    assert {each.ref for each in found.objects} == {SETTINGS, FRESH}
    (note,) = found.notes
    assert note.startswith(f"Secret {NS}/token is not compared, because you may not read it: secrets")
    assert note in (await desk.plan()).notes
    with pytest.raises(ForbiddenError):
        await desk.differ.diff(desk.subject, TOKEN)


async def test_what_a_generate_name_names_is_there_for_the_first_time() -> None:
    desk = Desk(DRIFTED)
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: run-}\n"
    desk.repository.files_of[NEW] = {"run.yaml": text}
    desk.stores[desk.prod.name].knows = lambda ref: bool(ref.name)  # type: ignore[method-assign]
    desk.prod.objects[ObjectRef("", "ConfigMap", NS, "")] = live("ConfigMap", "all of them")
    found = await desk.objects()
    assert found[ObjectRef("", "ConfigMap", NS, "")].live is None


async def test_no_value_of_a_secret_leaves() -> None:
    desk = Desk(DRIFTED, SECRET_LIVE)
    shown = str(await desk.objects()) + str(await desk.differ.manifest(desk.subject, TOKEN)) + str(await desk.plan())
    for value in (b"correct-horse", b"battery-staple"):
        assert value.decode() not in shown
        assert base64.b64encode(value).decode() not in shown
    (change,) = (await desk.objects(TOKEN))[TOKEN].changes
    assert change.before != change.after, "that it differs is still seen"


async def test_text_of_the_cluster_is_made_harmless() -> None:
    evil = live("ConfigMap", "settings", data={"color": "\x1b[31mred", "endpoint": "https://api"})
    found = (await Desk(evil).objects())[SETTINGS]
    assert found.changes[0].before == "\ufffd[31mred"
    assert "\x1b" not in str(found)


async def test_what_is_proved_equal_is_not_asked_of_the_server() -> None:
    fields: Obj = {"f:data": {"f:color": {}, "f:endpoint": {}}}
    fields |= {"f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}}}
    equal = live("ConfigMap", "settings", data={"color": "blue", "endpoint": "https://api"}, fields=fields)
    equal["metadata"]["managedFields"][0] |= {"manager": "argocd-controller", "operation": "Apply"}
    desk = Desk(equal)
    assert SETTINGS not in await desk.objects(revision=OLD)
    assert desk.prod.writes == []
    asked = await desk.objects(SETTINGS, revision=OLD)
    assert asked[SETTINGS].changes == ()
    assert not asked[SETTINGS].differs


@pytest.mark.parametrize("served", [True, False])
async def test_an_object_watched_in_another_version_is_compared_in_that_of_git(served: bool) -> None:
    desk, what = Desk(DRIFTED), ObjectRef("x.io", "Db", NS, "orders")
    watched, written = (resource("Db", group="x.io", version=version) for version in ("v1", "v1beta1"))
    desk.prod.served = Discovery((*SERVED, watched, *([written] if served else [])), version="v1.37.2")
    desk.stores[desk.prod.name].want(watched)
    tracked = {"annotations": {"argocd.argoproj.io/tracking-id": f"payments:x.io/Db:{NS}/orders"}}
    spec = {"storage": {"size": 1}}
    live = manifest("Db", "orders", namespace=NS, api_version="x.io/v1", metadata=tracked, spec=spec)
    desk.prod.watch_of("Db").lists(stored(live))
    desk.prod.objects[what] = {**live, "apiVersion": "x.io/v1beta1", "spec": {"size": 1}}
    text = b"apiVersion: x.io/v1beta1\nkind: Db\nmetadata: {name: orders}\nspec: {size: 2}\n"
    desk.repository.files_of[NEW] = {"db.yaml": text}
    desk.prod.answer = lambda verb, name, body: body
    found = await desk.differ.diff(desk.subject, what)
    assert [change.dotted for change in found.objects[0].changes] == ["spec.size"]
    if served:
        assert (found.objects[0].changes[0].kind, found.notes) == (ChangeKind.CHANGE, ())
    else:
        assert found.notes[0] == f"x.io/Db {NS}/orders is compared as x.io/v1: prod-eu-1 serves no x.io/v1beta1"


async def test_a_server_that_does_not_help_is_said_and_done_without() -> None:
    desk = Desk(DRIFTED)
    desk.dry_run_fails = ForbiddenError("ann may not patch configmaps", code=403)
    diff = await desk.differ.diff(desk.subject, SETTINGS)
    assert [change.dotted for change in diff.objects[0].changes] == ["data.color"]
    assert diff.notes == (
        "ConfigMap payments-prod/settings is compared without the API server's help: ann may not patch configmaps",
    )


async def test_what_befalls_many_objects_is_said_once() -> None:
    names = [f"more-{number}" for number in range(4)]
    desk = Desk(*(live("ConfigMap", name, data={"a": "live"}) for name in names))
    desk.dry_run_fails = ForbiddenError("ann may not patch configmaps", code=403)
    manifests = [f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: git}}\n" for name in names]
    desk.repository.files_of[NEW] = {"more.yaml": "---\n".join(manifests).encode()}
    (note,) = (await desk.differ.diff(desk.subject, None)).notes
    named = ", ".join(f"ConfigMap {NS}/{name}" for name in names[:3])
    assert note == f"{named} and 1 more are compared without the API server's help: ann may not patch configmaps"


async def test_ignored_differences_are_none() -> None:
    desk = Desk(DRIFTED, ignoreDifferences=[{"kind": "ConfigMap", "jsonPointers": ["/data/color"]}])
    assert SETTINGS not in await desk.objects()


@pytest.mark.skipif(importlib.util.find_spec("jq") is None, reason="jq is an extra: pip install 'fleetui[jq]'")
async def test_differences_that_an_expression_computes_are_none_and_one_that_fails_is_a_note() -> None:
    jq = JqWorker()
    try:
        rule = {"kind": "ConfigMap", "jqPathExpressions": ['.data | .[keys[] | select(test("^col"))]']}
        assert SETTINGS not in await Desk(DRIFTED, jq=jq, ignoreDifferences=[rule]).objects()
        desk = Desk(DRIFTED, jq=jq, ignoreDifferences=[{**rule, "jqPathExpressions": ["def f: f; f"]}])
        found = await desk.differ.diff(desk.subject, None)
        assert SETTINGS in {each.ref for each in found.objects}
        assert found.notes == ("ignoreDifferences: 'def f: f; f' did not end within 1 s and was stopped",)
    finally:
        jq.close()


async def test_differences_that_the_hub_ignores_are_none_and_a_rule_that_cannot_be_read_is_said() -> None:
    desk = Desk(DRIFTED)
    assert SETTINGS in await desk.objects()
    desk.config["resource.customizations.ignoreDifferences.ConfigMap"] = "jqPathExpressions: [.data.color]"
    assert SETTINGS not in await desk.objects()
    desk.config["resource.customizations.ignoreDifferences.ConfigMap"] = "jqPathExpressions: ["
    notes = (await desk.differ.diff(desk.subject, None)).notes
    assert [note.partition(": ")[2].partition(" is not")[0] for note in notes] == ["ignoreDifferences of ConfigMap"]
    assert notes[0].endswith("; until it is mended, the engine compares and syncs nothing that it concerns")
    assert SETTINGS in await desk.objects()


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        (ObjectRef("batch", "Job", NS, "migrate"), "is a PreSync hook"),
        (ObjectRef("", "Pod", NS, "api-1"), "is not in Git at 1111111"),
    ],
)
async def test_what_git_does_not_compare_is_said(ref: ObjectRef, why: str) -> None:
    with pytest.raises(MissingError, match=why):
        await Desk().objects(ref)


async def test_only_what_says_it_belongs_to_the_application_would_be_pruned() -> None:
    copied = live("ConfigMap", "copy")
    copied["metadata"]["annotations"] = tracking("ConfigMap", "settings")
    owned = live("ConfigMap", "grown")
    owned["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "j", "uid": "u"}]
    tracked = live("ConfigMap", "forgotten")
    found = await Desk(copied, owned, tracked, STALE_LIVE).objects()
    assert {ref.name for ref, each in found.items() if each.desired is None} == {"forgotten", "stale"}


async def test_a_revision_newer_than_the_mirror_is_fetched() -> None:
    desk = Desk()
    desk.repository.known.discard(NEW)
    desk.repository.unfetched = NEW
    assert FRESH in await desk.objects()


async def test_what_is_not_watched_is_asked_for() -> None:
    desk = Desk()
    pod = ObjectRef("", "Pod", NS, "api-1")
    desk.prod.objects[pod] = manifest("Pod", "api-1", namespace=NS, metadata={"managedFields": [{}]})
    found = await desk.differ.manifest(desk.subject, pod)
    assert found["metadata"] == {"name": "api-1", "namespace": NS, "uid": "uid-api-1", "resourceVersion": "1"}
    with pytest.raises(NotFoundError, match="Pod payments-prod/api-2 is not in prod-eu-1"):
        await desk.differ.manifest(desk.subject, ObjectRef("", "Pod", NS, "api-2"))
    assert (await desk.differ.manifest(desk.subject, desk.subject.ref))["kind"] == "Application"


# --- plans ----------------------------------------------------------------------------------------------------------


async def test_a_plan_names_commits_objects_and_what_is_undone() -> None:
    plan = await Desk(DRIFTED, STALE_LIVE).plan()
    assert (plan.from_revision, plan.to_revision) == (NEW, "main")
    assert plan.to_commit is not None
    assert plan.to_commit.subject == "subject of main"
    assert [(entry.verb, entry.ref.name, entry.summary) for entry in plan.entries] == [
        ("create", "fresh", ""),
        ("create", "token", ""),
        ("change", "settings", "color red → blue (undoes kubectl-edit)"),
        ("keep", "stale", "prune is off: stays"),
    ]
    assert plan.notes == ("undoes what kubectl-edit changed in the cluster", "runs PreSync Job migrate")
    assert (plan.refusals, plan.type_to_confirm) == ((), "")
    assert plan.command == "fleetui sync hub/argocd/payments"


async def test_prune_and_a_choice_of_resources_narrow_the_plan() -> None:
    desk = Desk(DRIFTED, STALE_LIVE)
    plan = await desk.plan(prune=True, resources=(STALE, ObjectRef("", "ConfigMap", "", "settings")))
    assert [(entry.verb, entry.ref.name) for entry in plan.entries] == [("change", "settings"), ("prune", "stale")]
    assert not any("runs" in note for note in plan.notes), "a partial sync runs no hooks"


async def test_a_rollback_compares_with_the_former_commit() -> None:
    plan = await Desk(DRIFTED, STALE_LIVE).plan(ActionKind.ROLLBACK, history_id=3)
    assert (plan.from_revision, plan.to_revision) == (NEW, OLD)
    assert [entry.ref.name for entry in plan.entries] == ["settings", "stale"]
    assert plan.command == "fleetui rollback hub/argocd/payments 3"
    with pytest.raises(MissingError, match="no history entry 9"):
        await Desk().plan(ActionKind.ROLLBACK, history_id=9)


async def test_what_the_project_does_not_permit_is_told_before_the_sync() -> None:
    desk = Desk()
    desk.hub.served = Discovery((*desk.hub.served, PROJECT), version="v1.37.2")
    ref = ObjectRef("argoproj.io", "AppProject", "argocd", "default")
    spec = {"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}, {"group": "batch", "kind": "*"}]}
    desk.hub.objects[ref] = {"metadata": {"name": "default"}, "spec": spec}
    plan = await desk.plan()
    assert "project default does not permit Job.batch, Secret: the sync fails" in plan.notes
    assert not plan.refusals, "Argo CD takes it, and fails"


async def test_all_refusals_are_told_at_once() -> None:
    desk = Desk(read_only=True, protected=True, syncPolicy={"automated": {}})
    plan = await desk.plan(ActionKind.SYNC, revision="v1")
    read_only, automated = plan.refusals
    assert "read-only" in read_only
    assert "automated sync follows" in automated
    assert plan.type_to_confirm == "prod-eu-1"
    assert (await desk.plan(ActionKind.ROLLBACK, history_id=3, dry_run=True)).type_to_confirm == ""
    assert desk.hub.writes == []


async def test_a_plan_tells_what_happens_to_automated_sync() -> None:
    desk = Desk(syncPolicy={"automated": {}})
    plan = await desk.plan(ActionKind.ROLLBACK, history_id=3)
    assert plan.notes[0] == "switches automated sync off, which would undo it"
    plan = await desk.plan(ActionKind.ROLLBACK, history_id=3, restore=True)
    assert "and on again when Git has moved on from" in plan.notes[0]
    assert plan.command == "fleetui rollback hub/argocd/payments 3 --restore-auto-sync"
    plan = await desk.plan(ActionKind.REVERT, history_id=3)
    assert plan.notes[0].startswith("commits to ")
    assert plan.command == "fleetui rollback hub/argocd/payments 3 --revert"
    plan = await desk.plan(ActionKind.SUSPEND)
    assert (plan.refusals, plan.command) == ((), "fleetui suspend hub/argocd/payments")
    assert "without a human" in plan.notes[0]


async def test_an_entry_of_the_history_tells_what_it_changed() -> None:
    desk = Desk()
    desires = Desires(FakeRepositories(desk.repository))
    settings = SETTINGS_YAML.replace(b"color: blue", b"color: red")
    desk.repository.files_of[OLD] = {"settings.yaml": settings, "gone.yaml": FRESH_YAML.replace(b"fresh", b"gone")}
    found = await deployed_changes(desk.subject, desires, 4)
    assert found.problem == ""
    assert [(each.verb, each.ref.kind, each.ref.name, each.summary) for each in found.entries] == [
        ("create", "ConfigMap", "fresh", ""),
        ("create", "Secret", "token", ""),
        ("change", "ConfigMap", "settings", "color red → blue"),
        ("prune", "ConfigMap", "gone", ""),
    ]
    assert "first entry that is kept" in (await deployed_changes(desk.subject, desires, 3)).problem
    with pytest.raises(MissingError, match="no history entry 9"):
        await deployed_changes(desk.subject, desires, 9)
    desk.repository.error = GitError("the repository is away")
    assert "can't be said: the repository is away" in (await deployed_changes(desk.subject, desires, 4)).problem


async def test_a_refresh_needs_neither_git_nor_the_destination() -> None:
    desk = Desk(protected=True)
    desk.repository.error = RepositoryUnreachableError("no route")
    plan = await desk.plan(ActionKind.REFRESH, hard=True)
    assert (plan.notes, plan.type_to_confirm) == ((), "")
    assert plan.command == "fleetui refresh hub/argocd/payments --hard"


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda desk: setattr(desk.repository, "error", RepositoryUnreachableError("no route")), id="git"),
        pytest.param(
            lambda desk: desk.repository.files_of["main"].update(
                {"x.yaml": b"apiVersion: v1\nkind: [\nmetadata: {}\n"}
            ),
            id="manifest",
        ),
        pytest.param(lambda desk: setattr(desk.prod, "away", NotFoundError("away")), id="cluster"),
    ],
)
async def test_a_difference_that_can_not_be_had_is_a_note_of_the_plan(break_it: Any) -> None:
    desk = Desk(DRIFTED)
    break_it(desk)
    plan = await desk.plan()
    assert plan.entries == ()
    assert plan.notes[0].startswith("what would change can't be said: ")
    with pytest.raises((FleetError, ManifestError)):
        await desk.objects(revision="main")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"sources": [{"repoURL": "a", "ref": "x"}, {"repoURL": "b", "ref": "x"}]}, "had the same `ref` key"),
        ({"sources": [SOURCE, {**SOURCE, "path": "gone"}]}, "source 2 of 2: gone: app path does not exist"),
        ({"source": {"repoURL": "https://charts.example", "chart": "redis"}}, "charts can't be fetched here"),
        ({"source": {**SOURCE, "plugin": {"name": "jsonnet"}}}, "this engine runs no plugins"),
        ({"source": None}, "its source names no repository"),
    ],
)
async def test_a_source_that_can_not_be_rendered_is_never_shown_as_an_empty_one(source: Obj, why: str) -> None:
    desk = Desk(DRIFTED, **source)
    with pytest.raises(FleetError, match=why):
        await desk.objects()
    assert why in (await desk.plan()).notes[0]


async def test_several_sources_are_compared_as_one() -> None:
    values = {"repoURL": "https://git.example/values", "ref": "values", "targetRevision": "main"}
    desk = Desk(DRIFTED, sources=[SOURCE, values])
    assert await desk.objects() == await Desk(DRIFTED).objects()


async def test_nothing_to_do_is_said() -> None:
    desk = Desk()
    desk.repository.files_of = {"main": {"README.md": b""}}
    assert (await desk.plan()).notes == ("nothing differs: there is nothing to change",)


def change(path: str, before: Any, after: Any, manager: str) -> Change:
    return Change(tuple(path.split(".")) if path else (), ChangeKind.CHANGE, before, after, Blame(manager))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([change("spec.replicas", 2, 3, "argocd-controller")], "replicas 2 → 3"),
        ([change("data.x", "a", "b", "kubectl-edit")], "x a → b (undoes kubectl-edit)"),
        ([change("a", 1, 2, "x"), change("b", 1, 2, "y"), change("c", 1, 2, "x")], "3 fields (undoes x, y)"),
        ([change("", {}, None, "kubectl-create")], "object changed"),
    ],
)
def test_a_change_says_whose_work_it_undoes(changes: list[Change], expected: str) -> None:
    assert changed(changes) == expected


def test_a_command_line_says_the_same() -> None:
    key = AppKey(ClusterName("prod eu"), "argo", "argocd", "payments")
    action = Action(ActionKind.SYNC, key, revision="v1", prune=True, dry_run=True, resources=(SETTINGS,))
    assert command_of(action) == (
        "fleetui sync 'prod eu/argocd/payments' --revision v1 --prune --dry-run "
        "--resource /ConfigMap/payments-prod/settings"
    )
