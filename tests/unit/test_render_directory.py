"""Directory sources, by the rules of Argo CD 3.6 (reposerver/repository/repository.go)."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.model.errors import FleetError, ManifestError
from fleetui.model.globs import Glob
from fleetui.model.objects import Obj
from fleetui.render import directory
from fleetui.render.detect import Tool, detect
from fleetui.render.directory import manifests
from fleetui.render.source import from_directory


def config(name: str) -> bytes:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n".encode()


def names(files: dict[str, bytes], **options: Any) -> list[str]:
    return [manifest.obj["metadata"]["name"] for manifest in manifests(files, **options)]


TREE = {
    "b.yaml": config("b"),
    "a.yml": config("a"),
    "a/z.yaml": config("a-z"),
    "a/deep/y.yaml": config("a-deep-y"),
    "a.json": b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}',
    "README.md": config("readme"),
    "noyaml": config("noyaml"),
}


def test_takes_the_manifest_files_of_the_folder_alone() -> None:
    assert names(TREE) == ["json", "a", "b"]


def test_recurses_in_the_order_of_a_walk() -> None:
    assert names(TREE, recurse=True) == ["a-deep-y", "a-z", "json", "a", "b"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": "*.yaml"}, ["a-deep-y", "a-z", "b"]),
        ({"include": "{*.yml,a/z*}"}, ["a-z", "a"]),
        ({"include": "*.yaml", "exclude": "a/*"}, ["b"]),
        ({"exclude": "{a.*,b.yaml}"}, ["a-deep-y", "a-z"]),
        ({"include": "[!a]*"}, ["b"]),
        ({"include": "[z-a]*"}, []),
        ({"exclude": "[z-a]*"}, ["a-deep-y", "a-z", "json", "a", "b"]),
    ],
)
def test_include_and_exclude_match_the_path_in_the_folder(options: dict[str, str], expected: list[str]) -> None:
    assert names(TREE, recurse=True, **options) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "a/b/c", True),
        ("a?c", "a/c", True),
        ("{a,b{c,d}}*.yaml", "bd/x.yaml", True),
        ("{a,b{c,d}}*.yaml", "be/x.yaml", False),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[abc]x", "cx", True),
        ("a.yaml", "aXyaml", False),
        ("{a,}b", "b", True),
        ("a,b", "a,b", True),
        ("[", "[", False),
    ],
)
def test_globs_are_those_of_gobwas(pattern: str, text: str, fits: bool) -> None:
    assert Glob(pattern).matches(text) is fits


def test_no_glob_takes_exponential_time() -> None:
    # Measured at a millisecond; a backtracking matcher would not come back from the first two.
    start = time.monotonic()
    assert not Glob("*a" * 30 + "b").matches("a" * 300)
    assert not Glob("*" * 100 + "x").matches("a" * 1000)
    assert not Glob("{a,b}" * 40).matches("a" * 40)
    assert time.monotonic() - start < 5


def test_lists_are_expanded_and_each_item_knows_its_line() -> None:
    text = (
        b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: one}}\n\n"
        b"- {apiVersion: v1, kind: B, metadata: {name: two}}\n---\nkind: C\nitems: []\n---\nkind: D\nitems: null\n"
        b"---\napiVersion: v1\nkind: E\nmetadata: {name: three}\nitems: null\nspec: {}\n"
    )
    assert [(m.obj["kind"], m.file, m.line) for m in manifests({"x.yaml": text}, root="apps/a")] == [
        ("A", "apps/a/x.yaml", 4),
        ("B", "apps/a/x.yaml", 6),
        ("E", "apps/a/x.yaml", 14),
    ]


def test_skips_a_file_that_says_so() -> None:
    assert names({"a.yaml": b"# +argocd:skip-file-rendering\n" + config("a"), "b.yaml": config("b")}) == ["b"]


@pytest.mark.parametrize(
    "content",
    [
        b"replicas: 3\nimage: {tag: 1}\n",
        b"- a\n- b\n",
        b"just text\n",
        b"a: [\n",
        b"\xff\xfa",
        b"",
        b"# nothing\n---\n",
    ],
)
def test_ignores_yaml_that_is_no_manifest(content: bytes) -> None:
    assert names({"a.yaml": content, "b.yaml": config("b")}) == ["b"]


@pytest.mark.parametrize(
    ("file", "content", "line", "message"),
    [
        ("x.yaml", config("a") + b"spec: [\n", 6, "did not find expected node content"),
        ("x.yaml", b"kind: A\n---\nfoo: 1\n", 3, "the object has no kind"),
        ("x.yaml", b"kind: A\n---\n- 1\n", 3, "not a Kubernetes object"),
        ("x.yaml", b"apiVersion: v1\nmetadata: {}\n#kind:\n", 1, "the object has no kind"),
        ("x.yaml", b"kind: List\nitems:\n- a: 1\n", 3, "the object has no kind"),
        ("x.json", b'{"a": 1}', 1, "the object has no kind"),
        ("x.json", b'{"kind": "A"}\n{"kind": "B"}', 2, "only one"),
        ("x.json", b'{"kind": "A",\n}', 2, "not valid JSON"),
        ("x.jsonnet", b"{}", None, "Jsonnet is not supported yet"),
    ],
)
def test_names_file_and_line_of_a_broken_manifest(file: str, content: bytes, line: int | None, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        manifests({file: content}, root="deploy")
    assert (caught.value.path, caught.value.line) == (f"deploy/{file}", line)


def test_refuses_more_than_argo_cd_takes() -> None:
    with pytest.raises(ManifestError, match="more than 10 MB"):
        manifests({"a.yaml": b"#" * 6_000_000, "b.yaml": b"#" * 6_000_000})


def test_parses_unchanged_content_once_and_gives_each_caller_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.yaml": config("parsed-once")}
    [first] = manifests(files)
    first.obj["metadata"]["name"] = "changed by its taker"
    monkeypatch.setattr(directory, "documents", None)
    assert names(files) == ["parsed-once"]


@settings(deadline=None)
@given(st.sampled_from(["a.yaml", "a.json"]), st.binary() | st.text().map(str.encode))
def test_whatever_the_bytes_only_a_manifest_error(file: str, content: bytes) -> None:
    for text in (content, b"apiVersion: v1\nkind: A\nmetadata: {}\n---\n" + content):
        with contextlib.suppress(ManifestError):
            manifests({file: text})


@pytest.mark.parametrize(
    ("source", "files", "tool"),
    [
        ({}, ["a.yaml"], Tool.DIRECTORY),
        ({}, ["Chart.yaml", "values.yaml"], Tool.HELM),
        ({}, ["sub/Chart.yaml", "sub/kustomization.yaml"], Tool.DIRECTORY),
        ({}, ["kustomization.yml"], Tool.KUSTOMIZE),
        ({}, ["Chart.yaml", "kustomization.yaml"], Tool.KUSTOMIZE),
        ({"directory": {}}, ["Chart.yaml"], Tool.DIRECTORY),
        ({"kustomize": None, "helm": {}}, ["kustomization.yaml"], Tool.HELM),
        ({"plugin": {"name": "x"}}, [], Tool.PLUGIN),
        ({"chart": "nginx"}, [], Tool.HELM),
    ],
)
def test_the_tool_is_the_one_named_or_else_what_the_folder_holds(
    source: dict[str, Any], files: list[str], tool: Tool
) -> None:
    assert detect(source, files) is tool


def test_refuses_two_tools() -> None:
    with pytest.raises(FleetError, match="multiple application sources defined: Helm,Directory"):
        detect({"helm": {}, "directory": {}}, [])


def test_renders_a_source() -> None:
    source = {"path": "deploy/", "directory": {"recurse": True, "exclude": "a/*"}}
    assert [m.file for m in from_directory(source, TREE)] == ["deploy/a.json", "deploy/a.yml", "deploy/b.yaml"]


# What Argo CD 3.6 says in reposerver/repository/repository_test.go (Test_getPotentiallyValidManifestFile).
OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


@pytest.mark.parametrize(
    ("directory", "names"),
    [
        ({}, ["a.json", "b.yaml", "c.yml"]),
        ({"disableExtensionFilter": True}, ["a.json", "b.yaml", "c.yml", "d.txt"]),
        ({"disableExtensionFilter": True, "include": "*.txt"}, ["d.txt"]),
        ({"disableExtensionFilter": True, "exclude": "*.{txt,md}"}, ["a.json", "b.yaml", "c.yml"]),
        ({"include": "*.txt"}, []),
        ({"recurse": True, "include": "sub/*"}, ["sub/e.yaml"]),
        ({"recurse": True, "include": "*.yaml"}, ["b.yaml", "sub/e.yaml"]),
        ({"recurse": True, "include": "*.yaml", "exclude": "sub/*"}, ["b.yaml"]),
        ({"recurse": True, "exclude": "{a,b}.*"}, ["c.yml", "sub/e.yaml"]),
    ],
)
def test_which_files_of_a_folder_are_manifests(directory: Obj, names: list[str]) -> None:
    tree = {name: OBJECT % name[:1].encode() for name in ("b.yaml", "c.yml", "d.txt", "sub/e.yaml")}
    tree |= {"a.json": b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}', "README.md": b"# a\n\ntext"}
    tree["skipped.yaml"] = b"# +argocd:skip-file-rendering\n" + OBJECT % b"x"
    found = from_directory({"path": ".", "directory": directory}, tree)
    assert [manifest.file for manifest in found] == names


def test_the_limit_counts_what_is_chosen_and_stops_reading() -> None:
    read: list[str] = []

    class Counting(dict[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            read.append(name)
            return super().__getitem__(name)

    big = b"# " + b"x" * 6_000_000 + b"\n"
    tree = Counting({f"{name}.yaml": big for name in "abcd"})
    with pytest.raises(ManifestError, match=r"app: exceeded max combined manifest file size: more than 10 MB together"):
        from_directory({"path": "app"}, tree)
    assert read == ["a.yaml", "b.yaml"]
    assert from_directory({"path": "app", "directory": {"exclude": "[bcd].yaml"}}, tree) == []
