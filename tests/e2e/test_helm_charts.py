"""Charts rendered by the real helm: options, failures, dependencies, and how a run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.charts import ChartRepositories
from backends.helm import HelmBinary
from fleetui.model.errors import ChartError, ManifestError, RefusedError, ToolMissingError
from fleetui.model.objects import Obj
from fleetui.render.helm import printed
from fleetui.renderports import HelmRequest
from tests.e2e.helm import find_helm
from tests.unit.charts import ChartServer, archive, serving
from tests.waiting import await_until

CHART = {
    "Chart.yaml": b"apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "values.yaml": b"a: default\nlist: [1, 2]\n",
    "templates/map.yaml": b"""apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  a: {{ .Values.a | quote }}
  kind: {{ kindOf .Values.a }}
  list: {{ .Values.list | toJson | quote }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  has: {{ .Capabilities.APIVersions.Has "example.com/v1/Thing" | quote }}
  file: {{ .Values.file | default "" | quote }}
""",
    "templates/tests/test.yaml": b"apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
    "crds/thing.yaml": b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n",
}


@pytest.fixture
async def server() -> AsyncIterator[ChartServer]:
    made = ChartServer()
    async with serving(made):
        yield made


@pytest.fixture
async def charts(tmp_path: Path) -> AsyncIterator[ChartRepositories]:
    made = ChartRepositories(cache=tmp_path / "charts")
    yield made
    await made.close()


@pytest.fixture
def helm(charts: ChartRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HelmBinary:
    found = find_helm()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))

    async def address_of(name: str, project: str) -> str:
        return "https://charts.example.com" if name == "known" else ""

    return HelmBinary(charts, binary=found, address_of=address_of)


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert list((tmp_path / "work").glob("*")) == []


def request(chart: Mapping[str, bytes] = CHART, **fields: Any) -> HelmRequest:
    return HelmRequest(**{"chart": chart, "release": "rel", "namespace": "shop", "chart_name": "charts/web", **fields})


async def rendered(helm: HelmBinary, chart: Mapping[str, bytes] = CHART, **fields: Any) -> list[Obj]:
    return [each.obj for each in printed(await helm.template(request(chart, **fields)))]


async def data(helm: HelmBinary, **fields: Any) -> dict[str, Any]:
    found = next(obj for obj in await rendered(helm, **fields) if obj["kind"] == "ConfigMap")
    return {"name": found["metadata"]["name"], "namespace": found["metadata"]["namespace"], **found["data"]}


async def test_a_chart_with_every_option(helm: HelmBinary) -> None:
    options = {
        "releaseName": "mine",
        "kubeVersion": "v1.30.4+eks",
        "apiVersions": ["example.com/v1/Thing"],
        "parameters": [{"name": "a", "value": "1", "forceString": True}, {"name": "list", "value": "{x,y}"}],
        "valuesObject": {"a": "loses against the parameter", "list": ["loses too"]},
    }
    assert await data(helm, options=options, file_parameters={"file": b"one,\ntwo"}) == {
        "name": "mine",
        "namespace": "shop",
        "a": "1",
        "kind": "string",
        "list": '["x","y"]',
        "kube": "v1.30.4",
        "has": "true",
        "file": "one,\ntwo",
    }


async def test_values_come_in_their_order(helm: HelmBinary) -> None:
    files = [("one.yaml", b"a: one\nfile: one\n"), ("two.yaml", b"a: two\n")]
    assert (await data(helm, values=files))["a"] == "two"
    assert (await data(helm, values=files[::-1]))["a"] == "one"
    assert (await data(helm, values=files, options={"values": "a: own"})).items() >= {"a": "own", "file": "one"}.items()
    odd = {"a": "x\u2028\x7f\ufeff😀: {"}
    assert (await data(helm, options={"valuesObject": odd}))["a"] == odd["a"]
    assert (await data(helm, options={"parameters": [{"name": "a", "value": "x,y=z"}]}))["a"] == "x,y=z"


async def test_what_is_left_out(helm: HelmBinary) -> None:
    assert [obj["kind"] for obj in await rendered(helm)] == ["CustomResourceDefinition", "ConfigMap", "Pod"]
    skips = {"skipCrds": True, "skipTests": True}
    assert [obj["kind"] for obj in await rendered(helm, options=skips)] == ["ConfigMap"]


async def test_a_schema_counts_unless_it_is_skipped(helm: HelmBinary) -> None:
    schema = b'{"type": "object", "properties": {"a": {"type": "number"}}}'
    chart = {**CHART, "values.schema.json": schema}
    with pytest.raises(ManifestError, match=r"^charts/web: values don't meet the specifications .*'/a': got string"):
        await helm.template(request(chart))
    assert await rendered(helm, chart, options={"skipSchemaValidation": True})


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (b"\n{{ foo }}", 'web/templates/bad.yaml:2: function "foo" not defined'),
        (b"a: {{ required `need b` .Values.b }}", "web/templates/bad.yaml:1: need b"),
        (b"\n\na: {{ .Values.x.y.z }}", "web/templates/bad.yaml:3: executing"),
        (b"a: b: c", "web/templates/bad.yaml: YAML parse error"),
    ],
)
async def test_a_template_that_fails_is_named_with_its_line(helm: HelmBinary, template: bytes, sentence: str) -> None:
    with pytest.raises(ManifestError) as error:
        await helm.template(request({**CHART, "templates/bad.yaml": template}))
    assert str(error.value).startswith(sentence)
    assert "fleetui-helm" not in str(error.value)
    assert "\n" not in str(error.value)


async def test_values_that_are_no_yaml_are_named_as_the_source_names_them(helm: HelmBinary) -> None:
    with pytest.raises(ManifestError, match=r"^\$env/prod.yaml:2: "):
        await helm.template(request(values=[("$env/prod.yaml", b"a: 1\nb: [\n")]))
    with pytest.raises(ManifestError, match=r"^helm.values:1: "):
        await helm.template(request(options={"values": "b: ["}))


async def test_no_cluster_and_no_setting_of_the_operator_is_looked_at(
    helm: HelmBinary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HELM_NAMESPACE", "other")
    monkeypatch.setenv("SECRET", "s3cret")
    chart = {
        **CHART,
        "templates/map.yaml": b"kind: ConfigMap\nmetadata: {name: a, namespace: x}\n"
        b'data: {env: \'{{ env "SECRET" }}\', found: \'{{ lookup "v1" "Secret" "x" "y" | toJson }}\'}\n',
    }
    with pytest.raises(ManifestError, match='function "env" not defined'):
        await rendered(helm, chart)
    chart["templates/map.yaml"] = chart["templates/map.yaml"].replace(b'{{ env "SECRET" }}', b"")
    found = await rendered(helm, chart, options={"skipCrds": True, "skipTests": True})
    assert found[0]["data"] == {"env": "", "found": "{}"}


# --- dependencies -----------------------------------------------------------------------------------------------


def depending(*lines: str) -> dict[str, bytes]:
    return {**CHART, "Chart.yaml": CHART["Chart.yaml"] + "\n".join(["dependencies:", *lines, ""]).encode()}


def names(objects: list[Obj]) -> set[str]:
    return {obj["metadata"]["name"] for obj in objects if obj["kind"] == "ConfigMap"}


async def test_dependencies_are_fetched_where_they_are_missing(helm: HelmBinary, server: ChartServer) -> None:
    server.put("sub", "1.0.0", "1.5.0", "2.0.0")
    server.put("extra", "1.0.0")
    chart = depending(
        f"- {{name: sub, version: 1.x, repository: '{server.url}', alias: other}}",
        f"- {{name: extra, version: 1.0.0, repository: '{server.url}', condition: extra.enabled}}",
    )
    off = {"values": "extra: {enabled: false}"}
    assert names(await rendered(helm, chart, options=off)) == {"rel", "rel-other"}
    assert server.count("sub-1.5.0.tgz") == 1
    assert names(await rendered(helm, chart)) == {"rel", "rel-other", "rel-extra"}
    assert server.count(".tgz") == 2


async def test_what_is_in_charts_is_not_fetched(helm: HelmBinary, server: ChartServer) -> None:
    server.put("sub", "1.0.0")
    server.put("base", "1.0.0")
    chart = depending(
        f"- {{name: sub, version: 1.x, repository: '{server.url}'}}",
        f"- {{name: base, version: 1.x, repository: '{server.url}'}}",
    )
    vendored = {**chart, "charts/sub-1.0.0.tgz": archive("sub", "1.0.0")}
    assert names(await rendered(helm, vendored)) == {"rel", "rel-sub", "rel-base"}
    assert server.count("sub-1.0.0.tgz") == 0


async def test_a_dependency_of_the_same_repository(helm: HelmBinary) -> None:
    sub = {
        "Chart.yaml": b"name: sub\napiVersion: v2\nversion: 1.2.0\n",
        "templates/m.yaml": CHART["templates/map.yaml"],
    }
    repository = {f"charts/sub/{path}": content for path, content in sub.items()}
    chart = depending("- {name: sub, version: ^1.0.0, repository: 'file://../sub'}")
    found = await rendered(helm, chart, repository=repository, folder="charts/web")
    assert len([obj for obj in found if obj["kind"] == "ConfigMap"]) == 2
    chart = depending("- {name: sub, version: ^2.0.0, repository: 'file://../sub'}")
    with pytest.raises(ManifestError, match="can't get a valid version for dependency sub"):
        await rendered(helm, chart, repository=repository, folder="charts/web")
    chart = depending("- {name: sub, version: ^2.0.0, repository: 'file://../none'}")
    with pytest.raises(ManifestError, match=r"there is no chart at file://\.\./none"):
        await rendered(helm, chart, repository=repository, folder="charts/web")


@pytest.mark.parametrize(
    ("repository", "kind", "words"),
    [
        ("file://../../../x", RefusedError, "lies outside the repository"),
        ("https://other.example.com/charts", RefusedError, "are not permitted in project 'team'"),
        ("oci://other.example.com/charts", RefusedError, "are not permitted in project 'team'"),
        ("git+ssh://x/y", RefusedError, "and neither at https:// nor oci:// nor file://"),
        ("@none", ManifestError, "there is no repository of the name 'none'"),
        ("alias:known", RefusedError, "helm repos https://charts.example.com are not permitted"),
    ],
)
async def test_dependencies_that_are_refused(
    helm: HelmBinary, repository: str, kind: type[Exception], words: str
) -> None:
    chart = depending(f"- {{name: sub, version: 1.x, repository: '{repository}'}}")
    with pytest.raises(kind) as error:
        await helm.template(request(chart, project="team", source_repos=["https://git.example.com/*"]))
    assert words in str(error.value)


async def test_a_dependency_that_is_nowhere(helm: HelmBinary, server: ChartServer) -> None:
    with pytest.raises(ChartError, match="there is no index of charts at"):
        await helm.template(request(depending(f"- {{name: sub, version: 1.x, repository: '{server.url}/none'}}")))


# --- how a run ends -----------------------------------------------------------------------------------------------


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "helm"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    """Whether it runs; a zombie that no init has taken yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.usefixtures("helm")
async def test_a_run_that_hangs_ends(charts: ChartRepositories, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"helm did not end within 0\.2 s"):
        await HelmBinary(charts, binary=script(tmp_path, "exec sleep 1000"), timeout=0.2).template(request())


@pytest.mark.usefixtures("helm")
async def test_a_run_that_is_cancelled_ends_with_all_that_it_started(charts: ChartRepositories, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    slow = script(tmp_path, f"sleep 1000 & echo $! > {note}.new; mv {note}.new {note}; wait")
    running = asyncio.create_task(HelmBinary(charts, binary=slow).template(request()))
    await await_until(note.exists, 20, "the program has started another")
    pid = int(note.read_text())
    assert alive(pid)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await await_until(lambda: not alive(pid), 10, "what it started is gone")


@pytest.mark.usefixtures("helm")
async def test_a_run_that_prints_without_end_is_cut_off(
    charts: ChartRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.helm.MOST_OUTPUT", 1024 * 1024)
    with pytest.raises(ManifestError, match="printed more than 1 MiB"):
        await HelmBinary(charts, binary=script(tmp_path, "exec yes")).template(request())


async def test_a_chart_that_is_too_large_is_not_laid_out(helm: HelmBinary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.tool_process.MOST_FILES", 3)
    with pytest.raises(ManifestError, match=r"^charts/web is too large"):
        await helm.template(request())


@pytest.mark.parametrize("path", ["templates", "a" * 300, "values.yaml/x"])
async def test_a_chart_that_no_disk_can_hold_is_named(helm: HelmBinary, path: str) -> None:
    with pytest.raises(ManifestError, match=r"^charts/web can't be laid out for its tool: "):
        await helm.template(request({**CHART, path: b"x"}))
    with pytest.raises(RefusedError, match="holds a path that leads out of it"):
        await helm.template(request({**CHART, "../x": b"x"}))


@pytest.mark.usefixtures("helm")
async def test_without_helm_the_error_says_what_to_install(
    charts: ChartRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("backends.helm.SDK", "no_such_module")
    with pytest.raises(ToolMissingError, match=r"Helm charts need helm.*pip install 'fleetui\[helm\]'"):
        await HelmBinary(charts).template(request())
