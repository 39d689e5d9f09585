"""A line of shell, taken apart. Pure.

Owns: `parse`, from text to `Step`s. Called by `shell`. A small part of POSIX sh: words with quotes and variables,
pipes, ``;``, ``&&``, ``||``, and redirections of the kind that people type. No loops, conditions or substitutions:
those are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)|(?P<comment>\#[^\n]*)|(?P<operator>&&|\|\||[;|\n])|(?P<redirect>[12]?>&[12]|[12]?>>?|<)"""
    r"""|(?P<word>(?:[^\s;|&<>()'"\\\#]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|(?<=\S)\#)+)"""
)
_PART = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+|[?$#@*]))")
_RESERVED = frozenset("if then else elif fi for while until do done case esac function { } (".split())


class ShellSyntaxError(Exception):
    """Shell that can't be read here; the message says what."""


@dataclass(slots=True)
class Command:
    """One command of a pipeline, its words not yet expanded."""

    words: list[str] = field(default_factory=list)
    stdout: str = ""
    """Where its output goes: empty (where it went), ``2`` or a file."""
    stderr: str = ""
    stdin: str = ""


@dataclass(slots=True)
class Step:
    """A pipeline, and when it runs: always (empty), or if the last one succeeded (``&&``) or failed (``||``)."""

    when: str = ""
    pipeline: list[Command] = field(default_factory=lambda: [Command()])


def parse(text: str) -> list[Step]:
    """The steps of a line, in order.

    Raises:
        ShellSyntaxError: it is no shell, or more than is spoken here.
    """
    steps = [Step()]
    target = ""
    for match in _tokens(text):
        kind, token = match.lastgroup, match[0]
        if kind == "operator":
            if target or (_wants_more(steps[-1]) if token in ";\n" else not steps[-1].pipeline[-1].words):
                raise ShellSyntaxError(f'syntax error: unexpected "{token}"')
            if token == "|":
                steps[-1].pipeline.append(Command())
            else:
                steps.append(Step("" if token in ";\n" else token))
        elif kind == "redirect":
            target = _redirect(steps[-1].pipeline[-1], token)
        elif kind == "word":
            _put(steps[-1].pipeline[-1], token, target)
            target = ""
    if target or _wants_more(steps[-1]):
        raise ShellSyntaxError("syntax error: unexpected end of file")
    return [step for step in steps if step.pipeline[0].words]


def _wants_more(step: Step) -> bool:
    """Whether a command has to follow: behind ``&&``, ``||`` or ``|``."""
    return bool(step.when or len(step.pipeline) > 1) and not step.pipeline[-1].words


def _tokens(text: str) -> list[re.Match[str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            unclosed = text[at] in "'\""
            raise ShellSyntaxError("syntax error: unterminated quoted string" if unclosed else _unknown(text[at]))
        at = match.end()
        if match.lastgroup not in ("space", "comment"):
            found.append(match)
    return found


def _unknown(char: str) -> str:
    return f'syntax error: "{char}" is not spoken here'


def _redirect(command: Command, token: str) -> str:
    """Notes a redirection; returns which stream the next word names a file for, or an empty text."""
    if token == "<":
        return "stdin"
    stream = "stderr" if token.startswith("2") else "stdout"
    if ">&" in token:
        setattr(command, stream, token[-1])
        return ""
    return stream


def _put(command: Command, token: str, target: str) -> None:
    if target:
        setattr(command, target, token)
    elif not command.words and (token in _RESERVED or "`" in token or token.startswith("$(")):
        raise ShellSyntaxError(_unknown(token))
    else:
        command.words.append(token)


def expand(word: str, variables: Mapping[str, str]) -> list[str]:
    """What a word stands for: quotes taken off, variables put in. Unquoted variables are split at blanks."""
    made: list[str] = [""]
    quoted = False
    for single, double, escaped, plain in _PART.findall(word):
        if plain:
            text = _with_variables(plain, variables)
            first, *more = re.split(r"\s+", text) if _VARIABLE.search(plain) else [text]
            made[-1] += first
            made += more
            continue
        quoted = quoted or not escaped
        if escaped:
            made[-1] += escaped
        elif double:
            made[-1] += re.sub(r'\\([\\"$`])', r"\1", _with_variables(double, variables))
        else:
            made[-1] += single
    return made if quoted else [part for part in made if part]


def _with_variables(text: str, variables: Mapping[str, str]) -> str:
    if "$(" in text or "`" in text:
        raise ShellSyntaxError("command substitution is not spoken here")

    def value(match: re.Match[str]) -> str:
        braced, fallback, plain = match.groups()
        return variables.get(braced or plain, "") or fallback or ""

    return _VARIABLE.sub(value, text)
