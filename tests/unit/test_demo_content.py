"""The demo's content is what its story says: real repositories, valid manifests, the article's Application."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends import definitions
from backends.argocd_clusters import ClusterSecrets
from backends.embedded.demo import applications, crowd, history, planting
from backends.embedded.demo.applications import DEPOT, PROD_1, PROD_2, Role
from backends.embedded.demo.fleet import DemoFleet
from backends.embedded.demo.people import ANN
from backends.embedded.demo.repository import DemoRepository
from backends.embedded.demo.story import Story
from backends.embedded.store import ObjectStore
from fleetui.model.errors import ManifestError
from fleetui.render.directory import Manifest
from fleetui.render.kustomize import build
from fleetui.render.source import from_directory
from tests.unit.embedded_cluster import workload
from tests.unit.fakes import stored
from tests.waiting import await_until, wait_until

Obj = dict[str, Any]
CAST = applications.cast(history.LAST_GOOD)
TROUBLE = "search"
"""The one whose newest manifest is broken."""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DemoRepository]:
    folder = tmp_path_factory.mktemp("repositories")
    return planting.repositories(folder, planting.plan(clusters=4, apps=None, seed=1), now=time.time())


def git(repository: DemoRepository, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repository.path, capture_output=True, text=True, check=True)
    return done.stdout


def files(repository: DemoRepository, revision: str, folder: str) -> dict[str, bytes]:
    names = git(repository, "ls-tree", "-r", "--name-only", revision, f"{folder}/").split()
    return {name.removeprefix(f"{folder}/"): (repository.file(name, revision) or "").encode() for name in names}


def manifests(role: Role, repository: DemoRepository, revision: str = "main") -> list[Manifest]:
    app = applications.application(role, url=repository.url, revision="")
    found = files(repository, revision, role.path)
    if "kustomization.yaml" in found:
        return build(files(repository, revision, "apps"), role.path.removeprefix("apps/"))
    return from_directory(app["spec"]["source"], found)


def test_the_article_s_application_is_there_word_for_word(repositories: dict[str, DemoRepository]) -> None:
    written = yaml.safe_load(applications.ARTICLE.read_text())
    role = next(role for role in CAST if role.article and role.cluster == PROD_1)
    made = applications.application(role, url=repositories["k8s-manifests"].url, revision="")
    assert made["spec"]["source"].pop("repoURL") == repositories["k8s-manifests"].url
    assert written["spec"]["source"].pop("repoURL") == "https://github.com/myorg/k8s-manifests"
    assert made == written
    assert (written["metadata"]["name"], written["spec"]["project"]) == ("payments-service", "production")
    kinds = {found.obj["kind"] for found in manifests(role, repositories["k8s-manifests"])}
    assert {"ConfigMap", "Deployment", "Service"} <= kinds


@pytest.mark.parametrize(
    "role", [role for role in CAST if role.name != TROUBLE], ids=lambda role: f"{role.cluster}/{role.name}"
)
def test_what_git_says_is_accepted_by_an_api_server(role: Role, repositories: dict[str, DemoRepository]) -> None:
    assert accepted(manifests(role, repositories[role.repository]), role.namespace)


def accepted(found: list[Manifest], namespace: str) -> list[Manifest]:
    store = ObjectStore()
    for definition in definitions.load():
        store.create(definition, manager="test")
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, manager="test")
    for manifest in found:
        obj = manifest.obj
        resource = store.resources.by_kind(obj["apiVersion"].rpartition("/")[0], obj["kind"])
        assert resource is not None
        if resource.namespaced:
            obj["metadata"]["namespace"] = namespace
        store.create(obj, manager="test")
    return found


def test_each_addon_has_a_version_to_go_to(repositories: dict[str, DemoRepository]) -> None:
    repository = repositories["cluster-addons"]
    made = yaml.safe_load(repository.file("fleet/cluster-addons.yaml") or "")
    elements = made["spec"]["generators"][0]["matrix"]["generators"][1]["list"]["elements"]
    assert made["spec"]["template"]["spec"]["source"]["repoURL"] == repository.url
    for element in elements:
        addon, now = element["addon"], element["version"]
        versions = git(repository, "ls-tree", "--name-only", "main", f"addons/{addon}/").split()
        assert f"addons/{addon}/{now}" in versions
        assert len(versions) == 2
        for folder in versions:
            assert accepted(from_directory({"path": folder}, files(repository, "main", folder)), addon)


def test_the_broken_manifest_is_named_with_file_and_line(repositories: dict[str, DemoRepository]) -> None:
    role = next(role for role in CAST if role.name == TROUBLE)
    repository = repositories[role.repository]
    with pytest.raises(ManifestError) as caught:
        manifests(role, repository)
    assert caught.value.path.endswith("synonyms.yaml")
    text = repository.file(f"{role.path}/synonyms.yaml") or ""
    assert caught.value.line is not None
    assert 7 <= caught.value.line <= len(text.splitlines())
    assert manifests(role, repository, repository.find(history.LAST_GOOD)), "it was fine before"


def test_one_application_has_more_than_twenty_objects(repositories: dict[str, DemoRepository]) -> None:
    role = next(role for role in CAST if role.name == "monitoring")
    assert len(manifests(role, repositories["platform"])) > 20


def test_histories_are_real_and_end_now(repositories: dict[str, DemoRepository]) -> None:
    for repository in repositories.values():
        git(repository, "fsck", "--strict")
        lines = git(repository, "log", "--format=%at %an", "main").splitlines()
        times = [int(line.split()[0]) for line in lines]
        assert times == sorted(times, reverse=True)
        assert 0 < time.time() - times[0] < 6 * history.DAY
        assert time.time() - times[-1] > 30 * history.DAY
    authors = set(git(repositories["k8s-manifests"], "log", "--format=%an", "main").split("\n"))
    assert len(authors - {""}) >= 5


def test_a_commit_changes_adds_and_deletes(tmp_path: Path) -> None:
    repository = DemoRepository(tmp_path / "some.git")
    first = repository.commit({"a/one.yaml": "1\n", "a/two words.yaml": "2\n", "b.yaml": "3\n"}, "Begin", ANN)
    second = repository.commit({"a/one.yaml": "ünï\n", "b.yaml": None}, 'Say "[/x]"', ANN, when=1_700_000_000)
    assert repository.head == second != first
    assert git(repository, "ls-tree", "-r", "--name-only", "main").splitlines() == ["a/one.yaml", "a/two words.yaml"]
    assert (repository.file("a/one.yaml"), repository.file("b.yaml", first)) == ("ünï\n", "3\n")
    assert git(repository, "log", "-1", "--format=%an|%ae|%at|%s|%P").strip() == (
        f'Ann Lee|ann.lee@example.com|1700000000|Say "[/x]"|{first}'
    )
    again = DemoRepository(tmp_path / "some.git")
    assert again.commit({"a": None}, "Empty it", ANN)
    assert git(again, "ls-tree", "-r", "main") == ""


def test_an_edit_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 times, not once"):
        history.changed("a a", "file.yaml", old="a", new="b")


@pytest.mark.parametrize(("clusters", "apps"), [(1, 1), (4, 21), (4, 300), (7, 60)])
def test_a_fleet_of_any_size_has_the_applications_asked_for(clusters: int, apps: int) -> None:
    plan = planting.plan(clusters=clusters, apps=apps, seed=3)
    assert len(plan.clusters) == len(set(plan.clusters)) == clusters
    assert len(plan.roles) + len(plan.services) == apps
    keys = [(role.cluster, role.name) for role in plan.roles] + [(each.cluster, each.name) for each in plan.services]
    assert len(set(keys)) == apps
    assert keys[0] == (PROD_1, "payments-service")
    assert plan == planting.plan(clusters=clusters, apps=apps, seed=3)


def test_the_crowd_is_mostly_light_and_its_manifests_are_valid() -> None:
    services = crowd.crowd(planting.cluster_names(4), 400, seed=1)
    assert sum(service.runs for service in services) == 100
    assert crowd.crowd(planting.cluster_names(4), 400, seed=2) != services
    source = {"path": "."}
    for service in services[:20]:
        texts = {
            path.rpartition("/")[2]: (text or "").encode()
            for path, text in crowd.manifests(service, level="info").items()
        }
        kinds = [manifest.obj["kind"] for manifest in from_directory(source, texts)]
        assert sorted(kinds) == (["ConfigMap", "Deployment"] if service.runs else ["ConfigMap"])


def test_a_thousand_applications_need_one_process_and_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = subprocess.run

    def counted(command: list[str], **options: Any) -> Any:
        calls.append(command[3])
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    plan = planting.plan(clusters=4, apps=1000, seed=1)
    repos = planting.repositories(tmp_path, plan, now=time.time())
    assert calls.count("fast-import") == len(repos) == 4
    hubs = planting.hubs(plan, repos)
    made = [obj for hub in hubs.values() for obj in hub.objects if obj["kind"] == "Application"]
    assert len(made) + sum(len(hub.handed_over) for hub in hubs.values()) == 1000
    assert len(calls) < 30


def test_the_crowd_is_handed_over_as_git_has_it(tmp_path: Path) -> None:
    plan = planting.plan(clusters=2, apps=80, seed=1)
    repos = planting.repositories(tmp_path, plan, now=time.time())
    services = repos[crowd.REPOSITORY]
    hub = planting.hubs(plan, repos)[PROD_1]
    live = {(obj["kind"], obj["metadata"]["name"]): obj for obj in hub.applied}
    for app, status in hub.handed_over[:15]:
        name, source = app["metadata"]["name"], app["spec"]["source"]
        desired = [manifest.obj for manifest in from_directory(source, files(services, "main", source["path"]))]
        for obj in desired:
            found = live[obj["kind"], obj["metadata"]["name"]]
            tracking = found["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
            assert tracking.startswith(f"{name}:")
            assert {key: value for key, value in found.items() if key != "metadata"} == {
                key: value for key, value in obj.items() if key != "metadata"
            }
        assert len(status["resources"]) == len(desired)
        assert status["sync"]["revision"] == services.head
        assert services.file(f"{source['path']}/settings.yaml", status["history"][-1]["revision"])
    store = ObjectStore()
    planting.plant(store, hub)
    app, status = hub.handed_over[0]
    assert store.get(*APPLICATION, "argocd", app["metadata"]["name"])["status"] == status
    owner = store.get("", "ConfigMap", app["spec"]["destination"]["namespace"], f"{app['metadata']['name']}-settings")
    assert [entry["manager"] for entry in owner["metadata"]["managedFields"]] == ["argocd-controller"]


def test_planting_twice_changes_nothing(repositories: dict[str, DemoRepository]) -> None:
    plan = planting.plan(clusters=4, apps=None, seed=1)
    hub = planting.hubs(plan, repositories)[PROD_1]
    store = ObjectStore()
    planting.plant(store, hub)
    apps = {app["metadata"]["name"]: app for app in store.list(*APPLICATION)}
    assert {"payments-service", "storefront", "checkout", "ledger", "monitoring"} <= set(apps)
    assert apps["storefront"]["operation"]["sync"]["revision"] == repositories["k8s-manifests"].head
    assert "automated" not in apps["storefront"]["spec"]["syncPolicy"]
    projects = {project["metadata"]["name"] for project in store.list("argoproj.io", "AppProject")}
    assert {app["spec"]["project"] for app in apps.values()} <= projects
    before = store.storage.version
    planting.plant(store, hub)
    assert store.storage.version == before


APPLICATION = ("argoproj.io", "Application")


def test_the_definitions_are_argo_cds() -> None:
    names = {each["metadata"]["name"]: each["spec"] for each in definitions.load()}
    assert set(names) == {f"{plural}.argoproj.io" for plural in ("applications", "applicationsets", "appprojects")}
    status = {name: "status" in spec["versions"][0]["subresources"] for name, spec in names.items()}
    assert [name for name, has in status.items() if has] == ["applicationsets.argoproj.io"]
    columns = names["applications.argoproj.io"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns] == ["Sync Status", "Health Status", "Revision", "Project"]
    store = ObjectStore()
    for definition in definitions.load():
        store.create(definition, manager="test")
    assert store.resources.by_kind(*APPLICATION) is not None


# --- the story -----------------------------------------------------------------------------------------------------


class Stage:
    """Two hubs on which a test plays the engine's part: it says what is synced and healthy."""

    def __init__(self, folder: Path) -> None:
        plan = planting.plan(clusters=2, apps=None, seed=1)
        self.repositories = planting.repositories(folder, plan, now=time.time())
        hubs = planting.hubs(plan, self.repositories)
        self.stores = {name: ObjectStore() for name in plan.clusters}
        for name, store in self.stores.items():
            planting.plant(store, hubs[name])
        self.told: list[str] = []
        self.story = Story(self.stores, self.repositories, pace=0, say=self.told.append)

    def say(
        self, cluster: str, name: str, *, revision: str = "", sync: str = "Synced", health: str = "Healthy"
    ) -> None:
        app = self.stores[cluster].get(*APPLICATION, "argocd", name)
        app["status"] = {"sync": {"status": sync, "revision": revision}, "health": {"status": health}}
        self.stores[cluster].update(app, manager="argocd-controller")

    def put(self, obj: Obj, namespace: str, cluster: str) -> None:
        store = self.stores[cluster]
        meta = {"name": namespace}
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, manager="test")
        store.create({**obj, "metadata": {**obj["metadata"], "namespace": namespace}}, manager="argocd-controller")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def played(stage: Stage) -> asyncio.Task[None]:
    return asyncio.create_task(stage.story.run())


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_drift_waits_for_the_first_sync_and_is_kubectl_s(stage: Stage) -> None:
    data = {"banner": "Autumn sale: 20% off", "theme": "light", "search": "enabled"}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "storefront-settings"}, "data": data}
    stage.put(settings, "shop-prod", PROD_1)
    task = await played(stage)
    stage.say(PROD_1, "storefront", sync="OutOfSync", health="Missing")
    await asyncio.sleep(0)
    assert stage.told == []
    stage.say(PROD_1, "storefront")
    await await_until(lambda: stage.told, 5, "the drift has happened")
    live = stage.stores[PROD_1].get("", "ConfigMap", "shop-prod", "storefront-settings")
    assert live["data"] == {"banner": "Autumn sale: 70% off", "theme": "dark", "search": "enabled"}
    owners = {entry["manager"]: entry["operation"] for entry in live["metadata"]["managedFields"]}
    assert owners["kubectl-edit"] == "Update"
    await ended(task)


async def test_a_release_and_a_breakage_are_committed(stage: Stage) -> None:
    task = await played(stage)
    manifests = stage.repositories["k8s-manifests"]
    before = manifests.head
    stage.say(PROD_1, "checkout")
    for cluster in (PROD_1, PROD_2):
        stage.say(cluster, "payments-service", revision=before)
    await await_until(lambda: len(stage.told) == 2, 10, "both commits are there")
    subjects = git(manifests, "log", "--format=%s", f"{before}..main").splitlines()
    assert sorted(subjects) == ["Update checkout to 2.5.0", "Update payments-api to 1.99"]
    assert "payments-api:1.99" in (manifests.file("apps/payments/production/deployment.yaml") or "")
    assert "does-not-exist" in (manifests.file("apps/checkout/production/deployment.yaml") or "")
    await ended(task)


# --- the fleet -----------------------------------------------------------------------------------------------------


def ask(fleet: DemoFleet, cluster: str, path: str) -> Obj:
    request = urllib.request.Request(f"{fleet.host.clusters[cluster].url}{path}")
    with urllib.request.urlopen(request, timeout=5) as answer:
        body: Obj = json.load(answer)
        return body


def test_the_fleet_answers_and_keeps_its_data_over_a_stopped_server(tmp_path: Path) -> None:
    path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
    with DemoFleet(tmp_path, clusters=2, apps=40, pod_delay=(0, 0), pace=None) as fleet:
        config = yaml.safe_load(fleet.kubeconfig.read_text())
        assert [context["name"] for context in config["contexts"]] == [PROD_1, PROD_2] == list(fleet.plan.clusters)
        viewers = [context["name"] for context in yaml.safe_load(fleet.viewers.read_text())["contexts"]]
        assert viewers == [f"{PROD_1}-viewer", f"{PROD_2}-viewer"]
        counts = [len(ask(fleet, cluster, path)["items"]) for cluster in fleet.plan.clusters]
        assert sum(counts) == 40
        assert len(ask(fleet, PROD_1, "/api/v1/nodes")["items"]) == 3
        fleet.host.stop_server(PROD_1)
        with pytest.raises(OSError, match="refused"):
            ask(fleet, PROD_1, path)
        fleet.host.start_server(PROD_1)
        assert len(ask(fleet, PROD_1, path)["items"]) == counts[0]
        deployment = workload("Deployment", "web", replicas=1)
        fleet.host.run(lambda: fleet.host.clusters[PROD_1].store.create(deployment, manager="test"))
        where = "/apis/apps/v1/namespaces/default/deployments/web"
        wait_until(lambda: ask(fleet, PROD_1, where)["status"].get("availableReplicas"), 5, "its controllers work")
    fleet.stop()


def test_the_first_hub_has_registered_a_cluster_with_a_context_and_one_without(tmp_path: Path) -> None:
    with DemoFleet(tmp_path, clusters=2, pace=None) as fleet:
        contexts = [each["name"] for each in yaml.safe_load(fleet.kubeconfig.read_text())["contexts"]]
        secrets = ask(
            fleet, PROD_1, "/api/v1/namespaces/argocd/secrets?labelSelector=argocd.argoproj.io/secret-type=cluster"
        )
        registrar = ClusterSecrets()
        found = [stored({"apiVersion": "v1", "kind": "Secret", **each}) for each in secrets["items"]]
        known = {each.name: each for each in map(registrar.read, found)}
        own = known.pop(PROD_1)
        assert (own.server, own.labels["stage"]) == (applications.IN_CLUSTER, "prod")
        assert set(known) == {PROD_2, DEPOT}
        assert {PROD_1, PROD_2} <= set(contexts)
        assert not any(context.startswith(DEPOT) for context in contexts)
        for name, registration in known.items():
            assert registration.problem == ""
            assert registration.server == fleet.host.clusters[name].url
            assert registration.access.token == fleet.host.clusters[name].token
        with pytest.raises(OSError, match="401"):
            ask(fleet, DEPOT, "/api/v1/namespaces")
    into = {(role.cluster, role.into) for role in CAST if role.into}
    assert into == {(PROD_1, PROD_2), (PROD_1, DEPOT)}
    alone = planting.plan(clusters=1, apps=None, seed=1)
    assert {role.into for role in alone.roles} == {"", DEPOT}
    assert alone.beyond == (DEPOT,)


def test_a_second_demo_takes_the_repositories_of_the_first(tmp_path: Path) -> None:
    with DemoFleet(tmp_path, clusters=1, apps=1, pace=None) as first:
        head = first.repositories["k8s-manifests"].commit({"new.yaml": "a: 1\n"}, "Try something", ANN)
    with DemoFleet(tmp_path, clusters=1, apps=1, pace=None) as second:
        assert second.repositories["k8s-manifests"].head == head
