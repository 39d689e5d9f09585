"""The same requests, one after the other, to both servers: the same answers.

Compares whole answers, so that it finds what nobody thought of. What may differ is said here, by conversation and
path, and in docs/embedded.md.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.contract import conversations
from tests.contract.client import KINDS, Answer, Client, Json
from tests.contract.comparing import differences, plain
from tests.contract.conversations import Step
from tests.waiting import wait_until

pytestmark = pytest.mark.real
ALL = {**conversations.RIGHTS}
DIFFERS: dict[str, set[str]] = {}


def ask(client: Client, step: Step, unique: str) -> Answer:
    """The answer to a step, as soon as it has the status that the step waits for."""

    def filled(text: str) -> str:
        return text.replace("UNIQUE", unique).replace("NS", unique).replace("GROUP", f"{unique}.example.com")

    body = None if step.body is None else filled(json.dumps(step.body))
    headers = {name: filled(value) for name, value in step.headers}
    if step.user:
        headers["Impersonate-User"] = filled(step.user)
    content_type = KINDS.get(step.kind, "application/json")

    def answer() -> Answer:
        return client.request(step.method, filled(step.path), body, content_type=content_type, headers=headers)

    found: list[Answer] = []

    def asked() -> bool:
        found.append(answer())
        return step.until in (0, found[-1].status)

    wait_until(asked, 15, f"{step.method} {step.path} is answered with {step.until}")
    return found[-1]


@pytest.mark.parametrize("name", ALL)
def test_the_same_conversation_with_both(both: tuple[Client, Client], unique: str, name: str) -> None:
    namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    for client in both:
        client.post("/api/v1/namespaces", namespace).must(201)
    found: list[str] = []
    for number, step in enumerate(ALL[name]):
        mine, theirs = (ask(client, step, unique) for client in both)
        where = f"{number}: {step.method} {step.path}"
        if mine.status != theirs.status or mine.warnings != theirs.warnings:
            found.append(f"{where}: {_shown(mine)}\n   instead of {_shown(theirs)}")
            continue
        differing = set(differences(_told(mine.body), _told(theirs.body))) - DIFFERS.get(name, set())
        if differing:
            found.append(f"{where}: {sorted(differing)}\n   {_shown(mine)}\n   instead of {_shown(theirs)}")
    assert not found, "\n".join(found)


def _shown(answer: Answer) -> str:
    return f"{answer.status} {answer.warnings or ''} {json.dumps(answer.body)[:1500]}"


def _told(body: Any) -> Any:
    """The body without what is each server's own; versions in refusals too."""
    told = plain(body)
    if isinstance(told, dict) and told.get("kind") == "SelfSubjectRulesReview":
        for rules in told.get("status", {}).values():
            if isinstance(rules, list):  # the real server's order is that of a Go map
                rules.sort(key=json.dumps)
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        told["message"] = re.sub(r"\b[0-9]{2,}\b", "N", told["message"])
    return told
