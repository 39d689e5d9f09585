"""What a server serves, from aggregated and from plain discovery."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backends.kube.discovery import discover
from backends.kube.etag import Tag
from fleetui.model.errors import ForbiddenError, NotFoundError, OverloadedError, StatusError, UnreachableError
from fleetui.model.objects import ApiResource, Discovery


class Source:
    """Answers by path; an exception is raised, a path that is not there is 404."""

    def __init__(self, answers: dict[str, Any], *, etags: dict[str, str] | None = None) -> None:
        self.answers = answers
        self.etags = etags or {}
        self.asked: list[str] = []
        self.sent: list[str] = []

    async def request(self, method: str, path: str, *, accept: str, verb: str, tag: Tag | None) -> bytes:
        self.asked.append(path)
        assert verb == "DISCOVER"
        assert accept.startswith("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,")
        assert accept.endswith(",application/json")
        answer = self.answers.get(path, NotFoundError("404 page not found"))
        if isinstance(answer, Exception):
            raise answer
        if tag is not None and path in self.etags:
            tag.answered(304 if tag.value == self.etags[path] else 200, {"ETag": self.etags[path]})
            if tag.unchanged:
                return b""
        self.sent.append(path)
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def aggregated(*groups: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    items = [{"metadata": {"name": name} if name else {}, "versions": versions} for name, versions in groups]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def served(plural: str, kind: str | None, *, scope: str = "Namespaced", **rest: Any) -> dict[str, Any]:
    response = {"group": "", "version": "", "kind": kind} if kind else None
    return {"resource": plural, "responseKind": response, "scope": scope, "verbs": ["get", "list"], **rest}


VERSION = {"gitVersion": "v1.37.2", "major": "1"}
DEPLOYMENTS = served(
    "deployments",
    "Deployment",
    singularResource="deployment",
    shortNames=["deploy"],
    categories=["all"],
    subresources=[{"subresource": "scale", "verbs": ["get"]}, {"subresource": "status", "verbs": ["get"]}],
)
DEPLOYMENT = ApiResource(
    "apps",
    "v1",
    "Deployment",
    "deployments",
    namespaced=True,
    verbs=frozenset({"get", "list"}),
    short_names=("deploy",),
    singular="deployment",
    subresources=frozenset({"scale", "status"}),
    categories=("all",),
)


async def test_aggregated_discovery_takes_two_requests_and_the_version() -> None:
    source = Source(
        {
            "/api": aggregated(("", [{"version": "v1", "resources": [served("nodes", "Node", scope="Cluster")]}])),
            "/apis": aggregated(
                ("apps", [{"version": "v1", "freshness": "Current", "resources": [DEPLOYMENTS]}]),
                (
                    "autoscaling",
                    [
                        {"version": "v2", "resources": [served("hpas", "HPA")]},
                        {"version": "v1", "resources": [served("hpas", "HPA"), served("odd", None)]},
                        {"version": "v0", "resources": [served("evil", "Ev\x1bil"), served("bidi", "a\u202eb")]},
                        {"version": "v0", "resources": [served("../../secrets", "Up"), served("a/b", "Down")]},
                    ],
                ),
                ("metrics.k8s.io", [{"version": "v1beta1", "freshness": "Stale"}]),
            ),
            "/version": VERSION,
        }
    )
    found = (await discover(source)).discovery()
    assert sorted(source.asked) == ["/api", "/apis", "/version"]
    assert found.version == "v1.37.2"
    assert found.failed == ("metrics.k8s.io/v1beta1",)
    assert found.by_kind("apps", "Deployment") == DEPLOYMENT
    assert [resource.full_name for resource in found.find("deploy")] == ["deployments.apps"]
    node = found.by_kind("", "Node")
    assert node is not None
    assert (node.namespaced, node.singular) == (False, "node")
    preferred = found.by_kind("autoscaling", "HPA")
    assert preferred is not None
    assert preferred.version == "v2"
    assert found.by_kind("autoscaling", "HPA", "v1") is not None
    assert len(list(found)) == 4


async def test_an_older_server_is_asked_for_each_version_and_a_dead_one_is_named() -> None:
    plain = {
        "resources": [
            {"name": "deployments", "kind": "Deployment", "namespaced": True, "singularName": "deployment",
             "verbs": ["list", "get"], "shortNames": ["deploy"], "categories": ["all"]},
            {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get"]},
            {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
        ]
    }  # fmt: skip
    group = {
        "name": "apps",
        "versions": [
            {"groupVersion": "apps/v1beta1", "version": "v1beta1"},
            {"groupVersion": "apps/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }
    dead = {"name": "metrics.k8s.io", "versions": [{"version": "v1beta1"}]}
    source = Source(
        {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": [group, dead]},
            "/api/v1": {"resources": [{"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["list"]}]},
            "/apis/apps/v1": plain,
            "/apis/apps/v1beta1": plain,
            "/apis/metrics.k8s.io/v1beta1": OverloadedError("service unavailable", code=503),
            "/version": ForbiddenError("no"),
        }
    )
    found = (await discover(source)).discovery()
    assert found.by_kind("apps", "Deployment") == DEPLOYMENT
    assert found.by_kind("apps", "Deployment", "v1beta1") is not None
    assert found.by_kind("", "Node") is not None
    assert found.failed == ("metrics.k8s.io/v1beta1",)
    assert found.version == ""


@pytest.mark.parametrize("broken", [b"<html>", {"items": 3}])
async def test_an_answer_that_is_no_discovery_is_an_error(broken: Any) -> None:
    with pytest.raises(
        StatusError, match="the answer to GET /apis is not what a Kubernetes API server sends"
    ) as caught:
        await discover(Source({"/api": aggregated(), "/apis": broken, "/version": VERSION}), cluster="prod")
    assert caught.value.cluster == "prod"


async def test_a_server_that_goes_meanwhile_is_an_error_and_no_shorter_list() -> None:
    group = {"name": "apps", "versions": [{"version": "v1"}]}
    answers = {"/api": aggregated(), "/apis": {"groups": [group]}, "/apis/apps/v1": UnreachableError("gone")}
    with pytest.raises(UnreachableError):
        await discover(Source(answers | {"/version": VERSION}))


async def test_a_group_that_may_not_be_asked_is_the_only_one_that_is_missing() -> None:
    groups = [{"name": name, "versions": [{"version": "v1"}]} for name in ("apps", "secret.io", "gone.io", "odd.io")]
    answers = {
        "/api": {"versions": []},
        "/apis": {"groups": groups},
        "/apis/apps/v1": {"resources": [{"name": "deployments", "kind": "Deployment"}]},
        "/apis/secret.io/v1": ForbiddenError("no"),
        "/apis/odd.io/v1": b"<html>",
        "/version": VERSION,
    }
    found = (await discover(Source(answers))).discovery()
    assert [resource.kind for resource in found] == ["Deployment"]
    assert found.failed == ("secret.io/v1", "gone.io/v1", "odd.io/v1")


async def test_what_has_not_changed_is_not_sent_again() -> None:
    answers = {
        "/api": aggregated(("", [{"version": "v1", "resources": [served("pods", "Pod")]}])),
        "/apis": aggregated(("apps", [{"version": "v1", "resources": [DEPLOYMENTS]}])),
        "/version": VERSION,
    }
    source = Source(answers, etags={"/api": '"A"', "/apis": '"B"'})
    first = await discover(source)
    source.sent.clear()
    again = await discover(source, known=first)
    assert again == first
    assert source.sent == ["/version"]
    source.etags["/apis"] = '"C"'
    source.answers["/apis"] = aggregated()
    source.sent.clear()
    later = await discover(source, known=again)
    assert sorted(source.sent) == ["/apis", "/version"]
    assert [resource.kind for resource in later.discovery()] == ["Pod"]


# --- words --------------------------------------------------------------------------------------------------------


def resource(group: str, version: str, plural: str, kind: str, *short_names: str) -> ApiResource:
    return ApiResource(group, version, kind, plural, namespaced=True, short_names=short_names, singular=kind.lower())


WORDS = Discovery(
    [
        resource("", "v1", "pods", "Pod", "po"),
        resource("", "v1", "events", "Event", "ev"),
        resource("", "v1", "services", "Service", "svc"),
        resource("apps", "v1", "deployments", "Deployment", "deploy"),
        resource("apps", "v1beta1", "deployments", "Deployment", "deploy"),
        resource("events.k8s.io", "v1", "events", "Event", "ev"),
        resource("serving.knative.dev", "v1", "services", "Service", "kservice", "po"),
        resource("odd.example.com", "v1", "svc", "Svc"),
        resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics"),
    ]
)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("deployments", ["deployments.v1.apps"]),
        ("deployment", ["deployments.v1.apps"]),
        ("Deployment", ["deployments.v1.apps"]),
        ("deploy", ["deployments.v1.apps"]),
        ("deploy.apps", ["deployments.v1.apps"]),
        ("deployments.v1beta1.apps", ["deployments.v1beta1.apps"]),
        ("deployments.v9.apps", []),
        ("events", ["events.v1.", "events.v1.events.k8s.io"]),
        ("ev", ["events.v1.", "events.v1.events.k8s.io"]),
        ("events.events.k8s.io", ["events.v1.events.k8s.io"]),
        ("events.events", ["events.v1.events.k8s.io"]),
        ("services", ["services.v1.", "services.v1.serving.knative.dev"]),
        ("svc", ["svc.v1.odd.example.com"]),
        ("po", ["pods.v1.", "services.v1.serving.knative.dev"]),
        ("pods.v1.", ["pods.v1."]),
        ("pods", ["pods.v1.", "pods.v1beta1.metrics.k8s.io"]),
        ("nothing", []),
        ("", []),
        (".", []),
    ],
)
def test_words_mean_what_they_mean_to_kubectl(word: str, found: list[str]) -> None:
    assert [f"{it.plural}.{it.version}.{it.group}" for it in WORDS.find(word)] == found
