"""Parameters of generators against those that Argo CD v3.6.1 makes: 95 random generators, run by its own code.

The data (`data/appset_parameters.jsonl`) was recorded from a program that calls Argo CD's generators with a fake client
and fake repositories; its first line has the folders, the files and what each pattern finds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetui.engine.appset import RegisteredCluster
from fleetui.engine.appset.generators import kinds_of, transformed
from fleetui.engine.appset.questions import (
    Answer,
    ChartVersions,
    GitDirectories,
    GitFiles,
    HostPullRequests,
    HostRepositories,
    PluginParameters,
    Question,
)
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.world import Unanswered, World

DATA = Path(__file__).parent / "data" / "appset_parameters.jsonl"
SECRET_TYPE = {"argocd.argoproj.io/secret-type": "cluster"}
HEAD, *VERDICTS = [json.loads(line) for line in DATA.read_text().splitlines()]


def answered(question: Question, verdict: dict[str, Any]) -> Answer:
    match question:
        case GitDirectories():
            return Answer(tuple(HEAD["folders"]))
        case GitFiles():
            return Answer(files(question.pattern))
        case ChartVersions():
            pattern = json.loads(question.spec).get("pattern")
            return Answer(tuple(HEAD["folders"]) if pattern is None else files(pattern))
        case PluginParameters():
            return Answer(tuple(verdict["plugin"]))
        case HostPullRequests():
            words = {"headsha": "head_sha", "targetbranch": "target_branch"}
            return Answer(tuple(lowered(one, words) for one in verdict["pullRequest"]))
        case HostRepositories():
            return Answer(tuple(lowered(one, {"repositoryid": "repository_id"}) for one in verdict["scmProvider"]))
    raise AssertionError(question)


def files(pattern: str) -> dict[str, bytes]:
    return {path: HEAD["files"][path].encode() for path in HEAD["patterns"].get(pattern, ())}


def lowered(one: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    return {words.get(key.lower(), key.lower()): value for key, value in one.items()}


def params_of(verdict: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What we make of a recorded generator; None where it is wrong."""
    clusters = [
        msgspec.convert({**one, "labels": one.get("labels", {}) | SECRET_TYPE}, RegisteredCluster)
        for one in verdict.get("clusters", ())
    ]
    answers: dict[Question, Answer] = {}
    entry = verdict["entry"]
    (kind,) = kinds_of(entry)
    for _ in range(10):
        world = World("s", "default", clusters, answers, go=verdict["go"], options=verdict["options"])
        try:
            return transformed(entry, kind, world, "at")
        except Unanswered:
            answers |= {question: answered(question, verdict) for question in world.open}
        except Flaw:
            return None
    raise AssertionError("it asks for ever")


@pytest.mark.parametrize(
    "verdict",
    [pytest.param(each, id=f"{number}-{kinds_of(each['entry'])[0]}") for number, each in enumerate(VERDICTS)],
)
def test_the_parameters_are_those_of_argo_cd(verdict: dict[str, Any]) -> None:
    made = params_of(verdict)
    wanted = verdict["made"]
    assert (made is None) == (wanted is None)
    if made is not None:
        assert sorted(map(as_text, made)) == sorted(map(as_text, wanted))


def as_text(params: dict[str, Any]) -> str:
    """Without the order of keys, which Go has not, and with one way to write a number."""
    plain = json.loads(msgspec.json.encode(params), parse_int=float)
    return json.dumps(plain, sort_keys=True)
