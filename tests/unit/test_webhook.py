"""Webhooks of Git hosts: what each says, who is believed, and which applications it concerns."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest

from fleetui.engine.pushes import concerned_urls, files_concern, refresh_paths
from fleetui.engine.webhook import FAILED, TOO_LARGE, UNKNOWN, Answer, Push, WebhookSecrets, answer_to, webhook_secrets

COMMITS = [
    {"id": "1", "added": ["apps/a/new.yaml"], "modified": ["apps/a/x.yaml"], "removed": []},
    {"id": "2", "added": [], "modified": [], "removed": ["apps/b/old.yaml"]},
]
FILES = ("apps/a/new.yaml", "apps/a/x.yaml", "apps/b/old.yaml")
GITHUB = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "1" * 40,
    "repository": {"html_url": "https://github.example/team/shop", "default_branch": "main"},
    "commits": COMMITS,
}
GITLAB = {
    "object_kind": "push",
    "ref": "refs/heads/dev",
    "project": {"web_url": "https://gitlab.example/team/shop", "default_branch": "main"},
    "commits": COMMITS,
}
BITBUCKET = {
    "repository": {"full_name": "team/shop", "links": {"html": {"href": "https://bitbucket.example/team/shop"}}},
    "push": {"changes": [{"old": {"name": "main"}, "new": {"name": "main"}}, {"old": {"name": "gone"}, "new": None}]},
}
BITBUCKET_SERVER = {
    "eventKey": "repo:refs_changed",
    "repository": {
        "slug": "shop",
        "links": {
            "clone": [
                {"href": "ssh://git@bitbucket.example:7999/team/shop.git", "name": "ssh"},
                {"href": "https://bitbucket.example/scm/team/shop.git", "name": "http"},
            ]
        },
    },
    "changes": [{"ref": {"id": "refs/heads/main"}}, {"ref": {"id": "refs/tags/v1"}}],
}
AZURE = {
    "eventType": "git.push",
    "resource": {
        "refUpdates": [{"name": "refs/heads/main"}],
        "repository": {
            "defaultBranch": "refs/heads/main",
            "remoteUrl": "https://dev.azure.example/org/team/_git/shop",
        },
    },
}
GENERIC = {"repository": "https://git.example/team/shop.git", "ref": "refs/heads/main", "changed": ["apps/a/x.yaml"]}

EVENTS: dict[str, tuple[dict[str, str], Any, Push]] = {
    "github": (
        {"X-GitHub-Event": "push"},
        GITHUB,
        Push("github", ("https://github.example/team/shop",), ("main",), True, FILES),
    ),
    "gitlab": (
        {"X-Gitlab-Event": "Push Hook"},
        GITLAB,
        Push("gitlab", ("https://gitlab.example/team/shop",), ("dev",), False, FILES),
    ),
    "gitea": (
        {"X-Gitea-Event": "push", "X-Gogs-Event": "push", "X-GitHub-Event": "push"},
        GITHUB,
        Push("gogs", ("https://github.example/team/shop",), ("main",), True, FILES),
    ),
    "bitbucket": (
        {"X-Hook-UUID": "u", "X-Event-Key": "repo:push"},
        BITBUCKET,
        Push("bitbucket", ("https://bitbucket.example/team/shop",), ("main", "gone"), True),
    ),
    "bitbucketserver": (
        {"X-Event-Key": "repo:refs_changed"},
        BITBUCKET_SERVER,
        Push(
            "bitbucketserver",
            ("ssh://git@bitbucket.example:7999/team/shop.git", "https://bitbucket.example/scm/team/shop.git"),
            ("main", "v1"),
            True,
        ),
    ),
    "azuredevops": (
        {"X-Vss-Activityid": "a"},
        AZURE,
        Push("azuredevops", ("https://dev.azure.example/org/team/_git/shop",), ("main",), True),
    ),
}


def signed(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def post(headers: Mapping[str, str], payload: Any, secrets: WebhookSecrets | None = None) -> Answer:
    return answer_to("POST", headers, json.dumps(payload).encode(), secrets or WebhookSecrets())


@pytest.mark.parametrize("event", EVENTS)
def test_each_host_says_what_was_pushed(event: str) -> None:
    headers, payload, push = EVENTS[event]
    assert post(headers, payload) == Answer(200, event=push)
    assert post({name.lower(): value for name, value in headers.items()}, payload).event == push


def test_more_shapes_of_the_same() -> None:
    tag = {**GITHUB, "ref": "refs/tags/v1.2.0", "commits": []}
    assert post({"X-GitHub-Event": "push"}, tag).event == Push(
        "github", ("https://github.example/team/shop",), ("v1.2.0",), False
    )
    for headers in ({"X-Gitlab-Event": "Tag Push Hook"}, {"X-Gitlab-Event": "System Hook"}):
        answer = post(headers, {**GITLAB, "ref": "refs/tags/v1", "object_kind": "tag_push"})
        assert isinstance(answer.event, Push)
        assert answer.event.revisions == ("v1",)
    body = json.dumps(GENERIC).encode()
    headers = {"X-Fleetui-Signature": f"sha256={signed(body, 's')}"}
    expected = Push("generic", ("https://git.example/team/shop.git",), ("main",), True, ("apps/a/x.yaml",))
    assert answer_to("POST", headers, body, WebhookSecrets(generic="s")).event == expected


AZURE_SECRETS = {"azure_username": "ada", "azure_password": "s"}
BODIES = {event: json.dumps(payload).encode() for event, (_, payload, _) in EVENTS.items()}


def sha256(event: str, secret: str) -> str:
    return f"sha256={signed(BODIES[event], secret)}"


@pytest.mark.parametrize(
    ("event", "secrets", "header", "right", "wrong"),
    [
        ("github", {"github": "s"}, "X-Hub-Signature-256", sha256("github", "s"), sha256("github", "t")),
        ("gitea", {"gogs": "s"}, "X-Gogs-Signature", signed(BODIES["gitea"], "s"), signed(BODIES["gitea"], "t")),
        ("gitlab", {"gitlab": "s"}, "X-Gitlab-Token", "s", "t"),
        ("bitbucket", {"bitbucket_uuid": "u"}, "X-Hook-UUID", "u", "v"),
        ("bitbucketserver", {"bitbucket_server": "s"}, "X-Hub-Signature", sha256("bitbucketserver", "s"), "sha256="),
        ("azuredevops", AZURE_SECRETS, "Authorization", basic("ada:s"), basic("ada:t")),
    ],
)  # fmt: skip
def test_who_does_not_know_the_secret_is_not_believed(
    event: str, secrets: dict[str, str], header: str, right: str, wrong: str
) -> None:
    headers, _, push = EVENTS[event]
    known = WebhookSecrets(**secrets)
    assert answer_to("POST", {**headers, header: right}, BODIES[event], known).event == push
    refused = Answer(400, FAILED)
    assert answer_to("POST", {**headers, header: wrong}, BODIES[event], known) == refused
    assert answer_to("POST", {**headers, header: "\u00e9\udc80"}, BODIES[event], known) == refused
    if header not in headers:
        assert answer_to("POST", headers, BODIES[event], known) == refused


def test_a_generic_webhook_must_be_signed() -> None:
    body = json.dumps(GENERIC).encode()
    headers = {"X-Fleetui-Signature": f"sha256={signed(body, 's')}"}
    assert answer_to("POST", headers, body, WebhookSecrets()) == Answer(400, FAILED)
    assert answer_to("POST", headers, body + b" ", WebhookSecrets(generic="s")) == Answer(400, FAILED)


def test_a_token_that_gitlab_was_given_in_vain_is_refused() -> None:
    assert post({"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "s"}, GITLAB) == Answer(400, FAILED)


NO_HREF = b'{"repository": {"links": {"clone": [{"name": "http", "href": []}]}}}'


@pytest.mark.parametrize(
    ("method", "headers", "body", "status", "text"),
    [
        ("GET", {"X-GitHub-Event": "push"}, b"", 405, FAILED),
        ("POST", {"X-GitHub-Event": "push"}, b"", 400, TOO_LARGE),
        ("POST", {"X-Unknown-Event": "push"}, b"{}", 400, UNKNOWN),
        ("POST", {"X-GitHub-Event": "issues"}, b"{}", 400, FAILED),
        ("POST", {"X-GitHub-Event": "package"}, b"{}", 400, UNKNOWN),
        ("POST", {"X-GitHub-Event": "push"}, b"{", 400, FAILED),
        ("POST", {"X-GitHub-Event": "push"}, b"[" * 100_000, 400, FAILED),
        ("POST", {"X-Event-Key": "pr:comment:added"}, b"{}", 400, FAILED),
        ("POST", {"X-Vss-Activityid": "a"}, b'{"eventType": "other"}', 400, FAILED),
        ("POST", {"X-GitHub-Event": "ping"}, b'{"zen": "x"}', 200, ""),
        ("POST", {"X-Event-Key": "diagnostics:ping"}, b"", 200, ""),
        ("POST", {"X-Vss-Activityid": "a"}, b'{"eventType": "build.complete"}', 200, ""),
        # Shapes that Argo CD once failed over (GHSA-wp4p-9pxh-cgx2, GHSA-f9gq-prrc-hrhc, GHSA-gpx4-37g2-c8pv).
        ("POST", {"X-Gogs-Event": "push"}, b'{"ref": "x"}', 200, ""),
        ("POST", {"X-Event-Key": "repo:refs_changed"}, b'{"repository": {"links": {"clone": "boom"}}}', 200, ""),
        ("POST", {"X-Event-Key": "repo:refs_changed"}, NO_HREF, 200, ""),
        ("POST", {"X-Vss-Activityid": "a"}, b'{"eventType": "git.push", "resource": {"refUpdates": []}}', 200, ""),
        ("POST", {"X-GitHub-Event": "push"}, b'{"commits": [1, {"added": 2}], "repository": [], "ref": {}}', 200, ""),
        ("POST", {"X-GitHub-Event": "push"}, b"null", 200, ""),
    ],
)  # fmt: skip
def test_what_is_no_push_does_nothing(
    method: str, headers: dict[str, str], body: bytes, status: int, text: str
) -> None:
    assert answer_to(method, headers, body, WebhookSecrets()) == Answer(status, text)


def test_secrets_are_those_of_argocd_secret() -> None:
    found = webhook_secrets(
        {
            "webhook.github.secret": "$shared",
            "shared": " s \n",
            "webhook.gogs.secret": "$none",
            "webhook.bitbucket.uuid": "u",
        }
    )
    assert (found.github, found.gogs, found.bitbucket_uuid, found.gitlab) == ("s", "$none", "u", "")
    assert "shared" not in repr(found)
    assert "'s'" not in repr(found)


# --- whom it concerns -----------------------------------------------------------------------------------------------


def concerned(push: Push, *sources: dict[str, str], paths: str = "") -> tuple[str, ...]:
    annotations = {"argocd.argoproj.io/manifest-generate-paths": paths} if paths else {}
    spec = {"source": sources[0]} if len(sources) == 1 else {"sources": list(sources)}
    return concerned_urls(push, {"metadata": {"annotations": annotations}, "spec": spec})


def pushed(
    *revisions: str, url: str = "https://example.com/org/repo", head: bool = False, changed: tuple[str, ...] = ()
) -> Push:
    return Push("github", (url,), revisions, head, changed)


@pytest.mark.parametrize(
    ("target", "revision", "head", "expected"),
    [
        # Argo CD's own cases (util/webhook/webhook_test.go, TestAppRevisionHasChanged and the next).
        ("", "master", True, True), ("", "master", False, False), ("HEAD", "master", True, True),
        ("dev", "master", True, False), ("dev", "dev", False, True), ("refs/heads/dev", "master", True, False),
        ("refs/heads/dev", "dev", False, True), ("refs/tags/dev", "dev", False, True),
        ("env/test", "env/test", False, True), ("refs/heads/env/test", "env/test", False, True),
        ("three/part/rev", "rev", False, False), ("1.*", "1.1.0", False, True), ("refs/tags/1.*", "1.1.0", False, True),
        ("1.*", "2.0.0", False, False), ("1.*", "dev", False, False), ("refs/heads/x", "refs/heads/x", False, False),
        ("x", "refs/heads/x", False, False), ("refs/heads/refs/heads/x", "refs/heads/x", False, True),
    ],
)  # fmt: skip
def test_the_revision_that_a_source_follows(target: str, revision: str, head: bool, expected: bool) -> None:
    url = "https://example.com/org/repo"
    found = concerned(pushed(revision, head=head), {"repoURL": url, "targetRevision": target})
    assert found == ((url,) if expected else ())


@pytest.mark.parametrize(
    ("matches", "web", "repo"),
    [
        # Argo CD's own cases (util/webhook/webhook_test.go, Test_GetWebURLRegex).
        (False, "https://example.com/org/a..d", "https://example.com/org/abcd"),
        (False, "https://an.example.com/org/repo", "https://an-example.com/org/repo"),
        (True, "https://example.com/org/repo", "https://example.com/org/repo"),
        (False, "https://example.com/org/repo", "https://example.com/org/repo-2"),
        (True, "https://example.com/org/repo", "https://example.com/org/repo.git"),
        (True, "https://example.com/org/repo", "git@example.com:org/repo"),
        (True, "https://example.com/org/repo", "user@example.com:org/repo"),
        (True, "https://example.com/org/repo", "ssh://git@example.com/org/repo"),
        (True, "https://example.com:443/org/repo", "ssh://git@example.com:22/org/repo"),
        (True, "https://example.com:443/org/repo", "ssh://git@altssh.example.com:443/org/repo"),
        (False, "https://example.com:443/org/repo", "ssh://git@unknown.example.com:443/org/repo"),
        (True, "https://example.com/org/repo", "ssh://user-name@example.com/org/repo"),
        (False, "https://example.com/org/repo", "ssh://-user-name@example.com/org/repo"),
        (True, "https://example.com:443/org/repo", "GIT@EXAMPLE.COM:22:ORG/REPO"),
        (True, "https://example.com/org/repo%20", "https://example.com/org/repo%20"),
        (True, "https://user@example.com/org/repo", "http://example.com/org/repo"),
        (True, "https://example.com/org/repo", "https://user@example.com/org/repo"),
        (False, "", ""), (False, "https://[", "https://["),
    ],
)  # fmt: skip
def test_addresses_of_the_repository(matches: bool, web: str, repo: str) -> None:
    assert (concerned(pushed("main", url=web, head=True), {"repoURL": repo}) != ()) is matches


def test_each_source_is_looked_at() -> None:
    one, two = "https://example.com/org/repo.git", "git@example.com:org/repo"
    found = concerned(
        pushed("main"),
        {"repoURL": one, "targetRevision": "main"},
        {"repoURL": two, "targetRevision": "main"},
        {"repoURL": two, "targetRevision": "dev"},
    )
    assert found == (one, two)
    assert concerned_urls(pushed("main", head=True), {"spec": None, "metadata": []}) == ()


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        # Argo CD's own cases (util/app/path/path_test.go, Test_GetAppRefreshPaths).
        ("", ()),
        (".;dev/deploy;other/path", ("source/path", "source/path/dev/deploy", "source/path/other/path")),
        (".;;", ("source/path",)),
        ("/fullpath/deploy;other/path", ("fullpath/deploy", "source/path/other/path")),
        (".; dev/deploy; other/path", ("source/path", "source/path/dev/deploy", "source/path/other/path")),
        ("../shared", ("source/shared",)),
    ],
)
def test_the_paths_that_an_application_is_made_of(annotation: str, expected: tuple[str, ...]) -> None:
    assert refresh_paths(annotation, "source/path") == expected


@pytest.mark.parametrize(
    ("paths", "changed", "expected"),
    [
        ("app/testargo1", "app/testargo2/values.yaml", False),
        ("app/testargo2", "app/testargo2/values.yaml", True),
        ("app/testargo", "app/testargo2/values.yaml", False),
        (".", "x.yaml", True),
        ("a/*.yaml", "a/x.yaml", True),
        ("a/*.yaml", "a/b/x.yaml", False),
        ("a/[x-z]?.yaml", "a/y1.yaml", True),
        ("a/[^x]", "a/x", False),
        # As in Go a class may be a slash, though neither star nor question mark is.
        ("a[^x]b", "a/b", True),
        ("a?b", "a/b", False),
        ("a/[", "a/[", True),
        ("a/[", "a/b", False),
        ("a/x.yaml", "a/x.yaml", True),
        ("../../x", "x/y.yaml", True),
    ],
)
def test_the_files_that_concern_an_application(paths: str, changed: str, expected: bool) -> None:
    assert files_concern([paths], [changed]) is expected
    assert files_concern([paths], [])
    assert files_concern([], [changed])
    source = {"repoURL": "https://example.com/org/repo"}
    found = concerned(pushed("main", head=True, changed=(changed,)), source, paths=paths)
    assert (found != ()) is expected
