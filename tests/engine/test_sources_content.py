"""What is rendered, and how often: sources by their content, one or several."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fleetui.engine.rendering import Place
from fleetui.engine.sources import Sources
from fleetui.engine.sourceset import SourceSet
from fleetui.model.errors import FleetError
from fleetui.model.objects import Discovery, Obj
from fleetui.renderports import HelmRequest, KustomizeRequest, Tools
from tests.engine.bench import Remotes, Repo

PLACE = Place("shop", "shop", Discovery((), version="v1.33.1"))


def config(name: str, **data: str) -> bytes:
    lines = "".join(f"  {key}: '{value}'\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}".encode()


def commit(repo: Repo, files: Mapping[str, bytes]) -> str:
    sha = repo.push()
    repo.commits[sha] = dict(files)
    return sha


def one(path: str = "app", **more: Any) -> SourceSet:
    return SourceSet(({"repoURL": "main", "path": path, "targetRevision": "main", **more},))


def several(*sources: Obj) -> SourceSet:
    return SourceSet(sources, multiple=True)


class Bench:
    def __init__(self, tools: Tools | None = None) -> None:
        self.repo, self.other = Repo(), Repo()
        self.sources = Sources(Remotes(main=self.repo, other=self.other), lambda _: None, tools=tools)

    async def names(self, wanted: SourceSet, place: Place = PLACE) -> list[str]:
        loaded = await self.sources.load(wanted, place)
        return [each.obj["metadata"]["name"] for each in loaded.manifests]

    async def error(self, wanted: SourceSet) -> str:
        with pytest.raises(FleetError) as error:
            await self.sources.load(wanted, PLACE)
        return str(error.value)


async def test_a_commit_that_touches_one_of_500_folders_renders_one() -> None:
    bench = Bench()
    files = {f"apps/{number}/a.yaml": config(f"a{number}") for number in range(500)}
    first = commit(bench.repo, files)
    apps = [one(f"apps/{number}") for number in range(500)]
    for app in apps:
        assert (await bench.sources.load(app, PLACE)).revisions == (first,)
    assert bench.sources.renders == 500
    second = commit(bench.repo, files | {"apps/7/a.yaml": config("changed"), "README.md": b"x"})
    bench.sources._on_moved("main")
    found = [await bench.sources.load(app, PLACE) for app in apps]
    assert {each.revisions for each in found} == {(second,)}
    assert bench.sources.renders == 501
    assert found[7].manifests[0].obj["metadata"]["name"] == "changed"


async def test_what_the_source_says_of_its_tool_counts_and_nothing_else() -> None:
    bench = Bench()
    commit(bench.repo, {"app/a.yaml": config("a"), "app/sub/b.yaml": config("b")})
    assert await bench.names(one()) == ["a"]
    assert await bench.names(one(targetRevision="HEAD", name="x")) == ["a"]
    assert await bench.names(one(), Place("shop", "elsewhere", Discovery((), version="v1.34.0"))) == ["a"]
    assert bench.sources.renders == 1
    assert await bench.names(one(directory={"recurse": True})) == ["a", "b"]
    assert await bench.names(one()) == ["a"]
    assert bench.sources.renders == 2
    bench.sources.forget()
    assert await bench.names(one()) == ["a"]
    assert bench.sources.renders == 3, "a hard refresh renders anew"


async def test_a_failure_is_remembered_for_what_it_is_a_failure_of() -> None:
    bench = Bench()
    broken = {"app/a.yaml": b"apiVersion: v1\nkind: [\nmetadata: {}\n"}
    commit(bench.repo, broken)
    said = await bench.error(one())
    assert said.startswith("failed to generate manifest for source 1 of 1: app/a.yaml:")
    commit(bench.repo, broken | {"other/b.yaml": b"x"})
    bench.sources._on_moved("main")
    assert await bench.error(one()) == said
    assert bench.sources.renders == 1
    commit(bench.repo, {"app/a.yaml": config("a")})
    bench.sources._on_moved("main")
    assert await bench.names(one()) == ["a"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/app", "/app: app path is absolute"),
        ("../app", "../app: app path outside root"),
        ("app/../../x", "app/../../x: app path outside root"),
        ("gone", "gone: app path does not exist"),
        ("app/a.yaml", "app/a.yaml: app path is not a directory"),
    ],
)
async def test_a_path_that_is_no_folder_of_the_repository(path: str, said: str) -> None:
    bench = Bench()
    commit(bench.repo, {"app/a.yaml": config("a")})
    assert await bench.error(one(path)) == f"failed to generate manifest for source 1 of 1: {said}"


async def test_several_sources_give_all_their_manifests_in_order() -> None:
    bench = Bench()
    ours = commit(bench.repo, {"app/a.yaml": config("a"), "more/b.yaml": config("b")})
    theirs = commit(bench.other, {"x/c.yaml": config("c")})
    wanted = several(
        {"repoURL": "other", "path": "x"},
        {"repoURL": "main", "ref": "values"},
        {"repoURL": "main", "path": "more"},
        {"repoURL": "main", "path": "app", "ref": "also"},
    )
    loaded = await bench.sources.load(wanted, PLACE)
    assert loaded.revisions == (theirs, ours, ours, ours)
    assert loaded.tools == ("Directory", "", "Directory", "Directory")
    assert [each.obj["metadata"]["name"] for each in loaded.manifests] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            [{"repoURL": "main", "path": "app"}, {"repoURL": "other", "path": "gone"}],
            "failed to generate manifest for source 2 of 2: gone: app path does not exist",
        ),
        (
            [{"repoURL": "main", "path": "app", "ref": "a"}, {"repoURL": "other", "ref": "a"}],
            "failed to get ref sources: invalid sources: multiple sources had the same `ref` key",
        ),
        (
            [{"repoURL": "main", "ref": "a.b"}],
            "failed to get ref sources: sources.ref a.b cannot contain any special characters except '_' and '-'",
        ),
        (
            [
                {"repoURL": "main", "path": "app", "helm": {"valueFiles": ["$v/x.yaml", "$w/x.yaml"]}},
                {"repoURL": "other", "ref": "v"},
                {"repoURL": "other", "ref": "w", "targetRevision": "main"},
            ],
            "failed to generate manifest for source 1 of 3: cannot reference multiple revisions for the same "
            'repository ($w references "main" while $v references "")',
        ),
        (
            [
                {"repoURL": "main", "path": "app", "helm": {"valueFiles": ["$w/x.yaml"]}},
                {"repoURL": "other", "ref": "v"},
            ],
            'failed to generate manifest for source 1 of 2: source referenced "$w", which is not one of the available '
            "sources ($v)",
        ),
        (
            [{"repoURL": "main", "path": "app", "helm": {"valueFiles": ["$w/x.yaml"]}}],
            "failed to generate manifest for source 1 of 1: source referenced \"$w\", but no source has a 'ref' field "
            "defined",
        ),
        (
            [
                {"repoURL": "main", "path": "app", "helm": {"valueFiles": ["$v/x.yaml"]}},
                {"repoURL": "other", "chart": "x", "targetRevision": "1", "ref": "v"},
            ],
            "failed to generate manifest for source 1 of 2: source has a 'chart' field defined, but Helm charts are "
            "not yet not supported for 'ref' sources",
        ),
    ],
)
async def test_what_several_sources_can_not_be(sources: list[Obj], said: str) -> None:
    bench = Bench()
    commit(bench.repo, {"app/a.yaml": config("a")})
    commit(bench.other, {"x/c.yaml": config("c")})
    assert await bench.error(several(*sources)) == said


class Binaries:
    """Helm and kustomize that print what they were given."""

    def __init__(self) -> None:
        self.helm: list[HelmRequest] = []
        self.kustomize: list[KustomizeRequest] = []

    async def template(self, request: HelmRequest) -> bytes:
        self.helm.append(request)
        return b"---\n# Source: chart/templates/a.yaml\n" + config(request.release, **dict(_pairs(request)))

    async def build(self, request: KustomizeRequest) -> bytes:
        self.kustomize.append(request)
        return config(request.files[f"{request.folder}/name"].decode())


def _pairs(request: HelmRequest) -> list[tuple[str, str]]:
    return [(name.replace("/", "-").replace("$", ""), content.decode()) for name, content in request.values]


async def test_files_of_values_lie_in_other_sources_and_count_as_content() -> None:
    tool = Binaries()
    bench = Bench(Tools(helm=tool))
    chart = {"chart/Chart.yaml": b"name: chart", "chart/values.yaml": b"own"}
    commit(bench.repo, chart)
    commit(bench.other, {"prod/v.yaml": b"1", "README.md": b""})
    wanted = several(
        {"repoURL": "main", "path": "chart", "helm": {"valueFiles": ["values.yaml", "$env/prod/v.yaml"]}},
        {"repoURL": "other", "ref": "env"},
    )
    loaded = await bench.sources.load(wanted, PLACE)
    assert loaded.tools == ("Helm", "")
    assert loaded.manifests[0].obj["data"] == {"chart-values.yaml": "own", "env-prod-v.yaml": "1"}
    request = tool.helm[0]
    assert (request.release, request.namespace, request.kube_version) == ("shop", "shop", "v1.33.1")
    commit(bench.other, {"prod/v.yaml": b"1", "README.md": b"changed"})
    bench.sources._on_moved("other")
    await bench.sources.load(wanted, PLACE)
    assert len(tool.helm) == 1
    commit(bench.other, {"prod/v.yaml": b"2"})
    bench.sources._on_moved("other")
    assert (await bench.sources.load(wanted, PLACE)).manifests[0].obj["data"]["env-prod-v.yaml"] == "2"
    await bench.names(wanted, Place("shop", "shop", Discovery((), version="v1.34.0")))
    assert len(tool.helm) == 3, "what the cluster serves may change what a chart gives"


async def test_the_commit_counts_where_the_source_names_it() -> None:
    tool = Binaries()
    bench = Bench(Tools(helm=tool))
    wanted = one("chart", helm={"parameters": [{"name": "tag", "value": "$ARGOCD_APP_REVISION_SHORT"}]})
    for number in range(2):
        sha = commit(bench.repo, {"chart/Chart.yaml": b"name: chart", "README.md": b"%d" % number})
        bench.sources._on_moved("main")
        await bench.names(wanted)
        assert tool.helm[-1].options["parameters"] == [{"name": "tag", "value": sha[:7]}]
    assert len(tool.helm) == 2


async def test_a_tool_that_is_missing_is_named_and_looked_for_again() -> None:
    bench = Bench()
    commit(bench.repo, {"chart/Chart.yaml": b"name: chart"})
    assert "a Helm chart needs helm to be rendered" in await bench.error(one("chart"))
    assert "a Helm chart needs helm to be rendered" in await bench.error(one("chart"))
    assert bench.sources.renders == 2


async def test_plugins_and_jsonnet_are_refused_by_name() -> None:
    bench = Bench()
    commit(bench.repo, {"app/a.jsonnet": b"{}", "b/a.yaml": config("a")})
    assert "app/a.jsonnet: Jsonnet is not supported" in await bench.error(one())
    assert "plugin 'cue' is asked for by spec.source.plugin, and this" in await bench.error(
        one("b", plugin={"name": "cue"})
    )
    assert "multiple application sources defined: " in await bench.error(one("b", directory={}, plugin={}))


async def test_the_memory_is_bounded() -> None:
    bench = Bench()
    bench.sources._loader.renderer._limit = 20_000
    bench.sources.forget()
    commit(bench.repo, {f"{number}/a.yaml": config("a", text="x" * 1000) for number in range(10)})
    for number in range(10):
        await bench.names(one(str(number)))
    for number in range(10):
        await bench.names(one(str(number)))
    assert bench.sources.renders > 15


KUSTOMIZED = {
    "base/kustomization.yaml": b"resources: [a.yaml]",
    "base/a.yaml": config("a"),
    "prod/kustomization.yaml": b"namePrefix: prod-\nresources: [../base]",
}


async def test_a_kustomization_is_built_and_depends_on_the_files_it_names() -> None:
    bench = Bench()
    commit(bench.repo, KUSTOMIZED)
    loaded = await bench.sources.load(one("prod", kustomize={"nameSuffix": "-1"}), PLACE)
    assert [each.obj["metadata"]["name"] for each in loaded.manifests] == ["prod-a-1"]
    assert loaded.tools == ("Kustomize",)
    assert await bench.names(one("prod")) == ["prod-a"]
    commit(bench.repo, KUSTOMIZED | {"base/other.yaml": b"x", "dev/kustomization.yaml": b"x"})
    bench.sources._on_moved("main")
    assert await bench.names(one("prod")) == ["prod-a"]
    assert bench.sources.renders == 2
    commit(bench.repo, KUSTOMIZED | {"base/a.yaml": config("b")})
    bench.sources._on_moved("main")
    assert await bench.names(one("prod")) == ["prod-b"]
    assert bench.sources.renders == 3


async def test_what_the_native_builder_refuses_goes_to_the_binary_or_is_named() -> None:
    files = {"app/kustomization.yaml": b"helmCharts: [{name: x}]", "app/name": b"built"}
    bench = Bench()
    commit(bench.repo, files)
    assert (
        "app/kustomization.yaml:1: the field helmCharts can only be built by the kustomize binary"
        in await bench.error(one())
    )
    tool = Binaries()
    bench = Bench(Tools(kustomize=tool))
    commit(bench.repo, files)
    labels = {"commonLabels": {"app": "$ARGOCD_APP_NAME"}, "commonAnnotations": {"app": "$ARGOCD_APP_NAME"}}
    assert await bench.names(one(kustomize=labels)) == ["built"]
    assert tool.kustomize[0].options == {
        "commonLabels": {"app": "shop"},
        "commonAnnotations": labels["commonAnnotations"],
    }
    commit(bench.repo, files | {"README.md": b""})
    bench.sources._on_moved("main")
    assert await bench.names(one(kustomize=labels)) == ["built"]
    assert len(tool.kustomize) == 1


async def test_options_of_the_hub_that_change_what_is_built_are_refused_by_name() -> None:
    bench = Bench()
    commit(bench.repo, KUSTOMIZED)
    assert (await bench.sources.load(one("prod"), PLACE)).tools == ("Kustomize",)
    for options, named in (("--enable-helm", "--enable-helm"), ("--load-restrictor=none", "--load-restrictor=none")):
        place = dataclasses.replace(PLACE, build_options=options)
        with pytest.raises(FleetError, match=f"kustomize.buildOptions of argocd-cm has '{named}'"):
            await bench.sources.load(one("prod"), place)
    place = dataclasses.replace(PLACE, build_options="--load-restrictor LoadRestrictionsRootOnly")
    assert (await bench.sources.load(one("prod"), place)).tools == ("Kustomize",)


async def test_a_file_of_the_folder_may_change_its_tool() -> None:
    bench = Bench()
    override = b"kustomize: {namePrefix: file-}\nrepoURL: elsewhere\n"
    commit(bench.repo, KUSTOMIZED | {"prod/.argocd-source.yaml": override})
    assert await bench.names(one("prod")) == ["file-a"]
    own = b"kustomize: {namePrefix: own-}"
    commit(bench.repo, KUSTOMIZED | {"prod/.argocd-source.yaml": override, "prod/.argocd-source-shop.yaml": own})
    bench.sources._on_moved("main")
    assert await bench.names(one("prod")) == ["own-a"]
    assert await bench.names(one("prod"), Place("other", "shop", PLACE.discovery)) == ["file-a"]


class Catalogue:
    """A repository of charts with one chart."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str, bool]] = []
        self.projects: list[str] = []

    async def resolve(self, repo: str, chart: str, version: str, *, project: str = "", refresh: bool = False) -> str:
        self.projects.append(project)
        return version.replace("*", "4")

    async def files(
        self,
        repo: str,
        chart: str,
        version: str,
        *,
        project: str = "",
        pass_credentials: bool = False,
        refresh: bool = False,
    ) -> Mapping[str, bytes]:
        self.projects.append(project)
        self.fetched.append((version, refresh))
        return {"Chart.yaml": b"name: chart", "values.yaml": version.encode()}

    async def remote(self, url: str) -> bytes:
        return b"remote"


async def test_a_chart_of_a_repository_with_values_from_git() -> None:
    place = replace(PLACE, project="shop")
    tool, charts = Binaries(), Catalogue()
    bench = Bench(Tools(helm=tool, charts=charts))
    sha = commit(bench.repo, {"v.yaml": b"git"})
    files = ["values.yaml", "$git/v.yaml", "https://values.example/x.yaml"]
    chart = {"repoURL": "https://charts.example", "chart": "redis", "targetRevision": "1.*"}
    wanted = several({**chart, "helm": {"valueFiles": files}}, {"repoURL": "main", "ref": "git"})
    loaded = await bench.sources.load(wanted, place)
    assert set(charts.projects) == {"shop"}
    assert loaded.revisions == ("1.4", sha)
    assert [content for _, content in tool.helm[0].values] == [b"1.4", b"git", b"remote"]
    await bench.sources.load(wanted, place)
    assert bench.sources.renders == 1
    bench.sources.forget()
    await bench.sources.load(wanted, place)
    await bench.sources.load(wanted, place)
    assert charts.fetched == [("1.4", False), ("1.4", True)], "only what is rendered is fetched"


async def test_a_file_of_values_outside_of_the_repository_is_refused() -> None:
    bench = Bench(Tools(helm=Binaries()))
    commit(bench.repo, {"chart/Chart.yaml": b"name: chart"})
    assert await bench.error(one("chart", helm={"valueFiles": ["../../secret.yaml"]})) == (
        "failed to generate manifest for source 1 of 1: error resolving helm value files: error resolving value file "
        "path: file '../../secret.yaml' resolved to outside repository root"
    )
