"""The steps of the native kustomize builder, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize import jsonpatch
from fleetui.render.kustomize.edit import edited, substituted
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.generators import content_hash
from fleetui.render.kustomize.images import split, with_image
from fleetui.render.kustomize.kustomization import Image
from fleetui.render.kustomize.loader import is_remote
from fleetui.render.kustomize.merge import merge
from fleetui.render.kustomize.options import refused_option
from fleetui.render.kustomize.resource import Resource
from fleetui.render.kustomize.selectors import pattern
from fleetui.render.kustomize.values import EMPTY, Quoted, Untyped, finished, plain, retyped, text_of, written

IMAGES = [
    ("nginx", ("nginx", "", "")),
    ("nginx:1.25", ("nginx", "1.25", "")),
    ("nginx@sha256:abc", ("nginx", "", "sha256:abc")),
    ("nginx:1.25@sha256:abc", ("nginx", "1.25", "sha256:abc")),
    ("reg.io:5000/team/app", ("reg.io:5000/team/app", "", "")),
    ("reg.io:5000/team/app:v1@sha256:abc", ("reg.io:5000/team/app", "v1", "sha256:abc")),
]


@pytest.mark.parametrize(("reference", "parts"), IMAGES)
def test_an_image_is_split(reference: str, parts: tuple[str, str, str]) -> None:
    assert split(reference) == parts


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image(new_tag="2"), "app:2"),
        (Image(digest="sha256:d"), "app@sha256:d"),
        (Image(new_tag="2", digest="sha256:d"), "app:2@sha256:d"),
        (Image(new_name="other"), "other:1@sha256:o"),
        (Image(tag_suffix="-x"), "app:1-x"),
        (Image(), "app:1@sha256:o"),
    ],
)
def test_an_image_is_replaced(image: Image, wanted: str) -> None:
    assert with_image("app:1@sha256:o", image) == wanted


@pytest.mark.parametrize(
    ("kind", "content", "wanted"),
    # From kustomize's own hasher_test.go.
    [
        ("ConfigMap", {}, "6ct58987ht"),
        ("ConfigMap", {"data": {"one": ""}}, "9g67k2htb6"),
        ("ConfigMap", {"data": {"two": 2, "one": "", "three": 3}}, "7757f9kkct"),
        ("ConfigMap", {"binaryData": {"one": ""}}, "6mtk2m274t"),
        ("ConfigMap", {"data": {"one": ""}, "binaryData": {"two": ""}}, "698h7c7t9m"),
        ("Secret", {"type": "my-type"}, "5gmgkf8578"),
        ("Secret", {"type": "my-type", "data": {"one": ""}}, "74bd68bm66"),
    ],
)
def test_content_hashes(kind: str, content: dict[str, Any], wanted: str) -> None:
    obj = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "any"}, **content}
    assert content_hash(Resource(obj, "", 1)) == wanted


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ({"op": "add", "path": "/a/-", "value": 3}, {"a": [1, 2, 3], "b": {"c/d": 1}}),
        ({"op": "add", "path": "/a/0", "value": 0}, {"a": [0, 1, 2], "b": {"c/d": 1}}),
        ({"op": "remove", "path": "/b/c~1d"}, {"a": [1, 2], "b": {}}),
        ({"op": "replace", "path": "/b/new", "value": 1}, {"a": [1, 2], "b": {"c/d": 1, "new": 1}}),
        ({"op": "move", "from": "/a/0", "path": "/b/e"}, {"a": [2], "b": {"c/d": 1, "e": 1}}),
        ({"op": "copy", "from": "/b", "path": "/e"}, {"a": [1, 2], "b": {"c/d": 1}, "e": {"c/d": 1}}),
        ({"op": "test", "path": "/a", "value": [1, 2]}, {"a": [1, 2], "b": {"c/d": 1}}),
    ],
)
def test_json_patch_operations(operation: dict[str, Any], wanted: Any) -> None:
    assert jsonpatch.apply(jsonpatch.operations([operation]), {"a": [1, 2], "b": {"c/d": 1}}) == wanted


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "remove", "path": "/x"}, "/x does not exist"),
        ({"op": "add", "path": "/x/y", "value": 1}, "create what it lies in first"),
        ({"op": "add", "path": "/a/9", "value": 1}, "beyond the 2 items"),
        ({"op": "test", "path": "/a", "value": [1]}, "has another value"),
        ({"op": "test", "path": "/a/0", "value": True}, "has another value"),
        ({"op": "jump", "path": "/a"}, "operation 1 of the JSON patch has no op"),
        ({"op": "add", "value": 1}, "operation 1 of the JSON patch has no path"),
        ({"op": "move", "path": "/a"}, "operation 1 of the JSON patch has no from"),
    ],
)
def test_json_patches_that_do_not_fit(operation: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message) as caught:
        jsonpatch.apply(jsonpatch.operations([operation]), {"a": [1, 2]})
    assert not isinstance(caught.value, UnsupportedProblem)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a", "value": None},
        {"op": "replace", "path": "/a/-1", "value": 1},
        {"op": "copy", "from": "/x", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
)
def test_json_patches_left_to_the_binary(operation: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedProblem):
        jsonpatch.apply(jsonpatch.operations([operation]), {"a": [1, 2]})


def merged(target: str, patch: str) -> Any:
    return finished(merge(yaml.safe_load(patch), yaml.safe_load(target)))


POD = "{apiVersion: v1, kind: Pod, metadata: {name: p}, "


@pytest.mark.parametrize(
    ("target", "patch", "wanted"),
    [
        ("spec: {a: 1}}", "spec: {b: 2}}", {"a": 1, "b": 2}),
        ("spec: {a: 1}}", "spec: {a: null}}", {}),
        ("spec: {a: {b: 1}}}", "spec: {a: {$patch: replace, c: 2}}}", {"a": {"c": 2}}),
        ("spec: {a: {b: 1}}}", "spec: {a: {$patch: delete}}}", {}),
        (
            "spec: {containers: [{name: a, image: x}]}}",
            "spec: {containers: [{name: b}, {name: a, tty: true}]}}",
            {"containers": [{"name": "b"}, {"name": "a", "image": "x", "tty": True}]},
        ),
        (
            "spec: {containers: [{name: a}, {name: b}]}}",
            "spec: {containers: [{name: a, $patch: delete}]}}",
            {"containers": [{"name": "b"}]},
        ),
        ("spec: {tolerations: [{key: a}]}}", "spec: {tolerations: [{key: b}]}}", {"tolerations": [{"key": "b"}]}),
        (
            "spec: {containers: [{name: a}]}}",
            "spec: {containers: [{$patch: replace}, {name: b}]}}",
            {"containers": [{"name": "b"}]},
        ),
    ],
)
def test_strategic_merges(target: str, patch: str, wanted: Any) -> None:
    assert merged(POD + target, POD + patch)["spec"] == wanted


def test_a_patch_of_another_type_is_an_error() -> None:
    with pytest.raises(Problem, match="another type than the object at spec"):
        merged(POD + "spec: {a: 1}}", POD + "spec: [1]}")


def test_an_unknown_directive_is_an_error() -> None:
    with pytest.raises(Problem, match="unknown \\$patch directive 'drop'; use delete, replace or merge"):
        merged(POD + "spec: {a: {b: 1}}}", POD + "spec: {a: {$patch: drop}}}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", EMPTY),
        ("null", None),
        ("true", True),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("yes", "yes"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_scalars(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_a_scalar_that_is_taken_has_its_value_s_text(value: Any) -> None:
    text = json.dumps(value)
    try:
        assert text_of(plain(text)) == text
    except UnsupportedProblem:
        assert isinstance(value, float)


def test_what_a_patch_puts_in_a_quoted_text_s_place_is_text() -> None:
    assert retyped(Quoted("x"), 5) == "5"
    assert retyped("x", 5) == 5
    assert retyped(7, Quoted("8")) == "8"
    assert type(written("true")) is Quoted
    assert type(written("web")) is str
    assert type(finished(Untyped("web"))) is str


@pytest.mark.parametrize("text", ["web", "web|db", "w.*", "(?:a|b)-c", "[a-z0-9]+", "a{2,3}", r"v1\.2"])
def test_patterns_that_mean_the_same_in_go(text: str) -> None:
    assert pattern(text).pattern == text


@pytest.mark.parametrize("text", ["(?i)a", r"\bweb", r"\pL", "a++", "(a+)+", "(.*)*", "a.*b.*c.*d.*e.*", "[[:alpha:]]"])
def test_patterns_left_to_the_binary(text: str) -> None:
    with pytest.raises(UnsupportedProblem):
        pattern(text)


@pytest.mark.parametrize(
    "path",
    [
        "https://a/b",
        "git@a:b",
        "github.com/a/b",
        "git::https://a/b",
        "a/b.git",
        "a/b?ref=v1",
        "ssh://a/b",
        "user@host:b",
    ],
)
def test_what_lies_elsewhere(path: str) -> None:
    assert is_remote(path)


@pytest.mark.parametrize("path", ["../base", "base", "a.yaml", "./x/y.json", "a-b/c_d"])
def test_what_lies_here(path: str) -> None:
    assert not is_remote(path)


# --- the Application's options --------------------------------------------------------------------------------


def edit(value: dict[str, Any], **options: Any) -> dict[str, Any]:
    return edited(value, options, lambda path: "missing" not in path)


@pytest.mark.parametrize(
    ("value", "options", "wanted"),
    [
        (
            {},
            {"namePrefix": "p-", "nameSuffix": "-s", "namespace": "n"},
            {"namePrefix": "p-", "nameSuffix": "-s", "namespace": "n"},
        ),
        ({"namespace": "file"}, {"namespace": ""}, {"namespace": "file"}),
        ({}, {"images": ["a:1"]}, {"images": [{"name": "a", "newTag": "1", "digest": ""}]}),
        (
            {"images": [{"name": "z", "newTag": "9"}, {"name": "b", "newTag": "8"}]},
            {"images": ["b=c@sha256:d", "a=*:2"]},
            {
                "images": [
                    {"name": "a", "newName": "", "newTag": "2", "digest": ""},
                    {"name": "b", "newName": "c", "newTag": "", "digest": "sha256:d"},
                    {"name": "z", "newTag": "9"},
                ]
            },
        ),
        (
            {"images": [{"name": "b", "newName": "kept", "newTag": "8"}]},
            {"images": ["b=*:9"]},
            {"images": [{"name": "b", "newName": "kept", "newTag": "9", "digest": ""}]},
        ),
        (
            {"images": [{"name": "b", "newTag": "1"}], "imageTags": [{"name": "b", "newTag": "2"}]},
            {"images": ["a:1"]},
            {"images": [{"name": "a", "newTag": "1", "digest": ""}, {"name": "b", "newTag": "1"}]},
        ),
        (
            {"replicas": [{"name": "a", "count": 1}]},
            {"replicas": [{"name": "a", "count": "3"}, {"name": "0", "count": 2}]},
            {"replicas": [{"name": "0", "count": 2}, {"name": "a", "count": 3}]},
        ),
        ({}, {"commonLabels": {"a": '"q"'}}, {"commonLabels": {"a": "q"}}),
        (
            {"labels": [{"pairs": {"x": "y"}, "includeSelectors": True}]},
            {"commonLabels": {"a": "b"}, "labelWithoutSelector": True},
            {
                "labels": [
                    {"pairs": {"x": "y"}, "includeSelectors": True},
                    {"pairs": {"a": "b"}, "includeTemplates": False},
                ]
            },
        ),
        (
            {"labels": [{"pairs": {"x": "y"}}]},
            {"commonLabels": {"x": "z"}, "labelWithoutSelector": True, "forceCommonLabels": True},
            {"labels": [{"pairs": {"x": "z"}}]},
        ),
        (
            {"commonAnnotations": {"a": "1"}},
            {"commonAnnotations": {"a": "2"}, "forceCommonAnnotations": True},
            {"commonAnnotations": {"a": "2"}},
        ),
        ({"patches": [{"path": "a"}]}, {"patches": [{"path": "b"}]}, {"patches": [{"path": "a"}, {"path": "b"}]}),
        ({"components": ["a"]}, {"components": ["a", "b"]}, {"components": ["a", "b"]}),
        (
            {},
            {"components": ["missing", "a", "b"], "ignoreMissingComponents": True},
            {"components": ["a"]},  # as Argo CD 3.6.1 has it: its loop ends with the first
        ),
        ({}, {"kubeVersion": "1.30", "apiVersions": ["v1"]}, {}),
    ],
)
def test_options_are_written_as_kustomize_edit_writes_them(
    value: dict[str, Any], options: dict[str, Any], wanted: dict[str, Any]
) -> None:
    before = json.dumps(value)
    assert edit(value, **options) == wanted
    assert json.dumps(value) == before


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ({}, {"images": ["nginx"]}, "'nginx' is not of the form"),
        ({}, {"replicas": [{"name": "a", "count": "x"}]}, "expected integer value for count. Received: x"),
        ({"commonLabels": {"a": "1"}}, {"commonLabels": {"a": "2"}}, "label a already in kustomization file; set"),
        ({"commonAnnotations": {"a": "1"}}, {"commonAnnotations": {"a": "2"}}, "forceCommonAnnotations"),
        ({}, {"commonLabels": {"a": "b"}, "labelIncludeTemplates": True}, "needs labelWithoutSelector"),
        ({}, {"version": "v4.5.7"}, "kustomize version v4.5.7 is not registered"),
        ({}, {"commonLabels": {"": "b"}}, "a label or annotation has no name"),
    ],
)
def test_options_that_can_not_be_carried_out(value: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        edit(value, **options)


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(ManifestError, match=r"the option spec\.source\.kustomize\.future is not known"):
        edit({}, future=True)


def test_variables_are_put_where_argo_cd_puts_them() -> None:
    environment = {"ARGOCD_APP_NAME": "shop", "ARGOCD_APP_REVISION": "abc"}
    options = {
        "images": ["shop:${ARGOCD_APP_REVISION}"],
        "commonLabels": {"app": "$ARGOCD_APP_NAME", "price": "$$5", "none": "$NOTHING"},
        "commonAnnotations": {"app": "$ARGOCD_APP_NAME"},
        "namePrefix": "$ARGOCD_APP_NAME",
    }
    assert substituted(options, environment) == options | {
        "images": ["shop:abc"],
        "commonLabels": {"app": "shop", "price": "$5", "none": ""},
    }
    asked = options | {"commonAnnotationsEnvsubst": True}
    assert substituted(asked, environment)["commonAnnotations"] == {"app": "shop"}


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ("", ""),
        ("  --load-restrictor LoadRestrictionsRootOnly --enable-helm=false ", ""),
        ("--load-restrictor=LoadRestrictionsNone", "--load-restrictor=LoadRestrictionsNone"),
        ("--load-restrictor LoadRestrictionsNone", "--load-restrictor LoadRestrictionsNone"),
        ("--load-restrictor", "--load-restrictor"),
        ("--enable-helm", "--enable-helm"),
        ("--enable-helm=false --enable-alpha-plugins --enable-exec", "--enable-alpha-plugins"),
        ("-e X=1", "-e"),
    ],
)
def test_options_of_a_build(options: str, refused: str) -> None:
    assert refused_option(options) == refused
