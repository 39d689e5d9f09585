"""What Argo CD keeps of a spec (`util/argo/argo.go`, `NormalizeApplicationSpec`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.sourceset import SourceSet
from fleetui.engine.specs import spec_patch
from fleetui.engine.status import merge_patch
from fleetui.model.objects import Obj

URL = {"repoURL": "https://git.example.com/a.git", "path": "a"}


def spec(**fields: Any) -> Obj:
    return {"project": "shop", "source": URL, **fields}


@pytest.mark.parametrize(
    ("before", "patch"),
    [
        (spec(), {}),
        (spec(project=""), {"project": "default"}),
        (spec(syncPolicy={}), {"syncPolicy": None}),
        (spec(syncPolicy={"syncOptions": []}), {"syncPolicy": None}),
        (spec(syncPolicy={"syncOptions": ["a=b"]}), {}),
        (spec(syncPolicy={"automated": {}}), {}),
        (spec(syncPolicy={"retry": {}}), {}),
        (spec(syncPolicy={"automated": None}), {"syncPolicy": None}),
        (
            spec(source={**URL, "directory": {}, "helm": {"skipCrds": False}}),
            {"source": {"directory": None, "helm": None}},
        ),
        (spec(source={**URL, "directory": {"recurse": True}, "plugin": {}}), {}),
        (spec(source={**URL, "directory": {"include": "*.yaml"}}), {}),
        (spec(sources=[{**URL, "helm": {}}, URL]), {"sources": [URL, URL]}),
        (spec(sources=[URL, URL]), {}),
        (spec(source="odd", sources="odd", syncPolicy=3), {}),
    ],
)
def test_what_says_nothing_goes(before: Obj, patch: Obj) -> None:
    assert spec_patch(before) == patch


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ({**URL, "targetRevision": "", "chart": ""}, URL),
        ({"repoURL": ""}, {"repoURL": ""}),
        ({**URL, "directory": {"recurse": False, "jsonnet": {"libs": []}}}, {**URL, "directory": {}}),
        ({**URL, "directory": {"recurse": True, "jsonnet": {}}}, {**URL, "directory": {"recurse": True}}),
        (
            {
                **URL,
                "helm": {"parameters": [{"name": "a", "value": "", "forceString": False}], "valuesObject": {"a": ""}},
            },
            {**URL, "helm": {"parameters": [{"name": "a"}], "valuesObject": {"a": ""}}},
        ),
        (
            {**URL, "kustomize": {"replicas": [{"name": "a", "count": 0}]}},
            {**URL, "kustomize": {"replicas": [{"name": "a", "count": 0}]}},
        ),
    ],
)
def test_sources_are_written_as_go_writes_them(source: Obj, written: Obj) -> None:
    assert SourceSet.of({"source": source}).fields() == {"source": written}
    assert SourceSet.of({"sources": [source]}).sources == (written,)
    assert merge_patch(written, dict(SourceSet.of({"source": written}).sources[0])) == {}, "it stays so"
