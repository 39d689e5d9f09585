"""The jq path expressions that people write in `ignoreDifferences`, evaluated without jq.

Owns: `parse` and `paths`. Paths, iteration, ``?``, ``select`` with comparisons, ``and``, ``or``, ``not`` and tests of
strings; nothing that computes, so that no expression can run for long or reach the environment: what does is for a real
jq. Rules: jq 1.8's manual, and gojq 0.12, which Argo CD evaluates ``del(EXPRESSION)`` with (argo-cd v3.6.1,
util/argo/normalizers/diff_normalizer.go). Called by `ignore`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from fleetui.diff.jqvalues import JqError, index, items, same_value, tested
from fleetui.model.objects import from_json

MAX_DEPTH = 50
"""How deep parentheses and `select` may nest."""
MAX_BRANCHES = 50_000
"""How many values ``[]`` and ``,`` may give in one evaluation: a few short expressions multiply without end."""


Path = tuple[str | int, ...]


class At(NamedTuple):
    """A value and the path that leads to it; None where the value was not found but made, as a literal is.

    `budget` is one for the whole evaluation.
    """

    path: Path | None
    value: Any
    budget: Iterator[int]


Query = Callable[[At], Iterator[At]]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?![.0-9eE]))
      | (?P<descent>\.\.)
      | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>==|!=|[.\[\]()?|,])
    )""",
    re.VERBOSE,
)
_LITERALS = {"null": None, "true": True, "false": False}
_TESTS = ("startswith", "endswith", "has")


class _UnsupportedError(Exception):
    """The expression is no jq, or more of it than is understood here."""


class _TooLongError(Exception):
    """The evaluation has used its budget; no ``?`` guards against that."""


@lru_cache(maxsize=1024)
def parse(expression: str) -> Query | None:
    """The expression as a function from a value to the places it names; None for what is not understood here."""
    try:
        return _Parser(_tokens(expression)).whole()
    except _UnsupportedError:
        return None


def paths(query: Query, obj: Any) -> list[Path]:
    """The places in `obj` that the query names; none where it fails on this object, as with Argo CD."""
    try:
        found = {at.path for at in query(At((), obj, iter(range(MAX_BRANCHES))))}
    except (JqError, _TooLongError):
        return []
    # A value that was made has no place: jq's ``path`` fails on it.
    return [] if None in found else [path for path in found if path is not None]


def _tokens(expression: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, end = 0, len(expression.rstrip())
    while position < end:
        token = _TOKEN.match(expression, position, end)
        if token is None or token.lastgroup is None:
            raise _UnsupportedError
        found.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    return found


# --- the grammar, from what binds least to what binds most ----------------------------------------------------------


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("end", "")]
        self._position = 0
        self._depth = 0

    def whole(self) -> Query:
        query = self._pipe()
        self._expect("end", "")
        return query

    def _pipe(self) -> Query:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _UnsupportedError
        query = self._comma()
        while self._takes("sign", "|"):
            query = _piped(query, self._comma())
        self._depth -= 1
        return query

    def _comma(self) -> Query:
        query = self._logic("or", lambda: self._logic("and", self._comparison))
        while self._takes("sign", ","):
            query = _either(query, self._logic("or", lambda: self._logic("and", self._comparison)))
        return query

    def _logic(self, word: str, operand: Callable[[], Query]) -> Query:
        query = operand()
        while self._takes("word", word):
            query = _joined(query, operand(), decided_by=word == "or")
        return query

    def _comparison(self) -> Query:
        query = self._term()
        for sign in ("==", "!="):
            if self._takes("sign", sign):
                return _compared(query, self._term(), equal=sign == "==")
        return query

    def _term(self) -> Query:
        before, last = self._primary(), None
        while True:
            if self._takes("sign", "?"):
                # It guards the last step alone: ``.[].a?`` goes on after an item that has no field.
                before, last = _tried(before) if last is None else _piped(before, _tried(last)), None
                continue
            step = self._step()
            if step is None:
                return before if last is None else _piped(before, last)
            before, last = before if last is None else _piped(before, last), step

    def _step(self) -> Query | None:
        kind, text = self._peek()
        if kind == "field":
            self._position += 1
            return _indexed(text[1:])
        if (kind, text) == ("sign", ".") and self._tokens[self._position + 1][1][0:1] in ('"', "["):
            self._position += 1
            kind, text = self._peek()
            if kind == "string":
                return _indexed(self._string())
        return self._bracket() if (kind, text) == ("sign", "[") else None

    def _primary(self) -> Query:
        kind, text = self._peek()
        if kind == "field" or (kind, text) == ("sign", "."):
            if kind == "sign":
                self._position += 1
                if self._peek()[0] == "string":
                    return _indexed(self._string())
                return _itself
            return self._step() or _itself
        self._position += 1
        if kind in ("string", "number"):
            return _literal(_decoded(text))
        if (kind, text) == ("sign", "("):
            query = self._pipe()
            self._expect("sign", ")")
            return query
        if kind == "word":
            return self._word(text)
        raise _UnsupportedError

    def _word(self, word: str) -> Query:
        if word in _LITERALS:
            return _literal(_LITERALS[word])
        if word == "not":
            return _negated
        if word == "select" or word in _TESTS:
            self._expect("sign", "(")
            query = _selected(self._pipe()) if word == "select" else _test(word, self._string())
            self._expect("sign", ")")
            return query
        raise _UnsupportedError

    def _bracket(self) -> Query:
        self._expect("sign", "[")
        if self._takes("sign", "]"):
            return _iterated
        kind, text = self._peek()
        if kind not in ("string", "number"):
            raise _UnsupportedError
        self._position += 1
        self._expect("sign", "]")
        return _indexed(_decoded(text))

    def _string(self) -> str:
        kind, text = self._peek()
        if kind != "string":
            raise _UnsupportedError
        self._position += 1
        return str(_decoded(text))

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position]

    def _takes(self, kind: str, text: str) -> bool:
        found = self._peek() == (kind, text)
        self._position += found
        return found

    def _expect(self, kind: str, text: str) -> None:
        if not self._takes(kind, text):
            raise _UnsupportedError


def _decoded(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:
        raise _UnsupportedError from None


# --- what each part does --------------------------------------------------------------------------------------------


def _itself(at: At) -> Iterator[At]:
    yield at


def _negated(at: At) -> Iterator[At]:
    yield At(None, not _is_true(at.value), at.budget)


def _literal(value: Any) -> Query:
    def query(at: At) -> Iterator[At]:
        yield At(None, value, at.budget)

    return query


def _indexed(key: str | int) -> Query:
    def indexed(at: At) -> Iterator[At]:
        yield At(_below(at, key), index(at.value, key), at.budget)

    return indexed


def _iterated(at: At) -> Iterator[At]:
    for key, value in items(at.value):
        _spend(at)
        yield At(_below(at, key), value, at.budget)


def _spend(at: At) -> None:
    if next(at.budget, None) is None:
        raise _TooLongError


def _below(at: At, key: str | int) -> Path | None:
    return None if at.path is None else (*at.path, key)


def _tried(query: Query) -> Query:
    def tried(at: At) -> Iterator[At]:
        # Only what the query itself raises: an error of who takes its results comes at the yield, and is not its own.
        found = query(at)
        while True:
            try:
                one = next(found)
            except (JqError, StopIteration):
                return
            yield one

    return tried


def _piped(first: Query, second: Query) -> Query:
    def piped(at: At) -> Iterator[At]:
        for found in first(at):
            yield from second(found)

    return piped


def _either(first: Query, second: Query) -> Query:
    def either(at: At) -> Iterator[At]:
        _spend(at)
        yield from first(at)
        yield from second(at)

    return either


def _compared(left: Query, right: Query, *, equal: bool) -> Query:
    def compared(at: At) -> Iterator[At]:
        for second in right(at):
            for first in left(at):
                yield At(None, same_value(first.value, second.value) == equal, at.budget)

    return compared


def _joined(left: Query, right: Query, *, decided_by: bool) -> Query:
    def joined(at: At) -> Iterator[At]:
        for first in left(at):
            if _is_true(first.value) == decided_by:
                yield At(None, decided_by, at.budget)
            else:
                for second in right(at):
                    yield At(None, _is_true(second.value), at.budget)

    return joined


def _selected(condition: Query) -> Query:
    def selected(at: At) -> Iterator[At]:
        for verdict in condition(at):
            if _is_true(verdict.value):
                yield at

    return selected


def _test(word: str, text: str) -> Query:
    def test(at: At) -> Iterator[At]:
        yield At(None, tested(word, at.value, text), at.budget)

    return test


def _is_true(value: Any) -> bool:
    return value is not None and value is not False
