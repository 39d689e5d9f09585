"""Which element gives an Application its version; and that what is written there makes Argo CD generate just that."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import yaml

from fleetui.engine.appset.generate import generate
from fleetui.engine.appset.questions import Answer
from fleetui.engine.rollout.elements import elements_of, file_of
from fleetui.engine.rollout.truth import versions, with_versions
from fleetui.model.objects import Obj
from fleetui.model.rollout import Truth
from tests.unit.appsets import SEOUL, THREE, TOKYO, appset, elements, matrix, merge

TWO = (SEOUL, TOKYO)
ADDONS = elements({"addon": "certs", "version": "1.14"}, {"addon": "dns", "version": "0.7"})


def keys(given: Obj, clusters: Any = TWO) -> dict[str, str]:
    made = generate(given, clusters)
    assert made.complete, made.problems
    return {name: str(each) for name, each in elements_of(given, made.applications).items()}


def test_what_tells_the_cells_apart() -> None:
    shared = appset(matrix({"clusters": {"selector": {}}}, ADDONS), name="{{name}}-{{addon}}")
    assert keys(shared)["seoul-1-dns"] == "version where name=seoul-1,addon=dns"
    # Even of a fleet of one cluster: another may join.
    one = {"clusters": {"selector": {"matchLabels": {"region": "kr"}}}}
    assert keys(appset(matrix(one, ADDONS), name="{{name}}-{{addon}}")) == {
        "seoul-1-certs": "version where name=seoul-1,addon=certs",
        "seoul-1-dns": "version where name=seoul-1,addon=dns",
    }


def test_elements_of_their_own() -> None:
    own = elements({"cluster": "a", "chartVersion": "1"}, {"cluster": "b", "chartVersion": "2"})
    assert keys(appset(own, name="{{cluster}}")) == {
        "a": "chartVersion where cluster=a",
        "b": "chartVersion where cluster=b",
    }
    pairs = [{"cluster": c, "app": a, "version": "1"} for c, a in product("xy", "pq")]
    assert keys(appset(elements(*pairs), name="{{cluster}}-{{app}}"))["y-p"] == "version where cluster=y,app=p"
    assert keys(appset(elements({"name": "a"}), name="{{name}}")) == {}


def test_what_a_template_says_and_what_lies_deeper_tells_nothing() -> None:
    given = elements({"addon": "dns", "values": {"version": "1"}, "host": "{{name}}.example"})
    assert keys(
        appset(matrix({"clusters": {"selector": {"matchLabels": {"region": "kr"}}}}, given), name="{{name}}-{{addon}}")
    ) == {
        "seoul-1-dns": "values.version where name=seoul-1,addon=dns",
    }


def test_overrides_of_somebody_and_several_generators() -> None:
    base = matrix({"clusters": {"selector": {}}}, ADDONS)
    over = elements({"name": "seoul-1", "addon": "dns", "version": "0.9"})
    given = appset(
        merge(base, over, keys=("name", "addon")), elements({"name": "x", "addon": "y"}), name="{{name}}-{{addon}}"
    )
    assert keys(given)["seoul-1-dns"] == "version where name=seoul-1,addon=dns in 0"


def test_files_of_a_git_generator() -> None:
    git = {"git": {"repoURL": "https://git", "revision": "main", "files": [{"path": "c/**/v.json"}]}}
    for go in (False, True):
        given = appset(git, name="{{.name}}" if go else "{{name}}", go=go)
        answers: Any = {}
        [question] = generate(given, ()).questions
        answers[question] = Answer(value={"c/a/v.json": b'{"name": "a", "version": "1"}'})
        [made] = generate(given, (), answers).applications
        assert file_of(given, made) == ("https://git", "main", "c/a/v.json", "version")
    assert file_of(appset(ADDONS), made) is None


@pytest.mark.parametrize("go", [False, True])
@pytest.mark.parametrize("base", ["matrix", "turned", "merge"])
def test_argo_cd_generates_just_what_was_written(base: str, *, go: bool) -> None:
    clusters: Obj = {"clusters": {}}
    generators = {
        "matrix": matrix(clusters, ADDONS),
        "turned": matrix(ADDONS, clusters),
        "merge": merge(matrix(clusters, ADDONS), elements({"name": "seoul-1", "team": "x"})),
    }
    if base == "merge":
        generators["merge"]["merge"]["mergeKeys"] = ["name", "addon"]
        generators["merge"]["merge"]["generators"][1] = elements({"name": "seoul-1", "addon": "dns", "team": "x"})
    dot = "." if go else ""
    given = appset(generators[base], name=f"{{{{{dot}name}}}}-{{{{{dot}addon}}}}", go=go)
    given["spec"]["template"]["spec"]["source"]["targetRevision"] = f"{{{{{dot}version}}}}"
    text = yaml.safe_dump(given)

    def said(now: str) -> dict[str, str]:
        made = generate(yaml.safe_load(now), THREE)
        assert made.complete, made.problems
        return {each.name: each.app["spec"]["source"]["targetRevision"] for each in made.applications}

    before = said(text)
    found = elements_of(given, generate(given, THREE).applications)
    truths = {
        name: Truth("element", "u", "main", "a.yaml", "ApplicationSet argocd/some", str(e)) for name, e in found.items()
    }
    assert set(truths) == set(before)
    moved = text
    for wave in (["seoul-1-certs", "tokyo-1-dns"], ["tokyo-1-certs"], ["in-cluster-certs"]):
        expected = said(moved) | dict.fromkeys(wave, "1.15")
        moved = with_versions(moved, {truths[name]: "1.15" for name in wave}, list(truths.values()))
        assert said(moved) == expected
        assert versions(moved, list(truths.values())) == {truths[name]: version for name, version in expected.items()}
    back = with_versions(moved, {truths[name]: before[name] for name in truths}, list(truths.values()))
    assert said(back) == before
    # A merge of somebody else's keeps the cells that were added to it.
    assert (back == text) is (base != "merge")
