"""What a Git host's webhook says: which repository was pushed to, and what of it changed.

Owns: `answer_to`: from a request's headers and body to a `Push`, a `PullEvent` or a refusal, signatures checked; and
`WebhookSecrets`. Pure. Called by `backends.webhook_server`; which applications a push concerns is in
`fleetui.engine.pushes`. Providers, their order, checks and answers are Argo CD's (v3.6: util/webhook/scm.go,
util/webhook/webhook.go, and go-playground/webhooks v6 that it uses), where its two listeners, for Applications and for
ApplicationSets, are one; registries of charts and images are no part of this.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fleetui.engine import pullevents
from fleetui.engine.application import mapping, mappings, strings, text
from fleetui.engine.pullevents import PullEvent

LARGEST = 50 * 1024 * 1024
"""Bytes of the largest body (`defaultMaxWebhookPayloadSize`)."""

UNKNOWN = "Unknown webhook event"
FAILED = "Webhook processing failed"
TOO_LARGE = f"Webhook processing failed: payload must be valid JSON under {LARGEST >> 20} MB"
SIGNATURE = "X-Fleetui-Signature"
"""The header of a generic webhook: ``sha256=`` and the HMAC of the body in hexadecimal digits."""


@dataclass(frozen=True)
class WebhookSecrets:
    """What senders must know, from a hub's ``argocd-secret``; empty: they need to know nothing."""

    github: str = field(default="", repr=False)
    gitlab: str = field(default="", repr=False)
    bitbucket_uuid: str = field(default="", repr=False)
    bitbucket_server: str = field(default="", repr=False)
    gogs: str = field(default="", repr=False)
    """Of Gogs, Gitea and Forgejo."""
    azure_username: str = field(default="", repr=False)
    azure_password: str = field(default="", repr=False)
    generic: str = field(default="", repr=False)


_KEYS = {
    "github": "webhook.github.secret",
    "gitlab": "webhook.gitlab.secret",
    "bitbucket_uuid": "webhook.bitbucket.uuid",
    "bitbucket_server": "webhook.bitbucketserver.secret",
    "gogs": "webhook.gogs.secret",
    "azure_username": "webhook.azuredevops.username",
    "azure_password": "webhook.azuredevops.password",
    "generic": "webhook.generic.secret",
}


def webhook_secrets(data: Mapping[str, str]) -> WebhookSecrets:
    """Those of the values of ``argocd-secret``; ``$name`` stands for the value of another key
    (util/settings/settings.go, `ReplaceStringSecret`)."""
    return WebhookSecrets(**{name: _referred(data.get(key, ""), data) for name, key in _KEYS.items()})


def _referred(value: str, data: Mapping[str, str]) -> str:
    return data[value[1:]].strip() if value.startswith("$") and value[1:] in data else value


@dataclass(frozen=True)
class Push:
    """A repository was pushed to.

    `urls`: its addresses, of web page or clone; `revisions`: names of branches and tags, without ``refs/heads/``;
    `touched_head`: its default branch is among them, or that is not known; `changed`: the files, empty where the host
    does not say. Of a push that names no revision, all that is known is `touched_head`.
    """

    provider: str
    urls: tuple[str, ...]
    revisions: tuple[str, ...]
    touched_head: bool
    changed: tuple[str, ...] = ()


Event = Push | PullEvent


@dataclass(frozen=True)
class Answer:
    """What the sender is told, and what he said; no `event` where there is nothing to do."""

    status: int
    text: str = ""
    event: Event | None = None


class _RefusedError(Exception):
    """The request is not what it should be; carries what the sender is told."""


def answer_to(method: str, headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Answer:
    """What a request means and how it is answered. Header names may be in any case."""
    given = {name.lower(): value for name, value in headers.items()}
    provider = next((each for each in _PROVIDERS if each.header in given), None)
    if provider is None:
        return Answer(400, UNKNOWN)
    if method != "POST":
        return Answer(405, FAILED)
    try:
        return Answer(200, event=provider.read(given, body, secrets))
    except _RefusedError as error:
        return Answer(400, str(error))


def revision_of(ref: str) -> str:
    """``main`` of ``refs/heads/main`` (`ParseRevision`)."""
    return ref.split("/", 2)[-1]


# --- providers ------------------------------------------------------------------------------------------------------


def _azure(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    if secrets.azure_username or secrets.azure_password:
        expected = f"{secrets.azure_username}:{secrets.azure_password}"
        _must_equal(_basic(headers.get("authorization", "")), expected)
    payload = _json(body)
    kind = text(payload.get("eventType"))
    if kind in pullevents.AZURE_EVENTS:
        return pullevents.of_azure(payload)
    if kind == "build.complete":
        return None
    _must_be_one_of(kind, "git.push")
    pushed = mapping(payload.get("resource"))
    repository = mapping(pushed.get("repository"))
    refs = [text(update.get("name")) for update in mappings(pushed.get("refUpdates"))]
    head = text(repository.get("defaultBranch"))
    return _push("azuredevops", [repository.get("remoteUrl")], [*map(revision_of, refs)], touched_head=head in refs)


def _gogs(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    event = headers["x-gogs-event"]
    _must_be_one_of(event, "push", *_GITEA_PULLS)
    _must_be_signed(body, headers.get("x-gogs-signature"), secrets.gogs)
    payload = _json(body)
    if event != "push":
        return pullevents.of_gitea(payload)
    return _commits("gogs", payload, mapping(payload.get("repository")), "html_url")


_GITEA_PULLS = ("pull_request", "pull_request_label", "pull_request_sync")


def _github(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    event = headers["x-github-event"]
    if event == "package":
        raise _RefusedError(UNKNOWN)
    _must_be_one_of(event, "push", "pull_request", "ping")
    signature = headers.get("x-hub-signature-256")
    _must_be_signed(body, signature and signature.removeprefix("sha256="), secrets.github)
    payload = _json(body)
    if event == "push":
        return _commits("github", payload, mapping(payload.get("repository")), "html_url")
    return pullevents.of_github(payload) if event == "pull_request" else None


def _gitlab(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    # Also where none is configured: a sender that has a token takes this for another receiver.
    _must_equal(headers.get("x-gitlab-token", ""), secrets.gitlab)
    event = headers["x-gitlab-event"]
    _must_be_one_of(event, "Push Hook", "Tag Push Hook", "Merge Request Hook", "System Hook")
    payload = _json(body)
    kind = text(payload.get("object_kind")) or text(payload.get("event_name"))
    if event == "System Hook":
        _must_be_one_of(kind, "push", "tag_push", "merge_request")
    if kind == "merge_request":
        return pullevents.of_gitlab(payload)
    return _commits("gitlab", payload, mapping(payload.get("project")), "web_url")


def _bitbucket(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    if secrets.bitbucket_uuid:
        _must_equal(headers["x-hook-uuid"], secrets.bitbucket_uuid)
    event = headers.get("x-event-key", "")
    _must_be_one_of(event, "repo:push", *pullevents.BITBUCKET_EVENTS)
    payload = _json(body)
    if event != "repo:push":
        return pullevents.of_bitbucket(payload)
    links = mapping(mapping(payload.get("repository")).get("links"))
    changes = mappings(mapping(payload.get("push")).get("changes"))
    # Mere names, not references. The default branch is not told; the engine looks for itself, as Argo CD's does.
    names = [text(mapping(change.get(side)).get("name")) for change in changes for side in ("new", "old")]
    return _push("bitbucket", [mapping(links.get("html")).get("href")], names, touched_head=True)


def _bitbucket_server(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    event = headers["x-event-key"]
    _must_be_one_of(event, "repo:refs_changed", "diagnostics:ping", *pullevents.BITBUCKET_SERVER_EVENTS)
    if event == "diagnostics:ping":
        return None
    signature = headers.get("x-hub-signature")
    _must_be_signed(body, signature and signature.removeprefix("sha256="), secrets.bitbucket_server)
    payload = _json(body)
    if event != "repo:refs_changed":
        return pullevents.of_bitbucket_server(payload)
    clones = mappings(mapping(mapping(payload.get("repository")).get("links")).get("clone"))
    urls = [clone.get("href") for clone in clones if clone.get("name") in ("http", "ssh")]
    refs = [text(mapping(change.get("ref")).get("id")) for change in mappings(payload.get("changes"))]
    return _push("bitbucketserver", urls, [*map(revision_of, refs)], touched_head=True)


def _generic(headers: Mapping[str, str], body: bytes, secrets: WebhookSecrets) -> Event | None:
    """``{"repository": URL, "ref": REF, "changed": [FILE]}``; without a `ref` all of the repository may have moved.

    Ours, for hosts that Argo CD does not know; without a secret it is refused.
    """
    if not secrets.generic:
        raise _RefusedError(FAILED)
    _must_be_signed(body, headers[SIGNATURE.lower()].removeprefix("sha256="), secrets.generic)
    payload = _json(body)
    revision = revision_of(text(payload.get("ref")))
    changed = strings(payload.get("changed"))
    return _push("generic", [payload.get("repository")], [revision], touched_head=True, changed=changed)


@dataclass(frozen=True)
class _Provider:
    header: str
    """Whose presence says that a request is this provider's."""
    read: Callable[[Mapping[str, str], bytes, WebhookSecrets], Event | None]


_PROVIDERS = (
    _Provider("x-vss-activityid", _azure),
    # Before GitHub: Gogs and Gitea send GitHub's header as well.
    _Provider("x-gogs-event", _gogs),
    _Provider("x-github-event", _github),
    _Provider("x-gitlab-event", _gitlab),
    _Provider("x-hook-uuid", _bitbucket),
    _Provider("x-event-key", _bitbucket_server),
    _Provider(SIGNATURE.lower(), _generic),
)


# --- what they share ------------------------------------------------------------------------------------------------


def _commits(provider: str, payload: Mapping[str, Any], repository: Mapping[str, Any], address: str) -> Push | None:
    """A push as GitHub, GitLab and Gogs write it: one reference, and the files of each commit."""
    revision = revision_of(text(payload.get("ref")))
    kinds = ("added", "modified", "removed")
    commits = mappings(payload.get("commits"))
    changed = [file for commit in commits for kind in kinds for file in strings(commit.get(kind))]
    head = text(repository.get("default_branch"))
    return _push(provider, [repository.get(address)], [revision], touched_head=head == revision, changed=changed)


def _push(
    provider: str, urls: Sequence[Any], revisions: Sequence[str], *, touched_head: bool, changed: Sequence[str] = ()
) -> Push | None:
    found = tuple(filter(None, map(text, urls)))
    names = tuple(dict.fromkeys(filter(None, revisions)))
    return Push(provider, found, names, touched_head, tuple(changed)) if found else None


def _json(body: bytes) -> Mapping[str, Any]:
    if not body:
        raise _RefusedError(TOO_LARGE)
    try:
        return mapping(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RefusedError(FAILED) from error


def _must_be_one_of(event: str, *known: str) -> None:
    if event not in known:
        raise _RefusedError(FAILED)


def _must_be_signed(body: bytes, signature: str | None, secret: str) -> None:
    if secret:
        _must_equal(signature or "", hmac.new(secret.encode(), body, hashlib.sha256).hexdigest())


def _must_equal(given: str, expected: str) -> None:
    # Hashed first: the time of a comparison tells nothing then, not even the length.
    pair = [hashlib.sha256(each.encode(errors="surrogatepass")).digest() for each in (given, expected)]
    if not hmac.compare_digest(*pair):
        raise _RefusedError(FAILED)


def _basic(header: str) -> str:
    """``user:password`` of a header; empty where it has none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
