"""The line that a field is written on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetui.render.directory import manifests
from fleetui.render.lines import lines_of

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
    found = lines_of(TEXT, 5, path)
    assert next(iter(found), None) == line
    assert lines_of(TEXT.replace("\n", "\r\n"), 5, path) == found


def test_finds_a_field_in_an_item_of_a_list() -> None:
    one = "  - apiVersion: v1\n    kind: A\n    metadata: {name: a}\n    spec: {x: 1}\n"
    two = "  - apiVersion: v1\n    kind: B\n    metadata: {name: b}\n    spec:\n      x: 2\n"
    text = f"kind: List\nitems:\n{one}{two}"
    first, second = manifests({"l.yaml": text.encode()})
    assert lines_of(text, first.line, ("spec", "x")) == (6,)
    assert lines_of(text, second.line, ("spec", "x")) == (11,)


def test_finds_a_field_in_json() -> None:
    assert lines_of('{\n  "kind": "A",\n  "spec": {\n    "x": 1\n  }\n}\n', 1, ("spec", "x")) == (4,)


VALUES = """kind: A  # first
script: |
  one

  two


plain: a
  b
# between
quoted: "x

  y"
block: >-
    folded
list:
- a: 1
  # inside
  b: {c: 1,
    d: 2}
-
  - deep
base: &base
  e: 1
alias: *base
last: |+
  end

"""


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        (("kind",), (1,)),
        (("script",), (2, 3, 5)),
        (("plain",), (8, 9)),
        (("quoted",), (11, 13)),
        (("block",), (14, 15)),
        (("list",), (16, 17, 19, 20, 22)),
        (("list", 0), (17, 19, 20)),
        (("list", 0, "b"), (19, 20)),
        (("list", 1), (22,)),
        (("alias",), (25, 24)),
        (("alias", "e"), (24,)),
        (("last",), (26, 27)),
        ((), (1, 2, 3, 5, 8, 9, 11, 13, 14, 15, 16, 17, 19, 20, 22, 23, 24, 25, 26, 27)),
    ],
)
def test_finds_all_lines_of_a_value(path: tuple[str | int, ...], lines: tuple[int, ...]) -> None:
    assert lines_of(VALUES, 1, path) == lines
    moved = tuple(line + 3 for line in lines)
    assert lines_of("kind: B\n---\n\n" + VALUES, 4, path) == moved


def test_a_file_with_line_ends_of_its_own_has_no_lines() -> None:
    assert lines_of("a: 1\rb: 2\n", 1, ("b",)) == ()
    assert lines_of("a: 1 # \u2028\nb: 2\n", 1, ("b",)) == ()


@given(st.text(max_size=60) | st.text(alphabet="ab:-{}[]&*|> \n'\"#", max_size=60), st.integers(0, 5))
def test_no_text_is_too_odd(text: str, line: int) -> None:
    for path in ((), ("a",), ("a", 0), ("b", "a")):
        found = lines_of(text, line, path)
        assert all(isinstance(each, int) for each in found)


def test_aliases_of_aliases_are_looked_at_once() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert lines_of(text, 1, ("a59",)) == (60, *range(1, 60))


@pytest.mark.parametrize("text", ["a: [", "[" * 100_000, "", "--- a: b\n", "\x00"])
def test_what_can_not_be_read_has_no_line(text: str) -> None:
    assert lines_of(text, 1, ("a",)) == ()
