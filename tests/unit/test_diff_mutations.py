"""What an apply changes, told from what webhooks and defaults change on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from fleetui.diff.mutations import without_mutations
from tests.unit.test_diff_compare import objects

MANAGER = "argocd-controller"
Fields = dict[str, Any]


def of(spec: Any, owned: Fields, *, manager: str = MANAGER, operation: str = "Apply") -> dict[str, Any]:
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": owned}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "managedFields": [entry]}, "spec": spec}


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"containers": list(items)}


API: Fields = {"f:containers": {'k:{"name":"api"}': {".": {}, "f:name": {}, "f:image": {}}}}


@pytest.mark.parametrize(
    ("predicted", "after", "live", "before", "expected"),
    [
        # A webhook writes another time on each apply, and adds and takes away what is nobody's.
        ({"x": 1, "stamp": "12:01"}, {"f:x": {}}, {"x": 1, "stamp": "12:00"}, {"f:x": {}}, {"x": 1, "stamp": "12:00"}),
        ({"x": 1, "new": 1}, {"f:x": {}}, {"x": 1, "old": 1}, {"f:x": {}}, {"x": 1, "old": 1}),
        # What is applied counts, and what was and is no more.
        ({"x": 2}, {"f:x": {}}, {"x": 1}, {}, {"x": 2}),
        ({}, {"f:x": {}}, {"gone": 1}, {"f:gone": {}}, {}),
        ({"replicas": 1}, {"f:x": {}}, {"replicas": 3}, {"f:replicas": {}}, {"replicas": 1}),
        # In items of lists, told apart by their keys.
        (
            containers({"name": "proxy", "image": "p:2"}, {"name": "api", "image": "a:2", "env": [{"name": "Z"}]}), API,
            containers({"name": "api", "image": "a:1"}, {"name": "proxy", "image": "p:1"}), API,
            containers({"name": "api", "image": "a:2"}, {"name": "proxy", "image": "p:1"}),
        ),
        (
            containers({"name": "api", "image": "a:1"}), API,
            containers({"name": "api", "image": "a:1"}, {"name": "old", "image": "o"}),
            {"f:containers": {'k:{"name":"old"}': {".": {}, "f:name": {}}}},
            containers({"name": "api", "image": "a:1"}),
        ),
        # A list or map that is applied as a whole.
        ({"args": ["-b"]}, {"f:args": {}}, {"args": ["-a"]}, {"f:args": {}}, {"args": ["-b"]}),
        ({"m": {"a": 1, "b": 2}}, {"f:m": {}}, {"m": {"a": 1}}, {"f:m": {}}, {"m": {"a": 1, "b": 2}}),
    ],
)  # fmt: skip
def test_only_what_is_applied_differs(predicted: Any, after: Any, live: Any, before: Any, expected: Any) -> None:
    assert without_mutations(of(predicted, after), of(live, before), MANAGER)["spec"] == expected


def test_an_answer_without_managers_is_taken_as_it_is() -> None:
    answer = of({"x": 2}, {"f:x": {}}, manager="other")
    assert without_mutations(answer, of({"x": 1}, {"f:x": {}}), MANAGER) == answer


def test_what_is_applied_as_a_secret_s_string_data_is_owned_in_data() -> None:
    def secret(password: str) -> dict[str, Any]:
        entry = {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:stringData": {"f:password": {}}}}
        metadata = {"name": "a", "managedFields": [entry]}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": password, "b": "Yg=="}}

    answer, live = secret("Z2l0"), secret("aGFuZA==") | {"data": {"password": "aGFuZA==", "b": "Yw=="}}
    assert without_mutations(answer, live, MANAGER)["data"] == {"password": "Z2l0", "b": "Yw=="}


@given(objects, objects)
def test_no_object_is_too_odd(predicted: Any, live: Any) -> None:
    entry = {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:a": {"f:b": {}}, "f:containers": {"k:{}": {}}}}
    answer = {**predicted, "metadata": {"managedFields": [entry]}}
    assert isinstance(without_mutations(answer, live, MANAGER), dict)
    assert without_mutations(answer, answer, MANAGER) == answer
