"""Webhooks and ApplicationSets: what hosts say of pull requests, and which generators an event concerns."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from fleetui.engine.appset.webhook import concerns
from fleetui.engine.pullevents import PullEvent
from fleetui.engine.webhook import Answer, Event, Push, WebhookSecrets, answer_to

GITHUB = {
    "action": "labeled",
    "number": 2,
    "repository": {
        "name": "Hello-World",
        "owner": {"login": "Codertocat"},
        "url": "https://api.github.com/repos/Codertocat/Hello-World",
    },
}
GITLAB = {
    "object_kind": "merge_request",
    "project": {"web_url": "https://gitlab.com/acme/web/shop", "path_with_namespace": "acme/web/shop"},
    "object_attributes": {"action": "open", "target_project_id": 15},
}
AZURE = {
    "eventType": "git.pullrequest.updated",
    "resource": {
        "repository": {
            "name": "shop",
            "url": "https://dev.azure.com/acme/_apis/git/repositories/4bc14d40",
            "project": {"name": "web"},
        }
    },
}
GITEA = {
    "action": "synchronized",
    "repository": {"full_name": "acme/shop", "html_url": "https://gitea.example/acme/shop"},
}
BITBUCKET = {"repository": {"full_name": "acme/shop", "links": {"html": {"href": "https://bitbucket.org/acme/shop"}}}}
SERVER_LINKS = {"self": [{"href": "https://bb.example/projects/ACME/repos/shop/browse"}]}
SERVER = {"pullRequest": {"toRef": {"repository": {"slug": "shop", "project": {"key": "ACME"}, "links": SERVER_LINKS}}}}
HELLO = PullEvent("github", "https://api.github.com/repos/Codertocat/Hello-World", ("Codertocat/Hello-World",))
SHOP = PullEvent("gitlab", "https://gitlab.com/acme/web/shop", ("15", "acme/web/shop"))


def post(headers: dict[str, str], payload: Any, **secrets: str) -> Answer:
    return answer_to("POST", headers, json.dumps(payload).encode(), WebhookSecrets(**secrets))


@pytest.mark.parametrize(
    ("headers", "payload", "event"),
    [
        ({"X-GitHub-Event": "pull_request"}, GITHUB, HELLO),
        ({"X-Gitlab-Event": "Merge Request Hook"}, GITLAB, SHOP),
        ({"X-Gitlab-Event": "System Hook"}, GITLAB, SHOP),
        (
            {"X-Vss-Activityid": "a"},
            AZURE,
            PullEvent("azuredevops", "https://dev.azure.com/acme/_apis/git/repositories/4bc14d40", ("web/shop",)),
        ),
        (
            {"X-Gogs-Event": "pull_request_sync", "X-GitHub-Event": "pull_request"},
            GITEA,
            PullEvent("gitea", "https://gitea.example/acme/shop", ("acme/shop",)),
        ),
        (
            {"X-Hook-UUID": "u", "X-Event-Key": "pullrequest:created"},
            BITBUCKET,
            PullEvent("bitbucket", "https://bitbucket.org/acme/shop", ("acme/shop",)),
        ),
        (
            {"X-Event-Key": "pr:opened"},
            SERVER,
            PullEvent("bitbucketserver", "https://bb.example/projects/ACME/repos/shop/browse", ("ACME/shop",)),
        ),
    ],
)
def test_each_host_says_whose_pull_requests_changed(headers: dict[str, str], payload: Any, event: PullEvent) -> None:
    assert post(headers, payload) == Answer(200, event=event)


def test_what_changes_no_pull_request_is_understood_and_nothing_is_done() -> None:
    assert post({"X-GitHub-Event": "pull_request"}, {**GITHUB, "action": "assigned"}) == Answer(200)
    approved = {**GITLAB, "object_attributes": {"action": "approval", "target_project_id": 15}}
    assert post({"X-Gitlab-Event": "Merge Request Hook"}, approved) == Answer(200)
    assert post({"X-GitHub-Event": "pull_request"}, {"action": "opened"}) == Answer(200)


def test_pull_requests_are_believed_like_pushes() -> None:
    headers = {"X-GitHub-Event": "pull_request"}
    assert post(headers, GITHUB, github="s").status == 400
    digest = hmac.new(b"s", json.dumps(GITHUB).encode(), hashlib.sha256).hexdigest()
    assert post({**headers, "X-Hub-Signature-256": f"sha256={digest}"}, GITHUB, github="s").event == HELLO
    assert post({"X-Gitlab-Event": "Merge Request Hook", "X-Gitlab-Token": "no"}, GITLAB, gitlab="s").status == 400


PUSH = Push("github", ("https://github.com/acme/deploy",), ("main",), touched_head=True)
SIDE = Push("github", ("https://github.com/acme/deploy",), ("side",), touched_head=False)
GIT = {"git": {"repoURL": "git@github.com:acme/deploy.git", "revision": "HEAD"}}
ELSEWHERE = {"git": {"repoURL": "https://github.com/acme/other", "revision": "HEAD"}}
CLUSTERS: dict[str, Any] = {"clusters": {}}


def pulls(**part: Any) -> dict[str, Any]:
    return {"pullRequest": part}


@pytest.mark.parametrize(
    ("event", "generator", "concerned"),
    [
        (PUSH, GIT, True),
        (SIDE, GIT, False),
        (SIDE, {"git": {**GIT["git"], "revision": "side"}}, True),
        (SIDE, {"git": {**GIT["git"], "revision": "refs/heads/side"}}, True),
        (SIDE, {"git": {**GIT["git"], "revision": "{{ branch }}"}}, True),
        (PUSH, ELSEWHERE, False),
        (PUSH, {"git": {"repoURL": "https://github.com/acme/{{name}}", "revision": "HEAD"}}, True),
        (PUSH, {"git": {}}, False),
        (PUSH, CLUSTERS, False),
        (PUSH, {"plugin": {"configMapRef": {"name": "p"}}}, True),
        (PUSH, {"matrix": {"generators": [CLUSTERS, GIT]}}, True),
        (PUSH, {"matrix": {"generators": [CLUSTERS, {"merge": {"generators": [ELSEWHERE, GIT]}}]}}, True),
        (PUSH, {"merge": {"generators": [CLUSTERS, ELSEWHERE]}}, False),
        (PUSH, {"scmProvider": {"github": {"organization": "acme"}}}, True),
        (PUSH, {"scmProvider": {"github": {"organization": "acm"}}}, False),
        (PUSH, {"scmProvider": {"github": {"organization": "acme", "api": "https://ghe.example/"}}}, False),
        (PUSH, {"scmProvider": {"gitlab": {"group": "acme"}}}, False),
        (PUSH, pulls(github={"owner": "acme", "repo": "deploy"}), False),
        (HELLO, GIT, False),
        (HELLO, pulls(github={"owner": "codertocat", "repo": "hello-world"}), True),
        (HELLO, pulls(github={"owner": "codertocat", "repo": "other"}), False),
        (HELLO, pulls(github={"owner": "{{ org }}", "repo": "x"}), True),
        (
            HELLO,
            pulls(github={"owner": "codertocat", "repo": "hello-world", "api": "https://ghe.example/api/v3"}),
            False,
        ),
        (HELLO, pulls(gitea={"owner": "codertocat", "repo": "hello-world", "api": "https://api.github.com"}), False),
        (SHOP, pulls(gitlab={"project": "15"}), True),
        (SHOP, pulls(gitlab={"project": "Acme/Web/Shop"}), True),
        (SHOP, pulls(gitlab={"project": "16"}), False),
        (SHOP, pulls(gitlab={"project": "15", "api": "https://gitlab.example/"}), False),
        (
            PullEvent("azuredevops", "https://dev.azure.com/acme/x", ("web/shop",)),
            pulls(azuredevops={"project": "web", "repo": "shop"}),
            True,
        ),
        (
            PullEvent("bitbucketserver", "https://bb.example/projects/ACME", ("ACME/shop",)),
            pulls(bitbucketServer={"project": "ACME", "repo": "shop", "api": "https://bb.example/rest"}),
            True,
        ),
    ],
)
def test_what_an_event_concerns(event: Event, generator: dict[str, Any], concerned: bool) -> None:
    assert concerns(event, {"spec": {"generators": [CLUSTERS, generator]}}) is concerned


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"generators": "x"}}, {"spec": {"generators": [1, {"git": []}]}}]
)
def test_what_is_no_applicationset_is_concerned_by_nothing(broken: Any) -> None:
    assert not concerns(PUSH, broken)
