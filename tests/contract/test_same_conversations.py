"""The same requests, one after the other, to both servers: the same answers.

Compares whole answers, so that it finds what nobody thought of. What may differ is said here, by conversation and
path, and in docs/embedded.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from typing import Any

import pytest

from tests.contract import conversations, fieldstories, stories
from tests.contract.client import KINDS, Answer, Client, Json
from tests.contract.comparing import differences, plain
from tests.contract.conversations import Step
from tests.waiting import wait_until

pytestmark = pytest.mark.real
ALL = {**conversations.RIGHTS, **stories.ALL, **fieldstories.ALL}
POOL = ThreadPoolExecutor(32)
"""Both are asked at the same time, and several watches too, since a watch takes a second."""

STATUS = {".status", ".metadata.managedFields"}
DIFFERS: dict[str, dict[int, set[str]]] = {
    # A controller has written the status of the suspended Job.
    "what may not change": {14: STATUS},
    # Go's words for a token that is no JSON.
    "parameters that do not go together": {6: {".message"}, 7: {".message"}},
    # The Go type that was found is told.
    "forms": {9: {".message"}, 10: {".message"}},
    # The warning is of the object as the definition's only version has it, which was not asked for.
    "a schema refuses": {19: {"warnings"}},
    # The real server shows its internal types.
    "definitions that make no sense": {4: {".message", ".details"}},
    # The order of the fields within what was not touched is each one's own.
    "patches": {8: {".message", ".details"}},
}
"""By conversation and step: where the answers may differ. Each has its line in docs/embedded.md."""


def ask(client: Client, step: Step, unique: str, seen: dict[str, str]) -> Answer:
    """The answer to a step, as soon as it has the status that the step waits for.

    `seen` has what earlier answers said: the last resource version as ``VERSION``, that of the last list as
    ``LISTED``, the last continue token as ``TOKEN``, the last uid as ``UID``.
    """

    words = {"UNIQUE": unique, "NS": unique, "GROUP": f"{unique}.example.com", **seen}

    def filled(text: str) -> str:
        for word, meant in words.items():
            text = text.replace(word, meant)
        return text

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
    meta = found[-1].body.get("metadata") if isinstance(found[-1].body, dict) else None
    told = {"VERSION": "resourceVersion", "TOKEN": "continue", "UID": "uid"}
    if meta and str(found[-1].body.get("kind")).endswith("List"):
        seen["LISTED"] = meta["resourceVersion"]
    seen.update({word: meta[key] for word, key in told.items() if meta and meta.get(key)})
    return found[-1]


@pytest.mark.parametrize("name", ALL)
def test_the_same_conversation_with_both(both: tuple[Client, Client], unique: str, name: str) -> None:
    namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    for client in both:
        client.post("/api/v1/namespaces", namespace).must(201)
    found: list[str] = []
    seen: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for number, step, mine, theirs in answers(both, ALL[name], unique, seen):
        allowed = DIFFERS.get(name, {}).get(number, ())
        found += [
            f"{number}: {step.method} {step.path} {path}\n   {ours}\n   instead of {real}"
            for path, ours, real in told(mine, theirs)
            if not path.startswith(tuple(allowed))
        ]
    assert not found, "\n".join(found)


def answers(
    both: tuple[Client, Client], steps: list[Step], unique: str, seen: tuple[dict[str, str], dict[str, str]]
) -> Iterator[tuple[int, Step, Answer, Answer]]:
    """Each step, by its number, with what the two answer; watches that follow each other are held side by side."""
    for watching, group in groupby(enumerate(steps), lambda numbered: _is_watch(numbered[1])):
        numbered = list(group)
        for some in [numbered] if watching else [[one] for one in numbered]:
            asking = [
                [POOL.submit(_apart if watching else ask, client, step, unique, known) for _, step in some]
                for client, known in zip(both, seen, strict=True)
            ]
            for (number, step), mine, theirs in zip(some, *asking, strict=True):
                yield number, step, mine.result(), theirs.result()


def _is_watch(step: Step) -> bool:
    return step.method == "GET" and step.path.startswith(stories.WATCH)


def _apart(client: Client, step: Step, unique: str, seen: dict[str, str]) -> Answer:
    """As `ask`, on a connection of its own; an answer to a watch tells nothing that later steps use."""
    with closing(client.again()) as own:
        return ask(own, step, unique, dict(seen))


def told(mine: Answer, theirs: Answer) -> Iterator[tuple[str, str, str]]:
    """Where two answers differ, and what each says there."""
    if mine.status != theirs.status:
        yield "status", f"{mine.status} {_text(mine.body)}", f"{theirs.status} {_text(theirs.body)}"
        return
    if mine.warnings != theirs.warnings:
        yield "warnings", _text(mine.warnings), _text(theirs.warnings)
    ours, real = _comparable(mine.body), _comparable(theirs.body)
    for path in differences(ours, real):
        yield path, _text(_at(ours, path)), _text(_at(real, path))


def _text(value: Any) -> str:
    return json.dumps(value)[:1500]


def _at(body: Any, path: str) -> Any:
    for step in filter(None, path.split(".")):
        if isinstance(body, list):
            body = body[int(step)]
        else:
            body = body.get(step, "nothing") if isinstance(body, dict) else body
    return body


def _is_plain_bookmark(event: Json) -> bool:
    """Whether it says no more than how far the watch is, which each server does when it likes."""
    return event["type"] == "BOOKMARK" and "annotations" not in event["object"]["metadata"]


def _comparable(body: Any) -> Any:
    """The body without what is each server's own; versions in refusals too."""
    if isinstance(body, str) and body.startswith('{"type":'):
        body = [event for line in body.splitlines() if not _is_plain_bookmark(event := json.loads(line))]
    text = re.sub(r"Bad_[0-9a-z]{5}", "Bad_generated", json.dumps(plain(body)))
    found = json.loads(re.sub(r'"\d+s"', '"AGE"', text))
    if isinstance(found, dict) and found.get("kind") == "SelfSubjectRulesReview":
        for rules in found.get("status", {}).values():
            if isinstance(rules, list):  # the real server's order is that of a Go map
                rules.sort(key=json.dumps)
    if isinstance(found, dict) and isinstance(found.get("message"), str):
        found["message"] = re.sub(r"\b[0-9]{2,}\b", "N", found["message"])
    return found
