"""How much one Go template may do: a template is a stranger's, and must not hang or fill the engine.

Owns: `Budget`, which `fleetui.engine.appset.template_go` puts around each function that a template can call, and
`within_time`, which `fleetui.engine.appset.generate` puts around all of one ApplicationSet. What a template repeats,
nests and writes is limited by gotpl's own budget (`ExecutionBudget.strict`); a `Budget` is about what single calls take
and make. Text and items are counted alike.
"""

from __future__ import annotations

import functools
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

LONGEST = 30.0
"""Seconds of its thread that all Go templates of one generation may take: within its budget, each one may take a
second."""
_TAKEN: ContextVar[list[float] | None] = ContextVar("seconds taken", default=None)
_WHOLE = 500_000
"""Characters and items that all calls of one rendering may take and make."""
_WIDEST = 10_000
_WIDTH = re.compile(r"%[^a-zA-Z%]*?(\d{4,})")
_REPETITION = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MAX_INT = 2**63
_REGEX = re.compile("(?:must)?regex", re.IGNORECASE)
_SQUARE = frozenset({"uniq", "mustUniq", "without", "mustWithout", "sortAlpha"})
_RETURN_A_PART = frozenset({"get", "dig", "first", "mustFirst", "last", "mustLast", "default", "coalesce", "ternary"})


@contextmanager
def within_time() -> Iterator[None]:
    """Within it, Go templates may take `LONGEST` altogether."""
    token = _TAKEN.set([0.0])
    try:
        yield
    finally:
        _TAKEN.reset(token)


@contextmanager
def timed() -> Iterator[None]:
    """One rendering, whose time counts.

    Raises:
        ValueError: those before it have taken all the time that there is.
    """
    taken = _TAKEN.get()
    if taken is None:
        yield
        return
    if taken[0] > LONGEST:
        raise ValueError(f"the Go templates of this ApplicationSet have taken more than {LONGEST:.0f} s altogether")
    began = time.thread_time()
    try:
        yield
    finally:
        taken[0] += time.thread_time() - began


class Budget(threading.local):
    """What is left to one rendering, in each thread of its own."""

    left = _WHOLE

    def renew(self) -> None:
        """A new rendering begins."""
        self.left = _WHOLE

    def spend(self, amount: float) -> None:
        """Takes from what is left.

        Raises:
            ValueError: there is not so much left.
        """
        self.left -= math.ceil(min(amount, 2 * _WHOLE))
        if self.left < 0:
            raise ValueError("the template makes more than a template may")

    def limited(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        """The function, which spends what it is given and what it makes; where the arguments say that it will be much,
        before it is called."""
        foresee = _FORESEEN.get(name) or (_regex if _REGEX.match(name) else None)
        counted = name not in _RETURN_A_PART

        @functools.wraps(function)
        def call(*args: object) -> object:
            self.spend(1 + sum(len(each) for each in args if isinstance(each, str | list | tuple | bytes)))
            if foresee is not None:
                self.spend(foresee(args))
            elif name in _SQUARE:
                self.spend(sum(len(each) ** 2 for each in args if isinstance(each, list | tuple)))
            made = function(*args)
            if counted:
                self._count(made)
            return made

        return call

    def _count(self, value: object) -> None:
        """Spends all of a value, with what occurs twice in it twice: so would whoever writes it."""
        pending = [value]
        while pending:
            each = pending.pop()
            if isinstance(each, str | bytes):
                self.spend(len(each))
            elif isinstance(each, Mapping):
                self.spend(len(each))
                pending += each.values()
            elif isinstance(each, list | tuple):
                self.spend(len(each))
                pending += each
            elif isinstance(each, int) and abs(each) >= _MAX_INT:
                raise ValueError("the number is larger than 64 bits hold")


def _whole(value: object) -> int:
    try:
        return max(0, int(value))  # type: ignore[call-overload,no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else 1


def _times(args: tuple[Any, ...]) -> float:
    """``repeat`` and the indentations: a number, and a text of so many lines."""
    lines = args[1].count("\n") + 1 if len(args) > 1 and isinstance(args[1], str) else 1
    return _whole(args[0]) * lines if args else 0


def _repeat(args: tuple[Any, ...]) -> float:
    return _whole(args[0]) * _size(args[1]) if len(args) > 1 else 0


def _count_of(args: tuple[Any, ...]) -> float:
    return _whole(args[0]) if args else 0


def _steps(args: tuple[Any, ...]) -> float:
    numbers = [value for value in args if isinstance(value, int)]
    widest = max(map(abs, numbers), default=0)
    return 2 * widest / (abs(numbers[-1]) or 1) if len(numbers) > 2 else widest


def _replaced(args: tuple[Any, ...]) -> float:
    if len(args) < 3 or not all(isinstance(each, str) for each in args):
        return 0
    old, new, text = args
    return float(text.count(old) * len(new))


def _joined(args: tuple[Any, ...]) -> float:
    return _size(args[0]) * _size(args[1]) if len(args) > 1 else 0


def _wrapped(args: tuple[Any, ...]) -> float:
    return _size(args[1]) * _size(args[2]) if len(args) > 2 else 0


def _printed(args: tuple[Any, ...]) -> float:
    if not args or not isinstance(args[0], str):
        return 0
    stars = sum(_whole(each) for each in args[1:] if isinstance(each, int)) if "*" in args[0] else 0
    widths = sum(int(found[1][:9]) for found in _WIDTH.finditer(args[0]))
    if stars + widths > _WIDEST:
        raise ValueError(f"a width is larger than {_WIDEST}")
    return stars + widths


def _regex(args: tuple[Any, ...]) -> float:
    """A regular expression is followed state by state over the whole text, and what replaces may come at each place."""
    texts = [each for each in args if isinstance(each, str)]
    if not texts:
        return 0
    pattern, *others = texts
    repeated = math.prod(int((found[2] or found[1])[:4]) or 1 for found in _REPETITION.finditer(pattern[:10_000]))
    longest = max(map(len, others), default=0)
    replacing = len(others[1]) * len(others[0]) if len(others) > 1 else 0
    return len(pattern) * repeated * (longest + 1) + replacing


_FORESEEN: dict[str, Callable[[tuple[Any, ...]], float]] = {
    "repeat": _repeat,
    "indent": _times,
    "nindent": _times,
    **dict.fromkeys(("until", "randAlpha", "randAlphaNum", "randAscii", "randNumeric", "randBytes"), _count_of),
    "untilStep": _steps,
    "seq": _steps,
    "replace": _replaced,
    "join": _joined,
    "wrapWith": _wrapped,
    "printf": _printed,
}
