"""Generating with everything answered: what a generator wants to know is asked, and then it is generated again.

Owns: `answered`, `Asking` with the subscriptions by which an answer that changes is heard of, and `NoAnswers`. Called
by `fleetui.engine.appset.reconcile` and the command line. What is asked is decided in `fleetui.engine.appset.generate`,
which is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.generate import generate
from fleetui.engine.appset.generated import Generated, RegisteredCluster
from fleetui.engine.appset.ports import Answers
from fleetui.engine.appset.questions import Answer, Question
from fleetui.hubports import Registration
from fleetui.model.objects import ClusterName, Obj
from fleetui.ports import Subscription

Key = tuple[str, str]
"""Namespace and name of an ApplicationSet."""

AT_ONCE = 10
"""Questions of one ApplicationSet that are asked side by side."""
GENERATING = 2
"""ApplicationSets of one hub that are generated at a time: more would be no faster, and take the threads of others."""


async def answered(
    appset: Obj,
    clusters: Sequence[RegisteredCluster],
    ask: Callable[[Question], Awaitable[Answer]],
    *,
    turns: asyncio.Semaphore | None = None,
) -> Generated:
    """What an ApplicationSet makes, with no question left open: what it asks is asked side by side, each once, until it
    asks no more.

    Args:
        appset: the object; nobody changes it meanwhile.
        clusters: what its hub has registered.
        ask: answers one question.
        turns: what each generation waits for; it runs on a thread, since thousands of Applications take seconds.
    """
    answers: dict[Question, Answer] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    turns = turns or asyncio.Semaphore(1)

    async def asked(question: Question) -> Answer:
        async with gate:
            return await ask(question)

    while True:
        async with turns:
            generated = await asyncio.to_thread(generate, appset, clusters, answers)
        if not generated.questions:
            return generated
        answers |= zip(generated.questions, await asyncio.gather(*map(asked, generated.questions)), strict=True)


class NoAnswers:
    """The `Answers` of an engine that was given none: generators that ask nothing work all the same."""

    async def answer(self, question: Question, *, hub: ClusterName, namespace: str, fresh: bool = False) -> Answer:
        """Why there is none."""
        return Answer(problem=f"this engine can't answer {type(question).__name__}")

    def subscribe(
        self, question: Question, listener: Callable[[], None], *, hub: ClusterName, namespace: str
    ) -> Subscription:
        """Nothing ever changes."""
        return self

    def close(self) -> None:
        """Nothing goes on."""


class Asking:
    """Generates the Applications of one hub's ApplicationSets.

    Args:
        hub: the cluster's name.
        answers: what answers.
        changed: called with an ApplicationSet one of whose answers may be another now.
    """

    def __init__(self, hub: ClusterName, answers: Answers, changed: Callable[[Key], None]) -> None:
        self._hub = hub
        self._answers = answers
        self._changed = changed
        self._heard: dict[Key, dict[Question, Subscription]] = {}
        self._doubted: set[Key] = set()
        self._turns = asyncio.Semaphore(GENERATING)

    def doubt(self, key: Key) -> None:
        """Has everything that an ApplicationSet wants to know asked anew when it is generated next."""
        self._doubted.add(key)

    async def generate(self, appset: ApplicationSet, registered: Iterable[Registration]) -> Generated:
        """What an ApplicationSet makes of what the hub registers, with no question left open; what can't be answered
        is a problem of it."""
        key = appset.namespace, appset.name
        asked: set[Question] = set()
        fresh = appset.refresh or key in self._doubted
        # What is doubted while it is asked is to be asked again.
        self._doubted.discard(key)

        async def ask(question: Question) -> Answer:
            asked.add(question)
            # Heard before it is asked: what changes in between would be missed.
            self._hear(key, question)
            return await self._answers.answer(question, hub=self._hub, namespace=appset.namespace, fresh=fresh)

        clusters = [RegisteredCluster.of(each) for each in registered]
        generated = await answered(appset.obj, clusters, ask, turns=self._turns)
        self._hear_only(key, asked)
        return generated

    def forget(self, key: Key) -> None:
        """Hears no more of what an ApplicationSet asked."""
        self._doubted.discard(key)
        self._hear_only(key, ())

    def close(self) -> None:
        """Hears nothing any more."""
        for key in list(self._heard):
            self.forget(key)

    def _hear(self, key: Key, question: Question) -> None:
        heard = self._heard.setdefault(key, {})
        if question not in heard:
            heard[question] = self._answers.subscribe(
                question, lambda: self._changed(key), hub=self._hub, namespace=key[0]
            )

    def _hear_only(self, key: Key, questions: Collection[Question]) -> None:
        heard = self._heard.pop(key, {})
        for question in [question for question in heard if question not in questions]:
            heard.pop(question).close()
        if heard:
            self._heard[key] = heard
