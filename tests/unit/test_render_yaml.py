"""YAML and JSON as Kubernetes' decoders read them. The expected values were taken from sigs.k8s.io/yaml 1.6."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.model.errors import ManifestError
from fleetui.render.yaml import documents, dump


def values(text: str) -> list[Any]:
    return [document.value for document in documents(text.encode())]


def value(scalar: str) -> Any:
    return values(f"v: {scalar}")[0]["v"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("off", False),
        ("y", True),
        ("yEs", "yEs"),
        ("~", None),
        ("", None),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("1e3", 1000),
        ("1.0", 1),
        ("1.5e-3", 0.0015),
        ("1e400", "1e400"),
        ("0755", 493),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b101", 5),
        ("08", 8),
        ("1_000", 1000),
        (".5", 0.5),
        ("+12", 12),
        ("-0", 0),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", 9.223372036854775808e18),
        ("4611686018427387904.0", 4611686018427388000),
        ("0xFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFF"),
        ("5m", "5m"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("<<", "<<"),
        ("NaN", "NaN"),
        ("'yes'", "yes"),
        ("!!str 123", "123"),
        ('!!int "3"', 3),
        ("!!float 3", 3),
        ("!!binary aGVsbG8=", "hello"),
        ("!custom on", "on"),
        ("!!python/name:os.system x", "x"),
    ],
)
def test_reads_a_scalar_as_kubectl_does(text: str, expected: Any) -> None:
    got = value(text)
    assert got == expected
    assert type(got) is type(expected)


def test_makes_text_of_keys_as_sigs_yaml_does() -> None:
    assert values("8080: a\n1.5: b\n1e6: c\nno: d\ntrue: e\n2001-01-01: f\n") == [
        {"8080": "a", "1.5": "b", "1e+06": "c", "false": "d", "true": "e", "2001-01-01": "f"}
    ]


def test_merges_in_the_order_that_is_written() -> None:
    text = "b: &b {p: 1, q: 2}\nc: &c {q: 3, r: 4}\nv: {<<: [*b, *c], p: 9}\nw: {p: 9, <<: *b}\n"
    [obj] = values(text)
    assert obj["v"] == {"p": 9, "q": 2, "r": 4}
    assert obj["w"] == {"p": 1, "q": 2}


def test_the_last_of_equal_keys_wins() -> None:
    assert values("a: 1\na: 2\n") == [{"a": 2}]


def test_names_the_line_that_each_document_begins_at() -> None:
    text = (
        "# heading\n\na: 1\n---\n---\n# none here\n--- # comment\nb: 1\n---\n\nc: |\n  x\n\n  y\n---\nnull\n---\nd: 1"
    )
    assert [(list(d.value), d.line) for d in documents(text.encode())] == [
        (["a"], 3),
        (["b"], 8),
        (["c"], 11),
        (["d"], 18),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}\n{"b": 1.0}\n', [({"a": 1}, 1), ({"b": 1}, 2)]),
        ('{"a": 1}\n---\nb: 2\n', [({"a": 1}, 1), ({"b": 2}, 3)]),
        ("{a: 1}\n---\nb: 2\n", [({"a": 1}, 1), ({"b": 2}, 3)]),
        ('\n{"a": "\\ud800"}', [({"a": "\ufffd"}, 2)]),
    ],
)
def test_takes_json_in_a_yaml_file(text: str, expected: list[Any]) -> None:
    assert list(documents(text.encode())) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_reads_what_a_byte_order_mark_announces(encoding: str) -> None:
    assert [d.value for d in documents("a: é\r\nb: |\r\n  x\r\n  y\r\n".encode(encoding))] == [
        {"a": "é", "b": "x\ny\n"}
    ]


BOMB = "a0: &a0 lol\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\n---\nb: [\n", 4, "did not find expected node content"),
        ("a: 1\nb: c: d\n", 2, "mapping values are not allowed in this context"),
        ("a: 1\n--- b: 1\n", 2, "only a comment may follow ---"),
        ("a:\n  b: .nan\n", 2, "no number that JSON can carry"),
        ("a: *nowhere\n", 1, "has no anchor before it"),
        ("a: &x [*x]\n", 1, "has no anchor before it"),
        ("a: 1\n? [b]\n: c\n", 2, "can't be a key"),
        ("a: 1\nnull: c\n", 2, "can't be a key"),
        ("<<: 3\n", 1, "needs a mapping"),
        ("a: !!int abc\n", 1, "is not of type int"),
        ("é: 1\na: \x00\n", 2, r"U\+0000 is not allowed in YAML"),
        ("a: " + "[" * 100_000, 1, "nested deeper"),
        ("{a: " * 100_000, 1, "nested deeper"),
        ('{"a":' * 100_000, 1, "nested deeper"),
        (BOMB, 7, "aliases expand beyond"),
        ('{"a": 1}{"b": 2}{"c": NaN}', 1, "NaN is no number"),
    ],
)
def test_says_what_is_wrong_and_on_which_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        list(documents(text.encode(), path="apps/x.yaml"))
    assert caught.value.line == line
    assert str(caught.value).startswith("apps/x.yaml")


def test_names_the_line_of_a_byte_that_is_no_text() -> None:
    with pytest.raises(ManifestError, match="not text in UTF-8") as caught:
        list(documents(b"a: 1\nb: \xff\xfe\n"))
    assert caught.value.line == 2


@settings(deadline=None)
@given(st.one_of(st.binary(), st.text("ab:-?[]{}&*!|>'\"%@`#,\\ \t\n019.~<\x85\u2028\ufeff").map(str.encode)))
def test_whatever_the_bytes_only_a_manifest_error_and_only_what_json_can_carry(content: bytes) -> None:
    try:
        found = list(documents(content, path="x.yaml"))
    except ManifestError:
        return
    for document in found:
        assert json.loads(msgspec.json.encode(document.value)) == document.value
        assert document.line >= 1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff") | st.just("\n")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abyn01.-~<=", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON_VALUES)
def test_what_is_dumped_reads_back_the_same(obj: Any) -> None:
    assert values(dump({"v": obj})) == [{"v": obj}]


def test_dumps_for_reading() -> None:
    obj = {
        "kind": "ConfigMap",
        "data": {"run.sh": "set -e\necho hi\n", "on": "yes", "port": "8080", "long": "word " * 60 + "."},
    }
    assert dump(obj).splitlines() == [
        "kind: ConfigMap",
        "data:",
        "  run.sh: |",
        "    set -e",
        "    echo hi",
        '  "on": "yes"',
        '  port: "8080"',
        f"  long: {'word ' * 60}.",
    ]
