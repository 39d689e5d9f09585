"""`status.summary` (`types.go`, `GetSummary`; `controller/cache/info.go`, Argo CD v3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.summary import summary
from fleetui.model.objects import Obj

LINK = "link.argocd.argoproj.io/external-link"


def ingress(*, annotations: dict[str, str] | None = None, status: Any = None, **spec: Any) -> Obj:
    rule = {"host": "web.example.com", "http": {"paths": [{"path": "/"}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "annotations": annotations or {}},
        "spec": {"rules": [rule], **spec},
        "status": status or {},
    }


def workload(kind: str = "Deployment", group: str = "apps/v1", **spec: Any) -> Obj:
    pod = {"initContainers": [{"image": "x/init:1"}], "containers": [{"image": "x/web:1"}]}
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "web"}, "spec": {"template": {"spec": pod}, **spec}}


@pytest.mark.parametrize(
    ("live", "urls"),
    [
        (ingress(annotations={LINK: "https://example.com/x"}), ["http://web.example.com/", "https://example.com/x"]),
        (
            ingress(annotations={LINK: "Docs|https://example.com"}),
            ["Docs|https://example.com", "http://web.example.com/"],
        ),
        (ingress(annotations={LINK: "javascript:alert(1)"}), ["http://web.example.com/"]),
        (ingress(annotations={"argocd.argoproj.io/ignore-default-links": "true"}), None),
        (ingress(tls=[{"secretName": "s"}]), ["https://web.example.com/"]),
        (ingress(tls=[{"hosts": ["web.example.com"]}]), ["https://web.example.com/"]),
        (ingress(tls=[{"hosts": ["other.example.com"]}]), ["http://web.example.com/"]),
        (
            ingress(
                rules=[{"http": {"paths": [{"path": "/a*"}]}}],
                status={"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}, {"hostname": "lb"}]}},
            ),
            ["http://10.1.1.1/a"],
        ),
        (ingress(rules=[{"http": {"paths": [{"path": "/a"}]}}]), None),
    ],
)
def test_links(live: Obj, urls: list[str] | None) -> None:
    assert summary({}, [(live, live)]).get("externalURLs") == urls


def test_the_applications_own_links_are_among_them() -> None:
    app = {"metadata": {"annotations": {LINK: "https://wiki.example.com", "other": "x"}}}
    assert summary(app, []) == {"externalURLs": ["https://wiki.example.com"]}


@pytest.mark.parametrize(
    ("live", "images"),
    [
        (workload(), ["x/init:1", "x/web:1"]),
        (workload(replicas=0), None),
        (workload("Job", "batch/v1"), ["x/init:1", "x/web:1"]),
        ({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": workload()["spec"]}}}, None),
        ({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "x/pod:1"}, "odd"]}}, ["x/pod:1"]),
    ],
    ids=["deployment", "scaled to none", "job", "no Job has been made yet", "pod"],
)
def test_images_are_those_of_pods(live: Obj, images: list[str] | None) -> None:
    assert summary({}, [(live, live)]).get("images") == images
    assert summary({}, [(live, None)]) == {}, "what is not there runs nothing"


def test_an_application_of_applications_is_called_so_before_its_children_are_there() -> None:
    child = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "a"}}
    assert summary({}, [(child, None)]) == {"isAppOfApps": True}
    assert summary({}, [(None, child)]) == {"isAppOfApps": True}
