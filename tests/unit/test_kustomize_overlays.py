"""Whole overlays, built here and by `kustomize build`: object by object, in the same order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from backends.kustomize import KustomizeBinary
from fleetui.render.kustomize import build
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
