"""Generators one by one: what they make, what they ask, and what they say of a flaw. What Argo CD's own code makes of
random ones is in test_appset_verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fleetui.engine.appset import RegisteredCluster
from fleetui.engine.appset.generators import ask_again, kinds_of, transformed
from fleetui.engine.appset.params import Params
from fleetui.engine.appset.questions import (
    Answer,
    ChartVersions,
    Decisions,
    GitDirectories,
    GitFiles,
    HostPullRequests,
    HostRepositories,
    PluginParameters,
    Question,
)
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.world import Unanswered, World
from fleetui.model.objects import Obj
from tests.unit.appsets import BOMB, HUB, SEOUL, THREE, TOKYO, elements, matrix, merge

URL = "https://git.example/apps"


def params(
    entry: Obj,
    clusters: Sequence[RegisteredCluster] = (),
    answers: Mapping[Question, Answer] | None = None,
    *,
    go: bool = False,
    options: Sequence[str] = (),
) -> list[Params]:
    (kind,) = kinds_of(entry)
    return transformed(entry, kind, World("some", "default", clusters, answers or {}, go=go, options=options), "it")


def question_of(entry: Obj) -> Question:
    (kind,) = kinds_of(entry)
    world = World("some", "default", (), {}, go=False, options=())
    with pytest.raises(Unanswered):
        transformed(entry, kind, world, "it")
    (question,) = world.open
    return question


def column(made: Sequence[Params], *keys: str) -> list[Any]:
    return [tuple(one.get(key) for key in keys) if len(keys) > 1 else one.get(keys[0]) for one in made]


# --- list -----------------------------------------------------------------------------------------------------


def test_a_list_has_texts_and_values_without_go_templates() -> None:
    made = params(elements({"a": "1", "values": {"b": "2"}}, {}))
    assert made == [{"a": "1", "values.b": "2"}, {}]


def test_a_list_has_anything_with_go_templates() -> None:
    element = {"a": 3, "b": {"c": [True, None]}}
    assert params(elements(element), go=True) == [element]


def test_elements_in_yaml_come_after_the_others_and_may_come_from_the_generator_before() -> None:
    second = {"list": {"elements": [{"b": "0"}], "elementsYaml": "{{ .found | toJson }}"}}
    made = params(matrix(elements({"found": [{"b": "1"}, {"b": "2"}]}), second), go=True)
    assert column(made, "b") == ["0", "1", "2"]


# --- clusters -------------------------------------------------------------------------------------------------


def test_clusters_come_by_name_and_the_hub_itself_last() -> None:
    made = params({"clusters": {}}, (TOKYO, SEOUL))
    assert column(made, "name", "server") == [
        ("seoul-1", "https://seoul-1"),
        ("tokyo-1", "https://tokyo-1"),
        ("in-cluster", "https://kubernetes.default.svc"),
    ]
    assert made[0]["metadata.labels.region"] == "kr"
    assert made[0]["metadata.annotations.note"] == "first"


def test_a_hub_that_is_registered_comes_once() -> None:
    assert column(params({"clusters": {}}, THREE), "name") == ["in-cluster", "seoul-1", "tokyo-1"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({}, ["seoul-1", "tokyo-1", "in-cluster"]),
        ({"matchLabels": {"region": "kr"}}, ["seoul-1"]),
        ({"matchExpressions": [{"key": "region", "operator": "In", "values": ["jp", "us"]}]}, ["tokyo-1"]),
        ({"matchExpressions": [{"key": "region", "operator": "DoesNotExist"}]}, []),
    ],
)
def test_a_selector_of_clusters(selector: Obj, names: list[str]) -> None:
    assert column(params({"clusters": {"selector": selector}}, (SEOUL, TOKYO)), "name") == names


def test_values_of_clusters_are_templates_that_do_not_see_each_other() -> None:
    values = {"a": "{{name}}!", "b": "{{values.a}}"}
    (made,) = params({"clusters": {"values": values}}, (HUB,))
    assert (made["values.a"], made["values.b"]) == ("in-cluster!", "{{values.a}}")


def test_a_flat_list_is_one_set_with_all_clusters() -> None:
    (made,) = params({"clusters": {"flatList": True}}, THREE, go=True)
    assert column(made["clusters"], "name") == ["in-cluster", "seoul-1", "tokyo-1"]


def test_a_cluster_keeps_to_itself_what_argo_cd_writes_there() -> None:
    noted = RegisteredCluster("a", "https://a", annotations={"argocd.argoproj.io/refresh": "hard", "mine": "x"})
    (made,) = params({"clusters": {"selector": {"matchExpressions": []}}}, (noted, HUB))[:1]
    assert {key for key in made if "annotations" in key} == {"metadata.annotations.mine"}


def test_a_cluster_whose_secret_can_not_be_read_stops_it() -> None:
    with pytest.raises(Flaw, match="can't be read"):
        params({"clusters": {}}, (SEOUL, RegisteredCluster("", "")))


# --- git and oci ----------------------------------------------------------------------------------------------

DIRECTORIES = GitDirectories(URL, "main", "default")


def git(**spec: Any) -> Obj:
    return {"git": {"repoURL": URL, "revision": "main", **spec}}


@pytest.mark.parametrize(
    ("rules", "paths"),
    [
        ([{"path": "*"}], ["apps"]),
        ([{"path": "apps/*"}], ["apps/a", "apps/b"]),
        ([{"path": "apps/*"}, {"path": "apps/b", "exclude": True}], ["apps/a"]),
        ([{"path": "apps/b", "exclude": True}, {"path": "apps/*"}, {"path": "apps/b"}], ["apps/a"]),
        ([{"path": "**"}], ["apps"]),
        ([{"path": "apps/[a"}], []),
    ],
)
def test_directories(rules: list[Obj], paths: list[str]) -> None:
    answers: dict[Question, Answer] = {DIRECTORIES: Answer(("apps", "apps/a", "apps/b", "apps/b/deep"))}
    assert column(params(git(directories=rules), answers=answers), "path") == paths


def test_parameters_of_a_folder() -> None:
    answers: dict[Question, Answer] = {DIRECTORIES: Answer(("apps/My_app",))}
    entry = git(directories=[{"path": "apps/*"}], pathParamPrefix="p", values={"v": "{{p.path.basename}}"})
    assert params(entry, answers=answers) == [
        {
            "p.path": "apps/My_app",
            "p.path.basename": "My_app",
            "p.path.basenameNormalized": "my-app",
            "p.path[0]": "apps",
            "p.path[1]": "My_app",
            "values.v": "My_app",
        }
    ]
    (made,) = params(git(directories=[{"path": "apps/*"}]), answers=answers, go=True)
    path = {"path": "apps/My_app", "basename": "My_app", "basenameNormalized": "my-app", "segments": ("apps", "My_app")}
    assert made == {"path": path}


def test_files_are_maps_or_lists_of_maps_in_the_order_of_their_paths() -> None:
    entry = git(files=[{"path": "b/*"}, {"path": "a/*"}, {"path": "a/no*", "exclude": True}])
    answers: dict[Question, Answer] = {
        GitFiles(URL, "main", "default", "a/*"): Answer({"a/one.yaml": b"m: {x: 1e6}\n", "a/not.yaml": b"m: 2"}),
        GitFiles(URL, "main", "default", "b/*"): Answer({"b/two.json": b'[{"m": true}, {"m": "3"}]'}),
        GitFiles(URL, "main", "default", "a/no*"): Answer({"a/not.yaml": b"m: 2"}),
    }
    made = params(entry, answers=answers)
    assert column(made, "path", "path.filename", "m", "m.x") == [
        ("a", "one.yaml", None, "1e+06"),
        ("b", "two.json", "true", None),
        ("b", "two.json", "3", None),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"- 3", "neither a map nor"), (b"a: [", "a/x.yaml:2 is no YAML"), (b"\xff\xff", "a/x.yaml")],
)
def test_a_file_that_is_none_is_named(content: bytes, said: str) -> None:
    answers: dict[Question, Answer] = {GitFiles(URL, "main", "default", "a/*"): Answer({"a/x.yaml": content})}
    with pytest.raises(Flaw, match=said):
        params(git(files=[{"path": "a/*"}]), answers=answers)


def test_an_artifact_is_asked_like_a_repository() -> None:
    spec = {"repoURL": "oci://registry.example/a", "revision": "1.0", "requeueAfterSeconds": 60}
    question = question_of({"oci": {**spec, "files": [{"path": "*.yaml"}]}})
    assert isinstance(question, ChartVersions)
    assert json.loads(question.spec) == {**spec, "project": "default", "pattern": "*.yaml"}
    question = question_of({"oci": {**spec, "directories": [{"path": "*"}]}})
    assert isinstance(question, ChartVersions)
    assert "pattern" not in json.loads(question.spec)


# --- hosts, plugins, decisions --------------------------------------------------------------------------------


def test_pull_requests() -> None:
    github = {"owner": "o", "repo": "r"}
    entry = {"pullRequest": {"github": github, "filters": [{"branchMatch": "x"}], "values": {"v": "pr-{{number}}"}}}
    question = question_of(entry)
    assert isinstance(question, HostPullRequests)
    assert question.provider == "github"
    assert json.loads(question.spec) == {"github": github, "filters": [{"branchMatch": "x"}]}
    found = {"number": 7, "title": "T", "branch": "feature/My_Branch", "target_branch": "main", "author": "me"}
    found |= {"head_sha": "0123456789ab", "labels": ("one", "two")}
    (made,) = params(entry, answers={question: Answer((found,))})
    assert made == {
        "number": "7",
        "title": "T",
        "branch": "feature/My_Branch",
        "branch_slug": "feature-my-branch",
        "target_branch": "main",
        "target_branch_slug": "main",
        "head_sha": "0123456789ab",
        "head_short_sha": "01234567",
        "head_short_sha_7": "0123456",
        "author": "me",
        "values.v": "pr-7",
    }
    (made,) = params(
        {"pullRequest": {**entry["pullRequest"], "values": {}}}, answers={question: Answer((found,))}, go=True
    )
    assert made["labels"] == ("one", "two")


def test_repositories() -> None:
    entry = {"scmProvider": {"gitea": {"owner": "o"}, "cloneProtocol": "https", "requeueAfterSeconds": 5}}
    question = question_of(entry)
    assert isinstance(question, HostRepositories)
    assert (question.provider, json.loads(question.spec)) == ("gitea", entry["scmProvider"])
    said = {"organization": "o", "repository": "r", "url": URL, "branch": "Feat/x", "sha": "0123456789"}
    found: Obj = {**said, "labels": ("a", "b"), "repository_id": 5}
    (made,) = params(entry, answers={question: Answer((found,))})
    assert made["labels"] == "a,b"
    assert (made["short_sha"], made["branchNormalized"], made["repository_id"]) == ("01234567", "feat-x", 5)


def test_a_plugin() -> None:
    entry = {"plugin": {"configMapRef": {"name": "c"}, "input": {"parameters": {"k": "v"}}, "values": {"x": "{{a.b}}"}}}
    question = question_of(entry)
    assert isinstance(question, PluginParameters)
    assert question.appset == "some"
    assert json.loads(question.spec) == {"configMapRef": {"name": "c"}, "input": {"parameters": {"k": "v"}}}
    (made,) = params(entry, answers={question: Answer(({"a": {"b": 1.5}},))})
    assert made == {"a.b": "1.5", "generator": {"input": {"parameters": {"k": "v"}}}, "values.x": "1.5"}


DECIDES = {"clusterDecisionResource": {"configMapRef": "c", "name": "n", "values": {"v": "{{name}}"}}}


def decided(*statuses: Any, key: str = "clusterName") -> Answer:
    objects = [{"kind": "Placement", "metadata": {"name": "n"}, "status": status} for status in statuses]
    return Answer({"matchKey": key, "statusListKey": "decisions", "objects": objects})


def test_decisions_are_for_registered_clusters() -> None:
    question = question_of(DECIDES)
    assert isinstance(question, Decisions)
    assert json.loads(question.spec) == {"configMapRef": "c", "name": "n"}
    answer = decided({"decisions": [{"clusterName": "tokyo-1", "n": 3}, {"clusterName": "none"}, {}]}, None)
    made = params(DECIDES, (SEOUL, TOKYO), {question: answer})
    server = "https://tokyo-1"
    assert made == [{"name": "tokyo-1", "server": server, "clusterName": "tokyo-1", "n": "3", "values.v": "{{name}}"}]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (decided(), "no such object"),
        (decided({"decisions": []}, key=""), "has no matchKey"),
        (decided({"other": []}), "status.decisions of Placement n is no list"),
    ],
)
def test_decisions_that_say_nothing_are_an_error_and_delete_nothing(answer: Answer, said: str) -> None:
    with pytest.raises(Flaw, match=said):
        params(DECIDES, THREE, {question_of(DECIDES): answer})


# --- selectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "left"),
    [
        (None, 3),
        ({}, 3),
        ({"matchLabels": {"server": "https://seoul-1"}}, 1),
        ({"matchExpressions": [{"key": "metadata.labels.region", "operator": "NotIn", "values": ["kr"]}]}, 2),
    ],
)
def test_a_selector_behind_a_generator_takes_any_value(selector: Obj | None, left: int) -> None:
    entry = {"clusters": {}, "selector": selector}
    assert len(params(entry, THREE)) == left
    assert len(params(entry, THREE, go=True)) == left


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}, "matchExpressions[0].operator"),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchExpressions[0].values"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["1"]}]}, "matchExpressions[0].values"),
        ({"matchExpressions": [{"key": "a b", "operator": "Exists"}]}, "matchExpressions[0].key"),
        ({"matchLabels": {"a": 1}}, "matchLabels.a"),
        ({"matchLabels": []}, "matchLabels"),
    ],
)
def test_a_selector_that_is_none(selector: Obj, field: str) -> None:
    with pytest.raises(Flaw) as raised:
        params({"list": {}, "selector": selector})
    assert raised.value.field == f"it.selector.{field}"


# --- matrix and merge -----------------------------------------------------------------------------------------


def test_a_matrix_refuses_different_values_of_a_key_without_go_templates_and_takes_the_first_with() -> None:
    entry = matrix(elements({"a": "1"}), elements({"a": "2", "b": "3"}))
    with pytest.raises(Flaw, match="both generators have 'a', with different values: '1' and '2'"):
        params(entry)
    assert params(entry, go=True) == [{"a": "1", "b": "3"}]


def test_a_matrix_merges_maps_with_go_templates() -> None:
    entry = matrix(elements({"m": {"a": "1", "l": [1]}}), elements({"m": {"a": "2", "b": "3", "l": [2]}}))
    assert params(entry, go=True) == [{"m": {"a": "1", "b": "3", "l": [1.0]}}]


def test_the_second_generator_of_a_matrix_sees_the_first_but_for_values_that_are_its_own() -> None:
    values = {"own": "{{ .name }}", "outer": "{{ .region }}"}
    second = {"clusters": {"selector": {"matchLabels": {"region": "{{ .region }}"}}, "values": values}}
    made = params(matrix(elements({"region": "jp"}, {"region": "kr"}), second), THREE, go=True)
    assert column(made, "name", "values") == [
        ("tokyo-1", {"own": "tokyo-1", "outer": "jp"}),
        ("seoul-1", {"own": "seoul-1", "outer": "kr"}),
    ]


def test_a_flaw_within_a_matrix_says_for_which_of_the_first() -> None:
    second = git(files=[{"path": "{{name}}/*"}])
    broken: dict[Question, Answer] = {
        GitFiles(URL, "main", "default", "a/*"): Answer({}),
        GitFiles(URL, "main", "default", "b/*"): Answer(problem="there is no answer"),
    }
    with pytest.raises(Flaw, match=r"there is no answer, for name=b$"):
        params(matrix(elements({"name": "a"}, {"name": "b"}), second), answers=broken)


def test_a_merge_keeps_the_first_and_lets_the_later_win() -> None:
    base = elements({"name": "a", "v": "1"}, {"name": "b", "v": "1"})
    entry = merge(base, elements({"name": "b", "v": "2"}, {"name": "c", "v": "9"}), elements({"name": "b", "w": "3"}))
    assert params(entry) == [{"name": "a", "v": "1"}, {"name": "b", "v": "2", "w": "3"}]


def test_a_merge_needs_sets_that_its_keys_tell_apart() -> None:
    with pytest.raises(Flaw, match=r"it\.merge\.generators\[1\]: makes several sets with the same merge keys, name=a"):
        params(merge(elements({"name": "a"}), elements({"name": "a"}, {"name": "a"})))


def test_matrices_and_merges_stand_within_each_other_once() -> None:
    inner = matrix(elements({"name": "a"}), elements({"x": "1"}, {"x": "2"}))
    entry = merge(inner, elements({"name": "a", "x": "2", "y": "3"}), keys=("name", "x"))
    assert column(params(entry), "x", "y") == [("1", None), ("2", "3")]
    with pytest.raises(
        Flaw, match=r"it\.matrix\.generators\[0\]\.merge\.generators\[0\]: a matrix can't stand so deep"
    ):
        params(matrix(entry, elements({})))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (matrix(elements({})), "has 1 generators, and a matrix has two"),
        (matrix(elements({}), elements({}), elements({})), "has 3 generators"),
        (merge(elements({})), "and a merge has two or more"),
        (merge(elements({}), elements({}), keys=()), "mergeKeys: is empty"),
        (matrix({}, elements({})), r"generators\[0\]: is no generator"),
        (matrix({"list": {}, "clusters": {}}, elements({})), "is list and clusters at once"),
        ({"git": {"repoURL": URL}}, "has neither directories nor files"),
        ({"pullRequest": {}}, "names no provider"),
        ({"clusterDecisionResource": {"configMapRef": "c"}}, "needs either a name or a labelSelector"),
        ({"list": {"elements": [3]}}, r"it\.list\.elements\[0\]: is not a map"),
        ({"list": {"elementsYaml": "a: 1"}}, "is no list of maps"),
        ({"list": {"elementsYaml": "- a: ["}}, "is no YAML"),
        ({"clusters": {"values": {"a": 1}}}, r"it\.clusters\.values\.a: is not a text"),
        ({"clusters": {"flatList": "yes"}}, "is not true or false"),
    ],
)
def test_what_is_no_generator_says_why(entry: Obj, said: str) -> None:
    with pytest.raises(Flaw, match=said):
        params(entry)


@pytest.mark.parametrize("go", [False, True])
def test_what_files_say_together_is_limited_before_it_is_copied(go: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = git(files=[{"path": "*.yaml"}])
    answers = {question_of(entry): Answer({f"{number}.yaml": b"a: &a [one]\nb: [*a, *a]\n" for number in range(3)})}
    monkeypatch.setattr("fleetui.engine.appset.world.MOST_BYTES", 105)
    assert len(params(entry, answers=answers, go=go)) == 3
    monkeypatch.setattr("fleetui.engine.appset.world.MOST_BYTES", 104)
    with pytest.raises(Flaw, match="with what its YAML repeats by aliases"):
        params(entry, answers=answers, go=go)


def test_elements_that_say_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetui.engine.appset.world.MOST_BYTES", 1_000_000)
    with pytest.raises(Flaw, match=r"it\.list\.elementsYaml: says more than"):
        params({"list": {"elementsYaml": "- " + BOMB.replace("\n", "\n  ")}})


# --- how soon again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ([elements({}), {"clusters": {}}], None),
        ([git()], 180),
        ([{"plugin": {}}, {"pullRequest": {"requeueAfterSeconds": 60}}], 60),
        ([{"scmProvider": {"requeueAfterSeconds": 0}}], None),
        ([matrix(elements({}), {"merge": {"generators": [git(requeueAfterSeconds=30)]}})], 30),
        (["odd", {"matrix": 3}], None),
    ],
)
def test_how_soon_the_world_is_asked_again(entries: list[Any], seconds: float | None) -> None:
    assert ask_again(entries) == seconds
