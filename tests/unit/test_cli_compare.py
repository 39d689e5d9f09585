"""`fleetui diff -f`: files compared with files, without a cluster."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from fleetui.cli.commands import cli
from fleetui.cli.compare import show_files_diff
from fleetui.model.errors import ManifestError, UsageError

DESIRED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  template: {spec: {containers: [{name: web, image: "web:2"}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {level: info}
"""

LIVE = """\
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: web
    namespace: shop
    uid: 1b7a
    resourceVersion: "7"
    managedFields:
    - manager: kubectl-scale
      operation: Update
      apiVersion: apps/v1
      fieldsType: FieldsV1
      time: "2026-01-02T03:04:05Z"
      fieldsV1: {"f:spec": {"f:replicas": {}}}
  spec:
    replicas: 5
    revisionHistoryLimit: 10
    template: {spec: {containers: [{name: web, image: "web:2", imagePullPolicy: IfNotPresent}]}}
  status: {replicas: 5}
- apiVersion: v1
  kind: Secret
  metadata: {name: token, namespace: shop}
  data: {token: c2VjcmV0}
"""


@pytest.fixture
def compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    desired, live = tmp_path / "desired.yaml", tmp_path / "live.yaml"

    def compare(wanted: str, running: str, output: str = "json") -> Any:
        """The exit status and stdout, decoded where it is JSON."""
        desired.write_text(wanted)
        live.write_text(running)
        code = show_files_diff([desired], [live], output)
        told = capsys.readouterr().out
        text = json.loads(told) if output in {"json", "jsonpatch"} else told.replace(f"{tmp_path}/", "")
        return SimpleNamespace(code=code, told=text)

    return compare


def test_what_differs_and_who_did_it(compared: Any) -> None:
    found = compared(DESIRED, LIVE)
    assert found.code == 4
    config, secret, web = found.told["objects"]
    assert (config["name"], config["missing"], config["line"]) == ("settings", True, 8)
    assert (secret["name"], secret["extra"], secret["line"]) == ("token", True, 23)
    assert (web["kind"], web["namespace"], web["line"]) == ("Deployment", "shop", 1)
    (change,) = web["changes"]
    assert (change["path"], change["live"], change["desired"]) == ("spec.replicas", 5, 2)
    assert change["liveBy"] == {"manager": "kubectl-scale", "operation": "Update", "time": "2026-01-02T03:04:05Z"}


def test_as_a_person_reads_it(compared: Any) -> None:
    assert compared(DESIRED, LIVE, "table").told == (
        "=== ConfigMap shop/settings  desired.yaml:8\n"
        "+ only in desired.yaml: a sync makes it\n\n"
        "=== Secret shop/token  live.yaml:23\n"
        "- only in live.yaml: a sync with prune deletes it\n\n"
        "=== apps/Deployment shop/web  desired.yaml:1\n"
        "~ spec.replicas: live 5, desired 2  (live set by kubectl-scale)\n"
    )


def test_an_item_that_moves_is_one_difference(compared: Any) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop}}\nspec: {{containers: [{}]}}\n"
    names = [f"{{name: {name}}}" for name in "abc"]
    desired, live = (text.format(", ".join(each)) for each in ([names[2], names[0], names[1]], names))
    assert compared(desired, live, "table").told.splitlines()[1:] == [
        "~ spec.containers[2] (name: c): live at position 2, desired at 0"
    ]
    (one,) = compared(desired, live).told["objects"]
    assert one["changes"] == [
        {"path": "spec.containers[2]", "kind": "move", "live": 2, "desired": 0, "liveBy": None, "desiredBy": None}
    ]


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop, labels: {a: "1", b: "1", c: "1", d: "1", e: "1"}}
spec: {containers: [{name: a, image: "a:1"}, {name: b}, {name: c}]}
"""
MOVED = """\
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop, labels: {a: "1", b: "1", c: "1", d: "1", e: "2"}}
spec: {containers: [{name: b}, {name: c}, {name: a}]}
"""


def test_as_unified_text(compared: Any) -> None:
    assert compared(POD.replace('"a:1"', '"a:2"'), POD, "unified").told.splitlines() == [
        "=== Pod shop/p  desired.yaml:1",
        "--- live",
        "+++ desired",
        "@@ -12,6 +12,6 @@",
        " spec:",
        "   containers:",
        "   - name: a",
        "-    image: a:1",
        "+    image: a:2",
        "   - name: b",
        "   - name: c",
    ]


def test_side_by_side(compared: Any) -> None:
    assert compared(POD, MOVED, "side").told.splitlines() == [
        "=== Pod shop/p  desired.yaml:1",
        "live                desired",
        "...",
        "metadata:           metadata:",
        "  labels:             labels:",
        "...",
        '    b: "1"              b: "1"',
        '    c: "1"              c: "1"',
        '    d: "1"              d: "1"',
        '    e: "2"        ~     e: "1"',
        "  name: p             name: p",
        "  namespace: shop     namespace: shop",
        "spec:               spec:",
        "  containers:         containers:",
        "  - name: a       ~   - name: a  (moves from position 2 to 0)",
        "                  +     image: a:1",
        "  - name: b           - name: b",
        "  - name: c           - name: c",
    ]


def test_as_json_patches(compared: Any) -> None:
    assert compared(POD, MOVED, "jsonpatch").told == [
        {
            "group": "",
            "kind": "Pod",
            "namespace": "shop",
            "name": "p",
            "patch": [
                {"op": "replace", "path": "/metadata/labels/e", "value": "1"},
                {"op": "add", "path": "/spec/containers/2/image", "value": "a:1"},
                {"op": "move", "from": "/spec/containers/2", "path": "/spec/containers/0"},
            ],
        }
    ]
    ops = {one["name"]: one["patch"][0]["op"] for one in compared(DESIRED, LIVE, "jsonpatch").told}
    assert ops == {"settings": "add", "token": "remove", "web": "replace"}


@pytest.mark.parametrize("output", ["table", "unified", "side", "jsonpatch", "json", "yaml"])
def test_no_form_shows_a_secret(compared: Any, output: str) -> None:
    live = LIVE.replace("{token: c2VjcmV0}", "{token: c2VjcmV0, long: bG9uZ2Vyc2VjcmV0}")
    plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {token: hunter2}\n"
    found = compared(plain, live, output)
    assert found.code == 4
    shown = json.dumps(found.told)
    assert not [value for value in ("c2VjcmV0", "bG9uZ2Vyc2VjcmV0", "hunter2", "aHVudGVyMg==") if value in shown]
    assert "++++++++" in shown


def test_objects_of_two_versions_are_compared_field_by_field_and_that_is_said(compared: Any) -> None:
    text = "apiVersion: x.io/{}\nkind: Db\nmetadata: {{name: a, namespace: shop}}\nspec: {{size: {}}}\n"
    same = compared(text.format("v1beta1", 1), text.format("v1", 1))
    assert (same.code, same.told["objects"]) == (0, [])
    (note,) = same.told["notes"]
    assert note.startswith("x.io/Db shop/a: desired is x.io/v1beta1, live is x.io/v1; fields are compared as they are")
    other = compared(text.format("v1beta1", 2), text.format("v1", 1))
    assert [change["path"] for change in other.told["objects"][0]["changes"]] == ["spec.size"]


def test_nothing_differs(compared: Any) -> None:
    found = compared(LIVE, LIVE)
    assert (found.code, found.told) == (0, {"notes": [], "objects": []})


def test_a_secret_is_never_printed(compared: Any) -> None:
    found = compared(LIVE.replace("c2VjcmV0", "b3RoZXI="), LIVE)
    assert found.code == 4
    assert "c2VjcmV0" not in json.dumps(found.told)
    assert "b3RoZXI=" not in json.dumps(found.told)


def test_two_that_an_object_without_a_namespace_can_be(compared: Any) -> None:
    live = "\n---\n".join(
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {where}}}}}" for where in ("one", "two")
    )
    found = compared("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", live)
    assert [(one["namespace"], one["missing"], one["extra"]) for one in found.told["objects"]] == [
        ("", True, False),
        ("one", False, True),
        ("two", False, True),
    ]


@pytest.mark.parametrize(
    ("flawed", "words"),
    [
        ("- 1\n", "is not a Kubernetes object"),
        ("kind: ConfigMap\nmetadata: {}\n", "has no name"),
        (DESIRED + "---\n" + DESIRED, r"is also at .*desired\.yaml:1$"),
        ("a: [", "not a valid manifest"),
    ],
)
def test_a_flaw_is_told_with_its_line(compared: Any, flawed: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words) as told:
        compared(flawed, LIVE)
    assert str(told.value.path).endswith("desired.yaml")
    assert told.value.line


def test_stdin_is_one_side_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tmp_path / "live.yaml"
    live.write_text(LIVE)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(LIVE.encode())))
    assert show_files_diff([Path("-")], [live], "table") == 0
    with pytest.raises(UsageError, match="stdin can be read once"):
        show_files_diff([Path("-")], [Path("-")], "table")


@pytest.mark.parametrize(
    "words",
    [["diff"], ["diff", "-f", "a"], ["diff", "--live", "a"], ["diff", "app", "-f", "a", "--live", "b"]],
)
def test_half_a_command(words: list[str]) -> None:
    found = CliRunner().invoke(cli, words)
    assert isinstance(found.exception, UsageError)
    assert "both -f and --live" in str(found.exception)
