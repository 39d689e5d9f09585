"""The line that a field is written on."""

from __future__ import annotations

import pytest

from fleetui.render.directory import manifests
from fleetui.render.lines import line_of

TEXT = """# heading
kind: A
---

kind: Deployment
spec: &spec
  replicas: 3
  containers:
    - name: api
      image: "api:1"
    -
      name: sidecar
  flow: {a: 1,
    8080: 2}
other:
  <<: *spec
  on: 1
  "on": 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 5),
        (("kind",), 5),
        (("spec",), 6),
        (("spec", "replicas"), 7),
        (("spec", "containers", 0), 9),
        (("spec", "containers", 0, "image"), 10),
        (("spec", "containers", 1, "name"), 12),
        (("spec", "flow", "a"), 13),
        (("spec", "flow", "8080"), 14),
        (("other", "replicas"), 7),
        (("other", "true"), 17),
        (("other", "on"), 18),
        (("spec", "nothing"), None),
        (("spec", "containers", 2), None),
        (("kind", "deeper"), None),
    ],
)
def test_finds_the_line_of_a_field(path: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(TEXT, 5, path) == line
    assert line_of(TEXT.replace("\n", "\r\n"), 5, path) == line


def test_finds_a_field_in_an_item_of_a_list() -> None:
    text = "kind: List\nitems:\n  - kind: A\n    spec: {x: 1}\n  - kind: B\n    spec:\n      x: 2\n"
    first, second = manifests({"l.yaml": text.encode()})
    assert line_of(text, first.line, ("spec", "x")) == 4
    assert line_of(text, second.line, ("spec", "x")) == 7


def test_finds_a_field_in_json() -> None:
    assert line_of('{\n  "kind": "A",\n  "spec": {\n    "x": 1\n  }\n}\n', 1, ("spec", "x")) == 4


@pytest.mark.parametrize("text", ["a: [", "[" * 100_000, "", "--- a: b\n", "\x00"])
def test_what_can_not_be_read_has_no_line(text: str) -> None:
    assert line_of(text, 1, ("a",)) is None
