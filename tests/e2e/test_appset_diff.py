"""`get appsets` and `appset diff` against a cluster: what a set, as it is and edited, would do to what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetui.cli.appset_preview import show_appsets, show_preview
from fleetui.cli.options import Scope
from fleetui.engine.appset import generate
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.model.errors import UsageError
from tests.e2e.client import Client
from tests.e2e.embedded_plane import EmbeddedPlane
from tests.e2e.story import bootstrap

NAME = "addon-preview"
SET: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "ApplicationSet",
    "metadata": {"name": NAME, "namespace": "argocd"},
    "spec": {
        "generators": [
            {
                "matrix": {
                    "generators": [
                        {"clusters": {}},
                        {"list": {"elements": [{"addon": "cert-manager", "version": "1.14"}, {"addon": "velero"}]}},
                    ]
                }
            }
        ],
        "template": {
            "metadata": {"name": "{{name}}-{{addon}}"},
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git/x", "path": "{{addon}}", "targetRevision": "1.14"},
                "destination": {"server": "{{server}}", "namespace": "{{addon}}"},
            },
        },
    },
}


@pytest.fixture
def scope(embedded_plane: EmbeddedPlane) -> Iterator[Scope]:
    kubeconfig = embedded_plane.kubeconfig()
    bootstrap(kubeconfig)
    client = Client(kubeconfig)
    client.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default", "namespace": "argocd"},
            "spec": {},
        }
    )
    client.create(SET)
    try:
        yield Scope(kubeconfig)
    finally:
        for app in client.all("application", "argocd"):
            client.patch("application", app["metadata"]["name"], "argocd", {"metadata": {"finalizers": None}})
            client.delete("application", app["metadata"]["name"], "argocd")
        client.delete("applicationset", NAME, "argocd")
        client.close()


def test_a_set_is_shown_and_compared_as_it_is_and_edited(
    scope: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_appsets(scope, "json") == 0
    (row,) = (each for each in json.loads(capsys.readouterr().out) if each["name"] == NAME)
    assert row["generators"] == ["matrix(clusters, list)"]

    assert show_preview(scope, NAME, [], "json") == 4
    (found,) = json.loads(capsys.readouterr().out)
    fates = {each["name"]: each["fate"] for each in found["applications"]}
    assert fates == {"in-cluster-cert-manager": "created", "in-cluster-velero": "created"}

    assert scope.kubeconfig is not None
    client = Client(scope.kubeconfig)
    there = client.get("applicationset", NAME, "argocd")
    assert there is not None
    for made in generate(there).applications:
        metadata = {**made.app["metadata"], "ownerReferences": [ApplicationSet(there).owner_reference]}
        client.create({**made.app, "metadata": {**metadata, "finalizers": []}})
        client.patch("application", made.name, "argocd", {"metadata": made.app["metadata"]})
    client.close()
    assert show_preview(scope, NAME, [], "table") == 0
    assert capsys.readouterr().out == f"embedded/argocd/{NAME}: 2 same\n"

    edited = tmp_path / "edited.yaml"
    edited.write_text(yaml.safe_dump(SET).replace("targetRevision: '1.14'", "targetRevision: '1.15'"))
    assert show_preview(scope, "", [edited], "table") == 4
    told = capsys.readouterr().out
    assert f"embedded/argocd/{NAME}: 2 changed" in told
    assert '~ spec.source.targetRevision: live "1.14", the ApplicationSet "1.15"' in told

    edited.write_text(yaml.safe_dump(SET).replace("{{addon}}", "{{addon"))
    assert show_preview(scope, "", [edited], "table") == 1
    assert "is never closed" in capsys.readouterr().out


def test_a_new_set_and_a_wrong_call(scope: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scope.kubeconfig is not None
    client = Client(scope.kubeconfig)
    registered = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "edge",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        },
        "stringData": {"name": "edge", "server": "https://127.0.0.1:1", "config": "{}"},
    }
    client.create(registered)
    try:
        _preview_a_new_set(scope, tmp_path, capsys)
    finally:
        client.delete("secret", "edge", "argocd")
        client.close()
    with pytest.raises(UsageError, match="the name of an ApplicationSet, or files"):
        show_preview(scope, "", [], "table")


def _preview_a_new_set(scope: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump({**SET, "metadata": {"name": "another"}}))
    assert show_preview(scope, "", [new], "table") == 4
    told = capsys.readouterr().out
    assert "embedded/argocd/another: 4 created" in told
    assert "+ edge-velero is created" in told
