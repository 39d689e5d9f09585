"""A Secret's values are never seen, nor how long they are; whether they are equal is (argo-cd v3.6.1)."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.diff import (
    audit_changes,
    compare,
    json_patch,
    lines,
    mask,
    object_diff,
    rows,
    summary,
    to_json,
    unified,
)

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ONE, TWO, THREE = "+" * 8, "+" * 12, "+" * 16


def secret(data: Any = None, *, annotations: Any = None, **parts: Any) -> dict[str, Any]:
    metadata = {"name": "s", **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **({"data": data} if data else {}), **parts}


def test_equal_values_look_equal_and_others_differ() -> None:
    live = secret(
        {"same": "MQ==", "other": "MQ==", "gone": "MQ=="},
        annotations={LAST_APPLIED: json.dumps(secret({"other": "Mw=="}))},
    )
    desired = secret({"same": "MQ==", "other": "Mg=="}, stringData={"new": "long" * 99})
    masked_desired, masked_live = mask(desired, live)
    assert masked_desired is not None
    assert masked_live is not None
    assert masked_desired["data"] == {"same": ONE, "other": ONE, "new": ONE}
    assert "stringData" not in masked_desired
    assert masked_live["data"] == {"same": ONE, "other": TWO, "gone": ONE}
    assert json.loads(masked_live["metadata"]["annotations"][LAST_APPLIED])["data"] == {"other": THREE}


def test_objects_that_are_no_secret_pass_through() -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    other = {"apiVersion": "x.io/v1", "kind": "Secret", "data": {"a": "1"}}
    assert mask(config_map, other) == (config_map, other)
    assert mask(None, config_map) == (None, config_map)


def test_what_argo_cd_would_let_through_is_hidden_too() -> None:
    desired = secret(data="plain", stringData={"a": "plain"})
    nested = secret(
        annotations={LAST_APPLIED: json.dumps(secret(annotations={LAST_APPLIED: '{"data":{"a":"plain"}}'}))}
    )
    broken = secret(annotations={LAST_APPLIED: '{"data": {"a": "plain"'})
    for obj in (
        desired,
        nested,
        broken,
        secret({"a": {"deep": ["plain"]}}),
        secret(annotations={LAST_APPLIED: '["plain"]'}),
    ):
        masked, _ = mask(obj, None)
        assert "plain" not in json.dumps(masked)


def test_chosen_annotations_are_hidden_too() -> None:
    desired, live = secret(annotations={"token": "a", "note": "n"}), secret(annotations={"token": "b", "note": "n"})
    masked = mask(desired, live, annotations=["token"])
    assert [side and side["metadata"]["annotations"] for side in masked] == [
        {"token": ONE, "note": "n"},
        {"token": TWO, "note": "n"},
    ]


values = st.text(alphabet="abcdefgh", min_size=12, max_size=40)
encoded = values.map(lambda text: base64.b64encode(text.encode()).decode())
keys = st.sampled_from(["A", "B", "C"])
shapes = st.dictionaries(keys, encoded, max_size=3) | encoded | st.lists(encoded, max_size=2) | st.none()
plain = st.dictionaries(keys, values, max_size=3) | values | st.none()


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in leaves(item)]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    return [value] if isinstance(value, str) else []


@st.composite
def secrets(draw: st.DrawFn, *, inner: bool = True) -> dict[str, Any]:
    obj = secret(data=draw(shapes), stringData=draw(plain))
    if inner and draw(st.booleans()):
        obj["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(draw(secrets(inner=False)))}
    return obj


@settings(max_examples=300)
@given(secrets() | st.none(), secrets() | st.none())
def test_no_value_and_no_length_is_ever_shown(desired: Any, live: Any) -> None:
    before = copy.deepcopy((desired, live))
    shown = json.dumps(mask(desired, live))
    assert (desired, live) == before
    for side in (desired, live):
        applied = json.loads(((side or {}).get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED, "{}"))
        for obj in (side or {}, applied):
            for value in leaves([obj.get("data"), obj.get("stringData")]):
                assert value not in shown
                assert base64.b64encode(value.encode()).decode() not in shown
    runs = {len(run) for run in leaves([json.loads(shown)]) if set(run) == {"+"}}
    assert runs <= {8, 12, 16, 20}  # by how many values there are, never by how long they are


@given(st.dictionaries(keys, encoded, max_size=3), st.dictionaries(keys, encoded, max_size=3))
def test_masking_shows_the_same_differences(desired: Any, live: Any) -> None:
    masked = mask(secret(desired), secret(live))
    plain_changes = compare(secret(desired) | {"data": desired}, secret(live) | {"data": live})
    shown = compare(
        (masked[0] or {}) | {"data": (masked[0] or {}).get("data", {})},
        (masked[1] or {}) | {"data": (masked[1] or {}).get("data", {})},
    )
    assert [(c.path, c.kind) for c in shown] == [(c.path, c.kind) for c in plain_changes]


def test_the_diff_of_a_secret_is_masked_everywhere() -> None:
    live = secret(
        {"password": "b2xkLXBhc3N3b3Jk"}, annotations={LAST_APPLIED: '{"data":{"password":"b2xkLXBhc3N3b3Jk"}}'}
    )
    diff, _ = object_diff(secret(stringData={"password": "new-password"}), live)
    assert [change.dotted for change in diff.changes] == ["data.password"]
    assert "password" not in repr(diff).replace("data", "").replace("'password'", "")
    assert "b2xk" not in repr(diff)


# --- in no form at all ----------------------------------------------------------------------------------------------

tokens = st.integers(0, 3)
token_maps = st.dictionaries(keys, tokens, max_size=3)
token_shapes = st.fixed_dictionaries({}, optional={"data": token_maps | tokens, "stringData": token_maps | tokens})


def written(shape: dict[str, Any] | None, applied: dict[str, Any] | None, words: list[str]) -> dict[str, Any] | None:
    """A Secret of that shape, with `words` for its tokens."""

    def filled(part: Any, *, plain: bool) -> Any:
        if isinstance(part, dict):
            return {key: filled(value, plain=plain) for key, value in part.items()}
        return words[part] if plain else base64.b64encode(words[part].encode()).decode()

    if shape is None:
        return None
    fields = {field: filled(part, plain=field == "stringData") for field, part in shape.items()}
    inner = written(applied, None, words)
    return secret(**fields, annotations={} if inner is None else {LAST_APPLIED: json.dumps(inner)})


def every_form(desired: Any, live: Any) -> list[Any]:
    diff, problems = object_diff(desired, live, file="s.yaml", line=1)
    changes = diff.changes
    shown = [rows(diff), unified(diff.desired, diff.live), summary(changes), to_json(changes), problems]
    return [*shown, diff, json_patch(diff.live, changes), lines(diff.live), audit_changes(live, desired)]


@settings(max_examples=100, deadline=None)
@given(token_shapes | st.none(), token_shapes, token_shapes | st.none())
def test_no_form_depends_on_the_values_but_by_which_are_equal(desired: Any, live: Any, applied: Any) -> None:
    forms = [
        every_form(written(desired, None, words), written(live, applied, words))
        for words in (["a", "bb", "ccc", "dddd"], ["long-" * 9, "x\ny: z", "0", "true"])
    ]
    assert forms[0] == forms[1]
