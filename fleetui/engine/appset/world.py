"""What generators know while they run: the clusters, the answers, the dialect of the templates.

Owns: `World`, and the questions that turn out to be open. Made by `fleetui.engine.appset.generate` for each run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from fleetui.engine.appset.generated import RegisteredCluster
from fleetui.engine.appset.params import Params, size_of
from fleetui.engine.appset.questions import Answer, Question
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.template import render_text
from fleetui.model.errors import TemplateError

MOST_BYTES = 32 * 1024 * 1024
"""Of what all generators of an ApplicationSet read from YAML, as JSON: 200 bytes may say millions of values."""


class Unanswered(Exception):  # noqa: N818 - what is asked is no error
    """A generator can't go on: what it asked has no answer yet."""


class World:
    """One run of an ApplicationSet's generators.

    Args:
        name: the ApplicationSet's.
        project: that of its template; empty where a parameter names it.
        clusters: what the hub has registered, in any order.
        answers: what is known of the world.
        go: whether its templates are Go's, with `options`.
    """

    def __init__(
        self,
        name: str,
        project: str,
        clusters: Sequence[RegisteredCluster],
        answers: Mapping[Question, Answer],
        *,
        go: bool,
        options: Sequence[str],
    ) -> None:
        self.name = name
        self.project = project
        self.go = go
        self.options = tuple(options)
        self.open: dict[Question, None] = {}
        self._read = 0
        self._clusters = clusters
        self._answers = answers

    @cached_property
    def clusters(self) -> list[RegisteredCluster]:
        """By name, one for each: of two with the same name, Go keeps one at random, and this the last by server."""
        by_name = {one.name: one for one in sorted(self._clusters, key=lambda one: (one.name, one.server))}
        return list(by_name.values())

    def ask(self, question: Question, at: str) -> Any:
        """The answer to a question of the generator at `at`.

        Raises:
            Unanswered: there is none yet; the question is noted.
            Flaw: it can't be had.
        """
        return self.ask_all([question], at)[0]

    def ask_all(self, questions: Sequence[Question], at: str) -> list[Any]:
        """The answers to some questions, which are noted together."""
        found = [self._answers.get(question) for question in questions]
        if lacking := [question for question, answer in zip(questions, found, strict=True) if answer is None]:
            self.open |= dict.fromkeys(lacking)
            raise Unanswered
        for answer in found:
            if answer is not None and answer.problem:
                raise Flaw(at, answer.problem)
        return [answer.value for answer in found if answer is not None]

    def weigh(self, value: Any, at: str) -> None:
        """Notes what a generator read from YAML, before it is copied.

        Raises:
            Flaw: with it, they have read more than `MOST_BYTES`.
        """
        self._read += size_of(value)
        if self._read > MOST_BYTES:
            raise Flaw(at, f"says more than {MOST_BYTES >> 20} MiB, with what its YAML repeats by aliases", "say less")

    def with_values(self, params: Params, values: Mapping[str, str], at: str) -> Params:
        """`params` and what a generator's own `values` make of them; no value sees another."""
        made = {}
        for key, value in values.items():
            try:
                made[key] = render_text(value, params, go=self.go, options=self.options)
            except TemplateError as error:
                raise Flaw(f"{at}.values.{key}", error.reason, error.hint) from error
        if self.go:
            return {**params, "values": made} if made else params
        return {**params, **{f"values.{key}": value for key, value in made.items()}}


def spec_text(spec: Mapping[str, Any]) -> str:
    """A part of a generator as questions carry it: JSON with sorted keys."""
    return msgspec.json.encode(spec, order="sorted").decode()
