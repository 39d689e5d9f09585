"""What an application ignores, for one comparison of it.

Owns: `Ignoring`: the rules together with the jq that some of their expressions need. Made for each comparison by
`fleetui.engine.observe` and by `fleetui.fleet.differ`. What the rules do is `fleetui.diff.ignore`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fleetui.diff.ignore import IgnoreRule, need_jq, rule_in
from fleetui.model.errors import ExpressionError
from fleetui.model.text import quoted
from fleetui.ports import Jq, PathExpressions

T = TypeVar("T")

MOST_FAILED = 3
"""Expressions of one comparison that may fail; each may take its second, and others wait for the same jq meanwhile."""


@dataclass(frozen=True)
class Ignoring:
    """The rules of an application's `ignoreDifferences`, ready to be applied.

    `jq` evaluates what they compute; `failed` are the expressions that it could not evaluate.
    """

    rules: tuple[IgnoreRule, ...] = ()
    jq: Jq | None = None
    failed: dict[str, ExpressionError] = field(default_factory=dict)

    def about(self, obj: Mapping[str, Any], manifest: Mapping[str, Any]) -> Ignoring:
        """The same, with the rules alone that concern a live object, and the one that its manifest brings along."""
        brought = rule_in(manifest)
        rules = self.rules if brought is None else (*self.rules, brought)
        return replace(self, rules=tuple(rule for rule in rules if rule.concerns(obj)))

    async def run(self, work: Callable[[PathExpressions | None], T], *, large: bool = False) -> T:
        """Calls `work`, which applies the rules, with what evaluates their expressions: here where none of them needs a
        jq, else where it may take its time; on a thread in any case where it is `large`."""
        if self.jq is None or not need_jq(self.rules):
            return await asyncio.to_thread(work, None) if large else work(None)
        return await self.jq.run(lambda evaluate: work(self._once(evaluate)))

    def _once(self, evaluate: PathExpressions) -> PathExpressions:
        """Does not try again on other objects what failed on one: what never ends would take its second on each."""

        def evaluated(expression: str, obj: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
            if expression in self.failed:
                raise self.failed[expression]
            if len(self.failed) >= MOST_FAILED:
                raise ExpressionError(f"{quoted(expression)} is not evaluated, because {MOST_FAILED} others failed")
            try:
                return evaluate(expression, obj)
            except ExpressionError as error:
                self.failed[expression] = error
                raise

        return evaluated
