"""What a project permits."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.projects import DEFAULT_PROJECT, Place, project_of, spec_problems
from fleetui.model.objects import ObjectRef
from tests.engine.objects import application

HERE = Place("https://kubernetes.default.svc", "in-cluster")
EDGE = Place("https://edge.example:6443", "edge-1")
ANY = [{"group": "*", "kind": "*"}]


def project(**spec: Any) -> Any:
    return project_of({"metadata": {"name": "team"}, "spec": spec})


@pytest.mark.parametrize(
    ("repos", "url", "permitted"),
    [
        ([], "https://git.example/a/b", False),
        (["*"], "https://git.example/a/b", True),
        (["https://git.example/a/*"], "https://git.example/a/b", True),
        (["https://git.example/a/*"], "https://GIT.example/A/b.git", True),
        (["https://git.example/*"], "https://git.example/a/b", False),
        (["https://git.example/**"], "https://git.example/a/b", True),
        (["https://git.example/**/x"], "https://git.example/b/y/x", True),
        (["git@git.example:a/*"], "ssh://git@git.example/a/b", True),
        (["*", "!https://git.example/a/*"], "https://git.example/a/b", False),
        (["*", "!https://git.example/a/*"], "https://git.example/c/b", True),
        (["!https://git.example/a/*"], "https://git.example/c/b", True),
        (["https://git.example/a/["], "https://git.example/a/[", False),
    ],
)
def test_sources(repos: list[str], url: str, permitted: bool) -> None:
    assert project(sourceRepos=repos).permits_source(url) is permitted


@pytest.mark.parametrize(
    ("destinations", "place", "namespace", "permitted"),
    [
        ([], HERE, "shop", False),
        ([{"server": "*", "namespace": "*"}], HERE, "shop", True),
        ([{"server": "https://kubernetes.default.svc", "namespace": "shop-*"}], HERE, "shop-eu", True),
        ([{"server": "https://kubernetes.default.svc", "namespace": "shop-*"}], HERE, "web", False),
        ([{"name": "edge-*", "namespace": "shop"}], EDGE, "shop", True),
        ([{"name": "edge-*", "namespace": "shop"}], HERE, "shop", False),
        ([{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!kube-system"}], HERE, "kube-system", False),
        ([{"server": "*", "namespace": "!kube-system"}], HERE, "shop", True),
        ([{"server": "*", "namespace": "*"}, {"server": "!https://edge*", "namespace": "*"}], EDGE, "shop", False),
        ([{"server": "*", "namespace": "*"}, {"server": "!https://edge*", "namespace": "*"}], HERE, "shop", True),
    ],
)
def test_destinations(destinations: list[Any], place: Place, namespace: str, permitted: bool) -> None:
    assert project(destinations=destinations).permits_destination(place, namespace) is permitted


def test_clusters_of_the_project_alone() -> None:
    bound = project(permitOnlyProjectScopedClusters=True, destinations=[{"server": "*", "namespace": "*"}])
    assert not bound.permits_destination(EDGE, "shop")
    assert bound.permits_destination(Place(EDGE.server, EDGE.name, "team"), "shop")
    assert project().permits_destination(Place(EDGE.server, EDGE.name, "team", ("shop",)), "shop")
    assert not project().permits_destination(Place(EDGE.server, EDGE.name, "team", ("shop",)), "web")


@pytest.mark.parametrize(
    ("spec", "ref", "permitted"),
    [
        ({}, ObjectRef("", "ConfigMap", "shop", "a"), True),
        ({}, ObjectRef("", "Namespace", "", "shop"), False),
        ({"clusterResourceWhitelist": ANY}, ObjectRef("", "Namespace", "", "shop"), True),
        ({"namespaceResourceWhitelist": []}, ObjectRef("", "ConfigMap", "shop", "a"), False),
        (
            {"namespaceResourceWhitelist": [{"group": "apps", "kind": "*Set"}]},
            ObjectRef("apps", "StatefulSet", "s", "a"),
            True,
        ),
        (
            {"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]},
            ObjectRef("", "Secret", "shop", "a"),
            False,
        ),
        (
            {"clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "team-*"}]},
            ObjectRef("", "Namespace", "", "team-a"),
            True,
        ),
        (
            {"clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "team-*"}]},
            ObjectRef("", "Namespace", "", "prod"),
            False,
        ),
        (
            {"clusterResourceWhitelist": ANY, "clusterResourceBlacklist": [{"group": "", "kind": "Namespace"}]},
            ObjectRef("", "Namespace", "", "prod"),
            False,
        ),
    ],
)
def test_kinds(spec: Any, ref: ObjectRef, permitted: bool) -> None:
    assert project(**spec).permits_kind(ref, namespaced=bool(ref.namespace)) is permitted


@pytest.mark.parametrize(
    ("namespaces", "namespace", "permitted"),
    [
        ([], "argocd", True),
        ([], "team-a", False),
        (["team-*"], "team-a", True),
        (["/^team-[ab]$/"], "team-a", True),
        (["/^team-[ab]$/"], "team-c", False),
        (["/[/"], "team-c", False),
    ],
)
def test_applications_in_other_namespaces(namespaces: list[str], namespace: str, permitted: bool) -> None:
    assert project(sourceNamespaces=namespaces).permits_applications_in(namespace, "argocd") is permitted


def test_what_an_application_is_told() -> None:
    app = application(spec={"destination": {"name": "edge-1", "namespace": "shop"}})
    assert spec_problems(app, project(), EDGE, "") == [
        "application repo https://git.example/shop.git is not permitted in project 'team'",
        "application destination server 'edge-1' and namespace 'shop' do not match any of the allowed destinations in "
        "project 'team'",
    ]
    assert not spec_problems(app, DEFAULT_PROJECT, EDGE, "")


NO_PATH = "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
NO_CLUSTER = "there are no clusters with this name: edge-9"


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, ["shop.git", NO_CLUSTER]),
        ({"source": {"repoURL": "https://git.example/shop.git"}}, [NO_PATH]),
        ({"sources": [{"repoURL": "a", "path": "x"}, {"repoURL": "b", "chart": "c"}]}, ["repo a ", "targetRevision"]),
        (
            {"sources": [{"repoURL": "a", "path": "x"}, {"repoURL": "b", "ref": "b"}]},
            ["repo a ", "repo b ", NO_CLUSTER],
        ),
        ({"sourceHydrator": {}}, ["spec.sourceHydrator is not supported"]),
    ],
)
def test_all_that_is_wrong_is_told_up_to_what_makes_the_rest_unknowable(spec: Any, found: list[str]) -> None:
    app = application(spec={"destination": {"name": "edge-9", "namespace": "shop"}, **spec})
    told = spec_problems(app, project(), None, NO_CLUSTER)
    assert len(told) == len(found)
    assert all(words in sentence for words, sentence in zip(found, told, strict=True))


def test_what_the_engine_can_not_verify_is_refused_by_name() -> None:
    assert project(signatureKeys=[{"keyID": "ABC"}]).unserved == (
        "project 'team' demands signed commits (signatureKeys), which this engine can't verify: it syncs nothing of it"
    )
    assert "sourceIntegrity" in project(sourceIntegrity={"git": {}}).unserved
    assert not project(signatureKeys=[]).unserved


def test_odd_projects_permit_nothing() -> None:
    odd = project(sourceRepos="*", destinations={"server": "*"}, clusterResourceWhitelist=[1], syncWindows=["x"])
    assert not odd.permits_source("https://git.example/a")
    assert not odd.permits_destination(HERE, "shop")
    assert not odd.permits_kind(ObjectRef("", "Namespace", "", "a"), namespaced=False)
    assert not odd.windows
