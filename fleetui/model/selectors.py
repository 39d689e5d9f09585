"""Label selectors.

Owns: their grammar and their matching (apimachinery pkg/labels/selector.go). Pure: a selector is a predicate over
labels. Called by the command line and by the embedded API servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

LabelSelector = Callable[[Mapping[str, str]], bool]
_Requirement = tuple[str, str, frozenset[str]]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|,|\(|\)|<|>)|(?P<word>[^\s=!,()<>]+))")
_OPERATORS = ("=", "==", "!=", "!", "<", ">", "(", ")")
_OF_OBJECTS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "doesnotexist"}
_KEY = re.compile(r"(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")


def everything(_: Mapping[str, str]) -> bool:
    """The empty selector."""
    return True


def parse(text: str) -> LabelSelector:
    """The selector of a ``labelSelector`` parameter, such as ``app=web,tier in (a,b),!canary``.

    Raises:
        ValueError: `text` is no selector.
    """
    if not text.strip():
        return everything
    return _all(_Parser(text).requirements())


def of_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a `metav1.LabelSelector` object; None selects nothing, an empty one everything, one with an
    operator that such objects don't have nothing.

    Raises:
        AttributeError, KeyError, TypeError: it is none.
    """
    if selector is None:
        return lambda _: False
    requirements: list[_Requirement] = [
        (key, "in", frozenset([value])) for key, value in (selector.get("matchLabels") or {}).items()
    ]
    requirements += [
        (entry["key"], _OF_OBJECTS.get(entry["operator"], "never"), frozenset(entry.get("values") or ()))
        for entry in selector.get("matchExpressions") or ()
    ]
    return _all(requirements)


def _all(requirements: list[_Requirement]) -> LabelSelector:
    if not requirements:
        return everything
    return lambda labels: all(_holds(labels, requirement) for requirement in requirements)


def _holds(labels: Mapping[str, str], requirement: _Requirement) -> bool:
    key, operator, values = requirement
    match operator:
        case "in":
            return labels.get(key) in values
        case "notin":
            return labels.get(key) not in values
        case "exists":
            return key in labels
        case "doesnotexist":
            return key not in labels
        case "never":
            return False
        case _:
            return _compares(labels.get(key, ""), operator, values)


def _compares(value: str, operator: str, values: frozenset[str]) -> bool:
    try:
        left, right = int(value), int(next(iter(values)))
    except ValueError:
        return False
    return left > right if operator == "gt" else left < right


class _Parser:
    """Recursive descent over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while match := _TOKEN.match(text, position):
            self._tokens.append(match["op"] or match["word"])
            position = match.end()
        self._next = 0

    def requirements(self) -> list[_Requirement]:
        found = [self._requirement()]
        while self._peek() == ",":
            self._take()
            found.append(self._requirement())
        if self._peek():
            raise self._refuse(f"found '{self._peek()}', expected: ',' or 'end of string'")
        return found

    def _requirement(self) -> _Requirement:
        if self._peek() == "!":
            self._take()
            return self._key(), "doesnotexist", frozenset()
        key = self._key()
        operator = self._peek()
        if operator in ("", ","):
            return key, "exists", frozenset()
        self._take()
        match operator:
            case "=" | "==":
                return key, "in", frozenset([self._value()])
            case "!=":
                return key, "notin", frozenset([self._value()])
            case "in" | "notin":
                return key, operator, self._values()
            case "<" | ">":
                return key, "lt" if operator == "<" else "gt", frozenset([self._value()])
        raise self._refuse(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        key = self._take()
        if not _KEY.match(key):
            raise self._refuse(f"found '{key}', expected: !, identifier, or 'end of string'")
        return key

    def _value(self) -> str:
        token = self._peek()
        if token in ("", ","):
            return ""
        if token in _OPERATORS:
            raise self._refuse(f"found '{token}', expected: identifier")
        return self._take()

    def _values(self) -> frozenset[str]:
        if (token := self._take()) != "(":
            raise self._refuse(f"found '{token}' expected: '('")
        values: set[str] = set()
        while (token := self._take()) != ")":
            if not token:
                raise self._refuse("found '', expected: ',' or ')'")
            if token != ",":
                values.add(token)
        return frozenset(values or {""})

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _refuse(self, why: str) -> Exception:
        return ValueError(f"unable to parse requirement: {why}")
