"""`generate`: from an ApplicationSet to its Applications, and what it says where there are none."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.appset import Generated, generate
from fleetui.engine.appset.questions import Answer, GitDirectories, GitFiles, Question
from fleetui.model.objects import Obj
from tests.unit.appsets import PRINTED, RESTORED, RESTORED_GO, THREE, appset, article, elements, matrix

FOLDERS = GitDirectories("https://git.example/apps", "main", "default")


def names(made: Generated) -> list[str]:
    return [app.name for app in made.applications]


def said(made: Generated) -> list[str]:
    return [str(problem) for problem in made.problems]


@pytest.mark.parametrize(("text", "go"), [(RESTORED, False), (RESTORED_GO, True)], ids=["fasttemplate", "goTemplate"])
def test_the_article_makes_nine_applications_of_three_clusters(text: dict[str, str], go: bool) -> None:
    made = generate(article(text, go=go), THREE)
    assert not made.problems
    assert made.complete
    assert made.ask_again is None
    addons = ("cert-manager", "external-secrets", "metrics-server")
    assert names(made) == [f"{name}-{addon}" for name in ("in-cluster", "seoul-1", "tokyo-1") for addon in addons]
    fourth = made.applications[3]
    assert fourth.app == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "seoul-1-cert-manager",
            "namespace": "argocd",
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": "cluster-addons",
            "source": {
                "repoURL": "https://github.com/myorg/cluster-addons",
                "targetRevision": "main",
                "path": "addons/cert-manager/1.14",
            },
            "destination": {"server": "https://seoul-1", "namespace": "cert-manager"},
        },
    }
    assert (fourth.generator, fourth.kind, fourth.element) == (0, "matrix", 3)
    assert fourth.params["version"] == "1.14"


def test_the_article_as_printed_says_that_all_have_the_same_name_that_is_none() -> None:
    made = generate(article(PRINTED), THREE)
    assert not made.complete
    assert not made.applications
    name, destination = made.problems
    assert name.field == "metadata.name"
    assert name.elements == tuple(range(9))
    assert said(made)[0] == (
        "spec.generators[0] (matrix), elements 0, 1, 2 and 6 more, metadata.name: all 9 Applications get the same name;"
        " it is '-', and may hold only a-z, 0-9, '-' and '.' (write parameters into spec.template.metadata.name, such"
        " as {{name}}; there are addon, metadata.annotations.note, metadata.labels.region, name, nameNormalized,"
        " project, server, version)"
    )
    assert destination.field == "spec.destination"


def test_two_with_the_same_name_are_an_error_that_names_both_and_holds_them() -> None:
    given = appset(elements({"name": "a"}, {"name": "b"}), elements({"name": "c"}, {"name": "a", "why": "twice"}))
    made = generate(given)
    assert names(made) == ["b", "c"]
    assert made.held == {"a"}
    assert made.complete
    (problem,) = made.problems
    assert str(problem) == (
        "spec.generators[0] (list), element 0 (name=a), metadata.name: the name 'a' is also that of"
        " spec.generators[1] (list), element 1 (name=a, why=twice)"
    )


def test_a_generator_whose_elements_make_the_same_name_stops_all_and_names_them() -> None:
    made = generate(
        appset(elements({"addon": "x"}, {"addon": "x", "v": "2"}), elements({"addon": "y"}), name="{{addon}}")
    )
    assert not made.complete
    assert made.stopper == made.problems[0]
    assert said(made) == [
        "spec.generators[0] (list), elements 0, 1, metadata.name: both Applications get the same name, 'x' (write"
        " parameters into spec.template.metadata.name, such as {{name}}; there are addon, v)"
    ]


def test_an_invalid_application_holds_only_itself() -> None:
    made = generate(appset(elements({"name": "good"}, {"name": "Bad_one"})))
    assert names(made) == ["good"]
    assert made.held == {"Bad_one"}
    assert made.complete
    assert said(made)[0].startswith("spec.generators[0] (list), element 1 (name=Bad_one), metadata.name: is 'Bad_one'")


def test_an_application_without_a_name_holds_all_since_nobody_knows_which_it_would_be() -> None:
    made = generate(appset(elements({"name": "a"}, {"name": ""})))
    assert not made.complete
    assert not made.applications


def test_a_generator_that_is_wrong_changes_nothing_of_the_others() -> None:
    made = generate(appset(elements({"name": "a"}), elements({"name": 3})))
    assert not made.complete
    assert not made.applications
    assert not made.held
    assert said(made) == [
        "spec.generators[1].list.elements[0].name: is not a text, and a template without goTemplate takes nothing else"
        " (write it in quotes, or set goTemplate: true)"
    ]


def test_what_can_not_be_rendered_names_element_and_field_once() -> None:
    given = appset(
        elements({"name": "a", "x": "1"}, {"name": "b"}, {"name": "c"}),
        name="{{.name}}-{{.x}}",
        go=True,
        goTemplateOptions=["missingkey=error"],
    )
    made = generate(given)
    (problem,) = made.problems
    assert (problem.reason, problem.elements, problem.field) == ("RenderTemplateParamsError", (1, 2), "metadata.name")
    assert not made.complete
    assert not made.applications


def test_open_questions_are_asked_together_and_nothing_is_made_before_they_are_answered() -> None:
    folders = {"git": {"repoURL": FOLDERS.url, "revision": "main", "directories": [{"path": "*"}]}}
    files = {"git": {"repoURL": FOLDERS.url, "revision": "main", "files": [{"path": "a/*"}, {"path": "b/*"}]}}
    given = appset(elements({"name": "a"}), folders, files, name="{{name}}{{path.basename}}")
    made = generate(given)
    asked = (FOLDERS, *(GitFiles(FOLDERS.url, "main", "default", pattern) for pattern in ("a/*", "b/*")))
    assert made.questions == asked
    assert not made.applications
    assert not made.problems
    assert not made.complete
    assert made.ask_again == 180


def test_a_matrix_of_too_many_is_an_error_before_it_is_made() -> None:
    many = elements(*({f"k{number}": "x"} for number in range(400)))
    made = generate(appset(matrix(many, {"list": {"elements": [{"a": "x"}] * 400}})))
    assert said(made) == ["spec.generators[0].matrix: makes more than 100000 sets of parameters"]


def test_a_matrix_asks_for_each_of_its_first_generator_at_once() -> None:
    second = {"git": {"repoURL": "https://git.example/{{name}}", "revision": "main", "directories": [{"path": "*"}]}}
    given = appset(matrix(elements({"name": "a"}, {"name": "b"}), second), name="{{name}}-{{path}}")
    made = generate(given)
    asked = [GitDirectories(f"https://git.example/{name}", "main", "default") for name in ("a", "b")]
    assert list(made.questions) == asked
    answers: dict[Question, Answer] = {question: Answer(("one", "two")) for question in asked}
    assert names(generate(given, (), answers)) == ["a-one", "a-two", "b-one", "b-two"]


def test_what_can_not_be_asked_is_a_problem_of_its_generator() -> None:
    given = appset({"git": {"repoURL": FOLDERS.url, "revision": "main", "directories": [{"path": "*"}]}})
    made = generate(given, (), {FOLDERS: Answer(problem="https://git.example/apps does not answer")})
    assert said(made) == ["spec.generators[0].git: https://git.example/apps does not answer"]
    assert not made.complete


def test_a_generator_has_a_template_of_its_own_which_wins() -> None:
    own = elements({"name": "a"})
    own["list"]["template"] = {"metadata": {"labels": {"from": "{{name}}"}}, "spec": {"source": {"path": "own"}}}
    made = generate(appset(own, elements({"name": "b"})))
    assert [app.app["spec"]["source"]["path"] for app in made.applications] == ["own", "apps"]
    assert made.applications[0].app["metadata"]["labels"] == {"from": "a"}


def test_the_template_patch_is_rendered_for_each() -> None:
    made = generate(appset(elements({"name": "a"}), templatePatch="metadata: {annotations: {of: '{{name}}'}}"))
    assert made.applications[0].app["metadata"]["annotations"] == {"of": "a"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"generators": {}}, "spec.generators"),
        ({"generators": None}, "spec.generators"),
        ({"template": None}, "spec.template"),
        ({"generators": ["x"]}, "spec.generators[0]"),
        ({"generators": [{}]}, "spec.generators[0]"),
        ({"generators": [{"lists": {}}]}, "spec.generators[0]"),
        ({"generators": [{"list": []}]}, "spec.generators[0].list"),
        ({"template": []}, "spec.template"),
        ({"goTemplate": "yes"}, "spec.goTemplate"),
        ({"goTemplateOptions": [1]}, "spec.goTemplateOptions[0]"),
        ({"templatePatch": {}}, "spec.templatePatch"),
        ({"syncPolicy": {"preserveResourcesOnDeletion": "no"}}, "spec.syncPolicy.preserveResourcesOnDeletion"),
    ],
)
def test_a_spec_that_is_none_names_the_field(spec: dict[str, Any], field: str) -> None:
    given: Obj = appset(elements({"name": "a"}))
    given["spec"] |= spec
    made = generate(given)
    assert [problem.field for problem in made.problems] == [field]
    assert made.problems[0].reason == "ApplicationGenerationFromParamsError", "as the real Argo CD 3.6.1 calls it"
    assert not made.complete


def test_what_nests_too_deeply_is_told() -> None:
    deep: Obj = {}
    for _ in range(2000):
        deep = {"a": deep}
    templated = appset(elements({"name": "a"}))
    templated["spec"]["template"]["spec"]["source"]["helm"] = {"valuesObject": deep}
    for given in (templated, appset(elements({"name": "a", "values": deep}), go=True)):
        assert said(generate(given)) == ["spec: is nested too deeply"]


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"metadata": 1, "spec": {}}, {"spec": {"generators": None}}])
def test_what_is_no_applicationset_is_told(odd: Obj) -> None:
    made = generate(odd)
    assert made.problems
    assert not made.complete
