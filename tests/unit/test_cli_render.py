"""`fleetui render`: the manifests of folders and of Applications in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from fleetui.cli.commands import cli
from fleetui.model.errors import ManifestError, RefusedError, RevisionNotFoundError, UsageError
from tests.unit.git_source import Source

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    source = Source(tmp_path / "source")
    source.write(app__a_yaml=CONFIG, base__a_yaml=CONFIG, base__kustomization_yaml="resources: [a.yaml]")
    source.write(prod__kustomization_yaml="namePrefix: prod-\nresources: [../base]")
    source.commit("one")
    return source


def render(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["render", *map(str, words)], input=stdin)


def app(source: Source, path: str = "app", **more: object) -> str:
    spec = {"source": {"repoURL": source.url, "path": path}, "destination": {"name": "x"}, **more}
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}}
    return yaml.safe_dump({**head, "spec": spec})


def test_a_folder_as_it_lies_there_and_as_a_commit_has_it(source: Source) -> None:
    source.write(
        app__a_yaml=CONFIG.replace("name: a", "name: changed"),
        app__b_yaml="apiVersion: batch/v1\nkind: Job\nmetadata: {name: b}\n",
    )
    shown = render(source.path / "app")
    assert shown.exit_code == 0
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(shown.output)] == ["changed", "b"]
    former = render(source.path / "app", "--revision", "main", "-o", "json")
    assert json.loads(former.output) == [yaml.safe_load(CONFIG)]


def test_a_kustomization_reads_what_lies_beside_it(source: Source) -> None:
    assert render(source.path / "prod", "-o", "name").output == "configmap/prod-a\n"


def test_a_folder_in_no_repository(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    assert render(tmp_path / "plain", "-o", "name").output == "deployment.apps/web\n"
    refused = render(tmp_path / "plain", "--revision", "main").exception
    assert isinstance(refused, UsageError)
    assert "is in no Git repository" in str(refused)


def test_applications_in_files(source: Source, tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(app(source))
    assert render("-f", file, "-o", "name").output == "configmap/a\n"
    several = app(source, sources=[{"repoURL": source.url, "path": path} for path in ("prod", "app")])
    assert render("-f", "-", "-o", "name", stdin=several).output == "configmap/prod-a\nconfigmap/a\n"
    old = render("-f", file, "--revision", "v9").exception
    assert isinstance(old.__cause__, RevisionNotFoundError) if old else False


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        ([], "", "it takes a folder, or -f with an Application"),
        (["x", "-f", "-"], "", "it takes a folder, or -f with an Application"),
        (["/nonexistent"], "", "/nonexistent is no folder"),
        (["-f", "-"], CONFIG, "-:1: this is no Application of argoproj.io"),
        (["-f", "-"], "", "- holds no Application"),
        (
            ["-f", "-"],
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {destination: {name: edge}}",
            "-:1: spec.source.repoURL and either spec.source.path or spec.source.chart are required",
        ),
    ],
)
def test_what_can_not_be_rendered_at_all(words: list[str], stdin: str, said: str) -> None:
    error = render(*words, stdin=stdin).exception
    assert isinstance(error, UsageError)
    assert said in str(error)


def test_what_gives_nothing_is_told(source: Source) -> None:
    assert render(source.path, "-o", "json").stderr.endswith(
        "gives no manifests (its folders count only for an Application with directory.recurse)\n"
    )
    source.write(app__a_yaml="values: {}\n")
    empty = render(source.path / "app")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert empty.stderr.endswith("/app gives no manifests\n")


def test_of_several_applications_the_one_that_can_not_be_rendered_is_named(source: Source, tmp_path: Path) -> None:
    file = tmp_path / "apps.yaml"
    file.write_text(app(source) + "---\n" + app(source, "gone").replace("shop", "lost"))
    assert str(render("-f", file).exception).startswith("application lost: ")


def test_file_and_line_of_what_is_no_manifest(source: Source) -> None:
    source.write(app__b_yaml="apiVersion: v1\nkind: x\nmetadata: [\n")
    error = render(source.path / "app").exception
    assert isinstance(error, ManifestError)
    assert str(error).startswith("app/b.yaml:")


def test_a_link_that_leads_out_is_not_followed(source: Source) -> None:
    (source.path / "app" / "out.yaml").symlink_to("/etc/hostname")
    error = render(source.path / "app").exception
    assert isinstance(error, RefusedError)
    assert str(error) == "illegal filepath in symlink at app/out.yaml"
