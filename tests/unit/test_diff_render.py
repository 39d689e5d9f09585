"""A difference as rows, as text, in a few words, as JSON; and the whole way from raw objects to it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.diff import (
    IgnoreRule,
    RowKind,
    audit_changes,
    compare,
    lines,
    object_diff,
    rows,
    summary,
    to_json,
    unified,
)
from fleetui.model.change import Blame, Change, ChangeKind, ObjectDiff
from fleetui.model.errors import FleetError
from fleetui.model.objects import ObjectRef

ADD, REMOVE, CHANGE = ChangeKind.ADD, ChangeKind.REMOVE, ChangeKind.CHANGE
REF = ObjectRef("", "ConfigMap", "shop", "settings")


def diffed(live: Any, desired: Any) -> ObjectDiff:
    return ObjectDiff(REF, live, desired, tuple(compare(desired, live)))


def drawn(diff: ObjectDiff) -> list[str]:
    """The rows as a screen may draw them: a star where a change begins, > where an item moves, live | desired."""
    signs = {RowKind.EQUAL: " ", RowKind.ADD: "+", RowKind.REMOVE: "-", RowKind.CHANGE: "~"}
    found = rows(diff)
    begun = [">" if row.move else "*" if row.change else " " for row in found]
    return [
        f"{begin}{signs[row.kind]} {'  ' * row.indent}{row.key} {row.live} | {row.desired}"
        for begin, row in zip(begun, found, strict=True)
    ]


def test_rows_show_both_sides_and_where_each_difference_begins() -> None:
    live = {"data": {"color": "red", "endpoint": "https://api"}, "old": {"a": [1]}}
    desired = {"data": {"color": "blue", "endpoint": "https://api", "timeout": "30s"}}
    assert drawn(diffed(live, desired)) == [
        "   data:  | ",
        "*~   color: red | blue",
        "     endpoint: https://api | https://api",
        "*+   timeout: None | 30s",
        "*- old:  | None",
        " -   a:  | None",
        " -   - 1 | None",
    ]


def test_items_of_lists_stand_beside_each_other_by_their_key() -> None:
    live = {"containers": [{"name": "old"}, {"name": "api", "image": "a:1", "args": ["-a"]}]}
    desired = {"containers": [{"name": "api", "image": "a:2", "args": ["-a", "-b"]}, {"name": "new", "ports": []}]}
    assert drawn(diffed(live, desired)) == [
        "   containers:  | ",
        "*- - name: old | None",
        "   - name: api | api",
        "     args:  | ",
        "     - -a | -a",
        "*+   - None | -b",
        "*~   image: a:1 | a:2",
        "*+ - name: None | new",
        " +   ports: None | []",
    ]


def test_an_item_that_moves_stands_once_where_it_will_be() -> None:
    live = {"env": [{"name": "a"}, {"name": "gone"}, {"name": "b", "value": "1"}]}
    desired = {"env": [{"name": "b", "value": "2"}, {"name": "a"}]}
    diff = diffed(live, desired)
    assert drawn(diff) == [
        "   env:  | ",
        ">  - name: b | b",
        '*~   value: "1" | "2"',
        "   - name: a | a",
        "*- - name: gone | None",
    ]
    # An item may begin with a field that differs.
    ports = [{"containerPort": 1, "appProtocol": "a"}, {"containerPort": 2}, {"containerPort": 3}]
    moved = [*ports[1:], {"containerPort": 1, "appProtocol": "b"}]
    (first,) = [row for row in rows(diffed({"ports": ports}, {"ports": moved})) if row.move]
    assert (first.key, first.live, first.desired, first.kind) == ("- appProtocol:", "a", "b", RowKind.CHANGE)
    assert first.change is not None


def test_a_value_that_becomes_a_map_is_shown_as_both_but_is_one_change() -> None:
    assert drawn(diffed({"a": 1}, {"a": {"b": 2}})) == ["*- a: 1 | None", " + a: None | ", " +   b: None | 2"]


def test_texts_are_aligned_line_by_line() -> None:
    live, desired = {"f": "one\ntwo\nthree\n"}, {"f": "zero\none\n2\nthree\n"}
    assert drawn(diffed(live, desired)) == [
        "*~ f: | | |",
        " +    None | zero",
        "      one | one",
        " ~    two | 2",
        "      three | three",
    ]


def test_an_object_that_is_to_come_or_to_go_is_one_change() -> None:
    assert drawn(diffed(None, {"a": {"b": 1}})) == ["*+ a: None | ", " +   b: None | 1"]
    assert drawn(diffed({"a": {"b": 1}}, None)) == ["*- a:  | None", " -   b: 1 | None"]


names = st.sampled_from(["a", "name", "containers", "x y"])
items = st.dictionaries(names, st.sampled_from(["1", "b", "c\nd", 1]), max_size=2)
values = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["1", "a", "a\nb", "b\n"]) | st.lists(items, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=3)


@settings(max_examples=200)
@given(objects, objects)
def test_each_change_begins_in_exactly_one_row_and_each_side_reads_as_its_yaml(live: Any, desired: Any) -> None:
    diff = diffed(live, desired)
    shown = rows(diff)
    begun = [str(each) for row in shown for each in (row.change, row.move) if each]
    assert sorted(begun) == sorted(map(str, diff.changes))
    equal = not diff.changes
    assert all(row.kind is RowKind.EQUAL for row in shown) is equal
    for side, obj in (("live", live), ("desired", desired)):
        kept = [row for row in shown if getattr(row, side) is not None]
        assert len(kept) == len([line for line in lines(obj) if obj])


odd = st.sampled_from(
    [
        "yes", "1.0", "1e3", "null", "~", "", "- a", "a: b", "a:b", "x #y", "#", " a\n b\n", "\n", "a\n\n\n", "\ta\nb",
        "é", "😀\u2028", "2001-01-01", "12:30", "0x1", "=", "<<", "---", "[a", "!x", "%", "a\r\nb", "\x7f\x1b[0m", "+1",
        ".5", "-.inf", "?",
    ]
)  # fmt: skip
texts = st.text(max_size=10) | odd
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(documents)
def test_the_lines_of_an_object_are_yaml_that_reads_back_as_the_object(obj: Any) -> None:
    text = "\n".join(lines(obj)) + "\n"
    assert yaml.safe_load(text) == obj
    assert not any(ord(character) < 0x20 and character not in "\n\t" for character in text)


def test_unified_text_goes_from_live_to_desired() -> None:
    live = {"data": {"color": "red", "x": "1"}, "kind": "ConfigMap"}
    desired = {"data": {"color": "blue", "x": "1"}, "kind": "ConfigMap"}
    assert unified(desired, live, context=1) == [
        "--- live",
        "+++ desired",
        "@@ -1,3 +1,3 @@",
        " data:",
        "-  color: red",
        "+  color: blue",
        '   x: "1"',
    ]
    assert unified(live, live) == []
    assert unified({"a": 1}, None)[-1] == "+a: 1"


def test_what_is_nested_too_deeply_is_told_in_one_sentence() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(FleetError, match="nested too deeply"):
        lines(deep)


# --- in a few words ---------------------------------------------------------------------------------------------


def change(path: str, before: Any, after: Any, kind: ChangeKind = CHANGE) -> Change:
    parts = tuple(int(part) if part.isdigit() else part for part in path.split("."))
    return Change(parts, kind, before, after)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], ""),
        ([change("spec.replicas", 2, 5)], "replicas 2 → 5"),
        ([change("spec.containers.0.image", "r.io:5000/a:1.98", "r.io:5000/a:1.99")], "image 1.98 → 1.99"),
        ([change("spec.image", "a", "a:1")], "image latest → 1"),
        ([change("spec.image", "a:1", "b:1")], "image a:1 → b:1"),
        (
            [change("data.color", "red", "blue"), change("spec.paused", True, None, REMOVE)],
            "color red → blue, paused removed",
        ),
        ([change("data.timeout", None, "30s", ADD)], "timeout 30s added"),
        ([change("spec.containers.1", None, {"name": "side"}, ADD)], "containers side added"),
        ([change("spec.args.1", "-a", None, REMOVE)], "args removed"),
        ([change("spec.env.2", 2, 0, ChangeKind.MOVE)], "env moved 2 → 0"),
        ([change("data.file", "a\nb", "a\nc")], "file changed"),
        ([change("data.password", "+" * 8, "+" * 12)], "password changed"),
        ([change("data.x", "a" * 60, "b")], "x changed"),
        ([change("data.x", "", "b")], 'x "" → b'),
        ([change("data.x", "a\x1b[31m", "b")], "x a\ufffd[31m → b"),
        ([change("a", 1, 2)] * 3, "3 fields"),
        ([Change((), ADD, None, {})], "object added"),
        ([Change((), REMOVE, {}, None)], "object removed"),
    ],
)
def test_summary(changes: list[Change], words: str) -> None:
    assert summary(changes) == words


def test_changes_as_json() -> None:
    who = Blame("kubectl-edit", "Update", 0.0)
    found = [
        Change(("data", "a"), CHANGE, "1", "2", who),
        change("spec.x.0", None, 1, ADD),
        change("y", None, None, REMOVE),
        change("env.2", 2, 0, ChangeKind.MOVE),
    ]
    blame = {"manager": "kubectl-edit", "operation": "Update", "time": "1970-01-01T00:00:00Z"}
    assert to_json(found) == [
        {"path": "data.a", "parts": ["data", "a"], "kind": "change", "before": "1", "after": "2", "blame": blame},
        {"path": "spec.x[0]", "parts": ["spec", "x", 0], "kind": "add", "after": 1},
        {"path": "y", "parts": ["y"], "kind": "remove", "before": None},
        {"path": "env[2]", "parts": ["env", 2], "kind": "move", "before": 2, "after": 0},
    ]


def test_an_audit_record_says_what_changed_and_holds_no_secret() -> None:
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"resourceVersion": "1"}, "data": {"a": "b2xk"}}
    after = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"resourceVersion": "2"},
        "stringData": {"a": "new", "b": "x"},
    }
    record = audit_changes(live, after)
    assert record == {
        "dictionary_item_added": {"root['data']['b']": "++++++++"},
        "values_changed": {"root['data']['a']": {"new_value": "++++++++", "old_value": "++++++++++++"}},
    }
    assert audit_changes(live, live) == {}
    assert audit_changes(None, {"kind": "X"}) == {"dictionary_item_added": {"root['kind']": "X"}}


# --- the whole way ----------------------------------------------------------------------------------------------


def test_an_object_compared_with_git_from_end_to_end() -> None:
    fields: dict[str, Any] = {"f:data": {"f:color": {}, "f:size": {}}}
    managed = [{"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields}]
    metadata = {"name": "settings", "namespace": "shop"}
    desired = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": "blue", "size": "1"}}
    live = {
        **desired,
        "metadata": {**metadata, "uid": "u", "managedFields": managed},
        "data": {"color": "red", "size": "2"},
    }
    rules = [IgnoreRule(kind="ConfigMap", json_pointers=("/data/size", "odd"))]
    diff, problems = object_diff(desired, live, rules=rules, file="settings.yaml", line=7)
    assert [(c.dotted, c.before, c.after, c.blame and c.blame.manager) for c in diff.changes] == [
        ("data.color", "red", "blue", "kubectl-edit")
    ]
    assert (diff.ref, diff.file, diff.line, diff.differs) == (REF, "settings.yaml", 7, True)
    assert diff.live == {**desired, "data": {"color": "red"}}
    assert len(problems) == 1

    predicted = {**live, "data": {"color": "red", "size": "2"}}
    assert not object_diff(desired, live, predicted=predicted)[0].differs
    assert object_diff(None, live)[0].desired is None
    assert object_diff(desired, None)[0].live is None
    with pytest.raises(FleetError):
        object_diff(None, None)
