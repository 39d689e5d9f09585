"""The Helm SDK of the extra ``fleetui[helm]`` against the real helm: the same chart has to become the same.

Skipped where the extra is not installed: it is 75 MB, and no part of the lock files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.charts import ChartRepositories
from backends.helm import HelmBinary
from fleetui.model.errors import ManifestError
from fleetui.render.helm import printed
from fleetui.renderports import HelmRequest
from tests.e2e.helm import find_helm
from tests.e2e.test_helm_charts import CHART
from tests.unit.charts import archive

pytest.importorskip("helm_python", reason="NO HELM SDK: pip install 'fleetui[helm]' into this environment")

KINDS = ["Deployment", "Service", "Namespace", "Secret", "ConfigMap", "Role", "Thing", "CronJob"]
MANY = {
    f"templates/{name}.yaml": b"".join(
        f"---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}-{kind.lower()}}}\n".encode() for kind in kinds
    )
    for name, kinds in (("b", KINDS), ("a", KINDS[::-1]), ("dir/c", KINDS[:3]))
}
HOOKS = {
    f"templates/hook-{name}.yaml": (
        f"kind: Job\nmetadata:\n  name: {name}\n  annotations:\n"
        f"    helm.sh/hook: {hook}\n    helm.sh/hook-weight: '{weight}'\n"
    ).encode()
    for name, hook, weight in (
        ("c", "pre-install", 5),
        ("b", "post-install,pre-upgrade", -5),
        ("a", "test", 0),
        ("d", "crd-install", 0),
    )
}
DEPENDING = {
    **CHART,
    "Chart.yaml": CHART["Chart.yaml"]
    + b"dependencies: [{name: sub, version: 1.0.0, alias: one, condition: one.enabled}, {name: sub, version: 1.0.0}]\n",
    "charts/sub-1.0.0.tgz": archive("sub", "1.0.0", {"crds/c.yaml": b"kind: CustomResourceDefinition\n"}),
    "templates/_helpers.tpl": b'{{ define "x" }}x{{ end }}',
    "templates/NOTES.txt": b"Thanks",
}


@pytest.mark.parametrize(
    ("chart", "options"),
    [
        (CHART, {}),
        (
            CHART,
            {"skipCrds": True, "skipTests": True, "kubeVersion": "1.29.1", "apiVersions": ["example.com/v1/Thing"]},
        ),
        (
            CHART,
            {"parameters": [{"name": "a", "value": "12", "forceString": True}, {"name": "list", "value": "{a,b}"}]},
        ),
        (CHART, {"values": "a: {b: 1}\n", "parameters": [{"name": "a.c", "value": "x,y"}]}),
        ({**CHART, **MANY, **HOOKS}, {}),
        ({**CHART, **MANY, **HOOKS}, {"skipTests": True}),
        (DEPENDING, {}),
        (DEPENDING, {"values": "one: {enabled: false}"}),
    ],
)
async def test_both_render_the_same(
    chart: Mapping[str, bytes], options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charts = ChartRepositories(cache=tmp_path)
    request = HelmRequest(chart=chart, release="rel", namespace="shop", options=options, kube_version="1.31.0")
    binary = printed(await HelmBinary(charts, binary=find_helm()).template(request))
    monkeypatch.setenv("PATH", os.defpath)
    sdk = printed(await HelmBinary(charts).template(request))
    assert [(each.file, each.obj) for each in sdk] == [(each.file, each.obj) for each in binary]


async def test_what_it_cant_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    helm = HelmBinary(ChartRepositories(cache=tmp_path))
    for options in ({"skipSchemaValidation": True}, {"parameters": [{"name": "list[0]", "value": "1"}]}):
        with pytest.raises(ManifestError, match="install the helm binary"):
            await helm.template(HelmRequest(chart=CHART, release="rel", namespace="shop", options=options))
