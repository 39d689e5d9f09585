"""Regular expressions as Go has them, found in time that grows with the text and no faster.

Owns: `compiled` and `GoRegex`. Python's own engine backtracks: an expression that somebody wrote into a cluster, and a
text that somebody else chose, could hold it for ever. The syntax is RE2's (Go 1.26: regexp/syntax); what is not
supported is refused by name. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from fleetui.model.text import quoted

_LARGEST = 20_000
"""Steps of the largest program: repetitions are written out."""
_MOST_TIMES = 1000
"""Of a counted repetition (regexp/syntax: `maxRepeat`)."""
_DEEPEST = 100
_MOST_KEPT = 50_000
"""Places of states that are kept for an expression, some 3 MB; beyond it they are worked out anew."""

_PERL = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_ESCAPES = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class _Step(NamedTuple):
    """One step of a program: a character that `fits`, a place that `holds`, else where to go on (`ways`)."""

    fits: re.Pattern[str] | None = None
    holds: Callable[[str, int], bool] | None = None
    ways: tuple[int, ...] = ()


class _State:
    """The places at which a program may stand after some text, and the states that characters were seen to lead to."""

    __slots__ = ("ends", "moves", "places")

    def __init__(self, places: frozenset[int], *, ends: bool) -> None:
        self.places = places
        self.ends = ends
        self.moves: dict[str, _State] = {}


class GoRegex:
    """A compiled expression; `search` says whether it is found anywhere in a text (`Regexp.MatchString`).

    What follows on a character is worked out once and kept, as far as it depends on no place in the text: thousands of
    paths of a repository are held against one pattern.
    """

    def __init__(self, steps: Sequence[_Step]) -> None:
        self._steps = steps
        self._depends = any(step.holds is not None for step in steps)
        self._states: dict[tuple[bool, frozenset[int]], _State] = {}
        self._kept = 0

    def search(self, text: str) -> bool:
        return self._run(text, anchored=False)

    def fullmatch(self, text: str) -> bool:
        return self._run(text, anchored=True)

    def _run(self, text: str, *, anchored: bool) -> bool:
        if self._depends:
            return self._run_by_places(text, anchored=anchored)
        state = self._state({0}, anchored)
        for char in text:
            if state.ends and not anchored:
                return True
            state = state.moves.get(char) or self._moved(state, char, anchored)
        return state.ends

    def _moved(self, state: _State, char: str, anchored: bool) -> _State:
        if self._kept >= _MOST_KEPT:
            self._states.clear()
            self._kept = 0
        places = self._after(state.places, char)
        self._kept += 1 + len(places)
        found = state.moves[char] = self._state(places if anchored else places | {0}, anchored)
        return found

    def _state(self, places: set[int], anchored: bool) -> _State:
        reached = frozenset(self._reached(places, "", 0))
        key = anchored, reached
        if key not in self._states:
            self._states[key] = _State(reached, ends=len(self._steps) in reached)
        return self._states[key]

    def _run_by_places(self, text: str, *, anchored: bool) -> bool:
        end = len(self._steps)
        places: set[int] = set()
        for at in range(len(text) + 1):
            if at == 0 or not anchored:
                places.add(0)
            places = self._reached(places, text, at)
            if end in places and (not anchored or at == len(text)):
                return True
            if at == len(text):
                break
            places = self._after(places, text[at])
        return False

    def _after(self, places: Collection[int], char: str) -> set[int]:
        """Where those stand whose step takes the character."""
        end = len(self._steps)
        return {place + 1 for place in places if place < end and (fits := self._steps[place].fits) and fits.match(char)}

    def _reached(self, places: set[int], text: str, at: int) -> set[int]:
        """All steps that can be stood at without another character."""
        found: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            if place == len(self._steps):
                continue
            step = self._steps[place]
            if step.holds is not None:
                if step.holds(text, at):
                    waiting.append(place + 1)
            elif step.fits is None:
                waiting.extend(step.ways)
        return found


@lru_cache(maxsize=256)
def compiled(pattern: str) -> GoRegex:
    """The expression.

    Raises:
        ValueError: it is none, or one that is not supported; the message says why.
    """
    return GoRegex(_linked(_Parser(pattern).whole()))


# --- programs: lists of steps whose ways are relative to their own place ------------------------------------------

_Program = list[_Step]


def _linked(program: _Program) -> Sequence[_Step]:
    return [step._replace(ways=tuple(at + way for way in step.ways)) for at, step in enumerate(program)]


def _either(one: _Program, other: _Program) -> _Program:
    return [_Step(ways=(1, len(one) + 2)), *one, _Step(ways=(len(other) + 1,)), *other]


def _optional(program: _Program) -> _Program:
    return [_Step(ways=(1, len(program) + 1)), *program]


def _starred(program: _Program) -> _Program:
    return [_Step(ways=(1, len(program) + 2)), *program, _Step(ways=(-len(program) - 1,))]


def _repeated(program: _Program, least: int, most: int | None) -> _Program:
    tail = _starred(program) if most is None else []
    for _ in range((most or least) - least):
        tail = _optional(program + tail)
        if len(tail) > _LARGEST:
            break
    return program * least + tail


class _Flags(NamedTuple):
    ignore_case: bool = False
    many_lines: bool = False
    dot_is_all: bool = False


class _Parser:
    def __init__(self, pattern: str) -> None:
        # Between \Q and \E every character stands for itself.
        self._pattern = re.sub(r"\\Q(.*?)(?:\\E|\Z)|\\.", _literal, pattern, flags=re.DOTALL)
        self._at = 0
        self._depth = 0

    def whole(self) -> _Program:
        program = self._alternatives(_Flags())
        if self._at < len(self._pattern):
            raise self._refuse("unexpected )")
        return program

    def _alternatives(self, flags: _Flags) -> _Program:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refuse("expression nests too deeply")
        branches: list[_Program] = []
        branch: _Program = []
        while self._at < len(self._pattern) and self._peek() != ")":
            if self._take_if("|"):
                branches.append(branch)
                branch = []
                continue
            if (changed := self._flag_change(flags)) is not None:
                flags = changed
                continue
            branch += self._counted(self._atom(flags))
            if len(branch) > _LARGEST:
                raise self._refuse("expression too large")
        self._depth -= 1
        program = branch
        for each in reversed(branches):
            program = _either(each, program)
        return program

    def _flag_change(self, flags: _Flags) -> _Flags | None:
        """The flags after ``(?i)`` and its like; None where none stands here."""
        found = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?\)").match(self._pattern, self._at)
        if found is None or not (found[1] or found[2]):
            return None
        self._at = found.end()
        return _changed(flags, found[1], found[2] or "")

    def _atom(self, flags: _Flags) -> _Program:
        char = self._take()
        if char == "(":
            return self._group(flags)
        if char == "[":
            return [_one(self._class(), flags)]
        if char == ".":
            return [_one("." if flags.dot_is_all else r"[^\n]", flags._replace(dot_is_all=True))]
        if char == "^":
            return [_Step(holds=_at_line_start if flags.many_lines else _at_start)]
        if char == "$":
            return [_Step(holds=_at_line_end if flags.many_lines else _at_end)]
        if char == "\\":
            return self._escaped(flags)
        if char in "*+?" or _COUNT.match(self._pattern, self._at - 1):
            raise self._refuse(f"missing argument to repetition operator: {char}")
        return [_one(re.escape(char), flags)]

    def _group(self, flags: _Flags) -> _Program:
        if self._take_if("?"):
            found = re.compile(r"P?<[A-Za-z0-9_]+>|([imsU]*)(?:-([imsU]+))?:").match(self._pattern, self._at)
            if found is None:
                raise self._refuse("invalid or unsupported Perl syntax: (?")
            self._at = found.end()
            flags = _changed(flags, found[1] or "", found[2] or "")
        program = self._alternatives(flags)
        if not self._take_if(")"):
            raise self._refuse("missing closing )")
        return program

    def _counted(self, program: _Program) -> _Program:
        """`program` with the repetitions that follow it."""
        repeated = False
        while self._at < len(self._pattern):
            found = _COUNT.match(self._pattern, self._at)
            if self._peek() not in "*+?" and found is None:
                break
            if repeated:
                raise self._refuse("invalid nested repetition operator")
            repeated = True
            if found is not None:
                self._at = found.end()
                least = int(found[1])
                most = int(found[3]) if found[3] else None if found[2] else least
                if least > _MOST_TIMES or (most is not None and not least <= most <= _MOST_TIMES):
                    raise self._refuse(f"invalid repeat count: {found[0]}")
                if len(program) * max(least, most or 0) > _LARGEST:
                    raise self._refuse("expression too large")
                program = _repeated(program, least, most)
            else:
                operator = self._take()
                program = {"*": _starred, "+": _plus, "?": _optional}[operator](program)
            # Lazy or not makes no difference to whether it is found.
            self._take_if("?")
        return program

    def _escaped(self, flags: _Flags) -> _Program:
        char = self._peek()
        if char in _PLACES:
            self._take()
            return [_Step(holds=_PLACES[char])]
        return [_one(f"[{found}]" if (found := self._perl()) else re.escape(self._single()), flags)]

    def _perl(self) -> str:
        """What ``\\d`` and its like mean within a class; empty where none stands here. After a backslash."""
        char = self._peek()
        if char.lower() not in _PERL:
            return ""
        self._take()
        return _PERL[char] if char.islower() else _inverted(_PERL[char.lower()])

    def _single(self) -> str:
        """The character after a backslash."""
        found = re.compile(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([0-7]{3})").match(self._pattern, self._at)
        if found is not None:
            self._at = found.end()
            code = int(found[1] or found[2], 16) if not found[3] else int(found[3], 8)
            if code > 0x10FFFF:
                raise self._refuse("invalid escape sequence")
            return chr(code)
        char = self._take()
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char.isalnum() or not char.isascii():
            raise self._refuse(f"invalid or unsupported escape sequence: \\{char}")
        return char

    def _class(self) -> str:
        """A class in brackets, as Python writes it; the first bracket is taken."""
        negated = self._take_if("^")
        parts: list[str] = []
        while not parts or self._peek() != "]":
            if self._peek() == "":
                raise self._refuse("missing closing ]")
            parts.append(self._class_part())
        self._take()
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def _class_part(self) -> str:
        named = re.compile(r"\[:(\^?)(\w+):\]").match(self._pattern, self._at)
        if named is not None:
            if named[2] not in _POSIX:
                raise self._refuse(f"invalid character class range: {named[0]}")
            self._at = named.end()
            return _inverted(_POSIX[named[2]]) if named[1] else _POSIX[named[2]]
        if self._peek() == "\\" and self._pattern[self._at + 1 : self._at + 2].lower() in _PERL:
            self._take()
            return self._perl()
        low = self._class_character()
        if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
            self._take()
            high = self._class_character()
            if high < low:
                raise self._refuse(f"invalid character class range: {low}-{high}")
            return f"{re.escape(low)}-{re.escape(high)}"
        return re.escape(low)

    def _class_character(self) -> str:
        char = self._take()
        if char == "\\":
            return self._single()
        return char

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise self._refuse("trailing backslash at end of expression")
        self._at += 1
        return char

    def _take_if(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _refuse(self, why: str) -> ValueError:
        return ValueError(f"{quoted(self._pattern)} is no regular expression: {why}")


def _literal(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else re.escape(match[1])


def _plus(program: _Program) -> _Program:
    return [*program, *_starred(program)]


def _changed(flags: _Flags, on: str, off: str) -> _Flags:
    said = dict.fromkeys(on, True) | dict.fromkeys(off, False)
    return _Flags(said.get("i", flags.ignore_case), said.get("m", flags.many_lines), said.get("s", flags.dot_is_all))


def _one(text: str, flags: _Flags) -> _Step:
    return _Step(fits=re.compile(text, re.DOTALL | (re.IGNORECASE if flags.ignore_case else 0)))


def _inverted(ranges: str) -> str:
    """The ranges of all ASCII that is not in some, and all beyond."""
    fits = re.compile(f"[{ranges}]")
    return "".join(re.escape(chr(code)) for code in range(128) if not fits.match(chr(code))) + "\x80-\U0010ffff"


def _at_start(_: str, at: int) -> bool:
    return at == 0


def _at_end(text: str, at: int) -> bool:
    return at == len(text)


def _at_line_start(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def _at_line_end(text: str, at: int) -> bool:
    return at == len(text) or text[at] == "\n"


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and (text[at].isalnum() or text[at] == "_")


def _at_edge(text: str, at: int) -> bool:
    return _is_word(text, at - 1) != _is_word(text, at)


def _within(text: str, at: int) -> bool:
    return not _at_edge(text, at)


_PLACES: dict[str, Callable[[str, int], bool]] = {"A": _at_start, "z": _at_end, "b": _at_edge, "B": _within}
