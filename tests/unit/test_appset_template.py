"""Templates of ApplicationSets without `goTemplate`, as Argo CD v3.6.1 has them (applicationset/utils/utils.go)."""

import re
from typing import Any

import pytest

from fleetui.engine.application import FINALIZER
from fleetui.engine.appset.template import Templating, compiled, render, render_text
from fleetui.engine.appset.template_patch import merged_template
from fleetui.model.errors import TemplateError
from fleetui.model.objects import Obj
from tests.unit.appsets import BOMB

PARAMS = {
    "name": "seoul-1",
    "metadata.labels.region": "ap",
    "path[0]": "addons",
    "number": 3,
    "empty": "",
    "a{{b": "odd",
}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{name}}", "seoul-1"),
        ("{{ name }}-{{\tname\u00a0}}!", "seoul-1-seoul-1!"),
        ("{{metadata.labels.region}}/{{path[0]}}", "ap/addons"),
        pytest.param("{{nothing}}-{{ nothing }}", "{{nothing}}-{{ nothing }}", id="unknown-stays-as-written"),
        pytest.param("{{number}}", "{{number}}", id="no-text-stays"),
        pytest.param("[{{empty}}]", "[]", id="empty-text-is-a-value"),
        pytest.param("{{}}{{ }}", "{{}}{{ }}", id="no-key"),
        pytest.param("{{name\x1f}}", "{{name\x1f}}", id="a-separator-is-no-blank-to-go"),
        pytest.param("{{{name}}}", "{{{name}}}", id="three-braces"),
        pytest.param("{{a{{b}}", "odd", id="a-mark-within-a-tag"),
        pytest.param("{{ name\n}}", "{{ name\n}}", id="not-on-one-line"),
        pytest.param("{{ name\n}} {{name}}", "seoul-1 seoul-1", id="one-line-makes-all-a-template"),
        pytest.param("{{name", "{{name", id="unclosed-alone-is-no-template"),
        pytest.param("name}} {{", "name}} {{", id="marks-turned-round"),
    ],
)
def test_a_text_is_rendered_as_argo_cd_does(text: str, made: str) -> None:
    assert render_text(text, PARAMS, go=False) == made


def test_what_is_rendered_is_not_rendered_again() -> None:
    assert render_text("{{name}}", {"name": "{{other}}", "other": "x"}, go=False) == "{{other}}"


def test_a_tag_that_is_never_closed_names_its_field() -> None:
    template = {"spec": {"sources": [{"path": "a"}, {"path": "{{name}}/{{version"}]}}
    with pytest.raises(TemplateError) as caught:
        render(template, PARAMS, go=False)
    assert caught.value.field == "spec.sources[1].path"
    assert str(caught.value) == "spec.sources[1].path: the {{ of '{{version' is never closed (close it with }})"


def test_keys_of_maps_are_templates_and_what_is_no_text_stays() -> None:
    template = {
        "metadata": {"labels": {"{{name}}": "{{ name }}", "b": "c"}},
        "spec": {"retry": {"limit": 2}, "prune": True, "parts": ["{{name}}", 1, "x"]},
    }
    assert render(template, PARAMS, go=False) == {
        "metadata": {"labels": {"seoul-1": "seoul-1", "b": "c"}},
        "spec": {"retry": {"limit": 2}, "prune": True, "parts": ["seoul-1", 1, "x"]},
    }


def test_two_keys_that_become_one_are_an_error_only_where_their_values_differ() -> None:
    same = {"labels": {"{{name}}": "x", "seoul-1": "x"}}
    assert render(same, PARAMS, go=False) == {"labels": {"seoul-1": "x"}}
    with pytest.raises(TemplateError, match="labels: two keys of this map become 'seoul-1', with different values"):
        render({"labels": {"{{name}}": "x", "seoul-1": "y"}}, PARAMS, go=False)


def test_without_parameters_nothing_is_rendered() -> None:
    template = {"metadata": {"name": "{{name}} {{open"}}
    assert render(template, {}, go=False) is template


def test_a_template_read_once_leaves_no_trace_of_one_rendering_in_the_next() -> None:
    template = {"metadata": {"name": "{{name}}", "labels": {"{{name}}": "y"}}, "spec": {"list": ["{{name}}"]}}
    made = compiled(template, go=False)
    first, second = made({"name": "a"}), made({"name": "b"})
    assert first == {"metadata": {"name": "a", "labels": {"a": "y"}}, "spec": {"list": ["a"]}}
    assert second == {"metadata": {"name": "b", "labels": {"b": "y"}}, "spec": {"list": ["b"]}}


# --- what becomes of a template: the answers are those of Argo CD's own code for the same input


def _template(metadata: Obj | None = None, **spec: Any) -> Obj:
    return {
        "metadata": {"name": "{{n}}", **(metadata or {})},
        "spec": {"project": "p", "source": {"repoURL": "r"}, "destination": {"server": "s"}, **spec},
    }


def _made(template: Obj, params: Obj | None = None, **appset: Any) -> Obj:
    spec = {"template": template, **appset}
    make = Templating.of({"metadata": {"namespace": "argocd"}, "spec": spec}).maker(template)
    return make({"n": "one", "e": ""} if params is None else params)


def test_an_application_is_in_the_namespace_of_its_set_and_has_the_finalizer() -> None:
    assert _made(_template({"namespace": "other"})) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "one", "namespace": "argocd", "finalizers": [FINALIZER]},
        "spec": {"project": "p", "source": {"repoURL": "r"}, "destination": {"server": "s"}},
    }


@pytest.mark.parametrize(
    ("template", "appset", "params", "finalizers"),
    [
        pytest.param(_template({"finalizers": ["x/{{n}}"]}), {}, None, ["x/one"], id="its-own"),
        pytest.param(_template({"finalizers": []}), {}, None, [FINALIZER], id="an-empty-list"),
        pytest.param(
            _template(), {"syncPolicy": {"preserveResourcesOnDeletion": True}}, None, None, id="resources-are-kept"
        ),
        pytest.param(_template(), {}, {}, None, id="without-parameters-nothing-is-done"),
        pytest.param(
            _template(), {"templatePatch": "metadata: {finalizers: null}"}, None, None, id="a-patch-comes-after"
        ),
    ],
)
def test_finalizers(template: Obj, appset: Obj, params: Obj | None, finalizers: list[str] | None) -> None:
    assert _made(template, params, **appset)["metadata"].get("finalizers") == finalizers


def test_fields_that_there_are_not_are_dropped_and_empty_ones_not_written() -> None:
    source = {"repoURL": "r", "path": "{{e}}", "directory": {"recurse": False, "jsonnet": {}}, "odd": 1}
    policy = {"automated": {"prune": False}, "retry": {"limit": 0}, "syncOptions": []}
    made = _made(_template(source=source, syncPolicy=policy, extra={"{{n}}": 1}, info=None))
    assert made["spec"]["source"] == {"repoURL": "r", "directory": {}}
    assert made["spec"]["syncPolicy"] == {"automated": {"prune": False}, "retry": {}}
    assert made["spec"].keys() == {"project", "source", "destination", "syncPolicy"}


def test_values_of_a_chart_are_rendered_within_and_keep_their_types() -> None:
    values = {"a{{n}}": "{{n}}", "f": 1.0, "g": 1.5, "z": None, "l": [None, "{{n}}", {"q": None}], "t": True, "e": ""}
    made = _made(_template(source={"repoURL": "r", "helm": {"valuesObject": values}}))
    assert made["spec"]["source"]["helm"]["valuesObject"] == {
        "aone": "one", "f": 1, "g": 1.5, "l": [None, "one", {}], "t": True, "e": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (_template(syncPolicy={"automated": 3}), "spec.syncPolicy.automated: must be a map, and is a whole number"),
        (_template({"labels": {"a": "b", "c": True}}), "metadata.labels.c: must be a text, and is true or false"),
        (_template(info=[{"name": "a"}]), "spec.info[0].value: is required"),
        (
            _template(syncPolicy={"retry": {"limit": "{{n}}"}}),
            "spec.syncPolicy.retry.limit: must be a whole number, and is a text",
        ),
        ({"metadata": {}, "spec": {"project": "p"}}, "spec.destination: is required"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(template: Obj, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        _made(template)
    assert str(caught.value) == said


VALUES = {"a": {"b": 1}, "c": 2, "l": [1]}
PATCHED = _template(
    {"finalizers": ["a", "b"], "labels": {"x": "y"}},
    source={"repoURL": "r", "helm": {"valuesObject": VALUES, "valueFiles": ["1"]}},
    syncPolicy={"syncOptions": ["A=b"]},
)


@pytest.mark.parametrize(
    ("patch", "path", "value"),
    [
        ("", "spec.project", "p"),
        ("null", "spec.project", "p"),
        ("spec: {project: other}", "spec.project", "p"),
        ("spec: {project: null}", "spec.project", "p"),
        ("metadata: {name: '{{n}}-x', namespace: zz}", "metadata.name", "one-x"),
        ("metadata: {name: two, namespace: zz}", "metadata.namespace", "argocd"),
        ("metadata: {labels: {x: null, '{{n}}': z}}", "metadata.labels", {"one": "z"}),
        ("metadata: {finalizers: [c, a]}", "metadata.finalizers", ["c", "a", "b"]),
        ("metadata: {finalizers: [b]}", "metadata.finalizers", ["a", "b"]),
        ("metadata: {finalizers: []}", "metadata.finalizers", ["a", "b"]),
        ("metadata: {$deleteFromPrimitiveList/finalizers: [a]}", "metadata.finalizers", ["b"]),
        ('{"spec": {"syncPolicy": {"syncOptions": ["X=y"]}}}', "spec.syncPolicy.syncOptions", ["X=y"]),
        ("spec: {syncPolicy: {automated: {prune: true}}}", "spec.syncPolicy.automated", {"prune": True}),
        ("spec: {syncPolicy: {$patch: delete}}", "spec.syncPolicy", {}),
        ("spec: {source: {$patch: replace, repoURL: q}}", "spec.source", {"repoURL": "q"}),
        ("spec: {source: {$retainKeys: [repoURL], repoURL: q}}", "spec.source", {"repoURL": "q"}),
        ("spec: {unknown: {a: b}}", "spec.destination", {"server": "s"}),
        ("spec: {source: {helm: {valuesObject: {c: 3}}}}", "spec.source.helm.valuesObject", {**VALUES, "c": 3}),
        (
            "spec: {source: {helm: {valuesObject: {$patch: replace, z: {q: null}}}}}",
            "spec.source.helm.valuesObject",
            {"z": {"q": None}},
        ),
        ("operation: {sync: {revision: abc}}\nstatus: {a: b}", "operation", {"sync": {"revision": "abc"}}),
        ("metadata: {labels: {a: b}}\n---\nmetadata: {labels: {c: d}}", "metadata.labels", {"x": "y", "a": "b"}),
    ],
)
def test_a_template_patch_is_merged_strategically(patch: str, path: str, value: Any) -> None:
    found: Any = _made(PATCHED, templatePatch=patch)
    for key in path.split("."):
        found = found[key]
    assert found == value


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("[]", "is no map once it is rendered"),
        ("{{n}}", "is no map once it is rendered"),
        ('{"spec": {}} x', "is no JSON once it is rendered"),
        ("a: [", "is no YAML once it is rendered: did not find expected node content, in line 2 of it"),
        (BOMB, "says more than an object may have"),
        ("spec: {syncPolicy: {automated: 3}}", "spec.syncPolicy.automated must be a map, and is a whole number"),
        ("spec: {source: {helm: {valuesObject: {a: {b: 3}}}}}", "Argo CD merges only the first level"),
        ("spec: {syncPolicy: {$patch: foo}}", "there is no directive $patch: foo"),
        ("spec: {source: {$retainKeys: [path], repoURL: q}}", "$retainKeys must list each key"),
        ("{{n}} {{n", "is never closed"),
    ],
)
def test_a_template_patch_that_does_not_fit_says_so(patch: str, said: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(said)) as caught:
        _made(PATCHED, templatePatch=patch)
    assert caught.value.field == "spec.templatePatch"


def test_the_template_of_a_generator_is_filled_up_from_that_of_its_set() -> None:
    own = {
        "metadata": {"labels": {"a": "own", "e": ""}, "finalizers": []},
        "spec": {
            "project": "",
            "destination": {"server": "own"},
            "source": {"repoURL": "", "helm": {"valuesObject": {}, "valueFiles": ["own"]}},
            "syncPolicy": {"automated": {"prune": False}},
        },
    }
    of_set = {
        "metadata": {"name": "set", "labels": {"a": "set", "e": "set", "c": "set"}, "finalizers": ["f"]},
        "spec": {
            "project": "set",
            "destination": {"server": "set", "namespace": "set"},
            "source": {"repoURL": "set", "helm": {"valuesObject": {"s": 1}, "valueFiles": ["set"]}},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": False}},
        },
    }
    assert merged_template(own, of_set) == {
        "metadata": {"name": "set", "labels": {"a": "own", "e": "set", "c": "set"}, "finalizers": ["f"]},
        "spec": {
            "project": "set",
            "destination": {"server": "own", "namespace": "set"},
            "source": {"repoURL": "set", "helm": {"valuesObject": {}, "valueFiles": ["own"]}},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": False}},
        },
    }
    assert merged_template(None, of_set) == of_set
