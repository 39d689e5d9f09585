"""Whole overlays, built here and by `kustomize build`: object by object, in the same order."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.kustomize import KustomizeBinary
from fleetui.model.errors import ManifestError
from fleetui.render.kustomize import Unsupported, build
from fleetui.render.yaml import documents
from fleetui.renderports import KustomizeRequest
from tests.unit.kustomize_overlays import built, find_kustomize, names, overlay, parsed


def ours(name: str) -> list[Any]:
    it = overlay(name)
    return [manifest.obj for manifest in build(it.files, it.folder, it.options)]


def same(first: Any, second: Any) -> bool:
    # As JSON, since in Python 1 == 1.0 == True.
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


@pytest.mark.parametrize("name", names())
def test_builds_what_the_binary_built(name: str) -> None:
    got, wanted = ours(name), built()[name]
    assert got == wanted
    assert same(got, wanted)


def test_every_overlay_has_what_the_binary_built() -> None:
    assert sorted(built()) == names()
    assert len(names()) >= 39


def test_the_binary_builds_the_same_today() -> None:
    find_kustomize()

    async def run() -> dict[str, list[Any]]:
        binary = KustomizeBinary()
        found = {}
        for name in names():
            it = overlay(name)
            request = KustomizeRequest(files=it.files, folder=it.folder, options=it.options)
            output = await binary.build(request)
            found[name] = [document.value for document in documents(output)]
        return found

    built_now = asyncio.run(run())
    assert [name for name in names() if not same(built_now[name], built()[name])] == []


class Watched(Mapping[str, bytes]):
    """Files that note what is read, and can't be listed."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.read: list[str] = []

    def __getitem__(self, path: str) -> bytes:
        content = self._files[path]
        self.read.append(path)
        return content

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody may iterate over a repository")

    def __len__(self) -> int:
        raise AssertionError("nobody may count a repository")


def test_reads_only_what_the_kustomization_names() -> None:
    it = overlay("base-and-overlay")
    files = Watched(it.files | {"other/kustomization.yaml": b"resources: [x]", "overlay/unused.yaml": b""})
    build(files, it.folder)
    assert set(files.read) == set(it.files)


def test_an_object_says_where_it_comes_from() -> None:
    it = parsed(
        "-- app/kustomization.yaml --\n"
        "resources: [all.yaml]\n"
        "configMapGenerator:\n"
        "- name: conf\n"
        "  literals: [a=b]\n"
        "-- app/all.yaml --\n"
        "{apiVersion: v1, kind: Secret, metadata: {name: one}}\n"
        "---\n"
        "# two\n"
        "{apiVersion: v1, kind: Service, metadata: {name: two}}\n"
    )
    found = {each.obj["kind"]: (each.file, each.line) for each in build(it.files, "app")}
    assert found == {
        "ConfigMap": ("app/kustomization.yaml", 3),
        "Secret": ("app/all.yaml", 1),
        "Service": ("app/all.yaml", 4),
    }


def test_what_is_given_back_is_the_callers_own() -> None:
    it = overlay("scalars")
    first = build(it.files, it.folder)[0].obj
    first["spec"]["numbers"].clear()
    assert same([manifest.obj for manifest in build(it.files, it.folder)], built()["scalars"])


FIELDS: dict[str, list[Any]] = {
    "namePrefix": ["p-", "1"],
    "nameSuffix": ["-s"],
    "namespace": ["shop", "default"],
    "commonLabels": [{"app": "z"}, {"team": "yes"}],
    "labels": [[{"pairs": {"app": "q"}}], [{"pairs": {"l": "1"}, "includeSelectors": True}]],
    "commonAnnotations": [{"a": "b"}],
    "images": [[{"name": "nginx", "newTag": "2"}], [{"name": "nginx", "newName": "r.io/n", "digest": "sha256:1"}]],
    "replicas": [[{"name": "web", "count": 3}]],
    "configMapGenerator": [
        [{"name": "conf", "behavior": "merge", "literals": ["b=2"]}],
        [{"name": "more", "literals": ["a=<x>"]}],
    ],
    "secretGenerator": [[{"name": "sec", "literals": ["k=v"], "options": {"disableNameSuffixHash": True}}]],
    "patches": [
        [{"patch": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 9, paused: }}"}],
        [{"patch": '[{"op": "add", "path": "/metadata/labels", "value": {"j": "p"}}]', "target": {"kind": ".*"}}],
        [
            {
                "target": {"labelSelector": "app=web"},
                "patch": "{apiVersion: v1, kind: X, metadata: {name: x, annotations: {by: target}}}",
            }
        ],
    ],
    "replacements": [
        [
            {
                "source": {"kind": "Service", "name": "web"},
                "targets": [{"select": {"kind": "Deployment"}, "fieldPaths": ["metadata.annotations.svc"],
                             "options": {"create": True}}],
            }
        ]
    ],
    "sortOptions": [{"order": "fifo"}],
}  # fmt: skip

OBJECTS = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  paused: false
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: sa
      containers:
      - {name: web, image: "nginx:1", envFrom: [{configMapRef: {name: conf}}, {secretRef: {name: sec}}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: old}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}
subjects: [{kind: ServiceAccount, name: sa, namespace: default}, {kind: ServiceAccount, name: default}]
"""


@st.composite
def kustomizations(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=5))
    return {field: draw(st.sampled_from(FIELDS[field])) for field in chosen}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=kustomizations(), top=kustomizations())
def test_any_two_layers_come_out_as_the_binary_has_them(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any], top: dict[str, Any]
) -> None:
    binary = find_kustomize()
    own = [{"name": "conf", "literals": ["a=1"]}, *base.pop("configMapGenerator", [])]
    own = [own[0], *(entry for entry in own[1:] if entry["name"] != "conf")]
    files = {
        "base/kustomization.yaml": {"resources": ["all.yaml"], "configMapGenerator": own, **base},
        "top/kustomization.yaml": {"resources": ["../base"], **top},
    }
    contents = {path: json.dumps(value).encode() for path, value in files.items()} | {"base/all.yaml": OBJECTS}
    root = tmp_path_factory.mktemp("layers")
    for path, content in contents.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
    process = subprocess.run([binary, "build", root / "top"], capture_output=True, check=False)
    try:
        got = [manifest.obj for manifest in build(contents, "top")]
    except Unsupported:
        return
    except ManifestError:
        assert process.returncode != 0
        return
    assert process.returncode == 0, process.stderr.decode()
    assert same(got, [document.value for document in documents(process.stdout)])
