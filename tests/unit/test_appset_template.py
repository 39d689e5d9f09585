"""Templates of ApplicationSets without `goTemplate`, as Argo CD v3.6.1 has them (applicationset/utils/utils.go)."""

import pytest

from fleetui.engine.appset.template import compiled, render, render_text
from fleetui.model.errors import TemplateError

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
