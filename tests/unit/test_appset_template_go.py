"""Go templates of ApplicationSets, held to what Argo CD v3.6.1's own `Render.Replace` answered for the same input.

data/appsets/gotemplates.json: each text with the answers under no option, ``missingkey=error`` and ``missingkey=zero``;
null where Argo CD gives an error.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetui.engine.appset import generate, template_budget, template_go
from fleetui.engine.appset.template import Templating, render, render_text
from fleetui.model.errors import TemplateError, ToolMissingError
from fleetui.model.objects import Obj
from tests.unit.appsets import BOMB

_RECORDED = json.loads((Path(__file__).parent / "data/appsets/gotemplates.json").read_text())
_PARAMS: Obj = _RECORDED["params"]


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("gotpl", reason="the extra gotemplate is not installed")


def _rendered(text: str, *options: str, params: Obj = _PARAMS) -> str:
    return render_text(text, params, go=True, options=options)


@pytest.mark.parametrize(("place", "options"), [(1, ()), (2, ("missingkey=error",)), (3, ("missingkey=zero",))])
def test_every_recorded_text_is_rendered_as_argo_cd_renders_it(place: int, options: tuple[str, ...]) -> None:
    wrong = {}
    for text, *answers in _RECORDED["texts"]:
        found: str | None
        try:
            found = _rendered(text, *options)
        except TemplateError:
            found = None
        known_to_differ = options == ("missingkey=zero",) and ".missing.deep" in text
        if found != answers[place - 1] and not known_to_differ:
            wrong[text] = found
    assert not wrong


def test_a_template_leaves_the_parameters_as_they_are() -> None:
    before = json.dumps(_PARAMS)
    assert '"new":"v"' in _rendered('{{ set .m "new" "v" | toJson }}{{ tpl `{{ unset .m "a" }}` . }}')
    assert json.dumps(_PARAMS) == before


def test_keys_and_values_deep_within_are_rendered() -> None:
    template = {"labels": {"{{ .name }}": "{{ .m.a | upper }}"}, "list": [{"n": 1}, "{{ index .l 1 }}"]}
    assert render(template, _PARAMS, go=True) == {"labels": {"seoul-1": "X"}, "list": [{"n": 1}, "b"]}


def test_an_error_names_the_field_and_where_in_it() -> None:
    template = {"metadata": {"name": "{{ .name }}"}, "spec": {"source": {"path": "a/{{ .nope }}"}}}
    with pytest.raises(TemplateError) as caught:
        render(template, _PARAMS, go=True, options=["missingkey=error"])
    assert caught.value.field == "spec.source.path"
    assert "nope" in str(caught.value)
    assert "1:" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '{{ env "HOME" }}',
        '{{ expandenv "$HOME" }}',
        '{{ getHostByName "x" }}',
        '{{ include "x" . }}',
        '{{ required "x" . }}',
    ],
)
def test_functions_that_argo_cd_hides_are_not_there(text: str) -> None:
    with pytest.raises(TemplateError, match="not defined"):
        _rendered(text)


@pytest.mark.parametrize("text", ["{{ .name.upper }}", "{{ .name.__class__ }}", "{{ .l.append }}", "{{ .m.items }}"])
def test_nothing_of_python_can_be_reached(text: str) -> None:
    with pytest.raises(TemplateError):
        _rendered(text, "missingkey=error")


@pytest.mark.parametrize("name", ["genPrivateKey", "genCA", "bcrypt", "derivePassword", "encryptAES"])
def test_what_makes_keys_is_refused_by_name(name: str) -> None:
    with pytest.raises(TemplateError, match=f"fleetui has no {name}"):
        _rendered("{{ " + name + ' "x" }}')


@pytest.mark.parametrize(
    "text",
    [
        '{{ repeat 1000000000 "x" }}',
        "{{ range 100000000 }}{{ end }}",
        "{{ range until 100000000 }}{{ end }}",
        "{{ range untilStep 0 100000000 1 }}{{ end }}",
        '{{ "x" | nindent 1000000000 }}',
        '{{ printf "%1000000000d" 1 }}',
        '{{ printf "%*d" 1000000000 1 }}',
        "{{ randAlphaNum 100000000 }}",
        '{{ replace "" (repeat 100000 "b") (repeat 100000 "a") }}',
        '{{ join (repeat 100000 "a") (until 10000) }}',
        '{{ regexMatch "a{1000}{1000}" (repeat 1000 "a") }}',
        "{{ uniq (until 50000) }}",
        pytest.param('{{ $x := "a" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}', id="text-that-doubles"),
        pytest.param("{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}", id="lists-that-double"),
        pytest.param('{{ $d := dict }}{{ $_ := set $d "x" $d }}{{ $d }}', id="a-map-within-itself"),
        pytest.param('{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}', id="calls-itself"),
        pytest.param("{{ tpl .self . }}", id="renders-itself"),
        pytest.param("{{ fromYaml .bomb | len }}", id="aliases"),
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", id="nests"),
    ],
)
def test_a_template_that_would_hang_or_fill_the_engine_is_stopped(text: str) -> None:
    with pytest.raises(TemplateError):
        _rendered(text, params={"self": "{{ tpl .self . }}", "bomb": BOMB})


def test_what_all_templates_of_a_set_take_together_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_budget, "LONGEST", 0.0)
    metadata = {"name": "{{ .n | lower }}"}
    made = {"metadata": metadata, "spec": {"project": "p", "destination": {"name": "x"}, "source": {"repoURL": "r"}}}
    elements = [{"n": "ONE"}, {"n": "TWO"}]
    spec = {"goTemplate": True, "generators": [{"list": {"elements": elements}}], "template": made}
    found = generate({"metadata": {"name": "s", "namespace": "argocd"}, "spec": spec})
    (problem,) = found.problems
    assert problem.elements == (1,)
    assert "have taken more than" in problem.message
    assert _rendered("{{ .name | upper }}") == "SEOUL-1"


def test_an_option_that_there_is_not_is_named() -> None:
    with pytest.raises(TemplateError, match=r"spec\.goTemplateOptions: there is no option 'missingkey=never'"):
        _rendered("x", "missingkey=never")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    template_go.dialect.cache_clear()
    monkeypatch.setitem(sys.modules, "gotpl", None)
    appset: dict[str, Any] = {"spec": {"goTemplate": True}}
    template = {"metadata": {"name": "{{.n}}"}, "spec": {"project": "p", "destination": {}}}
    with pytest.raises(ToolMissingError, match=r"goTemplate of an ApplicationSet .*pip install fleetui\[gotemplate\]"):
        Templating.of(appset).maker(template)({"n": "x"})
