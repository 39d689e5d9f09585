"""`fleetui appset generate`: files in, Applications or sentences with file and line out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from fleetui.cli.appset_inputs import registered
from fleetui.cli.commands import cli
from fleetui.engine.appset import RegisteredCluster
from fleetui.model.errors import UsageError
from fleetui.model.objects import ref_of
from tests.unit.appsets import PRINTED, RESTORED, appset, article, elements
from tests.unit.fakes import FakeCluster
from tests.unit.git_source import Source

CLUSTERS = "- {name: seoul-1, server: https://seoul-1}\n- {name: tokyo-1, server: https://tokyo-1}\n"
URL = "https://git.example/apps"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    file = tmp_path / "clusters.yaml"
    file.write_text(CLUSTERS)
    return file


def written(tmp_path: Path, *objects: Any) -> Path:
    file = tmp_path / "appset.yaml"
    file.write_text(yaml.safe_dump_all(objects, sort_keys=False))
    return file


def generate(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["appset", "generate", *map(str, words)], input=stdin, standalone_mode=False)


def secret(name: str, *, kind: str = "cluster") -> dict[str, Any]:
    data = {"name": name, "server": f"https://{name}", "config": "{}"}
    labels = {"argocd.argoproj.io/secret-type": kind, "region": "kr"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"of-{name}", "namespace": "argocd", "labels": labels},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def test_the_article_in_every_format(tmp_path: Path, clusters: Path) -> None:
    file = written(tmp_path, article(RESTORED))
    as_yaml = generate("-f", file, "--clusters", clusters)
    assert as_yaml.return_value == 0
    found = list(yaml.safe_load_all(as_yaml.output))
    assert len(found) == 9
    assert found == json.loads(generate("-f", file, "--clusters", clusters, "-o", "json").output)
    names = generate("-f", file, "--clusters", clusters, "-o", "name").output.splitlines()
    assert names[0] == "application.argoproj.io/seoul-1-cert-manager"
    head, first, *_ = generate("-f", file, "--clusters", clusters, "-o", "table").output.splitlines()
    assert head.split() == ["NAMESPACE", "NAME", "PROJECT", "DESTINATION", "SOURCE", "REVISION", "GENERATOR"]
    assert first.split()[3:5] == ["https://seoul-1/cert-manager", "addons/cert-manager/1.14"]


def test_the_article_as_printed_says_what_is_wrong_and_where(tmp_path: Path, clusters: Path) -> None:
    file = written(tmp_path, article(PRINTED))
    shown = generate("-f", file, "--clusters", clusters)
    assert shown.return_value == 1
    assert shown.stdout == ""
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "name: '-'" in text)
    first, second = shown.stderr.splitlines()
    assert first.startswith(f"fleetui: {file}:{line}: spec.generators[0] (matrix), elements 0, 1, 2 and 6 more,")
    assert "all 9 Applications get the same name" in first
    assert "spec.destination: has neither a server nor a name" in second


def test_a_wrong_element_is_told_with_its_line(tmp_path: Path) -> None:
    shown = generate("-f", "-", stdin=yaml.safe_dump(appset(elements({"name": "a"}, {"name": 1.14}))))
    assert shown.return_value == 1
    assert ": spec.generators[0].list.elements[1].name: is not a text" in shown.stderr
    assert shown.stderr.startswith("fleetui: -:")


def test_several_documents_and_a_namespace_for_those_without(tmp_path: Path) -> None:
    one, two = appset(elements({"name": "a"})), appset(elements({"name": "b"}))
    del two["metadata"]["namespace"]
    shown = generate("-f", written(tmp_path, one, two), "-n", "team", "-o", "json")
    assert [app["metadata"]["namespace"] for app in json.loads(shown.output)] == ["argocd", "team"]


def test_secrets_of_clusters_as_kubectl_lists_them(tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [secret("seoul-1"), secret("repo", kind="repository")]}
    file = tmp_path / "secrets.yaml"
    file.write_text(yaml.safe_dump(listed))
    given = appset({"clusters": {"selector": {"matchLabels": {"region": "kr"}}}})
    assert generate("-f", written(tmp_path, given), "--clusters", file, "-o", "name").output.splitlines() == [
        "application.argoproj.io/seoul-1"
    ]


def test_a_secret_as_it_is_written_by_hand(tmp_path: Path) -> None:
    made = secret("seoul-1")
    del made["data"]
    made["stringData"] = {"name": "seoul-1", "server": "https://seoul-1"}
    file = tmp_path / "secret.yaml"
    file.write_text(yaml.safe_dump(made))
    shown = generate("-f", written(tmp_path, appset({"clusters": {}})), "--clusters", file, "-o", "name")
    assert shown.output.split() == [f"application.argoproj.io/{name}" for name in ("seoul-1", "in-cluster")]


def test_without_clusters_there_is_the_hub_alone_which_is_said(tmp_path: Path) -> None:
    shown = generate("-f", written(tmp_path, article(RESTORED)), "-o", "name")
    assert shown.return_value == 0
    assert len(shown.stdout.splitlines()) == 3
    assert "no clusters are given" in shown.stderr
    assert not generate("-f", written(tmp_path, appset(elements({"name": "a"})))).stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no clusters"),
        ("- name: a", "missing required field `server`"),
        ("- {name: a, server: b, region: kr}", "a cluster has no field region"),
        ("- 3", "this is no cluster"),
        ("kind: Secret\nmetadata: {name: 3, labels: {argocd.argoproj.io/secret-type: cluster}}", "is no Secret"),
        ("kind: Secret\nmetadata: {labels: {argocd.argoproj.io/secret-type: cluster}}", "says no server"),
    ],
)
def test_a_file_of_clusters_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "clusters.yaml"
    file.write_text(text)
    shown = generate("-f", written(tmp_path, appset()), "--clusters", file)
    assert isinstance(shown.exception, UsageError)
    assert said in str(shown.exception)


def git_appset(url: str) -> dict[str, Any]:
    folders = {"repoURL": url, "revision": "main", "directories": [{"path": "apps/*"}]}
    files = {"repoURL": url, "revision": "main", "files": [{"path": "conf/*.yaml"}]}
    return appset({"git": folders}, {"git": files}, name="{{path.basename}}{{of}}")


def test_git_generators_read_a_folder_that_stands_for_a_repository(tmp_path: Path) -> None:
    (tmp_path / "repo" / "apps" / "a").mkdir(parents=True)
    (tmp_path / "repo" / "apps" / "a" / "x.yaml").touch()
    (tmp_path / "repo" / "conf").mkdir()
    (tmp_path / "repo" / "conf" / "b.yaml").write_text("of: '-b'")
    given = git_appset(URL)
    given["spec"]["template"]["metadata"]["name"] = "{{path.basename}}"
    shown = generate("-f", written(tmp_path, given), "--repo", f"{URL}.git={tmp_path / 'repo'}", "-o", "name")
    assert shown.output.split() == ["application.argoproj.io/a", "application.argoproj.io/conf"]


def test_git_generators_read_the_repository_itself(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.write(apps__a__x_yaml="x: 1", conf__b_yaml="of: '-b'")
    source.commit("one")
    given = git_appset(source.url)
    given["spec"]["template"]["metadata"]["name"] = "{{path.basename}}"
    shown = generate("-f", written(tmp_path, given), "-o", "name")
    assert shown.output.split() == ["application.argoproj.io/a", "application.argoproj.io/conf"]


def test_what_needs_a_hub_says_so(tmp_path: Path) -> None:
    shown = generate("-f", written(tmp_path, appset({"plugin": {"configMapRef": {"name": "c"}}})))
    assert shown.return_value == 1
    assert "--context" in shown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--repo", "x"], "no URL=FOLDER"), (["--repo", "x=/nowhere/at/all"], "is no folder")],
)
def test_words_that_can_not_be_meant(tmp_path: Path, words: list[str], said: str) -> None:
    shown = generate("-f", written(tmp_path, appset()), *words)
    assert isinstance(shown.exception, click.BadParameter)
    assert said in str(shown.exception)


@pytest.mark.parametrize(("text", "said"), [("", "holds no ApplicationSet"), ("kind: Secret", ":1: this is no Appl")])
def test_a_file_without_one(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    shown = generate("-f", file)
    assert isinstance(shown.exception, UsageError)
    assert said in str(shown.exception)


async def test_a_hub_says_which_clusters_it_has_registered() -> None:
    hub = FakeCluster()
    hub.objects = {ref_of(obj): obj for obj in (secret("seoul-1"), secret("tokyo-1"))}
    found = await registered(hub, ["argocd"])
    assert [one.name for one in found] == ["seoul-1", "tokyo-1"]
    assert isinstance(found[0], RegisteredCluster)
    assert found[0].labels["region"] == "kr"
