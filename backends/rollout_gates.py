"""What the gates of rollouts ask outside of the fleet: Prometheus, and webhooks.

Owns: `HttpGates`, the implementation of `fleetui.engine.rollout.ports.Outside`. Made in the composition root. With it
comes aiohttp, so it is imported at the first question.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from backends.charts_http import Answer, Timeouts, Web
from backends.repository_access import RepositoryAccess
from fleetui.engine.application import mapping, text
from fleetui.engine.rollout.ports import Verdict
from fleetui.model.errors import ChartError, RefusedError
from fleetui.model.rollout import Gate, Rollout
from fleetui.model.text import masked, one_line, quoted

_LARGEST = 1024 * 1024
_NOT_YET = frozenset({202, 408, 425, 429})
_CONDITION = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class HttpGates:
    """Asks over HTTP, as this user and without a login."""

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self._web = Web(timeouts or Timeouts(connect=5.0, read=10.0, total=15.0))

    async def close(self) -> None:
        await self._web.close()

    async def metric(self, gate: Gate) -> Verdict:
        """The value of an instant query (Prometheus' HTTP API, ``/api/v1/query``) held against the gate's condition.

        A vector holds where each of its samples does. No sample, NaN, and a server that does not answer are not yet.

        Raises:
            RefusedError: the condition is none.
        """
        holds = condition(gate.condition)
        url = f"{gate.url.rstrip('/')}/api/v1/query?{urlencode({'query': gate.query})}"
        try:
            answer = await self._web.get(url, limit=_LARGEST)
        except ChartError as error:
            return Verdict(None, one_line(error.message))
        try:
            return verdict(_values(answer), holds)
        except ValueError as error:
            return Verdict(None, one_line(f"{masked(gate.url)}: {error}"))

    async def webhook(self, gate: Gate, rollout: Rollout, wave: str) -> Verdict:
        """Posts what stands before the gate; 2xx is yes, 202 and 425 are not yet, and so is no answer or 5xx."""
        body = msgspec.json.encode(about(rollout, wave))
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            answer = await self._web.ask(
                "POST", gate.url, limit=_LARGEST, access=RepositoryAccess(url=""), headers=headers, body=body
            )
        except ChartError as error:
            return Verdict(None, one_line(error.message))
        said = _said(answer)
        words = f"{masked(gate.url)} answers {answer.status}{': ' + said if said else ''}"
        if answer.status in _NOT_YET or answer.status >= 500:
            return Verdict(None, words)
        return Verdict(200 <= answer.status < 300, words)


def condition(words: str) -> Callable[[float], bool]:
    """The test that a condition such as ``< 0.01`` means.

    Raises:
        RefusedError: it is none.
    """
    found = _CONDITION.fullmatch(words)
    if found is None:
        raise RefusedError(f"{quoted(words)} is no condition", "write it like < 0.01, with one of < <= > >= == !=")
    compare, bound = _OPERATORS[found[1]], float(found[2])
    return lambda value: compare(value, bound)


def verdict(values: list[float], holds: Callable[[float], bool]) -> Verdict:
    """What a query's values say of a gate."""
    if not values:
        return Verdict(None, "the query finds nothing")
    if any(math.isnan(value) for value in values):
        return Verdict(None, "the value is NaN")
    wrong = [value for value in values if not holds(value)]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return Verdict(False, f"it is {wrong[0]:g}{more}")
    return Verdict(True, f"it is {values[0]:g}" if len(values) == 1 else f"{len(values)} values hold")


def about(rollout: Rollout, wave: str) -> dict[str, Any]:
    """What a webhook is told."""
    plan, state = rollout.plan, rollout.state
    mine = next(each for each in plan.waves if each.name == wave)
    places = {cell.key: place for place, cell in enumerate(plan.cells)}
    return {
        "rollout": plan.key.name,
        "namespace": plan.key.namespace,
        "addons": plan.moves,
        "phase": str(state.phase),
        "wave": wave,
        "waveIndex": state.wave,
        "waves": len(plan.waves),
        "createdBy": plan.created_by,
        "cells": [
            {
                "cluster": key.cluster,
                "addon": key.addon,
                "from": plan.cells[places[key]].from_version,
                "to": plan.cells[places[key]].to_version,
                "phase": str(state.cells[places[key]].phase) if state.cells else "waiting",
            }
            for key in mine.cells
        ],
    }


def _values(answer: Answer) -> list[float]:
    """The samples of an answer of Prometheus.

    Raises:
        ValueError: it is none.
    """
    try:
        body = mapping(msgspec.json.decode(answer.body))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"answers {answer.status}, and not as Prometheus does") from error
    if body.get("status") != "success":
        raise ValueError(text(body.get("error")) or f"answers {answer.status}, and not as Prometheus does")
    data = mapping(body.get("data"))
    kind, result = data.get("resultType"), data.get("result")
    if not isinstance(result, list) or kind not in {"vector", "scalar"}:
        raise ValueError(f"the query gives a {one_line(text(kind)) or 'nothing'}, and neither a vector nor a scalar")
    samples = [result] if kind == "scalar" else [mapping(each).get("value") for each in result]
    try:
        return [float(sample[1]) for sample in samples]  # type: ignore[index]  # TypeError is caught
    except (TypeError, IndexError, KeyError, ValueError) as error:
        raise ValueError("a sample has no value") from error


def _said(answer: Answer) -> str:
    """The message in a webhook's answer, or its first line."""
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        return one_line(answer.body.decode(errors="replace"))[:200]
    return one_line(text(mapping(found).get("message")))[:200]
