"""From a change back to the field of the manifest that it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.diff import IgnoreRule, object_diff
from fleetui.diff.origin import written_at
from fleetui.model.change import Path
from fleetui.model.objects import Obj


def origins(kind: str, manifest: Obj, live: Obj | None, **options: Any) -> dict[str, Path | None]:
    """Where each change is written, by its dotted path."""
    head = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}}
    manifest = {**head, **manifest}
    found, _ = object_diff(manifest, None if live is None else {**head, **live}, **options)
    return {change.dotted: written_at(change, found, manifest) for change in found.changes}


def pod(*containers: Obj) -> Obj:
    return {"spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("kind", "manifest", "live", "expected"),
    [
        (
            "ConfigMap",
            {"data": {"a": "1", "b": "2"}},
            {"data": {"a": "2"}},
            {"data.a": ("data", "a"), "data.b": ("data", "b")},
        ),
        # What goes was written by nobody that is known here.
        ("Widget", {"spec": {}}, {"spec": {"x": 1}}, {}),
        # A Secret's values, plain and encoded.
        (
            "Secret",
            {"data": {"a": "MQ==", "b": "MQ=="}, "stringData": {"b": "2"}},
            {"data": {"a": "Mg==", "b": "MQ=="}},
            {"data.a": ("data", "a"), "data.b": ("stringData", "b")},
        ),
        ("Secret", {"stringData": {"b": "2"}}, {}, {"data": ("stringData",)}),
        # Items lie elsewhere in the manifest than live, where others have put some of their own.
        (
            "Pod",
            pod({"name": "api", "image": "a:2"}, {"name": "new"}),
            pod({"name": "injected"}, {"name": "api", "image": "a:1"}),
            {
                "spec.containers[1].image": ("spec", "containers", 0, "image"),
                "spec.containers[2]": ("spec", "containers", 1),
            },
        ),
        # Of two that changed places it is not said which one moved.
        (
            "Pod",
            pod({"name": "a"}, {"name": "b", "image": "b:2"}),
            pod({"name": "b", "image": "b:1"}, {"name": "a"}),
            {"spec.containers[1]": None, "spec.containers[0].image": ("spec", "containers", 1, "image")},
        ),
        # Values by position, and deeper ones.
        (
            "Pod",
            pod({"name": "a", "args": ["-x", "-z", "-y"]}),
            pod({"name": "other"}, {"name": "a", "args": ["-x", "-y"]}),
            {"spec.containers[1].args[1]": ("spec", "containers", 0, "args", 1)},
        ),
        (
            "Widget",
            {"rules": [{"a": [1]}, {"a": [3]}]},
            {"rules": [{"a": [1]}, {"a": [2]}]},
            {"rules[1].a[0]": ("rules", 1, "a", 0)},
        ),
        # The whole object.
        ("ConfigMap", {"data": {"a": "1"}}, None, {"": ()}),
        # Compared in another order than it is written in.
        (
            "Endpoints",
            {"subsets": [{"addresses": [{"ip": "9"}, {"ip": "1"}]}]},
            {"subsets": [{"addresses": [{"ip": "1"}, {"ip": "8"}]}]},
            {"subsets[0].addresses[1].ip": None},
        ),
    ],
)
def test_where_a_change_is_written(
    kind: str, manifest: Obj, live: Obj | None, expected: dict[str, Path | None]
) -> None:
    found = origins(kind, manifest, live)
    assert {path: found[path] for path in expected} == expected


def test_what_the_manifest_does_not_write_has_no_origin() -> None:
    predicted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **pod({"name": "a", "tty": True})}
    assert origins("Pod", pod({"name": "a"}), pod({"name": "a", "tty": False}), predicted=predicted) == {
        "spec.containers[0].tty": None
    }


def test_positions_that_an_ignored_item_has_shifted_are_not_told() -> None:
    manifest, live = ({"spec": {"args": ["-a", "-b", value]}} for value in ("-c", "-d"))
    rules = [IgnoreRule(kind="Widget", json_pointers=("/spec/args/0",))]
    assert origins("Widget", manifest, live, rules=rules) == {"spec.args[1]": None}
