"""The process that evaluates jq path expressions: strangers' programs, so with nothing at hand and under limits.

Owns: one question after the other from the socket that is its stdin, until that ends, as it does with the parent.
Started by path by `backends.jq`, which imports the constants and nothing else: it runs on the standard library and the
jq package alone, without site packages, so that it is there in 0.02 s. Nothing is printed.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import struct
import sys
from contextlib import suppress
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

QUESTION = struct.Struct(">II")
"""Before each question: how many bytes of the expression and of the object's JSON follow."""
ANSWER = struct.Struct(">BI")
"""Before each answer: what it is, and how many bytes follow."""
PATHS, INVALID, REFUSED = range(3)
"""The paths as JSON; what jq says of an expression that is none; why there is no answer, in words of ours."""
SECONDS = 1.0
"""Processor time for one question, to read the object included; Argo CD gives an expression 1 s (argo-cd v3.6.1,
util/argo/normalizers/diff_normalizer.go)."""
MEGABYTES = 512
"""Memory of the process."""
MOST = 2**24
"""Bytes of paths that are handed back."""
STDIN = 0

# gojq has none of them where Argo CD compiles an expression. halt is not caught by anything, and leaves no result.
PRELUDE = "".join(
    f"def {name}: halt; "
    for name in (
        *("input", "inputs", "debug", "debug(f)", "stderr", "input_filename", "input_line_number", "get_search_list"),
        "modulemeta",
    )
)
DESTRUCTURING = re.compile(r"\bas\s*[\[{]")


def main() -> None:
    os.environ.clear()
    sys.path.append(sys.argv[1])
    import jq

    limit(resource.RLIMIT_AS, MEGABYTES * 2**20)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, STDIN + 3)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    programs = lru_cache(maxsize=64)(lambda expression: compiled(jq.compile, expression))
    while True:
        lengths = QUESTION.unpack(received(QUESTION.size))
        expression, obj = (received(length).decode() for length in lengths)
        # Processor time: a machine that is busy takes nothing from it. The signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        kind, body = answer(programs, expression, obj)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sent(ANSWER.pack(kind, len(body)) + body)


def limit(what: int, most: int) -> None:
    # Not every system has all of them; the time limit alone bounds what is left.
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most))


def compiled(compile_: Callable[[str], Any], expression: str) -> Any:
    """The program that lists the paths that an expression names.

    Raises:
        ValueError: it is no jq.
    """
    if "\0" in expression:
        raise ValueError("it has a NUL character in it")
    # By itself first: ``.a) | (.b`` is an expression only where it is put between parentheses.
    compile_(expression)
    return compile_(f"{PRELUDE}[path({expression})]")


def answer(programs: Callable[[str], Any], expression: str, obj: str) -> tuple[int, bytes]:
    try:
        program = programs(expression)
    except ValueError as error:
        return INVALID, str(error).encode()
    try:
        found = program.input_text(obj).text().encode()
    except ValueError:
        if DESTRUCTURING.search(expression):
            return REFUSED, b"takes a value apart with `as`, which jq can't do on the way to a place; gojq can"
        # It does not fit this object, which is no fault: Argo CD removes nothing then.
        return PATHS, b"[]"
    if not found:
        return REFUSED, b"asks for input, debug, halt or the like, which Argo CD's jq does not have"
    if len(found) > MOST:
        return REFUSED, f"names more places than {MOST // 2**20} MB can list".encode()
    return PATHS, found


def received(length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = os.read(STDIN, min(length - len(parts), 2**20))
        if not part:
            os._exit(0)
        parts += part
    return bytes(parts)


def sent(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(STDIN, rest) :]


if __name__ == "__main__":
    main()
