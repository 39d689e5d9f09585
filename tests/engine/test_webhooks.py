"""Webhooks, from the request to the sync: who is believed, what is asked, who is woken."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backends.appset_answers import AppSetAnswers
from backends.git import GitRepositories
from backends.github_app import InstallationTokens
from backends.hosts.api import Line
from backends.hosts.own import OwnHosts
from backends.webhook_server import WebhookServer
from fleetui.cli.renderers import Renderers
from fleetui.engine.gathering import RECHECK
from fleetui.engine.hubwebhooks import FULL, NOT_YET, HubWebhooks
from fleetui.engine.pullevents import PullEvent
from fleetui.engine.webhook import FAILED, LARGEST, TOO_LARGE, Answer, Event, Push
from fleetui.model.errors import FleetError, ForbiddenError
from tests.engine.bench import application, embedded_hub, running, synced
from tests.unit.charts import serving
from tests.unit.fakes import FakeClock, FakeCluster, FakeWatch
from tests.unit.git_hosts import HostServer
from tests.unit.git_source import Source, WebServer
from tests.unit.repository_secrets import secret
from tests.waiting import await_until

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {value: "


def github(url: str, *files: str) -> bytes:
    """A push to `main`."""
    repository = {"html_url": url, "default_branch": "main"}
    return json.dumps({"ref": "refs/heads/main", "repository": repository, "commits": [{"modified": files}]}).encode()


def signed(body: bytes, key: str) -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}"}


@asynccontextmanager
async def listening(receive: Any, **options: Any) -> AsyncIterator[str]:
    server = WebhookServer("127.0.0.1", 0, receive, **options)
    port = await server.start()
    try:
        yield f"http://127.0.0.1:{port}/api/webhook"
    finally:
        await server.close()


async def send(url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_a_signed_push_is_synced_long_before_the_next_poll(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.put("shop/all.yaml", f"{CONFIG_MAP}one}}\n".encode())
    source.commit()
    source.publish(tmp_path / "web" / "shop.git")
    web = WebServer(tmp_path / "web")
    repositories = GitRepositories(tmp_path / "cache", interval=3600)
    url = web.url("shop.git")
    try:
        async with embedded_hub(tmp_path) as hub, running(hub, repositories) as run:
            await hub.create(application(source={"repoURL": url, "path": "shop", "targetRevision": "main"}))
            await hub.until(synced, "the first commit is synced")
            webhooks = HubWebhooks(run.api, namespace="argocd", clock=FakeClock(), heard=run.engine.heard)
            webhooks.start()
            data = secret("argocd-secret", **{"webhook.github.secret": "s3cr3t"}).decode()
            await hub.create({key: data[key] for key in ("apiVersion", "kind", "data")} | {"metadata": NAMED})
            body = github(web.url("shop"), "shop/all.yaml")
            async with listening(webhooks.receive) as address:

                async def believed(key: str) -> bool:
                    return (await send(address, body, signed(body, key)))[0] == 200

                async def refused() -> bool:
                    return (await send(address, body, signed(body, "guessed")))[0] == 400

                look: Callable[[], bool | Awaitable[bool]] = refused
                await await_until(look, 10, "the hub's secret is known")
                await run.idle()
                source.put("shop/all.yaml", f"{CONFIG_MAP}two}}\n".encode())
                sha = source.commit()
                source.publish(tmp_path / "web" / "shop.git")
                assert await believed("s3cr3t")

                def moved(app: Any) -> bool:
                    return synced(app) and app["status"]["sync"]["revision"] == sha

                await hub.until(moved, "the pushed commit is synced")
                assert (await hub.get("ConfigMap", "settings") or {})["data"] == {"value": "two"}
            webhooks.close()
    finally:
        await repositories.close()
        web.close()


NAMED = {"name": "argocd-secret", "namespace": "argocd"}


async def test_a_push_that_is_nothing_to_an_application_asks_nobody(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.put("shop/all.yaml", f"{CONFIG_MAP}one}}\n".encode())
    source.commit()
    source.publish(tmp_path / "web" / "shop.git")
    web = WebServer(tmp_path / "web")
    repositories = GitRepositories(tmp_path / "cache", interval=3600)
    url = web.url("shop.git")
    try:
        async with embedded_hub(tmp_path) as hub, running(hub, repositories) as run:
            metadata = {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}
            spec = {"repoURL": url, "path": "shop", "targetRevision": "main"}
            await hub.create(application(source=spec, metadata=metadata))
            await hub.until(synced, "the first commit is synced")
            await run.idle()
            web.requests.clear()
            here = web.url("shop")
            for push in (
                Push("github", (here,), ("main",), True, ("docs/x.md",)),
                Push("github", (here,), ("dev",), True, ("shop/all.yaml",)),
                Push("github", (web.url("other"),), ("main",), True),
            ):
                assert run.engine.pushed(push)
            await run.idle()
            assert not web.requests
            assert run.engine.pushed(Push("github", (here,), ("main",), True, ("shop/all.yaml",)))
            await await_until(lambda: web.requests, 10, "the repository is asked")
    finally:
        await repositories.close()
        web.close()


async def test_a_pull_request_makes_its_application_long_before_its_host_is_asked_again(tmp_path: Path) -> None:
    server, line = HostServer("github"), Line()
    source = Source(tmp_path / "source")
    source.put("shop/all.yaml", f"{CONFIG_MAP}one}}\n".encode())
    source.commit()
    repositories = GitRepositories(tmp_path / "cache", interval=3600)
    pulls = server.routes["GET /api/v3/repos/acme/shop/pulls?per_page=100"]["body"]
    try:
        async with serving(server), embedded_hub(tmp_path) as hub:
            answers = AppSetAnswers(
                repositories,
                hubs=lambda _: hub.api,
                charts=lambda _: Renderers().charts,
                own=OwnHosts({}, {}),
                line=line,
                tokens=InstallationTokens(),
            )
            async with running(hub, repositories, answers=answers) as run:
                await hub.create(previews(server.url, source.url))
                await hub.until(synced, "the open pull request has its Application", app="pr-7")
                await run.idle()
                asked = server.count("pulls")
                pulls.append({**pulls[0], "number": 9})
                assert run.engine.heard(PullEvent("github", f"{server.url}/api/v3/repos/acme/blog", ("acme/blog",)))
                await run.idle()
                assert server.count("pulls") == asked
                assert run.engine.heard(PullEvent("github", f"{server.url}/api/v3/repos/acme/shop", ("acme/shop",)))
                await hub.until(synced, "the new one too", app="pr-9")
                assert server.count("pulls") == asked + 1
    finally:
        await line.close()
        await repositories.close()


def previews(api: str, url: str) -> Any:
    """An ApplicationSet for the pull requests of acme/shop that are labelled so."""
    generator = {"pullRequest": {"github": {"owner": "acme", "repo": "shop", "api": api, "labels": ["preview"]}}}
    spec = application(source={"repoURL": url, "path": "shop", "targetRevision": "main"})["spec"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "previews", "namespace": "argocd"},
        "spec": {"generators": [generator], "template": {"metadata": {"name": "pr-{{number}}"}, "spec": spec}},
    }


# --- the hub's secrets ----------------------------------------------------------------------------------------------


class Hooks:
    """The webhooks of a hub whose watch the test feeds."""

    def __init__(self, *, takes: bool = True) -> None:
        self.hub = FakeCluster("hub")
        self.clock = FakeClock()
        self.events: list[Event] = []
        self._takes = takes
        self.webhooks = HubWebhooks(self.hub, namespace="argocd", clock=self.clock, heard=self._heard)
        self.webhooks.start()

    def _heard(self, event: Event) -> bool:
        self.events.append(event)
        return self._takes

    @property
    def watch(self) -> FakeWatch:
        return self.hub.watch_of("Secret", "argocd")

    def receive(self, key: str) -> Answer:
        body = github("https://git.example/shop")
        return self.webhooks.receive("POST", signed(body, key), body)


def test_nobody_is_believed_before_the_hub_has_said_whom_to_believe(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    assert hooks.watch.mode[:2] == ("", "metadata.name=argocd-secret")
    assert hooks.receive("s") == Answer(503, NOT_YET)
    hooks.watch.sink.failed(ForbiddenError("secrets is forbidden", cluster="hub", code=403))
    assert hooks.receive("s") == Answer(503, NOT_YET)
    assert "its webhooks are refused" in caplog.text
    hooks.clock.advance(RECHECK)
    hooks.watch.lists(secret("argocd-secret", **{"webhook.github.secret": "s"}))
    assert hooks.receive("t") == Answer(400, FAILED)
    assert hooks.receive("s").status == 200
    assert len(hooks.events) == 1
    hooks.watch.sink.upsert([secret("argocd-secret", **{"webhook.github.secret": "t"})])
    assert hooks.receive("s").status == 400
    assert hooks.receive("t").status == 200


def test_without_a_secret_everybody_is_believed_as_by_argo_cd() -> None:
    hooks = Hooks()
    hooks.watch.lists()
    assert hooks.receive("whatever").status == 200
    assert len(hooks.events) == 1


def test_one_push_too_many_is_told_to_the_sender() -> None:
    hooks = Hooks(takes=False)
    hooks.watch.lists()
    assert hooks.receive("s") == Answer(503, FULL)


# --- the listener ---------------------------------------------------------------------------------------------------


async def test_the_listener_hands_on_what_it_is_sent_and_answers_what_it_is_told() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def receive(method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        seen.append((method, headers["X-Github-Event"], body))
        return Answer(200) if method == "POST" else Answer(405, FAILED)

    async with listening(receive) as url:
        headers = {"X-GitHub-Event": "push"}
        assert await send(url, b"{}", headers) == (200, "")
        assert await send(url, b"", headers, "GET") == (405, f"{FAILED}\n")
        assert (await send(url.replace("webhook", "version"), b"", headers))[0] == 404
        assert await send(url, b"x" * (LARGEST + 1), headers) == (400, f"{TOO_LARGE}\n")
    assert seen == [("POST", "push", b"{}"), ("GET", "push", b"")]


async def test_who_sends_too_slowly_is_not_waited_for() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"X-GitHub-Event": "push"}
    async with (
        listening(lambda *_: Answer(200), patience=0.05) as url,
        aiohttp.ClientSession() as session,
        session.post(url, data=never(), headers=headers) as answer,
    ):
        assert answer.status == 408


async def test_an_address_that_is_taken_is_one_sentence() -> None:
    async with listening(lambda *_: Answer(200)) as url:
        port = int(url.split(":")[2].partition("/")[0])
        with pytest.raises(FleetError, match=f"can't listen on 127.0.0.1:{port} for webhooks: .*choose another"):
            await WebhookServer("127.0.0.1", port, lambda *_: Answer(200)).start()
