"""What generators are answered: Git, registries, plugins, the hub's own objects; who may ask what, and how often."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import backends.appset_answers as answers_module
from backends.appset_answers import REMEMBERED, AppSetAnswers
from backends.appset_files import doublestar, folders_of, pathspec
from backends.charts import ChartRepositories
from backends.git import GitRepositories
from backends.github_app import InstallationTokens
from backends.hosts.api import Line
from backends.hosts.kinds import NOBODY, Kind
from backends.hosts.own import OwnHosts
from backends.repository_access import RepositoryAccess
from fleetui.engine.appset.questions import (
    Answer,
    ChartVersions,
    Decisions,
    GitDirectories,
    GitFiles,
    HostPullRequests,
    HostRepositories,
    PluginParameters,
    Question,
)
from fleetui.model.errors import FleetError, ForbiddenError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, ObjectRef
from tests.unit.certificates import Authority
from tests.unit.charts import RegistryServer, member, serving, tarball
from tests.unit.fakes import FakeCluster, manifest
from tests.unit.git_hosts import HostServer, hub, spec
from tests.unit.git_source import Source
from tests.unit.repository_secrets import host_map, secret
from tests.unit.test_charts import LAYER, Book
from tests.waiting import await_until

HUB = ClusterName("hub")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """Answers, and what they are made of."""

    def __init__(self, tmp_path: Path) -> None:
        self.line = Line()
        self.clock = Clock()
        self.hub = hub(login={"token": "s3cr3t"})
        self.repositories = GitRepositories(tmp_path / "git", local_interval=0.05)
        self.book = Book()
        self.charts = ChartRepositories(self.book, cache=tmp_path / "charts")
        self.environment: dict[str, str] = {}
        self.own = OwnHosts(self.environment, {"gitea.example": "gitea"})
        self.answers = AppSetAnswers(
            self.repositories,
            hubs=lambda name: self.hub if name == "hub" else None,
            charts=lambda _: self.charts,
            own=self.own,
            line=self.line,
            tokens=InstallationTokens(),
            now=self.clock,
        )

    async def ask(
        self, question: Question, *, hub: str = HUB, namespace: str = "argocd", fresh: bool = False
    ) -> Answer:
        return await self.answers.answer(question, hub=ClusterName(hub), namespace=namespace, fresh=fresh)

    async def close(self) -> None:
        await self.line.close()
        await self.charts.close()
        await self.repositories.close()

    def put(self, *objects: Any) -> None:
        for obj in objects:
            self.hub.objects[obj.ref] = obj.decode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


# --- Git --------------------------------------------------------------------------------------------------------

FILES = [
    "README.md",
    "apps/a/config.json",
    "apps/a/deep/config.json",
    "apps/b/config.yaml",
    "apps-old/config.json",
    ".github/workflows/ci.yaml",
    "apps/.hidden/config.json",
    "config.json",
    "x/[a].txt",
    "x/a.txt",
]
PATTERNS = """
. README.md apps apps/ ./apps/a apps/* apps/*/config.json **/config.json *.json config.json apps/**/config.json a?ps/a
apps/a/../b x/[a].txt x/[[]a].txt x/[!b].txt x/[^b].txt x/[a-c].txt x/\\[a].txt */deep * nothing apps* [
x/[[:alpha:]].txt x/[^[:digit:]].txt **/*.yaml apps/*.json apps/a* x/[]a].txt x/?a?.txt
""".split()


def test_patterns_find_what_git_finds(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    for path in FILES:
        source.put(path, b"{}")
    source.commit()
    for pattern in PATTERNS:
        found = source.git("ls-files", "-z", "--full-name", "--", pattern).split("\0")
        matches = pathspec(pattern)
        assert sorted(filter(matches, FILES)) == sorted(filter(None, found)), pattern


@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", ":(top)x", ":!x", "x/[z-a]"])
def test_patterns_that_lead_out_or_are_none_are_refused(pattern: str) -> None:
    with pytest.raises(FleetError):
        pathspec(pattern)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**", FILES),
        (".", FILES),
        ("**/config.json", [path for path in FILES if path.endswith("config.json")]),
        ("apps/*/config.{json,yaml}", ["apps/a/config.json", "apps/b/config.yaml", "apps/.hidden/config.json"]),
        ("apps/**/config.json", ["apps/a/config.json", "apps/a/deep/config.json", "apps/.hidden/config.json"]),
        ("*.json", ["config.json"]),
        ("apps/a", []),
        ("x/[^b].txt", ["x/a.txt"]),
        ("x/\\[a\\].txt", ["x/[a].txt"]),
    ],
)
def test_patterns_of_artifacts_are_doublestars(pattern: str, found: list[str]) -> None:
    assert [path for path in FILES if doublestar(pattern)(path)] == found


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert not pathspec("*a" * 30 + "b")("a" * 2000)


def test_folders_come_parents_first_and_without_hidden_ones() -> None:
    found = folders_of(dict.fromkeys(["b/x", "a-b/x", "a/b/c/x", "a/.git/x/y", ".github/x", "top"], b""))
    assert found == ("a", "a/b", "a/b/c", "a-b", "b")


async def test_git_is_answered_and_tells_of_new_commits(world: World, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.write(apps__a__config_yaml="a: 1", apps__b__config_yaml="b: 1")
    source.commit()
    folders = GitDirectories(source.url, "HEAD", "")
    files = GitFiles(source.url, "main", "", "apps/*/config.yaml")
    assert await world.ask(folders) == Answer(value=("apps", "apps/a", "apps/b"))
    assert await world.ask(files) == Answer(value={"apps/a/config.yaml": b"a: 1", "apps/b/config.yaml": b"b: 1"})
    told: list[int] = []
    listening = world.answers.subscribe(folders, lambda: told.append(1), hub=HUB, namespace="argocd")
    source.write(apps__c__config_yaml="c: 1")
    source.commit()
    await await_until(lambda: told, 10, "the commit is told")
    assert (await world.ask(folders)).value == ("apps", "apps/a", "apps/b", "apps/c")
    listening.close()
    source.write(apps__d__config_yaml="d: 1")
    source.commit()
    assert (await world.ask(files, fresh=True)).value.keys() >= {"apps/d/config.yaml"}


async def test_what_git_can_not_say_is_a_problem_in_a_sentence(world: World, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.write(a="a")
    source.commit()
    assert "nowhere" in (await world.ask(GitDirectories(source.url, "nowhere", ""))).problem
    assert "leads out of the repository" in (await world.ask(GitFiles(source.url, "", "", "../x"))).problem
    assert "is no address" in (await world.ask(GitDirectories("what", "HEAD", ""))).problem


async def test_patterns_are_meant_as_the_hub_has_it(world: World, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.write(apps__a__config_yaml="a: 1", apps__top_yaml="t: 1")
    source.commit()
    question = GitFiles(source.url, "HEAD", "default", "apps/*.yaml")
    assert (await world.ask(question)).value.keys() == {"apps/a/config.yaml", "apps/top.yaml"}
    globbing = {"applicationsetcontroller.enable.new.git.file.globbing": "true"}
    world.put(host_map("argocd-cmd-params-cm", globbing))
    world.clock.now += 60
    assert (await world.ask(question)).value.keys() == {"apps/top.yaml"}
    assert (await world.ask(question, hub="")).value.keys() == {"apps/a/config.yaml", "apps/top.yaml"}


async def test_a_project_that_demands_signatures_has_nothing_generated_for_it(world: World, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.write(a="a")
    source.commit()
    project = manifest(
        "AppProject", "strict", namespace="argocd", spec={"signatureKeys": [{"keyID": "4AEE18F83AFDEB23"}]}
    )
    world.hub.objects[ObjectRef("argoproj.io", "AppProject", "argocd", "strict")] = project
    found = await world.ask(GitDirectories(source.url, "HEAD", "strict"))
    assert "demands signed commits (signatureKeys), which this engine can't verify" in found.problem
    missing = await world.ask(GitDirectories(source.url, "HEAD", "nowhere"))
    assert "there is no AppProject argocd/nowhere on hub" in missing.problem


# --- registries -------------------------------------------------------------------------------------------------


async def test_artifacts_are_read_like_repositories(world: World) -> None:
    registry = RegistryServer()
    async with serving(registry):
        url = f"oci://{registry.host}/team/config"
        world.book.known[url] = RepositoryAccess(url=url, oci_force_http=True)
        layer = tarball((member("apps/a/config.json"), b"{}"), (member("apps/b/config.json"), b'{"b": 1}'))
        registry.put("team/config", "1.2.0", layer, config="application/vnd.oci.empty.v1+json", kind=LAYER)
        asked = {"repoURL": url, "revision": "1.x", "project": ""}
        assert await world.ask(ChartVersions(spec(**asked))) == Answer(value=("apps", "apps/a", "apps/b"))
        found = await world.ask(ChartVersions(spec(**asked, pattern="apps/{b,c}/*.json")))
        assert found == Answer(value={"apps/b/config.json": b'{"b": 1}'})
    other = await world.ask(ChartVersions(spec(repoURL="https://charts.example", revision="1", project="")))
    assert "is no artifact of a registry" in other.problem


# --- plugins ----------------------------------------------------------------------------------------------------

PLUGIN = PluginParameters(
    "addons", spec(configMapRef={"name": "plugin"}, input={"parameters": {"team": "web", "n": 1}})
)


async def test_a_plugin_is_asked_with_its_token_and_its_parameters(world: World) -> None:
    server = HostServer()
    server.routes["POST /sub/api/v1/getparams.execute"] = {"body": {"output": {"parameters": [{"a": 1}, {"b": [2]}]}}}
    async with serving(server):
        world.put(
            host_map("plugin", {"baseUrl": f"{server.url}/sub", "token": "$plugin-login:key", "requestTimeout": "5"})
        )
        world.put(secret("plugin-login", kind="other", key="t0ken\n"))
        assert await world.ask(PLUGIN, namespace="team") == Answer(value=({"a": 1}, {"b": [2]}))
    assert server.posted == [{"applicationSetName": "addons", "input": {"parameters": {"team": "web", "n": 1}}}]
    assert server.headers[0]["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "there is no ConfigMap argocd/plugin on hub"),
        ({"token": "$a"}, "has no baseUrl"),
        ({"baseUrl": "http://plugin"}, "has no token"),
        ({"baseUrl": "http://plugin", "token": "plain"}, "is no reference to a Secret"),
        ({"baseUrl": "http://plugin", "token": "$nowhere:x"}, "there is no Secret argocd/nowhere on hub"),
        ({"baseUrl": "http://plugin", "token": "$login:x"}, "Secret argocd/login on hub has no key 'x'"),
        ({"baseUrl": "http://plugin", "token": "$login:token", "requestTimeout": "soon"}, "no whole number of seconds"),
        ({"baseUrl": "plugin", "token": "$login:token"}, "is no http or https address"),
    ],
)
async def test_a_plugin_that_is_not_as_it_has_to_be(world: World, config: dict[str, str] | None, said: str) -> None:
    if config is not None:
        world.put(host_map("plugin", config))
    assert said in (await world.ask(PLUGIN)).problem


async def test_a_plugin_takes_no_longer_than_it_may_and_answers_with_maps(world: World) -> None:
    server = HostServer()
    async with serving(server):
        world.put(host_map("plugin", {"baseUrl": server.url, "token": "$login:token"}))
        server.routes["POST /api/v1/getparams.execute"] = {"body": {"output": {"parameters": [1]}}}
        assert "no list of maps" in (await world.ask(PLUGIN)).problem
        server.routes["POST /api/v1/getparams.execute"] = {"body": {"error": "no such team"}, "status": 400}
        assert "'no such team'" in (await world.ask(PLUGIN)).problem
    assert "without a hub" in (await world.ask(PLUGIN, hub="")).problem
    assert "there is no hub elsewhere" in (await world.ask(PLUGIN, hub="elsewhere")).problem


# --- cluster decision resources ----------------------------------------------------------------------------------

DUCK = {"apiVersion": "mallard.io/v1beta1", "kind": "ducks", "matchKey": "clusterName"}
DUCKS = ApiResource(group="mallard.io", version="v1beta1", kind="Duck", plural="ducks", namespaced=True)


class Pond(FakeCluster):
    """A cluster that notes how it was asked to list."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Discovery([*self.served, DUCKS])
        self.lists: list[tuple[str, str, str]] = []

    async def list(self, resource: ApiResource, namespace: str = "", **how: Any) -> list[Any]:
        self.lists.append((namespace, how.get("labels", ""), how.get("fields", "")))
        return await super().list(resource, namespace, **how)


def duck(**rest: Any) -> Decisions:
    return Decisions(spec(configMapRef="duck", **rest))


async def test_decisions_are_the_hubs_own_objects(world: World) -> None:
    pond = world.hub = Pond()
    world.put(host_map("duck", DUCK))
    status = {"clusters": [{"clusterName": "edge"}]}
    made = manifest("Duck", "quack", namespace="argocd", apiVersion="mallard.io/v1beta1", status=status)
    pond.objects[ObjectRef("mallard.io", "Duck", "argocd", "quack")] = made
    wanted = Answer(value={"matchKey": "clusterName", "statusListKey": "clusters", "objects": [made]})
    assert await world.ask(duck(name="quack")) == wanted
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["x", "y"]},
            {"key": "d", "operator": "DoesNotExist"},
            {"key": "e", "operator": "Exists"},
        ],
    }
    assert await world.ask(duck(labelSelector=selector)) == wanted
    assert pond.lists == [("argocd", "", "metadata.name=quack"), ("argocd", "a=1,b=2,c in (x,y),!d,e", "")]
    world.put(host_map("duck", {**DUCK, "kind": "Duck", "statusListKey": "decisions"}))
    assert (await world.ask(duck(name="quack"))).value["statusListKey"] == "decisions"


@pytest.mark.parametrize(
    ("config", "generator", "said"),
    [
        ({"apiVersion": "v1", "kind": "ducks"}, {"name": "q"}, "names no apiVersion with a group"),
        ({"apiVersion": "mallard.io/v1", "kind": "ducks"}, {"name": "q"}, "serves no ducks of mallard.io/v1"),
        (DUCK, {}, "either a name or a labelSelector"),
        (DUCK, {"name": "q", "labelSelector": {"matchLabels": {"a": "1"}}}, "either a name or a labelSelector"),
        (DUCK, {"name": "q"}, "named 'q' in argocd on hub"),
        (DUCK, {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}, "no operator 'Near'"),
    ],
)
async def test_decisions_that_are_not_as_they_have_to_be(
    world: World, config: dict[str, str], generator: dict[str, Any], said: str
) -> None:
    world.hub = Pond()
    world.put(host_map("duck", config))
    assert said in (await world.ask(duck(**generator))).problem


# --- who may ask what -------------------------------------------------------------------------------------------

GITHUB = {"owner": "acme", "repo": "shop", "tokenRef": {"secretName": "login", "key": "token"}}


def pulls(server: HostServer, **part: Any) -> HostPullRequests:
    return HostPullRequests("github", spec(github={**GITHUB, "api": server.url, **part}))


@pytest.mark.parametrize(
    ("parameters", "labels", "namespace", "said"),
    [
        ({}, False, "argocd", ""),
        ({"enable.scm.providers": "false"}, False, "argocd", "are switched off on this hub"),
        ({"allowed.scm.providers": "https://a.example/, {url}"}, False, "argocd", ""),
        ({"allowed.scm.providers": "https://a.example/"}, False, "argocd", "does not allow the SCM provider at"),
        ({"enable.tokenref.strict.mode": "true"}, False, "argocd", "Secret argocd/login may not be used here"),
        ({"enable.tokenref.strict.mode": "true"}, True, "argocd", ""),
        ({}, False, "team", "may not be named outside of namespace argocd"),
        ({"allowed.scm.providers": "{url}"}, False, "team", "there is no Secret team/login on hub"),
    ],
)
async def test_the_hubs_administrator_says_who_may_ask_whom(
    world: World, parameters: dict[str, str], labels: bool, namespace: str, said: str
) -> None:
    server = HostServer("github")
    async with serving(server):
        told = {f"applicationsetcontroller.{k}": v.replace("{url}", server.url) for k, v in parameters.items()}
        world.hub = hub(labels=labels, parameters=told, login={"token": "s3cr3t"})
        found = await world.ask(pulls(server), namespace=namespace)
    assert said in found.problem
    assert bool(found.problem) is bool(said)
    assert bool(server.asked) is not bool(said)


async def test_rules_that_may_not_be_read_permit_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> Any:
        raise ForbiddenError("configmaps is forbidden", cluster="hub", code=403)

    server = HostServer("github")
    monkeypatch.setattr(world.hub, "get", refuse)
    async with serving(server):
        assert "configmaps is forbidden" in (await world.ask(pulls(server))).problem
    assert server.asked == []


async def test_without_a_hub_the_users_own_token_goes_to_hosts_of_his_own_alone(world: World) -> None:
    world.environment |= {"GITHUB_TOKEN": "0wn"}
    server = HostServer("github")
    async with serving(server):
        found = await world.ask(pulls(server), hub="")
    assert [one["number"] for one in found.value] == [7, 8]
    assert "Authorization" not in server.headers[0]
    own = world.own
    world.environment |= {"GITEA_TOKEN": "t"}
    assert own.token(Kind.GITHUB, "https://api.github.com").secret == "0wn"
    assert own.token(Kind.GITEA, "https://gitea.example/x/y").secret == "t"
    assert own.token(Kind.GITEA, "https://gitea.evil.example") == NOBODY
    assert own.token(Kind.GITHUB, "http://api.github.com") == NOBODY
    assert own.token(Kind.GITHUB, "https://gitea.example") == NOBODY


async def test_a_certificate_comes_from_a_config_map(world: World) -> None:
    world.put(host_map("ca", {"ca.pem": "no certificate"}))
    part = {"project": "1", "api": "https://gitlab.example", "caRef": {"configMapName": "ca", "key": "ca.pem"}}
    found = await world.ask(HostPullRequests("gitlab", spec(gitlab=part)))
    assert "the certificates for https://gitlab.example can't be used" in found.problem


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (HostRepositories("awsCodeCommit", spec(awsCodeCommit={"region": "eu"})), "AWS CodeCommit is not supported"),
        (HostRepositories("sourcehut", spec(sourcehut={})), "there is no SCM provider 'sourcehut'"),
        (HostRepositories("gitea", spec(gitea={"owner": "x"})), "a gitea generator needs the address"),
        (
            HostRepositories("azureDevOps", spec(azureDevOps={"organization": "x", "teamProject": "y"})),
            "without a token",
        ),
        (HostRepositories("github", spec(github={"organization": ".."})), "is no name of anything on a Git host"),
        (
            HostRepositories("github", spec(github={"organization": "x"}, filters=[{"repositoryMatch": "("}])),
            "the filter repositoryMatch '(' is no regular expression",
        ),
    ],
)
async def test_what_is_no_provider_is_said_by_name(world: World, question: Question, said: str) -> None:
    assert said in (await world.ask(question)).problem


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl signs for GitHub Apps")
async def test_a_github_app_logs_in_with_its_secret_of_argo_cds_namespace(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    app = {"githubAppID": "12", "githubAppPrivateKey": (authority.folder / "ca.key").read_text()}
    server = HostServer("github")
    server.routes |= {
        "GET /api/v3/app/installations?per_page=100&page=1": {"body": [{"id": 34, "account": {"login": "Acme"}}]},
        "POST /api/v3/app/installations/34/access_tokens": {
            "body": {"token": "ghs_s3cr3t", "expires_at": "2099-01-01T00:00:00Z"}
        },
    }
    async with serving(server):
        world.put(secret("app", kind="repo-creds", url="https://ghe.example", **app))
        question = pulls(server, appSecretName="app")
        found = await world.ask(question)
        assert not found.problem
        assert [one["number"] for one in found.value] == [7, 8]
        assert server.headers[-1]["Authorization"] == "Bearer ghs_s3cr3t"
        world.put(secret("app", kind="repo-creds", url="https://ghe.example"))
        assert "argocd/app has no GitHub App" in (await world.ask(question, fresh=True)).problem


# --- how often --------------------------------------------------------------------------------------------------


async def test_a_host_is_asked_again_when_the_time_has_come_or_when_that_is_wanted(world: World) -> None:
    server = HostServer("github")
    async with serving(server):
        question = pulls(server)
        await world.ask(question)
        await world.ask(question)
        assert server.count("pulls") == 1
        await world.ask(question, namespace="team")  # refused: another namespace has another Secret
        world.clock.now += REMEMBERED * 0.8
        await world.ask(question)
        assert server.count("pulls") == 1
        await world.ask(question, fresh=True)
        assert server.count("pulls") == 2
        world.clock.now += REMEMBERED
        await world.ask(question)
        assert server.count("pulls") == 3
        often = json.loads(question.spec) | {"requeueAfterSeconds": 60}
        for _ in range(2):
            await world.ask(HostPullRequests("github", spec(**often)))
            world.clock.now += 60
        assert server.count("pulls") == 5


async def test_all_that_an_answer_takes_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "_PATIENCE", 0.05)
    server = HostServer()
    async with serving(server):
        question = HostRepositories("bitbucket", spec(bitbucket={"owner": "slow", "api": server.url}))
        assert "took longer than 0 s" in (await world.ask(question)).problem


async def test_what_failed_is_not_remembered(world: World) -> None:
    server = HostServer("github")
    known = dict(server.routes)
    server.routes.clear()
    async with serving(server):
        assert (await world.ask(pulls(server))).problem
        server.routes |= known
        assert len((await world.ask(pulls(server))).value) == 2
        # What was known before something is asked anew is no answer any more.
        server.routes.clear()
        world.clock.now += 1
        assert (await world.ask(pulls(server), fresh=True)).problem
        assert (await world.ask(pulls(server))).problem
